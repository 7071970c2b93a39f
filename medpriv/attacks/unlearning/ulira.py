"""U-LiRA: can an attacker tell models that forgot a record from models that never saw it? (Hayes et al. 2024)

For each unit (a record, or a patient) phi has two Gaussians: over models that had to forget the unit and over models
that never saw it. The score of a model is log N(phi; mu_u, v_u) - log N(phi; mu_n, v_n); 0.5 is the AUC of perfect
forgetting. Variances are shared by all units, as LiRA's are where models are few.

Models come from origins (the replicates of a bank), and models of one origin share most of their training: the origin
is the unit of independence. At most one model of an origin stands on each side of a unit, and no fit uses a model of
the origin that is scored. An AUC compares pairs (a model of origin a that forgot, one of origin b that never saw), both
scored by fits without a and b, for the reason that `medpriv.measures.exposure` gives: with one left out, the numbers
left on either side would give the answer away.

Few models forget the same patient, so the forgetting side's fits lean on the other side by one pseudo-observation: its
mean on mu_n plus the shift mu_u - mu_n averaged over all units, its variance on v_n.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from medpriv.attacks.membership.lira import VARIANCE_FLOOR, gaussian_log_ratio, shared_variance
from medpriv.attacks.membership.view import Moments

_ELEMENTS = 1_000_000  # of one [T, U] array; bounds the memory of a pass to some hundred megabytes


@dataclass(frozen=True)
class Cells:
    """Phi of the models of K origins on U units.

    Attributes:
        inside: float64 [K, U], of the origin's model that saw the unit (and had to forget it); NaN where there is none.
        outside: float64 [K, U], of the origin's model that never saw the unit; NaN where there is none.
        patient: int [U], whose unit: 0..P-1.
    """

    inside: np.ndarray
    outside: np.ndarray
    patient: np.ndarray


@dataclass(frozen=True)
class Wins:
    """Pairs of origins a, b and how often the model of a that saw the unit outscores that of b which did not.

    Attributes:
        won: float64 [P, K, K], sums over the patient's units of the share won, ties half.
        pairs: float64 [P, K, K], how many of the patient's units have the pair.
    """

    won: np.ndarray
    pairs: np.ndarray


class Scorer:
    """Log likelihood ratios of cells, by fits that leave out given origins."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        values = np.concatenate([cells.inside, cells.outside])
        count = np.maximum((~np.isnan(values)).sum(axis=0), 1)
        self._centre = np.nansum(values, axis=0) / count  # keeps differences of squares free of cancellation

    def ratios(self, left_out: np.ndarray, *columns: np.ndarray) -> list[np.ndarray]:
        """Return the scores [T, U] of each column of values [T, U]; NaN where a fit has no model.

        Args:
            left_out: int [T, L], the origins that no fit of row t uses.
        """
        seen = np.ones((len(left_out), len(self._cells.inside)))
        seen[np.arange(len(left_out))[:, None], left_out] = 0
        inside, outside = self._moments(seen, self._cells.inside), self._moments(seen, self._cells.outside)
        both = (inside.count > 0) & (outside.count > 0)
        shift = np.where(both, inside.mean - outside.mean, 0).sum(axis=1, keepdims=True)
        with np.errstate(invalid="ignore"):
            shift = shift / both.sum(axis=1, keepdims=True)  # NaN without a unit that has both
        mean = (inside.count * inside.mean + outside.mean + shift) / (inside.count + 1)
        variance_out = shared_variance(outside)
        freedom = np.maximum(inside.count - 1, 0).sum(axis=1, keepdims=True)
        squares = (inside.count * inside.variance).sum(axis=1, keepdims=True)
        variance_in = np.maximum((squares + variance_out) / (freedom + 1), VARIANCE_FLOOR)
        usable = np.where(outside.count > 0, 0.0, np.nan)
        return [
            gaussian_log_ratio(values - self._centre, mean, variance_in, outside.mean, variance_out) + usable
            for values in columns
        ]

    def _moments(self, seen: np.ndarray, values: np.ndarray) -> Moments:
        """Return count, mean and variance over the origins seen, [T, U]; means are relative to the centre."""
        chosen = ~np.isnan(values)
        centred = np.where(chosen, values - self._centre, 0)
        count = seen @ chosen.astype(float)
        safe = np.maximum(count, 1)
        mean = seen @ centred / safe
        return Moments(count, mean, np.maximum(seen @ centred**2 / safe - mean**2, 0))


def score_cells(cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores [K, U] of the inside and of the outside models, each by fits without its own origin."""
    every = np.arange(len(cells.inside))[:, None]
    inside, outside = Scorer(cells).ratios(every, cells.inside, cells.outside)
    return inside, outside


def count_wins(cells: Cells) -> Wins:
    """Compare all pairs of origins on all units."""
    origins, patients = len(cells.inside), int(cells.patient.max()) + 1
    scorer, whose = Scorer(cells), np.eye(patients)[cells.patient]  # [U, P]
    won, pairs = np.zeros((patients, origins, origins)), np.zeros((patients, origins, origins))
    first, second = np.triu_indices(origins, k=1)
    for part in _parts(len(first), len(cells.patient)):
        one, other = first[part], second[part]
        columns = [side[rows] for rows in (one, other) for side in (cells.inside, cells.outside)]
        one_in, one_out, other_in, other_out = scorer.ratios(np.stack([one, other], axis=1), *columns)
        for row, column, difference in ((one, other, one_in - other_out), (other, one, other_in - one_out)):
            known = ~np.isnan(difference)
            won[:, row, column] = (np.where(known, 0.5 + 0.5 * np.sign(difference), 0) @ whose).T
            pairs[:, row, column] = (known.astype(float) @ whose).T
    return Wins(won, pairs)


def _parts(rows: int, units: int) -> Iterator[slice]:
    step = max(1, _ELEMENTS // units)
    return (slice(start, start + step) for start in range(0, rows, step))
