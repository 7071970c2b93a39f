"""The disclosure audit of a bank of generators: what do its released rows tell of the people behind them?

Each replicate's release is the first n_k of its rows, n_k those that it was trained on. Members are the training
patients whom it saw, the control are those whom it did not: people of the same hospitals, about as many, who are
members of other replicates. Every attack is run on both, beside one that never looks at a released row as a whole.

Measures: `success_members`, `success_control`, `success_naive` (attacks that succeed), `risk` (what members add, as a
share of what the control leaves), and `memorisation` (success about the same patient as a member minus as another);
see `medpriv.attacks.disclosure.success`. `n` counts patients, of singling out's rates the predicates of a replicate on
average; of its memorisation test success is to be isolated by any of the first predicates, as many as there are people:
many more isolate everybody in a small table, by luck as well. Groups: `secret=<column>` of inference
and reconstruction, and none for all secrets together.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.attacks.disclosure import singling_out
from medpriv.attacks.disclosure.knowledge import halve
from medpriv.attacks.disclosure.records import ALL, attack_blindly, attack_records
from medpriv.attacks.disclosure.success import Figure, mean_rate, memorised, rate_figure, risk_figure
from medpriv.bank.bank import Bank
from medpriv.bank.outputs import Samples
from medpriv.dataset import TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.measures.bootstrap import PatientBootstrap
from medpriv.measures.findings import Findings
from medpriv.measures.table import Measure
from medpriv.seeds import generator
from medpriv.synthesis.schema import Schema, cells_of

UNIVARIATE, MULTIVARIATE = "singling-out-univariate", "singling-out-multivariate"
MOST_PEOPLE = 10_000  # whose memorisation by predicates is counted, drawn by chance


@dataclass(frozen=True)
class Released:
    """What K replicates released, and whose it is.

    Attributes:
        dataset: a table.
        schema: its columns.
        members: bool [K, N], the records that each replicate was trained on.
        rows: K releases, cells float64 [n_k, V + 1].
        replicates: their numbers, int [K].
        seed: the root seed.
    """

    dataset: Dataset
    schema: Schema
    members: np.ndarray
    rows: Sequence[np.ndarray]
    replicates: np.ndarray
    seed: int

    def rng(self, *purpose: object) -> np.random.Generator:
        """Return the randomness of a purpose."""
        return generator(self.seed, self.dataset.name, "disclosure", *purpose)

    def bootstrap(self, purpose: str, people: int, draws: int) -> PatientBootstrap:
        """Return draws of so many people and the replicates."""
        return PatientBootstrap.draw(self.rng("bootstrap", purpose), people, draws, len(self.rows))


@dataclass(frozen=True)
class Rate:
    """Of n attacks on so many patients, the share that succeeds; NaN of none."""

    value: float
    n: float
    patients: int


def audit(dataset: Dataset, bank: Bank, settings: Mapping[str, object], seed: int) -> Findings:
    """Attack each replicate's release, and compare members with the people that it was not made from.

    Args:
        dataset: a table.
        bank: of K >= 2 generators, whose samples are `raw` [S, V] and `y` [S].
        settings: of `medpriv.config.disclosure.DisclosureSettings`.
        seed: the root seed; it decides who is attacked, the predicates, and the naive guesses.

    Raises:
        InputError: the dataset is no table, the bank released no rows of it or too few, or the settings name a column
            that is not there or can't be both known and guessed.
    """
    dataset.require("table", reason="disclosure by synthetic rows")
    members = bank.record_members(dataset)[: settings["replicates"]]
    rows = [released_rows(dataset, bank, place, int(own.sum())) for place, own in enumerate(members)]
    released = Released(dataset, Schema.of(dataset), members, rows, bank.replicates[: len(rows)], seed)
    measures = []
    for found in (_singling_out(released, settings), _single_records(released, settings)):
        for attack, group, rates, memory in found:
            measures += _measures((dataset.name, bank.treatment, f"disclosure-{attack}"), group, rates, memory)
    return Findings(measures)


def released_rows(dataset: Dataset, bank: Bank, place: int, count: int) -> np.ndarray:
    """Return the first rows that the replicate at this place released, cells float64 [count, V + 1]."""
    held = bank.outputs.of(place) if isinstance(bank.outputs, Samples) else {}
    raw, y = held.get("raw"), held.get("y")
    columns = len(dataset.records.columns)
    if raw is None or y is None or raw.ndim != 2 or raw.shape[1] != columns or min(len(raw), len(y)) < count:
        found = "none" if raw is None or y is None else f"{list(raw.shape)}"
        raise InputError(
            f"replicate {bank.replicates[place]} released {found} where {count} rows of {columns} columns belong",
            file=bank.about.file,
            remedy="rerun the workflow so that the bank is made again",
        )
    return np.column_stack([raw[:count], y[:count].astype(np.float64)])


Found = tuple[str, str, Sequence[Rate], tuple[Figure, int]]  # attack, group, three rates, memorisation and its patients


def _singling_out(released: Released, settings: Mapping[str, object]) -> Iterator[Found]:
    """Yield what both kinds of predicates find."""
    dataset, asked = released.dataset, settings["predicates"]
    people = np.unique(dataset.patient[dataset.rows(TRAIN)])
    inside = np.stack([np.isin(people, dataset.patient[own]) for own in released.members])
    hits = {kind: np.full(inside.shape, np.nan) for kind in (UNIVARIATE, MULTIVARIATE)}
    shares = {kind: [] for kind in hits}
    for place, rows in enumerate(released.rows):
        rng = released.rng(released.replicates[place])
        sides = _as_many(people, inside[place], rng)
        for kind, (predicates, naive) in _predicates(rows, released.schema, settings, rng).items():
            isolated = [_isolated(predicates, dataset, side) for side in sides]
            blind = (_isolated(naive, dataset, sides[0]) >= 0).mean()
            each = [(one >= 0).mean() if len(one) else np.nan for one in isolated]
            shares[kind].append([*each, blind, len(predicates)])
            hits[kind][place, np.isin(people, np.concatenate(sides))] = 0
            guessed = np.concatenate([one[: len(side)] for one, side in zip(isolated, sides, strict=True)])
            hits[kind][place, np.isin(people, guessed)] = 1
    counted = np.sort(released.rng("people").permutation(len(people))[:MOST_PEOPLE])
    draws = released.bootstrap("people", len(counted), settings["bootstraps"])
    for kind, each in shares.items():
        made = [one for one in each if one[-1]]
        success = np.mean(made, axis=0) if made else np.array([np.nan, np.nan, np.mean(each, axis=0)[2], 0])
        rates = [Rate(float(success[side]), float(success[3]), len(people)) for side in (0, 1)]
        rates.append(Rate(float(success[2]), asked, len(people)))
        yield kind, "", rates, memorised(hits[kind][:, counted], inside[:, counted], draws)


def _predicates(
    rows: np.ndarray, schema: Schema, settings: Mapping[str, object], rng: np.random.Generator
) -> dict[str, tuple[singling_out.Predicates, singling_out.Predicates]]:
    """Return the predicates of each kind, and naive ones of as many columns."""
    count, columns = settings["predicates"], min(settings["columns"], len(schema))
    made = {
        UNIVARIATE: (1, singling_out.univariate(rows, schema, count, rng)),
        MULTIVARIATE: (columns, singling_out.multivariate(rows, schema, columns, count, rng)),
    }
    return {
        kind: (predicates, singling_out.naive(rows, schema, width, count, rng))
        for kind, (width, predicates) in made.items()
    }


def _isolated(predicates: singling_out.Predicates, dataset: Dataset, people: np.ndarray) -> np.ndarray:
    """Return whom of these people each predicate isolates, an index into the dataset's patients; -1 for nobody."""
    rows = np.isin(dataset.patient, people)
    return singling_out.isolated(predicates, cells_of(dataset, rows), dataset.patient[rows])


def _as_many(people: np.ndarray, inside: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Return equally many members and others, drawn where there are more of one side."""
    sides = [people[inside], people[~inside]]
    count = min(len(side) for side in sides)
    return [np.sort(rng.permutation(side)[:count]) for side in sides]


def _single_records(released: Released, settings: Mapping[str, object]) -> Iterator[Found]:
    """Yield what linkability, inference and reconstruction find."""
    dataset, schema = released.dataset, released.schema
    halves = halve(dataset, schema, settings)
    rows = _targets(dataset, settings["targets"], released.rng("targets"))
    about = (cells_of(dataset, rows), released.rows, schema, halves, settings)
    found = [attack_records(about[0], each, *about[2:]) for each in released.rows]
    blind = [
        attack_blindly(about[0], each, *about[2:], released.rng(replicate, "naive"))
        for each, replicate in zip(released.rows, released.replicates, strict=True)
    ]
    draws = released.bootstrap("targets", len(rows), settings["bootstraps"])
    inside = released.members[:, rows]
    for attack, secret in found[0]:
        hits, naive = (np.stack([one[attack, secret] for one in each]) for each in (found, blind))
        sides = ((hits, inside), (hits, ~inside), (naive, np.ones_like(inside)))
        rates = [Rate(rate, n, n) for rate, n in (mean_rate(*side) for side in sides)]
        group = f"secret={schema.fields[secret].name}" if secret != ALL else ""
        yield attack, group, rates, memorised(hits, inside, draws)


def _targets(dataset: Dataset, most: int, rng: np.random.Generator) -> np.ndarray:
    """Return one record each of some training patients, int [T], in the dataset's order."""
    order = rng.permutation(np.flatnonzero(dataset.rows(TRAIN)))
    first = np.unique(dataset.patient[order], return_index=True)[1]
    return np.sort(rng.permutation(order[first])[:most])


def _measures(
    about: tuple[str, str, str], group: str, rates: Sequence[Rate], memory: tuple[Figure, int]
) -> Iterator[Measure]:
    """Yield the five measures of one attack; rates about members, of the control and of the naive one."""
    for side, rate in zip(("members", "control", "naive"), rates, strict=True):
        counted = {"n": round(rate.n), "group": group, "patients": rate.patients}
        yield Measure(*about, f"success_{side}", *rate_figure(rate.value, rate.n), **counted)
    members, control = rates[:2]
    risk = risk_figure(members.value, control.value, members.n, control.n)
    yield Measure(*about, "risk", *risk, n=round(members.n), group=group, patients=members.patients)
    figure, n = memory
    yield Measure(*about, "memorisation", *figure, n=n, group=group, patients=n)
