"""From scores or decisions about who took part, to lower bounds on epsilon: each training's own, and all together's.

Trainings of an audit draw their coins by themselves, and a canary's coin sways one of them: so all of them together are
one mechanism with as many canaries as they have in all, and their guesses may be counted together.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from medpriv.privacy.lower_bounds import (
    accuracy_mu,
    count_correct,
    gaussian_epsilon,
    gaussian_mu,
    one_run_epsilon,
    one_run_mu,
    plan_guesses,
    threshold_epsilon,
    threshold_mu,
)

SUSPECTED = 1.5  # times the claimed mu: what guesses are planned for


@dataclass(frozen=True)
class Claim:
    """What the accountant says: (epsilon, delta)-DP."""

    epsilon: float
    delta: float

    @property
    def mu(self) -> float:
        """The Gaussian curve that meets it; of a pure guarantee, at a delta that no audit resolves."""
        return gaussian_mu(self.epsilon, self.delta or 1e-6)


@dataclass(frozen=True)
class Verdict:
    """One bound: of each of R trainings on n guesses, and of all on n_together.

    Attributes:
        bound: what it assumes, see `medpriv.attacks.epsilon`.
        each: float64 [R], lower bounds on epsilon.
        n: guesses of each.
        together, n_together: of all trainings.
    """

    bound: str
    each: np.ndarray
    n: int
    together: float
    n_together: int


def judge_guesses(scores: np.ndarray, inside: np.ndarray, claim: Claim, alpha: float) -> list[Verdict]:
    """Return the one-run bounds of scores [R, m] under the coins [R, m]; a Gaussian's only where delta > 0.

    The number of guesses is planned for a mechanism somewhat worse than claimed: an honest one's bound loses little,
    and a broken one's certainty has room to show (so many right guesses prove no more than so much).
    """
    bounds: dict[str, tuple[Callable, Callable]] = {
        "one-run": (partial(one_run_epsilon, delta=claim.delta, alpha=alpha), float)
    }
    if claim.delta:
        to_epsilon = partial(gaussian_epsilon, delta=claim.delta)
        bounds["one-run-gaussian"] = (partial(one_run_mu, alpha=alpha), to_epsilon)
    replicates, canaries = scores.shape
    verdicts = []
    for name, (bound, to_epsilon) in bounds.items():
        n = plan_guesses(canaries, SUSPECTED * claim.mu, bound)
        each = [to_epsilon(bound(canaries, n, right)) for right in _right(scores, inside, n)]
        planned = plan_guesses(scores.size, SUSPECTED * claim.mu, bound) / replicates
        share = 2 * max(1, min(round(planned / 2), canaries // 2))
        right = sum(_right(scores, inside, share))
        together = to_epsilon(bound(scores.size, share * replicates, right))
        verdicts.append(Verdict(name, np.array(each), n, together, share * replicates))
    return verdicts


def judge_canaries(decided: np.ndarray, inside: np.ndarray, claim: Claim, alpha: float) -> list[Verdict]:
    """Return the Gaussian bound of decisions [R, m] about coins [R, m] of independent canaries; none if delta is 0."""

    def bound(decided: np.ndarray, inside: np.ndarray) -> float:
        return gaussian_epsilon(accuracy_mu(decided.size, int((decided == inside).sum()), alpha), claim.delta)

    return [_verdict("independent-gaussian", bound, decided, inside)] if claim.delta else []


def judge_members(decided: np.ndarray, members: np.ndarray, claim: Claim, alpha: float) -> list[Verdict]:
    """Return the bounds of a test's errors, decisions [K, U] about members [K, U], being taken for independent."""

    def bound(decided: np.ndarray, members: np.ndarray) -> float:
        return threshold_epsilon(*_errors(decided, members), claim.delta, alpha)

    def gaussian(decided: np.ndarray, members: np.ndarray) -> float:
        return gaussian_epsilon(threshold_mu(*_errors(decided, members), alpha), claim.delta)

    verdicts = [_verdict("independent", bound, decided, members)]
    if claim.delta:
        verdicts.append(_verdict("independent-gaussian", gaussian, decided, members))
    return verdicts


def _verdict(
    name: str, bound: Callable[[np.ndarray, np.ndarray], float], decided: np.ndarray, truth: np.ndarray
) -> Verdict:
    each = np.array([bound(*pair) for pair in zip(decided, truth, strict=True)])
    return Verdict(name, each, decided.shape[1], bound(decided, truth), decided.size)


def decide_midway(scores: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return bool [R, m]: which scores lie above the middle between the other trainings' medians of in and of out.

    A training's own coins don't enter its threshold.
    """
    thresholds = []
    for own in range(len(scores)):
        others = np.arange(len(scores)) != own
        held, truth = scores[others], inside[others]
        thresholds.append((np.median(held[truth]) + np.median(held[~truth])) / 2)
    return scores > np.array(thresholds)[:, None]


def choose_threshold(scores: np.ndarray, inside: np.ndarray, claim: Claim, alpha: float) -> float:
    """Return the threshold whose bound on these scores is the largest; among equals, the one that errs least."""

    def merit(threshold: float) -> tuple[float, float]:
        errors = _errors(scores > threshold, inside)
        wrong = errors[0] / max(errors[1], 1) + errors[2] / max(errors[3], 1)
        return threshold_epsilon(*errors, claim.delta, alpha), -wrong

    return float(max(np.quantile(scores, np.linspace(0.02, 0.98, 49)), key=merit))


def _right(scores: np.ndarray, inside: np.ndarray, guesses: int) -> list[int]:
    return [count_correct(*pair, guesses) for pair in zip(scores, inside, strict=True)]


def _errors(decided: np.ndarray, inside: np.ndarray) -> tuple[int, int, int, int]:
    """Return false positives, negatives, false negatives, positives."""
    return (
        int((decided & ~inside).sum()),
        int((~inside).sum()),
        int((~decided & inside).sum()),
        int(inside.sum()),
    )
