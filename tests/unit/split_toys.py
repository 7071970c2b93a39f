"""Small problems for the tests of split learning: networks of every kind that can be cut, and two clients."""

import numpy as np
import torch

from medpriv.bank.stack import arranged
from medpriv.models.catalogue import build_network
from medpriv.models.network import Network
from medpriv.seeds import generator
from medpriv.split.topologies import Plan, Records

RECIPES = {
    "logistic": {},
    "mlp": {"hidden": [12, 8]},
    "cnn": {"patch": 4, "channels": [8, 8]},
    "cnn_gn": {"patch": 4, "channels": [8, 8]},
}
REPLICATES, EPOCHS, UPDATES, BATCH = 3, 3, 4, 16


def toy_network(model: str, classes: int = 2) -> Network:
    """Return a small network of the model."""
    shape = (2, 32) if model.startswith("cnn") else (6,)
    return build_network(model, shape, classes, RECIPES[model])


def toy_start(network: Network) -> dict[str, np.ndarray]:
    """Return first parameters of all replicates."""
    drawn = [network.initial(generator(0, "initial", k)) for k in range(REPLICATES)]
    return {name: np.stack([one[name] for one in drawn]) for name in drawn[0]}


def toy_records(network: Network, clients: int = 1, count: int = 120) -> tuple[Records, np.ndarray, np.ndarray]:
    """Return records whose first value tells the class, their x as it was, and members bool [K, N]."""
    rng = generator(0, "records")
    x = rng.normal(size=(count, *network.shape)).astype(np.float32)
    y = (x.reshape(count, -1)[:, 0] > 0).astype(np.int64)
    members = np.zeros((REPLICATES, count), bool)
    for row in members:
        row[rng.choice(count, 64, replace=False)] = True
    return Records(arranged(network, x), torch.from_numpy(y), np.arange(count) % clients), x, members


def toy_plan(**changes: object) -> Plan:
    """Return a short training."""
    usual = {"epochs": EPOCHS, "updates": UPDATES, "batch_size": BATCH, "learning_rate": 0.01}
    return Plan(**{**usual, "weight_decay": 0.01, "balance": 0.5, **changes})


def toy_order(clients: int = 1) -> list[list[np.random.Generator]]:
    """Return fresh generators of the batches, [K][C]."""
    return [[generator(0, "batches", k, c) for c in range(clients)] for k in range(REPLICATES)]
