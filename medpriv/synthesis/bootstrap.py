"""Rows drawn with replacement: no generator, but what the worst one would be. A control that every attack must find."""

from collections.abc import Mapping, Sequence

import numpy as np

from medpriv.synthesis.schema import Schema, Synthesis
from medpriv.synthesis.tables import check_tables


def synthesise(
    tables: Sequence[np.ndarray],
    schema: Schema,
    settings: Mapping[str, object],
    rngs: Sequence[np.random.Generator],
    rows: Sequence[int],
) -> Synthesis:
    """Return rows [rows[k], V + 1] of each table, drawn with replacement; there are no settings.

    Raises:
        InputError: a table is none of this schema.
    """
    check_tables(tables, schema, "bootstrap", least=1)
    samples = [
        cells[rng.integers(len(cells), size=count)] for cells, rng, count in zip(tables, rngs, rows, strict=True)
    ]
    return Synthesis(samples, {"parameters": float(np.mean([cells.size for cells in tables]))})
