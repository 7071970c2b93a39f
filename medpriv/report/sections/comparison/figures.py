"""The comparison: a row a model, by dataset.

Datasets with columns that give the outcome away are left out: they have a lesson of their own.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from medpriv.measures.table import Measure
from medpriv.report.comparison import LEVELS, RATE, Headline, membership, verdict, worst_class
from medpriv.report.differences import BETTER, by_dataset
from medpriv.report.enough import NO_SKILL, TOO_FEW, people
from medpriv.report.formatting import change, number, percent, plural
from medpriv.report.labels import check_name, measure_name, treatment_label
from medpriv.report.layout import Cell, Column, Group, GroupedTable, Row, rate_cell, value_cell
from medpriv.report.results import Results, parse_group, resolved
from medpriv.report.section import Section

NOBODY_NAMED = "the source names no patient, so each record stands for one"
VERDICTS = ("shown", "not shown", TOO_FEW, NO_SKILL)
USE, LEAK, FIRM, COST = (
    "Usefulness",
    "Membership leakage, strongest attack",
    "Robustness",
    "Cost of training",
)


@dataclass(frozen=True)
class Comparison:
    """What the section says.

    Attributes:
        models: in this run, personalised and unlearned ones too.
        listed: in the table.
        leaking: models whose table gives the outcome away, and these tables.
        derived: personalised and unlearned ones.
        failed: models that fail checks of gradient masking, and which.
    """

    models: int
    listed: int
    leaking: int
    leaking_tables: tuple[str, ...]
    derived: int
    failed: tuple[tuple[str, tuple[str, ...]], ...]
    table: GroupedTable


def collect(results: Results, headlines: Sequence[Headline]) -> Comparison:
    """Return the comparison of every model."""
    leaking = [item for item in headlines if item.leaking]
    compared = [item for item in headlines if not item.leaking]
    return Comparison(
        len(headlines) + len(results.derived),
        len(compared),
        len(leaking),
        tuple(dict.fromkeys(item.result.dataset for item in leaking)),
        len(results.derived),
        tuple((item.result.key, _failed(item)) for item in headlines if item.failed),
        GroupedTable(COLUMNS, tuple(_group(results, name, own) for name, own in by_dataset(compared).items())),
    )


def _failed(item: Headline) -> tuple[str, ...]:
    return tuple(check_name(name) for name in item.failed or () if name != "masking")


def _group(results: Results, dataset: str, own: Sequence[Headline]) -> Group:
    rows = (Row(item.result.treatment, item, below=(treatment_label(item.result.treatment),)) for item in own)
    cohort = results.cohorts.get(dataset)
    nobody = [NOBODY_NAMED] if cohort and not cohort.patients_known else []
    return Group(dataset, tuple(rows), (*facts_of(own), *nobody))


def facts_of(own: Sequence[Headline]) -> list[str]:
    """Return what the models of one dataset have in common, and of how many a leak was shown."""
    names = dict.fromkeys(_measure_of(item.utility) for item in own if item.utility)
    flips = dict.fromkeys(
        change(parse_group(item.flip.group)["budget"], item.result.images) for item in own if item.flip
    )
    facts = [f"utility: {'; '.join(names)}"] if names else []
    facts += [f"leaks per {level}: {counts}" for level in LEVELS if (counts := verdict_counts(own, level))]
    return facts + ([f"flip rate at {', '.join(flips)}"] if flips else [])


def verdict_counts(headlines: Sequence[Headline], level: str) -> str:
    """Return of how many models a leak was shown, and of how many not; empty where none was attacked."""
    counts = Counter(verdict(headline, level) for headline in headlines)
    return ", ".join(f"{counts[name]} {name}" for name in VERDICTS if counts[name])


# --- the columns ----------------------------------------------------------------------------------------------------


def _utility_cell(item: Headline) -> Cell:
    """Return usefulness with its measure, since kinds of models, and numbers of classes, have measures of their own."""
    name = _measure_of(item.utility) if item.utility else ""
    return value_cell(item.utility).below(name, "" if item.skilled else NO_SKILL)


def _measure_of(utility: Measure) -> str:
    lower = BETTER.get(utility.measure) == "lower"
    return f"{measure_name(utility.measure)}{', lower is better' if lower else ''}"


def _leak_cell(level: str) -> Callable[[Headline], Cell]:
    """Return the function to a leak: with the chance level of the best of as many, the people behind it, a verdict."""

    def cell(item: Headline) -> Cell:
        leak, chance = item.leak(level), item.chance(level)
        luck = f"by luck up to {number(chance.upper)}" if chance is not None else ""
        told = f"{plural(people(leak), 'patient')}: {verdict(item, level)}" if leak is not None else ""
        return value_cell(leak, attack=True).below(luck, told)

    return cell


def _rate_cell(level: str) -> Callable[[Headline], Cell]:
    """Return the function to a rate: with that at which the attack arrived, and what the best of as many reaches."""

    def cell(item: Headline) -> Cell:
        rate, reached, chance = item.rate(level), item.reached(level), item.rate_chance(level)
        found = rate_cell(rate, membership(item.result, f"fpr_reached_{RATE}", level), attack=True)
        if not resolved(rate):
            return found
        arrived = f"FPR reached {percent(reached.value)}" if reached is not None else ""
        return found.below(arrived, f"by luck up to {percent(chance.upper)}" if chance is not None else "")

    return cell


def _flip_cell(item: Headline) -> Cell:
    """Return the flip rate with that of the worst class; one that may be too low has a bad tone."""
    worst = worst_class(item.class_flips)
    told = f"worst class, {worst[0]}: {percent(worst[1].value)}" if worst else ""
    return replace(value_cell(item.flip, share=True, attack=True).below(told), tone="bad" if item.failed else "")


def _cost_cell(kind: str) -> Callable[[Headline], Cell]:
    return lambda item: Cell("see below", measured=(kind, item.result.key))


COLUMNS = (
    Column("Utility", _utility_cell, "test patients", USE),
    Column("Gap", lambda item: value_cell(item.figures.get("generalisation_gap")), "training − test accuracy", USE),
    Column("AUC", _leak_cell("patient"), "per patient", LEAK),
    Column("AUC", _leak_cell("record"), "per record", LEAK),
    Column("TPR at 1 % FPR", _rate_cell("patient"), "per patient", LEAK),
    Column("TPR at 1 % FPR", _rate_cell("record"), "per record", LEAK),
    Column("Flip rate", _flip_cell, "strongest attack, at the dataset's reference budget", FIRM),
    Column("Seconds", _cost_cell("seconds"), "", COST),
    Column("Peak MB", _cost_cell("peak"), "", COST),
)
SECTION = Section("comparison", "comparison", "The comparison", "Comparison", collect, kinds=())
