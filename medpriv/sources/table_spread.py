"""What an own table's numbers look like, for its owner to see absurd ones; never by one person's extremes."""

import math
from collections.abc import Sequence

import numpy as np

from medpriv.measures.intervals import LEAST


def spreads(values: np.ndarray, people: np.ndarray, names: Sequence[str]) -> dict[str, list[float]]:
    """Return of each number its low, median and high value; of a number that fewer than twenty people have, none.

    At least ten people have a value as low as the low one, or lower, and ten as high as the high one, or higher: the
    least and the greatest of all would be single patients'. All three are rounded to a hundredth to a tenth of the
    distance from low to high, so that none is a patient's exact value where there are many.

    Args:
        values: float64 [n, numbers] of the training rows, NaN where one is missing.
        people: int [n], whose each row is.
        names: of the numbers.
    """
    found = {}
    for name, column in zip(names, values.T, strict=True):
        there = ~np.isnan(column)
        _, whose = np.unique(people[there], return_inverse=True)
        count = int(whose.max()) + 1 if len(whose) else 0
        if count < 2 * LEAST:
            continue
        least, most = np.full(count, np.inf), np.full(count, -np.inf)
        np.minimum.at(least, whose, column[there])
        np.maximum.at(most, whose, column[there])
        low, high = np.sort(least)[LEAST - 1], np.sort(most)[-LEAST]
        found[name] = [_rounded(one, high - low) for one in (low, np.median(column[there]), high)]
    return found


def _rounded(value: float, distance: float) -> float:
    """Return a value to two digits of a distance, or, where there is none, of its own."""
    return round(float(value), 1 - math.floor(math.log10(distance))) if distance > 0 else float(f"{value:.2g}")
