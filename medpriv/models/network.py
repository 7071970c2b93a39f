"""A network of stacked layers: what the bank engine trains and what attacks differentiate.

The modules beside this one (`logistic`, `mlp`, `cnn`, `cnn_gn`) say which layers a model has; `catalogue` picks one by
name. `Network.reference` gives one replicate as plain torch modules: the slow form that tests and benchmarks hold
the stacked form to.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import Module

from medpriv.models.layers import Layer, Tensors, Workspace


@dataclass(frozen=True)
class Network:
    """Layers in order, for records of one shape.

    Attributes:
        layers: the layers.
        shape: of one record, (features,), (leads, samples) or (channels, height, width).
        patch: samples, or pixels a side, that a position of the first convolution covers (kernel = stride); None for
            tables.
    """

    layers: tuple[Layer, ...]
    shape: tuple[int, ...]
    patch: int | None = None

    @property
    def stacked(self) -> bool:
        """Whether all replicates go through one batched product."""
        return True

    @property
    def pass_records(self) -> int:
        """Records of a pass in evaluation mode: many, so that small products are worth their calls."""
        return 256

    @property
    def outputs(self) -> int:
        """Values a record: 1 for a binary model (its logit z, which stands for the logits [0, z]), else the classes."""
        return self.layers[-1].outputs

    def initial(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return one replicate's parameters (running statistics included), drawn layer by layer."""
        return {name: value for layer in self.layers for name, value in layer.initial(rng).items()}

    def flops(self) -> int:
        """Return the floating-point operations of training on one record: forward, weights' and inputs' gradients."""
        products = [layer.products() for layer in self.layers]
        return 2 * (3 * sum(products) - products[0])  # nobody needs the first layer's input gradient

    def values(self) -> int:
        """Return the floats that training keeps for one record."""
        return sum(layer.values() for layer in self.layers)

    def arrange(self, x: Tensor) -> Tensor:
        """Return records [..., *shape] as the first layer reads them.

        Signals become [..., positions, leads * patch], leads first; samples that fill no patch are left out. Images
        become [..., positions, channels * patch * patch] likewise, positions row by row.
        """
        if self.patch is None:
            return x
        if len(self.shape) == 3:
            rows, columns = (side // self.patch for side in self.shape[1:])
            cut = x[..., : rows * self.patch, : columns * self.patch]
            parts = cut.unflatten(-1, (columns, self.patch)).unflatten(-3, (rows, self.patch))
            return parts.movedim((-4, -2), (-5, -4)).flatten(-3).flatten(-3, -2)
        positions = self.shape[1] // self.patch
        cut = x[..., : positions * self.patch].unflatten(-1, (positions, self.patch))
        return cut.movedim(-3, -2).flatten(-2)

    def restore(self, gradient: Tensor) -> Tensor:
        """Return arranged gradients [..., positions, values] as records [..., *shape], zero where left out."""
        if self.patch is None:
            return gradient
        if len(self.shape) == 3:
            channels, *sides = self.shape
            rows, columns = (side // self.patch for side in sides)
            parts = gradient.unflatten(-1, (channels, self.patch, self.patch)).unflatten(-4, (rows, columns))
            parts = parts.movedim((-5, -4), (-4, -2)).flatten(-2).flatten(-3, -2)
            return torch.nn.functional.pad(parts, (0, sides[1] - parts.shape[-1], 0, sides[0] - parts.shape[-2]))
        leads, samples = self.shape
        parts = gradient.unflatten(-1, (leads, self.patch)).movedim(-2, -3).flatten(-2)
        return torch.nn.functional.pad(parts, (0, samples - parts.shape[-1]))

    def frozen_names(self, names: Iterable[str], frozen: int) -> set[str]:
        """Return those of the parameters' names that belong to the first `frozen` layers."""
        fixed = {layer.name for layer in self.layers[:frozen] if layer.has_parameters}
        return {name for name in names if name.rpartition(".")[0] in fixed}

    def forward(self, held: Tensors, x: Tensor, work: Workspace, training: bool, frozen: int = 0) -> Tensor:
        """Return outputs [K, records, outputs] for arranged records [K, records, ...]; the workspace owns them.

        The first `frozen` layers run in evaluation mode whatever `training` says.
        """
        for index, layer in enumerate(self.layers):
            x = layer.forward(held, x, work, training and index >= frozen)
        return x

    def backward(
        self,
        held: Tensors,
        gradient: Tensor,
        work: Workspace,
        gradients: Tensors | None,
        need_input: bool = False,
        frozen: int = 0,
        extra: Tensor | None = None,
    ) -> Tensor | None:
        """Follow `forward` with the gradient of its outputs, which is overwritten.

        Fill `gradients` (of all but the first `frozen` layers), return the input's if needed (frozen must be 0 then).
        `extra` is added to the gradient of the last layer's input: that of a loss on the features.
        """
        for layer in reversed(self.layers[frozen:]):
            gradient = layer.backward(held, gradient, work, gradients, need_input or layer is not self.layers[frozen])
            if extra is not None and layer is self.layers[-1]:
                gradient += extra
        return gradient

    def reference(self, parameters: Mapping[str, np.ndarray], replicate: int) -> Module:
        """Return one replicate as plain torch modules, in training mode: [records, *shape] to [records, outputs]."""
        modules: list[Module] = []
        for layer in self.layers:
            own = layer.name + "." if layer.has_parameters else None
            held = {
                name.removeprefix(own): torch.from_numpy(np.array(value[replicate]))
                for name, value in parameters.items()
                if own and name.startswith(own)
            }
            modules += layer.reference(held, self.shape, self.patch if layer is self.layers[0] else None)
        return torch.nn.Sequential(*modules)
