"""Re-identification: what a table gives away of the people in it, whatever is trained on it.

Only counts and shares are shown, never a row. The table of legal criteria says what was checked and what was not; it
claims no compliance.
"""

from collections.abc import Mapping, Sequence

from medpriv.measures.table import Measure
from medpriv.report import words
from medpriv.report.comparison import find, parse_group
from medpriv.report.inputs import Linkage
from medpriv.report.layout import Cell, Column, Row, Section, Table, count_cell, numbers, prose, source_cell, value_cell

TREATMENT = "data"


def reidentification_section(linked: Sequence[Linkage]) -> Section | None:
    """Return the section; None where no table was audited."""
    audits = [audit for audit in linked if audit.measures]
    if not audits:
        return None
    sentences = [text for audit in audits for text in (_sentence(audit), _join(audit)) if text]
    parts = [_sets_table(audits), *(_singling_table(audit) for audit in audits)]
    parts += [_criteria_table(audit) for audit in audits if audit.criteria]
    return Section(
        "reidentification",
        "Who can be found in the table?",
        "Re-identification",
        (
            "Before any model, the table itself: who knows some columns of a person from elsewhere (quasi-identifiers) "
            "may find their row and read the rest. These figures count the whole table and so have no interval.",
            *sentences,
            "This is no claim of legal compliance: a program sees the prepared table, not the files it came from, the "
            "contracts around it, or what else a recipient holds.",
        ),
        tuple(parts),
    )


def _figure(audit: Linkage, attack: str, measure: str, group: Mapping[str, str]) -> Measure | None:
    return find(audit.measures, measure, group, f"linkage-{attack}", TREATMENT)


def _sets(audit: Linkage) -> list[str]:
    found = (parse_group(item.group).get("set") for item in audit.measures if item.measure == "unique")
    return [name for name in dict.fromkeys(found) if name]


def _sentence(audit: Linkage) -> str:
    """Return how many people are unique in what is known from outside, and in all columns."""
    sets = [name for name in _sets(audit) if name != "all"]
    if not sets:
        return ""
    name = max(sets, key=lambda name: _figure(audit, "anonymity", "unique", {"set": name}).value)
    unique, k = (_figure(audit, "anonymity", measure, {"set": name}) for measure in ("unique", "k_min"))
    count = _figure(audit, "anonymity", "columns", {"set": name})
    told = (
        f"In {audit.dataset}, {words.percent(unique.value)} of people are unique in {name} "
        f"({words.plural(int(count.value), 'column')}, n = {words.integer(unique.n)} people; k-anonymity "
        f"{words.integer(k.value)})"
    )
    every = _figure(audit, "anonymity", "unique", {"set": "all"})
    return f"{told}, {words.percent(every.value)} in all features." if every else f"{told}."


def _join(audit: Linkage) -> str:
    found = [item for item in audit.measures if (item.attack, item.measure) == ("linkage-join", "joined")]
    return " ".join(
        f"{parse_group(item.group)['key']}, a number kept from the source, joins {words.percent(item.value)} of "
        f"the rows of {audit.dataset} to the publisher’s own table (n = {words.integer(item.n)} rows)."
        for item in found
    )


def _sets_table(audits: Sequence[Linkage]) -> Table:
    rows = [_set_row(audit, name) for audit in audits for name in _sets(audit)]
    columns = (
        Column("Known columns"),
        *numbers(
            (("Columns", ""), ("k", "smallest class"), ("Unique", "people"), ("k < 5", "people")), "Alike in them"
        ),
        *numbers((("Prosecutor", "most"), ("Journalist", "mean"), ("Marketer", "")), "Risk of being found"),
        *numbers((("l", "fewest outcomes"), ("t", "most"), ("Disclosed", "people")), "The outcome"),
        Column("Inferred", "excess over others’ rows", "The outcome"),
        Column("Linked", "to the other columns", "Linkability"),
        Column("Same person", "another row of theirs", "Linkability"),
        Column("n", "people"),
        Column("Artefact", form="code"),
    )
    lede = (
        "k: people who look alike in the known columns, however many rows they have; shares are of people, one row of "
        "each drawn at random. The prosecutor knows that the person is in the table, the journalist only that they are "
        "in the population (here the whole set, with the training patients released), the marketer matches everybody. "
        "l and t: how varied the outcome is among people alike. Disclosed: people whose class all have one outcome. A "
        "row of training data in a model is another matter: see the attacks on models."
    )
    return Table("What the table gives away", columns, tuple(rows), lede)


def _set_row(audit: Linkage, name: str) -> Row:
    group, outcome = {"set": name}, {"set": name, "sensitive": "outcome"}

    def share(attack: str, measure: str, wanted: Mapping[str, str], other: str = "") -> Cell:
        cell = value_cell(_figure(audit, attack, measure, wanted), share=True)
        beside = _figure(audit, attack, other, wanted) if other else None
        more = (f"by chance {words.percent(beside.value)}",) if beside is not None else ()
        return Cell(cell.text, (*cell.details, *more), cell.order)

    unique = _figure(audit, "anonymity", "unique", group)
    columns, k, fewest = (
        _figure(audit, attack, measure, wanted)
        for attack, measure, wanted in (
            ("anonymity", "columns", group),
            ("anonymity", "k_min", group),
            ("disclosure", "l_min", outcome),
        )
    )
    cells = (
        count_cell(int(columns.value) if columns else None),
        count_cell(int(k.value) if k else None),
        share("anonymity", "unique", group),
        share("anonymity", "under_5", group),
        share("reidentification", "prosecutor_max", group),
        share("reidentification", "journalist_mean", group),
        share("reidentification", "marketer", group),
        count_cell(int(fewest.value) if fewest else None),
        value_cell(_figure(audit, "disclosure", "t_max", outcome), places=2),
        share("disclosure", "disclosed", outcome),
        share("inference", "excess", outcome),
        share("linkability", "linked", group, "by_chance"),
        share("linkability", "same_person", group, "same_person_by_chance"),
        count_cell(unique.n),
        source_cell(audit.artefact),
    )
    return Row(name, cells, above=audit.dataset)


def _singling_table(audit: Linkage) -> Table:
    rows = []
    groups = dict.fromkeys(item.group for item in audit.measures if item.attack == "linkage-singling-out")
    for group in groups:
        wanted = parse_group(group)
        isolated = _figure(audit, "singling-out", "isolated", wanted)
        cells = (
            value_cell(isolated, share=True),
            value_cell(_figure(audit, "singling-out", "isolated_blindly", wanted), share=True),
            value_cell(_figure(audit, "singling-out", "excess", wanted), share=True),
            count_cell(isolated.n if isolated else None),
            source_cell(audit.artefact),
        )
        form = "numbers known exactly" if wanted.get("values") == "exact" else "numbers known by decile"
        rows.append(Row(words.plural(int(wanted["columns"]), "column"), cells, below=(form,)))
    columns = (
        Column("Known"),
        Column("One person alone", "drawn from a person"),
        Column("One person alone", "drawn blindly"),
        Column("Excess", "over blind ones"),
        Column("n", "predicates"),
        Column("Artefact", form="code"),
    )
    title = f"Singling out on {audit.dataset}"
    lede = "A predicate says what some columns of a person are; it singles out if it fits nobody else."
    return Table(title, columns, tuple(rows), lede, fold=title)


def _criteria_table(audit: Linkage) -> Table:
    rows, regime = [], ""
    for row in audit.criteria:
        if row["regime"] != regime:
            regime = row["regime"]
            rows.append(Row(regime, ()))
        cells = (prose(row["checked"]), prose(row["found"]), prose(row["open"]))
        rows.append(Row(row["criterion"], cells))
    columns = (
        Column("Criterion"),
        Column("What was checked", form="prose"),
        Column("What was found", form="prose"),
        Column("What stays open", "can’t be checked here", form="prose"),
    )
    title = f"HIPAA Safe Harbor and GDPR criteria on {audit.dataset}"
    lede = (
        "One row for each identifier and criterion. No claim of legal compliance. Artefact: "
        f"results/attacks/{audit.dataset}/linkage/criteria.csv"
    )
    return Table(title, columns, tuple(rows), lede, fold=title)
