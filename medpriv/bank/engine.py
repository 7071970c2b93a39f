"""The bank engine: trains K replicates at once, and gives their logits and input gradients.

A bank is many small networks of one shape. One after another they spend their time on call overhead; here most of it
goes to matrix products. Parameters are stacked along a leading axis and every layer is one batched product over all
replicates (`medpriv.models.layers`); records are gathered by index, without a loader; buffers are reused; the optimiser
is one kernel call. Replicates are taken in groups whose working set fits the processor's cache. Nothing a replicate
does depends on which others are trained beside it: its bytes are the same in any shard. Torch rounds a product of one
pair of matrices otherwise than a batch of such products, however: where several replicates would be worked on together,
one that is alone gets a twin beside it (`twice`), whose results are dropped.

    train(network, x, y, members, schedule, initial, order, start=, frozen=, step=) -> parameters
    logits(network, parameters, x) -> [K, N, C]
    input_gradients(network, parameters, x, y) -> logits [K, N, C], gradients [K, N, *shape]

Memory holds the records once, the parameters and results of all replicates, and the buffers of one group.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medpriv.bank.batches import Batches
from medpriv.bank.losses import class_weights, cross_entropy, cross_entropy_gradient
from medpriv.bank.optimiser import cosine
from medpriv.bank.stack import Parameters, Stack, Step, arranged, initial_stack
from medpriv.models.layers import Workspace, allocate_stack
from medpriv.models.network import Network

CACHE = 12 * 2**20  # bytes; the working set of the replicates trained together stays below, if one replicate's does
FEWEST = 16  # records of a pass in evaluation mode, where fewer are asked about
REPORTS = 10  # lines that a group's training writes to the log

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Schedule:
    """How a replicate is trained: `updates` AdamW steps of `batch_size` records, learning rate on a half cosine.

    Attributes:
        balance: a record of class c weighs (share of c among the replicate's records) ** -balance, scaled to mean 1.
        shift: records are learnt rotated by random amounts.
    """

    updates: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    balance: float
    shift: bool = False


def train(
    network: Network,
    x: np.ndarray,
    y: np.ndarray,
    members: np.ndarray,
    schedule: Schedule,
    initial: Sequence[np.random.Generator],
    order: Sequence[np.random.Generator],
    *,
    start: Parameters | None = None,
    frozen: int = 0,
    step: Step = cross_entropy,
    noise: Sequence[np.random.Generator] = (),
) -> dict[str, np.ndarray]:
    """Train K replicates and return their parameters, name -> [K, ...].

    Args:
        x: float32 [N, *shape], standardised.
        y: int64 [N], classes.
        members: bool [K, N], the records each replicate is trained on.
        initial, order: one generator a replicate, for its first parameters and for its batches.
        start: parameters to begin from instead (fine-tuning); `initial` is not used then.
        frozen: how many of the first layers keep their parameters.
        step: the loss, see `medpriv.bank.stack.Step`.
        noise: one generator a replicate, for a loss that draws and for shifts.
    """
    records, labels = arranged(network, x), torch.from_numpy(y)
    if start is None:
        start = initial_stack(network, initial)
    replicates, parts = len(members), []
    if is_lone(network, start, schedule.batch_size):
        start, members, order, noise = twice(start, members, order, noise)
    for some in groups(network, start, schedule.batch_size):
        stack = Stack(
            network,
            {name: value[some] for name, value in start.items()},
            records,
            labels,
            weight_decay=schedule.weight_decay,
            frozen=frozen,
            noise=noise[some],
            shift=schedule.shift,
        )
        title = f"replicates {some.start + 1} to {min(some.stop, replicates)} of {replicates}"
        _train_stack(stack, members[some], schedule, order[some], step, title)
        parts.append(stack.parameters())
    return {name: np.concatenate([part[name] for part in parts])[:replicates] for name in start}


def logits(network: Network, parameters: Parameters, x: np.ndarray) -> np.ndarray:
    """Return float32 [K, N, C], every replicate's logits in evaluation mode; a binary model's are [0, z].

    Args:
        x: float32, standardised: [N, *shape] (shared) or [K, N, *shape] (each replicate its own).
    """
    return _evaluate(network, parameters, x, None)[0]


def input_gradients(
    network: Network, parameters: Parameters, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return logits [K, N, C] and d cross-entropy / d x [K, N, *shape], in evaluation mode, one record at a time.

    Args:
        x: float32, standardised: [N, *shape] (shared) or [K, N, *shape] (each replicate its own).
        y: int64 [N], the classes whose cross-entropy is differentiated.
    """
    return _evaluate(network, parameters, x, y)


def groups(network: Network, parameters: Parameters, records: int) -> Iterator[slice]:
    """Yield the replicates that are worked on together, so that batches of `records` stay in the cache.

    Where there is room for several, none is left over alone: it joins the group before it.
    """
    width, replicates = _width(network, parameters, records), len(next(iter(parameters.values())))
    starts = range(0, replicates, width)
    if replicates > width > 1 and replicates % width == 1:
        starts = starts[:-1]
    return (slice(*ends) for ends in zip(starts, [*starts[1:], replicates], strict=True))


def is_lone(network: Network, parameters: Parameters, records: int) -> bool:
    """Return whether there is one replicate where several would be worked on together: it needs a twin (`twice`)."""
    return len(next(iter(parameters.values()))) == 1 and works_together(network, parameters, records)


def works_together(network: Network, parameters: Parameters, records: int) -> bool:
    """Return whether several replicates go through one product, had a bank so many."""
    return network.stacked and _width(network, parameters, records) > 1


def twice(*held: Mapping | np.ndarray | Sequence) -> list:
    """Return what belongs to one replicate ([1, ...], arrays by name, or a list of generators) for it and a twin.

    Generators are copied: the replicate's own goes on as if it were alone.
    """
    return [_doubled(value) for value in held]


def _train_stack(
    stack: Stack,
    members: np.ndarray,
    schedule: Schedule,
    order: Sequence[np.random.Generator],
    step: Step,
    title: str,
) -> None:
    """Train one group of replicates in place."""
    outputs = max(2, stack.network.outputs)
    weights = torch.from_numpy(class_weights(stack.labels.numpy(), members, outputs, schedule.balance))
    weights /= schedule.batch_size
    batches = Batches(members, schedule.batch_size, order)
    for update in range(schedule.updates):
        rows = torch.from_numpy(batches.next())
        output_gradient = step(stack, rows, weights.gather(1, stack.labels[rows]))
        if (update + 1) * REPORTS // schedule.updates > update * REPORTS // schedule.updates:
            wrong = output_gradient.abs().amax(-1).sum().item() / len(stack)
            _LOG.info("%s, update %d of %d: mean error %.3f", title, update + 1, schedule.updates, wrong)
        stack.update(schedule.learning_rate * cosine(update, schedule.updates))


def _evaluate(
    network: Network, parameters: Parameters, x: np.ndarray, y: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return logits, and input gradients where y is given (else none), in chunks of records."""
    replicates, shared = len(next(iter(parameters.values()))), x.ndim == len(network.shape) + 1
    count = x.shape[0 if shared else 1]
    whole = min(network.pass_records, max(FEWEST, 1 << (count - 1).bit_length()))
    if is_lone(network, parameters, whole):
        (pair,) = twice(parameters)
        values, gradients = _evaluate(network, pair, x if shared else np.repeat(x, 2, axis=0), y)
        return values[:1], gradients[:1]
    values = np.zeros((replicates, count, max(2, network.outputs)), np.float32)
    gradients = np.empty((replicates, 0 if y is None else count, *network.shape), np.float32)
    work = Workspace()
    for group in groups(network, parameters, whole):
        held = {name: _stack(value[group]) for name, value in parameters.items()}
        for first in range(0, count, whole):
            chunk = slice(first, min(first + whole, count))
            size = chunk.stop - first
            part = network.arrange(torch.from_numpy(x[chunk] if shared else x[group, chunk]))
            # Always as many records, old rows at the end of the last: one shape, one rounding, one set of buffers.
            batch = work.buffer("batch", len(values[group]), whole, *part.shape[1 if shared else 2 :])
            batch[:, :size] = part
            outputs = network.forward(held, batch, work, training=False)
            values[group, chunk, -network.outputs :] = outputs[:, :size].numpy()
            if y is not None:
                labels = torch.zeros(outputs.shape[:2], dtype=torch.int64)
                labels[:, :size] = torch.from_numpy(y[chunk])
                back = network.backward(held, cross_entropy_gradient(outputs, labels), work, None, need_input=True)
                gradients[group, chunk] = network.restore(back[:, :size]).numpy()
    return values, gradients


def _width(network: Network, parameters: Parameters, records: int) -> int:
    """Return how many replicates fit in the cache: activations, parameters, their gradients and two moments."""
    floats = records * network.values() + 4 * sum(value[0].size for value in parameters.values())
    return max(1, CACHE // (4 * floats))


def _doubled(held: Mapping | np.ndarray | Sequence) -> Mapping | np.ndarray | Sequence:
    if isinstance(held, Mapping):
        return {name: np.repeat(value, 2, axis=0) for name, value in held.items()}
    return np.repeat(held, 2, axis=0) if isinstance(held, np.ndarray) else [*held, *deepcopy(held)]


def _stack(value: np.ndarray) -> Tensor:
    """Return a copy of [K, ...] in the layout of `allocate_stack`."""
    return allocate_stack(value.shape).copy_(torch.from_numpy(value))
