"""Who trains with whom: clients in turn (labels sent, or U-shaped), or in parallel.

In turn: the clients follow one another, and each hands its layers, with their optimiser's moments, to the next. All
replicates take a step at once, each with the client whose turn it is there.

In parallel (SplitFed, Thapa et al. 2022): every client has layers of its own, and all send a batch at the same time.
The server takes one step on the mean of their losses, each weighted by its share of the records; after an epoch the
clients' layers are averaged with the same weights. Moments stay with the client.

`Watch` is what an attack needs to look over the server's shoulder; a malicious server drives the clients' side itself.
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
from medpriv.split.client_schedule import ClientBatches, client_turns
from medpriv.split.defences import Defence, plain
from medpriv.split.protocol import Client, Half, Parts, Server

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


class InTurn:
    """The clients' side, one client at a time; all that is theirs goes from hand to hand.

    Attributes:
        share: what a record's loss weighs, float32 [K, B], beside its class's weight.
    """

    def __init__(self, client: Client, batches: ClientBatches, counts: np.ndarray, plan: Plan) -> None:
        """Take K replicates, which have `counts` records with each client, int [K, C]."""
        self._client, self._batches = client, batches
        self._turns = client_turns(counts, plan.epochs, plan.updates)
        self.share = torch.full((len(counts), plan.batch_size), 1 / plan.batch_size)

    def send(self, update: int) -> tuple[Tensor, Tensor]:
        """Return the activations [K, B, ...] of an update's records, and these, int64 [K, B]."""
        rows = torch.from_numpy(self._batches.next(self._turns[:, update]))
        return self._client.send(rows), rows

    def turn(self, features: Tensor, labels: Tensor, weights: Tensor, rate: float) -> Tensor:
        """Return the features' gradient; see `medpriv.split.protocol.Client.turn`."""
        return self._client.turn(features, labels, weights, rate)

    def receive(self, gradient: Tensor, rate: float) -> None:
        """Learn from the gradient of what was sent."""
        self._client.receive(gradient, rate)

    def parameters(self) -> dict[str, np.ndarray]:
        """Return the clients' layers, name -> [K, ...]."""
        body, head = self._client.body, self._client.head
        return body.parameters() | (head.parameters() if head else {})


class InParallel:
    """The clients' side, all clients at once: layers [K, C, ...], kept as [K * C, ...]; see `InTurn`."""

    def __init__(self, client: Client, batches: ClientBatches, counts: np.ndarray, plan: Plan) -> None:
        """Take K replicates, which have `counts` records with each client, int [K, C]."""
        self._client, self._batches = client, batches
        self._updates, self._done = plan.updates, 0
        self._shares = torch.from_numpy((counts / counts.sum(1, keepdims=True)).astype(np.float32))  # [K, C]
        size = plan.client_batch(counts.shape[1])
        self.share = self._shares.repeat_interleave(size, 1) / size

    def send(self, update: int) -> tuple[Tensor, Tensor]:
        """Return the activations [K, B, ...] of the clients' batches, side by side, and the records [K, B]."""
        rows = torch.from_numpy(self._batches.all())
        sent = self._client.send(rows.flatten(0, 1))
        return _laid_out(sent, len(rows)), rows.flatten(1)

    def receive(self, gradient: Tensor, rate: float) -> None:
        """Learn from the gradient of what was sent; after an epoch all clients take the mean of their layers."""
        self._client.receive(_laid_out(gradient, self._shares.numel()), rate)
        self._done += 1
        if self._done % self._updates == 0:
            self._average()

    def parameters(self) -> dict[str, np.ndarray]:
        """Return the clients' layers, name -> [K, ...]; within an epoch they are averaged first."""
        if self._done % self._updates:
            self._average()
        return {name: value[:: self._shares.shape[1]] for name, value in self._client.body.parameters().items()}

    def _average(self) -> None:
        """Give every client the mean of the layers, weighted by shares."""
        for own in self._client.body.held.values():
            values = own.unflatten(0, self._shares.shape)  # [K, C, ...]
            weights = self._shares.view(*self._shares.shape, *[1] * (values.ndim - 2))
            own.copy_((values * weights).sum(1, keepdim=True).expand_as(values).flatten(0, 1))


def _laid_out(values: Tensor, first: int) -> Tensor:
    """Return [first, ...] of [K, B, ...] or [K * C, B / C, ...], in the layout that halves take."""
    shape = (first, values.shape[0] * values.shape[1] // first, *values.shape[2:])
    return allocate_stack(shape).copy_(values.reshape(shape))


def clients_side(
    parts: Parts,
    start: Parameters,
    records: Records,
    members: np.ndarray,
    plan: Plan,
    order: Sequence[Generators],
    defence: Defence = plain,
    noise: Generators = (),
) -> InTurn | InParallel:
    """Return the clients' side of K replicates at `start`; the arguments are those of `run`."""
    clients = len(order[0])
    if plan.parallel:
        start = {name: np.repeat(value, clients, axis=0) for name, value in start.items()}
    body, head = (Half(part, start, plan.weight_decay) if part else None for part in (parts.body, parts.head))
    counts = np.stack([np.bincount(records.client[row], minlength=clients) for row in members])
    batches = ClientBatches(members, records.client, plan.client_batch(clients), order)
    side = InParallel if plan.parallel else InTurn
    return side(Client(body, records.x, head, defence, noise), batches, counts, plan)


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
    per = len(order[0]) if plan.parallel else 1
    replicates, found = len(members), []
    if engine.is_lone(parts.whole, start, plan.batch_size):
        start, members, order, noise = engine.twice(start, members, order, noise)
        watch = watch and _without_twin(watch)
    for some in engine.groups(parts.whole, start, plan.batch_size):
        held = {name: value[some] for name, value in start.items()}
        draws = noise[some.start * per : some.stop * per]
        clients = clients_side(parts, held, records, members[some], plan, order[some], defence, draws)
        server = Server(Half(parts.trunk, held, plan.weight_decay), finishes=parts.head is None)
        outputs = max(2, parts.whole.outputs)
        classes = torch.from_numpy(class_weights(records.y.numpy(), members[some], outputs, plan.balance))
        for update in range(plan.epochs * plan.updates):
            _step(clients, server, records.y, classes, update, plan.rate(update), watch)
        found.append(clients.parameters() | server.trunk.parameters())
    return {name: np.concatenate([part[name] for part in found])[:replicates] for name in start}


def _without_twin(watch: Callable[[Watch], None]) -> Callable[[Watch], None]:
    """Return a watch that is shown the first of two replicates alone."""

    def shown(seen: Watch) -> None:
        returned = None if seen.returned is None else seen.returned[:1]
        watch(Watch(seen.update, seen.sent[:1], returned, seen.rows[:1]))

    return shown


def _step(
    clients: InTurn | InParallel,
    server: Server,
    y: Tensor,
    classes: Tensor,
    update: int,
    rate: float,
    watch: Callable[[Watch], None] | None,
) -> None:
    """Take one step of a group; `classes` is what a record of each class weighs, [K, classes]."""
    sent, rows = clients.send(update)
    labels, returned = y[rows], None
    weights = classes.gather(1, labels) * clients.share
    if not server.finishes:
        returned = clients.turn(server.forward(sent), labels, weights, rate)
    if watch:
        watch(Watch(update, sent, returned, rows))
    gradient = server.step(sent, labels, weights, rate) if returned is None else server.backward(returned, rate)
    clients.receive(gradient, rate)
