"""The rows of the page's tables: figures as text, with what stands below them and what they are sorted by."""

from collections.abc import Mapping, Sequence

from medpriv.measures.table import Measure
from medpriv.report import words
from medpriv.report.comparison import LEVELS, Headline, budgets, parse_group, select, strongest
from medpriv.report.figures_leakage import FEW, SMALL_COUNT, group_order, withheld
from medpriv.report.inputs import Cohort, Result
from medpriv.report.layout import Cell, Column, Row, Table, count_cell, numbers, value_cell


def comparison_row(headline: Headline) -> dict:
    """Return one model's row of the comparison."""
    result = headline.result
    return {
        "dataset": result.dataset,
        "treatment": result.treatment,
        "family": words.family_of(result.treatment),
        "key": result.key,
        "utility_name": words.measure_name(headline.utility.measure) if headline.utility else "",
        "utility": value_cell(headline.utility),
        "gap": value_cell(headline.gap),
        "auc": [value_cell(headline.auc[level], attack=True) for level in LEVELS],
        "tpr": [value_cell(headline.tpr[level], share=True, attack=True) for level in LEVELS],
        "flip": value_cell(headline.flip, share=True, attack=True),
        "failed": bool(headline.failed),
    }


def subgroup_rows(cohorts: Mapping[str, Cohort], headlines: Sequence[Headline]) -> list[dict]:
    """Return utility and leakage of every subgroup; no small group of a credentialed dataset."""
    rows, names = [], list(cohorts)
    for headline in headlines:
        result = headline.result
        wanted = ("sensitivity", headline.utility.measure if headline.utility else "", "accuracy")
        groups = {}
        for item in (*result.utility, *result.attacks):
            pairs = {key: value for key, value in parse_group(item.group).items() if key not in ("level", "epsilon_mv")}
            if pairs and not item.replicate:
                groups[tuple(pairs.items())] = pairs
        hidden = _hidden(result) if cohorts[result.dataset].credentialed else set()
        for pairs in groups.values():
            if hidden & set(pairs.items()):
                continue
            leak = next(filter(None, (_strongest_in(result, level, pairs) for level in LEVELS)), None)
            leak = _enough(leak, FEW)
            useful = [item for name in wanted for item in select(result.utility, name, pairs)]
            if cohorts[result.dataset].credentialed:
                leak, useful = _enough(leak, SMALL_COUNT), [item for item in useful if _enough(item, SMALL_COUNT)]
            if leak is None and not useful:
                continue
            rows.append(
                {
                    "dataset": result.dataset,
                    "treatment": result.treatment,
                    "order": [(attribute, group_order(value)) for attribute, value in pairs.items()],
                    "group": ", ".join(f"{key} {value}" for key, value in pairs.items()),
                    "utility_name": words.measure_name(useful[0].measure) if useful else "",
                    "utility": value_cell(useful[0] if useful else None),
                    "utility_n": words.integer(useful[0].n) if useful else words.MISSING,
                    "leak": value_cell(leak),
                    "level": _attack_and_level(leak),
                    "leak_n": words.integer(leak.n) if leak else words.MISSING,
                }
            )
    return sorted(rows, key=lambda row: (names.index(row["dataset"]), row["order"]))


def _hidden(result: Result) -> set[tuple[str, str]]:
    """Return the values of attributes (attribute, value) of which a credentialed dataset has too few test records."""
    counts: dict[str, dict[tuple[str, str], int]] = {}
    for item in result.utility:
        pairs = list(parse_group(item.group).items())
        if len(pairs) == 1 and item.measure in ("accuracy", "sensitivity") and not item.replicate:
            counts.setdefault(pairs[0][0], {})[pairs[0]] = item.n
    return {pair for values in counts.values() for pair in withheld(values)}


def _strongest_in(result: Result, level: str, pairs: dict[str, str]) -> Measure | None:
    return strongest(select(result.attacks, "auc", {"level": level, **pairs}, "membership-"))


def _attack_and_level(leak: Measure | None) -> str:
    if leak is None or not leak.attack:
        return ""
    return f"{words.attack_name(leak.attack)}, per {parse_group(leak.group)['level']}"


def _enough(measure: Measure | None, least: int) -> Measure | None:
    return measure if measure is not None and measure.n >= least else None


def membership_rows(headlines: Sequence[Headline]) -> list[dict]:
    """Return every membership attack on every model, at both levels."""
    rows = []
    for headline in headlines:
        measures = headline.result.attacks
        for attack in dict.fromkeys(item.attack for item in measures if item.attack.startswith("membership-")):
            own = [item for item in measures if item.attack == attack]
            cells = []
            for level in LEVELS:
                for name in ("auc", "balanced_accuracy", "tpr_at_fpr_0.01", "tpr_at_fpr_0.001"):
                    found = select(own, name, {"level": level})
                    cells.append(value_cell(found[0] if found else None, share=name.startswith("tpr")))
            rows.append(
                {
                    "dataset": headline.result.dataset,
                    "treatment": headline.result.treatment,
                    "attack": words.attack_name(attack),
                    "cells": cells,
                }
            )
    return rows


def evasion_tables(headlines: Sequence[Headline]) -> list[Table]:
    """Return one table a dataset: every evasion attack on every model, flip rate and accuracy at each budget."""
    found = []
    for dataset in dict.fromkeys(headline.result.dataset for headline in headlines):
        results = [headline.result for headline in headlines if headline.result.dataset == dataset]
        columns = sorted({budget for result in results for budget in budgets(result)}, key=float)
        rows = [row for result in results for row in _evasion_rows(result, columns)]
        if rows:
            heads = [(words.microvolts(budget), "") for budget in columns]
            columns_of = (
                Column("Attack"),
                Column("Accuracy", "unattacked"),
                *numbers(heads, "Flip rate at"),
                Column("n"),
            )
            found.append(
                Table(f"Evasion on {dataset}", columns_of, tuple(rows), fold=f"Every evasion attack on {dataset}")
            )
    return found


def _evasion_rows(result: Result, budgets_mv: Sequence[str]) -> list[Row]:
    table: dict[tuple[str, str, str], Measure] = {}
    for item in result.attacks:
        group = parse_group(item.group)
        if (
            item.measure in ("flip_rate", "accuracy_under_attack")
            and set(group) == {"epsilon_mv"}
            and not item.replicate
        ):
            table[item.attack, item.measure, group["epsilon_mv"]] = item
    rows = []
    for attack in dict.fromkeys(attack for attack, _, _ in table):
        cells = [value_cell(table.get((attack, "accuracy_under_attack", "0")))]
        for budget in budgets_mv:
            cell = value_cell(table.get((attack, "flip_rate", budget)), share=True)
            left = table.get((attack, "accuracy_under_attack", budget))
            more = (f"accuracy {words.number(left.value)}",) if left else ()
            cells.append(Cell(cell.text, (*cell.details, *more), cell.order))
        n = next(item.n for key, item in table.items() if key[0] == attack)
        rows.append(Row(words.attack_name(attack), (*cells, count_cell(n)), below=(result.key,)))
    return rows
