"""A made-up table for the tests of generators: mixed columns, gaps, ranges, and what goes together."""

import numpy as np

from medpriv.synthesis.schema import LABEL, Field, Schema

SCHEMA = Schema(
    (
        Field("age", (), 0.0, 110.0, 0),
        Field("sex", ("F", "M")),
        Field("dose", (), 0.0, 5.0, 1),
        Field("lab"),
        Field("pain", ("none", "some", "much", "never seen")),
        Field("ward", ("a",)),
        Field(LABEL, ("no", "yes")),
    )
)


def table(seed: int, rows: int = 150) -> np.ndarray:
    """Return cells [rows, 7]; of `lab` a fifth is missing, more often of the ill, of `pain` a tenth."""
    rng = np.random.default_rng(seed)
    ill = rng.random(rows) < 0.5
    age = np.clip(np.round(55 + 10 * ill + 8 * rng.standard_normal(rows)), 0, 110)
    lab = np.round(np.exp(0.5 * ill + 0.3 * rng.standard_normal(rows)), 2)
    lab[rng.random(rows) < np.where(ill, 0.3, 0.1)] = np.nan
    dose = np.where(rng.random(rows) < 0.4, 0.0, np.round(rng.uniform(0, 5, rows), 1))
    pain = np.clip(np.round(ill + rng.random(rows) - 0.2), 0, 2)
    pain[rng.random(rows) < 0.1] = -1
    sex = (rng.random(rows) < 0.3 + 0.4 * ill).astype(float)
    return np.column_stack([age, sex, dose, lab, pain, np.zeros(rows), ill.astype(float)])
