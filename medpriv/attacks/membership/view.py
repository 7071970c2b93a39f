"""What a membership attacker sees: a target's scores, and the scores and members of shadow models, nothing else.

Every replicate is a target in turn. For T targets at once, `seen` [T, K] holds a 1 where replicate k is a shadow of
target t; a target is never its own shadow, so its own row of `members` is multiplied by zero wherever it could enter.
All leave-one-out (and leave-two-out) statistics are matrix products with `seen`; nothing is retrained or re-sorted.

That rests on how the bank draws its members: each replicate's half independently of the others'. If every patient
were in exactly K/2 replicates, the counts over the shadows would give the target's membership away.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps

import numpy as np

from medpriv.attacks.membership.scores import Scores

Attack = Callable[["View"], np.ndarray]  # scores [T, U]; higher speaks for membership

CALIBRATION_SHADOWS = 4

_ELEMENTS = 2_000_000  # of one [T, U] or [T, Z] array; bounds the memory of a pass to some hundred megabytes


@dataclass(frozen=True)
class Moments:
    """Per target and unit, [T, U]: how many shadows, the mean and the variance (divided by count) of their values."""

    count: np.ndarray
    mean: np.ndarray
    variance: np.ndarray


def _once(method: Callable) -> Callable:
    """Return the method, which a view answers once: several attacks ask for the same sums."""

    @wraps(method)
    def answer(view: "View", *about: bool, **named: bool) -> object:
        key = (method.__name__, *about, *named.values())
        if key not in view._sums:
            view._sums[key] = method(view, *about, **named)
        return view._sums[key]

    return answer


class View:
    """The attacker's view of T targets, from the scores of a bank.

    Attributes:
        value: float64 [T, U], the targets' values of the candidate units.
        log_likelihood: float64 [T, U], of them; None where models give none.
        population: float64 [T, Z], the log-likelihood of units that nobody trained on; None likewise.
    """

    def __init__(self, scores: Scores, targets: np.ndarray, withheld: np.ndarray | None = None) -> None:
        """Look at the replicates `targets` [T]; a replicate `withheld` [T] is no shadow either."""
        self.value = scores.value[targets]
        self.log_likelihood = None if scores.log_likelihood is None else scores.log_likelihood[targets]
        self.population = None if scores.population is None else scores.population[targets]
        self._seen = np.ones((len(targets), len(scores.value)))
        self._seen[np.arange(len(targets)), targets] = 0
        if withheld is not None:
            self._seen[np.arange(len(targets)), withheld] = 0
        self._scores = scores
        self._sums: dict[tuple, object] = {}

    @property
    def shadows(self) -> np.ndarray:
        """How many shadows each target has, [T, 1]."""
        return self._seen.sum(axis=1, keepdims=True)

    @_once
    def moments(self, inside: bool) -> Moments:
        """Return count, mean and variance of the values over shadows that did (`inside`) or did not see each unit."""
        centre = self._scores.value.mean(axis=0)  # keeps the difference of squares below free of cancellation
        value, chosen = self._scores.value - centre, self._chosen(inside)
        count = self._seen @ chosen
        safe = np.maximum(count, 1)
        mean = self._seen @ (chosen * value) / safe
        variance = np.maximum(self._seen @ (chosen * value**2) / safe - mean**2, 0)
        return Moments(count=count, mean=mean + centre, variance=variance)

    @_once
    def mean_likelihood(self, inside: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return count and mean likelihood, [T, U] each, over shadows that did (`inside`) or did not see each unit."""
        chosen = self._chosen(inside)
        count = self._seen @ chosen
        return count, self._seen @ (chosen * np.exp(self._scores.log_likelihood)) / np.maximum(count, 1)

    @_once
    def population_likelihood(self) -> np.ndarray:
        """Return the mean likelihood over all shadows on the population, [T, Z]."""
        shadows = np.maximum(self._seen.sum(axis=1, keepdims=True), 1)
        return self._seen @ np.exp(self._scores.population) / shadows

    def _chosen(self, inside: bool) -> np.ndarray:
        members = self._scores.members
        return (members if inside else ~members).astype(np.float64)


def needs(shadows: int) -> Callable[[Attack], Attack]:
    """Return a decorator of attacks that say nothing with fewer shadows: such a target's scores are NaN.

    They would all be equal, and figures of them read as if guessing had been found.
    """

    def of(attack: Attack) -> Attack:
        @wraps(attack)
        def score(view: View) -> np.ndarray:
            return np.where(view.shadows >= shadows, attack(view), np.nan)

        return score

    return of


def score_targets(
    attack: Attack, scores: Scores, targets: np.ndarray, withheld: np.ndarray | None = None
) -> np.ndarray:
    """Return the attack's scores [T, U] of the given targets, some targets at a time."""
    return score_each({"": attack}, scores, targets, withheld)[""]


def score_each(
    attacks: Mapping[str, Attack], scores: Scores, targets: np.ndarray, withheld: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return the scores [T, U] of several attacks, which look at the same views."""
    parts: dict[str, list[np.ndarray]] = {name: [] for name in attacks}
    widest = max(each.shape[1] for each in (scores.value, scores.population) if each is not None)
    for part in _parts(len(targets), widest):
        view = View(scores, targets[part], None if withheld is None else withheld[part])
        for name, attack in attacks.items():
            parts[name].append(attack(view))
    return {name: np.concatenate(found) for name, found in parts.items()}


def calibration_shadows(replicates: int) -> np.ndarray:
    """Return int [K, S]: the replicates on which each target's attacker sets thresholds, the next few after it."""
    steps = np.arange(1, min(CALIBRATION_SHADOWS, replicates - 1) + 1)
    return (np.arange(replicates)[:, None] + steps) % replicates


def score_shadows(attacks: Mapping[str, Attack], scores: Scores, shadows: np.ndarray) -> dict[str, np.ndarray]:
    """Return each attack's scores [K, S, U] of each target's shadows [K, S], made without the target."""
    targets = np.repeat(np.arange(len(shadows)), shadows.shape[1])
    return _by_target(score_each(attacks, scores, shadows.ravel(), targets), shadows)


def score_paired(attacks: Mapping[str, Attack], scores: Scores, shadows: np.ndarray) -> dict[str, np.ndarray]:
    """Return each attack's scores [K, S, U] of each target, made without each of its shadows [K, S] in turn."""
    targets = np.repeat(np.arange(len(shadows)), shadows.shape[1])
    return _by_target(score_each(attacks, scores, targets, shadows.ravel()), shadows)


def _by_target(found: Mapping[str, np.ndarray], shadows: np.ndarray) -> dict[str, np.ndarray]:
    return {name: each.reshape(*shadows.shape, -1) for name, each in found.items()}


def _parts(targets: int, units: int) -> Iterator[slice]:
    step = max(1, _ELEMENTS // units)
    return (slice(start, start + step) for start in range(0, targets, step))
