"""What the report is made from: the folders of the earlier stages, read into plain frozen records.

Only small things are read: JSON, CSV, and three index arrays of a dataset. No signal, no weight and no logit reaches
the report, apart from the example beats that the evasion audit chose to write.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from medpriv.dataset import TRAIN
from medpriv.errors import InputError
from medpriv.files import read_csv, read_json
from medpriv.measures.table import Measure, read_measures

Row = dict[str, str]


@dataclass(frozen=True)
class Cohort:
    """One dataset, in the words that the page needs.

    Attributes:
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


@dataclass(frozen=True)
class Result:
    """One treatment of one dataset: how it was trained and every figure that was measured on it.

    Attributes:
        replicates: K.
        recipe, costs: as `bank.json` has them.
        utility, attacks: measures; the attacks of every family together.
        tables: what else was written, by file stem (`reliability`, `roc`, `exposure`, `examples`); missing: no rows.
    """

    dataset: str
    treatment: str
    model: str
    replicates: int
    recipe: dict
    costs: dict
    utility: tuple[Measure, ...]
    attacks: tuple[Measure, ...]
    tables: dict[str, tuple[Row, ...]]

    @property
    def key(self) -> str:
        """`dataset/treatment`, the row's name throughout the page."""
        return f"{self.dataset}/{self.treatment}"

    def rows(self, table: str) -> tuple[Row, ...]:
        """Return the rows of one table; none where the stage that writes it was not run."""
        return self.tables.get(table, ())


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
        name=name,
        patients={"train": train, "test": len(split) - train},
        records={"train": train_records, "test": len(y) - train_records},
        class_records={label: classes[index] for index, label in enumerate(about["classes"])},
        about=about,
    )


def read_result(dataset: str, treatment: str, bank: Path, attacks: Mapping[tuple[str, str, str], Path]) -> Result:
    """Read one treatment's bank description, its utility and all attacks on it."""
    about = read_json(bank / "bank.json")
    measures: list[Measure] = []
    tables = {"reliability": _table(bank / "reliability.csv")}
    for (of_dataset, of_treatment, _), folder in attacks.items():
        if (of_dataset, of_treatment) == (dataset, treatment):
            measures += _own(folder / "measures.csv", dataset, treatment)
            tables |= {path.stem: _table(path) for path in sorted(folder.glob("*.csv")) if path.stem != "measures"}
    return Result(
        dataset=dataset,
        treatment=treatment,
        model=about["model"],
        replicates=len(about["replicates"]),
        recipe=about["recipe"],
        costs=about["costs"],
        utility=tuple(_own(bank / "utility.csv", dataset, treatment)),
        attacks=tuple(measures),
        tables=tables,
    )


def _own(path: Path, dataset: str, treatment: str) -> list[Measure]:
    """Read measures and refuse those of another model, so that no figure can stand in the wrong row."""
    measures = read_measures(path)
    for measure in measures:
        if (measure.dataset, measure.treatment) != (dataset, treatment):
            raise InputError(
                f"a figure of {measure.dataset}/{measure.treatment} among those of {dataset}/{treatment}",
                file=path,
                remedy="rerun the stage that wrote this file",
            )
    return measures


def _table(path: Path) -> tuple[Row, ...]:
    return tuple(read_csv(path)) if path.exists() else ()
