"""A group of replicates in training: their parameters, gradients, optimiser state and buffers, and one step at a time.

`medpriv.bank.engine.train` drives it with batches and a schedule; a treatment that needs another loss passes its own
`Step`, and one that needs another order of steps (unlearning) drives a stack by itself. Replicates never mix.

A loss is given by its gradient at the network's outputs, written out, so that a step is: gather, forward, the outputs'
gradient, backward. With two losses in one step the second `backward` adds to the first.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from medpriv.bank.optimiser import AdamW
from medpriv.models.layers import Workspace, allocate_stack
from medpriv.models.network import Network

Parameters = Mapping[str, np.ndarray]  # name -> float32 [K, ...]

# Given the stack, the records of the step (int64 [K, B]) and their weights (float32 [K, B], sum 1 a replicate on
# average), leaves the gradients in the stack and returns the weighted gradient of the outputs.
Step = Callable[["Stack", Tensor, Tensor], Tensor]


class Stack:
    """K replicates of one network in training.

    Attributes:
        network: the network.
        records: float32 [N, ...], all records, arranged as the network reads them.
        labels: int64 [N].
        frozen: how many of the network's first layers keep their parameters; these run in evaluation mode.
        noise: one generator a replicate, for losses that draw; empty if nobody draws.
        shift: every record is gathered rotated by a random number of samples: for signals that are aligned on nothing.
        gradients: name -> [K, ...], what `backward` fills and `update` uses.
        held: name -> [K, ...], the current parameters, running statistics included.
        work: the buffers, in which a loss may keep its own.
    """

    def __init__(
        self,
        network: Network,
        parameters: Parameters,
        records: Tensor,
        labels: Tensor,
        *,
        weight_decay: float = 0.0,
        frozen: int = 0,
        noise: Sequence[np.random.Generator] = (),
        shift: bool = False,
    ) -> None:
        """Copy the parameters, [K, ...] each, and take the records (see `arranged`)."""
        self.network, self.records, self.labels, self.frozen = network, records, labels, frozen
        self.noise, self.shift = noise, shift
        constant = network.frozen_names(parameters, frozen)
        fixed = {name: value for name, value in parameters.items() if name in constant or "running" in name}
        moved = {name: torch.from_numpy(value) for name, value in parameters.items() if name not in fixed}
        self._optimiser = AdamW(moved, weight_decay)
        self.gradients = self._optimiser.gradients
        statistics = {name: allocate_stack(value.shape).copy_(torch.from_numpy(value)) for name, value in fixed.items()}
        self.held = {name: statistics.get(name, self._optimiser.parameters.get(name)) for name in parameters}
        self.work = Workspace()

    def __len__(self) -> int:
        """Return K."""
        return len(next(iter(self.held.values())))

    def gather(self, rows: Tensor) -> Tensor:
        """Return the records [K, B, ...] of int64 [K, B], in a buffer that the next call of this size uses again."""
        batch = self.work.buffer("batch", *rows.shape, *self.records.shape[1:])
        if batch.is_contiguous():
            torch.index_select(self.records, 0, rows.reshape(-1), out=batch.view(-1, *self.records.shape[1:]))
        else:
            batch.copy_(self.records[rows])
        if self.shift:
            batch.copy_(self.network.arrange(self._rotated(self.network.restore(batch))))
        return batch

    def _rotated(self, signals: Tensor) -> Tensor:
        """Return signals [K, B, leads, samples], each rotated in time by its replicate's own draw."""
        samples = signals.shape[-1]
        drawn = torch.from_numpy(np.stack([rng.integers(samples, size=signals.shape[1]) for rng in self.noise]))
        places = (torch.arange(samples) + drawn.unsqueeze(-1)) % samples
        return torch.gather(signals, -1, places.unsqueeze(2).expand_as(signals))

    def forward(self, x: Tensor, *, training: bool = True) -> Tensor:
        """Return outputs [K, B, outputs] of arranged records; the next call uses their memory again.

        In training batch normalisation uses the batch's statistics and moves the running ones.
        """
        return self.network.forward(self.held, x, self.work, training, self.frozen)

    def backward(self, output_gradient: Tensor, *, add: bool = False) -> None:
        """Follow `forward` in training: fill `gradients` (or add to them) from the outputs' gradient.

        That is [K, B, outputs], overwritten. It must lie in memory as `allocate_stack` lays it out, as those of
        `medpriv.bank.losses` do.
        """
        before = self._optimiser.copy_gradients() if add else None
        self.network.backward(self.held, output_gradient, self.work, self.gradients, frozen=self.frozen)
        if before is not None:
            self._optimiser.add_gradients(before)

    def input_gradient(self, output_gradient: Tensor) -> Tensor:
        """Follow `forward` in evaluation mode: return the arranged records' gradient [K, B, ...]."""
        return self.network.backward(self.held, output_gradient, self.work, None, need_input=True)

    def update(self, learning_rate: float) -> None:
        """Take one AdamW step along `gradients`."""
        self._optimiser.update(learning_rate)

    def parameters(self) -> dict[str, np.ndarray]:
        """Return a copy of the parameters, running statistics included, name -> float32 [K, ...]."""
        return {name: np.ascontiguousarray(value.numpy()).copy() for name, value in self.held.items()}


def initial_stack(network: Network, rngs: Sequence[np.random.Generator]) -> dict[str, np.ndarray]:
    """Return first parameters of K replicates, name -> [K, ...], each drawn by its own generator."""
    drawn = [network.initial(rng) for rng in rngs]
    return {name: np.stack([one[name] for one in drawn]) for name in drawn[0]}


def arranged(network: Network, x: np.ndarray) -> Tensor:
    """Return standardised records [N, *shape] as a stack takes them."""
    return network.arrange(torch.from_numpy(x)).contiguous()
