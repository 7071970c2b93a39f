"""What the report is made from: the folders of the earlier stages, read into plain frozen records.

Only small things are read: JSON, CSV, and three index arrays of a dataset. No signal, no weight and no logit reaches
the report, apart from the example beats that the evasion audit chose to write.

A record's `dataset` is the name that the report gives it (`words.display_name`): all text, tables and file names are
made from it, so none can leave out that patients are simulated. Measures keep the name that was stored.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from medpriv.catalogue.treatments import stage_of
from medpriv.dataset import TRAIN
from medpriv.errors import InputError
from medpriv.files import read_csv, read_json
from medpriv.measures.table import Measure, read_measures
from medpriv.report.words import display_name, stored_name

Row = dict[str, str]
SEEN_BY_SERVER = ("server", "cut")  # families that attack what a server sees


@dataclass(frozen=True)
class Cohort:
    """One dataset, in the words that the page needs.

    Attributes:
        name: as the report shows it.
        patients, records: how many, by split (`train`, `test`).
        class_records: records of each class, both splits.
        about: the rest of `dataset.json` (`source`, `licence`, `digest`, `notes`, `sampling_rate`, `classes`, ...).
    """

    name: str
    patients: dict[str, int]
    records: dict[str, int]
    class_records: dict[str, int]
    about: dict

    @property
    def credentialed(self) -> bool:
        """True: the page shows no single patient's signal or row."""
        return bool(self.about["credentialed"])

    @property
    def one_record_a_patient(self) -> bool:
        """True: a record stands for a patient, so figures by record and by patient are the same."""
        return self.patients == self.records

    @property
    def simulated(self) -> bool:
        """True: no real patient is behind these figures."""
        return self.about["source"] == "simulated"

    @property
    def leaking(self) -> bool:
        """True: the config allowed columns that give the outcome away."""
        return any(item["allowed"] for item in self.about.get("notes", {}).get("leakage", ()))


@dataclass(frozen=True)
class Result:
    """One treatment of one dataset: how it was trained and every figure that was measured on it.

    Attributes:
        replicates: K.
        recipe, costs: hyperparameters and costs, as `bank.json` has them.
        utility, attacks: measures; the attacks of every family together.
        tables: what else was written, by file stem (`reliability`, `roc`, `exposure`, `examples`; those of an attack on
            what a server sees with the family before it, `server-examples`, `cut-examples`); missing: no rows. A path
            is read when its rows are asked for: those of all banks' patients together would fill the memory.
        facts: what the bank says of itself (`privacy`, `federation`, `split`).
        settings: of the treatment.
    """

    dataset: str
    treatment: str
    model: str
    replicates: int
    recipe: dict
    costs: dict
    utility: tuple[Measure, ...]
    attacks: tuple[Measure, ...]
    tables: dict[str, tuple[Row, ...] | Path]
    facts: dict = field(default_factory=dict)
    settings: dict = field(default_factory=dict)

    @property
    def key(self) -> str:
        """`dataset/treatment`, the row's name throughout the page."""
        return f"{self.dataset}/{self.treatment}"

    def rows(self, table: str) -> tuple[Row, ...]:
        """Return the rows of one table; none where the stage that writes it was not run."""
        held = self.tables.get(table, ())
        return _table(held) if isinstance(held, Path) else held

    def artefact(self, family: str) -> str:
        """Return the file that holds the figures of one family of attacks."""
        return artefact(self.dataset, self.treatment, family)

    @property
    def usefulness(self) -> str:
        """Return the file that holds the utility figures."""
        return f"results/{stage_of(self.treatment)}/{stored_name(self.dataset)}/{self.treatment}/utility.csv"


@dataclass(frozen=True)
class Linkage:
    """What the re-identification audit of one dataset found; no bank has a part in it.

    Attributes:
        measures: of treatment `data`.
        criteria: rows of the table of legal criteria.
    """

    dataset: str
    measures: tuple[Measure, ...]
    criteria: tuple[Row, ...]

    @property
    def artefact(self) -> str:
        """Return the file that holds its figures."""
        return f"results/attacks/{stored_name(self.dataset)}/linkage/measures.csv"


@dataclass(frozen=True)
class Derived:
    """What a bank of personalised or unlearned models says of itself.

    Attributes:
        models: R.
        recipe, costs: hyperparameters and costs, as `bank.json` has them.
    """

    dataset: str
    treatment: str
    models: int
    recipe: dict
    costs: dict

    @property
    def key(self) -> str:
        """`dataset/treatment`."""
        return f"{self.dataset}/{self.treatment}"


@dataclass(frozen=True)
class Audit:
    """What one audit of derived banks found.

    Attributes:
        subject: `personalized-<variant>`, or `unlearned` or `unlearned-personal` for all methods of a request.
        family: `personal` or `forgetting`.
        measures: a treatment of its own each.
        patients: its rows of single patients.
    """

    dataset: str
    subject: str
    family: str
    measures: tuple[Measure, ...]
    patients: tuple[Row, ...]

    @property
    def artefact(self) -> str:
        """Return the file that holds its figures."""
        return artefact(self.dataset, self.subject, self.family)


def artefact(dataset: str, subject: str, family: str) -> str:
    """Return the file of one audit's figures, as `results/` is laid out."""
    return f"results/attacks/{stored_name(dataset)}/{subject}/{family}/measures.csv"


def read_cohort(name: str, folder: Path) -> Cohort:
    """Read what a dataset says of itself, and count its patients and records."""
    from safetensors import safe_open

    about = read_json(folder / "dataset.json")
    with safe_open(folder / "dataset.safetensors", framework="numpy") as arrays:
        y, patient, split = (arrays.get_tensor(array) for array in ("y", "patient", "split"))
    train = int((split == TRAIN).sum())
    train_records = int((split[patient] == TRAIN).sum())
    classes = Counter(y.tolist())
    return Cohort(
        name=display_name(name, about["source"] == "simulated"),
        patients={"train": train, "test": len(split) - train},
        records={"train": train_records, "test": len(y) - train_records},
        class_records={label: classes[index] for index, label in enumerate(about["classes"])},
        about=about,
    )


def read_result(dataset: str, treatment: str, bank: Path, attacks: Mapping[tuple[str, str, str], Path]) -> Result:
    """Read one treatment's bank description, its utility and all attacks on it."""
    about = read_json(bank / "bank.json")
    measures: list[Measure] = []
    tables = {"reliability": bank / "reliability.csv"}
    for (of_dataset, of_treatment, family), folder in attacks.items():
        if (of_dataset, of_treatment) == (dataset, treatment):
            measures += _own(folder / "measures.csv", dataset, treatment)
            before = f"{family}-" if family in SEEN_BY_SERVER else ""
            others = (path for path in sorted(folder.glob("*.csv")) if path.stem != "measures")
            tables |= {before + path.stem: path for path in others}
    return Result(
        dataset=dataset,
        treatment=treatment,
        model=about["spec"]["model"],
        replicates=len(about["replicates"]),
        recipe=about["spec"]["hyperparameters"],
        costs=about["costs"],
        utility=tuple(_own(bank / "utility.csv", dataset, treatment)),
        attacks=tuple(measures),
        tables=tables,
        facts=about["metadata"],
        settings=about["spec"]["settings"],
    )


def read_derived(dataset: str, treatment: str, folder: Path) -> Derived:
    """Read a derived bank's description."""
    about = read_json(folder / "bank.json")
    recipe = about["spec"]["parts"] | about["spec"]["settings"]
    return Derived(dataset, treatment, len(about["replicates"]), recipe, about["costs"])


def read_audit(dataset: str, subject: str, family: str, folder: Path) -> Audit:
    """Read what one audit of derived banks found; figures of another dataset are refused."""
    measures = read_measures(folder / "measures.csv")
    if strange := {measure.dataset for measure in measures} - {dataset}:
        _refuse(f"{', '.join(sorted(strange))}", dataset, folder / "measures.csv")
    return Audit(dataset, subject, family, tuple(measures), _table(folder / "patients.csv"))


def read_linkage(dataset: str, folder: Path) -> Linkage:
    """Read what the re-identification audit of a dataset found; figures of another one are refused."""
    measures = read_measures(folder / "measures.csv")
    if strange := {measure.dataset for measure in measures} - {dataset}:
        _refuse(", ".join(sorted(strange)), dataset, folder / "measures.csv")
    return Linkage(dataset, tuple(measures), _table(folder / "criteria.csv"))


def _own(path: Path, dataset: str, treatment: str) -> list[Measure]:
    """Read measures and refuse those of another model, so that no figure can stand in the wrong row."""
    measures = read_measures(path)
    for measure in measures:
        if (measure.dataset, measure.treatment) != (dataset, treatment):
            _refuse(f"{measure.dataset}/{measure.treatment}", f"{dataset}/{treatment}", path)
    return measures


def _refuse(other: str, own: str, path: Path) -> NoReturn:
    raise InputError(
        f"a figure of {other} among those of {own}", file=path, remedy="rerun the stage that wrote this file"
    )


def _table(path: Path) -> tuple[Row, ...]:
    return tuple(read_csv(path)) if path.exists() else ()
