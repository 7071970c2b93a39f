"""What canaries tell: their exposure in bits, and how many exact copies fuzzy ones are worth.

Arrays in, arrays out. The canaries themselves: `medpriv.language.canaries`. (The exposure of patients, a share of pairs
of replicates, is another figure: `medpriv.measures.exposure`.)
"""

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.special import gammaln


def ranks(own: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the rank of each canary among itself and its candidates, ties in the middle; 1: the likeliest of all.

    Args:
        own: [...], the canaries' scores.
        others: [..., R - 1], those of candidates that nobody inserted; NaN where there is none.
    """
    with np.errstate(invalid="ignore"):
        above, tied = (others > own[..., None]).sum(axis=-1), (others == own[..., None]).sum(axis=-1)
    return 1 + above + tied / 2


def exposure_bits(rank: np.ndarray, size: np.ndarray | int) -> np.ndarray:
    """Return log2 R - log2 rank (Carlini et al. 2019), R = `size` sequences of which the canary is one."""
    return np.log2(size) - np.log2(rank)


def expected_bits(size: np.ndarray | int) -> np.ndarray:
    """Return the expected exposure where each rank is as likely: log2 R - log2(R!) / R, near 1 / ln 2 for large R."""
    return np.log2(size) - gammaln(np.asarray(size) + 1.0) / np.log(2) / size


def exact_equivalents(counts: np.ndarray, gains: np.ndarray, gain: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return how many exact copies are worth as much as fuzzy ones that gained so much, [B].

    The gain of exact copies is made to rise with their number (isotonic regression), begins with 0 at none, and is
    straight in log(1 + copies) between the numbers that were tried; equivalents are read off it, from 0 to the largest
    number tried. So exact copies are worth themselves.

    Args:
        counts: int [n], numbers of exact copies tried, rising.
        gains: [B, n], what they gained in each draw.
        gain: [B], what fuzzy copies did.
        weights: [n], canaries behind each of the gains.
    """
    places = np.log1p(np.concatenate([[0], counts]))
    found = np.full(len(gain), np.nan)
    for row, (exact, fuzzy) in enumerate(zip(gains, gain, strict=True)):
        if not np.isnan(exact).any() and not np.isnan(fuzzy):
            rising = isotonic_regression(exact, weights=weights).x
            curve = np.maximum(np.concatenate([[0.0], rising]), 0.0)
            found[row] = np.expm1(_place_on(curve, places, fuzzy))
    return found


def _place_on(curve: np.ndarray, places: np.ndarray, value: float) -> float:
    """Return where a rising curve first reaches a value: its first place below it, its last above."""
    after = int(np.searchsorted(curve, value, side="left"))
    if after == 0 or after == len(curve):
        return float(places[min(after, len(curve) - 1)])
    share = (value - curve[after - 1]) / (curve[after] - curve[after - 1])
    return float(places[after - 1] + share * (places[after] - places[after - 1]))
