"""What is asked of an unlearning method, and what it gives back.

Two requests. `population_request`: each replicate of a bank forgets some of the patients it was trained on, one patient
a model. `personal_request`: each personalised model forgets a share of the beats it adapted to. Both become one
`Request` over R models, so that every method answers both. The methods are in the modules beside this one,
`medpriv.unlearning.catalogue` names them and makes banks of their answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from medpriv.bank.bank import Bank, rows_of
from medpriv.bank.batches import count_updates
from medpriv.bank.engine import Schedule
from medpriv.bank.learner import schedule_of
from medpriv.bank.stack import Parameters, arranged
from medpriv.dataset import TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.models.catalogue import network_of
from medpriv.models.network import Network
from medpriv.seeds import generator


@dataclass(frozen=True)
class Request:
    """R models, each with records to forget.

    Attributes:
        network: the models' network.
        x: float32 [N, *shape], all records of the dataset, standardised.
        y: int64 [N], classes.
        owner: int [N], whose record: an index into `patients`.
        patients: the dataset's patient names.
        start: name -> [R, ...], the models that must forget.
        before: name -> [R, ...], where their training began; None: freshly initialised.
        base: bool [R, N], records that `before` was trained on; none of those to forget.
        retain: bool [R, N], records that a method may train on.
        forget: bool [R, N], records to forget; they were trained on.
        unseen: bool [R, N], records of training patients that the model never saw.
        emptied: nothing of the training since `before` remains: training anew is `before` itself, and `retain` is
            `base`.
        schedule: how the models were trained (`updates` of it does not count).
        trained_updates, anew_updates: int [R], the updates of that training, and of training anew.
        retain_records, forget_records: what counts as one epoch, the same for all models.
        origin: int [R], the replicate that each was derived from.
        patient: int [R], an index into `patients`.
        dataset, treatment: names, of the dataset and of the bank to be made.
        trained: for each model the names that its training's generators derive from.
        seed: the root seed.
    """

    network: Network
    x: np.ndarray
    y: np.ndarray
    owner: np.ndarray
    patients: tuple[str, ...]
    start: Parameters
    before: Parameters | None
    base: np.ndarray
    retain: np.ndarray
    forget: np.ndarray
    unseen: np.ndarray
    emptied: bool
    schedule: Schedule
    trained_updates: np.ndarray
    anew_updates: np.ndarray
    retain_records: int
    forget_records: int
    origin: np.ndarray
    patient: np.ndarray
    dataset: str
    treatment: str
    trained: tuple[tuple[object, ...], ...]
    seed: int

    def __len__(self) -> int:
        """Return R."""
        return len(self.origin)

    @cached_property
    def arranged(self) -> Tensor:
        """Return all records as a stack takes them."""
        return arranged(self.network, self.x)

    @cached_property
    def labels(self) -> Tensor:
        """Return int64 [N], the classes as a stack takes them."""
        return torch.from_numpy(self.y)

    @property
    def remaining(self) -> np.ndarray:
        """Return bool [R, N]: what training anew since `before` would use."""
        return np.zeros_like(self.retain) if self.emptied else self.retain

    def generators(self, role: str) -> list[np.random.Generator]:
        """Return a fresh generator for each model, from (seed, dataset, treatment, origin, patient, role)."""
        return [
            generator(self.seed, self.dataset, self.treatment, origin, self.patients[patient], role)
            for origin, patient in zip(self.origin, self.patient, strict=True)
        ]

    def replayed(self, role: str) -> list[np.random.Generator]:
        """Return the generators that the models' own training used, as they were at its beginning."""
        return [generator(self.seed, *names, role) for names in self.trained]

    def select(self, models: np.ndarray) -> "Request":
        """Return the request of some of the models (their numbers)."""
        names = ("base", "retain", "forget", "unseen", "trained_updates", "anew_updates", "origin", "patient")
        arrays = {name: getattr(self, name)[models] for name in names}
        start = {name: value[models] for name, value in self.start.items()}
        before = None if self.before is None else {name: value[models] for name, value in self.before.items()}
        return replace(self, **arrays, start=start, before=before, trained=tuple(self.trained[r] for r in models))


@dataclass(frozen=True)
class Outcome:
    """A method's answer.

    Attributes:
        parameters: name -> [R, ...].
        updates: optimiser steps, of one model on average.
        passes: records passed forward and backward, of one model on average; a forward pass alone counts a third, and
            a backward pass through the last layers only what it costs (see `medpriv.unlearning.loops.pass_cost`).
        prepared: processor seconds of work that belongs to the first training, not to the request (a method that trains
            in its own way must do that here, since the bank does not hold it).
        members: models whose mean logit is the answer's logit; 1 if the answer is a network like the bank's.
        certificate: for a method that gives one, its figures.
    """

    parameters: dict[str, np.ndarray]
    updates: float = 0.0
    passes: float = 0.0
    prepared: float = 0.0
    members: int = 1
    certificate: Mapping[str, float] | None = None


def population_request(
    dataset: Dataset, bank: Bank, patients: int | None, replicates: int | None, treatment: str, seed: int
) -> Request:
    """Return the request that each replicate forgets some of its patients, one patient a model.

    Args:
        patients: how many of the training patients are forgotten, drawn once; each in turn by every replicate that was
            trained on them, so that few patients have many models on either side of an audit; None: every one.
        replicates: the first so many replicates are asked; None: all.
        treatment: the name of the bank to be made.
    """
    members = bank.record_members(dataset)
    asked = np.unique(dataset.patient[dataset.rows(TRAIN)])
    if patients is not None and patients < len(asked):
        asked = np.sort(generator(seed, dataset.name, "forget").choice(asked, patients, replace=False))
    known = bank.members[:replicates][:, asked]  # [K, asked]
    rows, column = np.nonzero(known)
    forgotten = asked[column]
    if not len(rows):
        raise InputError(
            "no replicate was trained on a patient who is to be forgotten",
            file=f"dataset {dataset.name}",
            place="unlearning",
            remedy="ask for more patients or replicates",
        )
    forget = dataset.patient == forgotten[:, None]
    retain = members[rows] & ~forget
    if not retain.any(1).all():
        raise InputError(
            "a replicate that was trained on one patient alone would be left with nothing",
            file=f"dataset {dataset.name}",
            place="bank",
            remedy="ask for more training patients",
        )
    schedule = schedule_of(dataset, bank.spec.hyperparameters)
    origin = bank.replicates[rows]
    train = dataset.rows(TRAIN)
    return Request(
        network=stacked_network(dataset, bank),
        x=dataset.standardised(),
        y=dataset.y,
        owner=dataset.patient,
        patients=dataset.patients,
        start={name: value[rows] for name, value in bank.weights.items()},
        before=None,
        base=np.zeros_like(retain),
        retain=retain,
        forget=forget,
        unseen=train & ~members[rows],
        emptied=False,
        schedule=schedule,
        trained_updates=np.full(len(rows), schedule.updates),
        anew_updates=np.full(len(rows), schedule.updates),
        retain_records=int(train.sum()) // 2,
        forget_records=-(-int(train.sum()) // int((dataset.split == TRAIN).sum())),
        origin=origin,
        patient=forgotten,
        dataset=dataset.name,
        treatment=treatment,
        trained=tuple((dataset.name, bank.treatment, int(replicate)) for replicate in origin),
        seed=seed,
    )


def stacked_network(dataset: Dataset, bank: Bank) -> Network:
    """Return the bank's network; refuse one of torch modules, since the methods look into layers."""
    network = network_of(dataset, bank.spec)
    if not isinstance(network, Network):
        raise InputError(
            f"unlearning is known for networks of stacked layers, which {bank.model} is not",
            file="config",
            place="unlearning.model",
            remedy="unlearn from cnn, cnn_gn, mlp or logistic, without `ensemble`",
        )
    if bank.spec.hyperparameters.get("shift"):
        raise InputError(
            "unlearning doesn't know training on rotated records",
            file="config",
            place="unlearning.model",
            remedy="unlearn from a network trained without `shift`",
        )
    return network


def personal_request(
    dataset: Dataset, bank: Bank, personalised: Bank, share: float, treatment: str, seed: int
) -> Request:
    """Return the request that each personalised model forgets a share of the beats it adapted to.

    The beats to forget are neighbours in time, since beats side by side are near copies of each other: one stretch that
    begins at a drawn beat and goes on at the recording's beginning where it reaches the end.

    Args:
        bank: the replicates that were personalised.
        share: of the beats adapted to; 1: all, and training anew is the replicate itself.
        treatment: the name of the bank to be made.
    """
    personalised.check(dataset)
    origins, patients = personalised.derived_from.origin, personalised.derived_from.patient
    rows = rows_of(bank, origins)
    members = bank.record_members(dataset)[rows]
    adapted = personalised.derived_from.records
    forget = np.zeros_like(adapted)
    for r, (origin, patient) in enumerate(zip(origins, patients, strict=True)):
        beats = np.flatnonzero(adapted[r])
        if dataset.time is not None:
            beats = beats[np.argsort(dataset.time[beats], kind="stable")]
        rng = generator(seed, dataset.name, "forget", int(origin), dataset.patients[patient])
        forget[r, np.roll(beats, -int(rng.integers(len(beats))))[: max(1, round(share * len(beats)))]] = True
    settings = personalised.spec.settings

    def updates(records: np.ndarray) -> np.ndarray:
        return np.array([count_updates(count, settings["epochs"], settings["batch_size"]) for count in records.sum(1)])

    emptied = share == 1
    adapted_records = max(2, round(adapted.sum() / len(adapted)))
    return Request(
        network=stacked_network(dataset, bank),
        x=dataset.standardised(),
        y=dataset.y,
        owner=dataset.patient,
        patients=dataset.patients,
        start=personalised.weights,
        before={name: value[rows] for name, value in bank.weights.items()},
        base=members,
        retain=members if emptied else adapted & ~forget,
        forget=forget,
        unseen=dataset.rows(TRAIN) & ~members & (dataset.patient != patients[:, None]),
        emptied=emptied,
        schedule=Schedule(
            updates=0,
            batch_size=settings["batch_size"],
            learning_rate=settings["learning_rate"],
            weight_decay=0.0,
            balance=0.0,
        ),
        trained_updates=updates(adapted),
        anew_updates=updates(adapted & ~forget),
        retain_records=adapted_records,
        forget_records=max(1, round(share * adapted_records)),
        origin=origins,
        patient=patients,
        dataset=dataset.name,
        treatment=treatment,
        trained=tuple(
            (dataset.name, personalised.treatment, int(origin), dataset.patients[patient])
            for origin, patient in zip(origins, patients, strict=True)
        ),
        seed=seed,
    )
