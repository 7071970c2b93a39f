"""What the report is made from: the folders of the earlier stages, read into plain frozen records.

Only small things are read: JSON, CSV, and three index arrays of a dataset. No signal, no weight and no logit reaches
the report, apart from the examples that an audit chose to write.

A record's `dataset` is the name that the report gives it (`labels.display_name`): all text, tables and file names are
made from it, so none can leave out that patients are simulated. Measures keep the name that was stored.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, NoReturn, TypeVar

from medpriv.catalogue.attacks import BANK, FAMILIES, PATIENTS
from medpriv.catalogue.networks import networks
from medpriv.catalogue.treatments import TREATMENTS, kind_of_bank, stage_of
from medpriv.dataset import TRAIN
from medpriv.errors import InputError
from medpriv.files import read_csv, read_json
from medpriv.measures.table import Measure, read_measures
from medpriv.report.costs import Cost, Timing, read_costs, read_timings
from medpriv.report.labels import display_name, kind_of, stored_name

Row = dict[str, str]
Group = Mapping[str, str]
WHOLE: Group = MappingProxyType({})  # the group of figures over everything
OF_THE_OUTCOME = ("auc", "gaps", "equal", "time")  # the checks of `medpriv.leakage` that look for it in a column
OF_PATIENTS = "patients"  # the stage of what attacks tell of single patients
DERIVED = tuple(dict.fromkeys(item.stage for item in TREATMENTS.values() if item.origin))  # of banks made from others


class Artefact(NamedTuple):
    """A folder of results: of a dataset, of a bank (`name`), or of a family of attacks on what `name` stands for.

    The stage `patients` has what a family tells of single patients.
    """

    stage: str
    dataset: str
    name: str
    family: str
    folder: Path


@cache
def parse_group(group: str) -> Group:
    """Return a group's `key=value` pairs. A run has few groups, and asks for each of them many thousand times."""
    return MappingProxyType(dict(pair.partition("=")[::2] for pair in group.split(",") if pair))


class Measures(tuple[Measure, ...]):
    """Figures in the order of their file, indexed by attack, measure and group.

    All look-ups are of figures over the whole bank, but for `by_replicate`.
    """

    @cached_property
    def _exact(self) -> dict[tuple[str, str, frozenset], Measure]:
        found: dict[tuple[str, str, frozenset], Measure] = {}
        for item in self:
            if not item.replicate:
                found.setdefault((item.attack, item.measure, frozenset(parse_group(item.group).items())), item)
        return found

    @cached_property
    def _named(self) -> dict[str, list[Measure]]:
        found: dict[str, list[Measure]] = {}
        for item in self:
            if not item.replicate:
                found.setdefault(item.measure, []).append(item)
        return found

    def find(self, measure: str, group: Group = WHOLE, attack: str = "") -> Measure | None:
        """Return the figure of one measure, attack and group; None if there is none."""
        return self._exact.get((attack, measure, frozenset(group.items())))

    def select(self, measure: str, group: Group = WHOLE, attack: str = "") -> list[Measure]:
        """Return the figures of a measure in exactly this group, of attacks whose name begins with `attack`."""
        return [item for item in self.holding(measure, attack=attack) if parse_group(item.group) == group]

    def holding(self, measure: str, pairs: Group = WHOLE, attack: str = "") -> list[Measure]:
        """Return the figures of a measure whose group holds these pairs, of attacks whose name begins with `attack`."""
        return [
            item
            for item in self._named.get(measure, ())
            if item.attack.startswith(attack) and pairs.items() <= parse_group(item.group).items()
        ]

    def by_replicate(self, measure: str) -> dict[str, float]:
        """Return the values of a measure by replicate."""
        return {item.replicate: item.value for item in self if item.measure == measure and item.replicate}

    def by_treatment(self) -> dict[str, "Measures"]:
        """Return the figures of each treatment, in the order in which they come first."""
        found: dict[str, list[Measure]] = {}
        for item in self:
            found.setdefault(item.treatment, []).append(item)
        return {treatment: Measures(own) for treatment, own in found.items()}


def group_order(value: str) -> tuple[str, str]:
    """Return the key that sorts the values of an attribute, `<45` before `45-54`."""
    return value.lstrip("<"), value


def resolved(measure: Measure | None) -> bool:
    """Tell a figure that has a value."""
    return measure is not None and not math.isnan(measure.value)


def highest(measures: Iterable[Measure]) -> Measure | None:
    """Return the figure with the highest value; None if none has one."""
    return max(filter(resolved, measures), key=lambda item: item.value, default=None)


def gives_away(finding: Mapping[str, object]) -> bool:
    """Tell a finding of `medpriv.leakage` about the outcome from those about ids, patients and copies."""
    return finding["check"] in OF_THE_OUTCOME


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
    def two_classes(self) -> bool:
        """True: whatever is wrong is the other class."""
        return len(self.about.get("classes", ())) == 2

    @property
    def one_record_a_patient(self) -> bool:
        """True: a record stands for a patient, so figures by record and by patient are the same."""
        return self.patients == self.records

    @property
    def patients_known(self) -> bool:
        """False: its source names nobody, and each record was taken for a patient."""
        return "patients_known" not in self.about.get("notes", {})

    @property
    def simulated(self) -> bool:
        """True: no real patient is behind these figures."""
        return self.about["source"] == "simulated"

    @property
    def leaking(self) -> bool:
        """True: the config allowed columns that give the outcome away."""
        return any(item["allowed"] and gives_away(item) for item in self.about.get("notes", {}).get("leakage", ()))


@dataclass(frozen=True)
class Result:
    """One treatment of one dataset: how it was trained and every figure that was measured on it.

    Attributes:
        replicates: K.
        hyperparameters, costs: as `bank.json` has them.
        utility, attacks: measures; the attacks of every family together.
        tables: what else was written, by file stem (`reliability`), those of attacks with the family before it
            (`membership-exposure`); missing: none. A path is read when its rows are asked for: those of all banks'
            patients together would fill the memory.
        metadata: what the bank says of itself (`privacy`, `federation`, `split`).
        settings: of the treatment.
    """

    dataset: str
    treatment: str
    model: str
    replicates: int
    hyperparameters: dict
    costs: dict
    utility: Measures
    attacks: Measures
    tables: dict[str, tuple[Row, ...] | Path]
    metadata: dict = field(default_factory=dict)
    settings: dict = field(default_factory=dict)

    @property
    def key(self) -> str:
        """`dataset/treatment`, the row's name throughout the page."""
        return f"{self.dataset}/{self.treatment}"

    @property
    def images(self) -> bool:
        """True where it reads images, whose changes are in grey levels; else they are of signals, in millivolts."""
        return self.model in networks("image")

    def rows(self, table: str) -> tuple[Row, ...]:
        """Return the rows of one table; none where the stage that writes it was not run.

        Of a table that holds the banks of a whole stage, this one's rows.
        """
        held = self.tables.get(table, ())
        rows = _table(held) if isinstance(held, Path) else held
        return tuple(row for row in rows if row.get("treatment", self.treatment) == self.treatment)

    def artefact(self, family: str) -> str:
        """Return the file that holds the figures of one family of attacks."""
        place = stage_of(self.treatment) if FAMILIES[family].joint else self.treatment
        return artefact(self.dataset, place, family)

    @property
    def usefulness(self) -> str:
        """Return the file that holds the utility figures."""
        folder = Path("results", stage_of(self.treatment), stored_name(self.dataset), self.treatment)
        return f"{_of_use(folder)}/utility.csv"


@dataclass(frozen=True)
class Derived:
    """What a bank of personalised or unlearned models says of itself.

    Attributes:
        models: R.
        settings: of the treatment, the parts of its name among them.
        costs: as `bank.json` has them.
    """

    dataset: str
    treatment: str
    models: int
    settings: dict
    costs: dict

    @property
    def key(self) -> str:
        """`dataset/treatment`."""
        return f"{self.dataset}/{self.treatment}"


@dataclass(frozen=True)
class Audit:
    """What one audit of derived banks, or of a dataset itself, found.

    Attributes:
        subject: `personalized-<variant>`; `unlearned` or `unlearned-personal` for all methods of a request; empty of a
            dataset.
        family: of attacks.
        measures: a treatment of its own each; `data` of a dataset.
        tables: rows of what else it writes, by the catalogue's names.
    """

    dataset: str
    subject: str
    family: str
    measures: Measures
    tables: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)

    @property
    def artefact(self) -> str:
        """Return the file that holds its figures."""
        return artefact(self.dataset, self.subject, self.family)

    @property
    def patients(self) -> tuple[Row, ...]:
        """Its rows of single patients."""
        return self.tables.get("patients", ())

    @property
    def request(self) -> str:
        """Return the request that an audit of unlearning is of."""
        return "personal" if self.subject.endswith("-personal") else "population"


@dataclass(frozen=True)
class Results:
    """Everything that the report is made from.

    Attributes:
        cohorts: by the name that the report gives them.
        banks: in the order of the comparison.
        derived: banks made from others, by (dataset, treatment).
        audits: of derived banks, and of datasets.
        costs, timings: measured by the clock.
        config: the whole checked config.
    """

    cohorts: dict[str, Cohort] = field(default_factory=dict)
    banks: tuple[Result, ...] = ()
    derived: dict[tuple[str, str], Derived] = field(default_factory=dict)
    audits: tuple[Audit, ...] = ()
    costs: tuple[Cost, ...] = ()
    timings: tuple[Timing, ...] = ()
    config: dict = field(default_factory=dict)

    @cached_property
    def families(self) -> frozenset[str]:
        """The families of attacks that any figure comes from."""
        tables = [bank.attacks for bank in self.banks] + [item.measures for item in self.audits]
        attacks = {item.attack for table in tables for item in table}
        return frozenset(name for name, family in FAMILIES.items() if attacks & family.attacks.keys())

    @cached_property
    def treatments(self) -> frozenset[str]:
        """The words of the treatments of all banks of K replicates."""
        return frozenset(kind_of(bank.treatment) for bank in self.banks)

    def audits_of(self, family: str) -> list[Audit]:
        """Return the audits of derived banks, or of datasets, by one family of attacks."""
        return [audit for audit in self.audits if audit.family == family]

    @property
    def timed(self) -> frozenset[tuple[str, str]]:
        """Return (dataset, treatment) of the unlearned banks whose seconds were measured."""
        return frozenset((item.dataset, item.treatment) for item in self.timings)

    def format_of(self, dataset: str) -> str:
        """Return the format that the config names for a dataset; empty if it names none."""
        return self.config.get("datasets", {}).get(stored_name(dataset), {}).get("format", "")


Record = TypeVar("Record", Result, Audit, Derived, Cost, Timing)


def artefact(dataset: str, subject: str, family: str) -> str:
    """Return the file of one audit's figures, as `results/` is laid out."""
    return "/".join(["results/attacks", stored_name(dataset), *[subject] * bool(subject), family, "measures.csv"])


def tables_of_measures(artefacts: Iterable[Artefact]) -> list[Path]:
    """Return the tables of measures among the artefacts: the banks' first, then those of attacks."""
    banks = [_of_use(item.folder) / "utility.csv" for item in artefacts if _is_bank(item)]
    attacks = [item.folder / "measures.csv" for item in artefacts if item.family and item.stage != OF_PATIENTS]
    return list(dict.fromkeys(banks + attacks))


def read_results(
    artefacts: Sequence[Artefact],
    costs: Mapping[tuple[str, str, str], Path],
    timings: Mapping[tuple[str, str], Path],
    config: dict,
) -> Results:
    """Read everything that the report is made from; arguments as those of `medpriv.report.build.build_report`."""
    stored = {
        item.dataset: read_cohort(item.dataset, item.folder) for item in artefacts if item.stage == "preprocessed"
    }

    def named(record: Record) -> Record:
        """Return the record under the name that the report gives its dataset; jobs of no dataset stay as they are."""
        return replace(record, dataset=stored[record.dataset].name) if record.dataset in stored else record

    attacks: dict[tuple[str, str], dict[str, Path]] = {}
    patients: dict[tuple[str, str], dict[str, Path]] = {}
    for item in artefacts:
        if item.family:
            found = patients if item.stage == OF_PATIENTS else attacks
            found.setdefault((item.dataset, item.name), {})[item.family] = item.folder
    banks, derived, audits = [], [], []
    for stage, dataset, name, family, folder in artefacts:
        of_patients = patients.get((dataset, name), {})
        if stage == OF_PATIENTS:
            continue
        if family and FAMILIES[family].subject != BANK:
            audits.append(named(read_audit(dataset, name, family, folder, of_patients.get(family))))
        elif not family and stage in DERIVED:
            derived.append(named(read_derived(dataset, name, folder)))
        elif not family and stage != "preprocessed":
            banks.append(named(read_result(dataset, name, folder, attacks.get((dataset, name), {}), of_patients)))
    return Results(
        cohorts={cohort.name: cohort for cohort in stored.values()},
        banks=tuple(banks),
        derived={(bank.dataset, bank.treatment): bank for bank in derived},
        audits=tuple(audits),
        costs=tuple(map(named, read_costs(costs))),
        timings=tuple(map(named, read_timings(timings))),
        config=config,
    )


def _of_use(bank: Path) -> Path:
    """Return the folder of the tables of a bank's use: its own, or its stage's where a job measures all of these."""
    return bank.parent if kind_of_bank(bank.name).joint else bank


def _is_bank(item: Artefact) -> bool:
    """Tell banks of K replicates, the ones that the comparison is about."""
    return not item.family and item.stage not in ("preprocessed", *DERIVED)


def read_cohort(name: str, folder: Path) -> Cohort:
    """Read what a dataset says of itself, and count its patients and records."""
    from safetensors import safe_open

    about = read_json(folder / "dataset.json")
    with safe_open(folder / "dataset.safetensors", framework="numpy") as arrays:
        patient, split = (arrays.get_tensor(array) for array in ("patient", "split"))
        classes = Counter(arrays.get_tensor("y").tolist() if "y" in set(arrays.keys()) else ())
    train = int((split == TRAIN).sum())
    train_records = int((split[patient] == TRAIN).sum())
    return Cohort(
        name=display_name(name, about["source"] == "simulated"),
        patients={"train": train, "test": len(split) - train},
        records={"train": train_records, "test": len(patient) - train_records},
        class_records={label: classes[index] for index, label in enumerate(about.get("classes", ()))},
        about=about,
    )


def read_result(
    dataset: str, treatment: str, bank: Path, attacks: Mapping[str, Path], patients: Mapping[str, Path] | None = None
) -> Result:
    """Read one treatment's bank description, its utility and all attacks on it.

    Args:
        attacks: family -> folder.
        patients: family -> folder of what it tells of single patients.
    """
    about = read_json(bank / "bank.json")
    measures: list[Measure] = []
    kind, use = kind_of_bank(treatment), _of_use(bank)
    used = _own(use / "utility.csv", dataset, "" if kind.joint else treatment)
    tables = {name: use / f"{name}.csv" for name in kind.tables}
    for family, folder in attacks.items():
        found = _own(folder / "measures.csv", dataset, "" if FAMILIES[family].joint else treatment)
        measures += [item for item in found if item.treatment == treatment]
        own = _tables_of(family, folder, (patients or {}).get(family))
        tables |= {f"{family}-{name}": path for name, path in own.items()}
    return Result(
        dataset=dataset,
        treatment=treatment,
        model=about["spec"]["model"],
        replicates=len(about["replicates"]),
        hyperparameters=about["spec"]["hyperparameters"],
        costs=about["costs"],
        utility=Measures(item for item in used if item.treatment == treatment),
        attacks=Measures(measures),
        tables=tables,
        metadata=about["metadata"],
        settings=about["spec"]["settings"],
    )


def read_derived(dataset: str, treatment: str, folder: Path) -> Derived:
    """Read a derived bank's description."""
    about = read_json(folder / "bank.json")
    settings = about["spec"]["parts"] | about["spec"]["settings"]
    return Derived(dataset, treatment, len(about["replicates"]), settings, about["costs"])


def read_audit(dataset: str, subject: str, family: str, folder: Path, patients: Path | None = None) -> Audit:
    """Read what one audit of derived banks, or of a dataset, found; figures of another dataset are refused.

    Args:
        patients: folder of what it tells of single patients.
    """
    tables = {name: _table(path) for name, path in _tables_of(family, folder, patients).items()}
    return Audit(dataset, subject, family, _of_dataset(folder, dataset), tables)


def _tables_of(family: str, folder: Path, patients: Path | None) -> dict[str, Path]:
    """Return the tables that a family writes beside its measures, by name; none of single patients without a folder."""
    places = {name: patients if holds == PATIENTS else folder for name, holds in FAMILIES[family].tables.items()}
    return {name: place / f"{name}.csv" for name, place in places.items() if place is not None}


def _of_dataset(folder: Path, dataset: str) -> Measures:
    """Read a folder's measures and refuse those of another dataset."""
    measures = read_measures(folder / "measures.csv")
    if strange := {measure.dataset for measure in measures} - {dataset}:
        _refuse(", ".join(sorted(strange)), dataset, folder / "measures.csv")
    return Measures(measures)


def _own(path: Path, dataset: str, treatment: str) -> list[Measure]:
    """Read measures and refuse those of another model, so that no figure can stand in the wrong row.

    Args:
        treatment: empty where models of the dataset share a table.
    """
    measures = read_measures(path)
    for measure in measures:
        if measure.dataset != dataset or treatment not in ("", measure.treatment):
            _refuse(f"{measure.dataset}/{measure.treatment}", f"{dataset}/{treatment}", path)
    return measures


def _refuse(other: str, own: str, path: Path) -> NoReturn:
    raise InputError(
        f"a figure of {other} among those of {own}", file=path, remedy="rerun the stage that wrote this file"
    )


def _table(path: Path) -> tuple[Row, ...]:
    return tuple(read_csv(path)) if path.exists() else ()
