"""Per-unit gradients of stacked layers without a gradient per unit: book-keeping (Bu et al., ICML 2023).

One backward pass stops at the layers' outputs and keeps the gradient d_t of every row t beside the row's input x_t
(`medpriv.models.layers.Product`). The gradient of a unit's loss with respect to a weight is G = sum_t d_t x_t^T over
the unit's T rows (its records, and in a convolution their positions), of which clipping needs the norm alone:

    one row a unit:     |G|^2 = |x|^2 |d|^2
    Gram form:          |G|^2 = sum_{s,t} (x_s . x_t) (d_s . d_t)
    instantiated form:  G itself, [outputs, inputs] a unit

The cheaper of the last two is taken, layer by layer (mixed ghost clipping, Bu et al., NeurIPS 2022; here by what small
products cost on a CPU). The sum of the clipped gradients is then one product: of the d_t times their units' clip
factors with the inputs, or of the factors with the gradients if these stand formed.
"""

import torch
from torch import Tensor

from medpriv.models.layers import Layer, Product, Tensors, Workspace

# T^2 (inputs + outputs) / (inputs outputs) above which the Gram form takes longer, measured: if T is a multiple of 8,
# and if not, for products of 15 rows take three times as long as of 16.
GRAM, ODD_GRAM = 10, 4


def unit_squares(layer: Layer, units: int, work: Workspace) -> Tensor | None:
    """Return [K, units], the squared norm of each unit's gradient in a layer; None if it has no parameters.

    Call it after a backward pass without gradients, over rows in which a unit's records stand side by side.
    """
    if not layer.has_parameters:
        return None
    product = layer.product(work)
    squares = 0 if product is None else _product_squares(product, units, work)
    return squares + sum(_squares(_summed(value, units)) for value in layer.vectors(work).values())


def add_clipped(layer: Layer, factors: Tensor, work: Workspace, gradients: Tensors) -> None:
    """Add the sum over units of factor times gradient to a layer's `gradients`; factors [K, units].

    Follows `unit_squares`; what the pass has saved is overwritten.
    """
    product, vectors = layer.product(work) if layer.has_parameters else None, layer.vectors(work)
    if product is not None and product.bias is not None:
        vectors = {product.bias: product.output_gradient, **vectors}
    for name, value in vectors.items():
        rows = value.shape[1] // factors.shape[1]
        each = factors if rows == 1 else factors.repeat_interleave(rows, 1)
        total = gradients[name].unsqueeze(1)
        torch.baddbmm(total, each.unsqueeze(1), value, out=total)
    if product is not None:
        _add_product(product, factors, gradients[product.weight], work)


def _product_squares(product: Product, units: int, work: Workspace) -> Tensor:
    """Return [K, units], the squared norms of the units' gradients; keep the gradients if they are formed."""
    x, gradient = product.x, product.output_gradient
    if x.shape[1] == units:
        return (_squares(x) + (product.bias is not None)) * _squares(gradient)  # the bias reads a 1
    bias = _squares(_summed(gradient, units)) if product.bias is not None else 0
    x = _by_unit(f"{product.weight}.x", x, units, work)
    gradient = _by_unit(f"{product.weight}.output_gradient", gradient, units, work)
    if not _instantiates(product, units):
        products = torch.bmm(x, x.transpose(1, 2)).mul_(torch.bmm(gradient, gradient.transpose(1, 2)))
        return products.flatten(1).sum(1).view(-1, units) + bias
    formed = work.buffer(f"{product.weight}.formed", len(x), gradient.shape[2], x.shape[2])
    torch.bmm(gradient.transpose(1, 2), x, out=formed)
    return _squares(formed.flatten(1)).view(-1, units) + bias


def _add_product(product: Product, factors: Tensor, gradient: Tensor, work: Workspace) -> None:
    """Add the sum of the units' gradients times their factors [K, units] to [K, outputs, inputs].

    Inputs or gradients of outputs, whichever are fewer, are overwritten unless the units' gradients stand formed.
    """
    if not _instantiates(product, factors.shape[1]):
        fewer = min(product.x, product.output_gradient, key=lambda side: side.shape[2])
        fewer.view(*factors.shape, -1).mul_(factors.unsqueeze(2))
        torch.baddbmm(gradient, product.output_gradient.transpose(1, 2), product.x, out=gradient)
        return
    formed = work.buffer(f"{product.weight}.formed", factors.numel(), *gradient.shape[1:]).flatten(1)
    total = gradient.flatten(1).unsqueeze(1)
    torch.baddbmm(total, factors.unsqueeze(1), formed.unflatten(0, factors.shape), out=total)


def _instantiates(product: Product, units: int) -> bool:
    """Return whether each unit's gradient is formed, of T rows."""
    rows, inputs, outputs = product.x.shape[1] // units, product.x.shape[2], product.output_gradient.shape[2]
    limit = ODD_GRAM if rows % 8 else GRAM
    return rows > 1 and rows**2 * (inputs + outputs) > limit * inputs * outputs


def _squares(value: Tensor) -> Tensor:
    """Return the squared norms along the last axis."""
    return torch.linalg.vector_norm(value, dim=-1).square_()


def _summed(value: Tensor, units: int) -> Tensor:
    """Return [K, units, ...]: rows [K, units * T, ...] summed over each unit's."""
    if value.shape[1] == units:
        return value
    return value.unflatten(1, (units, -1)).sum(2)


def _by_unit(name: str, value: Tensor, units: int, work: Workspace) -> Tensor:
    """Return [K * units, T, channels] of [K, units * T, channels].

    It is a view where the replicates lie without a gap, else a copy in which every unit is aligned.
    """
    replicates, rows, channels = value.shape
    if value.stride(0) == rows * value.stride(1):
        return value.reshape(replicates * units, rows // units, channels)
    copy = work.buffer(f"{name}.units", replicates * units, rows // units, channels)
    copy.unflatten(0, (replicates, units)).copy_(value.unflatten(1, (units, -1)))
    return copy
