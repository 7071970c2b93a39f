r"""Figures of K replicates that were trained on overlapping halves of the same patients, and their intervals.

A figure of a replicate is a value and each patient's part in its deviation, the figure linearised: for an accuracy
(right_i - accuracy) / N of its records, for an AUROC the placement values of DeLong et al. (1988). Differences and
means of figures are differences and means of values and parts, so everything is paired by patient and by replicate.

**The variance of the mean over replicates** has two sources, which are added:

    patients    A = P / (P - 1) sum_p (mean_k part_kp)^2                   who was tested; df P - 1
    training    B = max(S^2 - N, S^2 / 2) (1 / J + c / (1 - c))            what was trained on; df J - 1
                N = sum_kp (part_kp - mean_k part_kp)^2 / (J - 1)

S^2 is the variance between J replicates' values, N what of it comes from the patients tested, c the share of patients
whom two replicates were both trained on. Replicates that share training patients are correlated, so S^2 / J is too
small; the second term is the correction of Nadeau and Bengio (2003) by their own reasoning: a correlation c adds
c / (1 - c). They know nothing but S^2, so that tested patients enter by n_test / n_train; here these are known one by
one. Limits are value -+ t sqrt(A + B), degrees of freedom after Satterthwaite (1946). Of one replicate, and where all
members are the same, there is A alone. N is as uncertain as S^2, so no more than half of S^2 is taken off. What comes
of a generator's own chance is shared by no two replicates, and c is too much for it: with many replicates the interval
errs on the safe side. `benchmarks/synthetic_utility_coverage.py` shows how often these intervals hold the truth (0.93
to 1.00, with two replicates and with sixteen), and those of S^2 alone; with two or three replicates and a generator
that differs much from one to the next, 5 % of an equivalence test of AUROCs may be 8 %.

Patients that never differ say little: half a patient is added to either side of a difference, as Agresti and Min (2005)
do for paired shares, and a figure between 0 and 1 holds the limits of Clopper and Pearson where patients are few.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, sqrt

import numpy as np
from scipy.special import stdtr, stdtrit

from medpriv.measures.intervals import FEW, LEVEL, clopper_pearson
from medpriv.measures.predictions import ranked_classes
from medpriv.measures.roc import placements
from medpriv.measures.table import NAN

POWER = 0.8  # with which a margin can be proved, if there is no difference


@dataclass(frozen=True)
class Figure:
    """One figure of K replicates.

    Attributes:
        values: float64 [K], NaN where a replicate has none.
        parts: float64 [K, P], what each patient (or other unit) adds to the deviation from the value; rows sum to 0.
        tested: bool [K, P], whom each replicate's value rests on.
    """

    values: np.ndarray
    parts: np.ndarray
    tested: np.ndarray

    def __sub__(self, other: "Figure") -> "Figure":
        """Return the paired difference."""
        return Figure(self.values - other.values, self.parts - other.parts, self.tested & other.tested)

    def of(self, replicate: int) -> "Figure":
        """Return that of one replicate."""
        one = slice(replicate, replicate + 1)
        return Figure(self.values[one], self.parts[one], self.tested[one])

    @property
    def value(self) -> float:
        """The mean over the replicates that have one; NaN if none has."""
        held = self.values[~np.isnan(self.values)]
        return float(held.mean()) if len(held) else NAN

    @property
    def patients(self) -> int:
        """The different patients behind it."""
        return int(self.tested[~np.isnan(self.values)].any(axis=0).sum())


def mean_of(figures: Sequence[Figure]) -> Figure:
    """Return the mean of several figures of the same replicates and patients, such as those of ten classifiers."""
    values, parts = (np.mean([getattr(each, name) for each in figures], axis=0) for name in ("values", "parts"))
    return Figure(values, parts, figures[0].tested)


def accuracy(scores: Sequence[np.ndarray], y: Sequence[np.ndarray], unit: Sequence[np.ndarray], units: int) -> Figure:
    """Return the accuracy of K replicates.

    Args:
        scores: K arrays [N_k, C]; the highest is the answer.
        y: K arrays int [N_k].
        unit: K arrays int [N_k], whose record each is, 0 to units - 1.
        units: P.
    """
    values = np.full(len(y), np.nan)
    parts, tested = np.zeros((len(y), units)), np.zeros((len(y), units), bool)
    for k, (own, true, whose) in enumerate(zip(scores, y, unit, strict=True)):
        if len(true):
            right = own.argmax(axis=1) == true
            values[k] = right.mean()
            parts[k] = np.bincount(whose, (right - values[k]) / len(true), units)
            tested[k, whose] = True
    return Figure(values, parts, tested)


def auroc(scores: Sequence[np.ndarray], y: Sequence[np.ndarray], unit: Sequence[np.ndarray], units: int) -> Figure:
    """Return the AUROC of K replicates, of more than two classes the mean of each against all others.

    Classes that all or none of a replicate's records have are left out of its mean; where no class is left, it is NaN.
    Arguments are those of `accuracy`.
    """
    values = np.full(len(y), np.nan)
    parts, tested = np.zeros((len(y), units)), np.zeros((len(y), units), bool)
    for k, (own, true, whose) in enumerate(zip(scores, y, unit, strict=True)):
        ranked = [c for c in ranked_classes(own.shape[1]) if 0 < np.sum(true == c) < len(true)]
        if not ranked:
            continue
        columns = own[:, ranked] if own.shape[1] > 2 else _against_the_other(own)
        held = np.array([true == c for c in ranked])
        placed = placements(columns.T, held)  # [classes, N]
        areas = np.array([row[positive].mean() for row, positive in zip(placed, held, strict=True)])
        size = np.where(held, held.sum(axis=1, keepdims=True), (~held).sum(axis=1, keepdims=True))
        values[k] = areas.mean()
        parts[k] = np.bincount(whose, ((placed - areas[:, None]) / size).mean(axis=0), units)
        tested[k, whose] = True
    return Figure(values, parts, tested)


def _against_the_other(scores: np.ndarray) -> np.ndarray:
    """Return [N, 1] that ranks records for the second of two classes; a class that was never seen ranks nobody."""
    return (scores[:, 1:] - scores[:, :1]) if np.isfinite(scores).all() else np.zeros((len(scores), 1))


def common_share(members: np.ndarray) -> float:
    """Return the share of patients whom two of K replicates have in common on average; 0 of one.

    Args:
        members: bool [K, P].
    """
    if len(members) < 2:
        return 0.0
    own = members.astype(float)
    both = own @ own.T
    size = np.sqrt(np.outer(np.diag(both), np.diag(both)))
    apart = ~np.eye(len(members), dtype=bool)
    return float((both / np.where(size > 0, size, 1))[apart].mean())


@dataclass(frozen=True)
class Summary:
    """A figure's mean over replicates and how well it is known.

    Attributes:
        value: the mean.
        error: its standard error; NaN if nothing is known of it.
        freedom: degrees of freedom of Student's t.
        patients: behind it.
    """

    value: float
    error: float
    freedom: float
    patients: int

    def limits(self, level: float = LEVEL, bounds: tuple[float, float] = (-1.0, 1.0)) -> tuple[float, float]:
        """Return the limits of the interval, cut at what can be; NaN without a value, the bounds without an error."""
        if isnan(self.value):
            return NAN, NAN
        if isnan(self.error):
            return bounds
        reach = self._reach((1 + level) / 2)
        return max(self.value - reach, bounds[0]), min(self.value + reach, bounds[1])

    def share_limits(self) -> tuple[float, float]:
        """Return the limits of a figure between 0 and 1."""
        lower, upper = self.limits(bounds=(0.0, 1.0))
        if isnan(lower) or (self.patients >= FEW and self.error > 0 and 0 < self.value < 1):
            return lower, upper
        exact = clopper_pearson(self.value * self.patients, self.patients)
        return min(lower, float(exact[0])), max(upper, float(exact[1]))

    def equivalence_p(self, margin: float) -> float:
        """Return p of the two one-sided tests (Schuirmann 1987) that the figure lies between -margin and margin."""
        if isnan(self.value) or isnan(self.error):
            return NAN
        steps = (margin - abs(self.value)) / self.error
        return float(1 - stdtr(self.freedom, steps))

    def proved_margin(self) -> float:
        """Return the smallest margin within which the two one-sided tests at 5 % show the figure to be, at most 1."""
        return NAN if isnan(self.error) else min(abs(self.value) + self._reach(0.95), 1.0)

    def provable_margin(self) -> float:
        """Return the margin that these patients and replicates prove with a power of 80 % if there is no difference.

        Two tests at 5 % both pass with probability 1 - 2 beta if the margin is (t_0.95 + t_(1 - beta)) errors wide. It
        is at most 1, which no difference exceeds.
        """
        return NAN if isnan(self.error) else min(self._reach(0.95) + self._reach((1 + POWER) / 2), 1.0)

    def _reach(self, quantile: float) -> float:
        return float(stdtrit(self.freedom, quantile)) * self.error


def summarise(figure: Figure, common: float, difference: bool = False) -> Summary:
    """Return the mean over replicates with its standard error.

    Args:
        figure: of K replicates.
        common: the share of patients whom two replicates have in common (`common_share`).
        difference: it is a paired difference: half a patient is added on either side.
    """
    held = ~np.isnan(figure.values)
    value, patients, count = figure.value, figure.patients, int(held.sum())
    if patients < 2:
        return Summary(value, NAN, NAN, patients)
    part = figure.parts[held].mean(axis=0)
    tested = patients / (patients - 1) * float(np.square(part).sum())
    if difference:
        tested += 1 / (patients + 2) ** 2
    trained = 0.0
    if count > 1 and common < 1:
        between = float(figure.values[held].var(ddof=1))
        noise = float(np.square(figure.parts[held] - part).sum()) / (count - 1)
        trained = max(between - noise, between / 2) * (1 / count + common / (1 - common))
    variance = tested + trained
    spread = tested**2 / (patients - 1) + (trained**2 / (count - 1) if count > 1 else 0.0)
    return Summary(value, sqrt(variance), variance**2 / spread if spread > 0 else patients - 1.0, patients)
