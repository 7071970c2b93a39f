"""Whom a synthetic table serves worst: of each sex, age and site, the part of the patients that loses most by it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from medpriv.measures.table import Measure
from medpriv.report.enough import people
from medpriv.report.formatting import plural
from medpriv.report.layout import NOTHING, Cell, Column, Row, Table, value_cell
from medpriv.report.results import parse_group, resolved
from medpriv.report.sections.exposure.figures import FEW
from medpriv.report.withholding import withheld

if TYPE_CHECKING:
    from medpriv.report.sections.synthetic.figures import Released

LOST = "tstr_auroc_difference"
NO_PART = "classifier"  # the key of a group that is no part of the patients


def table(dataset: str, banks: Sequence[Released], credentialed: bool) -> Table | None:
    """Return the worst part of each attribute for each generator; None where no part has a figure.

    Args:
        dataset: its name.
        banks: its generators.
        credentialed: whether small parts are withheld.
    """
    parts = {bank.result.treatment: parts_of(bank, credentialed) for bank in banks}
    attributes = list(dict.fromkeys(attribute for own in parts.values() for attribute, _ in own))
    if not attributes:
        return None

    def worst(attribute: str, bank: Released) -> Cell:
        return worst_of(
            {value: item for (key, value), item in parts[bank.result.treatment].items() if key == attribute}
        )

    return Table(
        f"Whom they serve worst, {dataset}",
        "Generator",
        (
            Column("All patients", lambda bank: value_cell(bank.use(LOST), signed=True)),
            *(Column(attribute, partial(worst, attribute), over="Worst part, by") for attribute in attributes),
        ),
        tuple(Row(bank.label, bank, control=bool(bank.generator.control)) for bank in banks),
    )


def parts_of(bank: Released, credentialed: bool) -> dict[tuple[str, str], Measure]:
    """Return (attribute, value) -> what training on the rows costs this part of the patients.

    Parts of few patients, or without an AUROC, are left out; of credentialed ones those that would give a small one
    away, too.
    """
    found: dict[tuple[str, str], Measure] = {}
    for item in bank.result.utility.holding(LOST):
        pairs = list(parse_group(item.group).items())
        if len(pairs) == 1 and pairs[0][0] != NO_PART and not item.replicate:
            found[pairs[0]] = item
    hidden: set[tuple[str, str]] = set()
    if credentialed:
        for attribute in {attribute for attribute, _ in found}:
            hidden |= withheld({pair: people(item) for pair, item in found.items() if pair[0] == attribute})
    return {pair: item for pair, item in found.items() if pair not in hidden and resolved(item) and people(item) >= FEW}


def worst_of(parts: dict[str, Measure]) -> Cell:
    """Return the part that loses most, with its interval, its patients and of how many parts it is the worst."""
    if not parts:
        return NOTHING
    name, lost = min(parts.items(), key=lambda part: part[1].value)
    told = f"{name}, {plural(lost.patients, 'patient')}" if lost.patients else name
    return value_cell(lost, signed=True).below(told, f"of {len(parts)}" if len(parts) > 1 else "alone")
