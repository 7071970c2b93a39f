"""The leakage lesson: what the check before training found in each table, and what a table that leaks does to AUROC.

A dataset with findings that its config allowed stands beside one of the same format without them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medpriv.measures.table import Measure
from medpriv.report.comparison import Headline
from medpriv.report.formatting import MISSING, number
from medpriv.report.labels import stored_name
from medpriv.report.layout import NOTHING, Cell, Column, Row, Table, count_cell, n_of, prose, source_cell, value_cell
from medpriv.report.results import Cohort, Result, Results, gives_away, resolved
from medpriv.report.section import Section

MEANINGS = {
    "auc": "one column tells the outcome",
    "gaps": "one column’s gaps tell the outcome",
    "equal": "one column is the outcome",
    "time": "known only at or after the outcome",
    "patients": "patients in both splits",
    "ids": "an id to be memorised",
    "duplicates": "the same record in both splits",
}
Findings = Mapping[str, Sequence[dict]]  # of each dataset


@dataclass(frozen=True)
class Compared:
    """One treatment with the leaking columns and without them; None where a dataset has no such bank."""

    treatment: str
    leaking: Result | None
    sound: Result | None

    @property
    def with_leaks(self) -> Measure | None:
        """The AUROC with them."""
        return _auroc(self.leaking)

    @property
    def without(self) -> Measure | None:
        """The AUROC without them."""
        return _auroc(self.sound)


@dataclass(frozen=True)
class Lesson:
    """A table that leaks beside the same without its leaks.

    Attributes:
        columns: that leak, by name.
        best: the treatment of both that the leaking table serves best; None without one.
        table: every treatment of either.
    """

    leaking: str
    sound: str
    columns: tuple[str, ...]
    best: Compared | None
    table: Table


@dataclass(frozen=True)
class Leakage:
    """What the section says.

    Attributes:
        harmless: by dataset what its config allowed that doesn't give the outcome away.
        clean: datasets in which nothing was found.
        others: whether something was found in another one.
    """

    lessons: tuple[Lesson, ...]
    harmless: Mapping[str, tuple[str, ...]]
    clean: tuple[str, ...]
    others: bool
    table: Table


def collect(results: Results, headlines: Sequence[Headline]) -> Leakage | None:
    """Return what the check found; None where no table was checked."""
    checked = {name: findings(cohort) for name, cohort in results.cohorts.items() if "leakage" in cohort.about["notes"]}
    modality = {name: cohort.about["modality"] for name, cohort in results.cohorts.items()}
    tables = {name: found for name, found in checked.items() if found or modality[name] == "table"}
    if not tables:
        return None
    pairs = pairs_of(tables, {name: results.format_of(name) for name in tables})
    clean = tuple(name for name, found in tables.items() if not found)
    return Leakage(
        lessons=tuple(_lesson(*pair, tables, results.banks) for pair in pairs),
        harmless={name: names for name, found in tables.items() if (names := _allowed(found, outcome=False))},
        clean=clean,
        others=len(clean) < len(tables),
        table=_findings_table(tables),
    )


def findings(cohort: Cohort) -> list[dict]:
    """Return what the check found in a dataset."""
    return list(cohort.about["notes"].get("leakage", ()))


def pairs_of(tables: Findings, formats: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (with leaks that were allowed, of the same format without) for every table that leaks."""
    leaking = [name for name, found in tables.items() if _allowed(found)]
    sound = [name for name in tables if name not in leaking]
    return [
        (name, other)
        for name in leaking
        for other in sound
        if formats.get(name) and formats[name] == formats.get(other)
    ]


def _allowed(found: Sequence[dict], outcome: bool = True) -> tuple[str, ...]:
    """Return the names of what was allowed: the columns that give the outcome away, or all else."""
    return tuple(item["name"] for item in found if item["allowed"] and gives_away(item) == outcome)


def _auroc(result: Result | None) -> Measure | None:
    return result.utility.find("auroc") if result else None


def _lesson(leaking: str, sound: str, tables: Findings, banks: Sequence[Result]) -> Lesson:
    with_leaks, without = (
        {bank.treatment: bank for bank in banks if bank.dataset == dataset and resolved(_auroc(bank))}
        for dataset in (leaking, sound)
    )
    names = dict.fromkeys([*with_leaks, *without])
    compared = [Compared(name, with_leaks.get(name), without.get(name)) for name in names]
    both = [item for item in compared if item.leaking and item.sound]
    return Lesson(
        leaking,
        sound,
        _allowed(tables[leaking]),
        max(both, key=lambda item: item.with_leaks.value, default=None),
        _lesson_table(leaking, sound, compared),
    )


def _lesson_table(leaking: str, sound: str, compared: Sequence[Compared]) -> Table:
    kept, without = f"{leaking}: leaks kept", f"{sound}: without them"
    columns = (
        Column("AUROC", lambda item: value_cell(item.with_leaks), "test patients", kept),
        Column("n", lambda item: n_of(item.with_leaks), "records", kept),
        Column("AUROC", lambda item: value_cell(item.without), "test patients", without),
        Column("n", lambda item: n_of(item.without), "records", without),
        Column("Artefacts", _sources, form="code"),
    )
    rows = tuple(Row(item.treatment, item) for item in compared)
    return Table(f"{leaking} beside {sound}", "Bank", columns, rows)


def _sources(item: Compared) -> Cell:
    return source_cell(*(bank.usefulness for bank in (item.leaking, item.sound) if bank))


def _findings_table(tables: Findings) -> Table:
    rows = []
    for dataset, found in tables.items():
        rows += [Row(item["name"], (dataset, item), above=dataset) for item in found]
        rows += [] if found else [Row(dataset, (dataset, None))]
    columns = (
        Column("Check", _check, form="prose"),
        Column("What was found", lambda row: prose(row[1]["explanation"] if row[1] else MISSING), form="prose"),
        Column("Value", lambda row: _amount(row[1], "value"), "AUC, share or hours"),
        Column("At least", lambda row: _amount(row[1], "lower"), "lower 95 % limit"),
        Column("n", lambda row: count_cell(row[1]["n"]) if row[1] else NOTHING, "patients or records"),
        Column("Artefact", _artefact, form="code"),
    )
    return Table("What the check found", "Table, column", columns, tuple(rows))


Found = tuple[str, dict | None]  # dataset, finding


def _check(row: Found) -> Cell:
    item = row[1]
    return prose(MEANINGS.get(item["check"], item["check"]), "bad") if item else prose("nothing found", "good")


def _amount(item: dict | None, end: str) -> Cell:
    """Return a finding's AUC or share, or its hours; a time has no lower limit of its own."""
    if item is None:
        return NOTHING
    value = float(item[end])
    if item["check"] == "time":
        return Cell(f"{value:g}\u00a0h", order=f"{value:.6g}") if end == "value" else NOTHING
    return Cell(number(value), order=f"{value:.6g}")


def _artefact(row: Found) -> Cell:
    dataset, item = row
    state = "" if item is None else "kept on purpose" if item["allowed"] else "reported only"
    return source_cell(f"results/preprocessed/{stored_name(dataset)}/dataset.json", "notes.leakage", state)


SECTION = Section("leakage", "leakage", "Does the table give its own outcome away?", "Leakage check", collect)
