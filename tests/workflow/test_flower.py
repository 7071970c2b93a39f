"""A federation of real processes on loopback, TLS and keys on, against the same federation in one process."""

import numpy as np
import pytest
import torch

pytest.importorskip("flwr", reason="Flower is not installed")

from medpriv.bank.batches import count_updates
from medpriv.bank.stack import arranged
from medpriv.dataset import Dataset
from medpriv.federated.client import LocalSchedule
from medpriv.federated.rounds import Names, run
from medpriv.federated.server import build_strategy
from medpriv.files import read_tensors
from medpriv.flower import certificates
from medpriv.flower.deployment import open_federation
from medpriv.flower.job import Federated, Job, Local, Split
from medpriv.flower.processes import Children, free_port
from medpriv.flower.server import agree, federate
from medpriv.flower.turns import learn_split
from medpriv.models.catalogue import build_network
from medpriv.seeds import generator
from medpriv.sources import heart
from medpriv.sources.acquire import acquire_raw
from medpriv.split.protocol import split_network
from medpriv.split.topologies import Plan, Records
from medpriv.split.topologies import run as run_split
from medpriv.treatments.split import defence_of

SITES = ("cleveland", "hungarian", "va")
RECIPE = {"hidden": [8, 6]}
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


@pytest.mark.parametrize("variant", ["vanilla", "ushaped"])
def test_split_learning_equals_the_one_in_one_process(federation, dataset, variant):
    told = split_job(variant, reveal=True)
    found = learn_split(federation, told, agree(federation, told))
    expected = split_in_process(dataset, told["split"])
    assert not federation.gone and found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-6)


def test_hospitals_layers_stay_with_them_unless_revealed(federation, dataset):
    told = split_job("nopeek", settings={"strength": 1.0})
    found = learn_split(federation, told, agree(federation, told))
    expected = split_in_process(dataset, told["split"])
    saved = [read_tensors(federation.folder / name / "layers.safetensors") for name in SITES]
    assert found.keys() | saved[0].keys() == expected.keys() and not found.keys() & saved[0].keys()
    for name, value in expected.items():
        for one in [found] if name in found else [{name: each[name][None]} for each in saved]:
            np.testing.assert_allclose(one[name], value, rtol=0, atol=1e-6)


def split_job(variant: str, **changes) -> dict:
    """Return a job of two epochs of few, large batches."""
    shape = {"variant": variant, "cut": 1, "epochs": 1, "batch_size": 24, "learning_rate": 0.05} | changes
    made = Job(dataset="heart", hospitals=dict.fromkeys(SITES, ""), recipe=RECIPE, standardise="each", seed=3)
    return made.model_dump() | {"split": Split(**shape).model_dump()}


def split_in_process(dataset: Dataset, told: dict) -> dict[str, np.ndarray]:
    """Return the whole network's parameters after the same split learning in one process."""
    network = build_network("mlp", dataset.x.shape[1:], 2, RECIPE)
    treatment, rows = f"split-{told['variant']}-cut1", dataset.rows(0)
    start = {
        name: value[None] for name, value in network.initial(generator(3, "heart", treatment, 0, "initial")).items()
    }
    shared = {name: told[name] for name in ("epochs", "batch_size", "learning_rate", "weight_decay", "balance")}
    return run_split(
        split_network(network, 1, told["variant"] == "ushaped"),
        start,
        Records(arranged(network, dataset.standardised()), torch.from_numpy(dataset.y), dataset.site),
        rows[None],
        Plan(updates=count_updates(int(rows.sum()), 1, told["batch_size"]), **shared),
        [[generator(3, "heart", treatment, 0, "batches", name) for name in SITES]],
        defence=defence_of(told["variant"], told["settings"]),
    )
