"""Whose records they are: patients, their sites and groups, the split, and where the data came from."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

TRAIN, TEST = 0, 1


class Fault(NamedTuple):
    """What is wrong with a part of a dataset: where, what and, if it is one record's fault, with which."""

    place: str
    problem: str
    record: int | None = None


Faults = Iterator[Fault]
Rows = np.ndarray | slice  # of some records: indices, bool [N], or a slice


def plain_name(text: str) -> str:
    """Return a name that can stand in a measure's group, whose syntax is `key=value,key=value`."""
    return text.replace(",", ";").replace("=", ":")


@dataclass(frozen=True)
class Cohort:
    """P patients, to whom N records belong.

    Attributes:
        patient: int32 [N], index into `patients`.
        site: int32 [N], index into `sites` (hospital, device, unit: a natural federated client).
        split: uint8 [P], `TRAIN` or `TEST`; a patient is in one split, whole.
        patients, sites: names, all different. Sites are keys of measures, so they hold no comma and no equals sign
            (`plain_name`).
        licence: of the raw data.
        source: `simulated`, `local` or `remote`.
        digest: SHA-256 of the raw manifest.
        groups: per attribute (`sex`, ...) one value a patient, for risk by subgroup; keys of measures, too.
        credentialed: True forbids the report to show any single patient's record.
    """

    patient: np.ndarray
    site: np.ndarray
    split: np.ndarray
    patients: tuple[str, ...]
    sites: tuple[str, ...]
    licence: str
    source: str
    digest: str
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    credentialed: bool = False

    def __len__(self) -> int:
        """Return N."""
        return len(self.patient)

    @cached_property
    def patients_digest(self) -> str:
        """SHA-256 of the patients' names in their order: what knows them again and names nobody."""
        return hashlib.sha256(json.dumps(self.patients).encode()).hexdigest()

    def rows(self, split: int) -> np.ndarray:
        """Return bool [N]: the records of the patients in `split` (`TRAIN` or `TEST`)."""
        return self.split[self.patient] == split

    def tensors(self) -> dict[str, np.ndarray]:
        """Return the arrays by name."""
        return {"patient": self.patient, "site": self.site, "split": self.split}

    def about(self) -> dict[str, object]:
        """Return everything else, as JSON keeps it."""
        names = ("patients", "sites", "licence", "source", "digest", "groups", "credentialed")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def restore(cls, tensors: dict[str, np.ndarray], about: dict) -> "Cohort":
        """Return the cohort that `tensors` and `about` told of."""
        return cls(
            patient=tensors["patient"],
            site=tensors["site"],
            split=tensors["split"],
            patients=tuple(about["patients"]),
            sites=tuple(about["sites"]),
            licence=about["licence"],
            source=about["source"],
            digest=about["digest"],
            groups={name: tuple(values) for name, values in about["groups"].items()},
            credentialed=about["credentialed"],
        )

    def faults(self) -> Faults:
        """Yield what would make later stages silently wrong."""
        yield from self._wrong_lengths()
        yield from name_faults({"patients": self.patients, "sites": self.sites})
        groups = {f"group {name}": values for name, values in self.groups.items()}
        yield from key_faults({"sites": self.sites, "groups": tuple(self.groups)} | groups)
        yield from index_faults("patient", self.patient, len(self.patients))
        yield from index_faults("site", self.site, len(self.sites))
        if not np.isin(self.split, (TRAIN, TEST)).all():
            yield Fault("split", "neither training nor test")
        if len(nobody := np.setdiff1d(np.arange(len(self.patients)), self.patient)):
            yield Fault("patient", f"no record of patient {self.patients[nobody[0]]}")

    def _wrong_lengths(self) -> Faults:
        yield from length_faults(len(self), {"site": self.site})
        if self.split.shape != (len(self.patients),):
            yield Fault("split", f"{len(self.split)} entries for {len(self.patients)} patients")
        for name, values in self.groups.items():
            if len(values) != len(self.patients):
                yield Fault(f"group {name}", f"{len(values)} entries for {len(self.patients)} patients")


def length_faults(records: int, arrays: dict[str, np.ndarray | None]) -> Faults:
    """Yield the arrays that have not one entry a record; None stands for one that isn't there."""
    for name, values in arrays.items():
        if values is not None and len(values) != records:
            yield Fault(name, f"{len(values)} entries for {records} records")


def name_faults(names: dict[str, tuple[str, ...]]) -> Faults:
    """Yield the places with an empty name, or with one name for two."""
    for place, held in names.items():
        if twice := [name for name, count in Counter(held).items() if count > 1]:
            yield Fault(place, f"{twice[0]} stands for two")
        if not all(isinstance(name, str) and name.strip() for name in held):
            yield Fault(place, "one has no name")


def key_faults(names: dict[str, tuple[str, ...]]) -> Faults:
    """Yield the places with a name that cannot be a key of measures."""
    for place, held in names.items():
        if not all(isinstance(name, str) and name.strip() for name in held):
            yield Fault(place, "one has no name")
        elif bad := [name for name in held if name != plain_name(name)]:
            yield Fault(place, f"{bad[0]!r} holds a comma or an equals sign")


def index_faults(place: str, index: np.ndarray, count: int, least: int = 0) -> Faults:
    """Yield a fault if an index [N] is no integer from `least` to `count` - 1."""
    if not np.issubdtype(index.dtype, np.integer):
        yield Fault(place, f"{index.dtype} where an index belongs")
    elif (wrong := (index < least) | (index >= count)).any():
        row = int(np.argmax(wrong))
        yield Fault(place, f"record {row} has {index[row]}, and there are {count}, counted from 0")


def scaling_faults(centre: np.ndarray, scale: np.ndarray) -> Faults:
    """Yield a fault if records can't be standardised."""
    for place, values in (("centre", centre), ("scale", scale)):
        if not np.isfinite(values).all():
            yield Fault(place, "a value is not a finite number")
    if not (scale > 0).all():
        yield Fault("scale", "a value is not above 0")
