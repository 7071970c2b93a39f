"""The kernel distance of two samples of images (KID; Bińkowski et al., ICLR 2018), with an interval.

The squared maximum mean discrepancy of features under the kernel (x.y / F + 1)^3, unbiased: 0 on average where both
samples come from one distribution, whatever their size. FID is biased where images are few, so it is no figure here.

**Interval.** Near 0 the estimate is a degenerate U-statistic, for which neither its linear part nor a bootstrap gives
the right spread. So both samples are dealt into blocks, all images of a patient into one, each block's distance is
unbiased and independent of the others', and Student's interval is that of their mean. It speaks of other test patients
and other draws from these generators, not of other training halves.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from medpriv.measures.intervals import LEVEL

BLOCKS = 5
LEAST = 4  # units of a block


@dataclass(frozen=True)
class Distance:
    """A distance with its limits; NaN where units are too few for any."""

    value: float
    lower: float
    upper: float


def squared_discrepancy(x: np.ndarray, y: np.ndarray) -> float:
    """Return the unbiased squared discrepancy of features [n, F] and [m, F], n and m at least 2."""
    inside = [_kernel(side, side) for side in (x, y)]
    own = sum((kernel.sum() - np.trace(kernel)) / (len(kernel) * (len(kernel) - 1)) for kernel in inside)
    return float(own - 2 * _kernel(x, y).mean())


def distance(
    real: np.ndarray,
    patient: np.ndarray,
    sets: list[np.ndarray],
    rng: np.random.Generator,
    whose: list[np.ndarray] | None = None,
) -> Distance:
    """Return the mean over K sets of their distance from the real images, with its interval.

    Args:
        real: [n, F] features.
        patient: int [n], whose each is.
        sets: K times [m_k, F].
        rng: deals blocks.
        whose: K times int [m_k], of real images in the synthetic ones' place; None: each is its own unit.
    """
    own = whose or [np.arange(len(each)) for each in sets]
    value = float(np.mean([squared_discrepancy(real, each) for each in sets]))
    units = min(len(np.unique(each)) for each in (patient, *own))
    blocks = min(BLOCKS, units // LEAST)
    if blocks < 3:
        return Distance(value, np.nan, np.nan)
    inside = _dealt(patient, blocks, rng)
    parts = [
        [squared_discrepancy(real[inside == block], each[dealt == block]) for block in range(blocks)]
        for each, dealt in zip(sets, [_dealt(each, blocks, rng) for each in own], strict=True)
    ]
    mean = np.mean(parts, axis=0)
    reach = float(stdtrit(blocks - 1, (1 + LEVEL) / 2)) * mean.std(ddof=1) / np.sqrt(blocks)
    return Distance(value, value - reach, value + reach)


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x.astype(np.float64) @ y.astype(np.float64).T / x.shape[1] + 1) ** 3


def _dealt(unit: np.ndarray, blocks: int, rng: np.random.Generator) -> np.ndarray:
    """Return the block of each image, int [n]; blocks differ by one unit at most."""
    _, place = np.unique(unit, return_inverse=True)
    return rng.permutation(np.arange(place.max() + 1) % blocks)[place]
