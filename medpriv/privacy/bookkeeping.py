"""Per-unit gradients of stacked layers without a gradient per unit: book-keeping (Bu et al., ICML 2023).

One backward pass stops at the layers' outputs and keeps the slope d_t of every row t beside the row's input x_t. The
gradient of a unit's loss with respect to a weight is G = sum_t d_t x_t^T over the unit's T rows (its records, and in a
convolution their positions), of which clipping needs the norm alone:

    one row a unit:     |G|^2 = |x|^2 |d|^2
    Gram form:          |G|^2 = sum_{s,t} (x_s . x_t) (d_s . d_t)
    instantiated form:  G itself, [outputs, inputs] a unit

The cheaper of the last two is taken, layer by layer (mixed ghost clipping, Bu et al., NeurIPS 2022; here by what small
products cost on a CPU). The sum of the clipped gradients is then one product: of the slopes times their units' clip
factors with the inputs, or of the factors with the gradients if these stand formed.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from medpriv.models.layers import Convolution, Dense, Tensors, Workspace

# T^2 (inputs + outputs) / (inputs outputs) above which the Gram form takes longer, measured: if T is a multiple of 8,
# and if not, for products of 15 rows take three times as long as of 16.
GRAM, ODD_GRAM = 10, 4


@dataclass(frozen=True)
class Product:
    """A weight's part in a backward pass: its gradient for a unit is the sum of d_t x_t^T over the unit's rows.

    Attributes:
        name: of the layer.
        x: [K, units * T, inputs].
        slope: [K, units * T, outputs].
        units: units of each replicate.
    """

    name: str
    x: Tensor
    slope: Tensor
    units: int

    @property
    def rows(self) -> int:
        """T, the rows of one unit."""
        return self.x.shape[1] // self.units

    @property
    def instantiates(self) -> bool:
        """Whether each unit's gradient is formed."""
        inputs, outputs = self.x.shape[2], self.slope.shape[2]
        limit = ODD_GRAM if self.rows % 8 else GRAM
        return self.rows > 1 and self.rows**2 * (inputs + outputs) > limit * inputs * outputs

    def squares(self, work: Workspace) -> Tensor:
        """Return [K, units], the squared norms of the units' gradients; keep the gradients if they are formed."""
        if self.rows == 1:
            return _squares(self.x) * _squares(self.slope)
        x, slope = (_by_unit(f"{self.name}.{of}", value, self.units, work) for of, value in self._sides)
        if not self.instantiates:
            products = torch.bmm(x, x.transpose(1, 2)).mul_(torch.bmm(slope, slope.transpose(1, 2)))
            return products.flatten(1).sum(1).view(-1, self.units)
        formed = work.buffer(f"{self.name}.formed", len(x), slope.shape[2], x.shape[2])
        torch.bmm(slope.transpose(1, 2), x, out=formed)
        return _squares(formed.flatten(1)).view(-1, self.units)

    def add(self, factors: Tensor, gradient: Tensor, work: Workspace) -> None:
        """Add the sum of the units' gradients times their factors [K, units] to [K, outputs, inputs].

        Inputs or slopes, whichever are fewer, are overwritten unless the units' gradients stand formed.
        """
        if not self.instantiates:
            fewer = min(self.x, self.slope, key=lambda side: side.shape[2])
            fewer.view(*factors.shape, -1).mul_(factors.unsqueeze(2))
            torch.baddbmm(gradient, self.slope.transpose(1, 2), self.x, out=gradient)
            return
        formed = work.buffer(f"{self.name}.formed", factors.numel(), *gradient.shape[1:]).flatten(1)
        total = gradient.flatten(1).unsqueeze(1)
        torch.baddbmm(total, factors.unsqueeze(1), formed.unflatten(0, factors.shape), out=total)

    @property
    def _sides(self) -> tuple[tuple[str, Tensor], tuple[str, Tensor]]:
        return ("x", self.x), ("slope", self.slope)


def unit_squares(layer: object, units: int, work: Workspace) -> Tensor | None:
    """Return [K, units], the squared norm of each unit's gradient in a layer; None if it has no parameters.

    Call it after a backward pass without gradients, over rows in which a unit's records stand side by side.
    """
    if isinstance(layer, Dense):
        product = _product(layer, units, work)
        if product.rows == 1:
            return (_squares(product.x) + 1) * _squares(product.slope)  # the bias reads a 1
        return product.squares(work) + _squares(_summed(product.slope, units))
    if isinstance(layer, Convolution):
        return _product(layer, units, work).squares(work) + sum(
            _squares(_summed(value, units)) for value in _normalisation(layer, work).values()
        )
    return None


def add_clipped(layer: object, factors: Tensor, work: Workspace, gradients: Tensors) -> None:
    """Add the sum over units of factor times gradient to a layer's `gradients`; factors [K, units].

    Follows `unit_squares`; what the pass has saved is overwritten.
    """
    if not isinstance(layer, Dense | Convolution):
        return
    product = _product(layer, factors.shape[1], work)
    vectors = {"bias": product.slope} if isinstance(layer, Dense) else _normalisation(layer, work)
    for name, value in vectors.items():
        rows = value.shape[1] // factors.shape[1]
        each = factors if rows == 1 else factors.repeat_interleave(rows, 1)
        total = gradients[f"{layer.name}.{name}"].unsqueeze(1)
        torch.baddbmm(total, each.unsqueeze(1), value, out=total)
    product.add(factors, gradients[f"{layer.name}.weight"], work)


def _product(layer: Dense | Convolution, units: int, work: Workspace) -> Product:
    """Return the weight's part in the pass that has just run."""
    x = work.saved[f"{layer.name}.{'x' if isinstance(layer, Dense) else 'windows'}"]
    slope = work.saved[f"{layer.name}.slope"]
    return Product(layer.name, x, slope.view(len(x), -1, layer.outputs), units)


def _normalisation(layer: Convolution, work: Workspace) -> dict[str, Tensor]:
    """Return the records' gradients of scale and shift, [K, records, outputs]."""
    return {name: work.saved[f"{layer.name}.{name}_slope"].flatten(2) for name in ("scale", "shift")}


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
