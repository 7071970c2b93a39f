"""The bank on disk and in memory, and the draw of who trains which replicate.

A bank folder holds `bank.safetensors` (parameters stacked along a leading axis K, and `members`), `bank.json` (what was
trained, on what, how) and `predictions.safetensors` (logits of every replicate on every record, which is all that the
privacy audits need). Training lives in `medpriv.bank.engine`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from medpriv.dataset import TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.files import read_json, read_tensors, write_json, write_tensors
from medpriv.seeds import generator

_TEXTS = ("dataset", "treatment", "model", "recipe", "patients", "costs", "facts")


@dataclass(frozen=True)
class Bank:
    """K replicates of one treatment.

    Attributes:
        dataset, treatment, model: names.
        recipe: the training settings, as the config gave them.
        replicates: int [K], the replicate numbers held (a shard holds some of them).
        members: bool [K, P], whose records each replicate was trained on.
        patients: the P patient names that `members` speaks of.
        parameters: name -> [K, ...].
        logits: float32 [K, N, C], every replicate on every record of the dataset, in the dataset's order.
        costs: of one replicate, machine-independent: `updates` (optimiser steps), `flops`, `parameters`, and what
            else the treatment counts (`bytes_up`, ...).
        facts: what the treatment says of itself, in plain JSON values (a privacy guarantee, who the clients were).
        extra: name -> [K, ...], further arrays that the treatment leaves for its audits.
    """

    dataset: str
    treatment: str
    model: str
    recipe: dict
    replicates: np.ndarray
    members: np.ndarray
    patients: tuple[str, ...]
    parameters: dict[str, np.ndarray]
    logits: np.ndarray
    costs: dict[str, float]
    facts: dict = field(default_factory=dict)
    extra: dict[str, np.ndarray] = field(default_factory=dict)

    def save(self, folder: Path | str) -> None:
        """Write the bank's three files into the folder."""
        folder = Path(folder)
        held = {f"parameters.{name}": value for name, value in self.parameters.items()}
        held |= {f"extra.{name}": value for name, value in self.extra.items()}
        write_tensors(folder / "bank.safetensors", {**held, "members": self.members.astype(np.uint8)})
        write_tensors(folder / "predictions.safetensors", {"logits": self.logits})
        about = {name: getattr(self, name) for name in _TEXTS}
        write_json(folder / "bank.json", about | {"replicates": self.replicates.tolist()})

    @classmethod
    def load(cls, folder: Path | str) -> "Bank":
        """Read a bank back from its folder."""
        folder = Path(folder)
        about = read_json(folder / "bank.json")
        held = read_tensors(folder / "bank.safetensors")
        about["replicates"] = np.array(about["replicates"])
        about["patients"] = tuple(about["patients"])
        return cls(
            **about,
            members=held["members"].astype(bool),
            parameters=_under("parameters.", held),
            extra=_under("extra.", held),
            logits=read_tensors(folder / "predictions.safetensors")["logits"],
        )

    def record_members(self, dataset: Dataset) -> np.ndarray:
        """Return bool [K, N]: which records each replicate was trained on; refuse a bank of another dataset."""
        if self.patients != dataset.patients or self.logits.shape[1] != len(dataset.y):
            raise InputError(
                f"the bank {self.treatment} was trained on another version of {dataset.name}",
                file=f"bank {self.dataset}/{self.treatment}",
                remedy="rerun the workflow so that the bank is trained again",
            )
        return self.members[:, dataset.patient]


def _under(prefix: str, held: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays whose names begin with the prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in held.items() if name.startswith(prefix)}


def gather_shards(shards: Sequence[Bank]) -> Bank:
    """Join shards along K, ordered by replicate number."""
    order = np.argsort(np.concatenate([shard.replicates for shard in shards]), kind="stable")

    def joined(parts: list[np.ndarray]) -> np.ndarray:
        return np.concatenate(parts)[order]

    return replace(
        shards[0],
        replicates=joined([shard.replicates for shard in shards]),
        members=joined([shard.members for shard in shards]),
        parameters={name: joined([shard.parameters[name] for shard in shards]) for name in shards[0].parameters},
        logits=joined([shard.logits for shard in shards]),
        extra={name: joined([shard.extra[name] for shard in shards]) for name in shards[0].extra},
    )


def draw_members(dataset: Dataset, replicates: int, seed: int) -> np.ndarray:
    """Return bool [K, P]: each replicate's own random half of the training patients; test patients are never drawn.

    The draw depends on the dataset's name and the replicate's number only, so all treatments of a dataset share it.
    """
    candidates = np.flatnonzero(dataset.split == TRAIN)
    if replicates < 2 or len(candidates) < 2:
        raise InputError(
            f"{replicates} replicates on {len(candidates)} training patients can't be audited",
            file=f"dataset {dataset.name}",
            place="bank.replicates",
            remedy="ask for at least 2 replicates and 2 training patients",
        )
    members = np.zeros((replicates, len(dataset.patients)), dtype=bool)
    for replicate in range(replicates):
        rng = generator(seed, dataset.name, "members", replicate)
        members[replicate, rng.choice(candidates, size=len(candidates) // 2, replace=False)] = True
    return members
