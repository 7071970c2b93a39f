"""The bank engine: trains K replicates at once, and gives their logits and input gradients.

A bank is many small networks of one shape. One after another they spend their time on call overhead; here most of it
goes to matrix products. Parameters are stacked along a leading axis and every layer is one batched product over all
replicates (`medpriv.models.layers`); records are gathered by index, without a loader; buffers are reused; the optimiser
is one kernel call. Replicates are taken in groups whose working set fits the processor's cache. Nothing a replicate
does depends on which others are trained beside it: its bytes are the same in any shard.

    train(network, x, y, members, schedule, initial, order) -> parameters
    logits(network, parameters, x) -> [K, N, C]
    input_gradients(network, parameters, x, y) -> logits [K, N, C], gradients [K, N, *shape]

Memory holds the records once, the parameters and results of all replicates, and the buffers of one group.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medpriv.bank.batches import Batches
from medpriv.bank.optimiser import AdamW, cosine
from medpriv.models.layers import Workspace, allocate_stack
from medpriv.models.network import Network

CACHE = 12 * 2**20  # bytes; the working set of the replicates trained together stays below, if one replicate's does
CHUNK = 256  # records a forward pass of predictions
REPORTS = 10  # lines that a group's training writes to the log

_LOG = logging.getLogger(__name__)

Parameters = Mapping[str, np.ndarray]  # name -> float32 [K, ...]


@dataclass(frozen=True)
class Schedule:
    """How a replicate is trained: `updates` AdamW steps of `batch_size` records, learning rate on a half cosine.

    Attributes:
        balance: a record of class c weighs (share of c among the replicate's records) ** -balance, scaled to mean 1.
    """

    updates: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    balance: float


def train(
    network: Network,
    x: np.ndarray,
    y: np.ndarray,
    members: np.ndarray,
    schedule: Schedule,
    initial: Sequence[np.random.Generator],
    order: Sequence[np.random.Generator],
) -> dict[str, np.ndarray]:
    """Train K replicates and return their parameters, name -> [K, ...].

    Args:
        x: float32 [N, *shape], standardised.
        y: int64 [N], classes.
        members: bool [K, N], the records each replicate is trained on.
        initial, order: one generator a replicate, for its first parameters and for its batches.
    """
    records = network.arrange(torch.from_numpy(x)).contiguous()
    labels = torch.from_numpy(y)
    drawn = [network.initial(rng) for rng in initial]
    held = {name: np.stack([one[name] for one in drawn]) for name in drawn[0]}
    group = _group(network, held, schedule.batch_size)
    for start in range(0, len(members), group):
        some = slice(start, start + group)
        part = {name: value[some] for name, value in held.items()}
        title = f"replicates {start + 1} to {min(start + group, len(members))} of {len(members)}"
        _train_group(network, part, records, labels, members[some], schedule, order[some], title)
    return held


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


def loss_gradient(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return d cross-entropy / d outputs, [K, B, outputs], one record at a time; labels int64 [K, B]."""
    if outputs.shape[-1] == 1:
        probability = allocate_stack(outputs.shape[:2]).copy_(outputs.squeeze(-1))
        return torch.sigmoid(probability, out=probability).sub_(labels).unsqueeze(-1)
    probabilities = allocate_stack(outputs.shape).copy_(torch.softmax(outputs, -1))
    return probabilities.sub_(torch.nn.functional.one_hot(labels, outputs.shape[-1]))


def class_weights(y: np.ndarray, members: np.ndarray, classes: int, balance: float) -> np.ndarray:
    """Return float32 [K, classes]: what a record of each class weighs in each replicate's loss (see `Schedule`)."""
    counts = np.stack([np.bincount(y[row], minlength=classes) for row in members])
    shares = counts / counts.sum(1, keepdims=True)
    weights = np.where(counts > 0, np.maximum(shares, 1e-12) ** -balance, 0)
    return (weights / (weights * shares).sum(1, keepdims=True)).astype(np.float32)


def _group(network: Network, parameters: Parameters, records: int) -> int:
    """Return how many replicates fit the cache: activations for some records; parameters, gradients, two moments."""
    floats = records * network.values() + 4 * sum(value[0].size for value in parameters.values())
    return max(1, CACHE // (4 * floats))


def _train_group(
    network: Network,
    parameters: Parameters,
    records: Tensor,
    labels: Tensor,
    members: np.ndarray,
    schedule: Schedule,
    order: Sequence[np.random.Generator],
    title: str,
) -> None:
    """Train one group of replicates from its first parameters, in place."""
    held = {name: torch.from_numpy(value) for name, value in parameters.items()}
    statistics = {name: value for name, value in held.items() if "running" in name}  # moved by the forward pass
    optimiser = AdamW({name: held[name] for name in held if name not in statistics}, schedule.weight_decay)
    stacked = statistics | optimiser.parameters
    replicates, size = len(members), schedule.batch_size
    weights = torch.from_numpy(class_weights(labels.numpy(), members, max(2, network.outputs), schedule.balance))
    batches = Batches(members, size, order)
    work = Workspace()
    batch = allocate_stack((replicates, size, *records.shape[1:]))
    rows = torch.empty(replicates * size, *records.shape[1:])
    if batch.is_contiguous():
        rows = batch.view(rows.shape)  # gathered in place
    for step in range(schedule.updates):
        indices = torch.from_numpy(batches.next())
        torch.index_select(records, 0, indices.view(-1), out=rows)
        if not batch.is_contiguous():
            batch.copy_(rows.view(batch.shape))
        y = labels[indices]
        outputs = network.forward(stacked, batch, work, training=True)
        slope = loss_gradient(outputs, y)
        if (step + 1) * REPORTS // schedule.updates > step * REPORTS // schedule.updates:
            wrong = slope.abs().amax(-1).mean().item()
            _LOG.info("%s, update %d of %d: mean error %.3f", title, step + 1, schedule.updates, wrong)
        slope.mul_((weights.gather(1, y) / size).unsqueeze(-1))
        network.backward(stacked, slope, work, optimiser.gradients)
        optimiser.update(schedule.learning_rate * cosine(step, schedule.updates))
    for name, value in optimiser.parameters.items():
        held[name].copy_(value)


def _evaluate(
    network: Network, parameters: Parameters, x: np.ndarray, y: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return logits, and input gradients where y is given (else none), in chunks of records."""
    replicates, shared = len(next(iter(parameters.values()))), x.ndim == len(network.shape) + 1
    count = x.shape[0 if shared else 1]
    values = np.zeros((replicates, count, max(2, network.outputs)), np.float32)
    gradients = np.empty((replicates, 0 if y is None else count, *network.shape), np.float32)
    width = _group(network, parameters, CHUNK)
    for start in range(0, replicates, width):
        group = slice(start, start + width)
        held = {name: _stack(value[group]) for name, value in parameters.items()}
        work = Workspace()
        for first in range(0, count, CHUNK):
            chunk = slice(first, min(first + CHUNK, count))
            size = chunk.stop - first
            part = network.arrange(torch.from_numpy(x[chunk] if shared else x[group, chunk]))
            # Always a whole chunk, the last one with old rows at its end: one shape, one rounding, one set of buffers.
            batch = work.buffer("batch", len(values[group]), CHUNK, *part.shape[1 if shared else 2 :])
            batch[:, :size] = part
            outputs = network.forward(held, batch, work, training=False)
            values[group, chunk, -network.outputs :] = outputs[:, :size].numpy()
            if y is not None:
                labels = torch.zeros(outputs.shape[:2], dtype=torch.int64)
                labels[:, :size] = torch.from_numpy(y[chunk])
                back = network.backward(held, loss_gradient(outputs, labels), work, None, need_input=True)
                gradients[group, chunk] = network.restore(back[:, :size]).numpy()
    return values, gradients


def _stack(value: np.ndarray) -> Tensor:
    """Return a copy of [K, ...] in the layout of `allocate_stack`."""
    return allocate_stack(value.shape).copy_(torch.from_numpy(value))
