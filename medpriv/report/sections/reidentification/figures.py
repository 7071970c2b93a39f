"""Re-identification: what a table gives away of the people in it, whatever is trained on it.

Only counts and shares are shown, never a row. The table of legal criteria says what was checked and what was not; it
claims no compliance.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from medpriv.measures.table import Measure
from medpriv.report.comparison import Headline
from medpriv.report.formatting import percent, plural
from medpriv.report.labels import stored_name
from medpriv.report.layout import (
    Cell,
    Column,
    Row,
    Table,
    columns_over,
    count_cell,
    n_of,
    prose,
    source_cell,
    value_cell,
)
from medpriv.report.results import Audit, Group, Results, parse_group, resolved
from medpriv.report.section import Section

EVERY = "all"  # the set of all features


@dataclass(frozen=True)
class Known:
    """A set of columns that somebody knows of a person, in one audit."""

    audit: Audit
    name: str

    def figure(self, attack: str, measure: str, **more: str) -> Measure | None:
        """Return a figure of this set."""
        return _figure(self.audit, attack, measure, {"set": self.name, **more})


@dataclass(frozen=True)
class Audited:
    """What is said of one table.

    Attributes:
        likeliest: the set known from outside in which most people are unique; None without one.
        unsaid: nobody has said which columns others know, so that there is no figure for them.
        none_known: the config says that others know none.
        suspected: columns that others may know by their names or values, and that the config doesn't name.
        every: the share unique in all features; None where it wasn't measured.
        joins: numbers kept from the source that join rows to the publisher's own table, each with its share.
    """

    dataset: str
    likeliest: Known | None
    unsaid: bool
    none_known: bool
    suspected: tuple[str, ...]
    every: Measure | None
    joins: tuple[tuple[str, Measure], ...]
    singling: Table
    criteria: Table | None
    criteria_file: str


@dataclass(frozen=True)
class Reidentification:
    """What the section says."""

    sets: Table
    audits: tuple[Audited, ...]


def collect(results: Results, headlines: Sequence[Headline]) -> Reidentification | None:
    """Return what the tables give away; None where none was audited."""
    audits = [audit for audit in results.audits_of("linkage") if audit.measures]
    return (
        Reidentification(_sets_table(audits), tuple(_audited(audit, results) for audit in audits)) if audits else None
    )


def _figure(audit: Audit, attack: str, measure: str, group: Group) -> Measure | None:
    return audit.measures.find(measure, group, f"linkage-{attack}")


def _sets(audit: Audit) -> list[Known]:
    names = (parse_group(item.group).get("set") for item in audit.measures.holding("unique"))
    return [Known(audit, name) for name in dict.fromkeys(names) if name]


def _audited(audit: Audit, results: Results) -> Audited:
    outside = [known for known in _sets(audit) if known.name != EVERY]
    known = [known for known in outside if resolved(known.figure("anonymity", "unique"))]
    cohort = results.cohorts.get(audit.dataset)
    roles = cohort.about["notes"].get("roles", {}) if cohort else {}
    return Audited(
        audit.dataset,
        max(known, key=lambda known: known.figure("anonymity", "unique").value, default=None),
        len(known) < len(outside),
        roles.get("quasi_identifiers") == [],
        tuple(roles.get("suspected", {}).get("quasi_identifiers", ())),
        Known(audit, EVERY).figure("anonymity", "unique"),
        tuple((parse_group(item.group)["key"], item) for item in audit.measures.holding("joined")),
        _singling_table(audit),
        _criteria_table(audit) if audit.tables.get("criteria") else None,
        f"results/attacks/{stored_name(audit.dataset)}/linkage/criteria.csv",
    )


def _sets_table(audits: Sequence[Audit]) -> Table:
    rows = tuple(Row(known.name, known, above=audit.dataset) for audit in audits for known in _sets(audit))
    columns = (
        *columns_over(
            "Alike in them",
            Column("Columns", _count("anonymity", "columns")),
            Column("k", _count("anonymity", "k_min"), "smallest class"),
            Column("Unique", _share("anonymity", "unique"), "people"),
            Column("k < 5", _share("anonymity", "under_5"), "people"),
        ),
        *columns_over(
            "Risk of being found",
            Column("Prosecutor", _share("reidentification", "prosecutor_max"), "most"),
            Column("Journalist", _share("reidentification", "journalist_mean"), "mean"),
            Column("Marketer", _share("reidentification", "marketer")),
        ),
        *columns_over(
            "The outcome",
            Column("l", _count("disclosure", "l_min", sensitive="outcome"), "fewest outcomes"),
            Column("t", _distance, "most"),
            Column("Disclosed", _share("disclosure", "disclosed", sensitive="outcome"), "people"),
            Column("Inferred", _share("inference", "excess", sensitive="outcome"), "excess over others’ rows"),
        ),
        *columns_over(
            "Linkability",
            Column("Linked", _share("linkability", "linked", "by_chance"), "to the other columns"),
            Column(
                "Same person", _share("linkability", "same_person", "same_person_by_chance"), "another row of theirs"
            ),
        ),
        Column("n", lambda known: n_of(known.figure("anonymity", "unique")), "people"),
        Column("Artefact", lambda known: source_cell(known.audit.artefact), form="code"),
    )
    return Table("What the table gives away", "Known columns", columns, rows)


def _count(attack: str, measure: str, **more: str) -> Callable[[Known], Cell]:
    def cell(known: Known) -> Cell:
        found = known.figure(attack, measure, **more)
        return count_cell(int(found.value) if found else None)

    return cell


def _share(attack: str, measure: str, chance: str = "", **more: str) -> Callable[[Known], Cell]:
    """Return the function from a set of columns to the cell of a share, with what chance reaches below it."""

    def cell(known: Known) -> Cell:
        beside = known.figure(attack, chance, **more) if chance else None
        found = value_cell(known.figure(attack, measure, **more), share=True)
        return found.below(f"by chance {percent(beside.value)}" if beside else "")

    return cell


def _distance(known: Known) -> Cell:
    return value_cell(known.figure("disclosure", "t_max", sensitive="outcome"), places=2)


def _singling_table(audit: Audit) -> Table:
    def share(measure: str) -> Callable[[Group], Cell]:
        return lambda group: value_cell(_figure(audit, "singling-out", measure, group), share=True)

    columns = (
        Column("One person alone", share("isolated"), "drawn from a person"),
        Column("One person alone", share("isolated_blindly"), "drawn blindly"),
        Column("Excess", share("excess"), "over blind ones"),
        Column("n", lambda group: n_of(_figure(audit, "singling-out", "isolated", group)), "predicates"),
        Column("Artefact", lambda group: source_cell(audit.artefact), form="code"),
    )
    groups = dict.fromkeys(item.group for item in audit.measures if item.attack == "linkage-singling-out")
    title = f"Singling out on {audit.dataset}"
    return Table(title, "Known", columns, tuple(_singling_row(parse_group(group)) for group in groups), fold=title)


def _singling_row(group: Group) -> Row:
    known = "numbers known exactly" if group.get("values") == "exact" else "numbers known by decile"
    return Row(plural(int(group["columns"]), "column"), group, below=(known,))


def _criteria_table(audit: Audit) -> Table:
    rows, regime = [], ""
    for row in audit.tables["criteria"]:
        if row["regime"] != regime:
            regime = row["regime"]
            rows.append(Row(regime))
        rows.append(Row(row["criterion"], row))
    columns = (
        Column("What was checked", lambda row: prose(row["checked"]), form="prose"),
        Column("What was found", lambda row: prose(row["found"]), form="prose"),
        Column("What stays open", lambda row: prose(row["open"]), "can’t be checked here", form="prose"),
    )
    title = f"HIPAA Safe Harbor and GDPR criteria on {audit.dataset}"
    return Table(title, "Criterion", columns, tuple(rows), fold=title)


SECTION = Section(
    "reidentification",
    "reidentification",
    "Who can be found in the table?",
    "Re-identification",
    collect,
    families=("linkage",),
)
