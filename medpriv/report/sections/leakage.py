"""The leakage lesson: what the check before training found in each table, and what a table that leaks does to AUROC.

A dataset with findings that its config allowed stands beside one of the same format without them.
"""

import math
from collections.abc import Mapping, Sequence

from medpriv.report import words
from medpriv.report.comparison import Headline, find
from medpriv.report.inputs import Cohort, Result
from medpriv.report.layout import Cell, Column, Row, Section, Table, count_cell, prose, source_cell, value_cell

MEANINGS = {
    "auc": "one column tells the outcome",
    "equal": "one column is the outcome",
    "time": "known only at or after the outcome",
    "patients": "patients in both splits",
    "duplicates": "the same record in both splits",
}


def leakage_section(
    cohorts: Mapping[str, Cohort], headlines: Sequence[Headline], formats: Mapping[str, str]
) -> Section | None:
    """Return the section; None where no table was checked.

    Args:
        formats: the format of each dataset.
    """
    checked = {name: findings(cohort) for name, cohort in cohorts.items() if "leakage" in cohort.about["notes"]}
    tables = {name: found for name, found in checked.items() if cohorts[name].about["modality"] == "table" or found}
    if not tables:
        return None
    pairs = pairs_of(tables, formats)
    parts = [_lesson_table(*pair, headlines) for pair in pairs]
    return Section(
        "leakage",
        "Does the table give its own outcome away?",
        "Leakage check",
        (
            "A column that was filled in after the outcome looks like success. So every table is checked before "
            "anything is trained on it, and a finding stops the run unless the config allows it by name. A column "
            "that leaks in part, or together with another one, is not found: a pass is no proof.",
            *(_sentence(*pair, tables, headlines) for pair in pairs),
            _count(tables),
        ),
        (*parts, _findings_table(tables)),
    )


def findings(cohort: Cohort) -> list[dict]:
    """Return what the check found in a dataset."""
    return list(cohort.about["notes"].get("leakage", ()))


def pairs_of(tables: Mapping[str, Sequence[dict]], formats: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (with leaks that were allowed, of the same format without) for every table that leaks."""
    leaking = [name for name, found in tables.items() if any(item["allowed"] for item in found)]
    sound = [name for name in tables if name not in leaking]
    return [
        (name, other)
        for name in leaking
        for other in sound
        if formats.get(name) and formats[name] == formats.get(other)
    ]


def _auroc(headlines: Sequence[Headline], dataset: str) -> dict[str, Result]:
    """Return the banks of a dataset that have an AUROC, by treatment."""
    own = ((item.result, find(item.result.utility, "auroc", {})) for item in headlines)
    valued = ((result, found) for result, found in own if found is not None and not math.isnan(found.value))
    return {result.treatment: result for result, _ in valued if result.dataset == dataset}


def _sentence(leaking: str, sound: str, tables: Mapping[str, Sequence[dict]], headlines: Sequence[Headline]) -> str:
    columns = [item["name"] for item in tables[leaking] if item["allowed"]]
    with_, without = _auroc(headlines, leaking), _auroc(headlines, sound)
    names = [name for name in with_ if name in without]
    told = f"In {leaking} the check found {_listed(columns)}, kept on purpose"
    if not names:
        return f"{told}."
    best = max(names, key=lambda name: find(with_[name].utility, "auroc", {}).value)
    high, low = (find(results[best].utility, "auroc", {}) for results in (with_, without))
    return (
        f"{told}: {best} reaches an AUROC of {words.number(high.value)} (95 % interval {words.interval(high)}, "
        f"n = {words.integer(high.n)}). Without them, in {sound}, it reaches {words.number(low.value)} "
        f"({words.interval(low)}, n = {words.integer(low.n)})."
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _count(tables: Mapping[str, Sequence[dict]]) -> str:
    clean = [name for name, found in tables.items() if not found]
    if len(clean) == len(tables):
        return f"Nothing was found in {_listed(clean)}."
    return f"Nothing was found in {_listed(clean)}; the other findings stand below." if clean else ""


def _lesson_table(leaking: str, sound: str, headlines: Sequence[Headline]) -> Table:
    with_, without = _auroc(headlines, leaking), _auroc(headlines, sound)
    rows = []
    for name in dict.fromkeys([*with_, *without]):
        high, low = (
            find(results[name].utility, "auroc", {}) if name in results else None for results in (with_, without)
        )
        cells = (
            value_cell(high),
            count_cell(high.n if high else None),
            value_cell(low),
            count_cell(low.n if low else None),
            source_cell(*(results[name].usefulness for results in (with_, without) if name in results)),
        )
        rows.append(Row(name, cells))
    columns = (
        Column("Bank"),
        Column("AUROC", "unseen patients", f"{leaking}: leaks kept"),
        Column("n", "records", f"{leaking}: leaks kept"),
        Column("AUROC", "unseen patients", f"{sound}: without them"),
        Column("n", "records", f"{sound}: without them"),
        Column("Artefacts", form="code"),
    )
    lede = (
        "The same kind of model on the same table, with and without the columns that the check names. Each set draws a "
        "split of its own, so the test patients differ."
    )
    return Table(f"{leaking} beside {sound}", columns, tuple(rows), lede)


def _value_cell(item: Mapping[str, object], end: str) -> Cell:
    """Return a finding's AUC or share, or its hours; a time has no lower limit of its own."""
    value = float(item[end])
    if item["check"] == "time":
        return Cell(f"{value:g}\u00a0h", order=f"{value:.6g}") if end == "value" else Cell(words.MISSING)
    return Cell(words.number(value), order=f"{value:.6g}")


def _findings_table(tables: Mapping[str, Sequence[dict]]) -> Table:
    rows = []
    for dataset, found in tables.items():
        artefact = source_cell(f"results/preprocessed/{words.stored_name(dataset)}/dataset.json", "notes.leakage")
        if not found:
            cells = (prose("nothing found", "good"), prose(words.MISSING), *(Cell(words.MISSING),) * 3, artefact)
            rows.append(Row(dataset, cells))
        for item in found:
            state = "kept on purpose" if item["allowed"] else "reported only"
            cells = (
                prose(MEANINGS.get(item["check"], item["check"]), "bad"),
                prose(item["explanation"]),
                *(_value_cell(item, end) for end in ("value", "lower")),
                count_cell(item["n"]),
                Cell(artefact.text, (*artefact.details, state), artefact.order, "code"),
            )
            rows.append(Row(item["name"], cells, above=dataset))
    columns = (
        Column("Table, column"),
        Column("Check", form="prose"),
        Column("What was found", form="prose"),
        Column("Value", "AUC, share or hours"),
        Column("At least", "lower 95 % limit"),
        Column("n", "patients or records"),
        Column("Artefact", form="code"),
    )
    return Table("What the check found", columns, tuple(rows))
