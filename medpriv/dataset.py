"""The one container in which every dataset reaches models and attacks.

On disk: `dataset.safetensors` (arrays) and `dataset.json` (everything else). Sources make it (`medpriv.sources`),
nobody else writes it. Signals and features stay in physical units, so that an attack's budget can be stated in them;
`standardised` applies the centring and scaling that were fitted on the training split.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from medpriv.errors import InputError
from medpriv.files import read_json, read_tensors, write_json, write_tensors

TRAIN, TEST = 0, 1
_ARRAYS = ("x", "y", "patient", "site", "split", "centre", "scale")
_OPTIONAL = ("time", "valid")
_TEXTS = ("name", "patients", "sites", "classes", "features", "units", "licence", "source", "digest")


@dataclass(frozen=True)
class Dataset:
    """N records of P patients.

    Attributes:
        name: the dataset's name in the config.
        x: float32 [N, F] (tables) or [N, leads, samples] (signals), in physical units, no NaN.
        y: int64 [N], index into `classes`.
        patient: int32 [N], index into `patients`.
        site: int32 [N], index into `sites` (hospital, device, unit: a natural federated client).
        split: uint8 [P], `TRAIN` or `TEST`; a patient is in one split, whole.
        centre, scale: float32 [F] or [leads, 1], fitted on the training split.
        patients, sites, classes: names.
        features, units: name and unit of each feature or lead.
        sampling_rate: Hz, None for tables.
        licence: of the raw data.
        source: `simulated`, `local` or `remote`.
        digest: SHA-256 of the raw manifest.
        groups: per attribute (`sex`, ...) one value a patient, for risk by subgroup.
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
    records, patients = len(dataset.x), len(dataset.patients)
    remedy = "check the raw files and the preprocess settings of this dataset"

    def refuse(problem: str, place: str) -> None:
        raise InputError(problem, file=f"dataset {dataset.name}", place=place, remedy=remedy)

    for name in ("y", "patient", "site", *_OPTIONAL):
        held = getattr(dataset, name)
        if held is not None and len(held) != records:
            refuse(f"{len(held)} entries for {records} records", name)
    if dataset.split.shape != (patients,):
        refuse(f"{len(dataset.split)} entries for {patients} patients", "split")
    for name, values in dataset.groups.items():
        if len(values) != patients:
            refuse(f"{len(values)} entries for {patients} patients", f"group {name}")
    if not np.isfinite(dataset.x).all():
        bad = np.argwhere(~np.isfinite(dataset.x))[0]
        refuse(
            "a value is not a finite number", f"x{bad.tolist()}, patient {dataset.patients[dataset.patient[bad[0]]]}"
        )
    train = np.bincount(dataset.y[dataset.rows(TRAIN)], minlength=len(dataset.classes))
    if empty := [dataset.classes[index] for index in np.flatnonzero(train == 0)]:
        refuse(f"no record of class {', '.join(empty)} among the training patients", "y")
