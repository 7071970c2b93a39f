"""The square attack for signals: random search that sees logits and no gradient.

Andriushchenko et al. 2020, L-infinity, untargeted, with windows of time in place of squares. What it changes, it
changes by all of the budget. The first query of each record tries random signs, each later one a window in which every
lead gets one random sign; a try is kept if the margin grows. Windows shrink on the authors' schedule. As a check on
`medpriv.attacks.gradient` it must not be the stronger attack: if it is, gradients mislead.
"""

import numpy as np

from medpriv.attacks.victim import Victim, margins, standardise
from medpriv.dataset import Dataset

FIRST_SHARE = 0.8  # of the samples, in the first window
HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)  # of 10,000 queries: when the share is halved


def window_length(query: int, queries: int, samples: int) -> int:
    """Return the window of the query, in samples."""
    halved = sum(query * 10_000 >= at * queries for at in HALVINGS)
    return max(1, round(FIRST_SHARE * samples / 2**halved))


def square(
    victim: Victim,
    dataset: Dataset,
    x: np.ndarray,
    y: np.ndarray,
    epsilon_mv: float,
    queries: int,
    rng: np.random.Generator,
    inside: np.ndarray | None = None,
) -> np.ndarray:
    """Return attacked signals [K, N, leads, samples] in mV, from x [N, leads, samples], after so many queries each."""
    size = np.float32(epsilon_mv) if inside is None else np.float32(epsilon_mv) * inside
    reached = margins(victim.logits(standardise(dataset, x)), y)
    best = np.broadcast_to(x, (*reached.shape, *x.shape[1:])).copy()
    leads, samples = x.shape[1:]
    sample = np.arange(samples)
    for query in range(queries):
        if query:
            length = window_length(query, queries, samples)
            first = rng.integers(0, samples - length + 1, reached.shape)[..., None, None]
            sign = rng.choice(np.array([-1, 1], np.float32), (*reached.shape, leads, 1))
            tried = np.where((first <= sample) & (sample < first + length), x + size * sign, best)
        else:
            tried = x + size * rng.choice(np.array([-1, 1], np.float32), best.shape)
        margin = margins(victim.logits(standardise(dataset, tried)), y)
        better = margin > reached
        best[better], reached[better] = tried[better], margin[better]
    return best
