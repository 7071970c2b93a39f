"""Stacked convolutions, of signals (`Convolution`) and of images (`Convolution2d`), with what follows them.

A convolution is a copy of its windows and one `bmm` over all replicates; a kernel as wide as its stride is the `bmm`
alone. Normalisation and ReLU are part of it (see `medpriv.models.layers` for what carries which axes).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor
from torch.nn import Module

from medpriv.models.layers import Layer, Product, Tensors, Workspace, he_uniform, mask_relu

MOMENTUM = 0.1  # share of a batch's statistics in the running ones, torch's default
EPSILON = 1e-5  # added to variances, torch's default


@dataclass(frozen=True)
class Convolution(Layer):
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
    def has_parameters(self) -> bool:
        """Weight, and the normalisation's scale and shift."""
        return True

    @property
    def mixes_records(self) -> bool:
        """Whether it normalises by the batch."""
        return self.groups is None

    @property
    def shape_out(self) -> tuple[int, ...]:
        """The shape of one record's output."""
        return self.positions_out, self.outputs

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
        work.saved[f"{self.name}.output_gradient"] = gradient
        flat = gradient.view(len(gradient), -1, self.outputs)
        if gradients is not None:
            windows = work.saved[f"{self.name}.windows"]
            torch.bmm(flat.transpose(1, 2), windows, out=gradients[f"{self.name}.weight"])
        if not need_input:
            return None
        out = work.buffer(f"{self.name}.gwindows", *flat.shape[:2], self.window)
        torch.bmm(flat, held[f"{self.name}.weight"], out=out)
        return self._fold(out.unflatten(2, (-1, self.channels)).unflatten(1, (-1, self.positions_out)), work)

    def product(self, work: Workspace) -> Product:
        """Return the weight's part in the backward pass that has just run; rows are windows."""
        x, gradient = (work.saved[f"{self.name}.{part}"] for part in ("windows", "output_gradient"))
        return Product(f"{self.name}.weight", None, x, gradient.view(len(x), -1, self.outputs))

    def vectors(self, work: Workspace) -> dict[str, Tensor]:
        """Return the records' gradients of scale and shift, [K, records, outputs], where no record meets another."""
        return {
            f"{self.name}.{name}": work.saved[f"{self.name}.{name}_gradient"].flatten(2) for name in ("scale", "shift")
        }

    def vectors_evaluated(self, gradient: Tensor, work: Workspace) -> dict[str, Tensor]:
        """Return them by the outputs' gradient: these are h scale + shift, h normalised, before the ReLU."""
        mask_relu(gradient, work.saved[f"{self.name}.z"])
        y, mean, inverse = (work.saved[f"{self.name}.{name}"] for name in ("y", "mean", "inverse"))
        per = self.outputs // mean.shape[2]  # channels a statistic
        mean, inverse = (value.expand(-1, -1, -1, per).flatten(2).unsqueeze(2) for value in (mean, inverse))
        return {
            f"{self.name}.shift": gradient.sum(2),
            f"{self.name}.scale": (gradient * (y - mean) * inverse).sum(2),
        }

    def reference(self, held: Mapping[str, Tensor], shape: tuple[int, ...], patch: int | None) -> list[Module]:
        """Return torch's own convolution, normalisation and ReLU, for signals or images."""
        if self.groups is not None:
            norm = torch.nn.GroupNorm(self.groups, self.outputs)
            norm.load_state_dict({"weight": held["scale"], "bias": held["shift"]})
        else:
            norm = (torch.nn.BatchNorm1d if len(shape) == 2 else torch.nn.BatchNorm2d)(self.outputs)
            norm.load_state_dict(
                {
                    "weight": held["scale"],
                    "bias": held["shift"],
                    "running_mean": held["running_mean"],
                    "running_var": held["running_variance"],
                    "num_batches_tracked": torch.tensor(0),
                }
            )
        return [self._reference(shape, patch, held["weight"]), norm, torch.nn.ReLU()]

    def _reference(self, shape: tuple[int, ...], patch: int | None, weight: Tensor) -> Module:
        """Return torch's own convolution with this weight [outputs, window]."""
        sides = len(shape) - 1
        kind = torch.nn.Conv1d if sides == 1 else torch.nn.Conv2d
        if patch is not None:
            made = kind(shape[0], self.outputs, patch, patch, bias=False)
            weight = weight.view(self.outputs, shape[0], *[patch] * sides)
        else:
            made = kind(self.channels, self.outputs, self.kernel, self.stride, self.padding, bias=False)
            weight = weight.view(self.outputs, *[self.kernel] * sides, self.channels).movedim(-1, 1).contiguous()
        made.load_state_dict({"weight": weight})
        return made

    def from_reference(self, values: Iterator[np.ndarray], first: bool) -> dict[str, np.ndarray]:
        """Return weight, scale and shift."""
        weight = next(values)
        weight = weight if first else np.moveaxis(weight, 1, -1)  # kernel first, then channels
        return {
            f"{self.name}.weight": weight.reshape(self.outputs, -1),
            f"{self.name}.scale": next(values),
            f"{self.name}.shift": next(values),
        }

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
        work.saved[f"{self.name}.shift_gradient"], work.saved[f"{self.name}.scale_gradient"] = total, total_h
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
class Convolution2d(Convolution):
    """Square convolution without bias, normalisation, ReLU.

    x [K, records, rows * columns, channels], W [K, outputs, kernel * kernel * channels] (within a row: kernel rows,
    kernel columns, channels). `positions` is rows * columns.

    Attributes:
        rows, columns: of the input.
    """

    rows: int
    columns: int

    @property
    def rows_out(self) -> int:
        """Rows left."""
        return (self.rows + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def columns_out(self) -> int:
        """Columns left."""
        return (self.columns + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def positions_out(self) -> int:
        """Positions left."""
        return self.rows_out * self.columns_out

    @property
    def window(self) -> int:
        """Values that a window covers."""
        return self.kernel**2 * self.channels

    def _windows(self, x: Tensor, work: Workspace) -> Tensor:
        """Return [K, records * positions_out, window]; where a window hangs over an edge it is 0."""
        sides = (self.rows_out, self.columns_out, self.kernel, self.kernel, self.channels)
        windows = work.buffer(f"{self.name}.windows", *x.shape[:2], *sides)
        image = x.unflatten(2, (self.rows, self.columns))
        for (i, (some, where)), (j, (some_columns, where_columns)) in self._spans():
            windows[:, :, some, some_columns, i, j] = image[:, :, where, where_columns]  # the rest stays 0
        return windows.view(len(x), -1, self.window)

    def _fold(self, windows: Tensor, work: Workspace) -> Tensor:
        """Return [K, records, positions, channels]: the windows' values added up where they came from.

        Windows are [K, records, positions_out, kernel * kernel, channels].
        """
        out = work.buffer(f"{self.name}.gx", *windows.shape[:2], self.rows, self.columns, self.channels).zero_()
        parts = windows.unflatten(3, (self.kernel, self.kernel)).unflatten(2, (self.rows_out, self.columns_out))
        for (i, (some, where)), (j, (some_columns, where_columns)) in self._spans():
            out[:, :, where, where_columns] += parts[:, :, some, some_columns, i, j]
        return out.flatten(2, 3)

    def _spans(self) -> list[tuple[tuple[int, tuple[slice, slice]], tuple[int, tuple[slice, slice]]]]:
        """Return, for each offset in the kernel, its row and column with their spans (see `window_spans`)."""
        sides = (window_spans(size, self.kernel, self.stride, self.padding) for size in (self.rows, self.columns))
        return list(product(*map(list, map(enumerate, sides))))


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
