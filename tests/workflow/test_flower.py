"""A federation of real processes on loopback, TLS and keys on, held to the same federation in one process.

Three hospitals are started once, as `python -m medpriv.flower hospital`; the tests ask them one thing after another,
and the last ones kill one of them in the middle of a round, and the SuperLink. That every strategy and variant gives
the same weights over messages is held by tests/unit/test_flower_rounds.py and test_flower_split.py, without processes.
"""

import os
import signal
import ssl
import subprocess
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch

pytest.importorskip("flwr", reason="Flower is not installed")

from medpriv.bank.batches import count_updates
from medpriv.bank.stack import arranged
from medpriv.dataset import TRAIN, Dataset
from medpriv.federated.client import ClientRule, LocalSchedule, order_generator, respond
from medpriv.federated.messages import size_of
from medpriv.federated.rounds import Names, run
from medpriv.federated.server import build_strategy
from medpriv.flower import certificates
from medpriv.flower.deployment import open_federation
from medpriv.flower.job import Job
from medpriv.flower.processes import Children, free_port
from medpriv.flower.server import agree, chosen, federate
from medpriv.flower.split_server import learn_split
from medpriv.models.catalogue import build_network
from medpriv.models.network import Network
from medpriv.seeds import generator
from medpriv.sources import heart
from medpriv.sources.acquire import acquire_raw
from medpriv.split.protocol import split_network
from medpriv.split.topologies import Plan, Records
from medpriv.split.topologies import run as run_split

SITES = ("cleveland", "hungarian", "va")
RECIPE = {"hidden": [8, 6]}
LOCAL = {"batch_size": 4, "learning_rate": 0.05, "updates": 6}
SEED = 3


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Dataset:
    """Simulated patients of three hospitals of unequal size."""
    folder = tmp_path_factory.mktemp("heart")
    patients = dict(zip(SITES, (60, 40, 30), strict=True))
    settings = {"source": "simulated", "simulated": {"patients": patients}}
    acquire_raw("heart", "heart", settings, 1, folder / "raw", folder / "scratch")
    return heart.parse("heart", folder / "raw", {"test_fraction": 0.3}, 1)


@pytest.fixture(scope="module")
def files(dataset, tmp_path_factory) -> Path:
    """A folder with the data, the server's certificate and the hospitals' keys."""
    folder = tmp_path_factory.mktemp("federation")
    dataset.save(folder / "data")
    certificates.make_authority(folder / "certificates")
    certificates.make_server_certificate(folder / "certificates", ["localhost"])
    for name in (*SITES, "stranger"):
        certificates.make_hospital_key(folder / "keys", name)
    return folder


@pytest.fixture(scope="module")
def port() -> int:
    """The server's port."""
    return free_port()


@pytest.fixture(scope="module")
def hospitals(files, port) -> dict:
    """The hospitals' processes; a fourth one, of a stranger, has a key that the server does not know."""
    with Children() as children:
        yield {name: start_hospital(children, files, port, name) for name in (*SITES, "stranger")}


@pytest.fixture(scope="module")
def federation(files, port, hospitals):
    """The server's exchange with the three hospitals."""
    keys = {name: files / "keys" / f"{name}.pub" for name in SITES}
    told = {"certificates": files / "certificates", "port": port, "patience": 90, "deadline": 40, "least": 2}
    with open_federation(files / "server", keys, **told) as exchange:
        yield exchange


def start_hospital(children: Children, files: Path, port: int, name: str):
    """Start a hospital as its administrator would."""
    site = "va" if name == "stranger" else name
    arguments = ["hospital", str(files / "data"), "--site", site, "--server", f"localhost:{port}"]
    arguments += ["--authority", str(files / "certificates" / "authority.pem"), "--least-records", "8"]
    arguments += ["--key", str(files / "keys" / f"{name}.key"), "--folder", str(files / name)]
    return children.start(f"hospital-{name}", "medpriv.flower", arguments, files)


def job_of(**told) -> dict:
    """Return a job as plain values."""
    given = {"dataset": "heart", "hospitals": dict.fromkeys(SITES, ""), "recipe": RECIPE}
    return Job(**given, **told, standardise="each", seed=SEED).model_dump()


def federated_job(strategy: str, rounds: int = 2) -> dict:
    """Return a job of federated learning as plain values."""
    return job_of(federated={"strategy": {strategy: {}}, "rounds": rounds, "local": LOCAL})


def network_of(dataset: Dataset) -> Network:
    """Return the network of every job."""
    return build_network("mlp", dataset.x.shape[1:], 2, RECIPE)


def assert_equal_weights(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """Hold two models to 1e-6."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-6)


def test_who_has_no_key_that_the_server_knows_stays_outside(federation, files, hospitals):
    log = hospitals["stranger"].log
    hospitals["stranger"].wait_until(lambda: "It is started again" in log.read_text(), 60, "be turned away")
    assert "Failed to activate SuperNode" in log.read_text()
    assert "Failed to activate" in (files / "stranger" / "supernode.log").read_text()
    assert "SuperNode ID" not in (files / "stranger" / "supernode.log").read_text()
    assert "SuperNode ID" in (files / "va" / "supernode.log").read_text()
    hospitals["stranger"].kill()  # it would try again and again beside the other tests


@pytest.mark.parametrize(("strategy", "rounds"), [("avg", 2), ("scaffold", 2), ("secure", 1)])
def test_weights_equal_those_of_the_rounds_in_one_process(federation, dataset, strategy, rounds):
    job = federated_job(strategy, rounds)
    found = federate(federation, job, agree(federation, job))
    network = network_of(dataset)
    expected = run(
        network,
        dataset.standardised(),
        dataset.y,
        dataset.rows(TRAIN)[None],
        SITES,
        dataset.site,
        build_strategy(*chosen(job), network, network.initial(np.random.default_rng())),
        LocalSchedule(**LOCAL),
        rounds,
        Names(SEED, "heart", f"fed-{strategy}", (0,)),
    )
    assert not federation.gone
    assert_equal_weights(found, expected.parameters)
    if strategy == "avg":
        assert_messages_have_little_around_them(federation, size_of(found))


def assert_messages_have_little_around_them(federation, model: int) -> None:
    """Hold the last messages' bytes to those of the model, which the costs state."""
    for name in SITES:
        assert model < federation.bytes_up[name][-1] < model + 1200
        assert model < federation.bytes_down[name][-1] < model + 1500


def test_split_learning_equals_the_one_in_one_process(federation, dataset):
    shape = {"variant": "ushaped", "cut": 1, "epochs": 1, "batch_size": 32, "learning_rate": 0.05, "reveal": True}
    job = job_of(split=shape)
    found = learn_split(federation, job, agree(federation, job))
    told, network, rows = job["split"], network_of(dataset), dataset.rows(TRAIN)

    def draw(*purpose: str) -> np.random.Generator:
        return generator(SEED, "heart", "split-ushaped-cut1", 0, *purpose)

    shared = {name: told[name] for name in ("epochs", "batch_size", "learning_rate", "weight_decay", "balance")}
    expected = run_split(
        split_network(network, 1, keep_head=True),
        {name: value[None] for name, value in network.initial(draw("initial")).items()},
        Records(arranged(network, dataset.standardised()), torch.from_numpy(dataset.y), dataset.site),
        rows[None],
        Plan(updates=count_updates(int(rows.sum()), 1, 32), **shared),
        [[draw("batches", name) for name in SITES]],
    )
    assert not federation.gone
    assert_equal_weights(found, expected)


def test_control_and_runtime_are_shut_to_other_machines(federation, files, port):
    """Uvicorn takes the word of a proxy on this machine for who asks: so another machine can be played here."""
    context = ssl.create_default_context(cafile=files / "certificates" / "authority.pem")
    with httpx.Client(verify=context, base_url=f"https://localhost:{port}") as client:
        for path in ("/v1/control/start-run", "/v1/control/register-node", "/v1/runtime/acquire-task", "/docs"):
            assert client.post(path, headers={"X-Forwarded-For": "192.0.2.9"}).status_code == 403
            assert client.post(path).status_code != 403
        assert client.post("/v1/fleet/pull-messages", headers={"X-Forwarded-For": "192.0.2.9"}).status_code != 403


def test_no_private_key_is_in_a_log_or_on_a_command_line(federation, files, hospitals):
    keys = [*files.glob("keys/*.key"), *files.glob("certificates/*.key"), *files.glob("*/secret")]
    secrets = {line for key in keys for line in key.read_text().splitlines() if line and "-----" not in line}
    said = "".join(log.read_text(errors="replace") for log in files.rglob("*.log"))
    said += subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert len(secrets) > 8 and str(files / "keys" / "va.key") in said  # paths are, contents are not
    assert not [secret for secret in secrets if secret in said]


def test_killing_a_supernode_in_the_middle_of_a_round_ends_neither_hanging_nor_wrong(
    federation, dataset, files, hospitals
):
    job = federated_job("avg", rounds=3)
    common = agree(federation, job)
    federation.deadline = 8.0
    log, killer = files / "va" / "supernode.log", []

    def kill_while_it_answers(number: int, parameters: dict) -> None:
        if number == 0:
            received = log.read_text().count("Received successfully")
            os.kill(hospitals["va"].process.pid, signal.SIGSTOP)  # it will not answer before its SuperNode is dead
            killer.append(threading.Thread(target=kill_when_received, args=(received,)))
            killer[0].start()

    def kill_when_received(before: int) -> None:
        while log.read_text().count("Received successfully") == before:
            time.sleep(0.05)
        os.kill(int(children_of(hospitals["va"].process.pid)[0]), signal.SIGKILL)
        os.kill(hospitals["va"].process.pid, signal.SIGCONT)

    before = count_questions(federation)
    found = federate(federation, job, common, kill_while_it_answers)
    killer[0].join()
    asked = {name: number - before[name] for name, number in count_questions(federation).items()}
    assert asked == {"cleveland": 3, "hungarian": 3, "va": 2}  # who is dead is waited for once
    assert federation.gone == {"va": "did not answer train within 8 s"}
    assert_equal_weights(found, rounds_without(dataset, [SITES, SITES[:2], SITES[:2]]))
    assert "supernode ended with exit code -9" in hospitals["va"].log.read_text()
    assert hospitals["va"].process.poll() is None  # it starts another SuperNode, for the next run


def test_a_supernode_does_not_outlive_the_hospitals_command(federation, hospitals):
    (supernode,) = children_of(hospitals["hungarian"].process.pid)
    hospitals["hungarian"].kill()
    deadline = time.monotonic() + 20
    while is_running(supernode) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_running(supernode)


def test_a_superlink_that_ends_ends_the_run_at_once(federation):
    """Flower itself would try for ever to reach it."""
    (superlink,) = [pid for pid in children_of(os.getpid()) if "medpriv.flower.launch superlink" in command_of(pid)]
    retries = federation.grid._retry_invoker
    hopeless, failed = retries.should_giveup, []
    retries.should_giveup = lambda error: failed.append(error) or hopeless(error)
    os.kill(int(superlink), signal.SIGKILL)
    with pytest.raises(httpx.TransportError):
        federation.ask("describe", {}, to=["cleveland"])
    assert 1 <= len(failed) <= 2  # the second, if the process was not gone yet when its port was


def count_questions(federation) -> dict[str, int]:
    """Return how many questions each hospital was sent."""
    return {name: len(sizes) for name, sizes in federation.bytes_down.items()}


def command_of(pid: str) -> str:
    """Return a process's command line."""
    return subprocess.run(["ps", "-ww", "-o", "args=", "-p", pid], capture_output=True, text=True).stdout


def is_running(pid: str) -> bool:
    """Return whether a process runs; one that has ended and that nobody has taken notice of does not."""
    said = subprocess.run(["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True).stdout
    return bool(said) and not said.startswith("Z")


def children_of(pid: int) -> list[str]:
    """Return the process numbers of a process's children."""
    said = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=True)
    return said.stdout.split()


def rounds_without(dataset: Dataset, present: list[tuple[str, ...]]) -> dict[str, np.ndarray]:
    """Return FedAvg's parameters where each round has its own hospitals, written out."""
    network = network_of(dataset)
    drawn = network.initial(generator(SEED, "heart", "fed-avg", 0, "initial"))
    parameters = {name: value[None] for name, value in drawn.items()}
    records, labels = arranged(network, dataset.standardised()), torch.from_numpy(dataset.y)
    for number, sites in enumerate(present):
        answers, weights = [], []
        for site in sites:
            own = dataset.rows(TRAIN) & (dataset.site == SITES.index(site))
            order = [order_generator(SEED, "heart", "fed-avg", 0, site, number)]
            schedule = LocalSchedule(**LOCAL)
            answers.append(
                respond(network, ClientRule(), parameters, {}, records, labels, own[None], schedule, order).sent
            )
            weights.append(own.sum())
        shares = np.array(weights) / sum(weights)
        parameters = {
            name: sum(share * answer[name] for share, answer in zip(shares, answers, strict=True)).astype(np.float32)
            for name in parameters
        }
    return parameters
