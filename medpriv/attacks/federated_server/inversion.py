"""Gradient inversion: the records behind a client's update of a dense network (MLP, logistic regression).

For images and convolutional networks see `image_inversion` beside this module.

All attacks work on a stack of problems at once: [R, ...] updates of networks that the server sent out itself, so it
knows their parameters. Records are standardised, [R, B, F]; labels [R, B] of binary models or of C classes.

- analytic: a dense first layer has dW_i = sum_b d_b,i x_b and db_i = sum_b d_b,i; with one record x = dW_i / db_i for
  every unit that is active, exactly (Phong et al. 2018). With more records it is a mean of them.
- dlg: records and soft labels by gradient matching in L2 (Zhu et al. 2019). idlg: the same with the label read off
  first, from the sign of the output's bias gradient (Zhao et al. 2020); beyond one record, from its mean.
- cosine: cosine distance instead, numbers held within the public range (Geiping et al. 2020, the image prior apart).
- tableak: categories relaxed by a softmax over their states, and the runs from several starts pooled: numbers by the
  median, states by the mean of their probabilities (Vero et al. 2023).

The originals of dlg and idlg run L-BFGS on one problem; here all use Adam with a cosine-decayed step, which the stack
needs. The labels that dlg does not search for are known to idlg only through its gradient, to cosine and tableak from
the start, as those papers assume.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from torch import Tensor

from medpriv.attacks.federated_server.encoding import Encoding
from medpriv.bank.optimiser import cosine
from medpriv.models.differentiable import outputs
from medpriv.models.layers import Dense
from medpriv.models.network import Network

BETAS, SMALL = (0.9, 0.999), 1e-8  # Adam's
SEARCHES = ("dlg", "idlg", "cosine", "tableak")


@dataclass(frozen=True)
class ObservedGradients:
    """What R clients sent, as gradients: one step's, or the mean of several.

    Attributes:
        parameters, gradients: parameter name -> float32 [R, ...].
        batch: B, the records behind each, which the server knows.
    """

    network: Network
    parameters: dict[str, np.ndarray]
    gradients: dict[str, np.ndarray]
    batch: int


def gradients_of(network: Network, parameters: dict[str, Tensor], x: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Return the gradients [R, ...] of the mean cross-entropy of each problem's records.

    They can be differentiated by x and by the labels. Of dense layers the backward pass is written out, in the order
    of the layers from the last.

    Args:
        parameters: parameter name -> [R, ...].
        x: [R, B, *shape of a record].
        labels: probabilities, [R, B, 1] of the second class of a binary model, or [R, B, C].
    """
    if not all(isinstance(layer, Dense) for layer in network.layers):
        return _gradients_by_autograd(network, parameters, x, labels)
    inputs, active = [], []
    for layer in network.layers:
        inputs.append(x)
        x = torch.baddbmm(
            parameters[f"{layer.name}.bias"].unsqueeze(1), x, parameters[f"{layer.name}.weight"].transpose(1, 2)
        )
        if layer.relu:
            active.append((x > 0).to(x.dtype))
            x = x * active[-1]
    slope = (torch.sigmoid(x) if x.shape[-1] == 1 else torch.softmax(x, -1)) - labels
    slope = slope / x.shape[1]
    found = {}
    for layer in reversed(network.layers):
        if layer.relu:
            slope = slope * active.pop()
        found[f"{layer.name}.weight"] = torch.bmm(slope.transpose(1, 2), inputs.pop())
        found[f"{layer.name}.bias"] = slope.sum(1)
        if inputs:
            slope = torch.bmm(slope, parameters[f"{layer.name}.weight"])
    return found


def _gradients_by_autograd(
    network: Network, parameters: dict[str, Tensor], x: Tensor, labels: Tensor
) -> dict[str, Tensor]:
    with torch.enable_grad():
        leaves = {name: value.detach().requires_grad_() for name, value in parameters.items()}
        logits = outputs(network, leaves, x)
        if logits.shape[-1] == 1:
            logits, labels = torch.cat([torch.zeros_like(logits), logits], -1), torch.cat([1 - labels, labels], -1)
        loss = -(labels * torch.log_softmax(logits, -1)).sum(-1).mean(1).sum()
        sought = x.requires_grad or labels.requires_grad
        return dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values()), create_graph=sought), strict=True))


def invert_analytic(observed: ObservedGradients) -> np.ndarray:
    """Return float32 [R, 1, F]: the first layer's weight gradient over its bias gradient, at the largest of these."""
    first = observed.network.layers[0].name
    weight, bias = observed.gradients[f"{first}.weight"], observed.gradients[f"{first}.bias"]
    unit = np.abs(bias).argmax(axis=1)
    problem = np.arange(len(unit))
    scale = bias[problem, unit][:, None]
    quotient = np.divide(weight[problem, unit], scale, out=np.zeros_like(weight[:, 0]), where=scale != 0)
    return np.nan_to_num(quotient)[:, None]


def infer_labels(observed: ObservedGradients, classes: int) -> np.ndarray:
    """Return int64 [R, B]: labels from the gradient of the output's bias, which is the mean of probability minus label.

    With one record the sign tells it exactly; with more, the untrained network's even probabilities are assumed.
    """
    bias = observed.gradients[f"{observed.network.layers[-1].name}.bias"]
    if bias.shape[1] == 1:
        share = np.clip(0.5 - bias[:, 0], 0, 1) if observed.batch > 1 else (bias[:, 0] < 0).astype(float)
        ones = np.rint(share * observed.batch).astype(int)
        return (np.arange(observed.batch) < ones[:, None]).astype(np.int64)
    if observed.batch == 1:
        return bias.argmin(axis=1)[:, None]
    expected = np.clip(1 / classes - bias, 0, None)
    expected *= observed.batch / expected.sum(axis=1, keepdims=True)
    counts = [_rounded(row, observed.batch) for row in expected]
    return np.stack([np.repeat(np.arange(classes), row) for row in counts])


def _rounded(expected: np.ndarray, total: int) -> np.ndarray:
    """Return whole numbers near `expected` with this total (largest remainders)."""
    counts = np.floor(expected).astype(int)
    counts[np.argsort(counts - expected)[: total - counts.sum()]] += 1
    return counts


def search(
    method: str,
    observed: ObservedGradients,
    encoding: Encoding,
    labels: np.ndarray,
    classes: int,
    rng: np.random.Generator,
    steps: int,
    restarts: int,
    learning_rate: float = 0.1,
) -> np.ndarray:
    """Return reconstructed records, float32 [R, B, F], standardised.

    Args:
        method: a name of `SEARCHES`.
        labels: int64 [R, B], the true ones; dlg and idlg don't look at them.
        restarts: starts of each problem; the best by its own loss is returned, or their pool (tableak).
    """
    problems = len(labels)
    wide = ObservedGradients(
        observed.network,
        {name: np.repeat(value, restarts, axis=0) for name, value in observed.parameters.items()},
        {name: np.repeat(value, restarts, axis=0) for name, value in observed.gradients.items()},
        observed.batch,
    )
    known = labels if method in ("cosine", "tableak") else infer_labels(observed, classes)
    target = soft_labels(np.repeat(known, restarts, axis=0), classes)
    bounded, softmax = method in ("cosine", "tableak"), method == "tableak"
    relaxed = _Relaxed(encoding, problems * restarts, observed.batch, rng, bounded, softmax)
    variables = [*relaxed.variables]
    label = None
    if method == "dlg":
        label = torch.zeros_like(target).requires_grad_(True)
        variables.append(label)
    distance = distance_to(wide, by_angle=bounded)
    loss = descend(
        variables,
        steps,
        learning_rate,
        lambda: distance(relaxed.records(), probabilities(target, label)),
        relaxed.confine,
    )
    return _pooled(method, relaxed, loss, problems, restarts)


def soft_labels(labels: np.ndarray, classes: int) -> Tensor:
    """Return labels as probabilities: [R, B, 1] of a binary model, else [R, B, C]."""
    given = torch.from_numpy(labels)
    if classes == 2:
        return given.unsqueeze(-1).float()
    return torch.nn.functional.one_hot(given, classes).float()


def probabilities(known: Tensor, sought: Tensor | None) -> Tensor:
    """Return the labels as probabilities: those known, or those that are searched for by their logits."""
    if sought is None:
        return known
    return torch.sigmoid(sought) if sought.shape[-1] == 1 else torch.softmax(sought, -1)


def distance_to(observed: ObservedGradients, *, by_angle: bool) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the function of records and labels that gives each problem's distance of gradients, [R].

    Args:
        by_angle: the cosine distance; else the squared one, in parts of the square of what was observed.
    """
    parameters = {name: torch.from_numpy(value) for name, value in observed.parameters.items()}
    kinds = ("weight", "bias", "scale", "shift")
    every = (
        f"{layer.name}.{kind}" for layer in reversed(observed.network.layers) if layer.has_parameters for kind in kinds
    )
    names = [name for name in every if name in parameters]
    true = [torch.from_numpy(observed.gradients[name]).flatten(1) for name in names]
    length = _squares(true)

    def distance(records: Tensor, labels: Tensor) -> Tensor:
        made = gradients_of(observed.network, parameters, records, labels)
        own = [made[name].flatten(1) for name in names]
        pairs = zip(own, true, strict=True)
        if not by_angle:
            return _squares(one - other for one, other in pairs) / (length + SMALL)
        return 1 - sum((one * other).sum(1) for one, other in pairs) / torch.sqrt(_squares(own) * length + SMALL**2)

    return distance


def _squares(parts: Iterable[Tensor]) -> Tensor:
    """Return each problem's sum of squares over all parts [R, ...], [R]."""
    return sum((part**2).sum(1) for part in parts)


def descend(
    variables: Sequence[Tensor],
    steps: int,
    learning_rate: float,
    distance: Callable[[], Tensor],
    confine: Callable[[], None],
    *,
    signs: bool = False,
) -> Tensor:
    """Take Adam steps in place; return the last distances [R].

    Args:
        confine: brings the variables back to where they may be, after each step.
        signs: steps see the gradient's signs alone.
    """
    moments = [(torch.zeros_like(value), torch.zeros_like(value)) for value in variables]
    for step in range(steps):
        slopes = torch.autograd.grad(distance().sum(), variables)
        rate = learning_rate * cosine(step, steps)
        with torch.no_grad():
            for value, slope, (first, second) in zip(variables, slopes, moments, strict=True):
                slope = slope.sign() if signs else slope
                first.lerp_(slope, 1 - BETAS[0])
                second.lerp_(slope**2, 1 - BETAS[1])
                mean, square = first / (1 - BETAS[0] ** (step + 1)), second / (1 - BETAS[1] ** (step + 1))
                value -= rate * mean / (square.sqrt() + SMALL)
            confine()
    with torch.no_grad():
        return distance()


class _Relaxed:
    """The unknown records of R problems as free variables: columns as they are, or states of categories relaxed."""

    def __init__(
        self, encoding: Encoding, problems: int, batch: int, rng: np.random.Generator, bounded: bool, softmax: bool
    ) -> None:
        self.encoding, self.limits = encoding, None
        if bounded:
            self.limits = torch.from_numpy(encoding.low), torch.from_numpy(encoding.high)
        columns = encoding.public.shape[1]
        start = rng.standard_normal((problems, batch, columns)).astype(np.float32)
        self.values = torch.from_numpy(start).requires_grad_(True)
        self.variables = [self.values]
        if softmax and encoding.categories:
            sizes = [category.states.shape for category in encoding.categories]
            most, wide = max(size[0] for size in sizes), max(size[1] for size in sizes)
            self._states = torch.zeros(len(sizes), most, wide)
            self._absent = torch.ones(len(sizes), most, dtype=torch.bool)
            for index, category in enumerate(encoding.categories):
                states = torch.from_numpy(category.states)
                self._states[index, : states.shape[0], : states.shape[1]] = states
                self._absent[index, : states.shape[0]] = False
            places = [(i, j) for i, size in enumerate(sizes) for j in range(size[1])]
            self._places = tuple(torch.tensor(part) for part in zip(*places, strict=True))
            self._columns = torch.from_numpy(np.concatenate([category.columns for category in encoding.categories]))
            drawn = rng.standard_normal((problems, batch, len(sizes), most)).astype(np.float32)
            self.odds = torch.from_numpy(drawn).requires_grad_(True)
            self.variables.append(self.odds)

    def probabilities(self) -> Tensor:
        """Return [R, B, categories, states]."""
        return torch.softmax(self.odds.masked_fill(self._absent, -torch.inf), -1)

    def records(self) -> Tensor:
        """Return the records [R, B, F] that the variables stand for."""
        if len(self.variables) == 1:
            return self.values
        mixed = torch.einsum("rbvs,vsc->rbvc", self.probabilities(), self._states)
        return self.values.index_copy(2, self._columns, mixed[:, :, self._places[0], self._places[1]])

    def confine(self) -> None:
        """Bring numbers back into the public range, if the attack keeps to it."""
        if self.limits is not None:
            self.values.copy_(torch.clamp(self.values, *self.limits))


def _pooled(method: str, relaxed: _Relaxed, loss: Tensor, problems: int, restarts: int) -> np.ndarray:
    """Return one reconstruction a problem, [R, B, F], of those of all restarts."""
    with torch.no_grad():
        made = relaxed.records().numpy().reshape(problems, restarts, *relaxed.values.shape[1:])
    ranked = loss.nan_to_num(torch.inf).view(problems, restarts).argsort(dim=1, stable=True).numpy()
    best = np.take_along_axis(made, ranked[:, :1, None, None], axis=1)[:, 0]
    if method != "tableak" or restarts == 1:
        return best
    kept = np.take_along_axis(made, ranked[:, : max(1, restarts // 2), None, None], axis=1)  # the better half
    for problem, reference in enumerate(best):
        for index, other in enumerate(kept[problem]):
            kept[problem, index] = other[pair_records(other, reference)]
    pooled = np.median(kept, axis=1)
    for category in relaxed.encoding.categories:
        pooled[..., category.columns] = kept[..., category.columns].mean(axis=1)
    return pooled.astype(np.float32)


def pair_records(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return int [B]: for each true record [B, F] the found one [B', F] that is its partner (least total distance)."""
    rows, columns = linear_sum_assignment(cdist(found, true, "sqeuclidean"))
    order = np.empty(len(true), int)
    order[columns] = rows
    return order
