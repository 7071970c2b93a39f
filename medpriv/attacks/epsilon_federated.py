"""Canaries for audits of federations with a guarantee.

- `sample_dp`, by patient: the client that promises least is audited by itself, all its rounds in a row, by the canaries
  of `epsilon_canaries`. What the others answer only moves the point from which its next round starts, which the
  guarantee allows for. The auditor sees the client's weights at every step (gradient canaries) or its last answer
  (record canaries).
- `client_dp`, by client: canaries are clients whose change lies along a coordinate of their own and is far longer than
  the clip norm. Each takes part in every round or in none; the auditor sees every round's model.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.attacks import epsilon_canaries
from medpriv.attacks.epsilon_canaries import STRONG, Trial, likelihood_ratios
from medpriv.bank.bank import Bank
from medpriv.bank.stack import initial_stack
from medpriv.dataset import Dataset
from medpriv.federated.client import Arrays, clipped
from medpriv.federated.private import respond_privately
from medpriv.federated.server import Strategy
from medpriv.models.network import Network
from medpriv.privacy.training import PrivateSchedule
from medpriv.seeds import generator
from medpriv.treatments.federated import Federation, set_up


def canary_scores(
    dataset: Dataset, bank: Bank, settings: Mapping[str, object], seed: int
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield for each kind of canary its name, scores [R, m] and coins [R, m]; arguments as `epsilon.audit`."""
    federation = set_up(dataset, bank.spec, seed)
    replicates, privacy = bank.replicates[: settings["replicates"]], bank.metadata["privacy"]
    by_patient = privacy["unit"] == "patient"
    canaries = min(settings["canaries"], privacy["patients"]) if by_patient else settings["canaries"]
    for canary in ("gradient", "record") if by_patient else ("gradient",):
        names = (seed, dataset.name, bank.treatment, "audit", canary)
        inside = np.stack([generator(*names, replicate, "coins").random(canaries) < 0.5 for replicate in replicates])
        if not by_patient:
            noise = [generator(*names, replicate, "noise") for replicate in replicates]
            yield canary, client_scores(federation.strategy, federation.rounds, privacy, inside, noise), inside
            continue
        trial, train = _trial(dataset, bank, federation, inside, names), _InRounds(federation.rounds)
        if canary == "gradient":
            yield canary, epsilon_canaries.gradient_scores(trial, train), inside
        else:
            yield canary, epsilon_canaries.record_scores(trial, generator(*names, "canaries"), train), inside


def client_scores(
    strategy: Strategy,
    rounds: int,
    privacy: Mapping[str, float],
    inside: np.ndarray,
    noise: Sequence[np.random.Generator],
) -> np.ndarray:
    """Return float64 [R, m]: the log likelihood ratio of each canary client's coordinate, higher for in.

    Args:
        strategy: `client_dp` as it was built: the clients' clip norm and the server's noisy mean are its own.
        privacy: `clip` and `noise_multiplier`, as claimed.
        inside: bool [R, m], the coins.
        noise: one generator a training.
    """
    replicates, canaries = inside.shape
    path = [np.zeros((replicates, canaries), np.float32)]
    for _ in range(rounds):
        answers = np.repeat(path[-1][:, None], canaries, axis=1)  # [R, clients, m]
        wished = answers + STRONG * np.eye(canaries, dtype=np.float32) * inside[:, :, None]
        sent = clipped(
            {"probe": answers.reshape(-1, canaries)}, {"probe": wished.reshape(-1, canaries)}, strategy.client.clip
        )
        moved, _ = strategy.aggregate(
            {}, {"probe": path[-1]}, {"probe": sent["probe"].reshape(answers.shape)}, np.ones(inside.shape), noise
        )
        path.append(moved["probe"])
    schedule = PrivateSchedule(
        steps=1,
        rate=1.0,
        batch=canaries,
        clip=privacy["clip"],
        deviation=privacy["noise_multiplier"] * privacy["clip"],
        learning_rate=-1.0,  # clients answer with their change, not with a gradient
    )
    return likelihood_ratios(np.stack(path).astype(np.float64), schedule)


def _trial(
    dataset: Dataset, bank: Bank, federation: Federation, inside: np.ndarray, names: tuple[object, ...]
) -> Trial:
    """Return trainings of the least protected client with canaries beside its patients."""
    client = max(federation.privacy["clients"], key=lambda name: federation.privacy["clients"][name]["epsilon"])
    own = np.flatnonzero(federation.clients.records(dataset) == federation.clients.clients.index(client))
    patients, unit = np.unique(dataset.patient[own], return_inverse=True)
    replicates = bank.replicates[: len(inside)]
    return Trial(
        network=federation.network,
        x=dataset.standardised(own),
        y=dataset.y[own],
        unit=unit,
        members=bank.members[: len(inside), patients],
        inside=inside,
        schedule=federation.strategy.private[client],
        generators={
            purpose: [generator(*names, replicate, purpose) for replicate in replicates]
            for purpose in ("initial", "sampling", "noise")
        },
    )


@dataclass(frozen=True)
class _InRounds:
    """All rounds of one client in a row, as a trainer for `epsilon_canaries`."""

    rounds: int

    def __call__(
        self,
        network: Network,
        x: np.ndarray,
        y: np.ndarray,
        unit: np.ndarray,
        members: np.ndarray,
        schedule: PrivateSchedule,
        *,
        initial: Sequence[np.random.Generator],
        sampling: Sequence[np.random.Generator],
        noise: Sequence[np.random.Generator],
        start: Arrays | None = None,
    ) -> Arrays:
        if start is None:
            start = initial_stack(network, initial)
        held = members[:, unit]
        for _ in range(self.rounds):
            start = respond_privately(network, schedule, start, x, y, unit, held, sampling, noise).sent
        return start
