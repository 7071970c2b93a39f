"""The attackers' own networks: small perceptrons, one for each replicate under attack, all trained at once by autograd.

Of images they are the same at every position. Gradients of gradients are needed (a critic's penalty), which the bank
engine's layers don't give.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from medpriv.bank.optimiser import AdamW
from medpriv.models.layers import Tensors, he_uniform
from medpriv.models.network import Network

LEAK = 0.1  # slope of the rectifier below 0


class Perceptrons:
    """R perceptrons with leaky ReLU between dense layers."""

    def __init__(self, widths: Sequence[int], draws: Sequence[np.random.Generator], weight_decay: float = 0.0) -> None:
        """Draw first weights, replicate by replicate; `widths` are units from input to output."""
        first = {}
        for index, (inputs, outputs) in enumerate(pairwise(widths)):
            weights = np.stack([he_uniform(rng, outputs, inputs) for rng in draws])
            first[f"{index}.weight"] = torch.from_numpy(weights)
            first[f"{index}.bias"] = torch.zeros(len(draws), outputs)
        self._layers = len(widths) - 1
        self._optimiser = AdamW(first, weight_decay)

    def leaves(self) -> dict[str, Tensor]:
        """Return the current parameters as leaves of autograd."""
        return {name: value.detach().requires_grad_() for name, value in self._optimiser.parameters.items()}

    def __call__(self, x: Tensor, held: Tensors | None = None) -> Tensor:
        """Return outputs [R, B, O] of x [R, B, I], with the parameters `held` (else the current, as constants)."""
        held = held or self._optimiser.parameters
        for index in range(self._layers):
            x = torch.baddbmm(held[f"{index}.bias"].unsqueeze(1), x, held[f"{index}.weight"].transpose(1, 2))
            if index < self._layers - 1:
                x = torch.nn.functional.leaky_relu(x, LEAK)
        return x

    def learn(self, gradients: Sequence[Tensor], rate: float) -> None:
        """Take one step of AdamW; the gradients come in the order of `leaves`."""
        for own, found in zip(self._optimiser.gradients.values(), gradients, strict=True):
            own.copy_(found)
        self._optimiser.update(rate)


class LocalPerceptrons(Perceptrons):
    """R perceptrons for activations in rows and columns, the same at every position, which read its 3 x 3 neighbours.

    Images are local: a position of an activation tells of its part of the image, wherever it lies. What is learnt at
    one position serves all. Called like `Perceptrons`, on activations [R, B, W], flat.
    """

    def __init__(self, grid: "Grid", units: Sequence[int], draws: Sequence[np.random.Generator], **more: float) -> None:
        """Draw first weights.

        Args:
            units: of the hidden layers, and at the end either the pixels of a position's part of the image, or 1 for
                one value a record, the mean over positions.
        """
        self._grid = grid
        super().__init__((9 * grid.channels, *units), draws, **more)

    def __call__(self, x: Tensor, held: Tensors | None = None) -> Tensor:
        """Return outputs [R, B, O] of x [R, B, W]."""
        told = super().__call__(self._grid.neighbours(x), held)  # [R, B * positions, outputs]
        told = told.unflatten(1, (x.shape[1], -1))
        return told.mean(2) if told.shape[-1] == 1 else self._grid.image(told)


@dataclass(frozen=True)
class Grid:
    """How an activation's positions lie on an image.

    Attributes:
        rows, columns, channels: of the activation, [rows * columns, channels].
        network_rows, network_columns, patch: of the image as networks read it, [positions, channels * patch * patch].
    """

    rows: int
    columns: int
    channels: int
    network_rows: int
    network_columns: int
    patch: int

    @classmethod
    def of(cls, network: Network, width: tuple[int, ...]) -> "Grid | None":
        """Return the grid of activations of `width` of a network for images; None where they have no positions.

        Nor is there one where a position has no part of its own, of one size with all others.
        """
        if len(network.shape) != 3 or len(width) != 2:
            return None
        rows, columns = (side // network.patch for side in network.shape[1:])
        share = round((rows * columns / width[0]) ** 0.5)
        found = cls(rows // share, columns // share, width[1], rows, columns, network.shape[0] * network.patch**2)
        fits = rows % share == columns % share == 0 and found.rows * found.columns == width[0]
        return found if fits else None

    @property
    def pixels(self) -> int:
        """The values of a position's part of the image."""
        return self.patch * (self.network_rows // self.rows) * (self.network_columns // self.columns)

    def neighbours(self, x: Tensor) -> Tensor:
        """Return [R, B * positions, 9 * channels] of activations [R, B, W]; beyond the edges it is 0."""
        laid = x.unflatten(2, (self.rows, self.columns, self.channels))
        padded = torch.nn.functional.pad(laid, (0, 0, 1, 1, 1, 1))
        parts = [padded[:, :, i : i + self.rows, j : j + self.columns] for i in range(3) for j in range(3)]
        return torch.cat(parts, -1).flatten(1, 3)

    def image(self, told: Tensor) -> Tensor:
        """Return images [R, B, F] as networks read them, of each position's part, [R, B, positions, pixels]."""
        down, across = self.network_rows // self.rows, self.network_columns // self.columns
        laid = told.unflatten(3, (down, across, self.patch)).unflatten(2, (self.rows, self.columns))
        return laid.transpose(3, 4).flatten(2)


def descend(nets: Sequence[Perceptrons], loss: Callable[..., Tensor], rate: float) -> None:
    """Take one step of all nets down the loss, a function of their leaves (in order)."""
    leaves = [net.leaves() for net in nets]
    flat = [value for held in leaves for value in held.values()]
    gradients = torch.autograd.grad(loss(*leaves), flat)
    start = 0
    for net, held in zip(nets, leaves, strict=True):
        net.learn(gradients[start : start + len(held)], rate)
        start += len(held)


class Picks:
    """An endless stream of random batches of numbers below `count`, [R, B]."""

    def __init__(self, count: int, size: int, draws: Sequence[np.random.Generator]) -> None:
        self._count, self._size, self._draws = count, min(size, count), draws

    def next(self) -> Tensor:
        """Return int64 [R, B], without repetition within a row."""
        rows = [rng.choice(self._count, self._size, replace=False, shuffle=False) for rng in self._draws]
        return torch.from_numpy(np.stack(rows))


def taken(values: Tensor, rows: Tensor) -> Tensor:
    """Return [R, B, W] of values [R, N, W] (or [N, W], shared) at rows int64 [R, B]."""
    if values.ndim == 2:
        return values[rows]
    return torch.gather(values, 1, rows.unsqueeze(-1).expand(*rows.shape, values.shape[-1]))
