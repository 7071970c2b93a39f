"""95 % intervals. Patients are the independent units everywhere: they are drawn with replacement, whole, with all
their records.

The bootstrap speaks of another sample of patients for the same trained replicates. A percentile interval that
collapses (all draws equal, as at a rate of 0 or 1) says nothing, so a closed form on the number of patients stands in.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import betaincinv

LEVEL = 0.95
Z = 1.959963984540054


def draw_patients(rng: np.random.Generator, patients: int, draws: int) -> np.ndarray:
    """Return float32 [draws, patients]: how often each patient is drawn in each bootstrap sample."""
    return rng.multinomial(patients, np.full(patients, 1 / patients), size=draws).astype(np.float32)


def percentile_interval(draws: np.ndarray) -> tuple[float, float]:
    """Return the 2.5 % and 97.5 % quantiles over the draws that have a value; NaN twice if none has."""
    valued = draws[~np.isnan(draws)]
    if not len(valued):
        return float("nan"), float("nan")
    lower, upper = np.quantile(valued, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(lower), float(upper)


def rate_interval(value: float, draws: np.ndarray, patients: float) -> tuple[float, float]:
    """Return the percentile interval of a rate, or Clopper–Pearson on the number of patients where it collapses."""
    lower, upper = percentile_interval(draws)
    if lower == upper and patients > 0:
        lower, upper = (float(limit) for limit in clopper_pearson(value * patients, patients))
    return lower, upper


def auc_interval(value: float, draws: np.ndarray, members: float, others: float) -> tuple[float, float]:
    """Return the percentile interval of an AUC, or Newcombe's on the numbers of patients where it collapses."""
    lower, upper = percentile_interval(draws)
    if lower == upper and members > 0 and others > 0:
        lower, upper = (float(limit) for limit in newcombe(value, members, others))
    return lower, upper


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
    extra = (m + n) / 2 - 1

    def deviation(theta: np.ndarray) -> np.ndarray:
        spread = theta * (1 - theta) * (1 + extra * ((1 - theta) / (2 - theta) + theta / (1 + theta))) / (m * n)
        return Z * np.sqrt(spread)

    return _solve(lambda theta: auc - theta - deviation(theta), auc, 0.0), _solve(
        lambda theta: theta - auc - deviation(theta), auc, 1.0
    )


def _solve(outside: Callable[[np.ndarray], np.ndarray], near: np.ndarray, far: float) -> np.ndarray:
    """Bisect between `near` (inside the interval) and `far` (outside, or the limit itself)."""
    inner, outer = np.array(near, dtype=float), np.full(np.shape(near), far)
    for _ in range(60):
        middle = (inner + outer) / 2
        beyond = outside(middle) > 0
        inner, outer = np.where(beyond, inner, middle), np.where(beyond, middle, outer)
    return outer
