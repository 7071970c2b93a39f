"""Federated learning in which every client trains with differential privacy, the unit being a patient.

In each round a client takes DP-SGD steps on its own patients (`medpriv.privacy.training`) and sends what they lead to.
The steps of all rounds are composed, so that all that ever leaves a client tells no more about one of its patients than
its epsilon says. A patient is with one client, so the federation's epsilon is the largest of its clients'.

Neighbours are those of zero-out: one patient's records are replaced by nothing, while how many patients each client has
is public and stays, and with it sampling rates, denominators, and what an answer weighs in the mean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.federated.client import Answer, Arrays
from medpriv.models.network import Network
from medpriv.privacy.accountant import epsilon, noise_for
from medpriv.privacy.noise import Draws
from medpriv.privacy.training import PrivateSchedule, train_private


@dataclass(frozen=True)
class PrivateClient:
    """How one client trains in a round, and what all its rounds together guarantee.

    Attributes:
        schedule: of one round.
        noise_multiplier: deviation of the noise over the clip norm.
        epsilon: what all rounds spend.
    """

    schedule: PrivateSchedule
    noise_multiplier: float
    epsilon: float


def private_client(patients: float, rounds: int, delta: float, settings: Mapping) -> PrivateClient:
    """Return how a client with so many patients trains, its noise as small as the guarantee allows.

    Args:
        patients: expected, known to all: the sampling rate derives from it.
        settings: `epsilon`, `clip`, `batch_size` (expected patients a step; None: all), `updates` (steps a round),
            `learning_rate`, `records_a_patient`.
    """
    rate = min(1.0, (settings["batch_size"] or patients) / patients)
    steps = settings["updates"] * rounds
    noise = noise_for(settings["epsilon"], delta, rate, steps, "federated.strategies.sample_dp.epsilon")
    schedule = PrivateSchedule(
        steps=settings["updates"],
        rate=rate,
        batch=rate * patients,
        clip=settings["clip"],
        deviation=noise * settings["clip"],
        learning_rate=settings["learning_rate"],
        contribution=settings["records_a_patient"],
    )
    return PrivateClient(schedule, noise, epsilon(noise, rate, steps, delta))


def respond_privately(
    network: Network,
    schedule: PrivateSchedule,
    message: Arrays,
    x: np.ndarray,
    y: np.ndarray,
    unit: np.ndarray,
    members: np.ndarray,
    sampling: Sequence[Draws],
    noise: Sequence[Draws],
) -> Answer:
    """Take a client's part of a round, privately.

    Args:
        message: name -> float32 [M, ...], from the server.
        x: float32 [N, *shape], the client's records, standardised.
        y: int64 [N].
        unit: int [N], the patient of each record, any numbers.
        members: bool [M, N], the records of each model; one without any takes its steps by noise alone, lest it tell
            so.
        sampling, noise: one generator a model.

    Returns:
        The answer; its `batches` hold, as one step, all records that steps were sampled from.
    """
    _, first, patient = np.unique(unit, return_index=True, return_inverse=True)
    taken = members[:, first]  # a patient is in or out with all records
    draws = {"sampling": sampling, "noise": noise}
    sent = train_private(network, x, y, patient, taken, schedule, initial=(), start=dict(message), **draws)
    return Answer(sent, {}, [np.flatnonzero(row).astype(np.int32)[None] for row in members])
