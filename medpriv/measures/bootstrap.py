"""The one bootstrap behind every interval: patients drawn with replacement, whole, and replicates beside them.

A figure is reduced to sums over each patient's records first; all draws of it are then one matrix product with how
often each draw takes each patient. **Row 0 is the sample itself**, the draws follow: a value and its interval come from
the same array. Draws are shared by all figures of an audit, so differences are paired.

A figure of several replicates is a mean of each replicate's own (`over_replicates`), or one ratio over all pairs of a
replicate and a patient (`ratio`, `mean`). Intervals of such draws: `medpriv.measures.intervals`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

import numpy as np

from medpriv.measures.intervals import draw_patients, stretched_interval

_ELEMENTS = 2**23  # of one array over patients and draws, or patients and replicates; bounds the memory of large sets


@dataclass(frozen=True)
class PatientBootstrap:
    """B draws of P patients and K replicates, after the sample itself in row 0.

    Attributes:
        patients: float32 [1 + B, P], how often each patient is drawn.
        replicates: float32 [1 + B, K], how often each replicate is; [1 + B, 1], all ones, where none are drawn.
    """

    patients: np.ndarray
    replicates: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator, patients: int, draws: int, replicates: int = 1) -> "PatientBootstrap":
        """Draw patients, then replicates; of one replicate there is nothing to draw."""
        return cls(*(_after_sample(rng, size, draws) for size in (patients, replicates)))

    def sums(self, values: Iterable[np.ndarray], patient: np.ndarray) -> np.ndarray:
        """Return values summed over records, float64 [1 + B, K, ...].

        Args:
            values: one array [N, ...] a replicate; a generator keeps one of them in memory at a time.
            patient: int [N], 0..P-1, whose records they are; [K, N] if each replicate has records of its own.
        """
        size = self.patients.shape[1]
        found, by_patient = [], []
        shared = _runs(patient) if patient.ndim == 1 else None
        for replicate, each in enumerate(values):
            order, starts, present = shared or _runs(patient[replicate])
            summed = np.zeros((size, *each.shape[1:]))
            if len(starts):
                summed[present] = np.add.reduceat(each[order], starts, axis=0, dtype=np.float64)
            by_patient.append(summed)
            if summed.size * len(by_patient) >= _ELEMENTS:
                found.append(self._drawn(by_patient))
                by_patient = []
        found += [self._drawn(by_patient)] if by_patient else []
        return found[0] if len(found) == 1 else np.concatenate(found, axis=1)

    def _drawn(self, by_patient: list[np.ndarray]) -> np.ndarray:
        """Return the sums over patients [1 + B, K, ...] of one array [P, ...] a replicate."""
        stacked = np.stack(by_patient, axis=1)  # [P, K, ...]
        flat = stacked.reshape(len(stacked), -1)
        rows = max(1, _ELEMENTS // max(len(flat), 1))
        parts = [self.patients[first : first + rows] @ flat for first in range(0, len(self.patients), rows)]
        return np.concatenate(parts).reshape(-1, *stacked.shape[1:])

    def rates(self, hits: np.ndarray, of: np.ndarray, patient: np.ndarray) -> np.ndarray:
        """Return sum(hits) / sum(of) of each replicate, [1 + B, K]; NaN where nothing is counted.

        Args:
            hits, of: [K, N]; hits are 0 where `of` is.
            patient: see `sums`.
        """
        return quotient(self.sums(hits, patient), self.sums(of, patient))

    def over_replicates(self, values: np.ndarray) -> np.ndarray:
        """Return the mean over the replicates drawn of values [1 + B, K, ...], of those that have one; else NaN."""
        weight = ~np.isnan(values) * self.replicates.reshape(*self.replicates.shape, *(1,) * (values.ndim - 2))
        return quotient((np.nan_to_num(values) * weight).sum(axis=1), weight.sum(axis=1))

    def total(self, values: np.ndarray) -> np.ndarray:
        """Return the weighted sums [1 + B] of values [K, P] or, where each draw has its own, [1 + B, K, P]."""
        by_replicate = np.einsum("kp,bp->bk" if values.ndim == 2 else "bkp,bp->bk", values, self.patients)
        return (by_replicate * self.replicates).sum(axis=1)

    def ratio(self, part: np.ndarray, whole: np.ndarray) -> np.ndarray:
        """Return sum(part) / sum(whole) over pairs, [1 + B]; NaN where the whole is 0. Arguments as of `total`."""
        return quotient(self.total(part), self.total(whole))

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Return the mean [1 + B] of the pairs that have a value."""
        return self.ratio(np.nan_to_num(values), (~np.isnan(values)).astype(float))

    def of_pairs(self, replicate: np.ndarray, patient: np.ndarray) -> np.ndarray:
        """Return how often each of M pairs is drawn, [1 + B, M], given its replicate and patient, int [M]."""
        return self.patients[:, patient] * self.replicates[:, replicate]


def quotient(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, NaN where the whole is not above 0."""
    return np.divide(part, whole, out=np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan), where=whole > 0)


def difference_interval(
    drawn: np.ndarray, patients: float = inf, bounds: tuple[float, float] = (-1.0, 1.0)
) -> tuple[float, float, float]:
    """Return a figure of [1 + B] with its limits: value, lower, upper; widened if it rests on few patients."""
    return float(drawn[0]), *stretched_interval(float(drawn[0]), drawn[1:], patients, bounds=bounds)


def _after_sample(rng: np.random.Generator, size: int, draws: int) -> np.ndarray:
    """Return draws [1 + B, size] after a row of ones."""
    counts = np.ones((1 + draws, size), np.float32)
    rows = max(1, _ELEMENTS // size)
    for first in range(0, draws, rows):
        counts[1 + first : 1 + first + rows] = draw_patients(rng, size, min(rows, draws - first))
    return counts


def _runs(patient: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return an order [N] that puts each patient's records together, where each patient starts, and who they are."""
    order = np.argsort(patient, kind="stable")
    starts = np.flatnonzero(np.diff(patient[order], prepend=-1))
    return order, starts, patient[order][starts]
