"""A hospital's end: answers to the server's questions, out of records that never leave.

What leaves is what the functions below return: counts and feature names (`describe`), per-feature means and deviations
where the federation scales together (`moments`), a trained model (`train`), how well a model does on the hospital's own
test patients (`evaluate`), and in split learning activations and gradients (`medpriv.flower.split_client`). Whatever
the server asks beyond that, or about fewer records than the hospital allows, is refused.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from flwr.app import RecordDict
from torch import Tensor

from medpriv.bank import engine
from medpriv.bank.stack import arranged
from medpriv.dataset import TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.federated.client import ClientRule, LocalSchedule, order_generator, respond
from medpriv.files import write_json, write_tensors
from medpriv.flower.messages import pack, unpack
from medpriv.flower.runtime import Refusal
from medpriv.measures.roc import auc
from medpriv.models.catalogue import build_network
from medpriv.models.network import Network
from medpriv.privacy.noise import Draws, SecretGenerator

Settings = Mapping[str, Any]
Arrays = Mapping[str, np.ndarray]
Given = tuple[dict[str, Any], dict[str, np.ndarray]]  # an answer: settings and arrays

Handler = Callable[["ClientNode", Settings, Arrays], Given]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Holding:
    """A hospital's records.

    Attributes:
        x: float32 [N, F] or [N, leads, samples], in physical units.
        y: int64 [N].
        train: bool [N], the records of training patients; the others are for `evaluate`.
        patients: training patients.
        features, units, classes: names.
        centre, scale: float32 [F] or [leads, 1], of the hospital's own preprocessing.
    """

    x: np.ndarray
    y: np.ndarray
    train: np.ndarray
    patients: int
    features: tuple[str, ...]
    units: tuple[str, ...]
    classes: tuple[str, ...]
    centre: np.ndarray
    scale: np.ndarray


def read_holding(folder: Path | str, site: str | None = None) -> Holding:
    """Return the records of a preprocessed dataset's folder, or those of one of its sites.

    Raises:
        InputError: there is no dataset in the folder, or no such site.
    """
    folder = Path(folder)
    if not (folder / "dataset.json").is_file():
        raise InputError(
            "no preprocessed dataset", file=folder, remedy="name a folder with dataset.json and dataset.safetensors"
        )
    dataset = Dataset.load(folder)
    if site is not None and site not in dataset.sites:
        raise InputError(
            f"there is no site {site}", file=folder, place="sites", remedy=f"name one of {', '.join(dataset.sites)}"
        )
    rows = np.ones(len(dataset.y), bool) if site is None else dataset.site == dataset.sites.index(site)
    train = dataset.rows(TRAIN)[rows]
    return Holding(
        dataset.x[rows],
        dataset.y[rows],
        train,
        len(np.unique(dataset.patient[rows][train])),
        dataset.features,
        dataset.units,
        dataset.classes,
        dataset.centre,
        dataset.scale,
    )


@dataclass
class Session:
    """What a hospital holds for one run.

    Attributes:
        name: the hospital's name in the federation.
        network: the model that is trained.
        records: float32 [N, ...], training records, standardised and arranged.
        labels: int64 [N].
        test: float32 [T, ...], test records, standardised.
        test_labels: int64 [T].
        about: the model and what it reads, plain values that are saved beside it.
        kept: name -> [1, ...], what stays here from round to round (`medpriv.federated.client`).
        half: the hospital's part in split learning (`medpriv.flower.split_client.CutClient`).
        secure: its part in a round of secure aggregation (`medpriv.federated.secure.Participant`).
    """

    name: str
    network: Network
    records: Tensor
    labels: Tensor
    test: np.ndarray
    test_labels: np.ndarray
    about: dict[str, Any]
    kept: dict[str, np.ndarray] = field(default_factory=dict)
    half: Any = None
    secure: Any = None


class ClientNode:
    """Answers a server's questions.

    Args:
        holding: the hospital's records.
        least_records: no trained model or evaluation is given out that rests on fewer records.
        folder: for what the hospital is left with.
        handlers: what it answers, by name; see `medpriv.flower.handlers`.
    """

    def __init__(self, holding: Holding, least_records: int, folder: Path, handlers: Mapping[str, Handler]) -> None:
        self.holding, self.least_records, self.folder = holding, least_records, folder
        self._handlers = handlers
        self._run, self._session = 0, None

    @property
    def session(self) -> Session:
        """What the run has prepared."""
        if self._session is None:
            raise Refusal("this run has not been prepared here (was the hospital's command restarted?)")
        return self._session

    def prepare(self, session: Session) -> None:
        """Take up a run."""
        self._session = session

    def answer(self, run: int, content: RecordDict) -> RecordDict:
        """Return the answer to a message of a run; what another run left is forgotten."""
        if run != self._run:
            self._run, self._session = run, None
        settings, arrays = unpack(content)
        question = settings.get("question")
        if question not in self._handlers:
            raise Refusal(f"this hospital does not answer {question!r}")
        _LOG.info("asked: %s%s", question, f", round {settings['round'] + 1}" if "round" in settings else "")
        return pack(*self._handlers[question](self, settings, arrays))

    def check_amount(self, records: int, what: str) -> None:
        """Refuse to give out what rests on too few records."""
        if records < self.least_records:
            raise Refusal(f"{what} would rest on {records} records; this hospital asks for {self.least_records}")


def describe(node: ClientNode, settings: Settings, arrays: Arrays) -> Given:
    """Return what the features and classes are, and how many training records and patients there are of each class."""
    holding = node.holding
    counts = np.bincount(holding.y[holding.train], minlength=len(holding.classes))
    names = {name: list(getattr(holding, name)) for name in ("features", "units", "classes")}
    shape = list(holding.x.shape[1:])
    return {"shape": shape, "records": counts.tolist(), "patients": holding.patients, **names}, {}


def moments(node: ClientNode, settings: Settings, arrays: Arrays) -> Given:
    """Return the training records' count, and per feature, lead or channel the mean and the squared deviations' sum."""
    x = node.holding.x[node.holding.train].astype(np.float64)
    node.check_amount(len(x), "moments")
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    mean = x.mean(axes, keepdims=True)
    squares = ((x - mean) ** 2).sum(axes)
    return {"count": x.size // squares.size}, {"mean": mean.reshape(squares.shape), "squares": squares}


def prepare(node: ClientNode, settings: Settings, arrays: Arrays) -> Given:
    """Build the network and standardise the records; with the arrays given, or else the hospital's own."""
    holding = node.holding
    shape = holding.centre.shape
    centre = arrays["centre"].reshape(shape) if "centre" in arrays else holding.centre
    scale = arrays["scale"].reshape(shape) if "scale" in arrays else holding.scale
    x = ((holding.x - centre) / scale).astype(np.float32)
    network = build_network(settings["model"], x.shape[1:], len(holding.classes), settings["recipe"])
    train, test = holding.train, ~holding.train
    labels = torch.from_numpy(holding.y[train])
    about = {
        "model": settings["model"],
        "recipe": settings["recipe"],
        **{part: list(getattr(holding, part)) for part in ("features", "units", "classes")},
        "scaling": {"centre": centre.ravel().tolist(), "scale": scale.ravel().tolist()},
    }
    records = arranged(network, x[train])
    node.prepare(Session(settings["name"], network, records, labels, x[test], holding.y[test], about))
    return {}, {}


def train(node: ClientNode, settings: Settings, arrays: Arrays) -> Given:
    """Train the model that was sent on the hospital's records and return it, with how many records there are."""
    return {"records": len(node.session.labels)}, train_model(node, settings, arrays)


def train_model(node: ClientNode, settings: Settings, arrays: Arrays) -> dict[str, np.ndarray]:
    """Return the model that was sent, name -> float32 [1, ...], after a round's local steps."""
    session = node.session
    schedule = LocalSchedule(**settings["schedule"])
    count = len(session.labels)
    node.check_amount(min(count, schedule.count(count) * schedule.batch_size), "the model")
    rule = ClientRule(**settings["rule"] | {"keeps": frozenset(settings["rule"]["keeps"])})
    answer = respond(
        session.network,
        rule,
        arrays,
        session.kept,
        session.records,
        session.labels,
        np.ones((1, count), bool),
        schedule,
        [draw(settings, session.name, settings["round"])],
    )
    session.kept = answer.kept
    return answer.sent


def evaluate(node: ClientNode, settings: Settings, arrays: Arrays) -> Given:
    """Save the final model here; return its accuracy and, of two classes, AUC on the hospital's own test patients."""
    session = node.session
    parameters = {name: session.kept.get(name, value) for name, value in arrays.items()}
    save(node, "model", parameters)
    node.check_amount(len(session.test_labels), "the evaluation")
    logits = engine.logits(session.network, parameters, session.test)[0]
    right = float((logits.argmax(-1) == session.test_labels).mean())
    area = auc(logits[:, 1] - logits[:, 0], session.test_labels == 1) if logits.shape[1] == 2 else float("nan")
    return {"records": len(session.test_labels), "accuracy": right, "auc": None if np.isnan(area) else area}, {}


def save(node: ClientNode, name: str, parameters: Arrays) -> None:
    """Leave the hospital finished parameters, name -> [1, ...], and beside them what a model with them reads."""
    write_tensors(node.folder / f"{name}.safetensors", {part: value[0] for part, value in parameters.items()})
    write_json(node.folder / f"{name}.json", node.session.about)


def draw(settings: Settings, name: str, number: int) -> Draws:
    """Return the generator of a round's batches: by name from the run's seed, or secret if the run has none."""
    if settings["seed"] is None:
        return SecretGenerator()
    return order_generator(settings["seed"], settings["dataset"], settings["treatment"], 0, name, number)
