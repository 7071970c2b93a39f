"""Tables of made-up patients with mixed columns, and banks whose generators are given tables."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from medpriv.bank.bank import SAMPLE, About, Bank
from medpriv.bank.outputs import Samples
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.records.cohort import Cohort
from medpriv.records.labels import Labels
from medpriv.records.tables import Column, Table, encode
from medpriv.sources.tabular import centre_and_scale
from medpriv.synthesis.schema import cells_of

COLUMNS = (
    Column("age", unit="years", fill=60.0, lower=0, upper=120, decimals=0, quasi_identifier=True),
    Column("pressure", unit="mm Hg", fill=120.0, decimals=1),
    Column("sex", "binary", levels=("F", "M"), codes=(0.0, 1.0), fill=0.0),
    Column("stage", "onehot", levels=("I", "II", "III"), features=("stage=I", "stage=II", "stage=III")),
    Column("lactate", unit="mmol/l", fill=1.0, measured="lactate_measured", decimals=2),
    Column("lactate_measured", "binary", levels=("0", "1"), codes=(0.0, 1.0), fill=0.0),
)


def draw_cells(rng: np.random.Generator, n: int, classes: int = 2) -> np.ndarray:
    """Return cells [n, V + 1] of patients whose columns hang on their class."""
    y = rng.integers(0, classes, n)
    age = np.clip(np.round(rng.normal(55 + 8 * y, 9)), 18, 100)
    pressure = np.round(rng.normal(118 + 12 * y, 12), 1)
    pressure[rng.random(n) < 0.06] = np.nan
    stage = np.minimum(rng.integers(0, 2, n) + (y > 0) * (rng.random(n) < 0.6), 2).astype(float)
    stage[rng.random(n) < 0.04] = -1
    measured = (rng.random(n) < 0.7).astype(float)
    lactate = np.where(measured > 0, np.round(rng.gamma(2.0, 0.6 + 0.3 * y), 2), np.nan)
    return np.column_stack([age, pressure, rng.integers(0, 2, n), stage, lactate, measured, y]).astype(float)


def table_dataset(
    seed: int = 0, train: int = 80, test: int = 40, classes: int = 2, records: int = 1, cells: np.ndarray | None = None
) -> Dataset:
    """Return a dataset of patients with so many records each, training patients first."""
    rng, people = np.random.default_rng(seed), train + test
    cells = draw_cells(rng, people * records, classes) if cells is None else cells
    raw, y = cells[:, :-1], cells[:, -1].astype(np.int64)
    patient = np.repeat(np.arange(people), records).astype(np.int32)
    split = np.where(np.arange(people) < train, TRAIN, TEST).astype(np.uint8)
    centre, scale = centre_and_scale(encode(COLUMNS, raw).astype(float), split[patient] == TRAIN)
    cohort = Cohort(
        patient=patient,
        site=(patient % 2).astype(np.int32),
        split=split,
        patients=tuple(f"p{place}" for place in range(people)),
        sites=("north", "south"),
        licence="CC BY 4.0",
        source="simulated",
        digest="0",
        groups={"sex": tuple("FM"[int(raw[patient == person][0, 2])] for person in range(people))},
    )
    table = Table(COLUMNS, raw, centre, scale)
    return Dataset("toy", cohort, table, Labels(y, ("alive", "dead", "moved")[:classes]))


def halves(dataset: Dataset, replicates: int, seed: int = 0) -> np.ndarray:
    """Return members bool [K, P]: halves of the training patients, drawn at random."""
    rng, train = np.random.default_rng(seed), np.flatnonzero(dataset.split == TRAIN)
    members = np.zeros((replicates, len(dataset.patients)), bool)
    for own in members:
        own[rng.permutation(train)[: len(train) // 2]] = True
    return members


def bank_of_tables(
    dataset: Dataset, members: np.ndarray, tables: Sequence[np.ndarray], name: str = "synthetic-toy", **metadata: object
) -> Bank:
    """Return a bank whose replicates released these cells [n, V + 1]."""
    spec = TrainingSpec(name, "synthetic", {"generator": name.removeprefix("synthetic-")}, "", {}, {"steps": 3})
    numbers = tuple(range(len(members)))
    about = About(
        dataset.name, spec, numbers, dataset.cohort.patients_digest, {"updates": 3.0}, frozenset({SAMPLE}), metadata
    )
    offsets = np.concatenate([[0], np.cumsum([len(table) for table in tables])]).astype(np.int64)
    whole = np.concatenate(tables)
    return Bank(about, members, None, Samples({"raw": whole[:, :-1], "y": whole[:, -1].astype(np.int64)}, offsets))


def copies(dataset: Dataset, members: np.ndarray, times: int = 1) -> list[np.ndarray]:
    """Return each replicate's members' own cells."""
    return [np.tile(cells_of(dataset, own[dataset.patient]), (times, 1)) for own in members]


def shuffled_labels(tables: Sequence[np.ndarray], seed: int = 0) -> list[np.ndarray]:
    """Return the tables with labels that belong to other rows."""
    rng, made = np.random.default_rng(seed), [table.copy() for table in tables]
    for table in made:
        table[:, -1] = rng.permutation(table[:, -1])
    return made


def with_columns(dataset: Dataset, columns: tuple[Column, ...]) -> Dataset:
    """Return the dataset with other descriptions of the same cells."""
    return replace(dataset, records=replace(dataset.records, columns=columns))
