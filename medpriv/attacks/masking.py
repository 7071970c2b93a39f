"""Do gradients tell the truth? Checks that a network which looks robust is not just hard to differentiate.

After Athalye, Carlini and Wagner (2018) and Carlini et al. (2019). Each check compares attacks on the same networks and
records; a network that fails one may be weaker than its white-box figures say.
- masking_steps: PGD of twice and four times the steps is not weaker.
- masking_black_box: the square attack, which sees no gradient, is not stronger than PGD, at any budget.
- masking_single_step: FGSM is not stronger than PGD, at any budget.
- masking_unbounded: at 20 times the largest budget PGD leaves at most 1 % right.
- masking: all of them.
A value is 1 (passes) or 0; the figures behind a check are its rows `<check>_figure`: flip rates, and what stays right
for the unbounded one. "Weaker" leaves room for chance: of the pairs (network, record) that only one of two attacks
overturns, the weaker one may have three standard errors more.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from medpriv.attacks.attacked_records import AttackedRecords, SignSteps
from medpriv.attacks.gradient import fgsm, pgd
from medpriv.attacks.target_models import TargetModels, predict
from medpriv.measures.flips import RateEstimator
from medpriv.measures.table import Measure

ATTACK = "evasion-pgd"
MORE = (1, 2, 4)  # times the steps
UNBOUNDED = 20  # times the largest budget
LEFT = 0.01  # share that may stay right there
ERRORS = 3  # standard errors of chance


def not_weaker(strong: np.ndarray, weak: np.ndarray) -> bool:
    """Return whether `strong` overturns as much as `weak`, bool [K, n] each, up to chance (McNemar)."""
    only_strong, only_weak = int((strong & ~weak).sum()), int((weak & ~strong).sum())
    return only_weak - only_strong <= ERRORS * np.sqrt(only_weak + only_strong)


def attack_for_checks(
    models: TargetModels, records: AttackedRecords, epsilons: Sequence[float], settings: Mapping
) -> dict[str, np.ndarray]:
    """Return the predictions that only the checks need.

    Returns:
        `steps` [3, K, n]: PGD at the reference budget with 1, 2 and 4 times the steps, no restart.
        `single_step` [E, K, n]: FGSM at each budget.
        `unbounded` [K, n]: PGD at 20 times the largest.
    """

    def after(epsilon: float, steps: int) -> np.ndarray:
        walk = SignSteps(epsilon, settings["step_share"] * epsilon, steps)
        return predict(models, records.dataset, pgd(models, records, walk))

    return {
        "steps": np.stack([after(settings["reference_epsilon"], more * settings["steps"]) for more in MORE]),
        "single_step": np.stack([predict(models, records.dataset, fgsm(models, records, e)) for e in epsilons]),
        "unbounded": after(UNBOUNDED * max(epsilons), settings["steps"]),
    }


def masking_measures(
    estimator: RateEstimator,
    epsilons: Sequence[float],
    settings: Mapping,
    before: np.ndarray,
    pgd_after: np.ndarray,
    square_after: np.ndarray,
    extra: Mapping[str, np.ndarray],
) -> list[Measure]:
    """Return the checks and their figures.

    Args:
        before: predictions without attack [K, n].
        pgd_after, square_after: predictions under PGD and the square attack, [E, K, n].
        extra: of `attack_for_checks`.
    """
    right = before == estimator.y
    found = []

    def flipped(predicted: np.ndarray) -> np.ndarray:
        return right & (predicted != estimator.y)

    def figure(check: str, predicted: np.ndarray, group: str) -> None:
        found.append(estimator.rate(ATTACK, f"{check}_figure", flipped(predicted), right, group))

    at = f"budget={settings['reference_epsilon']:g}"
    for more, predicted in zip(MORE, extra["steps"], strict=True):
        figure("masking_steps", predicted, f"{at},steps={more * settings['steps']}")
    for index, epsilon in enumerate(epsilons):
        group = f"budget={epsilon:g}"
        for check, name, other in (
            ("masking_black_box", "square", square_after),
            ("masking_single_step", "fgsm", extra["single_step"]),
        ):
            figure(check, other[index], f"{group},attack={name}")
            figure(check, pgd_after[index], f"{group},attack=pgd")
    still = extra["unbounded"] == estimator.y
    group = f"budget={UNBOUNDED * max(epsilons):g}"
    found.append(estimator.rate(ATTACK, "masking_unbounded_figure", still, np.ones_like(still), group))

    fewer, twice, most = (flipped(predicted) for predicted in extra["steps"])
    pairs = range(len(epsilons))
    passes = {
        "masking_steps": not_weaker(twice, fewer) and not_weaker(most, twice),
        "masking_black_box": all(not_weaker(flipped(pgd_after[i]), flipped(square_after[i])) for i in pairs),
        "masking_single_step": all(not_weaker(flipped(pgd_after[i]), flipped(extra["single_step"][i])) for i in pairs),
        "masking_unbounded": bool(still.mean() <= LEFT),
    }
    counted = estimator.counted(np.ones_like(right))
    for check, passed in {"masking": all(passes.values()), **passes}.items():
        found.append(Measure(estimator.dataset, estimator.treatment, ATTACK, check, float(passed), **counted))
    return found
