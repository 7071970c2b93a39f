"""Banks made of given arrays, their shards on disk, and settings as the jobs get them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from medpriv.bank.bank import GRADIENTS, QUERY, About, Bank
from medpriv.bank.gather import gather_shards
from medpriv.bank.outputs import Predictions
from medpriv.bank.spec import TrainingSpec
from medpriv.catalogue.treatments import spec_of
from medpriv.dataset import Dataset
from medpriv.files import sha256


def training_spec(
    name: str, model: str, hyperparameters: Mapping[str, object], settings: Mapping[str, object] | None = None
) -> TrainingSpec:
    """Return the spec of a treatment's name (`dp-sgd-mlp-eps8`), as the rules put it together."""
    spec = spec_of(name)
    return TrainingSpec(name, spec.word, spec.parts, model, hyperparameters, settings or {})


def bank_of(
    dataset: Dataset,
    members: np.ndarray,
    logits: np.ndarray,
    name: str = "baseline-mlp",
    *,
    replicates: Sequence[int] | None = None,
    weights: dict[str, np.ndarray] | None = None,
    **hyperparameters: object,
) -> Bank:
    """Return a bank of this treatment that holds these arrays; the model is the name's last part."""
    numbers = tuple(range(len(members)) if replicates is None else replicates)
    spec = training_spec(name, name.rpartition("-")[2], hyperparameters)
    about = About(
        dataset.name,
        spec,
        numbers,
        dataset.cohort.patients_digest,
        {},
        frozenset({QUERY, GRADIENTS} if weights else ()),
    )
    return Bank(about, members, weights, Predictions(logits))


def with_logits(bank: Bank, logits: np.ndarray) -> Bank:
    """Return the bank with other predictions."""
    return replace(bank, outputs=Predictions(logits))


def with_settings(bank: Bank, **settings: object) -> Bank:
    """Return the bank as if it had been made with other settings of its treatment."""
    return replace(bank, about=replace(bank.about, spec=replace(bank.spec, settings=settings)))


def with_hyperparameters(bank: Bank, model: str | None = None, **changes: object) -> Bank:
    """Return the bank as if its model had other hyperparameters."""
    spec = replace(bank.spec, model=model or bank.model, hyperparameters={**bank.spec.hyperparameters, **changes})
    return replace(bank, about=replace(bank.about, spec=spec))


def federated_settings(section: Mapping[str, object], strategy: str) -> dict[str, object]:
    """Return the settings of one strategy out of the dataset's `federated` section."""
    own = section["strategies"][strategy]
    return {name: section[name] for name in ("rounds", "partition", "local")} | {"strategy": own}


def gathered(shards: Sequence[Bank], folder: Path) -> Bank:
    """Write shards below a folder, join them there, and read the bank."""
    folders = [folder / f"shard{index}" for index in range(len(shards))]
    for shard, own in zip(shards, folders, strict=True):
        shard.save(own)
    gather_shards(folders, folder / "whole")
    return Bank.load(folder / "whole")


def digests(folder: Path) -> list[str]:
    """Return the digests of a bank's files."""
    return [sha256(folder / name) for name in ("bank.safetensors", "bank.json", "predictions.safetensors")]
