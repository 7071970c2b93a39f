"""From what was hit to figures: success rates, the risk after Giomi et al. (2022), and the memorisation test.

    rate r      Wilson's interval (1927), (s + z^2/2) / (n + z^2) +- z sqrt(s (n - s) / n + z^2/4) / (n + z^2)
    risk R      (r_members - r_control) / (1 - r_control), cut to 0..1, its limits by propagating both errors
    memorised   success about a patient by the replicates that were trained on them, minus success about the same
                patient by those that were not: paired with the record nearest in what is known, which is itself

A generator that has learnt medicine helps to guess anybody's secret; only the last is a person's leak. The replicates
of a bank attack the same people, so rates over a bank rest on as many attacks as one replicate has, however many it
holds.
"""

from math import isnan, sqrt

import numpy as np

from medpriv.measures.bootstrap import PatientBootstrap, quotient
from medpriv.measures.intervals import Z, holding, stretched_interval

Figure = tuple[float, float, float]  # value, lower, upper


def wilson(rate: float, n: float) -> tuple[float, float]:
    """Return the centre and the half width of Wilson's interval of a rate of n attacks; NaN twice of none."""
    if not n or isnan(rate):
        return float("nan"), float("nan")
    hits, square = rate * n, Z**2
    return (hits + square / 2) / (n + square), Z / (n + square) * sqrt(hits * (n - hits) / n + square / 4)


def rate_figure(rate: float, n: float) -> Figure:
    """Return a rate with Wilson's limits."""
    centre, reach = wilson(rate, n)
    return rate, *holding(rate, (max(0.0, centre - reach), min(1.0, centre + reach)))


def risk_figure(members: float, control: float, n: float, n_control: float) -> Figure:
    """Return R with its limits, all between 0 and 1; NaN where the control leaves nothing to succeed at."""
    (centre, reach), (other, other_reach) = wilson(members, n), wilson(control, n_control)
    if isnan(centre) or isnan(other) or control >= 1:
        return (float("nan"),) * 3
    value, middle = ((one - two) / (1 - two) for one, two in ((members, control), (centre, other)))
    wide = sqrt((reach / (1 - other)) ** 2 + ((1 - centre) / (1 - other) ** 2 * other_reach) ** 2)
    value, lower, upper = (min(max(each, 0.0), 1.0) for each in (value, middle - wide, middle + wide))
    return value, *holding(value, (lower, upper))


def memorised(hits: np.ndarray, inside: np.ndarray, bootstrap: PatientBootstrap) -> tuple[Figure, int]:
    """Return the memorisation test with its limits over patients and replicates, and how many patients it rests on.

    Args:
        hits: float64 [K, T], success about each patient by each replicate; NaN where there was none to be had.
        inside: bool [K, T], whom each replicate was trained on.
        bootstrap: of T patients and K replicates.
    """
    there = ~np.isnan(hits)
    by_side = []
    for side in (inside & there, ~inside & there):
        counted = bootstrap.replicates @ side.astype(float)
        by_side.append(quotient(bootstrap.replicates @ np.where(side, hits, 0.0), counted))  # [1 + B, T]
    gain = by_side[0] - by_side[1]
    paired = ~np.isnan(gain)
    drawn = quotient((bootstrap.patients * np.nan_to_num(gain)).sum(axis=1), (bootstrap.patients * paired).sum(axis=1))
    n = int(paired[0].sum())
    value = float(drawn[0])
    return (value, *stretched_interval(value, drawn[1:], n)), n


def mean_rate(hits: np.ndarray, chosen: np.ndarray) -> tuple[float, int]:
    """Return the mean of hits [K, T] over the pairs chosen, and over how many different patients."""
    there = chosen & ~np.isnan(hits)
    if not there.any():
        return float("nan"), 0
    return float(hits[there].mean()), int(there.any(axis=0).sum())
