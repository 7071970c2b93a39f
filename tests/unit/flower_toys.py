"""Federations without the network: hospitals answer at once through a made-up grid; and the same in one process."""

from itertools import count
from pathlib import Path

import numpy as np
import torch
from flwr.app import Error, Message
from flwr.common.constant import ErrorCode
from flwr.supercore.task_identity import TaskIdentity
from made_up_datasets import put_together, with_changes

from medpriv.bank.batches import count_updates
from medpriv.bank.stack import arranged
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.federated.client import LocalSchedule
from medpriv.federated.rounds import Names, Outcome, run
from medpriv.federated.server import build_strategy
from medpriv.flower.exchange import Exchange
from medpriv.flower.handlers import HANDLERS
from medpriv.flower.hospital import ClientNode, read_holding
from medpriv.flower.job import Job
from medpriv.flower.runtime import Refusal
from medpriv.flower.server import chosen
from medpriv.models.catalogue import build_network
from medpriv.models.network import Network
from medpriv.seeds import generator
from medpriv.split.protocol import split_network
from medpriv.split.topologies import Plan, Records
from medpriv.split.topologies import run as run_split
from medpriv.treatments.split import defence_of

SITES = ("north", "south", "west")
SEED = 3
RECIPE = {"hidden": [8, 6]}
LOCAL = {"batch_size": 4, "learning_rate": 0.05, "updates": 6}


class Grid:
    """Stands in for Flower's grid: a message is answered when it is sent, by the desk of its node.

    Attributes:
        silent: nodes that never answer.
    """

    def __init__(self, desks: dict[int, ClientNode]) -> None:
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1
        self._desks, self._number, self._answers = desks, count(), {}
        self.silent: set[int] = set()

    def push_messages(self, messages: list[Message]) -> list[str]:
        numbers = []
        for message in messages:
            numbers.append(str(next(self._number)))
            message.metadata.__dict__["_message_id"] = numbers[-1]
            node = message.metadata.dst_node_id
            if node not in self.silent:
                self._answers[numbers[-1]] = self._answer(self._desks[node], message)
        return numbers

    def pull_messages(self, numbers: list[str]) -> list[Message]:
        return [self._answers.pop(number) for number in numbers if number in self._answers]

    def _answer(self, desk: ClientNode, message: Message) -> Message:
        try:
            return Message(desk.answer(1, message.content), reply_to=message)
        except Exception as error:  # what a hospital says of its failures, see `medpriv.flower.runtime.answer_next`
            reason = str(error) if isinstance(error, Refusal) else "it failed"
            return Message(Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, reason), reply_to=message)


def made_up_dataset(sizes: tuple[int, ...] = (40, 30, 20)) -> Dataset:
    """Return records of three hospitals, of two classes that the first feature tells apart; one record a patient."""
    rng = generator(0, "hospitals")
    records = sum(sizes)
    y = rng.integers(2, size=records)
    x = (rng.normal(size=(records, 5)) * [1, 2, 3, 4, 5] + [5, 4, 3, 2, 1]).astype(np.float32)
    x[:, 0] += 2 * y
    split = np.where(np.arange(records) % 4 == 3, TEST, TRAIN).astype(np.uint8)
    train = split == TRAIN
    return put_together(
        name="toy",
        x=x,
        y=y,
        patient=np.arange(records, dtype=np.int32),
        site=np.repeat(np.arange(3, dtype=np.int32), sizes),
        split=split,
        centre=x[train].mean(0),
        scale=x[train].std(0),
        patients=tuple(f"p{index}" for index in range(records)),
        sites=SITES,
        classes=("no", "yes"),
        features=tuple("abcde"),
        units=("mg/l",) * 5,
        licence="none",
        source="simulated",
        digest="0" * 64,
    )


def made_up_signals() -> Dataset:
    """Return the same hospitals' records as signals of two leads, the class in the first of them."""
    table = made_up_dataset()
    rng = generator(0, "signals")
    x = rng.normal(size=(len(table.y), 2, 32)).astype(np.float32)
    x[np.arange(len(table.y)), 0, 8 * table.y] += 5
    train = table.split == TRAIN
    scaling = {"centre": x[train].mean((0, 2))[:, None], "scale": x[train].std((0, 2))[:, None]}
    return with_changes(table, x=x, features=("I", "II"), units=("mV", "mV"), sampling_rate=100.0, **scaling)


def made_up_federation(folder: Path, dataset: Dataset, least_records: int = 4, **changes) -> Exchange:
    """Return the exchange with three hospitals that answer at once, each out of its site of the dataset."""
    dataset.save(folder / "data")
    desks = {
        node: ClientNode(read_holding(folder / "data", name), least_records, folder / name, HANDLERS)
        for node, name in enumerate(SITES, 1)
    }
    nodes = {name: node for node, name in enumerate(SITES, 1)}
    return Exchange(Grid(desks), nodes, **{"deadline": 0.05, "least": 2} | changes)


def federated_job(strategy: dict, rounds: int = 3, **changes) -> dict:
    """Return a job of federated learning as plain values."""
    return made_up_job(federated={"strategy": strategy, "rounds": rounds, "local": LOCAL}, **changes)


def split_job(variant: str, **changes) -> dict:
    """Return a job of split learning as plain values."""
    shape = {"variant": variant, "cut": 1, "epochs": 2, "batch_size": 16, "learning_rate": 0.05, "balance": 0.5}
    return made_up_job(split=shape | changes)


def made_up_job(**told) -> dict:
    """Return a job of the toy's hospitals as plain values."""
    given = {"dataset": "toy", "hospitals": dict.fromkeys(SITES, ""), "recipe": RECIPE} | told
    return Job(**{"standardise": "each", "seed": SEED} | given).model_dump()


def rounds_in_process(dataset: Dataset, job: dict) -> Outcome:
    """Return what the job's federation ends with in one process, on all training records."""
    name, settings = chosen(job)
    network = network_of(dataset, job)
    return run(
        network,
        dataset.standardised(),
        dataset.y,
        dataset.rows(TRAIN)[None],
        dataset.sites,
        dataset.site,
        build_strategy(name, settings, network, network.initial(np.random.default_rng())),
        LocalSchedule(**job["federated"]["local"]),
        job["federated"]["rounds"],
        Names(job["seed"], job["dataset"], f"fed-{name}", (0,)),
    )


def split_in_process(dataset: Dataset, job: dict) -> dict[str, np.ndarray]:
    """Return the whole network's parameters after the job's split learning in one process, on all training records."""
    told, network, rows = job["split"], network_of(dataset, job), dataset.rows(TRAIN)

    def draw(*purpose: str) -> np.random.Generator:
        return generator(job["seed"], job["dataset"], f"split-{told['variant']}-cut{told['cut']}", 0, *purpose)

    shared = {name: told[name] for name in ("epochs", "batch_size", "learning_rate", "weight_decay", "balance")}
    return run_split(
        split_network(network, told["cut"], told["variant"] == "ushaped"),
        {name: value[None] for name, value in network.initial(draw("initial")).items()},
        Records(arranged(network, dataset.standardised()), torch.from_numpy(dataset.y), dataset.site),
        rows[None],
        Plan(updates=count_updates(int(rows.sum()), 1, told["batch_size"]), **shared),
        [[draw("batches", name) for name in dataset.sites]],
        defence=defence_of(told["variant"], told["settings"]),
    )


def network_of(dataset: Dataset, job: dict) -> Network:
    """Return the job's network."""
    return build_network(job["model"], dataset.x.shape[1:], len(dataset.classes), job["recipe"])


def assert_equal_weights(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """Hold two models to 1e-6, the names to each other."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-6)
