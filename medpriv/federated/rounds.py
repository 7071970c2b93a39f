"""Rounds of a federation in one process: all clients of all replicates in one stack.

The deterministic reference that the deployment under Flower is held to: the same client step
(`medpriv.federated.client`), the same strategies (`medpriv.federated.server`), batches from the same names. A
replicate's bytes depend neither on the replicates beside it nor on the order of the clients' work.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medpriv.bank.stack import arranged, initial_stack
from medpriv.federated.client import Answer, Arrays, LocalSchedule, order_generator, respond
from medpriv.federated.private import respond_privately
from medpriv.federated.secure import add_securely
from medpriv.federated.server import Strategy, message
from medpriv.models.network import Network
from medpriv.seeds import generator

# Name -> [K, C, ...] of the answers and of what clients keep, and the batches of client c in replicate k at [k][c].
Answers = tuple[dict[str, np.ndarray], dict[str, np.ndarray], list[list[np.ndarray]]]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Names:
    """What a federation's randomness is drawn from.

    Attributes:
        replicates: numbers of the K replicates.
    """

    seed: int
    dataset: str
    treatment: str
    replicates: tuple[int, ...]

    def generators(self, *purpose: object) -> list[np.random.Generator]:
        """Return one generator a replicate."""
        return [generator(self.seed, self.dataset, self.treatment, number, *purpose) for number in self.replicates]

    def orders(self, client: str, number: int) -> list[np.random.Generator]:
        """Return the generators of a client's batches in round `number`, one a replicate."""
        return [
            order_generator(self.seed, self.dataset, self.treatment, replicate, client, number)
            for replicate in self.replicates
        ]


@dataclass(frozen=True)
class RoundView:
    """One round of K replicates: what the server sees, and the truth that attacks on it are scored by.

    Attributes:
        number: of the round, from 0.
        clients: names of the C clients.
        sent: name -> [K, ...], the message to all clients (sequential strategies: to the first).
        answers: name -> [K, C, ...], every client's answer as it reaches the server; under secure aggregation
            [K, 1, ...], the weighted mean, which is all that the server learns.
        weights: float64 [K, C], records of each client; its expected patients where it trains privately; under secure
            aggregation [K, 1], their sum.
        parameters: name -> [K, ...], the shared parameters after the round.
        batches: of client c in replicate k `batches[k][c]`, int32 [steps, batch_size], record numbers; of clients that
            train privately one row, all records that their steps were sampled from. The truth, which no server sees.
    """

    number: int
    clients: tuple[str, ...]
    sent: dict[str, np.ndarray]
    answers: dict[str, np.ndarray]
    weights: np.ndarray
    parameters: dict[str, np.ndarray]
    batches: list[list[np.ndarray]]


@dataclass(frozen=True)
class Outcome:
    """What a federation ends with.

    Attributes:
        parameters: name -> float32 [K, ...], the shared model (what stays with the clients is as it began).
        kept: name -> float32 [K, C, ...], what each client holds for itself.
    """

    parameters: dict[str, np.ndarray]
    kept: dict[str, np.ndarray]

    def client_parameters(self) -> dict[str, np.ndarray]:
        """Return name -> [K, C, ...], the model that each client uses: the shared one with its own parts."""
        clients = next(iter(self.kept.values())).shape[1]
        return {
            name: self.kept.get(name, np.broadcast_to(value[:, None], (len(value), clients, *value.shape[1:])))
            for name, value in self.parameters.items()
        }


def run(
    network: Network,
    x: np.ndarray,
    y: np.ndarray,
    members: np.ndarray,
    clients: Sequence[str],
    holder: np.ndarray,
    strategy: Strategy,
    schedule: LocalSchedule,
    rounds: int,
    names: Names,
    *,
    unit: np.ndarray | None = None,
    start: Arrays | None = None,
    observe: Callable[[RoundView], None] | None = None,
) -> Outcome:
    """Run a federation of K replicates.

    Args:
        x: float32 [N, *shape], standardised.
        y: int64 [N].
        members: bool [K, N], the records each replicate is trained on.
        clients: names of the C clients.
        holder: int [N], the client of each record.
        unit: int [N], the patient of each record; needed by strategies that are private by patient.
        start: name -> [K, ...], the first parameters; None: drawn from the names.
        observe: called after every round.
    """
    if start is None:
        start = initial_stack(network, names.generators("initial"))
    held = members[:, None] & (holder == np.arange(len(clients))[:, None])  # [K, C, N]
    federation = _Federation(network, x, arranged(network, x), y, unit, holder, held, tuple(clients), schedule, names)
    parameters, state, kept = dict(start), strategy.begin(start), {}
    for number in range(rounds):
        sent = message(strategy, state, parameters)
        if number == 0:
            sent = dict(start) | sent  # what stays with the clients begins somewhere
        answers, kept, batches = federation.answers(strategy, sent, kept, number)
        weights = federation.weights(strategy)
        if strategy.masked:
            answers, weights = add_securely(sent, answers, weights), weights.sum(1, keepdims=True)
        noise = names.generators("server", number)
        parameters, state = strategy.aggregate(state, parameters, answers, weights, noise)
        if observe is not None:
            observe(RoundView(number, federation.clients, dict(sent), answers, weights, dict(parameters), batches))
        _LOG.info("round %d of %d", number + 1, rounds)
    return Outcome(parameters, kept)


@dataclass(frozen=True)
class _Federation:
    """The clients of all replicates, and one round of theirs.

    Attributes:
        records: x as the network reads it.
        held: bool [K, C, N], the records of each client in each replicate.
    """

    network: Network
    x: np.ndarray
    records: Tensor
    y: np.ndarray
    unit: np.ndarray | None
    holder: np.ndarray
    held: np.ndarray
    clients: tuple[str, ...]
    schedule: LocalSchedule
    names: Names

    def weights(self, strategy: Strategy) -> np.ndarray:
        """Return float64 [K, C], what each client's answer weighs: its records.

        A count of members would tell of each of them, and so would that there are none: private clients weigh as many
        patients as they expect, which their sampling rate tells already.
        """
        if not strategy.private:
            return self.held.sum(2).astype(np.float64)
        schedules = [strategy.private[client] for client in self.clients]
        return np.tile([schedule.batch / schedule.rate for schedule in schedules], (len(self.held), 1))

    def answers(self, strategy: Strategy, sent: Arrays, kept: Arrays, number: int) -> Answers:
        """Take all clients' part of a round, in the strategy's way."""
        if strategy.sequential:
            return self._in_turn(strategy, sent, number)
        if strategy.private:
            return self._privately(strategy, sent, number)
        return self._together(strategy, sent, kept, number)

    def _together(self, strategy: Strategy, sent: Arrays, kept: Arrays, number: int) -> Answers:
        """Train all clients of all replicates in one stack."""
        replicates, clients = self.held.shape[:2]
        by_client = [self.names.orders(client, number) for client in self.clients]
        answer = respond(
            self.network,
            strategy.client,
            {name: np.repeat(value, clients, 0) for name, value in sent.items()},
            {name: value.reshape(-1, *value.shape[2:]) for name, value in kept.items()},
            self.records,
            torch.from_numpy(self.y),
            self.held.reshape(replicates * clients, -1),
            self.schedule,
            [orders[k] for k in range(replicates) for orders in by_client],
        )
        batches = [answer.batches[k * clients : (k + 1) * clients] for k in range(replicates)]
        return self._parted(answer.sent), self._parted(answer.kept), batches

    def _in_turn(self, strategy: Strategy, sent: Arrays, number: int) -> Answers:
        """Train each client from the answer of the one before."""
        answers: list[Answer] = []
        for client, name in enumerate(self.clients):
            answers.append(
                respond(
                    self.network,
                    strategy.client,
                    answers[-1].sent if answers else sent,
                    {},
                    self.records,
                    torch.from_numpy(self.y),
                    self.held[:, client],
                    self.schedule,
                    self.names.orders(name, number),
                )
            )
        stacked = {name: np.stack([answer.sent[name] for answer in answers], 1) for name in answers[0].sent}
        return stacked, {}, [[answer.batches[k] for answer in answers] for k in range(len(self.held))]

    def _privately(self, strategy: Strategy, sent: Arrays, number: int) -> Answers:
        """Train each client with differential privacy; the batches are what its steps were sampled from."""
        answers = []
        for client, name in enumerate(self.clients):
            own = np.flatnonzero(self.holder == client)
            draws = (self.names.generators(name, number, purpose) for purpose in ("sampling", "noise"))
            answer = respond_privately(
                self.network,
                strategy.private[name],
                sent,
                self.x[own],
                self.y[own],
                self.unit[own],
                self.held[:, client, own],
                *draws,
            )
            answers.append((answer.sent, [own[batch].astype(np.int32) for batch in answer.batches]))
        stacked = {name: np.stack([taken[name] for taken, _ in answers], 1) for name in sent}
        return stacked, {}, [[batches[k] for _, batches in answers] for k in range(len(self.held))]

    def _parted(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return name -> [K, C, ...] of [K * C, ...]."""
        return {name: value.reshape(*self.held.shape[:2], *value.shape[1:]) for name, value in arrays.items()}
