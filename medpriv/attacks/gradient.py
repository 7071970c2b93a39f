"""Gradient attacks in millivolts: FGSM, one step of the largest size, and PGD, many small ones.

Both solve max over |delta| <= epsilon of the cross-entropy of f(x + delta) with the true class (or min of that with a
target class), each sample of each lead within epsilon, each network of a stack by its own gradient. `climb` is the one
loop of all of them, `medpriv.attacks.smooth` included: sign steps on a parameter theta whose perturbation is a linear
map of it.

No step leaves the box, so no perturbation exceeds its budget (to float32 rounding of x + delta).
"""

from collections.abc import Callable

import numpy as np

from medpriv.attacks.victim import Victim, margins, standardise
from medpriv.dataset import Dataset

Shape = Callable[[np.ndarray], np.ndarray]


def unshaped(theta: np.ndarray) -> np.ndarray:
    """Return theta: the perturbation is the parameter itself."""
    return theta


def inside_only(inside: np.ndarray | None) -> Shape:
    """Return the map that sets theta to zero on padding."""
    return unshaped if inside is None else lambda theta: theta * inside


def uphill(
    victim: Victim, dataset: Dataset, x: np.ndarray, y: np.ndarray, target: np.ndarray | None = None
) -> np.ndarray:
    """Return the gradient [K, N, ...] that leads away from class y, or towards the target class; x in mV.

    It is that in the standardised space. Scales are positive, so its sign is that of the gradient per millivolt.
    """
    gradient = victim.input_gradients(standardise(dataset, x), y if target is None else target)[1]
    return gradient if target is None else -gradient


def climb(
    victim: Victim,
    dataset: Dataset,
    x: np.ndarray,
    y: np.ndarray,
    theta: np.ndarray,
    epsilon_mv: float,
    step_mv: float,
    steps: int,
    target: np.ndarray | None = None,
    shape: Shape = unshaped,
) -> np.ndarray:
    """Return theta [K, N, ...] after so many sign steps: theta <- clip(theta + step sign(S g(x + S theta)), +-epsilon).

    Args:
        x: float32 [N, ...] or [K, N, ...] in mV.
        theta: where to start, in mV; a zero of any shape that fits x.
        shape: S, linear and equal to its own transpose, acts on the last axis.
    """
    for _ in range(steps):
        # Leads of one record may have other scales: S acts along time alone, so it commutes with them.
        move = np.sign(shape(uphill(victim, dataset, x + shape(theta), y, target)))
        move *= np.float32(step_mv)
        move += theta
        theta = np.clip(move, -np.float32(epsilon_mv), np.float32(epsilon_mv), out=move)
    return theta


def fgsm(
    victim: Victim, dataset: Dataset, x: np.ndarray, y: np.ndarray, epsilon_mv: float, inside: np.ndarray | None = None
) -> np.ndarray:
    """Return x + epsilon sign(gradient), [K, N, ...] in mV (Goodfellow et al. 2015)."""
    shape = inside_only(inside)
    return x + shape(climb(victim, dataset, x, y, np.zeros_like(x), epsilon_mv, epsilon_mv, 1, None, shape))


def pgd(
    victim: Victim,
    dataset: Dataset,
    x: np.ndarray,
    y: np.ndarray,
    epsilon_mv: float,
    step_mv: float,
    steps: int,
    restarts: int = 0,
    target: np.ndarray | None = None,
    inside: np.ndarray | None = None,
    rng: np.random.Generator | None = None,
    first: np.ndarray | None = None,
) -> np.ndarray:
    """Return attacked signals [K, N, ...] in mV (Madry et al. 2018).

    The first run starts from the clean signal, each restart from a uniform draw in the box; of all runs' last points
    the one with the largest margin (`margins`) is kept, for each network and record.

    Args:
        x: float32 [N, ...] or [K, N, ...] in mV.
        y, target: int64 [N]; with a target, the loss of that class is descended.
        inside: bool, broadcast over x: False where nothing may change.
        rng: of the restarts.
        first: the first run's theta, where `climb` has made it already.
    """
    shape = inside_only(inside)

    def run(start: np.ndarray) -> np.ndarray:
        return climb(victim, dataset, x, y, start, epsilon_mv, step_mv, steps, target, shape)

    def reach(attacked: np.ndarray) -> np.ndarray:
        return margins(victim.logits(standardise(dataset, attacked)), y, target)

    best = x + shape(run(np.zeros_like(x)) if first is None else first)
    if restarts:
        reached = reach(best)
    for _ in range(restarts):
        other = x + shape(run(rng.uniform(-epsilon_mv, epsilon_mv, best.shape).astype(np.float32)))
        margin = reach(other)
        better = margin > reached
        best[better], reached[better] = other[better], margin[better]
    return best
