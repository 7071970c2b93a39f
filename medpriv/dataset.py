"""The one container in which every dataset reaches models and attacks.

People, records and labels are told apart in `medpriv.records`; here they are put together, checked against each other
and kept: `dataset.safetensors` (arrays) and `dataset.json` (everything else). Sources make it (`medpriv.sources`),
nobody else writes it. Signals, images and features stay in physical units, so that an attack's budget can be stated in
them; `standardised` applies the centring and scaling that were fitted on the training split.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from medpriv.errors import InputError
from medpriv.files import read_json, read_tensors, write_json, write_tensors
from medpriv.records.cohort import TEST, TRAIN, Cohort, Fault, Faults, Rows, plain_name
from medpriv.records.images import Images
from medpriv.records.labels import Labels
from medpriv.records.signals import Signals
from medpriv.records.tables import Table
from medpriv.records.texts import Texts

__all__ = ["TEST", "TRAIN", "Dataset", "plain_name"]

Records = Table | Signals | Images | Texts
MODALITIES: dict[str, type] = {kind.modality: kind for kind in (Table, Signals, Images, Texts)}
PLURAL = {"table": "tables", "signal": "signals", "image": "images", "text": "texts"}


@dataclass(frozen=True)
class Dataset:
    """N records of P patients.

    Attributes:
        name: the dataset's name in the config.
        cohort: whose records they are.
        records: what they are.
        labels: the class of each; None where nothing is to be told apart.
        notes: counts and decisions of the preprocessing worth stating on the page (records left out, cells imputed).
    """

    name: str
    cohort: Cohort
    records: Records
    labels: Labels | None = None
    notes: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for fault in self._faults():
            whose = "" if fault.record is None else f", patient {self.patients[self.patient[fault.record]]}"
            raise InputError(
                fault.problem,
                file=f"dataset {self.name}",
                place=fault.place + whose,
                remedy="check the raw files and the preprocess settings of this dataset",
            )

    @property
    def modality(self) -> str:
        """What the records are: `table`, `signal`, `image` or `text`."""
        return self.records.modality

    def require(self, *modalities: str, reason: str) -> None:
        """Raise InputError unless the records are of one of the modalities.

        Args:
            modalities: those that the caller can take.
            reason: what needs them, in a few words (`evasion`, `trees`).
        """
        if self.modality not in modalities:
            raise InputError(
                f"{reason}: for {' and '.join(PLURAL[each] for each in modalities)}, and these are "
                f"{PLURAL[self.modality]}",
                file=f"dataset {self.name}",
                remedy="leave it out for this dataset",
            )

    # The short names of what nearly every reader uses.

    @property
    def x(self) -> np.ndarray:
        """float32 [N, F] (tables) or [N, leads, samples] (signals), uint8 [N, C, H, W] (images), in physical units."""
        self._refuse_texts()
        return self.records.x

    @property
    def features(self) -> tuple[str, ...]:
        """The name of each feature, lead or channel."""
        self._refuse_texts()
        return self.records.features

    @property
    def units(self) -> tuple[str, ...]:
        """The unit of each feature, lead or channel."""
        self._refuse_texts()
        return self.records.units

    @property
    def centre(self) -> np.ndarray:
        """float32, of each feature, lead or channel; it broadcasts against x."""
        self._refuse_texts()
        return self.records.centre

    @property
    def scale(self) -> np.ndarray:
        """float32, of each feature, lead or channel, above 0; it broadcasts against x."""
        self._refuse_texts()
        return self.records.scale

    @property
    def sampling_rate(self) -> float | None:
        """Hz of signals, None of other records."""
        return getattr(self.records, "rate", None)

    @property
    def time(self) -> np.ndarray | None:
        """float32 [N], seconds since the start of the patient's recording; None where records have no order."""
        return getattr(self.records, "time", None)

    @property
    def valid(self) -> np.ndarray | None:
        """int32 [N, 2], which samples of each record are signal; None where nothing is padded."""
        return getattr(self.records, "valid", None)

    @property
    def y(self) -> np.ndarray:
        """int64 [N], index into `classes`."""
        return self._labels.y

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes' names."""
        return self._labels.classes

    @property
    def patient(self) -> np.ndarray:
        """int32 [N], index into `patients`."""
        return self.cohort.patient

    @property
    def site(self) -> np.ndarray:
        """int32 [N], index into `sites`."""
        return self.cohort.site

    @property
    def split(self) -> np.ndarray:
        """uint8 [P], `TRAIN` or `TEST`."""
        return self.cohort.split

    @property
    def patients(self) -> tuple[str, ...]:
        """The patients' names."""
        return self.cohort.patients

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites' names."""
        return self.cohort.sites

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """Per attribute one value a patient."""
        return self.cohort.groups

    @property
    def licence(self) -> str:
        """The licence of the raw data."""
        return self.cohort.licence

    @property
    def source(self) -> str:
        """`simulated`, `local` or `remote`."""
        return self.cohort.source

    @property
    def digest(self) -> str:
        """SHA-256 of the raw manifest."""
        return self.cohort.digest

    @property
    def credentialed(self) -> bool:
        """True forbids the report to show any single patient's record."""
        return self.cohort.credentialed

    def rows(self, split: int) -> np.ndarray:
        """Return bool [N]: the records of the patients in `split` (`TRAIN` or `TEST`)."""
        return self.cohort.rows(split)

    def standardised(self, rows: Rows = slice(None)) -> np.ndarray:
        """Return (x - centre) / scale of some records, float32, the shape of x[rows].

        Of images ask for a batch at a time where there are many: they take four times the memory.
        """
        self._refuse_texts()
        return self.records.standardised(rows)

    def save(self, folder: Path | str) -> None:
        """Write `dataset.safetensors`, then `dataset.json`, into the folder."""
        folder = Path(folder)
        arrays = self.cohort.tensors() | self.records.tensors() | ({"y": self.labels.y} if self.labels else {})
        write_tensors(folder / "dataset.safetensors", arrays)
        about = {"name": self.name, "modality": self.modality, "sampling_rate": None} | self.cohort.about()
        if self.modality != "text":
            about |= {"features": self.features, "units": self.units}
        about |= self.records.about() | (self.labels.about() if self.labels else {})
        write_json(folder / "dataset.json", about | {"notes": self.notes})

    @classmethod
    def load(cls, folder: Path | str) -> "Dataset":
        """Read a dataset back from its folder; InputError if it was written by another version of medpriv."""
        about = read_json(Path(folder) / "dataset.json")
        if about.get("modality") not in MODALITIES:
            raise InputError(
                "it doesn't say what its records are: another version of medpriv wrote it",
                file=Path(folder) / "dataset.json",
                remedy="preprocess the dataset again",
            )
        tensors = read_tensors(Path(folder) / "dataset.safetensors")
        return cls(
            name=about["name"],
            cohort=Cohort.restore(tensors, about),
            records=MODALITIES[about["modality"]].restore(tensors, about),
            labels=Labels.restore(tensors["y"], about) if "classes" in about else None,
            notes=about["notes"],
        )

    @property
    def _labels(self) -> Labels:
        if self.labels is None:
            raise InputError(
                "its records have no classes, which this needs",
                file=f"dataset {self.name}",
                remedy="leave it out for this dataset",
            )
        return self.labels

    def _refuse_texts(self) -> None:
        if self.modality == "text":
            self.require("table", "signal", "image", reason="records of numbers")

    def _faults(self) -> Faults:
        if not len(self.records):
            yield Fault("records", "no record")
        if len(self.records) != len(self.cohort):
            yield Fault("patient", f"{len(self.cohort)} entries for {len(self.records)} records")
        yield from self.cohort.faults()
        yield from self.records.faults()
        if self.labels:
            yield from self.labels.faults(self.cohort)
