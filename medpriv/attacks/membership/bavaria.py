"""BaVarIA: LiRA with a conjugate prior on the variance, made for few shadow models.

Our reading of arXiv 2603.11799 (its Student-t form), from its abstract and introduction; the choice of the prior's
parameters is ours. phi is a target's value of a unit. Per unit and side (shadows in, shadows
out), with n shadows of mean m and variance v (divided by n - 1):
    sigma^2 ~ scaled inverse chi^2(nu0, s0^2), flat prior on the mean;
    posterior: nu = nu0 + n - 1,  s^2 = (nu0 s0^2 + (n - 1) v) / nu;
    predictive: phi ~ Student t with nu degrees of freedom, location m, squared scale s^2 (1 + 1/n).
Score: log predictive in - log predictive out.

Limits: nu0 -> infinity is LiRA with the shared variance s0^2, but for the factor 1 + 1/n that owns up to the mean being
estimated; nu0 -> 0 is the classical Student predictive from the unit's own variance.

nu0 and s0^2 are empirical Bayes over all units, for each target and side on its own, by matching mean and variance of
log v to those of a scaled F distribution (Smyth 2004, section 6.2).
"""

from collections.abc import Callable

import numpy as np
from scipy.special import digamma, gammaln, zeta

from medpriv.attacks.membership.lira import BOTH_SIDES, VARIANCE_FLOOR
from medpriv.attacks.membership.view import Moments, View, needs

LARGEST_FREEDOM = 1e6  # stands for infinity: the units' variances differ no more than chance makes them


@needs(BOTH_SIDES)
def score(view: View) -> np.ndarray:
    """Return the scores [T, U]; 0 where a side has no shadow."""
    inside, outside = view.moments(inside=True), view.moments(inside=False)
    ratio = log_predictive(view.value, inside, *fit_prior(inside))
    ratio -= log_predictive(view.value, outside, *fit_prior(outside))
    return np.where((inside.count > 0) & (outside.count > 0), ratio, 0.0)


def log_predictive(phi: np.ndarray, moments: Moments, freedom: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return the log predictive density [T, U] under the prior (nu0, s0^2), each [T, 1]."""
    n = np.maximum(moments.count, 1)
    posterior = freedom + n - 1
    squares = freedom * variance + moments.count * moments.variance
    scale = np.maximum(squares / posterior, VARIANCE_FLOOR) * (1 + 1 / n)
    constant = _by_count(lambda count: _log_constant(freedom + count - 1), n)
    return (
        constant - 0.5 * np.log(scale) - (posterior + 1) / 2 * np.log1p((phi - moments.mean) ** 2 / scale / posterior)
    )


def fit_prior(moments: Moments) -> tuple[np.ndarray, np.ndarray]:
    """Return nu0 and s0^2, [T, 1] each, from the units that have two shadows or more and some variance.

    Shadows that agree exactly have a variance of 0, or of whatever rounding leaves of it: neither tells of the prior.
    """
    usable = (moments.count >= 2) & (moments.variance > VARIANCE_FLOOR)
    degrees = np.maximum(moments.count - 1, 1)
    variance = np.where(usable, moments.count * moments.variance / degrees, 1.0)
    expected = _by_count(lambda count: digamma(count / 2) - np.log(count / 2), degrees)
    spread = _by_count(lambda count: zeta(2, count / 2), degrees)

    units = np.maximum(usable.sum(axis=1, keepdims=True), 1)
    residual = np.where(usable, np.log(variance) - expected, 0.0)
    mean = residual.sum(axis=1, keepdims=True) / units
    scatter = np.where(usable, (residual - mean) ** 2, 0.0).sum(axis=1, keepdims=True) / np.maximum(units - 1, 1)
    excess = scatter - np.where(usable, spread, 0.0).sum(axis=1, keepdims=True) / units

    freedom = np.minimum(2 * inverse_trigamma(np.maximum(excess, 1e-12)), LARGEST_FREEDOM)
    prior = np.exp(mean + digamma(freedom / 2) - np.log(freedom / 2))
    return freedom, np.maximum(prior, VARIANCE_FLOOR)


def inverse_trigamma(value: np.ndarray) -> np.ndarray:
    """Return y with trigamma(y) = value > 0, by Newton's method on 1 / trigamma (Smyth 2004, appendix)."""
    y = 0.5 + 1 / value
    for _ in range(20):  # monotone and quadratic; far fewer steps reach the last digit
        trigamma = zeta(2, y)  # polygamma would work a digamma out beside it
        last, y = y, y + trigamma * (1 - trigamma / value) / (-2 * zeta(3, y))
        if np.array_equal(y, last):
            break
    return y


def _log_constant(freedom: np.ndarray) -> np.ndarray:
    return gammaln((freedom + 1) / 2) - gammaln(freedom / 2) - 0.5 * np.log(freedom * np.pi)


def _by_count(function: Callable[[np.ndarray], np.ndarray], count: np.ndarray) -> np.ndarray:
    """Return function(count) for whole counts >= 1, [T, U], by way of a table: special functions are slow."""
    table = np.arange(1, int(count.max()) + 1, dtype=np.float64)[None]
    values = np.broadcast_to(function(table), (len(count), table.shape[1]))
    return np.take_along_axis(values, count.astype(np.int64) - 1, axis=1)
