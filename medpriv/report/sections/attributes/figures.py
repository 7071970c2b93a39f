"""Attribute inference: whether a model tells a hidden feature of those it was trained on better than of others.

What counts is the member advantage; accuracy alone is medicine, which the imputer has learnt as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from medpriv.measures.intervals import LEVEL
from medpriv.measures.table import Measure
from medpriv.report.comparison import Headline
from medpriv.report.differences import without_skill
from medpriv.report.enough import enough
from medpriv.report.labels import attack_name
from medpriv.report.layout import Cell, Column, Row, Table, count_cell, folded, source_cell, value_cell
from medpriv.report.results import Result, Results, highest
from medpriv.report.section import Section

LONG = 30  # rows; a longer table is folded
COMBINED, IMPUTER = "attribute-combined", "attribute-imputer"


@dataclass(frozen=True)
class Advantage:
    """What is said of the member advantage, by the best attack on each bank with skill.

    Attributes:
        shown: banks with an interval above 0.
        judged: banks on patients enough.
        few: banks on too few.
        attacks: that the best was chosen from.
        luck: the share of banks that would be counted if none gave anything away.
        key, best: the highest, and whose it is.
        unskilled: treatments that are left out.
    """

    shown: int
    judged: int
    few: int
    attacks: int
    luck: float
    key: str
    best: Measure
    unskilled: list[str]


@dataclass(frozen=True)
class Attributes:
    """What the section says; without `advantage` where no bank could be asked."""

    advantage: Advantage | None
    table: Table


def collect(results: Results, headlines: Sequence[Headline]) -> Attributes | None:
    """Return what was guessed; None where no model was asked."""
    attacked = [item for item in headlines if _advantages(item.result)]
    return Attributes(_advantage(attacked), _table([item.result for item in attacked])) if attacked else None


def _advantages(result: Result) -> list[Measure]:
    """Return the member advantage of every attack, over all variables together."""
    return result.attacks.select("member_advantage")


def _advantage(attacked: Sequence[Headline]) -> Advantage | None:
    every = [(item.result, highest(_advantages(item.result))) for item in attacked if item.skilled]
    asked = [(result, best) for result, best in every if best is not None]
    if not asked:
        return None
    judged = [pair for pair in asked if enough(pair[1])]
    tried = max(len(_advantages(result)) for result, _ in asked)
    result, best = max(judged or asked, key=lambda pair: pair[1].value)
    return Advantage(
        shown=sum(best.lower > 0 for _, best in judged),
        judged=len(judged),
        few=len(asked) - len(judged),
        attacks=tried,
        luck=tried * (1 - LEVEL) / 2,
        key=result.key,
        best=best,
        unskilled=without_skill(attacked),
    )


def _table(banks: Sequence[Result]) -> Table:
    attacks = dict.fromkeys(item.attack for result in banks for item in _advantages(result))
    columns = (
        *(Column(attack_name(name), _advantage_of(name), over="Member advantage") for name in attacks),
        Column("Members", _figure("accuracy_members", COMBINED), "combined", "Accuracy"),
        Column("Imputer", _figure("accuracy", IMPUTER), "no model", "Accuracy"),
        Column("Difference", _figure("over_imputer", COMBINED, signed=True), "members, combined − imputer", "Accuracy"),
        Column("n", _patients, "patients"),
        Column("Artefact", lambda result: source_cell(result.artefact("attribute")), form="code"),
    )
    rows = tuple(Row(result.treatment, result, above=result.dataset) for result in banks)
    fold = folded(len(rows), LONG, "Every bank")
    return Table("Guessing a hidden feature", "Bank", columns, rows, fold)


def _advantage_of(attack: str):
    return _figure("member_advantage", attack, signed=True)


def _figure(measure: str, attack: str, *, signed: bool = False):
    """Return the function from a bank to the cell of one figure over all variables."""

    def cell(result: Result) -> Cell:
        return value_cell(result.attacks.find(measure, attack=attack), share=True, signed=signed)

    return cell


def _patients(result: Result) -> Cell:
    return count_cell(next((item.n for item in _advantages(result) if item.n), None))


SECTION = Section(
    "attributes",
    "attributes",
    "Does a model tell a hidden feature?",
    "Hidden features",
    collect,
    families=("attribute",),
)
