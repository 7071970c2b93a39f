"""95 % intervals. Patients are the independent units everywhere: they are drawn with replacement, whole, with all
their records.

The bootstrap speaks of another sample of patients for the same trained replicates. Draws from a few patients show too
little of what other patients would bring, and draws that are all equal (a rate of 0 or 1) show nothing. In both cases
the interval is widened to hold a closed form on the number of patients: Clopper–Pearson for rates, Newcombe for AUCs.
From 5 to some 10 patients on, percentile intervals are still somewhat too narrow.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import betaincinv

LEVEL = 0.95
FEW = 5  # patients
LEAST = 10  # patients: on fewer no claim is judged, no model is said to be better, and no point is drawn
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
    """Return the interval of a rate that rests on so many patients."""
    drawn = percentile_interval(draws)
    if patients > 0 and _tells_little(drawn, patients):
        return _widened(drawn, clopper_pearson(value * patients, patients))
    return drawn


def auc_interval(value: float, draws: np.ndarray, members: float, others: float) -> tuple[float, float]:
    """Return the interval of an AUC that rests on so many patients on either side."""
    drawn = percentile_interval(draws)
    if min(members, others) > 0 and _tells_little(drawn, min(members, others)):
        return _widened(drawn, newcombe(value, members, others))
    return drawn


def _tells_little(drawn: tuple[float, float], patients: float) -> bool:
    return drawn[0] == drawn[1] or patients < FEW


def _widened(drawn: tuple[float, float], limits: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    return min(drawn[0], float(limits[0])), max(drawn[1], float(limits[1]))


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
