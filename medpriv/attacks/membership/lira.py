"""LiRA, the likelihood-ratio attack (Carlini et al. 2022): Gaussians of the values over shadows in and out.

phi is a target's value of a unit.
Online score: log N(phi; mu_in, s_in) - log N(phi; mu_out, s_out).
Offline score: (phi - mu_out) / s_out, which ranks as the paper's 1 - Pr[Z > phi] does but never saturates at 1.

`example` variances are each unit's own (divided by the count, as the paper's code does), `shared` ones are pooled over
units within their own means: sum of squares over sum of (count - 1). Means are means, where the paper's code takes
medians. A unit's own variance from fewer than two shadows is no variance: the shared one stands in. A unit without
shadows on a side that the score needs is scored 0: no evidence. A target without shadows enough for any unit is not
scored (`medpriv.attacks.membership.view.needs`).
"""

import numpy as np

from medpriv.attacks.membership.view import Moments, View, needs

VARIANCE_FLOOR = 1e-12
BOTH_SIDES = 2  # shadows, before any unit has one in and one out


@needs(BOTH_SIDES)
def score_online(view: View) -> np.ndarray:
    """Return the online scores [T, U] with each unit's own variances."""
    inside, outside = view.moments(inside=True), view.moments(inside=False)
    sides = (inside.mean, example_variance(inside), outside.mean, example_variance(outside))
    ratio = gaussian_log_ratio(view.value, *sides)
    return np.where((inside.count > 0) & (outside.count > 0), ratio, 0.0)


@needs(BOTH_SIDES)
def score_online_shared(view: View) -> np.ndarray:
    """Return the online scores [T, U] with one variance a target and side."""
    inside, outside = view.moments(inside=True), view.moments(inside=False)
    sides = (inside.mean, shared_variance(inside), outside.mean, shared_variance(outside))
    ratio = gaussian_log_ratio(view.value, *sides)
    return np.where((inside.count > 0) & (outside.count > 0), ratio, 0.0)


@needs(1)
def score_offline(view: View) -> np.ndarray:
    """Return the offline scores [T, U] with each unit's own variance."""
    outside = view.moments(inside=False)
    return np.where(outside.count > 0, (view.value - outside.mean) / np.sqrt(example_variance(outside)), 0.0)


@needs(1)
def score_offline_shared(view: View) -> np.ndarray:
    """Return the offline scores [T, U] with one variance a target."""
    outside = view.moments(inside=False)
    return np.where(outside.count > 0, (view.value - outside.mean) / np.sqrt(shared_variance(outside)), 0.0)


def gaussian_log_ratio(
    phi: np.ndarray, mean_in: np.ndarray, variance_in: np.ndarray, mean_out: np.ndarray, variance_out: np.ndarray
) -> np.ndarray:
    """Return log N(phi; mean_in, variance_in) - log N(phi; mean_out, variance_out)."""
    quadratic = (phi - mean_out) ** 2 / variance_out - (phi - mean_in) ** 2 / variance_in
    return 0.5 * (quadratic + np.log(variance_out / variance_in))


def shared_variance(moments: Moments) -> np.ndarray:
    """Return the variance pooled over units, [T, 1]; 1 where no unit has two shadows."""
    freedom = np.maximum(moments.count - 1, 0).sum(axis=1, keepdims=True)
    squares = (moments.count * moments.variance).sum(axis=1, keepdims=True)
    return np.maximum(np.where(freedom > 0, squares / np.maximum(freedom, 1), 1.0), VARIANCE_FLOOR)


def example_variance(moments: Moments) -> np.ndarray:
    """Return each unit's own variance, [T, U], the shared one where fewer than two shadows speak."""
    own = np.where(moments.count >= 2, moments.variance, shared_variance(moments))
    return np.maximum(own, VARIANCE_FLOOR)
