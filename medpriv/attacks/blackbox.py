"""The square attack: random search that sees logits and no gradient.

Andriushchenko et al. 2020, L-infinity, untargeted: with squares on images, on signals with windows of time in place of
them. What it changes, it changes by all of the budget. The first query of each record tries random signs, each later
one a window in which every lead (or channel) gets one random sign; a try is kept if the margin grows. Windows shrink on
the authors' schedule. As a check on `medpriv.attacks.gradient` it must not be the stronger attack: if it is, gradients
mislead.
"""

import numpy as np

from medpriv.attacks.attacked_records import AttackedRecords
from medpriv.attacks.target_models import TargetModels, margins, standardise, within_limits

FIRST_SHARE = 0.8  # of the samples or pixels, in the first window
HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)  # of 10,000 queries: when the share is halved


def window_length(query: int, queries: int, sides: tuple[int, ...]) -> int:
    """Return the length of each side of the query's window, in samples or pixels of records with these sides."""
    halved = sum(query * 10_000 >= at * queries for at in HALVINGS)
    length = (FIRST_SHARE * np.prod(sides) / 2**halved) ** (1 / len(sides))
    return min(max(1, round(length)), *sides)


def square(
    models: TargetModels, records: AttackedRecords, epsilon: float, queries: int, rng: np.random.Generator
) -> np.ndarray:
    """Return attacked records [K, N, leads, ...] from x [N, leads, ...], after so many queries each."""
    dataset, x, y, inside = records.dataset, records.x, records.y, records.inside
    size = np.float32(epsilon) if inside is None else np.float32(epsilon) * inside
    reached = margins(models.logits(standardise(dataset, x)), y)
    best = np.broadcast_to(x, (*reached.shape, *x.shape[1:])).copy()
    leads, *sides = x.shape[1:]
    for query in range(queries):
        if query:
            window = _windows(reached.shape, tuple(sides), window_length(query, queries, tuple(sides)), rng)
            sign = rng.choice(np.array([-1, 1], np.float32), (*reached.shape, leads, *[1] * len(sides)))
            tried = np.where(window, x + size * sign, best)
        else:
            tried = x + size * rng.choice(np.array([-1, 1], np.float32), best.shape)
        tried = within_limits(dataset, tried)
        margin = margins(models.logits(standardise(dataset, tried)), y)
        better = margin > reached
        best[better], reached[better] = tried[better], margin[better]
    return best


def _windows(shape: tuple[int, ...], sides: tuple[int, ...], length: int, rng: np.random.Generator) -> np.ndarray:
    """Return bool [*shape, 1, *sides]: a window of `length` along each side for each network and record."""
    window = np.ones((*shape, 1, *[1] * len(sides)), bool)
    for axis, side in enumerate(sides):
        first = rng.integers(0, side - length + 1, shape)[(..., *[None] * (1 + len(sides)))]
        place = np.arange(side).reshape(*[1] * axis, side, *[1] * (len(sides) - 1 - axis))
        window = window & (first <= place) & (place < first + length)
    return window
