"""MIMIC-III's admissions as a published work prepared them: a table whose columns contain the outcome.

One row an admission, fourteen columns of ADMISSIONS, most of them categories written as numbers, as in
github.com/Sanya1704saxena/Privacy-concerns-in-machine-learning-models-trained-on-medical-data. Three of them (`LEAKS`)
are known only when the outcome is. With `columns: all` they stay, and any model is right about everybody; `honest`
leaves them out, and none is better than chance. docs/data/mimic3-admissions.md tells the lesson.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from medpriv.dataset import TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.files import sha256
from medpriv.records.cohort import Cohort
from medpriv.records.labels import Labels
from medpriv.seeds import generator
from medpriv.sources.age import age_band
from medpriv.sources.manifest import MANIFEST, verify_raw
from medpriv.sources.mimic3_cohort import AGE_BANDS, check_age
from medpriv.sources.mimic3_tables import (
    LICENCES,
    connect,
    is_demo,
    local_tables,
    partnerless,
    published_tables,
    refuse_twice,
    scan,
    table_path,
)
from medpriv.sources.tabular import check_classes, make_table, stratified_split

LICENCE = "ODbL 1.0 (the demo); PhysioNet Credentialed Health Data License 1.5.0 (the full database)"
BASE_URL = "https://physionet.org/files/mimiciii-demo/1.4/"  # the full database: .../files/mimiciii/1.4/
CHECKSUMS = "SHA256SUMS.txt"
TABLES = ("ADMISSIONS", "PATIENTS")
CLASSES = ("survived", "died")
LEAKS = ("deathtime_flag", "discharge_location", "discharge_month")
# What an acquaintance, an employer or a newspaper may know of somebody: who they are and when they were in hospital.
OUTSIDER_KNOWS = (
    "admission_month",
    "discharge_month",
    "marital_status",
    "ethnicity",
    "religion",
    "language",
    "insurance",
)

_TYPES = {
    **dict.fromkeys(("row_id", "subject_id", "hadm_id"), "WHOLE"),
    "gender": "SEX",
    "dob": "TIME",
    **dict.fromkeys(("admittime", "dischtime", "deathtime", "edregtime", "edouttime"), "TIME"),
    **dict.fromkeys(("admission_type", "admission_location", "discharge_location", "insurance", "language"), "VARCHAR"),
    **dict.fromkeys(("religion", "marital_status", "ethnicity", "diagnosis"), "VARCHAR"),
    **dict.fromkeys(("hospital_expire_flag", "has_chartevents_data"), "FLAG"),
}
_PATIENT = ("subject_id", "gender", "dob")
_ADMISSION = tuple(column for column in _TYPES if column not in _PATIENT[1:])
Row = dict[str, object]


def _month(column: str) -> Callable[[Row], str]:
    return lambda row: row[column].strftime("%Y-%m") if row[column] else ""


def _starting_with(column: str, groups: dict[str, str], rest: str) -> Callable[[Row], str]:
    """Return the function from a row to the group whose text its cell begins with."""
    return lambda row: next((to for start, to in groups.items() if (row[column] or "").startswith(start)), rest)


def _as_is(column: str) -> Callable[[Row], str]:
    return lambda row: row[column] or ""


# The work's groupings, as far as its files tell them; its own table is not published beside them.
CATEGORIES: dict[str, Callable[[Row], str]] = {
    "admission_location": _starting_with(
        "admission_location",
        {"EMERGENCY": "emergency", "TRANSFER": "transfer", "CLINIC": "referral", "PHYS": "referral"},
        "other",
    ),
    "discharge_location": _starting_with(
        "discharge_location",
        {
            "DEAD": "deceased",
            "HOME": "home",
            **dict.fromkeys(("SNF", "ICF", "REHAB", "LONG TERM", "SHORT TERM", "DISCH-TRAN"), "facility"),
            "HOSPICE": "hospice",
        },
        "other",
    ),
    "admission_type": _as_is("admission_type"),
    "admission_month": _month("admittime"),
    "discharge_month": _month("dischtime"),
    "marital_status": lambda row: "married" if row["marital_status"] == "MARRIED" else "not married",
    "ethnicity": _starting_with(
        "ethnicity", {"WHITE": "white", "BLACK": "black", "HISPANIC": "hispanic", "ASIAN": "asian"}, "other"
    ),
    "religion": _as_is("religion"),
    "language": _as_is("language"),
    "insurance": lambda row: "private" if row["insurance"] == "Private" else "public",
    "diagnosis": _as_is("diagnosis"),
}
NUMBERS = {"deathtime_flag": "", "ed_minutes": "min", "has_chartevents_data": ""}


def local_files(folder: Path) -> list[str]:
    """Return the files of ADMISSIONS and PATIENTS in a local folder; InputError names the first that is not there."""
    return local_tables(folder, TABLES)


def wanted(published: Collection[str]) -> list[str]:
    """Return which of the publisher's files belong to the dataset."""
    return published_tables(published, TABLES)


def parse(name: str, folder: Path, settings: dict, seed: int) -> Dataset:
    """Make the dataset from a raw folder: one record an admission, its patient the person.

    A category is the number of its text among all rows' texts in order, without loss, as the work's label encoder made
    it: between two codes there is nothing. Missing minutes in the emergency department get the training rows' median.

    Args:
        name: the dataset's name in the config.
        folder: the raw folder, with its manifest.
        settings: the `preprocess` section: `columns` (`all` or `honest`) and `test_fraction`.
        seed: the root seed; it decides the split, by patient, stratified by whether they died.

    Raises:
        InputError: a table is not as it should be, or a class has too few patients to be split.
    """
    folder = Path(folder)
    manifest = verify_raw(folder)
    rows, lost = _read(folder)
    codes = {feature: _encode([of(row) for row in rows]) for feature, of in CATEGORIES.items()}
    columns = {feature: code for feature, (_, code) in codes.items()} | _numbers(rows)
    if settings["columns"] == "honest":
        columns = {feature: values for feature, values in columns.items() if feature not in LEAKS}
    y = np.array([row["hospital_expire_flag"] for row in rows], dtype=np.int64)
    patients, owner = np.unique([row["subject_id"] for row in rows], return_inverse=True)
    died = np.zeros(len(patients), dtype=np.int64)
    np.maximum.at(died, owner, y)
    split = stratified_split(died, settings["test_fraction"], generator(seed, name, "split"))
    train = split[owner] == TRAIN
    check_classes(y, ~train, CLASSES, folder, "hospital_expire_flag")
    table, gaps = make_table(
        columns,
        {feature: _kind(feature) for feature in columns},
        NUMBERS,
        train,
        folder,
        levels={feature: levels for feature, (levels, _) in codes.items()},
        quasi_identifiers=OUTSIDER_KNOWS,
        known_hours=_times(rows, tuple(columns)),
    )
    simulated = manifest["source"] == "simulated"
    demo = simulated or is_demo(folder)
    return Dataset(
        name,
        Cohort(
            patient=owner.astype(np.int32),
            site=np.zeros(len(y), dtype=np.int32),
            split=split,
            patients=tuple(str(subject) for subject in patients),
            sites=("all",),
            licence=manifest["licence"] if simulated else LICENCES[demo],
            source=manifest["source"],
            digest=sha256(folder / MANIFEST),
            groups=_groups(rows, owner),
            credentialed=not demo,
        ),
        replace(table, row_id=np.array([row["row_id"] for row in rows], np.int64)),
        Labels(y, CLASSES),
        notes={"admissions": len(y), "deaths": int(y.sum())} | ({"rows_left_out": lost} if lost else {}) | gaps,
    )


def _read(folder: Path) -> tuple[list[Row], dict[str, int]]:
    """Return the admissions with their patients' sex and birth, by row number, and how many have no patient."""
    with connect() as connection:
        for table, columns, keys in (
            ("PATIENTS", _PATIENT, ("subject_id",)),
            ("ADMISSIONS", _ADMISSION, ("hadm_id", "row_id")),
        ):
            path, types = table_path(folder, table), {column: _TYPES[column] for column in columns}
            scan(connection, path, types, f"CREATE TABLE {table} AS SELECT * FROM scanned")
            for key in keys:
                refuse_twice(connection, path, table, key)
        found = connection.execute("SELECT * FROM ADMISSIONS JOIN PATIENTS USING (subject_id) ORDER BY row_id")
        names = [column[0].lower() for column in found.description]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        lost = partnerless(connection, ("ADMISSIONS", "PATIENTS", "subject_id"))
    whole = ("row_id", "subject_id", "admittime", "dischtime", "hospital_expire_flag", "has_chartevents_data")
    for row in rows:
        age = None if None in (row["dob"], row["admittime"]) else _age(row)
        check_age(age, row["subject_id"], folder)
        if gaps := [column for column in (*whole, *_PATIENT[1:]) if row[column] is None]:
            raise InputError(
                f"no {gaps[0]}",
                file=table_path(folder, "PATIENTS" if gaps[0] in _PATIENT else "ADMISSIONS"),
                place=f"row_id {row['row_id']}",
                remedy="use the publisher's tables of MIMIC-III version 1.4",
            )
    return rows, lost


def _encode(texts: list[str]) -> tuple[list[str], np.ndarray]:
    """Return the distinct texts in order, and float64 [N]: the place of each among them."""
    levels, codes = np.unique(texts, return_inverse=True)
    return levels.tolist(), codes.astype(float)


def _numbers(rows: list[Row]) -> dict[str, np.ndarray]:
    """Return the columns that are no categories, float64 [N] each; minutes are NaN without an emergency visit."""
    return {
        "deathtime_flag": np.array([float(row["deathtime"] is not None) for row in rows]),
        "ed_minutes": np.array([_hours(row["edregtime"], row["edouttime"]) * 60 for row in rows]),
        "has_chartevents_data": np.array([float(row["has_chartevents_data"]) for row in rows]),
    }


def _hours(start: datetime | None, end: datetime | None) -> float:
    return (end - start).total_seconds() / 3600 if start and end else np.nan


def _times(rows: list[Row], features: tuple[str, ...]) -> dict[str, float]:
    """Return when each column is known, hours relative to the outcome: at it, or a median stay before."""
    before = -float(np.median([_hours(row["admittime"], row["deathtime"] or row["dischtime"]) for row in rows]))
    return {feature: 0.0 if feature in LEAKS else before for feature in features}


def _groups(rows: list[Row], owner: np.ndarray) -> dict[str, tuple[str, ...]]:
    """Return each patient's sex, and age band at the first row of theirs."""
    _, first = np.unique(owner, return_index=True)
    return {
        "sex": tuple(rows[row]["gender"] for row in first),
        "age": tuple(age_band(_age(rows[row]), AGE_BANDS) for row in first),
    }


def _age(row: Row) -> float:
    return _hours(row["dob"], row["admittime"]) / 24 / 365.25


def _kind(feature: str) -> str:
    if feature in ("deathtime_flag", "has_chartevents_data", "marital_status", "insurance"):
        return "binary"
    return "code" if feature in CATEGORIES else "number"
