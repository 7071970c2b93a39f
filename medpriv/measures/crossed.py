"""Figures that rest on replicates and patients crossed: one value for every pair of a replicate and a patient.

The interval draws patients with replacement, and replicates with replacement beside them, so it speaks of other
patients and of other trainings. Draws are shared by all figures of one audit: differences are paired.
"""

from math import inf

import numpy as np

from medpriv.measures.intervals import draw_patients, stretched_interval


class Crossed:
    """Bootstrap draws over K replicates and P patients; row 0 is the sample itself.

    Attributes:
        replicates: float32 [1 + B, K], how often each replicate is drawn.
        patients: float32 [1 + B, P].
    """

    def __init__(self, rng: np.random.Generator, replicates: int, patients: int, draws: int) -> None:
        self.replicates, self.patients = (
            np.concatenate([np.ones((1, size), np.float32), draw_patients(rng, size, draws)])
            for size in (replicates, patients)
        )

    def total(self, values: np.ndarray) -> np.ndarray:
        """Return the weighted sums [1 + B] of values [K, P] or, where each draw has its own, [1 + B, K, P]."""
        by_replicate = np.einsum("kp,bp->bk" if values.ndim == 2 else "bkp,bp->bk", values, self.patients)
        return (by_replicate * self.replicates).sum(axis=1)

    def ratio(self, part: np.ndarray, whole: np.ndarray) -> np.ndarray:
        """Return sum(part) / sum(whole) in each draw, [1 + B]; NaN where the whole is 0."""
        above, below = self.total(part), self.total(whole)
        return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Return the mean [1 + B] of the pairs that have a value."""
        return self.ratio(np.nan_to_num(values), (~np.isnan(values)).astype(float))


def difference_interval(
    drawn: np.ndarray, patients: float = inf, bounds: tuple[float, float] = (-1.0, 1.0)
) -> tuple[float, float, float]:
    """Return a figure of [1 + B] with its limits: value, lower, upper; widened if it rests on few patients."""
    return float(drawn[0]), *stretched_interval(float(drawn[0]), drawn[1:], patients, bounds=bounds)
