"""What the methods' loops share: groups of models, batches with their weights, passes over a set, what they cost."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from medpriv.bank.batches import Batches
from medpriv.bank.engine import groups
from medpriv.bank.losses import class_weights
from medpriv.bank.stack import Parameters, Stack
from medpriv.models.network import Network
from medpriv.unlearning.requests import Request

FORWARD = 1 / 3  # of a pass: forward costs a third of forward and backward

Work = Callable[[Stack, slice], None]


def work_on_stacks(request: Request, start: Parameters, batch: int, work: Work) -> dict[str, np.ndarray]:
    """Return name -> [R, ...]: the parameters that `work` leaves in the stacks.

    Args:
        start: name -> [R, ...], what the stacks hold at first.
        batch: records that a step works on; bounds how many models are worked on together.
        work: given a stack and which of the R models it holds.
    """
    parts = []
    for some in groups(request.network, start, batch):
        stack = stack_of(request, start, some)
        work(stack, some)
        parts.append(stack.parameters())
    return {name: np.concatenate([part[name] for part in parts]) for name in start}


def stack_of(request: Request, parameters: Parameters, some: slice) -> Stack:
    """Return a stack of some of the models, over all records."""
    held = {name: value[some] for name, value in parameters.items()}
    return Stack(request.network, held, request.arranged, request.labels, weight_decay=request.schedule.weight_decay)


class WeightedBatches:
    """Batches of each model's records with the weights that its training gave them (mean 1, over the batch's size).

    Args:
        request: the request.
        members: bool [K, N], the records of each model.
        batch_size: records a batch.
        generators: one a model.
    """

    def __init__(
        self, request: Request, members: np.ndarray, batch_size: int, generators: Sequence[np.random.Generator]
    ) -> None:
        weights = class_weights(request.y, members, max(2, request.network.outputs), request.schedule.balance)
        self._batches, self._labels = Batches(members, batch_size, generators), request.labels
        self._weights = torch.from_numpy(weights) / batch_size

    def next(self) -> tuple[Tensor, Tensor]:
        """Return record numbers int64 [K, B], used again by the next call, and weights float32 [K, B]."""
        rows = torch.from_numpy(self._batches.next())
        return rows, self._weights.gather(1, self._labels[rows])


def each_record(members: np.ndarray, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield each model's records once, in order: rows int64 [K, batch], and which of them count, bool [K, batch].

    Models have differently many records; what a model has no more of is filled with record 0, which doesn't count.
    """
    counts = members.sum(1)
    steps = -(-int(counts.max(initial=0)) // batch)
    rows = np.zeros((len(members), steps * batch), np.int64)
    for row, mask, count in zip(rows, members, counts, strict=True):
        row[:count] = np.flatnonzero(mask)
    inside = np.arange(rows.shape[1]) < counts[:, None]
    for step in range(steps):
        part = slice(step * batch, (step + 1) * batch)
        yield torch.from_numpy(rows[:, part].copy()), torch.from_numpy(inside[:, part].copy())


def pass_cost(network: Network, frozen: int) -> float:
    """Return the cost of a record's forward pass and its backward pass down to the first `frozen` layers, in passes.

    With m multiply-adds forward in all and t in the layers that are trained: (m + 2 t) / (3 m).
    """
    products = [layer.products() for layer in network.layers]
    return (sum(products) + 2 * sum(products[frozen:])) / (3 * sum(products))
