"""Learners: who fits the replicates of a bank, and asks them.

A `Learner` fits models of any kind on the records of each replicate. `StackedClassifier` is the one of networks that
the engine trains together; trees are another (`medpriv.treatments.trees`). Models that no stack fits (a generator, a
language model) are learners beside these, not cases of the engine.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from medpriv.bank import engine
from medpriv.bank.bank import GRADIENTS, QUERY, About, Bank
from medpriv.bank.batches import count_updates
from medpriv.bank.draw import Draw
from medpriv.bank.engine import Schedule
from medpriv.bank.losses import cross_entropy
from medpriv.bank.outputs import Outputs, Predictions
from medpriv.bank.spec import TrainingSpec
from medpriv.bank.stack import Step
from medpriv.dataset import TRAIN, Dataset
from medpriv.models.catalogue import network_of
from medpriv.models.network import Network

Fitted = TypeVar("Fitted")  # what a learner keeps of its models


class Learner(Protocol[Fitted]):
    """Fits K models, and gives what they say."""

    def fit(self, dataset: Dataset, rows: np.ndarray, draw: Draw) -> Fitted:
        """Return what is kept of the replicates drawn, each fitted on its records: rows bool [K, N]."""

    def outputs(self, fitted: Fitted, dataset: Dataset) -> Outputs:
        """Return what the fitted models say."""


@dataclass(frozen=True)
class StackedClassifier:
    """Networks that the engine trains together; a learner of weights, name -> [K, ...].

    Attributes:
        network: of each replicate.
        schedule: how long and how fast it is trained.
        treatment: names the generators of first parameters, batches and noise.
        step: the loss.
    """

    network: Network
    schedule: Schedule
    treatment: str
    step: Step = cross_entropy

    def fit(self, dataset: Dataset, rows: np.ndarray, draw: Draw) -> dict[str, np.ndarray]:
        """Return the weights of the replicates drawn."""
        return engine.train(
            self.network,
            dataset.standardised(),
            dataset.y,
            rows,
            self.schedule,
            initial=draw.rngs(dataset.name, self.treatment, "initial"),
            order=draw.rngs(dataset.name, self.treatment, "batches"),
            step=self.step,
            noise=draw.rngs(dataset.name, self.treatment, "noise"),
        )

    def outputs(self, fitted: dict[str, np.ndarray], dataset: Dataset) -> Predictions:
        """Return the replicates' logits of every record of the dataset."""
        return Predictions(engine.logits(self.network, fitted, dataset.standardised()))


def train_classifiers(dataset: Dataset, spec: TrainingSpec, draw: Draw, step: Step = cross_entropy) -> Bank:
    """Return the bank of networks that are trained plainly, or with another loss (`step`)."""
    network, schedule = network_of(dataset, spec), schedule_of(dataset, spec.hyperparameters)
    learner = StackedClassifier(network, schedule, spec.name, step)
    members = draw.members(dataset)
    weights = learner.fit(dataset, members[:, dataset.patient], draw)
    costs = {
        "updates": schedule.updates,
        "flops": schedule.updates * schedule.batch_size * network.flops(),
        "parameters": count_weights(weights),
    }
    return Bank(
        About.of(dataset, spec, draw, costs, {QUERY, GRADIENTS}),
        members,
        weights,
        learner.outputs(weights, dataset),
    )


def count_weights(weights: Mapping[str, np.ndarray]) -> int:
    """Return how many values one replicate has, running statistics included; weights [K, ...] each."""
    return sum(value[0].size for value in weights.values())


def schedule_of(dataset: Dataset, hyperparameters: Mapping[str, object]) -> Schedule:
    """Return how long and how fast a network is trained on this dataset.

    An epoch is half of the training patients' records, on average what a replicate has: the number of updates is the
    same for all.
    """
    return Schedule(
        updates=count_updates(
            int(dataset.rows(TRAIN).sum()) // 2, hyperparameters["epochs"], hyperparameters["batch_size"]
        ),
        batch_size=hyperparameters["batch_size"],
        learning_rate=hyperparameters["learning_rate"],
        weight_decay=hyperparameters["weight_decay"],
        balance=hyperparameters["balance"],
        shift=hyperparameters.get("shift", False),
    )
