"""Patients' records for questions, out of MIMIC-III's tables: adults' admissions, results, orders and codes.

The tables are scanned by `medpriv.sources.mimic3_tables`; what the rows mean is in `medpriv.sources.ehrqa_items`, and
how a record is held in `medpriv.language.events`.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np

from medpriv.errors import InputError
from medpriv.language.events import Admission, Lab, Order, Person
from medpriv.sources.cells import number_in
from medpriv.sources.ehrqa_items import LABS, dose_of, generic_name, reason_of
from medpriv.sources.ehrqa_items import ROUTES as ROUTE_WORDS
from medpriv.sources.mimic3_cohort import ADULT, OLDEST, check_age
from medpriv.sources.mimic3_tables import make_table, refuse_twice, scan, table_path

LONGEST_TITLE = 60  # characters of a diagnosis: longer ones are lists of what it is not
MANNERS = {"EMERGENCY": "as an emergency", "URGENT": "urgently", "ELECTIVE": "electively"}
ORIGINS = {
    "EMERGENCY ROOM ADMIT": "through the emergency room",
    "TRANSFER FROM HOSP/EXTRAM": "from another hospital",
    "TRANSFER FROM SKILLED NUR": "from a nursing facility",
    "CLINIC REFERRAL/PREMATURE": "from a clinic",
    "PHYS REFERRAL/NORMAL DELI": "by a physician's referral",
}
DESTINATIONS = (  # beginnings of discharge locations
    ("HOME HEALTH CARE", "home with home health care"),
    ("HOME WITH HOME IV", "home with intravenous treatment"),
    ("HOME", "home"),
    ("SNF", "to a nursing facility"),
    ("ICF", "to an intermediate care facility"),
    ("REHAB", "to rehabilitation"),
    ("LONG TERM CARE", "to a long-term hospital"),
    ("SHORT TERM HOSPITAL", "to another hospital"),
    ("DISCH-TRAN TO PSYCH", "to a psychiatric hospital"),
    ("HOSPICE", "to hospice care"),
    ("LEFT AGAINST", "against medical advice"),
)
UNITS = {
    "MICU": "medical intensive care unit",
    "SICU": "surgical intensive care unit",
    "CCU": "coronary care unit",
    "CSRU": "cardiac surgery recovery unit",
    "TSICU": "trauma intensive care unit",
}

_WHOLE = ("subject_id", "hadm_id", "icustay_id", "itemid", "seq_num")
_TIMES = ("dob", "admittime", "dischtime", "intime", "outtime", "charttime", "startdate", "enddate")
_KINDS = dict.fromkeys(_WHOLE, "WHOLE") | dict.fromkeys(_TIMES, "TIME")
_KINDS |= {"gender": "SEX", "hospital_expire_flag": "FLAG", "valuenum": "NUMBER"}  # all others are texts
_COLUMNS = {
    "PATIENTS": "subject_id gender dob",
    "ADMISSIONS": "subject_id hadm_id admittime dischtime hospital_expire_flag admission_type admission_location "
    "discharge_location diagnosis",
    "ICUSTAYS": "subject_id hadm_id icustay_id first_careunit intime outtime",
    "LABEVENTS": "hadm_id itemid charttime value valuenum valueuom",
    "PRESCRIPTIONS": "hadm_id startdate enddate drug_type drug dose_val_rx dose_unit_rx route",
    "DIAGNOSES_ICD": "hadm_id seq_num icd9_code",
    "D_ICD_DIAGNOSES": "icd9_code long_title",
    "D_LABITEMS": "itemid label",
}
_TYPES = {
    table: {column: _KINDS.get(column, "VARCHAR") for column in columns.split()} for table, columns in _COLUMNS.items()
}
_PLAIN = re.compile(r"\d+(\.\d+)?", re.ASCII)
TABLES = tuple(sorted(_TYPES))
_KEYS = {"PATIENTS": "subject_id", "ADMISSIONS": "hadm_id", "ICUSTAYS": "icustay_id"}
JOINS = (("ADMISSIONS", "PATIENTS", "subject_id"),)


def read_people(connection, folder: Path, most: int, rng: np.random.Generator) -> tuple[list[Person], dict[str, int]]:
    """Return adults with their admissions, by subject, and counts of what was left out.

    Args:
        connection: of `mimic3_tables.connect`.
        folder: with the tables.
        most: people to keep; of more, so many are drawn by chance.
        rng: which draws them.

    Raises:
        InputError: a table is missing or damaged, has a row twice or another item's label, or nobody is left.
    """
    _check_items(connection, folder)
    for table, key in _KEYS.items():
        path = table_path(folder, table)
        scan(connection, path, _TYPES[table], f"CREATE TABLE {table} AS SELECT * FROM scanned")
        refuse_twice(connection, path, table, key)
    rows, counts = _admissions(connection, folder)
    subjects = sorted({row["subject_id"] for row in rows})
    if len(subjects) > most:
        chosen = set(rng.choice(subjects, most, replace=False).tolist())
        counts["patients not drawn"] = len(subjects) - most
        rows = [row for row in rows if row["subject_id"] in chosen]
    make_table(connection, "chosen", {"hadm_id": "INTEGER"}, [(row["hadm_id"],) for row in rows])
    labs, units = _labs(connection, folder), _first_units(connection)
    orders, unknown = _orders(connection, folder)
    codes = _codes(connection, folder)
    people: dict[int, list[Admission]] = defaultdict(list)
    for row in rows:
        hadm = row["hadm_id"]
        admission = _admission(row, units.get(hadm), codes.get(hadm, ""), labs.get(hadm, []), orders.get(hadm, []))
        people[row["subject_id"]].append(admission)
    sexes = {row["subject_id"]: row["gender"] for row in rows}
    found = [Person(str(subject), sexes[subject], tuple(people[subject])) for subject in sorted(people)]
    return found, {name: count for name, count in (counts | unknown).items() if count}


def _check_items(connection, folder: Path) -> None:
    """Refuse a dictionary in which one of our item ids means something else, as in another database or version."""
    ours = {item.itemid: item.label for item in LABS}
    path = table_path(folder, "D_LABITEMS")
    for itemid, label in scan(connection, path, _TYPES["D_LABITEMS"], "SELECT itemid, label FROM scanned").fetchall():
        if itemid in ours and (label or "").strip().lower() != ours[itemid].lower():
            raise InputError(
                f"item {itemid} is {label!r}, not {ours[itemid]!r}",
                file=path,
                remedy="use the publisher's tables of MIMIC-III version 1.4",
            )


def _admissions(connection, folder: Path) -> tuple[list[dict], dict[str, int]]:
    """Return the rows of adults' admissions with both times, by subject and time, and how many others there are."""
    result = connection.execute(
        "SELECT *, epoch(admittime - dob) / 86400 / 365.25 AS age FROM ADMISSIONS JOIN PATIENTS USING (subject_id) "
        "ORDER BY subject_id, admittime, hadm_id"
    )
    names = [column[0] for column in result.description]
    rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    for row in rows:
        check_age(row["age"], row["subject_id"], folder)
    known = [
        row for row in rows if row["admittime"] and row["dischtime"] and row["gender"] and row["age"] is not None
        and row["admittime"] < row["dischtime"] and row["hospital_expire_flag"] is not None
    ]  # fmt: skip
    adults = [row for row in known if row["age"] >= ADULT]
    if not adults:
        raise InputError(
            "no admission of an adult with both its times",
            file=table_path(folder, "ADMISSIONS"),
            remedy="use all of the publisher's tables, or simulate more patients",
        )
    counts = {"admissions without times, sex or age": len(rows) - len(known)}
    return adults, counts | {"admissions of minors": len(known) - len(adults)}


def _labs(connection, folder: Path) -> dict[int, list[Lab]]:
    """Return each admission's results; those of one item at one time count once, with the lowest value."""
    about = {item.itemid: item for item in LABS}
    make_table(connection, "items", {"itemid": "INTEGER"}, [(itemid,) for itemid in about])
    query = """
        SELECT hadm_id, itemid, charttime, min(valuenum), min_by(value, valuenum), coalesce(any_value(valueuom), '')
        FROM scanned JOIN items USING (itemid) JOIN chosen USING (hadm_id)
        WHERE charttime IS NOT NULL AND valuenum IS NOT NULL
        GROUP BY hadm_id, itemid, charttime ORDER BY hadm_id, charttime, itemid
        """
    found: dict[int, list[Lab]] = defaultdict(list)
    path = table_path(folder, "LABEVENTS")
    for hadm, itemid, time, value, text, unit in scan(connection, path, _TYPES["LABEVENTS"], query).fetchall():
        item = about[itemid]
        if item.low <= value <= item.high and unit.strip().lower() in (item.unit.lower(), ""):
            found[hadm].append(Lab(time, item.name, value, f"{_shown(text, value)} {item.unit}".strip()))
    return found


def _orders(connection, folder: Path) -> tuple[dict[int, list[Order]], dict[str, int]]:
    """Return each admission's orders of drugs that we know, and how many rows are of no such order."""
    query = """
        SELECT DISTINCT hadm_id, startdate, enddate, drug, dose_val_rx, dose_unit_rx, route
        FROM scanned JOIN chosen USING (hadm_id)
        WHERE startdate IS NOT NULL AND drug IS NOT NULL AND drug_type = 'MAIN' ORDER BY ALL
        """
    found: dict[int, list[Order]] = defaultdict(list)
    unknown = 0
    path = table_path(folder, "PRESCRIPTIONS")
    rows = scan(connection, path, _TYPES["PRESCRIPTIONS"], query).fetchall()
    for hadm, start, stop, drug, value, unit, route in rows:
        name, dose = generic_name(drug), dose_of(value or "", unit or "")
        words = ROUTE_WORDS.get((route or "").strip().upper())
        if name is None or dose is None or words is None:
            unknown += 1
            continue
        found[hadm].append(Order(_midnight(start), _midnight(stop) if stop else None, name, dose, words))
    return found, {"orders of other drugs, doses or routes": unknown}


def _first_units(connection) -> dict[int, tuple[str, float]]:
    """Return each admission's first unit of intensive care, and the days spent there."""
    rows = connection.execute(
        "SELECT hadm_id, first_careunit, intime, outtime FROM ICUSTAYS WHERE intime < outtime "
        "ORDER BY hadm_id, intime, icustay_id"
    ).fetchall()
    found: dict[int, tuple[str, float]] = {}
    for hadm, unit, intime, outtime in rows:
        if unit in UNITS:
            found.setdefault(hadm, (UNITS[unit], (outtime - intime).total_seconds() / 86400))
    return found


def _codes(connection, folder: Path) -> dict[int, str]:
    """Return the title of each admission's first coded diagnosis, as far as it is short."""
    query = "SELECT hadm_id, icd9_code FROM scanned JOIN chosen USING (hadm_id) WHERE seq_num = 1 ORDER BY ALL"
    path = table_path(folder, "DIAGNOSES_ICD")
    codes = dict(scan(connection, path, _TYPES["DIAGNOSES_ICD"], query).fetchall())
    path = table_path(folder, "D_ICD_DIAGNOSES")
    titles = dict(
        scan(connection, path, _TYPES["D_ICD_DIAGNOSES"], "SELECT icd9_code, long_title FROM scanned").fetchall()
    )
    found = {hadm: titles.get(code) or "" for hadm, code in codes.items()}
    return {hadm: _lowered(title) for hadm, title in found.items() if 0 < len(title) <= LONGEST_TITLE}


def _admission(
    row: Mapping, unit: tuple[str, float] | None, coded: str, labs: list[Lab], orders: list[Order]
) -> Admission:
    """Return one admission; results and orders from before its first day or after its end are no part of it."""
    admitted, discharged = row["admittime"], row["dischtime"]
    first = _midnight(admitted)
    left = row["discharge_location"] or ""
    return Admission(
        admitted=admitted,
        discharged=discharged,
        died=bool(row["hospital_expire_flag"]),
        age=min(row["age"], OLDEST),
        manner=MANNERS.get(row["admission_type"] or "", ""),
        origin=ORIGINS.get(row["admission_location"] or "", ""),
        unit=unit[0] if unit else "",
        unit_days=unit[1] if unit else None,
        reason=reason_of(row["diagnosis"] or ""),
        coded=coded,
        left=next((words for begins, words in DESTINATIONS if left.startswith(begins)), ""),
        labs=tuple(lab for lab in labs if first <= lab.time <= discharged),
        orders=tuple(order for order in orders if first <= order.start <= discharged),
    )


def _shown(text: str | None, value: float) -> str:
    """Return a result as the table writes it (`1.0`), where that is the number and nothing else."""
    return text if text is not None and number_in(text) == value and _PLAIN.fullmatch(text) else f"{value:.10g}"


def _midnight(time: datetime) -> datetime:
    return time.replace(hour=0, minute=0, second=0, microsecond=0)


def _lowered(title: str) -> str:
    """Return a title as a clause: its first letter small, unless it begins an abbreviation."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]
