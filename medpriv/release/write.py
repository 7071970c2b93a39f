"""One synthetic table of a bank as a file, with its papers beside it."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from medpriv.bank.bank import Bank
from medpriv.dataset import TEST, Dataset
from medpriv.files import sha256, write_text
from medpriv.measures.table import read_measures
from medpriv.release.papers import Release, papers
from medpriv.release.table import texts_of, write_table
from medpriv.synthesis.schema import Schema, cells_of

TABLE, CARD, METADATA = "table.csv", "data_card.md", "croissant.json"


def write_release(
    dataset: Dataset, bank: Bank, measures: Sequence[Path | str], software: Mapping[str, str], folder: Path
) -> None:
    """Write what the first replicate releases, as many rows as it was fitted on, its data card and its metadata.

    Args:
        dataset: what the bank was fitted on.
        bank: of generators of tables.
        measures: tables of measures, of this bank and perhaps of others.
        software: packages that made the table -> SPDX id of their licence.
        folder: where the files `TABLE`, `CARD` and `METADATA` are to be.
    """
    file, cells, schema = folder / TABLE, released(dataset, bank, place=0), Schema.of(dataset)
    write_table(file, schema, cells)
    real = (bank.record_members(dataset)[0], dataset.rows(TEST))
    rows = [row for path in measures for row in read_measures(Path(path)) if row.treatment == bank.treatment]
    about = Release(
        file.name,
        sha256(file),
        file.stat().st_size,
        len(cells),
        int(bank.replicates[0]),
        int(bank.members[0].sum()),
        *(_equal(schema, cells, cells_of(dataset, own)) for own in real),
        {f"{name} {version(name)}": licence for name, licence in software.items()},
    )
    made = papers(dataset, bank.about, rows, about)
    write_text(folder / CARD, made.data_card)
    write_text(folder / METADATA, made.croissant)


def _equal(schema: Schema, cells: np.ndarray, real: np.ndarray) -> int:
    """Return how many rows of cells are written as one of the real rows."""
    known = set(map(tuple, texts_of(schema, real)))
    return sum(tuple(row) in known for row in texts_of(schema, cells))


def released(dataset: Dataset, bank: Bank, place: int) -> np.ndarray:
    """Return what the replicate at this place releases, float64 [n, V + 1]: as many rows as its members have."""
    size, made = int(bank.record_members(dataset)[place].sum()), bank.outputs.of(place)
    return np.column_stack([made["raw"][:size], made["y"][:size].astype(np.float64)])
