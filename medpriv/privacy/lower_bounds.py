"""Lower bounds on the epsilon of a mechanism, from how well its outputs tell who took part.

Kinds of evidence, each with confidence 1 - alpha, and each for a number of guesses or a threshold that was fixed
before the scores were seen:

- `one_run_epsilon`: m canaries enter or stay out by independent fair coins, r guesses are made about the coins, v are
  right. Under (epsilon, delta)-DP, q = e^epsilon / (1 + e^epsilon) (Steinke, Nasr and Jagielski 2023, theorem 5.2),
      P[V >= v] <= P[Bin(r, q) >= v] + 2 m delta max_i P[v > Bin(r, q) >= v - i] / i.
- `one_run_mu`: the same coins and guesses under mu-Gaussian DP (Dong, Roth and Su 2019), after Mahloujifar, Melis and
  Chaudhuri 2024: with p_i the probability of i right guesses, for every j
      sum_{i >= j} p_i i / m <= fbar(sum_{i >= j} p_{i-1} (r - i + 1) / m),      fbar(a) = Phi(Phi^-1(a) + mu),
  for an exchanged coin turns a right guess into a wrong one. Many noisy steps on samples come close to a Gaussian
  trade-off curve, and a noisy sum is one; there the bound is far closer to the truth, since an epsilon at one delta
  forbids little of what a Gaussian never does. It assumes that shape; the first bound assumes nothing.
- `accuracy_mu`: n independent canaries, all decided on, v rightly. Under mu-Gaussian DP a fair coin is told with
  probability Phi(mu / 2) at most; the exact binomial limit of v / n is put in its place.
- `threshold_epsilon`, `threshold_mu`: error rates of one test over independent trials, their Clopper-Pearson limits put
  into fpr + e^epsilon fnr >= 1 - delta (Kairouz et al. 2015; Jagielski et al. 2020) or into the Gaussian trade-off
  curve (Nasr et al. 2023).

What is searched for in many steps is kept: a number of guesses is planned from the same bounds for every training.
"""

from collections.abc import Callable
from functools import cache
from math import inf

import numpy as np
from scipy.special import bdtrc, betaincinv, gammaln, log_ndtr, ndtr, ndtri

HIGHEST = 64.0  # no bound from guesses is sought above: it would take e^64 canaries
_HALVINGS = 50
_CANDIDATES = 24  # mu tried at once
_SHARES = (1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08, 0.05)  # of the canaries that are guessed about


def one_run_p_value(canaries: int, guesses: int, correct: int, epsilon: float, delta: float) -> float:
    """Return the bound on P[at least `correct` of `guesses` are right] under (epsilon, delta)-DP, at most 1."""
    if not 0 <= correct <= guesses <= canaries:
        raise ValueError(f"{correct} right of {guesses} guesses about {canaries} canaries can't be")
    q = 1 / (1 + np.exp(-epsilon))
    tail = bdtrc(correct - 1, guesses, q)
    fewer = np.arange(correct - 1, -1, -1)
    ways = gammaln(guesses + 1) - gammaln(fewer + 1) - gammaln(guesses - fewer + 1)
    # log(1 - q) = -log(1 + e^epsilon), also where q rounds to 1.
    log_p = ways + fewer * np.log(q) - (guesses - fewer) * np.logaddexp(0, epsilon)
    below = np.cumsum(np.exp(log_p))  # P[v > Bin >= v - i], i = 1, 2, ...
    steepest = (below / np.arange(1, correct + 1)).max(initial=0.0)
    return float(min(1.0, tail + 2 * canaries * delta * steepest))


@cache
def one_run_epsilon(canaries: int, guesses: int, correct: int, delta: float, alpha: float) -> float:
    """Return the largest epsilon whose p-value is below alpha; 0 where none is."""
    return _largest(lambda epsilon: one_run_p_value(canaries, guesses, correct, epsilon, delta) < alpha)


@cache
def one_run_mu(canaries: int, guesses: int, correct: int, alpha: float) -> float:
    """Return the largest mu under which so many right guesses have a probability below alpha; 0 where none has."""
    if not 0 <= correct <= guesses <= canaries:
        raise ValueError(f"{correct} right of {guesses} guesses about {canaries} canaries can't be")
    low, high = 0.0, 8.0
    for _ in range(4):  # each round narrows the interval to one of its parts
        tried = np.linspace(low, high, _CANDIDATES + 1)
        refused = np.flatnonzero(_one_run_refuses(canaries, guesses, correct, tried, alpha))
        if not len(refused):
            return 0.0
        low, high = tried[refused[-1]], tried[min(refused[-1] + 1, _CANDIDATES)]
    return float(low)


def _one_run_refuses(canaries: int, guesses: int, correct: int, mu: np.ndarray, alpha: float) -> np.ndarray:
    """Return, for each mu, whether P[at least `correct` right] = alpha would need probabilities beyond 1 in all.

    The least mass that the inequalities allow: all of alpha at exactly `correct`, then downwards at each count just
    what the inequality of the counts above asks for (mass at a lower count always helps less above, and more below).
    """
    # Of the counts from i on: right, sum p_i i / m, and wrong, sum p_i (r - i) / m.
    right = np.full_like(mu, alpha * correct / canaries)
    wrong = np.full_like(mu, alpha * (guesses - correct) / canaries)
    for i in range(correct - 1, -1, -1):
        needed = np.maximum(wrong, ndtr(ndtri(right) - mu))
        right = np.minimum(right + i / (guesses - i) * (needed - wrong), 1.0)
        wrong = needed
    return right + wrong > guesses / canaries


def accuracy_mu(decisions: int, correct: int, alpha: float) -> float:
    """Return the lower bound on mu of right decisions about independent fair coins, at least 0."""
    limit = 1 - clopper_pearson_upper(decisions - correct, decisions, alpha)
    return max(0.0, float(2 * ndtri(limit)))


def clopper_pearson_upper(events: int, trials: int, alpha: float) -> float:
    """Return the upper limit of a rate with confidence 1 - alpha, one-sided; 1 without trials."""
    return float(betaincinv(events + 1, trials - events, 1 - alpha)) if events < trials else 1.0


def threshold_epsilon(
    false_positives: int, negatives: int, false_negatives: int, positives: int, delta: float, alpha: float
) -> float:
    """Return the lower bound of a test's errors over independent trials, at least 0; alpha is shared by both rates."""
    fpr = clopper_pearson_upper(false_positives, negatives, alpha / 2)
    fnr = clopper_pearson_upper(false_negatives, positives, alpha / 2)
    return max(0.0, _log_ratio(1 - delta - fnr, fpr), _log_ratio(1 - delta - fpr, fnr))


def threshold_mu(false_positives: int, negatives: int, false_negatives: int, positives: int, alpha: float) -> float:
    """Return the lower bound on mu of a test's errors over independent trials, at least 0."""
    fpr = clopper_pearson_upper(false_positives, negatives, alpha / 2)
    fnr = clopper_pearson_upper(false_negatives, positives, alpha / 2)
    return max(0.0, float(-ndtri(fpr) - ndtri(fnr))) if fpr + fnr < 1 else 0.0


def gaussian_delta(mu: float, epsilon: float) -> float:
    """Return the delta of mu-Gaussian DP at epsilon, Phi(mu/2 - eps/mu) - e^eps Phi(-mu/2 - eps/mu); mu > 0."""
    a, b = mu / 2 - epsilon / mu, mu / 2 + epsilon / mu
    # e^eps Phi(-b) is phi(a) / b at most (Mills), where a huge epsilon and its logarithm no longer cancel exactly.
    most = -a * a / 2 - np.log(b) - np.log(2 * np.pi) / 2
    return float(ndtr(a) - np.exp(min(epsilon + log_ndtr(-b), most)))


@cache
def gaussian_epsilon(mu: float, delta: float) -> float:
    """Return the epsilon of mu-Gaussian DP at delta > 0, however large: a guarantee is stated by it."""
    return _largest(lambda epsilon: gaussian_delta(mu, epsilon) > delta, inf) if mu > 0 else 0.0


@cache
def gaussian_mu(epsilon: float, delta: float) -> float:
    """Return the mu whose Gaussian DP has just this epsilon at delta > 0."""
    return _largest(lambda mu: gaussian_epsilon(mu, delta) < epsilon, inf)


def plan_guesses(canaries: int, mu: float, bound: Callable[[int, int, int], float]) -> int:
    """Return the number of guesses, an even one, that promises the best bound if scores are Gaussians mu apart.

    Decided from what the mechanism is said to be, before any score: so nothing is to be paid for the choice.

    Args:
        canaries: m.
        mu: distance of the scores in and out, in standard deviations.
        bound: (canaries, guesses, correct) -> lower bound.
    """
    best, most = 2, -1.0
    for share in _SHARES:
        guesses = max(2, 2 * int(share * canaries / 2))
        cut = _largest(lambda t, share=share: ndtr(mu / 2 - t) + ndtr(-mu / 2 - t) > share)
        right = ndtr(mu / 2 - cut) / (ndtr(mu / 2 - cut) + ndtr(-mu / 2 - cut))
        if (promised := bound(canaries, guesses, int(right * guesses))) > most:
            best, most = guesses, promised
    return best


def count_correct(scores: np.ndarray, inside: np.ndarray, guesses: int) -> int:
    """Return how many guesses are right: the `guesses` / 2 highest scores are taken for in, as many lowest for out.

    Args:
        scores: float [m], higher speaks for in.
        inside: bool [m], the coins.
    """
    order = np.argsort(scores, kind="stable")
    half = guesses // 2
    return int(inside[order[len(order) - half :]].sum() + (~inside[order[:half]]).sum())


def _log_ratio(success: float, error: float) -> float:
    return float(np.log(success / error)) if success > 0 else 0.0


def _largest(holds: Callable[[float], bool], highest: float = HIGHEST) -> float:
    """Return the largest value in [0, `highest`] for which a condition holds that holds below and fails above; or 0."""
    low, high = 0.0, 1.0
    while high < highest and holds(high):
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
