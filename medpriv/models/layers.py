"""Stacked layers: the same layer of K replicates at once, forward and backward written out.

Everything carries a leading axis K. Activations are [K, records, channels] in `Dense` and [K, records, positions,
channels] in convolutions (`medpriv.models.convolutions`). A layer keeps no parameters: it reads them from `held`
(name -> [K, ...]), writes gradients into `gradients` (same names), and finds its buffers and what it must remember in a
`Workspace`. `Layer` lists all that a layer brings, for training, differential privacy, unlearning and cuts, so that a
new kind is one class. Networks made of layers are in `medpriv.models.network`; training is in `medpriv.bank.engine`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import Module

ALIGNED = 32  # floats: two 64-byte registers, what the kernels of torch take in one step

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
class Product:
    """A weight's part in a backward pass: its gradient is the sum of d_t x_t^T over rows t.

    Attributes:
        weight: name of the parameter [K, outputs, inputs].
        bias: name of the parameter [K, outputs] whose gradient is the sum of d_t; None if there is none.
        x: [K, rows, inputs]; a record's rows stand side by side.
        output_gradient: d, [K, rows, outputs].
    """

    weight: str
    bias: str | None
    x: Tensor
    output_gradient: Tensor


class Layer(Protocol):
    """What a layer brings. What is written out here is right for layers without parameters."""

    @property
    def has_parameters(self) -> bool:
        """Whether there is something to train."""
        return False

    @property
    def computes(self) -> bool:
        """Whether its output is more than its input in another shape: then a network can be cut after it."""
        return True

    @property
    def mixes_records(self) -> bool:
        """Whether one record's output hangs on the others of its batch, so that no gradient belongs to one alone."""
        return False

    @property
    def shape_out(self) -> tuple[int, ...]:
        """The shape of one record's output."""

    def initial(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return one replicate's first parameters, running statistics included."""
        return {}

    def products(self) -> int:
        """Return the multiply-adds of one record's forward pass."""
        return 0

    def values(self) -> int:
        """Return the floats that training keeps for one record."""
        return 0

    def forward(self, held: Tensors, x: Tensor, work: Workspace, training: bool) -> Tensor:
        """Return the outputs of x [K, records, ...]."""

    def backward(
        self, held: Tensors, gradient: Tensor, work: Workspace, gradients: Tensors | None, need_input: bool
    ) -> Tensor | None:
        """Write the parameters' gradients (unless `gradients` is None) and return the input's (if needed).

        `gradient` is that of the outputs, and overwritten.
        """

    def product(self, work: Workspace) -> Product | None:
        """Return the weight's part in the backward pass that has just run without gradients; None if there is none."""
        return None

    def vectors(self, work: Workspace) -> dict[str, Tensor]:
        """Return the gradients of other parameters in that pass, by name: [K, records, size], of a forward in training.

        Of parameters that `product` has none.
        """
        return {}

    def vectors_evaluated(self, gradient: Tensor, work: Workspace) -> dict[str, Tensor] | None:
        """Return `vectors` of a forward pass in evaluation mode, asked before its backward pass.

        None: they are what `vectors` gives after it. The outputs' gradient may be masked, no more.
        """
        return None

    def reference(self, held: Mapping[str, Tensor], shape: tuple[int, ...], patch: int | None) -> list[Module]:
        """Return torch's own modules for one replicate.

        Args:
            held: its parameters, by the last part of their names.
            shape: of the network's records.
            patch: of the network, if this is its first layer; else None.
        """

    def from_reference(self, values: Iterator[np.ndarray], first: bool) -> dict[str, np.ndarray]:
        """Return one replicate's parameters as the layer names and shapes them.

        Args:
            values: the parameters of the modules of `reference`, in their order; only the layer's own are taken.
            first: whether it is the network's first layer, which reads patches.
        """
        return {}


@dataclass(frozen=True)
class Dense(Layer):
    """y = x W^T + b, then ReLU if asked; W [K, outputs, inputs], b [K, outputs]."""

    name: str
    inputs: int
    outputs: int
    relu: bool

    @property
    def has_parameters(self) -> bool:
        """Weight and bias."""
        return True

    @property
    def shape_out(self) -> tuple[int, ...]:
        """The shape of one record's output."""
        return (self.outputs,)

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
        work.saved[f"{self.name}.output_gradient"] = gradient
        if gradients is not None:
            x = work.saved[f"{self.name}.x"]
            torch.bmm(gradient.transpose(1, 2), x, out=gradients[f"{self.name}.weight"])
            torch.sum(gradient, 1, out=gradients[f"{self.name}.bias"])
        if not need_input:
            return None
        out = work.buffer(f"{self.name}.gx", *gradient.shape[:2], self.inputs)
        return torch.bmm(gradient, held[f"{self.name}.weight"], out=out)

    def product(self, work: Workspace) -> Product:
        """Return weight's and bias's part in the backward pass that has just run."""
        x, gradient = (work.saved[f"{self.name}.{part}"] for part in ("x", "output_gradient"))
        return Product(f"{self.name}.weight", f"{self.name}.bias", x, gradient.view(len(x), -1, self.outputs))

    def reference(self, held: Mapping[str, Tensor], shape: tuple[int, ...], patch: int | None) -> list[Module]:
        """Return torch's own linear layer, and its ReLU."""
        dense = torch.nn.Linear(self.inputs, self.outputs)
        dense.load_state_dict({"weight": held["weight"], "bias": held["bias"]})
        return [dense, torch.nn.ReLU()] if self.relu else [dense]

    def from_reference(self, values: Iterator[np.ndarray], first: bool) -> dict[str, np.ndarray]:
        """Return weight and bias."""
        return {f"{self.name}.weight": next(values), f"{self.name}.bias": next(values)}


@dataclass(frozen=True)
class Flatten(Layer):
    """[K, records, positions, channels] to [K, records, positions * channels]."""

    positions: int
    channels: int

    @property
    def computes(self) -> bool:
        """Nothing is computed."""
        return False

    @property
    def shape_out(self) -> tuple[int, ...]:
        """The shape of one record's output."""
        return (self.positions * self.channels,)

    def forward(self, held: Tensors, x: Tensor, work: Workspace, training: bool) -> Tensor:
        """Return the flat view."""
        return x.flatten(2)

    def backward(
        self, held: Tensors, gradient: Tensor, work: Workspace, gradients: Tensors | None, need_input: bool
    ) -> Tensor:
        """Return the input's gradient, a view."""
        return gradient.unflatten(2, (self.positions, self.channels))

    def reference(self, held: Mapping[str, Tensor], shape: tuple[int, ...], patch: int | None) -> list[Module]:
        """Return modules that flatten positions first, as in the stack."""
        return [_Transpose(), torch.nn.Flatten()]


@dataclass(frozen=True)
class Pool(Layer):
    """Mean and maximum over positions: [K, records, positions, channels] to [K, records, 2 * channels]."""

    name: str
    positions: int
    channels: int

    @property
    def shape_out(self) -> tuple[int, ...]:
        """The shape of one record's output."""
        return (2 * self.channels,)

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

    def reference(self, held: Mapping[str, Tensor], shape: tuple[int, ...], patch: int | None) -> list[Module]:
        """Return a module that does the same."""
        return [_MeanAndMax()]


class _Transpose(Module):
    """[records, channels, *positions] to [records, positions, channels]."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).transpose(1, 2)


class _MeanAndMax(Module):
    """[records, channels, *positions] to [records, 2 * channels]."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.flatten(2).mean(2), x.flatten(2).amax(2)], 1)


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
