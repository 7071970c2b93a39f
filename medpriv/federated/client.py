"""The one client step: plain SGD on a client's own records, for any number of models at once.

In process a round trains all replicates of all clients in one stack of M = K * clients models
(`medpriv.federated.rounds`); under Flower a hospital's process calls the same function with M = 1. A model's bytes
depend on nothing beside it, so both give the same weights.

    respond(network, rule, message, kept, records, labels, members, schedule, order) -> Answer

A message and an answer are plain arrays by name: parameters under their own names, SCAFFOLD's control variates under
`control.<name>`. What a client keeps to itself from round to round (`kept`) has the same names and never leaves it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from medpriv.bank.batches import count_updates
from medpriv.bank.engine import groups, works_together
from medpriv.bank.losses import class_weights, cross_entropy_gradient
from medpriv.federated.flatten import Flat
from medpriv.models.layers import Workspace
from medpriv.models.network import Network
from medpriv.seeds import generator

Arrays = Mapping[str, np.ndarray]  # name -> [M, ...]
CONTROL = "control."  # before a parameter's name: its control variate


@dataclass(frozen=True)
class LocalSchedule:
    """What a client does in a round: SGD at a constant rate, without momentum.

    Attributes:
        batch_size: records a step; all batches are full (a client with fewer records sees them more than once).
        learning_rate: of every step.
        updates: steps a round, the same for every client; None: `epochs` passes over the client's own records.
        epochs: passes, where `updates` is None.
        balance: a record of class c weighs (share of c among the client's records) ** -balance, scaled to mean 1.
        weight_decay: added to every gradient, times the parameters.
    """

    batch_size: int
    learning_rate: float
    updates: int | None = None
    epochs: int = 1
    balance: float = 0.0
    weight_decay: float = 0.0

    def count(self, records: int) -> int:
        """Return the steps that a client with so many records takes in a round; none without records."""
        if records == 0:
            return 0
        return self.updates or count_updates(records, self.epochs, self.batch_size)


@dataclass(frozen=True)
class ClientRule:
    """What a strategy asks of its clients beside plain SGD.

    Attributes:
        proximal: mu of FedProx: mu / 2 * ||w - w_global||^2 is added to the loss (Li et al., MLSys 2020).
        control: SCAFFOLD: steps are corrected by control variates (Karimireddy et al., ICML 2020, option II).
        clip: the answer lies within this L2 distance of the message, over all parameters together; None: no limit.
        keeps: names of parameters that stay with the client.
    """

    proximal: float = 0.0
    control: bool = False
    clip: float | None = None
    keeps: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Answer:
    """What a client's round leaves.

    Attributes:
        sent: name -> float32 [M, ...], the answer to the server.
        kept: name -> float32 [M, ...], what the client holds back for its next round.
        batches: for each model the records of its steps, int32 [steps, batch_size]: what attacks are scored by.
    """

    sent: dict[str, np.ndarray]
    kept: dict[str, np.ndarray]
    batches: list[np.ndarray]


def order_generator(
    seed: int, dataset: str, treatment: str, replicate: int, client: str, number: int
) -> np.random.Generator:
    """Return the generator of a client's batches in round `number` (from 0): the same in any process."""
    return generator(seed, dataset, treatment, replicate, client, number, "batches")


def respond(
    network: Network,
    rule: ClientRule,
    message: Arrays,
    kept: Arrays,
    records: Tensor,
    labels: Tensor,
    members: np.ndarray,
    schedule: LocalSchedule,
    order: Sequence[np.random.Generator],
) -> Answer:
    """Take the client's part of a round.

    Args:
        message: name -> float32 [M, ...], from the server.
        kept: name -> float32 [M, ...], from this client's last round; empty in the first, where the message must hold
            every parameter, those that stay with the client included.
        records: float32 [N, ...], standardised and arranged (`medpriv.bank.stack.arranged`).
        labels: int64 [N].
        members: bool [M, N], the client's own records in each model; a model without any takes no step.
        order: one generator a model, see `order_generator`.
    """
    start = {name: value for name, value in message.items() if not name.startswith(CONTROL)}
    start |= {name: value for name, value in kept.items() if name in rule.keeps}
    batches = draw_batches(members, schedule, order)
    correction = _correction(start, message, kept) if rule.control else None
    moved = local_steps(
        network, start, records, labels, members, batches, schedule, proximal=rule.proximal, correction=correction
    )
    if rule.clip is not None:
        moved = clipped(start, moved, rule.clip)
    sent = {name: value for name, value in moved.items() if name not in rule.keeps}
    held = {name: value for name, value in moved.items() if name in rule.keeps}
    if rule.control:
        steps = np.array([len(batch) for batch in batches])
        controls = _moved_controls(start, moved, message, kept, steps, schedule.learning_rate)
        sent |= controls
        held |= controls
    return Answer(sent, held, batches)


def draw_batches(
    members: np.ndarray, schedule: LocalSchedule, order: Sequence[np.random.Generator]
) -> list[np.ndarray]:
    """Return for each model the records of its steps, int32 [steps, batch_size].

    Batches walk through permutations of the model's records, one after another without a break.
    """
    drawn = []
    for row, rng in zip(members, order, strict=True):
        rows = np.flatnonzero(row).astype(np.int32)
        steps = schedule.count(len(rows))
        needed = steps * schedule.batch_size
        passes = -(-needed // max(len(rows), 1))
        walk = rng.permuted(np.tile(rows, (passes, 1)), axis=1).reshape(-1)[:needed]
        drawn.append(walk.reshape(steps, schedule.batch_size))
    return drawn


def local_steps(
    network: Network,
    start: Arrays,
    records: Tensor,
    labels: Tensor,
    members: np.ndarray,
    batches: Sequence[np.ndarray],
    schedule: LocalSchedule,
    *,
    proximal: float = 0.0,
    correction: Arrays | None = None,
) -> dict[str, np.ndarray]:
    """Return name -> float32 [M, ...], where SGD over the batches leads from `start`.

    Args:
        batches: of each model, see `draw_batches`; models may take different numbers of steps, or none.
        proximal: mu, see `ClientRule`; towards `start`.
        correction: name -> [M, ...], added to every gradient.
    """
    steps = np.array([len(batch) for batch in batches])
    first = np.argsort(-steps, kind="stable")[: np.count_nonzero(steps)]  # the longest first: who is done is at the end
    ended = {name: np.array(value, np.float32) for name, value in start.items()}
    if len(first) == 0:
        return ended
    outputs = max(2, network.outputs)
    weights = class_weights(labels.numpy(), members[first], outputs, schedule.balance) / schedule.batch_size
    begun = {name: value[first] for name, value in start.items()}
    together = works_together(network, begun, schedule.batch_size)
    for some in groups(network, begun, schedule.batch_size):
        places = np.arange(len(first))[some]
        if together and np.count_nonzero(steps[first[places]] == steps[first[places[0]]]) == 1:
            places = np.append(places[0], places)  # a twin of the one that is alone at last (`engine.twice`)
        models = first[places]
        walk = _Walk(network, {name: value[models] for name, value in start.items()}, records, labels)
        walk.proximal = proximal
        if correction is not None:
            walk.correction = walk.flat.pack({name: value[models] for name, value in correction.items()})
        walk.run([batches[model] for model in models], torch.from_numpy(weights[places]), schedule)
        for name, value in walk.parameters().items():
            ended[name][models] = value
    return ended


def clipped(start: Arrays, moved: Arrays, clip: float) -> dict[str, np.ndarray]:
    """Return name -> float32 [M, ...]: start + (moved - start) * min(1, clip / ||moved - start||).

    A model whose change is not finite stays where it started: noise may drive models to where steps diverge, and what
    a client sends must be bounded whatever happens.
    """
    with np.errstate(invalid="ignore"):  # infinity - infinity
        deltas = {name: moved[name].astype(np.float64) - start[name] for name in moved}
    squares = sum((delta**2).reshape(len(delta), -1).sum(1) for delta in deltas.values())
    finite = np.isfinite(squares)
    factors = np.minimum(1.0, clip / np.sqrt(np.where(finite, squares, 1)).clip(min=1e-300))
    sent = {}
    for name, delta in deltas.items():
        change = np.where(_along(finite, delta), delta, 0)
        sent[name] = (start[name] + _along(factors, delta) * change).astype(np.float32)
    return sent


class _Walk:
    """Some models' parameters on their way through a round.

    Everything that moves lies in one matrix [M, D], model by model, so that a step of SGD is one or two calls, and the
    models that still have steps to take are its first rows.
    """

    def __init__(self, network: Network, start: Arrays, records: Tensor, labels: Tensor) -> None:
        self._network, self._records, self._labels = network, records, labels
        self._names = tuple(start)
        self.flat = Flat({name: value.shape[1:] for name, value in start.items() if "running" not in name})
        self._still = Flat({name: value.shape[1:] for name, value in start.items() if "running" in name})
        self._moved, self._statistics = self.flat.pack(start), self._still.pack(start)
        self._start = self._moved.clone()
        self._flat_gradients = torch.zeros_like(self._moved)
        self.proximal = 0.0
        self.correction: Tensor | None = None

    def run(self, batches: Sequence[np.ndarray], weights: Tensor, schedule: LocalSchedule) -> None:
        """Take all steps; models with more of them come first.

        Args:
            weights: float32 [M, classes], what a record of each class weighs.
        """
        steps = np.array([len(batch) for batch in batches])
        rows = np.zeros((steps.max(), len(batches), batches[0].shape[1]), np.int64)
        for model, batch in enumerate(batches):
            rows[: len(batch), model] = batch
        going = 0
        for step, drawn in enumerate(torch.from_numpy(rows)):
            if (count := int(np.count_nonzero(steps > step))) != going:
                going, work = count, Workspace()
                held = self.flat.views(self._moved[:going]) | self._still.views(self._statistics[:going])
                gradients = self.flat.views(self._flat_gradients[:going])
            self._step(held, gradients, work, drawn[:going], weights[:going], schedule)

    def _step(
        self,
        held: dict[str, Tensor],
        gradients: dict[str, Tensor],
        work: Workspace,
        rows: Tensor,
        weights: Tensor,
        schedule: LocalSchedule,
    ) -> None:
        """Take one step of the models in `held`, on their records int64 [going, batch_size]."""
        batch = work.buffer("batch", *rows.shape, *self._records.shape[1:])
        batch.copy_(self._records.index_select(0, rows.reshape(-1)).view(batch.shape))
        labels = self._labels[rows]
        output_gradient = cross_entropy_gradient(self._network.forward(held, batch, work, True), labels)
        self._network.backward(held, output_gradient.mul_(weights.gather(1, labels).unsqueeze(-1)), work, gradients)
        moved, gradient = self._moved[: len(rows)], self._flat_gradients[: len(rows)]
        if self.proximal:
            gradient.add_(moved - self._start[: len(rows)], alpha=self.proximal)
        if self.correction is not None:
            gradient.add_(self.correction[: len(rows)])
        if schedule.weight_decay:
            moved.mul_(1 - schedule.learning_rate * schedule.weight_decay)
        moved.add_(gradient, alpha=-schedule.learning_rate)

    def parameters(self) -> dict[str, np.ndarray]:
        """Return name -> float32 [M, ...], in the order of the start."""
        found = self.flat.unpack(self._moved) | self._still.unpack(self._statistics)
        return {name: found[name] for name in self._names}


def _correction(start: Arrays, message: Arrays, kept: Arrays) -> dict[str, np.ndarray]:
    """Return c - c_i of each trained parameter: the server's control variate minus the client's own (0 at first)."""
    return {
        name: message[CONTROL + name] - kept.get(CONTROL + name, np.float32(0))
        for name in start
        if "running" not in name
    }


def _moved_controls(
    start: Arrays, moved: Arrays, message: Arrays, kept: Arrays, steps: np.ndarray, learning_rate: float
) -> dict[str, np.ndarray]:
    """Return the client's new control variates c_i - c + (start - moved) / (steps * rate).

    A model that took no step keeps its own.
    """
    controls = {}
    walked = np.where(steps > 0, 1 / (np.maximum(steps, 1) * learning_rate), 0.0)
    for name in start:
        if "running" in name:
            continue
        server = message[CONTROL + name]
        own = kept.get(CONTROL + name, np.zeros_like(server))
        change = _along(walked, server) * (start[name].astype(np.float64) - moved[name])
        change -= _along(steps > 0, server) * server
        controls[CONTROL + name] = own + change.astype(np.float32)
    return controls


def _along(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Return [M] as [M, 1, ...], to be multiplied with [M, ...]."""
    return values.reshape(-1, *[1] * (like.ndim - 1))
