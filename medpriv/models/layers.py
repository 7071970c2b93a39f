"""Stacked layers: the same layer of K replicates at once, forward and backward written out.

Everything carries a leading axis K. Activations are [K, records, channels] in `Dense` and [K, records, positions,
channels] in `Convolution`, where a convolution is a copy of its windows and one `bmm` over all replicates, and a kernel
as wide as its stride is the `bmm` alone. A layer keeps no parameters: it reads them from `held` (name -> [K, ...]),
writes gradients into `gradients` (same names), and finds its buffers and what it must remember in a `Workspace`.
Networks made of these layers are in `medpriv.models.network`; training is in `medpriv.bank.engine`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np
import torch
from torch import Tensor

ALIGNED = 32  # floats: two 64-byte registers, what the kernels of torch take in one step
MOMENTUM = 0.1  # share of a batch's statistics in the running ones, torch's default
EPSILON = 1e-5  # added to variances, torch's default

Tensors = Mapping[str, Tensor]


@dataclass
class Workspace:
    """Buffers that every step reuses (a fresh allocation a step costs more than the arithmetic of a small layer)."""

    buffers: dict[tuple[object, ...], Tensor] = field(default_factory=dict)
    saved: dict[str, Tensor] = field(default_factory=dict)

    def buffer(self, name: str, *shape: int) -> Tensor:
        """Return the float32 buffer of this name and shape: zeros at first, later whatever was left there."""
        key = (name, *shape)
        if key not in self.buffers:
            self.buffers[key] = allocate_stack(shape)
        return self.buffers[key]


@dataclass(frozen=True)
class Dense:
    """y = x W^T + b, then ReLU if asked; W [K, outputs, inputs], b [K, outputs]."""

    name: str
    inputs: int
    outputs: int
    relu: bool

    def initial(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return one replicate's parameters: before a ReLU He-uniform weights and bias 0, else as torch draws both."""
        if self.relu:
            weight, bias = he_uniform(rng, self.outputs, self.inputs), np.zeros(self.outputs, np.float32)
        else:
            weight, bias = linear_uniform(rng, self.outputs, self.inputs)
        return {f"{self.name}.weight": weight, f"{self.name}.bias": bias}

    def products(self) -> int:
        """Return the multiply-adds of one record's forward pass."""
        return self.inputs * self.outputs

    def values(self) -> int:
        """Return the floats that training keeps for one record: output, input gradient."""
        return self.outputs + self.inputs

    def forward(self, held: Tensors, x: Tensor, work: Workspace, training: bool) -> Tensor:
        """Return [K, records, outputs] of x [K, records, inputs]."""
        weight, bias = held[f"{self.name}.weight"], held[f"{self.name}.bias"]
        y = work.buffer(f"{self.name}.y", *x.shape[:2], self.outputs)
        torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2), out=y)
        if self.relu:
            torch.clamp_min(y, 0, out=y)
        work.saved[f"{self.name}.x"], work.saved[f"{self.name}.y"] = x, y
        return y

    def backward(
        self, held: Tensors, gradient: Tensor, work: Workspace, gradients: Tensors | None, need_input: bool
    ) -> Tensor | None:
        """Write the parameters' gradients (unless `gradients` is None) and return the input's (if needed).

        `gradient` [K, records, outputs] is overwritten.
        """
        if self.relu:
            mask_relu(gradient, work.saved[f"{self.name}.y"])
        work.saved[f"{self.name}.slope"] = gradient
        if gradients is not None:
            x = work.saved[f"{self.name}.x"]
            torch.bmm(gradient.transpose(1, 2), x, out=gradients[f"{self.name}.weight"])
            torch.sum(gradient, 1, out=gradients[f"{self.name}.bias"])
        if not need_input:
            return None
        out = work.buffer(f"{self.name}.gx", *gradient.shape[:2], self.inputs)
        return torch.bmm(gradient, held[f"{self.name}.weight"], out=out)


@dataclass(frozen=True)
class Convolution:
    """Convolution without bias, normalisation, ReLU.

    x [K, records, positions, channels], W [K, outputs, kernel * channels] (within a row: kernel first, then channels).

    Attributes:
        groups: groups of a group normalisation; None: batch normalisation with running statistics.
    """

    name: str
    positions: int
    channels: int
    outputs: int
    kernel: int
    stride: int
    padding: int
    groups: int | None

    @property
    def positions_out(self) -> int:
        """Positions left: floor((positions + 2 padding - kernel) / stride) + 1."""
        return (self.positions + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def window(self) -> int:
        """Values that a window covers."""
        return self.kernel * self.channels

    def initial(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return one replicate's parameters: He-uniform weights, identity normalisation."""
        held = {
            f"{self.name}.weight": he_uniform(rng, self.outputs, self.window),
            f"{self.name}.scale": np.ones(self.outputs, np.float32),
            f"{self.name}.shift": np.zeros(self.outputs, np.float32),
        }
        if self.groups is None:
            held[f"{self.name}.running_mean"] = np.zeros(self.outputs, np.float32)
            held[f"{self.name}.running_variance"] = np.ones(self.outputs, np.float32)
        return held

    def products(self) -> int:
        """Return the multiply-adds of one record's forward pass."""
        return self.positions_out * self.window * self.outputs

    def values(self) -> int:
        """Return the floats that training keeps for one record: windows and their gradients, y, z, products."""
        return self.positions_out * (2 * self.window + 3 * self.outputs)

    def forward(self, held: Tensors, x: Tensor, work: Workspace, training: bool) -> Tensor:
        """Return [K, records, positions_out, outputs]; training uses batch statistics and moves the running ones."""
        replicates, records = x.shape[:2]
        windows = self._windows(x, work)
        y = work.buffer(f"{self.name}.y", replicates, records, self.positions_out, self.outputs)
        torch.bmm(windows, held[f"{self.name}.weight"].transpose(1, 2), out=y.view(replicates, -1, self.outputs))
        mean, variance = self._statistics(held, y, work, training)
        inverse = torch.rsqrt(variance + EPSILON)
        scale = inverse * self._grouped(held[f"{self.name}.scale"])
        shift = self._grouped(held[f"{self.name}.shift"]) - mean * scale
        z = work.buffer(f"{self.name}.z", *y.shape)
        torch.addcmul(self._flat(shift), y, self._flat(scale), out=z)
        torch.clamp_min(z, 0, out=z)
        for name, value in (("windows", windows), ("y", y), ("z", z), ("mean", mean), ("inverse", inverse)):
            work.saved[f"{self.name}.{name}"] = value
        return z

    def backward(
        self, held: Tensors, gradient: Tensor, work: Workspace, gradients: Tensors | None, need_input: bool
    ) -> Tensor | None:
        """Write the parameters' gradients and return the input's (if needed).

        With `gradients` None the forward pass was not in training: batch statistics were constants.
        `gradient` [K, records, positions_out, outputs] is overwritten.
        """
        mask_relu(gradient, work.saved[f"{self.name}.z"])
        self._backward_normalisation(held, gradient, work, gradients)
        work.saved[f"{self.name}.slope"] = gradient
        flat = gradient.view(len(gradient), -1, self.outputs)
        if gradients is not None:
            windows = work.saved[f"{self.name}.windows"]
            torch.bmm(flat.transpose(1, 2), windows, out=gradients[f"{self.name}.weight"])
        if not need_input:
            return None
        out = work.buffer(f"{self.name}.gwindows", *flat.shape[:2], self.window)
        torch.bmm(flat, held[f"{self.name}.weight"], out=out)
        return self._fold(out.unflatten(2, (-1, self.channels)).unflatten(1, (-1, self.positions_out)), work)

    @property
    def _tiles(self) -> bool:
        """Whether the windows lie side by side and cover the input: then they are a view of it."""
        return self.kernel == self.stride and not self.padding and self.positions == self.positions_out * self.kernel

    def _windows(self, x: Tensor, work: Workspace) -> Tensor:
        """Return [K, records * positions_out, kernel * channels]; where a window hangs over the end it is 0."""
        replicates, records = x.shape[:2]
        if self._tiles:
            return x.view(replicates, records * self.positions_out, -1)
        windows = work.buffer(
            f"{self.name}.windows", replicates, records, self.positions_out, self.kernel, self.channels
        )
        spans = window_spans(self.positions, self.kernel, self.stride, self.padding)
        for offset, (some, where) in enumerate(spans):
            windows[:, :, some, offset] = x[:, :, where]  # the rest stays 0
        return windows.view(replicates, records * self.positions_out, -1)

    def _fold(self, windows: Tensor, work: Workspace) -> Tensor:
        """Return [K, records, positions, channels]: the windows' values added up where they came from.

        Windows are [K, records, positions_out, kernel, channels].
        """
        replicates, records = windows.shape[:2]
        if self._tiles:
            return windows.view(replicates, records, self.positions, self.channels)
        out = work.buffer(f"{self.name}.gx", replicates, records, self.positions, self.channels).zero_()
        spans = window_spans(self.positions, self.kernel, self.stride, self.padding)
        for offset, (some, where) in enumerate(spans):
            out[:, :, where] += windows[:, :, some, offset]
        return out

    # Statistics are [K, R, groups, 1], and what belongs to a channel is [K, R, groups, channels of a group]. Batch
    # normalisation has R = 1 and a group for each channel, group normalisation has R = records.

    def _statistics(self, held: Tensors, y: Tensor, work: Workspace, training: bool) -> tuple[Tensor, Tensor]:
        """Return mean and variance, each [K, R, groups, 1]."""
        running = [f"{self.name}.running_mean", f"{self.name}.running_variance"]
        if self.groups is None and not training:
            return self._grouped(held[running[0]]), self._grouped(held[running[1]])
        count = self._count(y)
        squares = torch.mul(y, y, out=work.buffer(f"{self.name}.products", *y.shape))
        mean, square = (self._sum(values).sum(-1, keepdim=True) / count for values in (y, squares))
        variance = (square - mean * mean).clamp_min_(0)
        if self.groups is None:
            for name, value in zip(running, (mean, variance * (count / max(count - 1, 1))), strict=True):
                held[name].mul_(1 - MOMENTUM).add_(value.view(len(y), -1) * MOMENTUM)
        return mean, variance

    def _backward_normalisation(
        self, held: Tensors, gradient: Tensor, work: Workspace, gradients: Tensors | None
    ) -> None:
        """Turn the gradient of the normalised values into that of the convolution's, in place."""
        y, mean, inverse = (work.saved[f"{self.name}.{name}"] for name in ("y", "mean", "inverse"))
        gamma = self._grouped(held[f"{self.name}.scale"])
        scale = self._flat(gamma * inverse)
        if self.groups is None and gradients is None:
            gradient.mul_(scale)
            return
        # With n values a statistic, h = (y - mean) / deviation and g the gradient times gamma:
        # dy = (g - sum(g) / n - h sum(g h) / n) / deviation, here as gradient * scale + y * b + c.
        products = torch.mul(gradient, y, out=work.buffer(f"{self.name}.products", *y.shape))
        total = self._sum(gradient)
        total_h = (self._sum(products) - mean * total) * inverse
        work.saved[f"{self.name}.shift_slope"], work.saved[f"{self.name}.scale_slope"] = total, total_h
        if gradients is not None:
            gradients[f"{self.name}.shift"].copy_(total.sum(1).flatten(1))
            gradients[f"{self.name}.scale"].copy_(total_h.sum(1).flatten(1))
        share = -inverse / self._count(y)
        b = share * inverse * (gamma * total_h).sum(-1, keepdim=True)
        c = share * (gamma * total).sum(-1, keepdim=True) - b * mean
        torch.addcmul(self._flat(c.expand_as(total)), y, self._flat(b.expand_as(total)), out=products)
        torch.addcmul(products, gradient, scale, out=gradient)

    def _count(self, y: Tensor) -> int:
        """Return how many values go into one statistic."""
        _, records, positions, channels = y.shape
        return records * positions if self.groups is None else positions * (channels // self.groups)

    def _grouped(self, values: Tensor) -> Tensor:
        """Return [K, channels] as [K, 1, groups, channels of a group]."""
        return values.view(len(values), 1, self.groups or self.outputs, -1)

    def _flat(self, values: Tensor) -> Tensor:
        """Return [K, R, groups, channels of a group] as [K, R, 1, channels]."""
        return values.reshape(*values.shape[:2], 1, self.outputs)

    def _sum(self, values: Tensor) -> Tensor:
        """Return the sums over what a channel's statistic covers, [K, R, groups, channels of a group]."""
        sums = values.sum((1, 2) if self.groups is None else 2)
        return sums.view(len(values), -1, self.groups or self.outputs, self.outputs // (self.groups or self.outputs))


@dataclass(frozen=True)
class Flatten:
    """[K, records, positions, channels] to [K, records, positions * channels]."""

    positions: int
    channels: int

    def initial(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return no parameters."""
        return {}

    def products(self) -> int:
        """Return 0: nothing is computed."""
        return 0

    def values(self) -> int:
        """Return 0: nothing is kept."""
        return 0

    def forward(self, held: Tensors, x: Tensor, work: Workspace, training: bool) -> Tensor:
        """Return the flat view."""
        return x.flatten(2)

    def backward(
        self, held: Tensors, gradient: Tensor, work: Workspace, gradients: Tensors | None, need_input: bool
    ) -> Tensor:
        """Return the input's gradient, a view."""
        return gradient.unflatten(2, (self.positions, self.channels))


@dataclass(frozen=True)
class Pool:
    """Mean and maximum over positions: [K, records, positions, channels] to [K, records, 2 * channels]."""

    name: str
    positions: int
    channels: int

    def initial(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return no parameters."""
        return {}

    def products(self) -> int:
        """Return 0: nothing is multiplied."""
        return 0

    def values(self) -> int:
        """Return the floats that training keeps for one record: output, input gradient."""
        return (2 + self.positions) * self.channels

    def forward(self, held: Tensors, x: Tensor, work: Workspace, training: bool) -> Tensor:
        """Return means, then maxima."""
        out = work.buffer(f"{self.name}.y", *x.shape[:2], 2 * self.channels)
        out[..., : self.channels] = x.mean(2)
        out[..., self.channels :], work.saved[f"{self.name}.place"] = x.max(2)
        return out

    def backward(
        self, held: Tensors, gradient: Tensor, work: Workspace, gradients: Tensors | None, need_input: bool
    ) -> Tensor:
        """Return the input's gradient: a mean's goes to all positions, a maximum's to its own."""
        mean, highest = gradient[..., : self.channels], gradient[..., self.channels :]
        out = work.buffer(f"{self.name}.gx", *gradient.shape[:2], self.positions, self.channels)
        out.copy_((mean / self.positions).unsqueeze(2))
        return out.scatter_add_(2, work.saved[f"{self.name}.place"].unsqueeze(2), highest.unsqueeze(2))


def window_spans(positions: int, kernel: int, stride: int, padding: int) -> list[tuple[slice, slice]]:
    """Return, for each offset in the kernel, the windows in which it lies within the input, and where it lies."""
    count = (positions + 2 * padding - kernel) // stride + 1
    spans = []
    for offset in range(kernel):
        first = -(-max(0, padding - offset) // stride)
        last = min(count - 1, (positions - 1 + padding - offset) // stride)
        start, stop = first * stride + offset - padding, last * stride + offset - padding + 1
        spans.append((slice(first, last + 1), slice(start, stop, stride)))
    return spans


def allocate_stack(shape: Sequence[int]) -> Tensor:
    """Return zeros [K, ...] in which each replicate's block begins at a multiple of `ALIGNED` floats.

    How a product or an array's end is rounded depends on how it lies in memory. Thus laid out, a replicate's values
    don't depend on its place in the stack or on the stack's size.
    """
    size = prod(shape[1:])
    flat = torch.zeros(shape[0], size + -size % ALIGNED)
    return flat[:, :size].unflatten(1, shape[1:]) if len(shape) > 2 else flat[:, :size]


def he_uniform(rng: np.random.Generator, outputs: int, inputs: int) -> np.ndarray:
    """Return float32 [outputs, inputs], uniform with variance 2 / inputs (He et al. 2015)."""
    bound = np.sqrt(6 / inputs)
    return rng.uniform(-bound, bound, (outputs, inputs)).astype(np.float32)


def linear_uniform(rng: np.random.Generator, outputs: int, inputs: int) -> tuple[np.ndarray, np.ndarray]:
    """Return weight [outputs, inputs] and bias [outputs], uniform within 1 / sqrt(inputs), as `torch.nn.Linear` does.

    For layers that no ReLU follows: outputs then begin small, and what they say first is learnt, not drawn.
    """
    bound = 1 / np.sqrt(inputs)
    weight, bias = rng.uniform(-bound, bound, (outputs, inputs)), rng.uniform(-bound, bound, outputs)
    return weight.astype(np.float32), bias.astype(np.float32)


def mask_relu(gradient: Tensor, output: Tensor) -> None:
    """Set the gradient to 0 where the ReLU's output is 0, in place."""
    torch.ops.aten.threshold_backward.grad_input(gradient, output, 0, grad_input=gradient)
