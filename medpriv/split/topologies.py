"""Who trains with whom: clients in turn (labels sent, or U-shaped), or in parallel.

In turn: the clients follow one another, and each hands its layers, with their optimiser's moments, to the next. All
replicates take a step at once, each with the client whose turn it is there.

In parallel (SplitFed, Thapa et al. 2022): every client has layers of its own, and all send a batch at the same time.
The server takes one step on the mean of their losses, each weighted by its share of the records; after an epoch the
clients' layers are averaged with the same weights. Moments stay with the client.

`Watch` is what an attack needs to look over the server's shoulder.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medpriv.bank import engine
from medpriv.bank.losses import class_weights
from medpriv.bank.optimiser import cosine
from medpriv.bank.stack import Parameters
from medpriv.models.layers import allocate_stack
from medpriv.split.defences import Defence, plain
from medpriv.split.protocol import Client, Half, Parts, Server
from medpriv.split.turns import ClientBatches, client_turns

Generators = Sequence[np.random.Generator]


@dataclass(frozen=True)
class Plan:
    """How a federation of split networks is trained.

    Attributes:
        epochs: passes over the records of a replicate; in parallel also the rounds.
        updates: of one epoch.
        batch_size: records an update; in parallel it is shared out among the clients.
        learning_rate: peak of AdamW, decayed to zero by a half cosine.
        weight_decay, balance: see `medpriv.bank.engine.Schedule`.
        parallel: all clients at once instead of in turn.
    """

    epochs: int
    updates: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    balance: float
    parallel: bool = False

    def rate(self, update: int) -> float:
        """Return the learning rate of an update, counted over all epochs."""
        return self.learning_rate * cosine(update, self.epochs * self.updates)

    def client_batch(self, clients: int) -> int:
        """Return the records of one client's batch."""
        return -(-self.batch_size // clients) if self.parallel else self.batch_size


@dataclass(frozen=True)
class Records:
    """All records, and whose they are.

    Attributes:
        x: float32 [N, ...], arranged (`medpriv.bank.stack.arranged`).
        y: int64 [N].
        client: int [N], the client that holds each record, 0 to C - 1.
    """

    x: Tensor
    y: Tensor
    client: np.ndarray


@dataclass(frozen=True)
class Watch:
    """One update as seen from the server, and the truth for scoring.

    Attributes:
        update: its number.
        sent: [K, B, ...], the activations, as received.
        returned: [K, B, F], the gradient of the features that the client returned; None unless U-shaped.
        rows: int64 [K, B], the records (the truth, not seen).
    """

    update: int
    sent: Tensor
    returned: Tensor | None
    rows: Tensor


def run(
    parts: Parts,
    start: Parameters,
    records: Records,
    members: np.ndarray,
    plan: Plan,
    order: Sequence[Generators],
    *,
    defence: Defence = plain,
    noise: Generators = (),
    watch: Callable[[Watch], None] | None = None,
) -> dict[str, np.ndarray]:
    """Train K replicates of a cut network and return the whole networks' parameters, name -> [K, ...].

    Args:
        start: the first parameters of the whole network.
        members: bool [K, N], the records each replicate is trained on.
        order: [K][C], one generator a replicate and client, for its batches.
        noise: one generator a replicate, for a defence that draws; in parallel one a replicate and client, in order.
        watch: called at each update, with the replicates of one group (see `medpriv.bank.engine.groups`); what it is
            given is used again by the next update.
    """
    train = _in_parallel if plan.parallel else _in_turn
    per = len(order[0]) if plan.parallel else 1
    found = []
    for some in engine.groups(parts.whole, start, plan.batch_size):
        held = {name: value[some] for name, value in start.items()}
        draws = noise[some.start * per : some.stop * per]
        found.append(train(parts, held, records, members[some], plan, order[some], defence, draws, watch))
    return {name: np.concatenate([part[name] for part in found]) for name in start}


def _in_turn(
    parts: Parts,
    start: Parameters,
    records: Records,
    members: np.ndarray,
    plan: Plan,
    order: Sequence[Generators],
    defence: Defence,
    noise: Generators,
    watch: Callable[[Watch], None] | None,
) -> dict[str, np.ndarray]:
    """Train one group of replicates, one client at a time."""
    body, trunk = Half(parts.body, start, plan.weight_decay), Half(parts.trunk, start, plan.weight_decay)
    head = Half(parts.head, start, plan.weight_decay) if parts.head else None
    client, server = Client(body, records.x, head, defence, noise), Server(trunk)
    weights = _weights(parts, records, members, plan) / plan.batch_size
    counts = np.stack([np.bincount(records.client[row], minlength=len(order[0])) for row in members])
    turns = client_turns(counts, plan.epochs, plan.updates)
    batches = ClientBatches(members, records.client, plan.batch_size, order)
    for update in range(plan.epochs * plan.updates):
        rows = torch.from_numpy(batches.next(turns[:, update]))
        rate, labels = plan.rate(update), records.y[rows]
        sent, returned = client.send(rows), None
        if head is None:
            gradient = server.step(sent, labels, weights.gather(1, labels), rate)
        else:
            returned = client.turn(server.forward(sent), labels, weights.gather(1, labels), rate)
        if watch:
            watch(Watch(update, sent, returned, rows))
        if head is not None:
            gradient = server.backward(returned, rate)
        client.receive(gradient, rate)
    return body.parameters() | trunk.parameters() | (head.parameters() if head else {})


def _in_parallel(
    parts: Parts,
    start: Parameters,
    records: Records,
    members: np.ndarray,
    plan: Plan,
    order: Sequence[Generators],
    defence: Defence,
    noise: Generators,
    watch: Callable[[Watch], None] | None,
) -> dict[str, np.ndarray]:
    """Train one group of replicates, all clients at once: [K, C, ...] is kept as [K * C, ...] on the clients' side."""
    replicates, clients = len(members), len(order[0])
    each = {name: np.repeat(value, clients, axis=0) for name, value in start.items()}
    body = Half(parts.body, each, plan.weight_decay)
    client, server = Client(body, records.x, None, defence, noise), Server(Half(parts.trunk, start, plan.weight_decay))
    size = plan.client_batch(clients)
    counts = np.stack([np.bincount(records.client[row], minlength=clients) for row in members])
    shares = torch.from_numpy((counts / counts.sum(1, keepdims=True)).astype(np.float32))  # [K, C]
    weights = _weights(parts, records, members, plan) / size
    share = shares.repeat_interleave(size, 1)  # [K, C * size]
    batches = ClientBatches(members, records.client, size, order)
    for update in range(plan.epochs * plan.updates):
        rows = torch.from_numpy(batches.all().reshape(replicates * clients, size))
        rate, labels = plan.rate(update), records.y[rows].view(replicates, -1)
        sent = _laid_out(client.send(rows), replicates)
        gradient = server.step(sent, labels, weights.gather(1, labels) * share, rate)
        if watch:
            watch(Watch(update, sent, None, rows.view(replicates, -1)))
        client.receive(_laid_out(gradient, replicates * clients), rate)
        if (update + 1) % plan.updates == 0:
            _average(body, shares)
    return {name: value[::clients] for name, value in body.parameters().items()} | server.trunk.parameters()


def _weights(parts: Parts, records: Records, members: np.ndarray, plan: Plan) -> Tensor:
    """Return float32 [K, classes], what a record of each class weighs."""
    classes = max(2, parts.whole.outputs)
    return torch.from_numpy(class_weights(records.y.numpy(), members, classes, plan.balance))


def _laid_out(values: Tensor, first: int) -> Tensor:
    """Return [first, ...] of [K, B, ...] or [K * C, B / C, ...], in the layout that halves take."""
    shape = (first, values.shape[0] * values.shape[1] // first, *values.shape[2:])
    return allocate_stack(shape).copy_(values.reshape(shape))


def _average(body: Half, shares: Tensor) -> None:
    """Give every client the mean of the clients' layers, weighted by shares [K, C]."""
    for own in body.held.values():
        values = own.unflatten(0, shares.shape)  # [K, C, ...]
        weights = shares.view(*shares.shape, *[1] * (values.ndim - 2))
        own.copy_((values * weights).sum(1, keepdim=True).expand_as(values).flatten(0, 1))
