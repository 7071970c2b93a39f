"""Cells of made-up tables, as generators of synthetic tables read them."""

import numpy as np

from medpriv.synthesis.schema import Field, Schema

MIXED = Schema(
    (
        Field("age", lower=0.0, upper=100.0, decimals=0),
        Field("lab", lower=-5.0, upper=15.0, decimals=2),
        Field("sex", ("f", "m")),
        Field("stage", ("i", "ii", "iii", "iv")),
        Field("outcome", ("alive", "dead")),
    )
)


def mixed_cells(rows: int, seed: int = 0, gaps: bool = True) -> np.ndarray:
    """Return cells [rows, 5] of `MIXED`: the label follows age, lab the stage; stage `iv` never occurs."""
    rng = np.random.default_rng(seed)
    age = np.clip(np.round(rng.normal(60, 12, rows)), 0, 100)
    stage = rng.choice(3, size=rows, p=[0.5, 0.3, 0.2]).astype(float)
    lab = np.round(np.clip(3 * stage + rng.normal(0, 0.7, rows), -5, 15), 2)
    sex = (rng.random(rows) < 0.4).astype(float)
    label = (rng.random(rows) < 1 / (1 + np.exp(-(age - 60) / 4))).astype(float)
    if gaps:
        lab[rng.random(rows) < 0.2] = np.nan
        sex[rng.random(rows) < 0.1] = -1
    return np.column_stack([age, lab, sex, stage, label])


def assert_within(cells: np.ndarray, schema: Schema, gaps: bool = True) -> None:
    """Assert that cells hold nothing but what the schema allows."""
    for place, field in enumerate(schema.fields):
        column = cells[:, place]
        if field.number:
            seen = column[~np.isnan(column)]
            assert gaps or len(seen) == len(column)
            assert ((seen >= field.lower) & (seen <= field.upper)).all()
            np.testing.assert_array_equal(seen, np.round(seen, field.decimals))
        else:
            lowest = -1 if gaps and place < len(schema) - 1 else 0
            assert set(column.tolist()) <= set(range(lowest, len(field.levels))), field.name
