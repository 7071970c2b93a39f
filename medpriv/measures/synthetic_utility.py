"""What use a synthetic table is: ten classifiers are trained on it and tested on patients whom nobody was trained on.

| protocol | trained on | tested on |
| --- | --- | --- |
| `trtr` | the replicate's members | real records |
| `tstr` | its synthetic table, as many rows | real records |
| `augmented` | both | real records |
| `trts` | the members | the synthetic table |

**Who is tested.** The test patients; where these are fewer than `enough_test_patients`, out of fold: the training
patients, too, who are no members of the replicate. Neither its generator nor its classifiers saw them. Classifiers and
their settings are fixed (`medpriv.measures.classifiers`), so none is chosen by those who are tested. Features are those
of the real table (its gaps filled and scaled by all training patients, which says a little of them to `tstr`).

**Figures.** `<protocol>_accuracy` and `<protocol>_auroc` (macro, one against rest), and for `tstr` and `augmented` the
paired difference from `trtr`, `<protocol>_accuracy_difference`: same replicates, same patients. Without a group they
are means over the ten classifiers, `classifier=<name>` one of them; differences come by `sex=F`, `site=...`, too.
Intervals hold patients, training halves and the generator's chance (`medpriv.measures.resampled`); that of one
replicate patients alone.

**Is it as good as real data?** Not finding a difference doesn't show it. `verdict_equivalent` is supported if the two
one-sided tests at 5 % (Schuirmann 1987) put the difference of `tstr` within the `margin` stated beforehand, and
contradicted if the same interval lies outside; `equivalence_p` is p. Beside it `provable_margin`, what so many patients
and replicates prove with a power of 80 % if there is no difference at all: where it exceeds the margin, `undecided`
says nothing about the table; and `proved_margin`, what they did prove (1: nothing). Their groups are `figure=accuracy`,
`figure=auroc`, and `figure=accuracy,classifier=svm` and so on.

`n` are the different records tested, `patients` theirs; of `trts` the synthetic rows, and no patients.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.bank.bank import Bank
from medpriv.bank.outputs import Samples, kind_of
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.measures import fidelity
from medpriv.measures.classifiers import CLASSIFIERS, CUT, Judge, fit
from medpriv.measures.findings import Findings, Rows
from medpriv.measures.marginals import MARGINAL_COLUMNS, marginals
from medpriv.measures.resampled import Figure, Summary, accuracy, auroc, common_share, mean_of, summarise
from medpriv.measures.table import Measure
from medpriv.measures.verdicts import within
from medpriv.seeds import generator
from medpriv.synthesis.schema import LABEL, Schema, cells_of

FIGURES = {"accuracy": accuracy, "auroc": auroc}
REAL, COMPARED = "trtr", ("tstr", "augmented")
TESTED_ON_REAL = (REAL, *COMPARED)
LARGEST = float(np.finfo(np.float32).max)  # of a number
ONE_SIDED = 0.9  # the level of the interval that is the two one-sided tests at 5 %


def audit(dataset: Dataset, bank: Bank, reference: Bank | None, settings: Mapping[str, object], seed: int) -> Findings:
    """Measure the use of one generator's tables; see `audit_banks`, which takes several at less cost."""
    return audit_banks(dataset, [bank], settings, seed)[0]


def audit_stage(dataset: Dataset, banks: Sequence[Bank], settings: Mapping[str, object], seed: int) -> Findings:
    """Measure the use of all generators of a stage, as one; see `audit_banks`."""
    found = audit_banks(dataset, banks, settings, seed)
    return Findings.joined({bank.treatment: one for bank, one in zip(banks, found, strict=True)})


def audit_banks(dataset: Dataset, banks: Sequence[Bank], settings: Mapping[str, object], seed: int) -> list[Findings]:
    """Measure the use of several generators' tables; what hangs on the members alone is worked out once.

    Args:
        dataset: of tables.
        banks: of `Samples` with `raw` float64 [S, V] and `y` int64 [S].
        settings: those of `SyntheticUseSettings`.
        seed: the root seed; draws depend on it, the dataset's name, replicate and classifier, so generators are
            compared by the same classifiers.

    Returns:
        For each bank measures, and the tables `marginals` and `rules`.

    Raises:
        InputError: a bank holds no synthetic tables, or fewer rows than a replicate has members.
    """
    dataset.require("table", reason="the use of synthetic tables")
    real = _Real(dataset, settings, seed)
    return [_audit(bank, real) for bank in banks]


@dataclass(frozen=True)
class _Table:
    """Standardised features [n, F] and labels [n]."""

    x: np.ndarray
    y: np.ndarray

    def __add__(self, other: "_Table") -> "_Table":
        return _Table(np.concatenate([self.x, other.x]), np.concatenate([self.y, other.y]))


class _Real:
    """What hangs on the real records alone, kept for the next bank: how classifiers trained on members do."""

    def __init__(self, dataset: Dataset, settings: Mapping[str, object], seed: int) -> None:
        self.dataset, self.settings, self.seed = dataset, settings, seed
        self.whole = _Table(self.standardised(dataset.records.raw), dataset.y)
        self.test = fidelity.TestRows(dataset)
        self.out_of_fold = len(self.test.people) < settings["enough_test_patients"]
        self._judges: dict[tuple, Judge] = {}
        self._ceiling: dict[tuple, fidelity.Likeness] = {}

    def standardised(self, raw: np.ndarray) -> np.ndarray:
        """Return features float64 [n, F] of cells [n, V]."""
        return np.clip(fidelity.standardised(self.dataset, raw), -CUT, CUT)

    def rows(self, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which records a replicate with these members [P] learns from, and on which it is tested, bool [N]."""
        own = members[self.dataset.patient]
        return own, ~own if self.out_of_fold else self.dataset.rows(TEST)

    def scores(self, replicate: int, members: np.ndarray, name: str, made: _Table) -> dict[str, np.ndarray]:
        """Return what one classifier trained on members, synthetic rows or both says, by protocol."""
        own, tested = self.rows(members)
        learnt, asked = _Table(self.whole.x[own], self.whole.y[own]), self.whole.x[tested]
        key = (replicate, members.tobytes(), name)
        if key not in self._judges:
            self._judges[key] = self._fit(replicate, name, learnt)
        return {
            REAL: self._judges[key](asked),
            "trts": self._judges[key](made.x),
            "tstr": self._fit(replicate, name, made)(asked),
            "augmented": self._fit(replicate, name, learnt + made)(asked),
        }

    def ceiling(self, replicate: int, members: np.ndarray) -> fidelity.Likeness:
        """Return how like the test rows the members' own are."""
        key = (replicate, members.tobytes())
        if key not in self._ceiling:
            own = self.rows(members)[0]
            _, whose = np.unique(self.dataset.patient[own], return_inverse=True)
            rng = self.rng(replicate, "fidelity")
            self._ceiling[key] = self.test.compare(cells_of(self.dataset, own), rng, whose)
        return self._ceiling[key]

    def rng(self, replicate: int, part: str) -> np.random.Generator:
        """Return the generator of one part of what is done with a replicate, the same for all banks."""
        return generator(self.seed, self.dataset.name, "synthetic use", replicate, part)

    def _fit(self, replicate: int, name: str, learnt: _Table) -> Judge:
        rng = self.rng(replicate, f"classifier {name}")
        return fit(name, learnt.x, learnt.y, len(self.dataset.classes), rng)


def _audit(bank: Bank, real: _Real) -> Findings:
    """Return what was found of one bank."""
    dataset = real.dataset
    bank.check(dataset)
    places = range(min(len(bank), real.settings["replicates"]))
    members = bank.members[: len(places)]
    tables = [_synthetic_cells(bank, real, place) for place in places]
    common = common_share(members & (dataset.split == TRAIN))
    names = [str(number) for number in bank.replicates[: len(places)]]
    about = (dataset.name, bank.treatment, "")
    collected = _Collected(about, names, common)
    _measure_use(collected, real, bank, tables)
    numbers = bank.replicates.tolist()
    made = [real.test.compare(table, real.rng(numbers[place], "fidelity")) for place, table in enumerate(tables)]
    own = [real.ceiling(numbers[place], members[place]) for place in places]
    measures = collected.rows + fidelity.measures_of(about, real.test, made, names, common)
    measures += fidelity.measures_of(about, real.test, own, names, common, "rows=members")
    return Findings(
        measures,
        {
            "marginals": Rows(MARGINAL_COLUMNS, marginals(dataset, tables)),
            "rules": fidelity.rule_table(real.test, made, own),
        },
    )


def _synthetic_cells(bank: Bank, real: _Real, place: int) -> np.ndarray:
    """Return a replicate's synthetic cells [n_k, V + 1], as many rows as its members have."""
    if not isinstance(bank.outputs, Samples) or not {"raw", "y"} <= set(bank.outputs.arrays):
        raise InputError(
            f"synthetic tables are asked for, but its outputs are {kind_of(bank.outputs) or 'not kept'}",
            file=bank.about.file,
            remedy="measure banks of generators of tables so",
        )
    rows = int(real.rows(bank.members[place])[0].sum())
    made = bank.outputs.of(place)
    if len(made["y"]) < rows:
        raise InputError(
            f"replicate {bank.replicates[place]} has {len(made['y'])} synthetic rows for {rows} of its members",
            file=bank.about.file,
            remedy="rerun the workflow so that the generator is trained again",
        )
    cells = np.column_stack([made["raw"][:rows], made["y"][:rows].astype(np.float64)])
    if fault := next(faults_of(Schema.of(real.dataset), cells), None):
        raise InputError(
            fault,
            file=bank.about.file,
            place=f"replicate {bank.replicates[place]}",
            remedy="mend the generator: it may write what the table's schema allows, and nothing else",
        )
    return cells


def faults_of(schema: Schema, cells: np.ndarray) -> Iterator[str]:
    """Yield what a synthetic table holds that its schema has no place for."""
    for field, own in zip(schema.fields, cells.T, strict=True):
        if field.number and (np.abs(own[~np.isnan(own)]) > LARGEST).any():
            yield f"column {field.name}: a number that is infinite, or as good as"
        least = 0 if field.name == LABEL else -1
        if not field.number and not np.isin(own, np.arange(least, len(field.levels))).all():
            yield f"column {field.name}: none of its {len(field.levels)} levels"


class _Collected:
    """Collects measures of one bank."""

    def __init__(self, about: tuple[str, str, str], names: list[str], common: float) -> None:
        self.rows: list[Measure] = []
        self._about, self._names, self._common = about, names, common

    def add(self, measure: str, figure: Figure, n: int, group: str = "", people: bool = True) -> Summary:
        """Add the mean over replicates and, where it isn't of a subgroup, each replicate's; return the mean.

        Args:
            measure: its name; of a difference it says so.
            figure: of K replicates.
            n: different records.
            group: of the measure.
            people: its units are patients.
        """
        difference = measure.endswith("_difference")
        whole = summarise(figure, self._common, difference)
        self._row(measure, whole, n, group, "", difference, people)
        if not group or group.startswith("classifier="):
            for place, name in enumerate(self._names):
                self._row(measure, summarise(figure.of(place), 0.0, difference), n, group, name, difference, people)
        return whole

    def add_equivalence(self, figure: str, found: Summary, margin: float, n: int, group: str) -> None:
        """Add whether a difference lies within a margin, and what margins can be proved."""
        values = {
            "verdict_equivalent": within(found.limits(ONE_SIDED), margin, found.patients),
            "equivalence_p": found.equivalence_p(margin),
            "provable_margin": found.provable_margin(),
            "proved_margin": found.proved_margin(),
        }
        where = ",".join(filter(None, (f"figure={figure}", group)))
        counted = {"n": n, "group": where, "patients": found.patients}
        self.rows += [Measure(*self._about, name, value, **counted) for name, value in values.items()]

    def _row(
        self, measure: str, found: Summary, n: int, group: str, replicate: str, difference: bool, people: bool
    ) -> None:
        limits = found.limits() if difference else found.share_limits()
        patients = found.patients if people else 0
        self.rows.append(Measure(*self._about, measure, found.value, *limits, n, group, replicate, patients))


def _measure_use(collected: _Collected, real: _Real, bank: Bank, tables: Sequence[np.ndarray]) -> None:
    """Add what the ten classifiers do."""
    dataset, numbers = real.dataset, bank.replicates.tolist()
    made = [_Table(real.standardised(table[:, :-1]), table[:, -1].astype(int)) for table in tables]
    said: dict[str, list[dict[str, np.ndarray]]] = {
        name: [real.scores(numbers[place], bank.members[place], name, table) for place, table in enumerate(made)]
        for name in CLASSIFIERS
    }
    tested = [real.rows(bank.members[place])[1] for place in range(len(made))]
    for figure in FIGURES:
        rows = [np.flatnonzero(each) for each in tested]
        held = _figures(said, figure, rows, dataset)
        n = int(np.any(tested, axis=0).sum())
        for protocol, of in held.items():
            for group, each in _grouped(of):
                collected.add(f"{protocol}_{figure}", each, n, group)
        for group, each in _grouped(_trts(said, figure, made)):
            collected.add(f"trts_{figure}", each, sum(len(table.y) for table in made), group, people=False)
        for protocol in COMPARED:
            apart = {name: held[protocol][name] - held[REAL][name] for name in CLASSIFIERS}
            for group, each in _grouped(apart):
                found = collected.add(f"{protocol}_{figure}_difference", each, n, group)
                if protocol == "tstr":
                    collected.add_equivalence(figure, found, real.settings["margin"], n, group)
        for group, records in _subgroups(dataset):
            inside = [np.flatnonzero(each & records) for each in tested]
            of = _figures(said, figure, inside, dataset, rows)
            counted = int((np.any(tested, axis=0) & records).sum())
            for protocol in COMPARED:
                apart = mean_of([of[protocol][name] - of[REAL][name] for name in CLASSIFIERS])
                collected.add(f"{protocol}_{figure}_difference", apart, counted, group)


def _figures(
    said: Mapping[str, Sequence[Mapping[str, np.ndarray]]],
    figure: str,
    rows: Sequence[np.ndarray],
    dataset: Dataset,
    asked: Sequence[np.ndarray] | None = None,
) -> dict[str, dict[str, Figure]]:
    """Return protocol -> classifier -> a figure on some of the records that were asked about.

    Args:
        said: classifier -> K times protocol -> scores.
        figure: a key of `FIGURES`.
        rows: of each replicate, the records to judge.
        dataset: theirs.
        asked: of each replicate, the records asked about; None: the same.
    """
    places = [np.searchsorted(every, own) for every, own in zip(asked or rows, rows, strict=True)]
    y, unit = [dataset.y[own] for own in rows], [dataset.patient[own] for own in rows]
    return {
        protocol: {
            name: FIGURES[figure](
                [each[protocol][own] for each, own in zip(by_replicate, places, strict=True)],
                y,
                unit,
                len(dataset.patients),
            )
            for name, by_replicate in said.items()
        }
        for protocol in TESTED_ON_REAL
    }


def _trts(said: Mapping, figure: str, made: Sequence[_Table]) -> dict[str, Figure]:
    """Return classifier -> a figure on the synthetic rows, each a unit of its own."""
    ends = np.cumsum([len(table.y) for table in made])
    unit = [np.arange(end - len(table.y), end) for end, table in zip(ends, made, strict=True)]
    y = [table.y for table in made]
    return {
        name: FIGURES[figure]([each["trts"] for each in by_replicate], y, unit, int(ends[-1]))
        for name, by_replicate in said.items()
    }


def _grouped(figures: Mapping[str, Figure]) -> Iterator[tuple[str, Figure]]:
    """Yield the mean over classifiers, then each one's."""
    yield "", mean_of(list(figures.values()))
    for name, figure in figures.items():
        yield f"classifier={name}", figure


def _subgroups(dataset: Dataset) -> list[tuple[str, np.ndarray]]:
    """Return `key=value` and bool [N] for every site and every value of the dataset's groups."""
    attributes = {key: np.array(values)[dataset.patient] for key, values in sorted(dataset.groups.items())}
    if len(dataset.sites) > 1:
        attributes = {"site": np.array(dataset.sites)[dataset.site]} | attributes
    return [(f"{key}={value}", values == value) for key, values in attributes.items() for value in sorted(set(values))]
