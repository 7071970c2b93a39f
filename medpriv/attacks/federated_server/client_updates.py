"""The updates that gradient inversion is tried on: some records of training patients, one client's update each.

A client takes some steps of gradient descent, full ones on its batch or, in a whole round, each on a part of its
records; the server divides the change by learning rate and steps and takes the quotient for a gradient of all records,
which is exact for one step. Under DP-SGD each record's gradient is clipped
and noise added to the sum, as `medpriv.privacy` does; under secure aggregation the server has the mean of several
clients' updates, and the batch it must explain is all of theirs.
"""

from dataclasses import dataclass

import numpy as np
import torch

from medpriv.attacks.federated_server.inversion import ObservedGradients, gradients_of, soft_labels
from medpriv.dataset import Dataset
from medpriv.models.network import Network


@dataclass(frozen=True)
class Protection:
    """What stands between a client and the server: nothing by default.

    Attributes:
        clip, deviation: of DP-SGD: the bound of a record's gradient, and the noise's standard deviation on the sum.
        clients: how many updates secure aggregation adds up.
    """

    clip: float = float("inf")
    deviation: float = 0.0
    clients: int = 1


NOTHING = Protection()


@dataclass(frozen=True)
class ClientUpdate:
    """R updates: what the server gets of them, and what is behind it.

    Attributes:
        x: float32 [R, B, F], standardised, of the one client that is asked for.
        labels: int64 [R, B x clients], of all records behind the update; the client's own come first.
        rows: int [R, B], the client's records in the dataset.
    """

    observed: ObservedGradients
    x: np.ndarray
    labels: np.ndarray
    rows: np.ndarray


def simulate_updates(
    dataset: Dataset,
    network: Network,
    parameters: dict[str, np.ndarray],
    rows: np.ndarray,
    steps: int,
    part: int,
    learning_rate: float,
    protection: Protection,
    rng: np.random.Generator,
) -> ClientUpdate:
    """Return what the server gets of R clients, each with its own copy of the network.

    Args:
        parameters: parameter name -> float32 [R, ...], what the server sent out.
        rows: int [R, clients, B], the records of each client behind an update.
        steps, learning_rate: of each client's gradient descent.
        part: records a step, taken one part after another; B: every step is on all of them.
        rng: of the noise.
    """
    problems, clients, batch = rows.shape
    x, classes = dataset.standardised(), len(dataset.classes)
    total = {name: torch.zeros(value.shape) for name, value in parameters.items()}
    for client in range(clients):
        records = torch.from_numpy(x[rows[:, client]])
        labels = soft_labels(dataset.y[rows[:, client]], classes)
        now = {name: torch.from_numpy(value) for name, value in parameters.items()}
        for step in range(steps):
            chosen = torch.arange(step * part, (step + 1) * part) % batch
            slopes = _protected(network, now, records[:, chosen], labels[:, chosen], protection, rng)
            now = {name: value - learning_rate * slopes[name] for name, value in now.items()}
        for name, value in parameters.items():
            total[name] += (torch.from_numpy(value) - now[name]) / (learning_rate * steps * clients)
    gradients = {name: value.numpy() for name, value in total.items()}
    behind = dataset.y[rows].reshape(problems, clients * batch)
    return ClientUpdate(
        ObservedGradients(network, parameters, gradients, clients * batch), x[rows[:, 0]], behind, rows[:, 0]
    )


def _protected(
    network: Network,
    parameters: dict[str, torch.Tensor],
    x: torch.Tensor,
    labels: torch.Tensor,
    protection: Protection,
    rng: np.random.Generator,
) -> dict[str, torch.Tensor]:
    """Return the mean gradient [R, ...] of each client's records, clipped one by one and noised where asked."""
    if protection.clip == float("inf"):
        return gradients_of(network, parameters, x, labels)
    problems, batch = x.shape[:2]
    single = {name: value.repeat_interleave(batch, 0) for name, value in parameters.items()}
    each = gradients_of(network, single, x.flatten(0, 1).unsqueeze(1), labels.flatten(0, 1).unsqueeze(1))
    norm = torch.sqrt(sum((value.flatten(1) ** 2).sum(1) for value in each.values()))
    share = torch.clamp(protection.clip / norm.clamp_min(1e-12), max=1)
    found = {}
    for name, value in each.items():
        clipped = (value * share.view(-1, *[1] * (value.dim() - 1))).unflatten(0, (problems, batch)).sum(1)
        noise = torch.from_numpy(rng.standard_normal(clipped.shape).astype(np.float32))
        found[name] = (clipped + protection.deviation * noise) / batch
    return found
