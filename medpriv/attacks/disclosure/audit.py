"""The disclosure audit of a bank of generators: what do its released rows tell of the people behind them?

Each replicate's release is the first n_k of its rows, n_k those that it was trained on. Members are the training
patients whom it saw, the control are those whom it did not: people of the same hospitals, about as many, who are
members of other replicates. Every attack is run on both, beside one that never looks at a released row as a whole.

Measures: `success_members`, `success_control`, `success_naive` (attacks that succeed), `risk` (what members add, as a
share of what the control leaves), and `memorisation` (success about the same patient as a member minus as another);
see `medpriv.attacks.disclosure.success`. `n` counts patients, of singling out's rates the predicates of a replicate on
average; of its memorisation test success is to be isolated by any predicate. Groups: `secret=<column>` of inference
and reconstruction, and none for all secrets together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.attacks.disclosure import singling_out
from medpriv.attacks.disclosure.closeness import distances, nearest
from medpriv.attacks.disclosure.inference import predictors, right, voted
from medpriv.attacks.disclosure.linkability import linked, linked_blindly
from medpriv.attacks.disclosure.success import mean_rate, memorised, rate_figure, risk_figure
from medpriv.bank.bank import Bank
from medpriv.bank.outputs import Samples
from medpriv.dataset import TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.measures.bootstrap import PatientBootstrap
from medpriv.measures.findings import Findings
from medpriv.measures.table import Measure
from medpriv.seeds import generator
from medpriv.synthesis.schema import Schema, cells_of
from medpriv.synthesis.tables import gaps_of

UNIVARIATE, MULTIVARIATE = "singling-out-univariate", "singling-out-multivariate"
LINKABILITY, INFERENCE, RECONSTRUCTION = "linkability", "inference", "reconstruction"


@dataclass(frozen=True)
class Halves:
    """What is known of a record and what is to be guessed.

    Attributes:
        known, other: int, the columns of its two halves.
        secrets: int, the columns to guess, some of the other half.
    """

    known: np.ndarray
    other: np.ndarray
    secrets: np.ndarray


def audit(dataset: Dataset, bank: Bank, settings: Mapping[str, object], seed: int) -> Findings:
    """Attack each replicate's release, and compare members with the people that it was not made from.

    Args:
        dataset: a table.
        bank: of K >= 2 generators, whose samples are `raw` [S, V] and `y` [S].
        settings: of `medpriv.config.disclosure.DisclosureSettings`.
        seed: the root seed; it decides targets and predicates, of a replicate the same in any stack.

    Raises:
        InputError: the dataset is no table, the bank released no rows of it or too few, or the settings name a column
            that is not there or can't be both known and guessed.
    """
    dataset.require("table", reason="disclosure by synthetic rows")
    schema = Schema.of(dataset)
    halves = halve(dataset, schema, settings)
    members, places = bank.record_members(dataset), range(min(len(bank), settings["replicates"]))
    releases = [released_rows(dataset, bank, place, int(members[place].sum())) for place in places]
    rngs = [generator(seed, dataset.name, "disclosure", bank.replicates[place]) for place in places]
    attacked = (dataset, bank.treatment, schema)
    members = members[: len(places)]
    measures = _singling_out(*attacked, members, releases, settings, rngs, seed)
    measures += _single_records(*attacked, members, releases, halves, settings, rngs, seed)
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


def halve(dataset: Dataset, schema: Schema, settings: Mapping[str, object]) -> Halves:
    """Return which columns are known, which are not, and which of those are guessed."""
    names = [field.name for field in schema.fields]
    known = _places(dataset, names, settings["known"].get(dataset.name, []), "known")
    if not known:
        known = list(range(0, len(names) - 1, 2))
    other = [place for place in range(len(names)) if place not in known]
    secrets = _places(dataset, names, settings["sensitive"].get(dataset.name, []), "sensitive")
    if both := [names[place] for place in secrets if place in known]:
        raise _refused(dataset, f"{both[0]} is known, and can't be guessed", "sensitive", "take it out of one of them")
    if not other:
        raise _refused(dataset, "all columns are known", "known", "leave at least one column out")
    cells, gaps = _training_cells(dataset, schema)
    varying = [place for place in other if len(np.unique(cells[~gaps[:, place], place])) > 1]
    varying.sort(key=lambda place: place != len(names) - 1)  # the outcome first
    secrets = secrets or varying[: settings["most"]]
    if not secrets:
        raise _refused(
            dataset, "no column can be guessed: none that isn't known has two values", "known", "leave one out"
        )
    return Halves(*(np.array(part, int) for part in (known, other, secrets)))


def _training_cells(dataset: Dataset, schema: Schema) -> tuple[np.ndarray, np.ndarray]:
    """Return the training patients' cells and where they are gaps."""
    cells = cells_of(dataset, dataset.rows(TRAIN))
    return cells, gaps_of(cells, schema)


def _places(dataset: Dataset, names: Sequence[str], asked: Sequence[str], key: str) -> list[int]:
    if unknown := [name for name in asked if name not in names]:
        raise _refused(dataset, f"no column {unknown[0]}", key, f"name some of {', '.join(names)}")
    return sorted({names.index(name) for name in asked})


def _refused(dataset: Dataset, problem: str, key: str, remedy: str) -> InputError:
    place = f"attacks.disclosure.{key}.{dataset.name}"
    return InputError(problem, file=f"dataset {dataset.name}", place=place, remedy=remedy)


def _singling_out(
    dataset: Dataset,
    treatment: str,
    schema: Schema,
    members: np.ndarray,
    releases: Sequence[np.ndarray],
    settings: Mapping[str, object],
    rngs: Sequence[np.random.Generator],
    seed: int,
) -> list[Measure]:
    """Return the figures of both kinds of predicates; members bool [K, N]."""
    people = np.unique(dataset.patient[dataset.rows(TRAIN)])
    inside = np.stack([np.isin(people, dataset.patient[own]) for own in members])
    hits = {kind: np.full(inside.shape, np.nan) for kind in (UNIVARIATE, MULTIVARIATE)}
    rates = {kind: [] for kind in hits}  # of each replicate: members', control's, naive predicates', and how many
    for place, (released, rng) in enumerate(zip(releases, rngs, strict=True)):
        sides = _as_many(people, inside[place], rng)
        cells = [
            (cells_of(dataset, rows), dataset.patient[rows])
            for rows in (np.isin(dataset.patient, one) for one in sides)
        ]
        count, columns = settings["predicates"], min(settings["columns"], len(schema))
        made = {
            UNIVARIATE: (1, singling_out.univariate(released, schema, count, rng)),
            MULTIVARIATE: (columns, singling_out.multivariate(released, schema, columns, count, rng)),
        }
        for kind, (width, predicates) in made.items():
            blind = singling_out.naive(released, schema, width, count, rng)
            found = [singling_out.isolated(predicates, *side) for side in cells]
            naive = (singling_out.isolated(blind, *cells[0]) >= 0).mean()
            shares = [(one >= 0).mean() if len(one) else np.nan for one in found]
            rates[kind].append([*shares, naive, len(predicates)])
            hits[kind][place, np.isin(people, np.concatenate(sides))] = 0
            hits[kind][place, np.isin(people, np.concatenate(found))] = 1
    bootstrap = _bootstrap(dataset, "people", people, releases, settings, seed)
    measures = []
    for kind, each in rates.items():
        success, n = np.array(each)[:, :3], float(np.mean([one[3] for one in each]))
        success = [float(np.nanmean(one)) if not np.isnan(one).all() else float("nan") for one in success.T]
        about = (dataset.name, treatment, f"disclosure-{kind}")
        measures += _figures(
            about, "", success, (n, n, settings["predicates"]), memorised(hits[kind], inside, bootstrap)
        )
    return measures


def _as_many(people: np.ndarray, inside: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Return equally many members and others, drawn where there are more of one side."""
    sides = [people[inside], people[~inside]]
    count = min(len(side) for side in sides)
    return [np.sort(rng.permutation(side)[:count]) for side in sides]


def _single_records(
    dataset: Dataset,
    treatment: str,
    schema: Schema,
    members: np.ndarray,
    releases: Sequence[np.ndarray],
    halves: Halves,
    settings: Mapping[str, object],
    rngs: Sequence[np.random.Generator],
    seed: int,
) -> list[Measure]:
    """Return the figures of linkability, inference and reconstruction; members bool [K, N]."""
    rows = _targets(dataset, settings["targets"], generator(seed, dataset.name, "disclosure", "targets"))
    cells = cells_of(dataset, rows)
    found = [
        attack_records(cells, released, schema, halves, settings, rng)
        for released, rng in zip(releases, rngs, strict=True)
    ]
    bootstrap = _bootstrap(dataset, "targets", rows, releases, settings, seed)
    inside, everyone = members[:, rows], np.ones((len(releases), len(rows)), bool)
    measures = []
    for attack, secret in found[0][0]:
        hits, blind = (np.stack([each[side][attack, secret] for each in found]) for side in (0, 1))
        sides = [mean_rate(hits, inside), mean_rate(hits, ~inside), mean_rate(blind, everyone)]
        about = (dataset.name, treatment, f"disclosure-{attack}")
        group = f"secret={schema.fields[secret].name}" if secret >= 0 else ""
        success, counts = zip(*sides, strict=True)
        measures += _figures(about, group, success, counts, memorised(hits, inside, bootstrap))
    return measures


def attack_records(
    cells: np.ndarray,
    released: np.ndarray,
    schema: Schema,
    halves: Halves,
    settings: Mapping[str, object],
    rng: np.random.Generator,
) -> tuple[dict[tuple[str, int], np.ndarray], dict[tuple[str, int], np.ndarray]]:
    """Return attack and secret (-1: all, or none) -> success float64 [T], of the attacks and of the naive ones.

    Args:
        cells: float64 [T, V + 1], the records attacked.
        released: float64 [S, V + 1].
        schema, halves: of the columns.
        settings: `neighbours`, `voters`, `tolerance`.
        rng: the naive attacker's.
    """
    weights = np.zeros((2 + len(halves.secrets), len(schema)))
    weights[0, halves.known] = 1 / len(halves.known)
    weights[1, halves.other] = 1 / len(halves.other)
    for row, secret in zip(weights[2:], halves.secrets, strict=True):
        row[:] = predictors(released, schema, secret)
    hits = {(LINKABILITY, -1): np.empty(len(cells))}
    hits |= {
        (attack, int(one)): np.empty(len(cells)) for attack in (INFERENCE, RECONSTRUCTION) for one in halves.secrets
    }
    for part, apart in distances(cells, released, schema, weights):
        hits[LINKABILITY, -1][part] = linked(apart[:2], settings["neighbours"])
        closest = nearest(apart[0], 1)[:, 0]
        for place, secret in enumerate(halves.secrets):
            about = (cells[part, secret], schema.fields[secret].number, settings["tolerance"])
            hits[INFERENCE, secret][part] = right(released[closest, secret], *about)
            voters = nearest(apart[2 + place], settings["voters"])
            near = np.take_along_axis(apart[2 + place], voters, axis=1)
            guess = voted(released[voters, secret], near, schema.fields[secret].number)
            hits[RECONSTRUCTION, secret][part] = right(guess, *about)
    blind = {(LINKABILITY, -1): linked_blindly(len(cells), len(released), settings["neighbours"], rng)}
    for secret in halves.secrets:
        drawn = released[rng.integers(len(released), size=len(cells)), secret]
        naive = right(drawn, cells[:, secret], schema.fields[secret].number, settings["tolerance"])
        blind |= {(attack, int(secret)): naive for attack in (INFERENCE, RECONSTRUCTION)}
    for attack in (INFERENCE, RECONSTRUCTION):
        for held in (hits, blind):
            held[attack, -1] = _mean_of_known(np.stack([held[attack, int(secret)] for secret in halves.secrets]))
    return hits, blind


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    """Return the mean over axis 0 of what is not NaN, NaN where nothing is."""
    there = ~np.isnan(values)
    return np.where(there.any(axis=0), np.nan_to_num(values).sum(axis=0) / np.maximum(there.sum(axis=0), 1), np.nan)


def _targets(dataset: Dataset, most: int, rng: np.random.Generator) -> np.ndarray:
    """Return one record each of some training patients, int [T], in the dataset's order."""
    order = rng.permutation(np.flatnonzero(dataset.rows(TRAIN)))
    first = np.unique(dataset.patient[order], return_index=True)[1]
    return np.sort(rng.permutation(order[first])[:most])


def _bootstrap(
    dataset: Dataset,
    purpose: str,
    people: np.ndarray,
    releases: Sequence[np.ndarray],
    settings: Mapping[str, object],
    seed: int,
) -> PatientBootstrap:
    rng = generator(seed, dataset.name, "disclosure", "bootstrap", purpose)
    return PatientBootstrap.draw(rng, len(people), settings["bootstraps"], len(releases))


def _figures(
    about: tuple[str, str, str],
    group: str,
    success: Sequence[float],
    counts: Sequence[float],
    memory: tuple[tuple[float, float, float], int],
) -> list[Measure]:
    """Return the five measures of one attack: success about members, the control and by the naive one; risk; memory."""
    names = ("success_members", "success_control", "success_naive")
    found = [
        Measure(*about, name, *rate_figure(rate, n), n=int(n), group=group)
        for name, rate, n in zip(names, success, counts, strict=True)
    ]
    risk = risk_figure(success[0], success[1], counts[0], counts[1])
    found.append(Measure(*about, "risk", *risk, n=int(counts[0]), group=group))
    figure, n = memory
    found.append(Measure(*about, "memorisation", *figure, n=n, group=group, patients=n))
    return found
