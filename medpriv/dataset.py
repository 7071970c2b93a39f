"""The one container in which every dataset reaches models and attacks.

On disk: `dataset.safetensors` (arrays) and `dataset.json` (everything else). Sources make it (`medpriv.sources`),
nobody else writes it. Signals and features stay in physical units, so that an attack's budget can be stated in them;
`standardised` applies the centring and scaling that were fitted on the training split.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from medpriv.errors import InputError
from medpriv.files import read_json, read_tensors, write_json, write_tensors

TRAIN, TEST = 0, 1
_ARRAYS = ("x", "y", "patient", "site", "split", "centre", "scale")
_OPTIONAL = ("time", "valid")
_TEXTS = ("name", "patients", "sites", "classes", "features", "units", "licence", "source", "digest")


def plain_name(text: str) -> str:
    """Return a name that can stand in a measure's group, whose syntax is `key=value,key=value`."""
    return text.replace(",", ";").replace("=", ":")


@dataclass(frozen=True)
class Dataset:
    """N records of P patients.

    Attributes:
        name: the dataset's name in the config.
        x: float32 [N, F] (tables) or [N, leads, samples] (signals), in physical units, finite.
        y: int64 [N], index into `classes`.
        patient: int32 [N], index into `patients`.
        site: int32 [N], index into `sites` (hospital, device, unit: a natural federated client).
        split: uint8 [P], `TRAIN` or `TEST`; a patient is in one split, whole.
        centre, scale: float32 [F] or [leads, 1], fitted on the training split; scale is above 0.
        patients, sites, classes: names, all different; two classes or more. Sites and classes are keys of measures, so
            they hold no comma and no equals sign (`plain_name`).
        features, units: name and unit of each feature or lead.
        sampling_rate: Hz, None for tables.
        licence: of the raw data.
        source: `simulated`, `local` or `remote`.
        digest: SHA-256 of the raw manifest.
        groups: per attribute (`sex`, ...) one value a patient, for risk by subgroup; keys of measures, too.
        notes: counts and decisions of the preprocessing worth stating (records left out, cells imputed).
        credentialed: True forbids the report to show any single patient's signal or row.
        time: float32 [N], seconds of each record after the start of its patient's recording (a patient's further
            recordings follow the first without a gap); None where records have no order.
        valid: int32 [N, 2], the first sample of each record that is signal and the one after its last: the rest is
            padding; None where nothing is padded.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    patient: np.ndarray
    site: np.ndarray
    split: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    patients: tuple[str, ...]
    sites: tuple[str, ...]
    classes: tuple[str, ...]
    features: tuple[str, ...]
    units: tuple[str, ...]
    licence: str
    source: str
    digest: str
    sampling_rate: float | None = None
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: dict[str, object] = field(default_factory=dict)
    credentialed: bool = False
    time: np.ndarray | None = None
    valid: np.ndarray | None = None

    def __post_init__(self) -> None:
        _check(self)

    def rows(self, split: int) -> np.ndarray:
        """Return bool [N]: the records of the patients in `split` (`TRAIN` or `TEST`)."""
        return self.split[self.patient] == split

    def standardised(self) -> np.ndarray:
        """Return (x - centre) / scale, float32, the shape of x."""
        return ((self.x - self.centre) / self.scale).astype(np.float32)

    def save(self, folder: Path | str) -> None:
        """Write `dataset.safetensors`, then `dataset.json`, into the folder."""
        folder = Path(folder)
        arrays = {name: getattr(self, name) for name in (*_ARRAYS, *_OPTIONAL)}
        write_tensors(folder / "dataset.safetensors", {name: held for name, held in arrays.items() if held is not None})
        about = {name: getattr(self, name) for name in _TEXTS}
        about |= {
            "sampling_rate": self.sampling_rate,
            "groups": self.groups,
            "notes": self.notes,
            "credentialed": self.credentialed,
        }
        write_json(folder / "dataset.json", about)

    @classmethod
    def load(cls, folder: Path | str) -> "Dataset":
        """Read a dataset back from its folder."""
        about = read_json(Path(folder) / "dataset.json")
        tuples = {name: tuple(value) if isinstance(value, list) else value for name, value in about.items()}
        tuples["groups"] = {name: tuple(values) for name, values in about["groups"].items()}
        return cls(**read_tensors(Path(folder) / "dataset.safetensors"), **tuples)


def _check(dataset: Dataset) -> None:
    """Refuse a container that would make later stages silently wrong."""
    for check in (_check_lengths, _check_names, _check_indices, _check_numbers, _check_classes):
        for place, problem in check(dataset):
            raise InputError(
                problem,
                file=f"dataset {dataset.name}",
                place=place,
                remedy="check the raw files and the preprocess settings of this dataset",
            )


Faults = Iterator[tuple[str, str]]  # place and problem


def _check_lengths(dataset: Dataset) -> Faults:
    records, patients = len(dataset.x), len(dataset.patients)
    if not records:
        yield "x", "no record"
    for name in ("y", "patient", "site", *_OPTIONAL):
        held = getattr(dataset, name)
        if held is not None and len(held) != records:
            yield name, f"{len(held)} entries for {records} records"
    if dataset.split.shape != (patients,):
        yield "split", f"{len(dataset.split)} entries for {patients} patients"
    for name, values in dataset.groups.items():
        if len(values) != patients:
            yield f"group {name}", f"{len(values)} entries for {patients} patients"
    for name in ("features", "units"):
        if len(getattr(dataset, name)) != dataset.x.shape[1]:
            yield name, f"{len(getattr(dataset, name))} entries for {dataset.x.shape[1]} columns of x"


def _check_names(dataset: Dataset) -> Faults:
    table = dataset.x.ndim == 2  # two leads may have the same name: some recordings have them the other way round
    for place in ("patients", "sites", "classes", *(("features",) if table else ())):
        names = getattr(dataset, place)
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            yield place, f"{twice[0]} stands for two"
        if not all(isinstance(name, str) and name.strip() for name in names):
            yield place, "one has no name"
    keys = {"sites": dataset.sites, "classes": dataset.classes, "groups": tuple(dataset.groups)}
    for place, names in (keys | {f"group {name}": values for name, values in dataset.groups.items()}).items():
        if not all(isinstance(name, str) and name.strip() for name in names):
            yield place, "one has no name"
        if bad := [name for name in names if name != plain_name(name)]:
            yield place, f"{bad[0]!r} holds a comma or an equals sign"


def _check_indices(dataset: Dataset) -> Faults:
    for place, names in (("y", dataset.classes), ("patient", dataset.patients), ("site", dataset.sites)):
        held = getattr(dataset, place)
        if not np.issubdtype(held.dtype, np.integer):
            yield place, f"{held.dtype} where an index belongs"
        elif (wrong := (held < 0) | (held >= len(names))).any():
            row = int(np.argmax(wrong))
            yield place, f"record {row} has {held[row]}, and there are {len(names)}, counted from 0"
    if not np.isin(dataset.split, (TRAIN, TEST)).all():
        yield "split", "neither training nor test"
    if len(nobody := np.setdiff1d(np.arange(len(dataset.patients)), dataset.patient)):
        yield "patient", f"no record of patient {dataset.patients[nobody[0]]}"


def _check_numbers(dataset: Dataset) -> Faults:
    if not np.isfinite(dataset.x).all():
        bad = np.argwhere(~np.isfinite(dataset.x))[0]
        patient = dataset.patients[dataset.patient[bad[0]]]
        yield f"x{bad.tolist()}, patient {patient}", "a value is not a finite number"
    for name in ("centre", "scale", "time"):
        held = getattr(dataset, name)
        if held is not None and not np.isfinite(held).all():
            yield name, "a value is not a finite number"
    if not (dataset.scale > 0).all():
        yield "scale", "a value is not above 0"
    if dataset.valid is not None:
        first, last = dataset.valid.T
        if not ((first >= 0) & (first < last) & (last <= dataset.x.shape[-1])).all():
            yield "valid", "no part of its record's samples"


def _check_classes(dataset: Dataset) -> Faults:
    if len(dataset.classes) < 2:
        yield "classes", "fewer than two, so there is nothing to be told apart"
    train = np.bincount(dataset.y[dataset.rows(TRAIN)], minlength=len(dataset.classes))
    if empty := [dataset.classes[index] for index in np.flatnonzero(train == 0)]:
        yield "y", f"no record of class {', '.join(empty)} among the training patients"
