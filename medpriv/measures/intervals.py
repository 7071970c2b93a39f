"""95 % intervals. Patients are the independent units everywhere: they are drawn with replacement, whole, with all
their records.

The bootstrap speaks of another sample of patients for the same trained replicates, unless replicates are drawn too.
From `FEW` patients on, limits are percentiles of the draws. Draws from fewer show too little of what other patients
would bring, and draws that are all equal (a rate of 0 or 1) show nothing. Then the interval is widened:

- a rate, or another mean of what lies between 0 and 1: to hold the Clopper–Pearson limits of as many single records as
  the draws are worth (Korn and Graubard 1998), never fewer than the patients;
- an AUC: to hold Newcombe's limits, likewise;
- a mean over classes: to hold the limits that follow from those of its classes (Zou and Donner 2008), for a class that
  one patient holds is known from one patient, however many there are beside;
- a difference: about the value, by what Student's t has over the normal quantile and by sqrt(n / (n - 1)), the factor
  that Hesterberg (2015) gives for means.

Patients with many records weigh more than patients with few: all this counts `effective_patients`. How often the
intervals hold the truth is what `benchmarks/utility_coverage.py` shows.
"""

from collections.abc import Callable, Iterable
from math import inf, isnan, nan, sqrt

import numpy as np
from scipy.special import betaincinv, stdtrit

LEVEL = 0.95
FEW = 30  # patients: on fewer every interval is widened
SCARCE = 5  # patients: fewer do not show how patients differ, and count as one record each
LEAST = 10  # patients: on fewer no claim is judged, no model is said to be better, and no point is drawn
Z = 1.959963984540054
EQUAL = 1e-9  # draws that differ by less are equal but for rounding


def draw_patients(rng: np.random.Generator, patients: int, draws: int) -> np.ndarray:
    """Return float32 [draws, patients]: how often each patient is drawn in each bootstrap sample."""
    return rng.multinomial(patients, np.full(patients, 1 / patients), size=draws).astype(np.float32)


def percentile_interval(draws: np.ndarray) -> tuple[float, float]:
    """Return the 2.5 % and 97.5 % quantiles over the draws that have a value; NaN twice if none has."""
    valued = draws[~np.isnan(draws)]
    if not len(valued):
        return nan, nan
    lower, upper = np.quantile(valued, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(lower), float(upper)


def effective_patients(records: np.ndarray) -> np.ndarray:
    """Return how many patients with equally many records would tell as much: (sum n)^2 / sum n^2 (Kish 1965).

    Args:
        records: [..., P], how many records each patient has; none of them all gives 0.
    """
    squares = (np.asarray(records, dtype=float) ** 2).sum(axis=-1)
    return np.asarray(records, dtype=float).sum(axis=-1) ** 2 / np.where(squares > 0, squares, 1.0)


def rate_interval(value: float, draws: np.ndarray, patients: float) -> tuple[float, float]:
    """Return the interval of a rate, or another mean of what lies between 0 and 1, that rests on so many patients.

    NaN twice if the value is NaN.
    """
    drawn = percentile_interval(draws)
    if isnan(value) or not patients > 0 or not tells_little(drawn, patients):
        return holding(value, drawn)
    size = patients * _worth(value * (1 - value) / patients, draws, patients)
    return _joined(drawn, clopper_pearson(value * size, size))


def auc_interval(value: float, draws: np.ndarray, members: float, others: float) -> tuple[float, float]:
    """Return the interval of an AUC that rests on so many patients on either side."""
    drawn, fewer = percentile_interval(draws), min(members, others)
    if isnan(value) or not fewer > 0 or not tells_little(drawn, fewer):
        return holding(value, drawn)
    worth = _worth(float(_auc_variance(value, members, others)), draws, fewer)
    return _joined(drawn, newcombe(value, worth * members, worth * others))


def stretched_interval(
    value: float, draws: np.ndarray, *patients: float, bounds: tuple[float, float] = (-1.0, 1.0)
) -> tuple[float, float]:
    """Return the interval of a difference, or of another figure of which no closed form is known.

    Args:
        patients: how many the figure rests on; on each side, where it has two.
        bounds: what the figure can be at most either way; where so few patients say nothing and a bound is infinite,
            there is no interval (NaN).
    """
    lower, upper = percentile_interval(draws)
    factor = _stretch(min(patients))
    if isnan(value) or factor == 1:
        return holding(value, (lower, upper))
    if factor == inf:
        return (nan, nan) if inf in map(abs, bounds) else bounds
    below, above = max(value - lower, 0.0), max(upper - value, 0.0)
    return max(value - factor * below, bounds[0]), min(value + factor * above, bounds[1])


def deviation_interval(value: float, draws: np.ndarray, patients: float) -> tuple[float, float]:
    """Return the interval of a mean absolute deviation (such as the calibration error), from 0 to 1.

    Chance adds to every absolute deviation, to those of a draw once more than to those of the sample, so that
    percentiles of the draws lie too high, often wholly above the value. Squared deviations grow by the same amount each
    time: the limits are the roots of 2 v^2 - q^2, cut at 0, which is the basic bootstrap (Davison and Hinkley 1997) of
    the square. Both limits hold the value.
    """
    lower, upper = percentile_interval(draws)
    factor = _stretch(patients)
    if isnan(value):
        return nan, nan
    if factor == inf:
        return 0.0, 1.0
    below, above = (factor * max(square, 0.0) for square in (upper**2 - value**2, value**2 - lower**2))
    return sqrt(max(value**2 - below, 0.0)), min(sqrt(value**2 + above), 1.0)


def class_mean_interval(
    value: float,
    draws: np.ndarray,
    patients: float,
    classes: Iterable[tuple[float, float, float]],
    bounds: tuple[float, float] = (0.0, 1.0),
) -> tuple[float, float]:
    """Return the interval of a mean over classes of which at least one rests on few patients.

    Each limit lies as far from the value as sqrt(sum_c d_c^2) / C, with d_c the distance of the class's own limit
    (MOVER, Zou and Donner 2008). Classes are taken for independent; what they have in common is in the draws of the
    mean, whose stretched interval is held too.

    Args:
        patients: how many the figure as a whole rests on.
        classes: each class's value and limits.
    """
    stretched = stretched_interval(value, draws, patients, bounds=bounds)
    each = np.array(list(classes))  # [C, 3]
    below, above = (np.sqrt(((each[:, 0] - each[:, side]) ** 2).sum()) / len(each) for side in (1, 2))
    return _joined(stretched, (value - below, value + above))


def student_interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Student's limits of the mean over axis 0 of independent values [n, ...]; NaN for fewer than two."""
    count = len(values)
    if count < 2:
        return np.full(values.shape[1:], nan), np.full(values.shape[1:], nan)
    mean = values.mean(axis=0)
    reach = stdtrit(count - 1, (1 + LEVEL) / 2) * values.std(axis=0, ddof=1) / sqrt(count)
    return mean - reach, mean + reach


def tells_little(drawn: tuple[float, float], patients: float) -> bool:
    """Return whether the percentiles of draws are not enough: of few patients, or of draws that are all equal."""
    return drawn[1] - drawn[0] < EQUAL or patients < FEW


def _worth(variance: float, draws: np.ndarray, patients: float) -> float:
    """Return how many single records a patient is worth, at least 1: the variance over that of the stretched draws.

    Args:
        variance: that of the figure, were every patient one record.
    """
    lower, upper = percentile_interval(draws)
    if patients < SCARCE or not upper - lower >= EQUAL:
        return 1.0
    return max(1.0, variance / (float(np.nanvar(draws)) * _stretch(patients) ** 2))


def _stretch(patients: float) -> float:
    """Return how many times farther the limits lie than the draws say: 1 from `FEW` patients on, endless below 2."""
    if patients >= FEW:
        return 1.0
    if patients < 2:
        return inf
    return float(stdtrit(patients - 1, (1 + LEVEL) / 2)) / Z * sqrt(patients / (patients - 1))


def holding(value: float, limits: tuple[float, float]) -> tuple[float, float]:
    """Return limits that hold the value, which those of a few draws may miss; NaN twice without a value."""
    if isnan(value) or isnan(limits[0]):
        return nan, nan
    return min(value, limits[0]), max(value, limits[1])


def _joined(drawn: tuple[float, float], limits: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    """Return the narrowest interval that holds both; draws without a value give way."""
    return float(np.fmin(drawn[0], limits[0])), float(np.fmax(drawn[1], limits[1]))


def clopper_pearson(successes: np.ndarray | float, n: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Return the exact binomial limits (Clopper and Pearson 1934); the successes may be a mean, so not whole."""
    k, n = np.asarray(successes, dtype=float), np.asarray(n, dtype=float)
    tail = (1 - LEVEL) / 2
    lower = np.where(k > 0, betaincinv(np.maximum(k, 1e-300), n - k + 1, tail), 0.0)
    upper = np.where(k < n, betaincinv(k + 1, np.maximum(n - k, 1e-300), 1 - tail), 1.0)
    return lower, upper


def newcombe(auc: np.ndarray | float, m: np.ndarray | float, n: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Return limits of an AUC of m against n units by Newcombe's method 5 (2006).

    The limits are the theta with |auc - theta| = 1.96 sqrt(V(theta)), V the Hanley–McNeil variance with both sample
    sizes in its second part replaced by their mean: never empty, also at AUC 0 and 1.
    """
    auc, m, n = (np.asarray(value, dtype=float) for value in (auc, m, n))

    def deviation(theta: np.ndarray) -> np.ndarray:
        return Z * np.sqrt(_auc_variance(theta, m, n))

    return _solve(lambda theta: auc - theta - deviation(theta), auc, 0.0), _solve(
        lambda theta: theta - auc - deviation(theta), auc, 1.0
    )


def _auc_variance(theta: np.ndarray, m: np.ndarray, n: np.ndarray) -> np.ndarray:
    extra = (m + n) / 2 - 1
    return theta * (1 - theta) * (1 + extra * ((1 - theta) / (2 - theta) + theta / (1 + theta))) / (m * n)


def _solve(outside: Callable[[np.ndarray], np.ndarray], near: np.ndarray, far: float) -> np.ndarray:
    """Bisect between `near` (inside the interval) and `far` (outside, or the limit itself)."""
    inner, outer = np.array(near, dtype=float), np.full(np.shape(near), far)
    for _ in range(60):
        middle = (inner + outer) / 2
        beyond = outside(middle) > 0
        inner, outer = np.where(beyond, inner, middle), np.where(beyond, middle, outer)
    return outer
