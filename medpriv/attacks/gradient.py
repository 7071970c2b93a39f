"""Gradient attacks in the records' unit: FGSM, one step of the largest size, and PGD, many small ones.

Both solve max over |delta| <= epsilon of the cross-entropy of f(x + delta) with the true class (or min of that with a
target class), each sample of each lead (or pixel of each channel) within epsilon, each network of a stack by its own
gradient.

The attacked record itself is stepped and clipped, as the usual libraries do, and not a delta that is added to x:
float32 rounds the two differently, and one sample whose gradient changes sign by it goes another way.

No step leaves the box, so no perturbation exceeds its budget (to float32 rounding of x + delta), nor the grey levels.
"""

import numpy as np

from medpriv.attacks.attacked_records import AttackedRecords, SignSteps
from medpriv.attacks.target_models import TargetModels, margins, standardise, within_limits


def loss_gradient(models: TargetModels, records: AttackedRecords, x: np.ndarray) -> np.ndarray:
    """Return the gradient [K, N, ...] at x, in its unit, that leads away from class y, or towards the target class.

    It is that in the standardised space. Scales are positive, so its sign is that of the gradient per unit.
    """
    aim = records.y if records.target is None else records.target
    gradient = models.input_gradients(standardise(records.dataset, x), aim)[1]
    return gradient if records.target is None else -gradient


def projected_sign_ascent(
    models: TargetModels, records: AttackedRecords, steps: SignSteps, start: np.ndarray | None = None
) -> np.ndarray:
    """Return z [K, N, ...] after the sign steps: z <- x + clip(z + step sign(g(z)) - x, +-epsilon).

    Args:
        records: x is float32 [N, ...] or [K, N, ...].
        start: the first z, of any shape that fits x; x itself unless given.
    """
    limit, x = np.float32(steps.epsilon), records.x
    attacked = x if start is None else start
    for _ in range(steps.count):
        move = np.sign(loss_gradient(models, records, attacked))
        move *= np.float32(steps.step)
        if records.inside is not None:
            move *= records.inside
        move += attacked
        move -= x
        attacked = np.clip(move, -limit, limit, out=move)
        attacked += x
        attacked = within_limits(records.dataset, attacked)
    return attacked


def fgsm(models: TargetModels, records: AttackedRecords, epsilon: float | np.ndarray) -> np.ndarray:
    """Return x + epsilon sign(gradient), [K, N, ...] (Goodfellow et al. 2015)."""
    return projected_sign_ascent(models, records, SignSteps(epsilon, epsilon, 1))


def pgd(
    models: TargetModels,
    records: AttackedRecords,
    steps: SignSteps,
    restarts: int = 0,
    rng: np.random.Generator | None = None,
    first: np.ndarray | None = None,
) -> np.ndarray:
    """Return attacked records [K, N, ...] (Madry et al. 2018).

    The first run starts from the clean record, each restart from a uniform draw in the box; of all runs' last points
    the one with the largest margin (`margins`) is kept, for each network and record.

    Args:
        records: with a target, the loss of that class is descended.
        rng: of the restarts.
        first: the first run's last point, where `projected_sign_ascent` has made it already.
    """

    def reach(attacked: np.ndarray) -> np.ndarray:
        return margins(models.logits(standardise(records.dataset, attacked)), records.y, records.target)

    best = projected_sign_ascent(models, records, steps) if first is None else first.copy()
    if restarts:
        reached = reach(best)
    for _ in range(restarts):
        drawn = rng.uniform(-steps.epsilon, steps.epsilon, best.shape).astype(np.float32)
        start = records.x + (drawn if records.inside is None else drawn * records.inside)
        other = projected_sign_ascent(models, records, steps, start)
        margin = reach(other)
        better = margin > reached
        best[better], reached[better] = other[better], margin[better]
    return best
