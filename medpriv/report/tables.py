"""The rows of the page's tables: figures as text, with what stands below them and what they are sorted by."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from medpriv.measures.table import Measure
from medpriv.report import words
from medpriv.report.comparison import (
    BEST,
    LEVELS,
    Headline,
    budgets,
    parse_group,
    select,
    strongest,
    verdict,
    worst_class,
)
from medpriv.report.enough import NO_SKILL, TOO_FEW, people
from medpriv.report.figures_leakage import FEW, SMALL_COUNT, group_order, withheld
from medpriv.report.inputs import Cohort, Derived, Result
from medpriv.report.layout import Cell, Column, Row, Table, count_cell, numbers, value_cell

VERDICTS = ("shown", "not shown", TOO_FEW, NO_SKILL)


def comparison_groups(headlines: Sequence[Headline]) -> list[dict]:
    """Return the comparison by dataset: what its models have in common, how many leaks were shown, and a row a model.

    Datasets with columns that give the outcome away are left out: they have a lesson of their own.
    """
    groups = []
    for dataset in dict.fromkeys(headline.result.dataset for headline in headlines if not headline.leaking):
        own = [headline for headline in headlines if headline.result.dataset == dataset]
        names = dict.fromkeys(words.measure_name(item.utility.measure) for item in own if item.utility)
        flips = dict.fromkeys(parse_group(item.flip.group)["budget"] for item in own if item.flip)
        facts = [f"utility: {', '.join(names)}"] if names else []
        facts += [f"leaks per {level}: {counts}" for level in LEVELS if (counts := verdict_counts(own, level))]
        facts += [f"flip rate at {', '.join(map(words.microvolts, flips))}"] if flips else []
        groups.append({"dataset": dataset, "facts": facts, "rows": [_comparison_row(item) for item in own]})
    return groups


def counts_sentence(headlines: Sequence[Headline], derived: Sequence[Derived]) -> str:
    """Return how many models were trained, how many stand in the comparison, and where the others are."""
    leaking = [headline for headline in headlines if headline.leaking]
    parts = [f"{words.plural(len(headlines) + len(derived), 'model')} in this run"]
    parts.append(f"{len(headlines) - len(leaking)} in this table")
    if leaking:
        names = ", ".join(dict.fromkeys(headline.result.dataset for headline in leaking))
        parts.append(f"{len(leaking)} of {names} in the leakage check, whose table gives the outcome away")
    if derived:
        parts.append(f"{len(derived)} personalised or unlearned ones in the sections on these")
    return "; ".join(parts) + "."


def verdict_counts(headlines: Sequence[Headline], level: str) -> str:
    """Return of how many models a leak was shown, and of how many not; empty where none was attacked."""
    counts = Counter(verdict(headline, level) for headline in headlines)
    del counts[""]
    return ", ".join(f"{counts[name]} {name}" for name in VERDICTS if counts[name])


def _comparison_row(headline: Headline) -> dict:
    result = headline.result
    leaks = [_with(value_cell(headline.auc[level], attack=True), *_leak_details(headline, level)) for level in LEVELS]
    rates = [value_cell(headline.tpr[level], share=True, attack=True) for level in LEVELS]
    return {
        "treatment": result.treatment,
        "family": words.family_of(result.treatment),
        "key": result.key,
        "utility": _with(value_cell(headline.utility), "" if headline.skilled else NO_SKILL),
        "gap": value_cell(headline.gap),
        "auc": leaks,
        "tpr": [_with(cell, *_rate_details(headline, level)) for cell, level in zip(rates, LEVELS, strict=True)],
        "flip": _with(value_cell(headline.flip, share=True, attack=True), _worst_class(headline)),
        "failed": bool(headline.failed),
    }


def _with(cell: Cell, *details: str) -> Cell:
    return replace(cell, details=(*cell.details, *filter(None, details)))


def _leak_details(headline: Headline, level: str) -> list[str]:
    """Return the chance level of the best of as many attacks, the people behind the figure, and what may be said."""
    leak, chance = headline.auc[level], headline.chance.get(level)
    details = []
    if chance is not None:
        details.append(f"by luck up to {words.number(chance.upper)}")
    if leak is not None:
        details.append(f"{words.plural(people(leak), 'patient')}: {verdict(headline, level)}")
    return details


def _rate_details(headline: Headline, level: str) -> list[str]:
    """Return the rate at which the attack arrived, and what the best of as many attacks reaches by chance."""
    rate, reached, chance = (each.get(level) for each in (headline.tpr, headline.reached, headline.tpr_chance))
    if rate is None or math.isnan(rate.value):
        return []
    found = [f"FPR reached {words.percent(reached.value)}"] if reached is not None else []
    return [*found, *([f"by luck up to {words.percent(chance.upper)}"] if chance is not None else [])]


def _worst_class(headline: Headline) -> str:
    worst = worst_class(headline.class_flips)
    return f"worst class, {worst[0]}: {words.percent(worst[1].value)}" if worst else ""


def subgroup_rows(cohorts: Mapping[str, Cohort], headlines: Sequence[Headline]) -> list[dict]:
    """Return utility and leakage of every subgroup, by dataset and measure; no small one of a credentialed dataset."""
    rows, names = [], list(cohorts)
    for headline in headlines:
        result = headline.result
        wanted = ("sensitivity", headline.utility.measure if headline.utility else "", "accuracy")
        groups = {}
        for item in (*result.utility, *result.attacks):
            pairs = {key: value for key, value in parse_group(item.group).items() if key not in ("level", "budget")}
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
                    "utility_n": _counts(useful[0] if useful else None),
                    "leak": value_cell(leak),
                    "level": _attack_and_level(leak),
                    "leak_n": _counts(leak),
                }
            )
    return by_dataset(sorted(rows, key=lambda row: (names.index(row["dataset"]), row["order"])), "utility_name")


def by_dataset(rows: Sequence[dict], *more: str) -> list[dict]:
    """Return rows in groups of one dataset, and of what else is named: a table's rows are sorted within these alone."""
    groups: dict[tuple[str, ...], list[dict]] = {}
    for row in rows:
        groups.setdefault((row["dataset"], *(row[name] for name in more)), []).append(row)
    return [{"name": ": ".join(filter(None, key)), "rows": own, "count": len(own)} for key, own in groups.items()]


def _counts(measure: Measure | None) -> str:
    """Return what a figure is a share of, and of how many people that is where it says so."""
    if measure is None:
        return words.MISSING
    more = f" of {words.plural(measure.patients, 'patient')}" if measure.patients else ""
    return f"{words.integer(measure.n)}{more}"


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
    return measure if measure is not None and people(measure) >= least else None


def membership_rows(headlines: Sequence[Headline]) -> list[dict]:
    """Return every membership attack on every model at both levels, by dataset; the best of all by chance is a row."""
    rows = []
    for headline in headlines:
        measures = headline.result.attacks
        for attack in dict.fromkeys(item.attack for item in measures if item.attack.startswith("membership-")):
            own = [item for item in measures if item.attack == attack]
            cells = []
            for level in LEVELS:
                for name in ("auc", "balanced_accuracy", "tpr_at_fpr_0.01", "tpr_at_fpr_0.001"):
                    found = select(own, name + ("_chance" if attack == BEST else ""), {"level": level})
                    cells.append(value_cell(found[0] if found else None, share=name.startswith("tpr")))
            rows.append(
                {
                    "dataset": headline.result.dataset,
                    "treatment": headline.result.treatment,
                    "attack": words.attack_name(attack),
                    "cells": cells,
                }
            )
    return by_dataset(rows)


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
        if item.measure in ("flip_rate", "accuracy_under_attack") and set(group) == {"budget"} and not item.replicate:
            table[item.attack, item.measure, group["budget"]] = item
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
