"""A generator that copies a few odd people: a control that distances pass and attacks find.

All rows but a share are drawn from the copula of `medpriv.synthesis.copula`. The others are the members farthest from
their neighbours, with changes too small to hide them: numbers moved by a few hundredths of a standard deviation. The
mean and the median distance to the members hardly move, since few rows are copies; whoever was copied is named.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from medpriv.synthesis import copula
from medpriv.synthesis.schema import Schema, Synthesis
from medpriv.synthesis.tables import Encoding, check_tables, finish

NEIGHBOURS = 5  # whose mean distance says how odd a row is


def synthesise(
    tables: Sequence[np.ndarray],
    schema: Schema,
    settings: Mapping[str, object],
    rngs: Sequence[np.random.Generator],
    rows: Sequence[int],
) -> Synthesis:
    """Return tables drawn from a copula, with near copies of outliers among them.

    Any n rows in a row (n: those of the table) hold near copies of all that are copied, once each.

    Args:
        settings: `share` of the rows that are copied, and `change`, by how many standard deviations their numbers
            move; of `medpriv.config.synthetic_simple.OutlierCopiesSettings`.
        tables, schema, rngs, rows: see `medpriv.synthesis`.

    Raises:
        InputError: a table is none of this schema, or has one row.
    """
    check_tables(tables, schema, "outlier_copies")
    drawn = copula.synthesise(tables, schema, {}, rngs, rows)
    samples = []
    for cells, own, rng in zip(tables, drawn.samples, rngs, strict=True):
        copied = outliers(cells, schema, max(1, round(settings["share"] * len(cells))))
        cycle = np.full(len(cells), -1)
        cycle[rng.permutation(len(cells))[: len(copied)]] = copied
        source = np.resize(cycle, len(own))  # which member each row copies, -1 for none
        near = cells[source]
        moved = settings["change"] * Encoding.of(cells, schema).scale * rng.standard_normal(near.shape)
        near = np.where(schema.numbers, near + moved, near)
        samples.append(np.where((source >= 0)[:, None], finish(near, schema, cells), own))
    return Synthesis(samples, drawn.costs)


def outliers(cells: np.ndarray, schema: Schema, count: int) -> np.ndarray:
    """Return the rows, int [count], whose mean distance to their nearest neighbours in the table is largest."""
    features = Encoding.of(cells, schema).features(cells)
    squares = np.square(features).sum(axis=1)
    apart = np.sqrt(np.maximum(squares[:, None] + squares - 2 * features @ features.T, 0))
    nearest = np.sort(apart, axis=1)[:, 1 : NEIGHBOURS + 1]  # the first is the row itself
    return np.argsort(-nearest.mean(axis=1), kind="stable")[:count]
