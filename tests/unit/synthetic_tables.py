"""A made-up table for the tests of generators: mixed columns, gaps, ranges, and what goes together."""

from collections.abc import Sequence

import numpy as np

from medpriv.bank.bank import About, Bank
from medpriv.bank.outputs import Samples
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.records.cohort import Cohort
from medpriv.records.labels import Labels
from medpriv.records.tables import Column, Table
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


def dataset(seed: int = 0, patients: int = 160, rows: int = 1) -> Dataset:
    """Return so many patients with as many rows each, a quarter of them test patients."""
    cells = table(seed, patients * rows)
    columns = tuple(
        Column(field.name, fill=0.0, lower=field.lower, upper=field.upper, decimals=field.decimals)
        if field.number
        else Column(field.name, "code", levels=field.levels, codes=tuple(range(len(field.levels))), fill=0)
        for field in SCHEMA.fields[:-1]
    )
    size = len(columns)
    cohort = Cohort(
        patient=np.repeat(np.arange(patients), rows).astype(np.int32),
        site=np.zeros(len(cells), np.int32),
        split=np.where(np.arange(patients) % 4 == 3, TEST, TRAIN).astype(np.uint8),
        patients=tuple(f"p{index}" for index in range(patients)),
        sites=("s",),
        licence="none",
        source="simulated",
        digest="0",
    )
    records = Table(columns, cells[:, :-1], np.zeros(size, np.float32), np.ones(size, np.float32))
    return Dataset("toy", cohort, records, Labels(cells[:, -1].astype(np.int64), ("no", "yes")), {})


def bank_of_samples(data: Dataset, members: np.ndarray, samples: Sequence[np.ndarray]) -> Bank:
    """Return a bank of generators that released these cells."""
    spec = TrainingSpec("synthetic-toy", "synthetic", {}, "toy", {}, {})
    about = About(data.name, spec, tuple(range(len(samples))), data.cohort.patients_digest, {})
    offsets = np.concatenate([[0], np.cumsum([len(cells) for cells in samples])]).astype(np.int64)
    cells = np.concatenate(samples)
    return Bank(about, members, None, Samples({"raw": cells[:, :-1], "y": cells[:, -1].astype(np.int64)}, offsets))
