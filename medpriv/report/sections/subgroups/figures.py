"""Utility and leakage of every subgroup, by dataset and measure; no small one of a credentialed dataset."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from medpriv.measures.table import Measure
from medpriv.report.comparison import LEVELS, Headline, strongest
from medpriv.report.enough import people
from medpriv.report.formatting import MISSING, integer, plural
from medpriv.report.labels import attack_name, measure_name
from medpriv.report.layout import Cell, Column, Group, GroupedTable, Row, folded, value_cell
from medpriv.report.results import Cohort, Result, Results, group_order, parse_group
from medpriv.report.section import Section
from medpriv.report.sections.exposure.figures import FEW
from medpriv.report.withholding import SMALL_COUNT, withheld

NOT_A_PART = ("level", "budget")  # keys of a group that name no part of the patients
LONG = 60  # rows; a longer table is folded


@dataclass(frozen=True)
class Part:
    """One part of a dataset's patients, as one model treats it; None where a figure is missing or withheld.

    Attributes:
        pairs: that name it.
    """

    result: Result
    pairs: dict[str, str]
    utility: Measure | None
    leak: Measure | None

    @property
    def order(self) -> list[tuple[str, tuple[str, str]]]:
        """The key that sorts parts."""
        return [(attribute, group_order(value)) for attribute, value in self.pairs.items()]

    @property
    def name(self) -> str:
        """The part in words."""
        return ", ".join(f"{key} {value}" for key, value in self.pairs.items())


@dataclass(frozen=True)
class Subgroups:
    """What the section says; `few`: non-members below which a part's leakage is left out."""

    table: GroupedTable
    few: int = FEW


def collect(results: Results, headlines: Sequence[Headline]) -> Subgroups:
    """Return the table of all parts; it may be empty."""
    parts = [part for item in headlines for part in parts_of(results.cohorts[item.result.dataset], item)]
    names = list(results.cohorts)
    parts.sort(key=lambda part: (names.index(part.result.dataset), part.order))
    groups: dict[str, list[Part]] = {}
    for part in parts:
        name = measure_name(part.utility.measure) if part.utility else ""
        groups.setdefault(": ".join(filter(None, (part.result.dataset, name))), []).append(part)
    return Subgroups(
        GroupedTable(
            COLUMNS,
            tuple(Group(name, tuple(map(_row, own))) for name, own in groups.items()),
            folded(len(parts), LONG, "Every subgroup"),
        )
    )


def _row(part: Part) -> Row:
    return Row(part.name, part, below=(part.result.treatment,))


def parts_of(cohort: Cohort, headline: Headline) -> list[Part]:
    """Return the parts of which one model's figures may be shown."""
    result = headline.result
    found: dict[tuple, dict[str, str]] = {}
    for item in (*result.utility, *result.attacks):
        pairs = {key: value for key, value in parse_group(item.group).items() if key not in NOT_A_PART}
        if pairs and not item.replicate:
            found[tuple(pairs.items())] = pairs
    hidden = _hidden(result) if cohort.credentialed else set()
    parts = (_part(cohort, headline, pairs) for pairs in found.values() if not hidden & set(pairs.items()))
    return [part for part in parts if part.leak is not None or part.utility is not None]


def _part(cohort: Cohort, headline: Headline, pairs: Mapping[str, str]) -> Part:
    result, least = headline.result, SMALL_COUNT if cohort.credentialed else 0
    wanted = ("sensitivity", headline.utility.measure if headline.utility else "", "accuracy")
    useful = [item for name in wanted for item in result.utility.select(name, pairs)]
    leak = next(filter(None, (_leak(result, level, pairs) for level in LEVELS)), None)
    return Part(
        result,
        dict(pairs),
        next((item for item in useful if people(item) >= least), None),
        leak if leak is not None and people(leak) >= max(FEW, least) else None,
    )


def _leak(result: Result, level: str, pairs: Mapping[str, str]) -> Measure | None:
    return strongest(result.attacks.select("auc", {"level": level, **pairs}, "membership-"))


def _hidden(result: Result) -> set[tuple[str, str]]:
    """Return the values of attributes (attribute, value) of which a credentialed dataset has too few test records."""
    counts: dict[str, dict[tuple[str, str], int]] = {}
    for name in ("accuracy", "sensitivity"):
        for item in result.utility.holding(name):
            pairs = list(parse_group(item.group).items())
            if len(pairs) == 1:
                counts.setdefault(pairs[0][0], {})[pairs[0]] = item.n
    return {pair for values in counts.values() for pair in withheld(values)}


# --- the columns ----------------------------------------------------------------------------------------------------


def _leak_cell(part: Part) -> Cell:
    leak = part.leak
    named = leak is not None and leak.attack
    told = f"{attack_name(leak.attack)}, per {parse_group(leak.group)['level']}" if named else ""
    return value_cell(leak).below(told)


def _counts(figure: Callable[[Part], Measure | None]) -> Callable[[Part], Cell]:
    """Return the function to what a figure is a share of, and of how many people that is where it says so."""

    def cell(part: Part) -> Cell:
        measure = figure(part)
        if measure is None:
            return Cell(MISSING, form="plain")
        more = f" of {plural(measure.patients, 'patient')}" if measure.patients else ""
        return Cell(f"{integer(measure.n)}{more}", form="plain")

    return cell


COLUMNS = (
    Column("Utility", lambda part: value_cell(part.utility)),
    Column("n", _counts(lambda part: part.utility)),
    Column("AUC of the attacker", _leak_cell, "strongest attack"),
    Column("n", _counts(lambda part: part.leak), "non-members"),
)
SECTION = Section("subgroups", "subgroups", "Subgroups", "Subgroups", collect)
