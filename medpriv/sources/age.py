"""Bands of age, in which patients are told apart in groups."""

from bisect import bisect_right

import numpy as np

UNKNOWN = "unknown"


def age_band(age: float | None, ends: tuple[int, ...]) -> str:
    """Return the band of an age in years: with ends (45, 65) `<45`, `45-64` or `65+`.

    An age that is missing, not a number or below 0 (as publishers mark one that nobody knows) is `unknown`.

    Args:
        ends: rising; each the first age of the next band.
    """
    if age is None or np.isnan(age) or age < 0:
        return UNKNOWN
    place = bisect_right(ends, age)
    if not place:
        return f"<{ends[0]}"
    return f"{ends[place - 1]}+" if place == len(ends) else f"{ends[place - 1]}-{ends[place] - 1}"
