"""Certified removal (Guo et al. 2020) from a convex head on frozen features.

The head is one logistic regression a class, class against rest (one alone for two classes), on d random projections x
of the features and a constant. With s = +1 for the class and -1 for the rest, labels' offset o fixed beforehand,

    L(w; D) = sum_i log(1 + exp(-s_i (w.x_i + o_i))) + lambda / 2 |w|^2 + b.w,     b ~ N(0, sigma^2)

is minimised to the end. To remove records, a Newton step on what remains, D': v = -H^-1 grad L(w; D'), which at the
minimum is H^-1 sum_removed grad l_i(w); w <- w + v. The residual after it is at most

    |grad L(w + v; D')| <= gamma ||X|| |(X v)^2|,     gamma = max |l'''| = 1 / (6 sqrt(3)),

squares taken element by element, ||X|| the spectral norm: the paper's data-dependent bound gamma ||X|| |v| |X v|
before its last step, so never larger for records of norm 1. If the bound is at most sigma epsilon / c, with
c^2 = 2 ln(1.5 / delta), the head is (epsilon, delta)-indistinguishable from one that never saw the records. The paper
removes single records by one step. A whole patient is too much for one, but the bound holds for any step, whatever came
before, and falls with the square of the step: at most `steps` are made, until it fits. Should it still be too large,
the head is fitted anew, which is exact.

What the certificate covers. A personalised model's extractor is its replicate's, which never saw the patient: there it
covers the whole model, and o is the replicate's own logit. In the population request the extractor was trained on the
forgotten patient too, and the certificate covers the head alone.

The random projection and the scale 1 / sqrt(features) don't depend on data, so they need no cover.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from time import process_time

import numpy as np

from medpriv.bank.engine import groups, is_lone, twice
from medpriv.bank.stack import Parameters
from medpriv.models.layers import Dense
from medpriv.seeds import generator
from medpriv.unlearning.loops import FORWARD, each_record, stack_of
from medpriv.unlearning.requests import Outcome, Request

GAMMA = 1 / (6 * np.sqrt(3))  # the steepest slope of the logistic loss's curvature
CHUNK = 128  # records a forward pass
STEPS = 100  # most Newton steps of a fit
CONVERGED = 1e-9  # gradient's norm, a record


@dataclass(frozen=True)
class Head:
    """The convex problem of one model's head.

    Attributes:
        x: float64 [n, d + 1], projected features and the constant.
        signs: float64 [n, C], +1 where the record is of the class, else -1.
        offsets: float64 [n, C].
        l2: lambda.
        linear: float64 [d + 1, C], b.
    """

    x: np.ndarray
    signs: np.ndarray
    offsets: np.ndarray
    l2: float
    linear: np.ndarray

    def take(self, rows: np.ndarray) -> "Head":
        """Return the problem over some of the records."""
        return Head(self.x[rows], self.signs[rows], self.offsets[rows], self.l2, self.linear)

    def pulls(self, w: np.ndarray) -> np.ndarray:
        """Return float64 [n, C], d l_i / d (w.x_i)."""
        return -self.signs * _logistic(-self.signs * (self.x @ w + self.offsets))

    def gradient(self, w: np.ndarray) -> np.ndarray:
        """Return grad L, [d + 1, C]."""
        return self.x.T @ self.pulls(w) + self.l2 * w + self.linear

    def newton(self, w: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Return H^-1 gradient at w, [d + 1, C]."""
        slopes = _logistic(self.x @ w + self.offsets)
        steps = np.empty_like(w)
        for c, curve in enumerate((slopes * (1 - slopes)).T):
            hessian = (self.x * curve[:, None]).T @ self.x
            hessian[np.diag_indices_from(hessian)] += self.l2
            steps[:, c] = np.linalg.solve(hessian, gradient[:, c])
        return steps

    def loss(self, w: np.ndarray) -> np.ndarray:
        """Return L, [C]."""
        margins = self.signs * (self.x @ w + self.offsets)
        return np.logaddexp(0, -margins).sum(0) + (self.l2 / 2 * w * w + self.linear * w).sum(0)


def fit(head: Head) -> np.ndarray:
    """Return the minimum of L, [d + 1, C]: Newton's method, steps halved until the loss falls."""
    w = np.zeros_like(head.linear)
    value = head.loss(w)
    for _ in range(STEPS):
        gradient = head.gradient(w)
        if np.linalg.norm(gradient) <= CONVERGED * (len(head.x) + 1):
            break
        step, length = head.newton(w, gradient), np.ones(w.shape[1])
        for _ in range(30):
            after = head.loss(w - length * step)
            if (worse := after > value).any():
                length = np.where(worse, length / 2, length)
            else:
                break
        w, value = w - length * step, after
    return w


def remove(rest: Head, w: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the head after one Newton step towards the minimum over what remains, and its residual's bound.

    The bound covers all classes together: the root of the sum of their squares.
    """
    v = -rest.newton(w, rest.gradient(w))
    bounds = GAMMA * _spectral_norm(rest.x) * np.linalg.norm((rest.x @ v) ** 2, axis=0)
    return w + v, float(np.linalg.norm(bounds))


def budget(sigma: float, epsilon: float, delta: float) -> float:
    """Return the largest residual that the noise b covers at (epsilon, delta)."""
    return sigma * epsilon / np.sqrt(2 * np.log(1.5 / delta))


def certified(request: Request, settings: Mapping[str, object]) -> Outcome:
    """Fit each model's head on all its records (not part of the request), then remove the forgotten ones.

    The head takes the place of the network's output layer. Features are those of the replicate (personal request) or
    of the model itself (population request).
    """
    began = process_time()
    base = request.start if request.before is None else request.before
    alike = request.origin if request.before is None else np.arange(len(request))
    _, first, place = np.unique(alike, return_index=True, return_inverse=True)
    trained_on = request.forget | request.remaining
    heads = _heads(request, {name: value[first] for name, value in base.items()}, trained_on, first, settings)
    fitted = [fit(head) for head in heads]
    prepared = process_time() - began

    allowed = budget(settings["sigma"], settings["epsilon"], settings["delta"])
    weights, first_bounds, bounds, steps = [], [], [], []
    for r, k in enumerate(place):
        rest, w, held = heads[k].take(~request.forget[r][trained_on[first[k]]]), fitted[k], []
        while not held or (held[-1] > allowed and len(held) < settings["steps"]):
            w, bound = remove(rest, w)
            held.append(bound)
        weights.append(w if held[-1] <= allowed else fit(rest))
        first_bounds.append(held[0])
        bounds.append(held[-1])
        steps.append(len(held))
    return Outcome(
        _with_heads(request, base, np.stack(weights), settings["dimension"]),
        updates=float(np.mean(steps)),
        passes=float(FORWARD * trained_on[first].sum() / len(request)),
        prepared=prepared,
        certificate={
            "bound_after_one_step": float(np.median(first_bounds)),
            "bound": float(np.median(bounds)),
            "bound_allowed": float(allowed),
            "certified_share": float(np.mean(np.array(bounds) <= allowed)),
        },
    )


def _heads(
    request: Request, base: Parameters, trained_on: np.ndarray, first: np.ndarray, settings: Mapping[str, object]
) -> list[Head]:
    """Return the convex problem of each of the models `first`, over the records that it was trained on."""
    projection, network = _projection(request, settings["dimension"]), request.network
    if is_lone(network, base, CHUNK):
        return _heads(request, *twice(base), trained_on, np.repeat(first, 2), settings)[:1]
    features: list[np.ndarray] = []
    outputs: list[np.ndarray] = []
    for some in groups(network, base, CHUNK):
        stack = stack_of(request, base, some)
        parts = [[] for _ in range(len(stack))], [[] for _ in range(len(stack))]
        for rows, inside in each_record(trained_on[first[some]], CHUNK):
            values = stack.forward(stack.gather(rows), training=False).numpy()
            read = stack.work.saved[f"{network.layers[-1].name}.x"].numpy()
            for k, counts in enumerate(inside.numpy()):
                parts[0][k].append(read[k][counts] @ projection)
                parts[1][k].append(values[k][counts].astype(np.float64))
        features += [np.concatenate(part) for part in parts[0]]
        outputs += [np.concatenate(part) for part in parts[1]]
    heads = []
    for r, x, values in zip(first, features, outputs, strict=True):
        names = [request.origin[r], *([] if request.before is None else [request.patients[request.patient[r]]])]
        rng = generator(request.seed, request.dataset, request.treatment, *names, "perturbation")
        label = request.y[trained_on[r]][:, None]
        wanted = label == (1 if network.outputs == 1 else np.arange(network.outputs))
        heads.append(
            Head(
                x=np.concatenate([x, np.ones((len(x), 1))], 1),
                signs=np.where(wanted, 1.0, -1.0),
                offsets=np.zeros_like(values) if request.before is None else values,
                l2=settings["l2"],
                linear=settings["sigma"] * rng.standard_normal((x.shape[1] + 1, values.shape[1])),
            )
        )
    return heads


def _projection(request: Request, dimension: int) -> np.ndarray:
    """Return float64 [features, d], N(0, 1 / (d features)): features of size 1 each become a record of norm about 1."""
    layer: Dense = request.network.layers[-1]
    rng = generator(request.seed, request.dataset, request.treatment, "projection")
    return rng.standard_normal((layer.inputs, dimension)) / np.sqrt(dimension * layer.inputs)


def _with_heads(request: Request, base: Parameters, w: np.ndarray, dimension: int) -> dict[str, np.ndarray]:
    """Return the models with heads w [R, d + 1, C] for output layers (added to them where they were the offset)."""
    name = request.network.layers[-1].name
    parameters = {held: value.copy() for held, value in base.items()}
    weight = np.einsum("fd,rdc->rcf", _projection(request, dimension), w[:, :-1]).astype(np.float32)
    bias = w[:, -1].astype(np.float32)
    if request.before is None:
        parameters[f"{name}.weight"], parameters[f"{name}.bias"] = weight, bias
    else:
        parameters[f"{name}.weight"] += weight
        parameters[f"{name}.bias"] += bias
    return parameters


def _spectral_norm(x: np.ndarray) -> float:
    """Return ||X||, 0 where there are no records."""
    return float(np.sqrt(np.linalg.eigvalsh(x.T @ x)[-1].clip(0))) if len(x) else 0.0


def _logistic(z: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-z))."""
    return np.exp(-np.logaddexp(0, -z))
