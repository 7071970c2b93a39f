"""Derived banks: R models, each made from one replicate of a bank for one patient.

A personalised model is a replicate fine-tuned to a patient whom it had not seen. An unlearned model is a replicate (or
a personalised model) that should have forgotten some records of a patient. Only parameters are kept: predictions of
so many models on every record would be gigabytes, and the engine recomputes what an audit needs in seconds.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medpriv.dataset import Dataset
from medpriv.errors import InputError
from medpriv.files import read_json, read_tensors, write_json, write_tensors


@dataclass(frozen=True)
class DerivedBank:
    """R models derived from a bank's replicates.

    Attributes:
        dataset, treatment, model: names.
        recipe: how they were derived, as the config gave it.
        origin: int64 [R], the replicate number that each was derived from.
        patient: int64 [R], for whom: an index into the dataset's patients.
        records: bool [R, N], the records of that patient that were adapted to, or that were to be forgotten.
        patients: the dataset's patient names, which `patient` speaks of.
        network: what `medpriv.models.catalogue.build_network` needs beside the dataset: the recipe of the replicates.
        parameters: name -> [R, ...].
        costs: of one model on average, machine-independent: `passes` (records passed forward and backward), `updates`,
            and for unlearning `passes_share` (passes over those of training anew).
    """

    dataset: str
    treatment: str
    model: str
    recipe: dict
    origin: np.ndarray
    patient: np.ndarray
    records: np.ndarray
    patients: tuple[str, ...]
    network: dict
    parameters: dict[str, np.ndarray]
    costs: dict[str, float]

    def save(self, folder: Path | str) -> None:
        """Write `bank.safetensors` (parameters, the request's records bit by bit) and `bank.json` into the folder."""
        folder = Path(folder)
        held = {f"parameters.{name}": value for name, value in self.parameters.items()}
        numbers = {name: getattr(self, name).astype(np.int64) for name in ("origin", "patient")}
        write_tensors(folder / "bank.safetensors", held | numbers | {"records": np.packbits(self.records, axis=1)})
        names = ("dataset", "treatment", "model", "recipe", "patients", "network", "costs")
        about = {name: getattr(self, name) for name in names}
        write_json(folder / "bank.json", about | {"models": len(self.origin), "count": self.records.shape[1]})

    @classmethod
    def load(cls, folder: Path | str) -> "DerivedBank":
        """Read a derived bank back from its folder."""
        folder = Path(folder)
        about = read_json(folder / "bank.json")
        held = read_tensors(folder / "bank.safetensors")
        del about["models"]
        count = about.pop("count")
        about["patients"] = tuple(about["patients"])
        prefix = "parameters."
        return cls(
            **about,
            origin=held["origin"],
            patient=held["patient"],
            records=np.unpackbits(held["records"], axis=1, count=count).astype(bool),
            parameters={name.removeprefix(prefix): value for name, value in held.items() if name.startswith(prefix)},
        )

    def check(self, dataset: Dataset) -> None:
        """Refuse a dataset other than the one that the models were derived on."""
        if self.patients != dataset.patients or self.records.shape[1] != len(dataset.y):
            raise InputError(
                f"the bank {self.treatment} was made on another version of {dataset.name}",
                file=f"bank {self.dataset}/{self.treatment}",
                remedy="rerun the workflow so that the bank is made again",
            )
