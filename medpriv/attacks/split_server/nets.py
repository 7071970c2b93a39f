"""The attackers' own networks: small perceptrons, one for each replicate under attack, all trained at once by autograd.

Gradients of gradients are needed (a critic's penalty), which the bank engine's layers don't give.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from medpriv.bank.optimiser import AdamW
from medpriv.models.layers import Tensors, he_uniform

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
