"""The first seed's table, rebuilt from the MIMIC-III demo's ADMISSIONS and PATIENTS by a reader of our own.

It serves as known answer for the leakage check and the linkage audit, and shares no code with the project's source.
"""

import csv
from pathlib import Path

import numpy as np
from made_up_datasets import put_together

from medpriv.dataset import TEST, TRAIN, Dataset

DEMO = Path(__file__).parents[3] / "shared" / "data" / "physionet" / "mimiciii-demo" / "1.4"
CODED = ("admission_type", "admission_location", "discharge_location", "insurance", "religion", "marital_status")
CODED += ("ethnicity", "diagnosis", "gender")


def read_admissions() -> list[dict[str, str]]:
    """Return the 129 admissions, each with its patient's columns."""
    with (DEMO / "PATIENTS.csv").open() as stream:
        patients = {row["subject_id"]: row for row in csv.DictReader(stream)}
    with (DEMO / "ADMISSIONS.csv").open() as stream:
        return [patients[row["subject_id"]] | row for row in csv.DictReader(stream)]


def admissions_dataset(**changes) -> Dataset:
    """Return the leaking table as a dataset: codes in alphabetical order, months as 12 * year + month."""
    rows = read_admissions()
    columns = {name: _codes([row[name] for row in rows]) for name in CODED}
    columns["deathtime_flag"] = [float(bool(row["deathtime"])) for row in rows]
    for name in ("admittime", "dischtime"):
        columns[name[:-4] + "_month"] = [12 * int(row[name][:4]) + int(row[name][5:7]) for row in rows]
    subjects = sorted({row["subject_id"] for row in rows})
    x = np.array(list(columns.values()), np.float32).T
    about = {
        "name": "admissions",
        "x": x,
        "y": np.array([int(row["hospital_expire_flag"]) for row in rows]),
        "patient": np.array([subjects.index(row["subject_id"]) for row in rows], np.int32),
        "site": np.zeros(len(rows), np.int32),
        "split": np.where(np.arange(len(subjects)) % 10 < 3, TEST, TRAIN).astype(np.uint8),
        "centre": x.mean(0),
        "scale": x.std(0) + np.float32(1e-6),
        "patients": tuple(subjects),
        "sites": ("demo",),
        "classes": ("survived", "died"),
        "features": tuple(columns),
        "units": ("",) * len(columns),
        "licence": "ODbL 1.0",
        "source": "local",
        "digest": "0" * 64,
        "kinds": dict.fromkeys(columns, "code") | {"deathtime_flag": "binary"},
    }
    return put_together(**about | changes)


def _codes(values: list[str]) -> list[float]:
    names = sorted(set(values))
    return [float(names.index(value)) for value in values]
