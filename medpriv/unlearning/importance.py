"""Methods that read off which parameters a patient's records matter to: SSD, its label-free form, Fisher forgetting.

Importance is the mean over records of |dL_i/dtheta|^p, in evaluation mode, one record at a time: p = 2 is the diagonal
of the empirical Fisher information. (The code released with SSD squares gradients of whole batches instead.) The stacks
give sums over records only, so the passes here go down the layers themselves: a dense layer's record has the gradient
g x^T, and sum_i |g_i x_i^T|^p is one product of |g|^p and |x|^p.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from medpriv.bank.engine import groups, is_lone, twice
from medpriv.bank.losses import cross_entropy_gradient
from medpriv.bank.stack import Parameters, Stack
from medpriv.models.layers import Product, Tensors, allocate_stack
from medpriv.unlearning.loops import each_record, stack_of
from medpriv.unlearning.requests import Outcome, Request

CHUNK = 32  # records a pass; a convolution keeps one gradient of its weights for each

Size = Callable[[Tensor], Tensor]  # |.|^p
Loss = Callable[[Tensor, Tensor], Tensor]  # outputs [K, B, outputs], labels [K, B] -> of each record's loss


def ssd(request: Request, settings: Mapping[str, object]) -> Outcome:
    """Selective synaptic dampening (Foster et al. 2024): F is the diagonal of the Fisher information.

    Where F_forget > a F_all, theta <- theta min(lambda F_all / F_forget, 1); nothing is trained.
    """
    return _dampen(request, settings, cross_entropy_gradient, torch.square)


def ssd_labelfree(request: Request, settings: Mapping[str, object]) -> Outcome:
    """LF-SSD (Foster et al. 2024): as SSD, with importance mean |d ||outputs||^2 / d theta|, which needs no labels."""
    return _dampen(request, settings, _norm_gradient, torch.abs)


def fisher(request: Request, settings: Mapping[str, object]) -> Outcome:
    """Fisher forgetting after Golatkar et al. (2020): theta <- theta + N(0, alpha min(1 / F_retain, `most`)).

    The variance, alpha / F, is that of the authors' code; the paper's own falls with the root of F. Unlike the code:
    - F is taken at the records' labels, not averaged over the model's own classes. On a trained perceptron of `heart`
      that is .56 to .62 of theirs, layer by layer, so the same alpha adds up to 1.3 times their noise.
    - Every weight has a variance of its own; it is neither averaged over a unit's inputs, nor ten times as large in the
      last layer and in normalisations.
    Running statistics stay.
    """
    information = importance(request, request.start, request.retain, cross_entropy_gradient, torch.square)
    generators = request.generators("noise")
    parameters = {}
    for name, value in request.start.items():
        if name in information:
            variance = settings["alpha"] * np.minimum(1 / (information[name] + 1e-8), settings["most"])
            drawn = np.stack([rng.standard_normal(value.shape[1:], np.float32) for rng in generators])
            parameters[name] = value + np.sqrt(variance, dtype=np.float32) * drawn
        else:
            parameters[name] = value.copy()
    return Outcome(parameters, passes=float(request.retain.sum(1).mean()))


def importance(
    request: Request, parameters: Parameters, members: np.ndarray, loss: Loss, size: Size
) -> dict[str, np.ndarray]:
    """Return name -> float32 [R, ...]: the mean of |dL_i/dtheta|^p over each model's records, bool [R, N]."""
    if is_lone(request.network, parameters, CHUNK):
        pair = importance(request, *twice(parameters, members), loss, size)
        return {name: value[:1] for name, value in pair.items()}
    parts = []
    for some in groups(request.network, parameters, CHUNK):
        stack = stack_of(request, parameters, some)
        sums = {name: torch.zeros(value.shape) for name, value in stack.gradients.items()}
        for rows, inside in each_record(members[some], CHUNK):
            outputs = stack.forward(stack.gather(rows), training=False)
            _add_sizes(stack, loss(outputs, stack.labels[rows]).mul_(inside.unsqueeze(-1)), sums, size)
        counts = members[some].sum(1)
        parts.append({name: (value.numpy().T / counts).T.astype(np.float32) for name, value in sums.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _dampen(request: Request, settings: Mapping[str, object], loss: Loss, size: Size) -> Outcome:
    """Dampen what matters to the forgotten records more than to all that the model was trained on."""
    forgotten = importance(request, request.start, request.forget, loss, size)
    known, passes = _importance_of_all(request, loss, size)
    parameters = {}
    for name, value in request.start.items():
        parameters[name] = value.copy()
        if name in forgotten:
            chosen = forgotten[name] > settings["selection"] * known[name]
            factor = np.minimum(settings["dampening"] * known[name][chosen] / forgotten[name][chosen], 1)
            parameters[name][chosen] *= factor
    return Outcome(parameters, passes=float(request.forget.sum(1).mean() + passes))


def _importance_of_all(request: Request, loss: Loss, size: Size) -> tuple[dict[str, np.ndarray], float]:
    """Return the importance of all that each model was trained on, name -> [R, ...], and its passes a model.

    Models of one replicate have a part in common, the replicate on its own records: that is found once for all of them
    and its cost shared. A personalised model adds the beats that it adapted to, each part weighing its records.
    """
    _, first, place = np.unique(request.origin, return_index=True, return_inverse=True)
    own = request.forget | request.remaining
    whole, members = (request.start, own) if request.before is None else (request.before, request.base)
    replicates = {name: value[first] for name, value in whole.items()}
    common = importance(request, replicates, members[first], loss, size)
    known = {name: value[place] for name, value in common.items()}
    passes = members[first].sum() / len(request)
    if request.before is not None:
        share = own.sum(1, dtype=np.float32) / (own | request.base).sum(1)
        for name, value in importance(request, request.start, own, loss, size).items():
            known[name] = (known[name].T * (1 - share) + value.T * share).T.astype(np.float32)
        passes += own.sum(1).mean()
    return known, passes


def _norm_gradient(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return d ||outputs||^2 / d outputs."""
    return allocate_stack(outputs.shape).copy_(outputs).mul_(2)


def _add_sizes(stack: Stack, gradient: Tensor, sums: Tensors, size: Size) -> None:
    """Follow a forward pass in evaluation mode: add each record's |gradient|^p to `sums`; `gradient` is overwritten."""
    layers = stack.network.layers
    for layer in reversed(layers):
        records = gradient.shape[1]
        vectors = layer.vectors_evaluated(gradient, stack.work)
        gradient = layer.backward(stack.held, gradient, stack.work, None, layer is not layers[0])
        for name, value in (layer.vectors(stack.work) if vectors is None else vectors).items():
            sums[name] += size(value).sum(1)
        if product := layer.product(stack.work):
            _add_product(product, records, sums, size)


def _add_product(product: Product, records: int, sums: Tensors, size: Size) -> None:
    """Add the sizes of a weight's gradients, and of its bias's: in one product where a record has one row."""
    x, gradient = product.x, product.output_gradient
    if x.shape[1] == records:
        sums[product.weight] += torch.bmm(size(gradient).transpose(1, 2), size(x))
    else:
        gradient, x = (side.unflatten(1, (records, -1)) for side in (gradient, x))
        each = torch.bmm(gradient.flatten(0, 1).transpose(1, 2), x.flatten(0, 1))
        sums[product.weight] += size(each).unflatten(0, (-1, records)).sum(1)
        gradient = gradient.sum(2)
    if product.bias is not None:
        sums[product.bias] += size(gradient).sum(1)
