"""Logistic regression under differential privacy by output and by objective perturbation.

A patient gives one record, r with |r| <= 1 and a sign s. On the patients D of a replicate

    w* = argmin J(w),     J(w) = sum_D log(1 + exp(-s r.w)) + Lambda / 2 |w|^2 + b.w.

Neighbours D, D' are those of zero-out: the same number n of patients, which is public and fixes Lambda, but one
patient's record is replaced by nothing. That changes sum_D's gradient by less than 1 and its Hessian by a matrix of
rank one, at most 1/4. (A patient replaced by another changes both twice as much, which no constant below covers.)

- output: b = 0, and w* + xi is released. J is Lambda-strongly convex, so |w*(D) - w*(D')| <= 1 / Lambda (Chaudhuri,
  Monteleoni and Sarwate 2011, with a sum in place of their mean and zero-out in place of a patient replaced).
- objective: b is random, and w* itself is the release. The densities of w* under D and D' differ by those of b, shifted
  by g = grad l(w*), |g| <= 1, and by the ratio of Jacobians det(H + Lambda), at most 1 + 1 / (4 Lambda).

Noise with delta = 0: density ~ exp(-|v| / scale), |v| ~ Gamma(d, scale), a uniform direction: scale = 1 / (Lambda
epsilon) for xi; for b, 1 / (epsilon - log(1 + 1 / (4 Lambda))). With delta > 0: Gaussian. For xi its exact curve (Balle
and Wang 2018). For b, g is parallel to the patient's r, and b.r is a Gaussian whatever w*, so the privacy loss is at
most log(1 + 1 / (4 Lambda)) + |Z| / sigma + 1 / (2 sigma^2), and with e = epsilon - log(1 + 1 / (4 Lambda))

    delta = E (1 - exp(e - |Z| / sigma - 1 / (2 sigma^2)))_+ = 2 (Q(a) - exp(e) Q(a + 1 / sigma)),
    a = max(0, sigma e - 1 / (2 sigma)),     Q(a) = P[Z > a]

(as Redberg, Koskela and Wang 2023 sharpened Kifer, Smith and Thakurta 2012). No minimum is found exactly. Newton's
method stops where |grad J| <= tau, which is within tau / Lambda of it: output perturbation takes the sensitivity
(1 + 2 tau) / Lambda, and objective perturbation spends `ROUNDING` of its budget on noise over 2 tau / Lambda
(approximate minima perturbation, Iyengar et al. 2019).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import log_ndtr, ndtr

from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset
from medpriv.errors import InputError
from medpriv.privacy.accountant import ADJACENCY
from medpriv.privacy.noise import Draws

SMOOTHNESS = 0.25  # the most that the logistic loss curves
TOLERANCE = 1e-8  # tau, of a sum over some thousand patients
ROUNDING = 0.01  # share of epsilon and delta that pays for the tolerance
STEPS = 100  # most Newton steps of a fit
ALIGNED = 8  # rows are filled up to multiples: every replicate's block begins on a cache line
CONSTANT = np.sqrt(0.5)  # the intercept's coordinate: features and intercept share the norm of 1 alike
MEMORY = 2**27  # bytes of records that are fitted at once

TUNING = (
    "l2 is fixed in the config; its default was chosen without a look at any patient's record, so nothing was spent on "
    "it. A value chosen after a look at this dataset's results would spend privacy that is not counted here."
)


@dataclass(frozen=True)
class Perturbation:
    """What is added where, so that a release is (epsilon, delta)-DP.

    Attributes:
        mechanism: `output` or `objective`.
        epsilon, delta: the guarantee; delta 0: pure DP.
        l2: Lambda.
        linear: scale of b (Gaussian deviation, or scale of the Gamma law); 0: none.
        output: scale of xi.
    """

    mechanism: Literal["output", "objective"]
    epsilon: float
    delta: float
    l2: float
    linear: float
    output: float


def train_convex(
    dataset: Dataset, spec: TrainingSpec, delta: float, draw: Draw
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """Return the parameters of `logistic` networks, name -> float32 [K, ...], and what the guarantee is.

    Args:
        spec: its parts are `mechanism`, `output` or `objective`, and `epsilon`, the guarantee wanted for one patient
            zeroed out. Of its settings `l2`, Lambda divided by the patients; objective perturbation raises it where its
            proof needs more.
        delta: of the guarantee; 0 asks for pure DP.

    Raises:
        InputError: the dataset is no table of two classes.
    """
    _check_dataset(dataset)
    members = draw.members(dataset)
    records, signs = bounded_records(dataset.standardised()), np.where(dataset.y == 1, 1.0, -1.0)
    drawn, noise = (draw.rngs(dataset.name, spec.name, purpose) for purpose in ("records", "noise"))
    rows = [one_record_each(dataset.patient, row, rng) for row, rng in zip(members, drawn, strict=True)]
    lowest = spec.settings["l2"] * members[0].sum()
    perturbation = calibrate(spec.parts["mechanism"], spec.parts["epsilon"], delta, lowest)
    w = np.concatenate(
        [
            release(*gather(records, signs, rows[some]), perturbation, noise[some])
            for some in parts(len(rows), max(map(len, rows)) * records.shape[1])
        ]
    )
    return as_network(w, dataset.x.shape[1]), describe(perturbation)


def calibrate(mechanism: str, epsilon: float, delta: float, l2: float) -> Perturbation:
    """Return the perturbation that makes a release (epsilon, delta)-DP, l2 raised if the proof asks for it."""
    if mechanism == "output":
        return Perturbation("output", epsilon, delta, l2, 0.0, _scale(epsilon, delta, (1 + 2 * TOLERANCE) / l2))
    main, rest = (1 - ROUNDING) * epsilon, ROUNDING * epsilon
    # The Jacobians may take half of epsilon at most, as in Chaudhuri et al., who raise Lambda likewise.
    l2 = max(l2, SMOOTHNESS * np.exp(-main / 2) / -np.expm1(-main / 2))
    left = main - np.log1p(SMOOTHNESS / l2)
    linear = 1 / left if delta == 0 else _objective_deviation(left, (1 - ROUNDING) * delta)
    return Perturbation(
        "objective", epsilon, delta, float(l2), float(linear), _scale(rest, ROUNDING * delta, 2 * TOLERANCE / l2)
    )


def release(x: np.ndarray, signs: np.ndarray, perturbation: Perturbation, noise: Sequence[Draws]) -> np.ndarray:
    """Return the private weights, float64 [K, d].

    Args:
        x: float64 [K, n, d], one row a patient, of norm at most 1; rows of zeros fill up.
        signs: float64 [K, n], +1 or -1.
        noise: one generator a replicate; for a model that is to be released a secret one (`medpriv.privacy.noise`).

    Raises:
        ValueError: a row is longer than 1, so that the guarantee would not hold.
    """
    if (longest := np.linalg.norm(x, axis=2).max()) > 1 + 1e-9:
        raise ValueError(f"a row of norm {longest:g} where the guarantee needs 1 at most")
    dimension = x.shape[2]
    linear = np.stack([_draw(rng, dimension, perturbation.linear, perturbation.delta) for rng in noise])
    w = minimise(x, signs, perturbation.l2, linear)
    return w + np.stack([_draw(rng, dimension, perturbation.output, perturbation.delta) for rng in noise])


def minimise(x: np.ndarray, signs: np.ndarray, l2: float, linear: np.ndarray) -> np.ndarray:
    """Return argmin J, float64 [K, d], to |grad J| <= `TOLERANCE`: Newton's method, steps halved until J falls.

    Raises:
        RuntimeError: the tolerance was not met.
    """
    w = np.zeros_like(linear)
    left = np.arange(len(w))
    for _ in range(STEPS):
        gradient, curve = _slopes(x[left], signs[left], l2, linear[left], w[left])
        far = np.linalg.norm(gradient, axis=1) > TOLERANCE
        left = left[far]  # what has arrived stays as it is, whatever stands beside it
        if not len(left):
            return w
        hessian = np.matmul((x[left] * curve[far][:, :, None]).transpose(0, 2, 1), x[left])
        hessian[:, np.arange(w.shape[1]), np.arange(w.shape[1])] += l2
        step = np.linalg.solve(hessian, gradient[far][:, :, None])[:, :, 0]
        w[left] -= _lengths(x[left], signs[left], l2, linear[left], w[left], step)[:, None] * step
    raise RuntimeError(f"{len(left)} fits did not come to a gradient of {TOLERANCE:g} in {STEPS} Newton steps")


def bounded_records(x: np.ndarray) -> np.ndarray:
    """Return float64 [N, F + 1], rows of norm at most 1, of standardised features [N, F].

    Features are divided by sqrt(F), the root mean square of their norm, and clipped to norm 1: no constant in it
    depends on a patient. The last coordinate is the intercept's.
    """
    scaled = x.astype(np.float64) / np.sqrt(x.shape[1])
    scaled /= np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1)
    return np.concatenate([np.sqrt(1 - CONSTANT**2) * scaled, np.full((len(x), 1), CONSTANT)], axis=1)


def as_network(w: np.ndarray, features: int) -> dict[str, np.ndarray]:
    """Return weights [K, F + 1] over `bounded_records` as parameters of the `logistic` network, without clipping."""
    weight = w[:, :features] * np.sqrt((1 - CONSTANT**2) / features)
    return {
        "output.weight": weight[:, None].astype(np.float32),
        "output.bias": (CONSTANT * w[:, features:]).astype(np.float32),
    }


def gather(records: np.ndarray, signs: np.ndarray, rows: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return x [K, n, d] and signs [K, n] of each replicate's rows, filled up with rows of zeros."""
    most = -(-max(map(len, rows)) // ALIGNED) * ALIGNED
    x, s = np.zeros((len(rows), most, records.shape[1])), np.ones((len(rows), most))
    for k, some in enumerate(rows):
        x[k, : len(some)], s[k, : len(some)] = records[some], signs[some]
    return x, s


def describe(perturbation: Perturbation) -> dict[str, object]:
    """Return what a bank says of its guarantee, as `metadata["privacy"]`."""
    return {
        "epsilon": float(perturbation.epsilon),
        "target_epsilon": float(perturbation.epsilon),
        "delta": float(perturbation.delta),
        "mechanism": perturbation.mechanism,
        "noise_multiplier": float(perturbation.linear or perturbation.output * perturbation.l2),
        "noise": "gaussian" if perturbation.delta else "gamma",
        "l2": perturbation.l2,
        "clip": 1.0,
        "sampling_rate": 1.0,
        "steps": 1,
        "unit": "patient",
        "adjacency": ADJACENCY,
        "records_a_patient": 1,
        "accountant": "closed form",
        "tolerance": TOLERANCE,
        "tuning": TUNING,
    }


def _check_dataset(dataset: Dataset) -> None:
    """Refuse what a logistic regression of two classes can't take."""
    if dataset.modality != "table" or len(dataset.classes) != 2:
        raise InputError(
            f"{len(dataset.classes)} classes of records that are each a {dataset.modality}, no table of two classes, "
            "which output and objective perturbation are for",
            file=f"dataset {dataset.name}",
            place="private",
            remedy="take the mechanisms `output` and `objective` out of this dataset's `private` section",
        )


def one_record_each(patient: np.ndarray, members: np.ndarray, rng: Draws) -> np.ndarray:
    """Return one record of each member patient, drawn evenly: which one is no other patient's business."""
    order = rng.permutation(len(patient))
    first = np.unique(patient[order], return_index=True)[1]
    rows = np.sort(order[first])
    return rows[members[patient[rows]]]


def parts(replicates: int, floats: int) -> list[slice]:
    """Return the replicates, of so many floats each, that are fitted together within `MEMORY`."""
    width = max(1, MEMORY // (8 * floats))
    return [slice(start, start + width) for start in range(0, replicates, width)]


def _slopes(
    x: np.ndarray, signs: np.ndarray, l2: float, linear: np.ndarray, w: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return grad J [K, d], and the second derivative of each row's loss [K, n]."""
    wrong = _logistic(-signs * np.matmul(x, w[:, :, None])[:, :, 0])
    pull = np.matmul((-signs * wrong)[:, None], x)[:, 0]
    return pull + l2 * w + linear, wrong * (1 - wrong)


def _lengths(
    x: np.ndarray, signs: np.ndarray, l2: float, linear: np.ndarray, w: np.ndarray, step: np.ndarray
) -> np.ndarray:
    """Return the share of each Newton step to take, [K]: halved while it raises J by more than rounding."""
    before = _value(x, signs, l2, linear, w)
    slack = 1e-12 * np.abs(before)
    lengths = np.ones(len(w))
    for _ in range(30):
        worse = _value(x, signs, l2, linear, w - lengths[:, None] * step) > before + slack
        if not worse.any():
            break
        lengths[worse] /= 2
    return lengths


def _value(x: np.ndarray, signs: np.ndarray, l2: float, linear: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Return J, [K]."""
    loss = np.logaddexp(0, -signs * np.matmul(x, w[:, :, None])[:, :, 0]).sum(1)
    return loss + (l2 / 2 * w * w + linear * w).sum(1)


def _draw(rng: Draws, dimension: int, scale: float, delta: float) -> np.ndarray:
    """Return noise [d]: Gaussian where delta > 0, else of density ~ exp(-|v| / scale)."""
    if scale == 0:
        return np.zeros(dimension)
    direction = rng.standard_normal(dimension)
    if delta > 0:
        return scale * direction
    return rng.gamma(dimension, scale) * direction / np.linalg.norm(direction)


def _scale(epsilon: float, delta: float, sensitivity: float) -> float:
    """Return the scale of noise that hides a shift of this length."""
    if delta == 0:
        return sensitivity / epsilon
    return sensitivity * _smallest_deviation(lambda sigma: _gaussian_delta(sigma, epsilon), delta)


def _objective_deviation(epsilon: float, delta: float) -> float:
    """Return the deviation of b, epsilon being what the Jacobians left of it."""
    return _smallest_deviation(lambda sigma: objective_delta(sigma, epsilon), delta)


def _gaussian_delta(sigma: float, epsilon: float) -> float:
    """Return the delta of a Gaussian of deviation sigma over a shift of 1 (Balle and Wang 2018)."""
    a = sigma * epsilon - 1 / (2 * sigma)
    return float(ndtr(-a) - np.exp(epsilon + log_ndtr(-a - 1 / sigma)))


def objective_delta(sigma: float, epsilon: float) -> float:
    """Return the delta of objective perturbation, epsilon being what the Jacobians left of it."""
    a = max(0.0, sigma * epsilon - 1 / (2 * sigma))
    return float(2 * (ndtr(-a) - np.exp(epsilon + log_ndtr(-a - 1 / sigma))))


def _smallest_deviation(delta_of: Callable[[float], float], delta: float) -> float:
    """Return the smallest deviation whose delta is low enough, from above, to 1e-9 of it."""
    low, high = 0.0, 1.0
    while delta_of(high) > delta:
        low, high = high, 2 * high
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if delta_of(middle) > delta else (low, middle)
    return high


def _logistic(z: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-z))."""
    return np.exp(-np.logaddexp(0, -z))
