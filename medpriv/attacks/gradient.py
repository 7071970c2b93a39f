"""Gradient attacks in the records' unit: FGSM, one step of the largest size, and PGD, many small ones.

Both solve max over |delta| <= epsilon of the cross-entropy of f(x + delta) with the true class (or min of that with a
target class), each sample of each lead (or pixel of each channel) within epsilon, each network of a stack by its own
gradient.

The attacked record itself is stepped and clipped, as the usual libraries do, and not a delta that is added to x:
float32 rounds the two differently, and one sample whose gradient changes sign by it goes another way.

No step leaves the box, so no perturbation exceeds its budget (to float32 rounding of x + delta), nor the grey levels.
"""

import numpy as np

from medpriv.attacks.target_models import TargetModels, margins, standardise, within_limits
from medpriv.dataset import Dataset


def loss_gradient(
    models: TargetModels, dataset: Dataset, x: np.ndarray, y: np.ndarray, target: np.ndarray | None = None
) -> np.ndarray:
    """Return the gradient [K, N, ...] that leads away from class y, or towards the target class; x in its unit.

    It is that in the standardised space. Scales are positive, so its sign is that of the gradient per unit.
    """
    gradient = models.input_gradients(standardise(dataset, x), y if target is None else target)[1]
    return gradient if target is None else -gradient


def projected_sign_ascent(
    models: TargetModels,
    dataset: Dataset,
    x: np.ndarray,
    y: np.ndarray,
    start: np.ndarray,
    epsilon: float,
    step: float,
    steps: int,
    target: np.ndarray | None = None,
    inside: np.ndarray | None = None,
) -> np.ndarray:
    """Return z [K, N, ...] after so many sign steps: z <- x + clip(z + step sign(g(z)) - x, +-epsilon).

    Args:
        x: float32 [N, ...] or [K, N, ...] in the records' unit.
        start: the first z, of any shape that fits x.
        epsilon, step: numbers, or float32 that fit x.
        inside: bool, broadcast over x: False where nothing may change.
    """
    limit = np.float32(epsilon)
    attacked = start
    for _ in range(steps):
        move = np.sign(loss_gradient(models, dataset, attacked, y, target))
        move *= np.float32(step)
        if inside is not None:
            move *= inside
        move += attacked
        move -= x
        attacked = np.clip(move, -limit, limit, out=move)
        attacked += x
        attacked = within_limits(dataset, attacked)
    return attacked


def fgsm(
    models: TargetModels,
    dataset: Dataset,
    x: np.ndarray,
    y: np.ndarray,
    epsilon: float,
    inside: np.ndarray | None = None,
) -> np.ndarray:
    """Return x + epsilon sign(gradient), [K, N, ...] (Goodfellow et al. 2015)."""
    return projected_sign_ascent(models, dataset, x, y, x, epsilon, epsilon, 1, inside=inside)


def pgd(
    models: TargetModels,
    dataset: Dataset,
    x: np.ndarray,
    y: np.ndarray,
    epsilon: float,
    step: float,
    steps: int,
    restarts: int = 0,
    target: np.ndarray | None = None,
    inside: np.ndarray | None = None,
    rng: np.random.Generator | None = None,
    first: np.ndarray | None = None,
) -> np.ndarray:
    """Return attacked records [K, N, ...] (Madry et al. 2018).

    The first run starts from the clean record, each restart from a uniform draw in the box; of all runs' last points
    the one with the largest margin (`margins`) is kept, for each network and record.

    Args:
        x: float32 [N, ...] or [K, N, ...] in the records' unit.
        y, target: int64 [N]; with a target, the loss of that class is descended.
        inside: bool, broadcast over x: False where nothing may change.
        rng: of the restarts.
        first: the first run's last point, where `projected_sign_ascent` has made it already.
    """

    def run(start: np.ndarray) -> np.ndarray:
        return projected_sign_ascent(models, dataset, x, y, start, epsilon, step, steps, target, inside)

    def reach(attacked: np.ndarray) -> np.ndarray:
        return margins(models.logits(standardise(dataset, attacked)), y, target)

    best = run(x) if first is None else first.copy()
    if restarts:
        reached = reach(best)
    for _ in range(restarts):
        drawn = rng.uniform(-epsilon, epsilon, best.shape).astype(np.float32)
        other = run(x + (drawn if inside is None else drawn * inside))
        margin = reach(other)
        better = margin > reached
        best[better], reached[better] = other[better], margin[better]
    return best
