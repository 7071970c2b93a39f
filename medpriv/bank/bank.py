"""The bank on disk and in memory: K models of one treatment, what they say, and whose records each was trained on.

A bank folder holds `bank.json` (what was trained, on what, how), `bank.safetensors` (weights stacked along a leading
axis K, `members`, and what the treatment leaves for its audits), and what the models say in the file of its kind
(`medpriv.bank.outputs`): for classifiers `predictions.safetensors`, all that most audits need.
Training lives in `medpriv.bank.engine`, joining shards in `medpriv.bank.gather`.

A derived bank holds R models, each made from one replicate of another bank for one patient. A personalised model is a
replicate fine-tuned to a patient whom it had not seen. An unlearned model is a replicate (or a personalised model) that
should have forgotten some records of a patient. Only weights are kept of them: predictions of so many models on every
record would be gigabytes, and the engine recomputes what an audit needs in seconds.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from medpriv.bank.draw import Draw
from medpriv.bank.outputs import KINDS, Outputs, Predictions, kind_of
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset
from medpriv.errors import InputError
from medpriv.files import read_json, read_tensors, write_json, write_tensors

# What can be done with a bank's models.
QUERY = "query"  # new records are judged by the weights just as those of the dataset were
GRADIENTS = "gradients"  # the loss can be differentiated by records and weights
SAMPLE = "sample"  # records can be drawn
TOKEN_SCORES = "token_scores"  # a text's tokens have log-probabilities
ABILITIES = (QUERY, GRADIENTS, SAMPLE, TOKEN_SCORES)


@dataclass(frozen=True)
class About:
    """What a bank says of itself.

    Attributes:
        dataset: its name.
        spec: how the models were made.
        replicates: the K replicate numbers held (a shard holds some of them); of a derived bank 0 to R - 1.
        patients: of the P patients that `members` speaks of, the digest of their names (`Cohort.patients_digest`): the
            names stay beside the dataset, since a bank may leave the machine.
        costs: of one model on average, machine-independent: `updates` (optimiser steps), `flops`, `parameters`, and
            what else the treatment counts (`bytes_up`, `passes`, ...).
        abilities: what can be done with the models, some of `ABILITIES`.
        metadata: what the treatment says of itself, in plain JSON values (a privacy guarantee, who the clients were).
    """

    dataset: str
    spec: TrainingSpec
    replicates: tuple[int, ...]
    patients: str
    costs: Mapping[str, float]
    abilities: frozenset[str] = frozenset()
    metadata: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        spec: TrainingSpec,
        draw: Draw,
        costs: Mapping[str, float],
        abilities: Collection[str],
        metadata: Mapping[str, object] | None = None,
    ) -> "About":
        """Return what a bank of the replicates drawn says of itself."""
        numbers = tuple(int(replicate) for replicate in draw.replicates)
        digest = dataset.cohort.patients_digest
        return cls(dataset.name, spec, numbers, digest, costs, frozenset(abilities), metadata or {})

    @property
    def file(self) -> str:
        """The bank, as errors name it."""
        return f"bank {self.dataset}/{self.spec.name}"


@dataclass(frozen=True)
class Derivation:
    """What the R models of a derived bank were made from.

    Attributes:
        origin: int64 [R], the replicate number that each was derived from.
        patient: int64 [R], for whom: an index into the dataset's patients.
        records: bool [R, N], the records of that patient that were adapted to, or that were to be forgotten.
    """

    origin: np.ndarray
    patient: np.ndarray
    records: np.ndarray

    def __len__(self) -> int:
        """Return R."""
        return len(self.origin)

    def take(self, models: np.ndarray | list[int]) -> "Derivation":
        """Return that of some of the models."""
        return Derivation(self.origin[models], self.patient[models], self.records[models])


@dataclass(frozen=True)
class Bank:
    """K models of one treatment.

    Attributes:
        about: names, settings, costs.
        members: bool [K, P], whose records each replicate was trained on; of a derived bank [R, P], the replicates'
            that the models were derived from.
        weights: name -> [K, ...]; None where none are kept.
        outputs: what the models say; None for derived banks.
        derived_from: what a derived bank's models were made from, else None.
        audit_arrays: name -> [K, ...], further arrays that the treatment leaves for its audits.
    """

    about: About
    members: np.ndarray
    weights: dict[str, np.ndarray] | None
    outputs: Outputs | None
    derived_from: Derivation | None = None
    audit_arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return K."""
        return len(self.members)

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        return self.about.dataset

    @property
    def spec(self) -> TrainingSpec:
        """How the models were made."""
        return self.about.spec

    @property
    def treatment(self) -> str:
        """The treatment's name."""
        return self.spec.name

    @property
    def model(self) -> str:
        """The model's name."""
        return self.spec.model

    @property
    def replicates(self) -> np.ndarray:
        """The replicate numbers, int64 [K]."""
        return np.array(self.about.replicates, np.int64)

    @property
    def costs(self) -> Mapping[str, float]:
        """What one model cost."""
        return self.about.costs

    @property
    def metadata(self) -> Mapping[str, object]:
        """What the treatment says of itself."""
        return self.about.metadata

    @property
    def logits(self) -> np.ndarray:
        """Classifiers' logits, float32 [K, N, C], of every replicate on every record of the dataset.

        Raises:
            InputError: the bank holds no predictions.
        """
        if not isinstance(self.outputs, Predictions):
            raise InputError(
                f"predictions are asked for, but its outputs are {kind_of(self.outputs) or 'not kept'}",
                file=self.about.file,
                remedy="attack banks of classifiers so",
            )
        return self.outputs.logits

    def can(self, ability: str) -> bool:
        """Return whether the models have one of `ABILITIES`."""
        return ability in self.about.abilities

    def check(self, dataset: Dataset) -> None:
        """Refuse a dataset other than the one that the models were made from."""
        counts = [self.outputs.records] if self.outputs is not None else []
        counts += [self.derived_from.records.shape[1]] if self.derived_from is not None else []
        if self.about.patients != dataset.cohort.patients_digest or any(
            count not in (None, len(dataset.cohort)) for count in counts
        ):
            raise InputError(
                f"the bank {self.treatment} was trained on another version of {dataset.name}",
                file=self.about.file,
                remedy="rerun the workflow so that the bank is trained again",
            )

    def record_members(self, dataset: Dataset) -> np.ndarray:
        """Return bool [K, N]: which records each replicate was trained on; refuse a bank of another dataset."""
        self.check(dataset)
        return self.members[:, dataset.patient]

    def save(self, folder: Path | str) -> None:
        """Write the bank's files into the folder.

        Raises:
            ValueError: its parts are not all of K models.
        """
        folder, tensors = Path(folder), self._tensors()
        if self._sizes(tensors) != {len(self.about.replicates)}:
            raise ValueError(f"{self.about.file}: parts of {sorted(self._sizes(tensors))} models")
        write_tensors(folder / "bank.safetensors", tensors)
        if self.outputs is not None:
            write_tensors(folder / self.outputs.file, self.outputs.tensors())
        write_about(folder, self.about, kind_of(self.outputs), self.derived_from)

    @classmethod
    def load(cls, folder: Path | str) -> "Bank":
        """Read a bank back from its folder.

        Raises:
            InputError: its files don't belong together.
        """
        folder = Path(folder)
        about, kind, records = read_about(folder)
        tensors = read_tensors(folder / "bank.safetensors")
        outputs = None if kind is None else KINDS[kind].of_tensors(read_tensors(folder / KINDS[kind].file))
        derived_from = None
        if records is not None:
            unpacked = np.unpackbits(tensors["records"], axis=1, count=records).astype(bool)
            derived_from = Derivation(tensors["origin"], tensors["patient"], unpacked)
        bank = cls(
            about,
            tensors["members"].astype(bool),
            _under("weights.", tensors) or None,
            outputs,
            derived_from,
            _under("audit_arrays.", tensors),
        )
        if bank._sizes(tensors) != {len(about.replicates)}:
            raise InputError(
                f"its files hold {sorted(bank._sizes(tensors))} models where bank.json names {len(about.replicates)}",
                file=folder,
                remedy="rerun the workflow so that the bank is made again",
            )
        return bank

    def _tensors(self) -> dict[str, np.ndarray]:
        """Return what `bank.safetensors` holds, by name; the request's records bit by bit."""
        tensors = {f"weights.{name}": value for name, value in (self.weights or {}).items()}
        tensors |= {f"audit_arrays.{name}": value for name, value in self.audit_arrays.items()}
        if self.derived_from is not None:
            tensors |= {
                "origin": self.derived_from.origin.astype(np.int64),
                "patient": self.derived_from.patient.astype(np.int64),
                "records": np.packbits(self.derived_from.records, axis=1),
            }
        return tensors | {"members": self.members.astype(np.uint8)}

    def _sizes(self, tensors: Mapping[str, np.ndarray]) -> set[int]:
        """Return of how many models the parts are."""
        return {len(value) for value in tensors.values()} | ({len(self.outputs)} if self.outputs is not None else set())


def write_about(folder: Path, about: About, kind: str | None, derived_from: Derivation | None) -> None:
    """Write `bank.json`: what the bank says of itself, and what its other files hold."""
    held = {
        "dataset": about.dataset,
        "spec": about.spec.as_json(),
        "replicates": list(about.replicates),
        "patients": about.patients,
        "costs": about.costs,
        "abilities": sorted(about.abilities),
        "metadata": about.metadata,
        "outputs": kind,
    }
    derived = {} if derived_from is None else {"records": derived_from.records.shape[1]}
    write_json(folder / "bank.json", held | derived)


def read_about(folder: Path) -> tuple[About, str | None, int | None]:
    """Return what `bank.json` says: the bank of itself, the kind of its outputs, a derived bank's records N."""
    held = read_json(folder / "bank.json")
    about = About(
        dataset=held["dataset"],
        spec=TrainingSpec(**held["spec"]),
        replicates=tuple(held["replicates"]),
        patients=held["patients"],
        costs=held["costs"],
        abilities=frozenset(held["abilities"]),
        metadata=held["metadata"],
    )
    return about, held["outputs"], held.get("records")


def derive(
    bank: Bank,
    spec: TrainingSpec,
    derived_from: Derivation,
    weights: dict[str, np.ndarray],
    costs: Mapping[str, float],
) -> Bank:
    """Return a bank of models that were made from the replicates of a bank; weights are [R, ...] each."""
    numbers = tuple(range(len(derived_from)))
    about = About(bank.dataset, spec, numbers, bank.about.patients, costs, bank.about.abilities)
    return Bank(about, bank.members[rows_of(bank, derived_from.origin)], weights, None, derived_from)


def rows_of(bank: Bank, numbers: Collection[int]) -> np.ndarray:
    """Return int [R]: where the replicates of these numbers stand in a bank."""
    places = {number: place for place, number in enumerate(bank.about.replicates)}
    return np.array([places[int(number)] for number in numbers])


def _under(prefix: str, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays whose names begin with the prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
