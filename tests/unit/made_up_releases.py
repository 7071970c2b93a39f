"""Banks of synthetic tables made by generators of which it is known what they give away."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from made_up_banks import bank_of
from made_up_datasets import put_together

from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.bank.outputs import Samples
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.synthesis.schema import Schema, cells_of

Generator = Callable[[np.ndarray, np.ndarray, int, np.random.Generator], np.ndarray]


def make_dataset(
    patients: int = 200, records: int = 1, numbers: int = 4, codes: int = 3, seed: int = 0, together: bool = True
) -> Dataset:
    """Return people whose numbers hang together, some far from the rest, and categories of three levels.

    Not together: numbers are independent and Gaussian.
    """
    rng = np.random.default_rng(seed)
    n = patients * records
    if together:
        mixed = rng.standard_t(4, (n, numbers)) @ (np.eye(numbers) + 0.4 * rng.normal(size=(numbers, numbers)))
    else:
        mixed = rng.normal(size=(n, numbers))
    levels = [np.digitize(mixed[:, place % numbers] + rng.normal(size=n), [-1, 1]) for place in range(codes)]
    names = [f"f{place}" for place in range(numbers)] + [f"c{place}" for place in range(codes)]
    return put_together(
        x=np.column_stack([mixed, *levels]).astype(np.float32),
        y=(mixed[:, 0] + rng.normal(size=n) > 0).astype(np.int64),
        patient=np.repeat(np.arange(patients), records).astype(np.int32),
        site=np.zeros(n, np.int32),
        split=np.where(np.arange(patients) % 4 == 3, TEST, TRAIN).astype(np.uint8),
        centre=np.zeros(len(names)),
        scale=np.ones(len(names)),
        patients=tuple(f"p{index}" for index in range(patients)),
        sites=("s",),
        classes=("a", "b"),
        features=tuple(names),
        kinds={name: "code" for name in names if name.startswith("c")},
        levels={name: ("low", "middle", "high") for name in names if name.startswith("c")},
        licence="none",
        source="simulated",
        digest="0",
        groups={"sex": tuple("FM"[index // 2 % 2] for index in range(patients))},
    )


def copy_rows(cells: np.ndarray, numbers: np.ndarray, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Return rows drawn from the table, with replacement."""
    return cells[rng.integers(len(cells), size=rows)]


def copy_columns(cells: np.ndarray, numbers: np.ndarray, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Return each column drawn for itself, numbers blurred by a tenth of a deviation."""
    drawn = np.stack([column[rng.integers(len(cells), size=rows)] for column in cells.T], axis=1)
    return drawn + numbers * 0.1 * np.nanstd(cells, axis=0) * rng.normal(size=drawn.shape)


def blur_rows(cells: np.ndarray, numbers: np.ndarray, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Return rows of the table with numbers blurred by half a deviation."""
    drawn = copy_rows(cells, numbers, rows, rng)
    return drawn + numbers * 0.5 * np.nanstd(cells, axis=0) * rng.normal(size=drawn.shape)


def far_rows(cells: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return which tenth of the rows lies farthest from the middle, int."""
    away = np.square((cells - cells.mean(axis=0)) / (cells.std(axis=0) + 1e-9))[:, numbers].sum(axis=1)
    return np.argsort(-away, kind="stable")[: len(cells) // 10]


def copy_far_rows(cells: np.ndarray, numbers: np.ndarray, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Return columns drawn for themselves, and among the first of them the farthest rows, as near as usual rows are."""
    made = copy_columns(cells, numbers, rows, rng)
    far = cells[far_rows(cells, numbers)]
    places = rng.permutation(len(cells))[: len(far)]
    made[places] = far + numbers * 0.4 * np.nanstd(cells, axis=0) * rng.normal(size=far.shape)
    return made


def invent_rows(cells: np.ndarray, numbers: np.ndarray, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Return rows that nobody's data had a part in: of the same form, from another draw of people."""
    other = make_dataset(
        seed=int(rng.integers(1, 1_000_000)), numbers=int(numbers.sum()), codes=len(numbers) - 1 - int(numbers.sum())
    )
    return copy_rows(cells_of(other, np.ones(len(other.cohort), bool)), numbers, rows, rng)


def release_bank(
    dataset: Dataset, make: Generator, replicates: int = 8, times: int = 5, seed: int = 0, name: str = "baseline-mlp"
) -> Bank:
    """Return a bank of tables of `times` as many rows as each replicate was made from."""
    members = Draw(range(replicates), replicates, seed).members(dataset)
    numbers = Schema.of(dataset).numbers
    rng, tables = np.random.default_rng(seed + 1), []
    for own in members[:, dataset.patient]:
        cells = cells_of(dataset, own)
        tables.append(make(cells, numbers, times * len(cells), rng))
    rows = np.concatenate(tables)
    offsets = np.concatenate([[0], np.cumsum([len(table) for table in tables])])
    samples = Samples({"raw": rows[:, :-1], "y": rows[:, -1].astype(np.int64)}, offsets)
    bank = bank_of(dataset, members, np.zeros((replicates, len(dataset.cohort), 2), np.float32), name)
    return replace(bank, outputs=samples)
