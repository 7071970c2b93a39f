"""The re-identification audit of one dataset: its measures, treatment `data`.

Everything but singling out counts the whole table, so these figures have no interval: they speak of the people in it.
Means are over people, one row of each drawn at random, and `n` counts them; of `joined`, `same_person` and its chance,
which speak of rows, rows; of singling out, predicates. `patients` are the people in the table, or those with several
rows, or the predicates' targets. Groups: `set=<name>` the quasi-identifiers,
`sensitive=<column>` what is disclosed, `columns=<m>` how many columns a predicate speaks of, `values=exact|decile`
whether numbers are known exactly, `key=<name>` a number kept in the table.

Where nobody has said which columns others know, `unique` of the set `quasi` has no value and n = 0: a figure for the
site alone, or none at all, would read as if nobody could be found.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from medpriv.attacks.linkage.classes import anonymity, classes_of, diversity, person_weights, risks
from medpriv.attacks.linkage.columns import Columns, known_sets, read_columns
from medpriv.attacks.linkage.criteria import CRITERIA_COLUMNS, criteria
from medpriv.attacks.linkage.linking import inference, joined, linkability, same_person
from medpriv.attacks.linkage.predicates import isolate
from medpriv.dataset import TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.measures.findings import Findings, Rows
from medpriv.measures.intervals import clopper_pearson
from medpriv.measures.table import NAN, Measure
from medpriv.seeds import generator

TREATMENT = "data"
EVERY = "all"  # the set of all features, which nobody outside knows


def audit(dataset: Dataset, settings: Mapping[str, object], seed: int) -> Findings:
    """State what the table itself gives away of the people in it.

    Args:
        dataset: a table. `row_id` (one number a row), if a source gives it, is kept in the released table and
            stands in the publisher's table, too; its quasi-identifiers are variables that others know.
        settings: `sets`, `sensitive`, `known`, `targets` of `medpriv.config.linkage.LinkageSettings`.
        seed: the root seed; it decides targets and predicates.

    Returns:
        Measures, and the table `criteria`.

    Raises:
        InputError: the dataset is no table, or the settings name a column that it lacks.
    """
    columns = read_columns(dataset)
    sets = known_sets(dataset, columns, settings["sets"].get(dataset.name, {}))
    sensitive = _sensitive(dataset, columns, settings["sensitive"].get(dataset.name, []))
    measures = list(_keys(dataset))
    declared = (dataset.notes.get("roles") or {}).get("quasi_identifiers", True)
    if set(sets) <= {EVERY, *(() if declared else ("dates",))}:
        about = (dataset.name, TREATMENT, "linkage-anonymity")
        measures += [
            Measure(*about, "columns", 0.0, n=len(np.unique(dataset.patient)), group="set=quasi"),
            Measure(*about, "unique", NAN, group="set=quasi"),
        ]
    for name, members in sets.items():
        measures += _of_set(dataset, columns, name, members, sensitive)
    measures += _singling_out(dataset, columns, settings, seed)
    return Findings(measures, {"criteria": Rows(CRITERIA_COLUMNS, criteria(dataset, measures))})


def _sensitive(dataset: Dataset, columns: Columns, asked: list[str]) -> dict[str, np.ndarray]:
    """Return the sensitive columns' codes, the outcome first."""
    for name in asked:
        if name not in columns.exact:
            raise InputError(
                f"no column {name}",
                file=f"dataset {dataset.name}",
                place=f"attacks.linkage.sensitive.{dataset.name}",
                remedy=f"name one of {', '.join(columns.exact)}",
            )
    return {"outcome": columns.outcome} | {name: columns.coarse[name] for name in asked}


def _keys(dataset: Dataset) -> Iterator[Measure]:
    """Yield how many rows one join on the number that the table kept identifies."""
    if dataset.records.row_id is not None:
        share = float(joined(dataset.records.row_id).mean())
        counted = {"n": len(dataset.y), "patients": len(np.unique(dataset.patient))}
        yield Measure(dataset.name, TREATMENT, "linkage-join", "joined", share, group="key=row_id", **counted)


def _of_set(
    dataset: Dataset, columns: Columns, name: str, members: tuple[str, ...], sensitive: Mapping[str, np.ndarray]
) -> Iterator[Measure]:
    """Yield everything about one set of quasi-identifiers."""
    persons, weight = len(np.unique(columns.patient)), person_weights(columns.patient)
    codes = columns.codes(members)
    classes = classes_of(codes, columns.patient)

    def measures(
        attack: str, found: Mapping[str, float], group: str = "", n: int = persons, patients: int = persons
    ) -> Iterator[Measure]:
        for measure, value in found.items():
            about = (dataset.name, TREATMENT, f"linkage-{attack}", measure)
            yield Measure(*about, value, n=n, group=f"set={name}{group}", patients=patients)

    yield from measures("anonymity", {"columns": float(len(members))} | anonymity(classes, columns.patient))
    yield from measures("reidentification", risks(classes, dataset.rows(TRAIN)))
    for column, values in sensitive.items():
        if column in members:
            continue
        about = f",sensitive={column}"
        yield from measures("disclosure", diversity(classes, values), about)
        right, others = (float(weight @ part) for part in inference(codes, values, columns.patient))
        found = {"right": right, "right_from_others": others, "excess": excess(right, others)}
        yield from measures("inference", found, about)
    if rest := [column for column in columns.variables if column not in members]:
        linked = float(weight @ linkability(codes, columns.codes(rest), columns.patient))
        yield from measures("linkability", {"linked": linked, "by_chance": 1 / persons})
    several, matched, blind = same_person(codes, columns.patient)
    if len(several):
        found = {"same_person": float(matched.mean()), "same_person_by_chance": float(blind.mean())}
        people = len(np.unique(columns.patient[several]))
        yield from measures("linkability", found, n=len(several), patients=people)


def _singling_out(dataset: Dataset, columns: Columns, settings: Mapping[str, object], seed: int) -> Iterator[Measure]:
    """Yield how often predicates of some columns isolate one person, beside blind ones."""
    pool = [name for name in columns.exact if not name.startswith("group:")]
    for values in ("exact", "decile"):
        codes = columns.codes(pool, coarse=values == "decile")
        for known in sorted({min(count, len(pool)) for count in settings["known"]}):
            rng = generator(seed, dataset.name, "linkage", values, known)
            found = isolate(codes, columns.patient, known, settings["targets"], rng)
            # A predicate has a target each, and targets are different people.
            about = {"n": found.predicates, "group": f"columns={known},values={values}", "patients": found.predicates}
            for measure, count in (("isolated", found.isolated), ("isolated_blindly", found.blind)):
                limits = (float(limit) for limit in clopper_pearson(count, found.predicates))
                rate = count / found.predicates
                yield Measure(dataset.name, TREATMENT, "linkage-singling-out", measure, rate, *limits, **about)
            added = excess(found.isolated / found.predicates, found.blind / found.predicates)
            yield Measure(dataset.name, TREATMENT, "linkage-singling-out", "excess", added, **about)


def excess(rate: float, baseline: float) -> float:
    """Return (rate - baseline) / (1 - baseline): what an attack adds, as a share of what the baseline leaves; >= 0."""
    return max(0.0, (rate - baseline) / (1 - baseline)) if baseline < 1 else 0.0
