"""Every membership and evasion attack on every model, the weak ones too."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from medpriv.measures.table import Measure
from medpriv.report.comparison import BEST, LEVELS, Headline, budgets
from medpriv.report.formatting import change, number
from medpriv.report.labels import attack_name
from medpriv.report.layout import Cell, Column, Group, GroupedTable, Row, Table, folded, n_of, rate_cell, value_cell
from medpriv.report.results import Result, Results, parse_group
from medpriv.report.section import Section

LONG = 30  # rows; a longer table is folded
MEASURES = (  # (name, head, note)
    ("auc", "AUC", ""),
    ("balanced_accuracy", "Balanced accuracy", ""),
    ("tpr_at_fpr_0.01", "TPR", "at 1 % FPR"),
    ("tpr_at_fpr_0.001", "TPR", "at 0.1 % FPR"),
)
TPR = "tpr_at_fpr_"
RIGHT = "accuracy_under_attack"


@dataclass(frozen=True)
class Attacks:
    """What the section shows: membership by dataset, evasion a table a dataset."""

    membership: GroupedTable
    evasion: tuple[Table, ...]


def collect(results: Results, headlines: Sequence[Headline]) -> Attacks:
    """Return every attack; there may be none."""
    datasets = dict.fromkeys(bank.dataset for bank in results.banks)
    banks = {dataset: [bank for bank in results.banks if bank.dataset == dataset] for dataset in datasets}
    return Attacks(
        membership_table(banks),
        tuple(table for dataset, own in banks.items() if (table := _evasion_table(dataset, own)).rows),
    )


# --- membership -----------------------------------------------------------------------------------------------------

Tried = tuple[Result, str]  # a bank, and an attack


def membership_table(banks: dict[str, list[Result]]) -> GroupedTable:
    """Return every membership attack on every model at both levels; the best of all by chance is a row."""
    groups = []
    for dataset, own in banks.items():
        tried = [(bank, attack) for bank in own for attack in dict.fromkeys(item.attack for item in bank.attacks)]
        rows = [_membership_row(bank, attack) for bank, attack in tried if attack.startswith("membership-")]
        groups += [Group(dataset, tuple(rows))] if rows else []
    columns = (
        Column(label, _reached(name, level), note, f"Per {level}") for level in LEVELS for name, label, note in MEASURES
    )
    count = sum(len(group.rows) for group in groups)
    return GroupedTable(tuple(columns), tuple(groups), folded(count, LONG, "Every membership attack"))


def _membership_row(bank: Result, attack: str) -> Row:
    return Row(attack_name(attack), (bank, attack), below=(bank.treatment,))


def _reached(measure: str, level: str) -> Callable[[Tried], Cell]:
    def cell(tried: Tried) -> Cell:
        bank, attack = tried
        name = f"{measure}_chance" if attack == BEST else measure
        found = bank.attacks.find(name, {"level": level}, attack)
        if not measure.startswith(TPR):
            return value_cell(found)
        arrived = bank.attacks.find(measure.replace(TPR, "fpr_reached_"), {"level": level}, attack)
        return rate_cell(found, [arrived])

    return cell


# --- evasion --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Evaded:
    """A row: one attack on one bank, its figures by (measure, budget)."""

    attack: str
    figures: dict[tuple[str, str], Measure]

    @property
    def first(self) -> Measure:
        """Its first figure, whose n is shown."""
        return next(iter(self.figures.values()))


def _evasion_table(dataset: str, banks: Sequence[Result]) -> Table:
    grid = sorted({budget for bank in banks for budget in budgets(bank)}, key=float)
    columns = (
        Column("Accuracy", lambda row: value_cell(row.figures.get((RIGHT, "0"))), "unattacked"),
        *(Column(change(budget, banks[0].images), _flipped(budget), over="Flip rate at") for budget in grid),
        Column("n", lambda row: n_of(row.first)),
    )
    rows = [Row(attack_name(row.attack), row, below=(bank.key,)) for bank in banks for row in _evaded(bank)]
    return Table(f"Evasion on {dataset}", "Attack", columns, tuple(rows), f"Every evasion attack on {dataset}")


def _evaded(bank: Result) -> list[Evaded]:
    found: dict[str, dict[tuple[str, str], Measure]] = {}
    for item in bank.attacks:
        group = parse_group(item.group)
        if item.measure in ("flip_rate", RIGHT) and set(group) == {"budget"} and not item.replicate:
            found.setdefault(item.attack, {})[item.measure, group["budget"]] = item
    return [Evaded(attack, figures) for attack, figures in found.items()]


def _flipped(budget: str) -> Callable[[Evaded], Cell]:
    """Return the function to the flip rate at a budget, with the accuracy that is left."""

    def cell(row: Evaded) -> Cell:
        left = row.figures.get((RIGHT, budget))
        found = value_cell(row.figures.get(("flip_rate", budget)), share=True)
        return found.below(f"accuracy {number(left.value)}" if left else "")

    return cell


SECTION = Section("attacks", "attacks", "All attacks", "All attacks", collect)
