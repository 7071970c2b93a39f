"""The critic of a Wasserstein GAN with gradient penalty (Gulrajani et al. 2017), stacked, its gradient by hand.

A critic f is an MLP with leaky ReLUs and dropout. Its loss, of rows x real, x' fake and z = a x + (1 - a) x', is

    sum_i w_i [f(x'_i) - f(x_i) + 10 (|grad f(z_i)| - 1)^2].

Every slope s of an activation is constant but for a set of measure 0, so grad f(z) = (..(w3 s2) W2 s1) W1 is a product
of weights, and the penalty's gradient comes from one more pass of the same products: no graph is built. With v_l the
gradient at layer l's output, and u = dP/d grad f(z) going forward through the layers without biases, a layer's weights
get v_l^T u_l. So the whole gradient of a weight is a sum of outer products over three blocks of rows, real, fake and
penalty, `d^T x`; that is also all that differential privacy needs to clip each row's share (`clipped_sums`).

The first layer's output at z is that of x and x', mixed: it costs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medpriv.models.layers import Tensors, Workspace, linear_uniform

SLOPE = 0.2  # of a leaky ReLU below 0
PENALTY = 10.0
SMALL = 1e-12


@dataclass(frozen=True)
class Outer:
    """A layer's gradient: of the weight `d^T x` over all rows, of the bias the sum of d over the first `plain` rows.

    Attributes:
        x: [K, 3 R, inputs], blocks of real, fake and penalty rows.
        d: [K, 3 R, outputs].
    """

    x: Tensor
    d: Tensor


@dataclass(frozen=True)
class Critic:
    """The layers of a critic; parameters `critic1.weight` [K, outputs, inputs], `critic1.bias` [K, outputs], ...

    Attributes:
        inputs: values of a row.
        hidden: units of the hidden layers.
    """

    inputs: int
    hidden: tuple[int, ...]

    @property
    def names(self) -> list[str]:
        """The layers' names."""
        return [f"critic{index + 1}" for index in range(len(self.hidden) + 1)]

    def initial(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return one replicate's first parameters, drawn as `torch.nn.Linear` does."""
        widths, held = (self.inputs, *self.hidden, 1), {}
        for index, name in enumerate(self.names):
            held[f"{name}.weight"], held[f"{name}.bias"] = linear_uniform(rng, widths[index + 1], widths[index])
        return held

    def gradient(self, held: Tensors, x: Tensor, weights: Tensor, mix: Tensor, masks: Sequence[Tensor]) -> list[Outer]:
        """Return each layer's gradient of the loss.

        Args:
            x: [K, 3 R, inputs], real rows, fake rows, and R whose values don't matter: they are overwritten.
            weights: w, [K, R].
            mix: a, [K, R, 1].
            masks: of each hidden layer [K, 3 R, units], what dropout multiplies with; empty: no dropout.
        """
        size = x.shape[1] // 3
        inputs, slopes = self._forward(held, x, mix, masks)
        last = held[f"{self.names[-1]}.weight"]
        ones = torch.ones_like(weights)
        d = torch.cat([-weights, weights, ones], 1).unsqueeze(2)
        backs = [d]
        back = d * last
        for index in range(len(self.hidden) - 1, -1, -1):
            back = back * slopes[index]
            backs.insert(0, back)
            if index:
                back = torch.bmm(back, held[f"{self.names[index]}.weight"])
        block = slice(2 * size, None)
        slope = torch.bmm(backs[0][:, block], held[f"{self.names[0]}.weight"])
        norm = torch.linalg.vector_norm(slope, dim=2, keepdim=True)
        wave = slope.mul_(2 * PENALTY * weights.unsqueeze(2) * (norm - 1) / (norm + SMALL))
        for index, name in enumerate(self.names):
            inputs[index][:, block] = wave
            if index < len(self.hidden):
                wave = torch.bmm(wave, held[f"{name}.weight"].transpose(1, 2)).mul_(slopes[index][:, block])
        return [Outer(*pair) for pair in zip(inputs, backs, strict=True)]

    def input_gradient(self, held: Tensors, x: Tensor, masks: Sequence[Tensor], work: Workspace) -> Tensor:
        """Return d f / d x [K, R, inputs] of rows x [K, R, inputs], in a buffer."""
        slopes = []
        for index, name in enumerate(self.names[:-1]):
            a = torch.baddbmm(held[f"{name}.bias"].unsqueeze(1), x, held[f"{name}.weight"].transpose(1, 2))
            slopes.append(_slopes(a, masks[index] if masks else None))
            x = a.mul_(slopes[-1])
        back = held[f"{self.names[-1]}.weight"] * slopes[-1]
        for index in range(len(self.hidden) - 1, 0, -1):
            back = torch.bmm(back, held[f"{self.names[index]}.weight"]).mul_(slopes[index - 1])
        out = work.buffer("critic.gx", *back.shape[:2], self.inputs)
        return torch.bmm(back, held[f"{self.names[0]}.weight"], out=out)

    def values(self, held: Tensors, x: Tensor) -> Tensor:
        """Return f [K, R] of rows x [K, R, inputs], without dropout."""
        for name in self.names[:-1]:
            a = torch.baddbmm(held[f"{name}.bias"].unsqueeze(1), x, held[f"{name}.weight"].transpose(1, 2))
            x = torch.nn.functional.leaky_relu(a, SLOPE)
        name = self.names[-1]
        return torch.baddbmm(held[f"{name}.bias"].unsqueeze(1), x, held[f"{name}.weight"].transpose(1, 2))[..., 0]

    def _forward(
        self, held: Tensors, x: Tensor, mix: Tensor, masks: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return what each layer reads, and the slopes of the hidden ones."""
        size, inputs, slopes = x.shape[1] // 3, [x], []
        for index, name in enumerate(self.names[:-1]):
            weight, bias = held[f"{name}.weight"].transpose(1, 2), held[f"{name}.bias"].unsqueeze(1)
            if index:
                a = torch.baddbmm(bias, inputs[-1], weight)
            else:
                ends = torch.bmm(x[:, : 2 * size], weight)
                a = torch.cat([ends, torch.lerp(ends[:, size:], ends[:, :size], mix)], 1).add_(bias)
            slopes.append(_slopes(a, masks[index] if masks else None))
            inputs.append(a.mul_(slopes[-1]))
        return inputs, slopes


def add_sums(critic: Critic, outers: Sequence[Outer], gradients: Tensors) -> None:
    """Write the gradients of the whole loss."""
    for name, outer in zip(critic.names, outers, strict=True):
        torch.bmm(outer.d.transpose(1, 2), outer.x, out=gradients[f"{name}.weight"])
        plain = 2 * outer.d.shape[1] // 3
        torch.sum(outer.d[:, :plain], 1, out=gradients[f"{name}.bias"])


def unit_squares(outers: Sequence[Outer], units: int) -> list[Tensor]:
    """Return each layer's squared norms [K, units] of the units' gradients; a unit's rows stand side by side.

    Of T rows a unit, |sum_t d_t x_t^T|^2 = sum_{s,t} (x_s . x_t) (d_s . d_t), of its real, fake and penalty rows.
    """
    squares = []
    for outer in outers:
        x, d = (_by_unit(side, units) for side in (outer.x, outer.d))
        products = (x @ x.transpose(2, 3)).mul_(d @ d.transpose(2, 3)).sum((2, 3))
        bias = d[:, :, : 2 * d.shape[2] // 3].sum(2)
        squares.append(products.clamp_(min=0) + bias.square().sum(2))
    return squares


def add_clipped(critic: Critic, outers: Sequence[Outer], factors: Sequence[Tensor], gradients: Tensors) -> None:
    """Add the units' gradients, each times its factor, to `gradients`.

    Args:
        factors: of each layer, [K, units].
    """
    for name, outer, factor in zip(critic.names, outers, factors, strict=True):
        rows = outer.d.shape[1] // 3
        each = factor.repeat_interleave(rows // factor.shape[1], 1).repeat(1, 3)
        d = outer.d * each.unsqueeze(2)
        gradients[f"{name}.weight"].baddbmm_(d.transpose(1, 2), outer.x)
        gradients[f"{name}.bias"].add_(d[:, : 2 * rows].sum(1))


def _by_unit(side: Tensor, units: int) -> Tensor:
    """Return [K, units, T, values] of [K, 3 units M, values]: real rows first, then fake, then penalty ones."""
    replicates, rows, values = side.shape
    parts = side.reshape(replicates, 3, units, rows // (3 * units), values)
    return parts.transpose(1, 2).reshape(replicates, units, -1, values)


def _slopes(a: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return torch.where(a > 0, 1.0, SLOPE).to(a.dtype)
    return torch.where(a > 0, mask, SLOPE * mask)
