"""A federation of real processes on loopback, TLS and keys on, against the same federation in one process."""

import numpy as np
import pytest

pytest.importorskip("flwr", reason="Flower is not installed")

from medpriv.dataset import Dataset
from medpriv.federated.client import LocalSchedule
from medpriv.federated.rounds import Names, run
from medpriv.federated.server import build_strategy
from medpriv.flower import certificates
from medpriv.flower.deployment import open_federation
from medpriv.flower.job import Federated, Job, Local
from medpriv.flower.processes import Children, free_port
from medpriv.flower.server import agree, federate
from medpriv.models.catalogue import build_network
from medpriv.sources import heart
from medpriv.sources.acquire import acquire_raw

SITES = ("cleveland", "hungarian", "va")
RECIPE = {"hidden": [8]}
LOCAL = {"batch_size": 4, "learning_rate": 0.05, "updates": 6}
STRATEGIES = {
    "avg": {},
    "prox": {"mu": 0.1},
    "scaffold": {"server_rate": 1.0},
    "adam": {"server_rate": 0.1, "beta1": 0.9, "beta2": 0.99, "tau": 1e-3},
    "yogi": {"server_rate": 0.1, "beta1": 0.9, "beta2": 0.99, "tau": 1e-3},
    "cyclic": {},
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Dataset:
    """Simulated patients of three hospitals of unequal size."""
    folder = tmp_path_factory.mktemp("heart")
    patients = dict(zip(SITES, (60, 40, 30), strict=True))
    settings = {"source": "simulated", "simulated": {"patients": patients}}
    acquire_raw("heart", "heart", settings, 1, folder / "raw", folder / "scratch")
    return heart.parse("heart", folder / "raw", {"test_fraction": 0.3}, 1)


@pytest.fixture(scope="module")
def federation(dataset, tmp_path_factory):
    """The exchange with three hospitals, each a process with its own key and its own site of the data."""
    folder = tmp_path_factory.mktemp("federation")
    dataset.save(folder / "data")
    certificates.make_authority(folder / "tls")
    certificates.make_server_certificate(folder / "tls", ["localhost"])
    port = free_port()
    with Children() as children:
        hospitals = {}
        for name in SITES:
            key = certificates.make_hospital_key(folder / "keys", name)
            arguments = ["hospital", str(folder / "data"), "--site", name, "--server", f"localhost:{port}"]
            arguments += ["--authority", str(folder / "tls" / "authority.pem"), "--key", str(key)]
            arguments += ["--folder", str(folder / name), "--least-records", "8"]
            hospitals[name] = children.start(f"hospital-{name}", "medpriv.flower", arguments, folder)
        keys = {name: folder / "keys" / f"{name}.pub" for name in SITES}
        with open_federation(
            folder / "server", keys, certificates=folder / "tls", port=port, patience=60, deadline=30, least=2
        ) as exchange:
            exchange.children = hospitals
            exchange.folder = folder
            yield exchange


def job(strategy: str, rounds: int = 2, **changes) -> dict:
    """Return a job as plain values."""
    told = Federated(strategy=strategy, settings=STRATEGIES[strategy], rounds=rounds, local=Local(**LOCAL))
    named = dict.fromkeys(SITES, "")
    made = Job(dataset="heart", hospitals=named, recipe=RECIPE, standardise="each", federated=told, seed=3)
    return made.model_dump() | changes


def in_process(dataset: Dataset, strategy: str, rounds: int = 2) -> dict[str, np.ndarray]:
    """Return the parameters of the same federation in one process."""
    network = build_network("mlp", dataset.x.shape[1:], 2, RECIPE)
    names = Names(3, "heart", f"fed-{strategy}", (0,))
    built = build_strategy(strategy, STRATEGIES[strategy], network, network.initial(np.random.default_rng()))
    members = dataset.rows(0)[None]
    schedule = LocalSchedule(**LOCAL)
    x = dataset.standardised()
    return run(network, x, dataset.y, members, SITES, dataset.site, built, schedule, rounds, names).parameters


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_weights_equal_those_of_the_rounds_in_one_process(federation, dataset, strategy):
    told = job(strategy)
    found = federate(federation, told, agree(federation, told))
    expected = in_process(dataset, strategy)
    assert not federation.gone
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-6)
