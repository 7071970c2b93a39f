"""A hospital made here: its patients, their admissions and stays in intensive care, written as MIMIC-III writes them.

Every patient has a constitution, every stay a severity around it. Death depends on severity and age with much left to
chance. Shares of categories are near the open demo's; no real row is used. Some stays are too short, some are moved
between units, some patients are minors or older than 89 (whose birth the publisher shifts by 300 years): they are there
to be left out or put right.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from medpriv.files import replacing
from medpriv.seeds import generator

UNITS = {"MICU": 0.42, "SICU": 0.17, "CCU": 0.15, "CSRU": 0.15, "TSICU": 0.11}
UNIT_SEVERITY = {"MICU": 0.25, "SICU": 0.0, "CCU": 0.1, "CSRU": -0.6, "TSICU": -0.2}
WARDS = {"MICU": 50, "SICU": 33, "CCU": 7, "CSRU": 12, "TSICU": 14}
DEATH = {"at severity 0, 65 years": -2.9, "per severity": 1.6, "per year": 0.025}  # log-odds
SHIFTED_YEARS = 300
CHOICES = {  # columns of ADMISSIONS that are the patient's own: value, share
    "insurance": {"Medicare": 0.6, "Private": 0.28, "Medicaid": 0.1, "Government": 0.02},
    "language": {"ENGL": 0.5, "": 0.35, "SPAN": 0.1, "RUSS": 0.05},
    "religion": {"CATHOLIC": 0.42, "NOT SPECIFIED": 0.2, "UNOBTAINABLE": 0.14, "PROTESTANT QUAKER": 0.12}
    | {"JEWISH": 0.12},
    "marital_status": {"MARRIED": 0.48, "SINGLE": 0.25, "WIDOWED": 0.13, "DIVORCED": 0.06, "": 0.08},
    "ethnicity": {"WHITE": 0.7, "UNKNOWN/NOT SPECIFIED": 0.1, "BLACK/AFRICAN AMERICAN": 0.1}
    | {"HISPANIC OR LATINO": 0.06, "ASIAN": 0.04},
}
DIAGNOSES = (
    *(
        "SEPSIS",
        "PNEUMONIA",
        "CONGESTIVE HEART FAILURE",
        "GASTROINTESTINAL BLEED",
        "HYPOTENSION",
        "RESPIRATORY FAILURE",
    ),
    *("CORONARY ARTERY DISEASE", "INTRACRANIAL HEMORRHAGE", "ABDOMINAL PAIN", "CHEST PAIN", "FEVER", "LIVER FAILURE"),
    *("ALTERED MENTAL STATUS", "S/P FALL", "STROKE/TIA", "ACUTE RENAL FAILURE", "SYNCOPE;TELEMETRY", "PANCREATITIS"),
)
SENT_FROM = {"EMERGENCY ROOM ADMIT": 0.7, "TRANSFER FROM HOSP/EXTRAM": 0.2, "CLINIC REFERRAL/PREMATURE": 0.1}
SENT_TO = {"SNF": 0.3, "HOME": 0.28, "HOME HEALTH CARE": 0.22, "REHAB/DISTINCT PART HOSP": 0.15, "HOSPICE-HOME": 0.05}
PATIENTS = ("row_id", "subject_id", "gender", "dob", "dod", "dod_hosp", "dod_ssn", "expire_flag")
ADMISSIONS = (
    *("row_id", "subject_id", "hadm_id", "admittime", "dischtime", "deathtime", "admission_type", "admission_location"),
    *("discharge_location", "insurance", "language", "religion", "marital_status", "ethnicity", "edregtime"),
    *("edouttime", "diagnosis", "hospital_expire_flag", "has_chartevents_data"),
)
ICUSTAYS = (
    *("row_id", "subject_id", "hadm_id", "icustay_id", "dbsource", "first_careunit", "last_careunit", "first_wardid"),
    *("last_wardid", "intime", "outtime", "los"),
)


@dataclass(frozen=True)
class Visit:
    """One admission of a patient, with its one stay in intensive care."""

    hadm: int
    icustay: int
    system: str  # carevue or metavision: which charting system, so which item ids
    unit: str
    moved_to: str
    severity: float
    elective: bool
    died: bool
    admitted: datetime
    intime: datetime
    outtime: datetime
    discharged: datetime


@dataclass(frozen=True)
class Person:
    """One patient: `traits` (float64 [8]) are offsets of their own from everybody's mean, in standard deviations."""

    subject: int
    sex: str
    age: float  # at the first admission
    born: datetime
    about: dict[str, str]
    traits: np.ndarray
    visits: tuple[Visit, ...]


def draw_people(count: int, seed: int) -> list[Person]:
    """Return patients with their visits; one doesn't depend on how many there are."""
    return [_draw_person(index, generator(seed, "patient", index)) for index in range(count)]


def write_admissions(people: Sequence[Person], folder: Path, seed: int) -> None:
    """Write PATIENTS and ADMISSIONS of the patients into a folder."""
    write_table(folder, "PATIENTS", PATIENTS, (_patient(person) for person in people))
    write_table(folder, "ADMISSIONS", ADMISSIONS, admission_rows(people, seed))


def admission_rows(people: Sequence[Person], seed: int) -> Iterator[tuple]:
    """Yield the row of ADMISSIONS of each visit, without its row number."""
    for person in people:
        for visit in person.visits:
            yield _admission(person, visit, generator(seed, "admission", visit.hadm))


def write_stays(people: Sequence[Person], folder: Path) -> None:
    """Write ICUSTAYS of the patients into a folder."""
    rows = (_stay(person, visit) for person in people for visit in person.visits)
    write_table(folder, "ICUSTAYS", ICUSTAYS, rows)


def write_table(folder: Path, name: str, columns: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write one table as the demo's are: header in small letters, `row_id` first (added here), empty for missing."""
    with replacing(Path(folder) / f"{name}.csv") as partial, partial.open("w", newline="", encoding="ascii") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows((row_id, *row) for row_id, row in enumerate(rows, start=1))


def _draw_person(index: int, rng: np.random.Generator) -> Person:
    subject, sex = 10000 + index, "M" if rng.random() < 0.56 else "F"
    age = float(np.clip(65 + 16 * rng.standard_normal(), 16, 97))
    constitution, traits = 0.6 * rng.standard_normal(), rng.standard_normal(8)
    about = {column: _pick(rng, choices) for column, choices in CHOICES.items()}
    at = datetime(2100, 1, 1) + timedelta(minutes=int(rng.integers(90 * 365 * 1440)))
    shift = SHIFTED_YEARS if age >= 90 else 0
    born = (at - timedelta(days=(age + shift) * 365.25)).replace(hour=0, minute=0, second=0)
    visits: list[Visit] = []
    for number in range(1 + rng.binomial(2, 0.07)):
        visit = _draw_visit(10 * index + number, at, age, constitution, rng)
        visits.append(visit)
        if visit.died:
            break
        at = visit.discharged + timedelta(days=float(rng.uniform(10, 700)))
    return Person(subject, sex, age, born, about, traits, tuple(visits))


def _draw_visit(number: int, at: datetime, age: float, constitution: float, rng: np.random.Generator) -> Visit:
    unit = _pick(rng, UNITS)
    severity = constitution + UNIT_SEVERITY[unit] + 0.8 * rng.standard_normal()
    log_odds = DEATH["at severity 0, 65 years"] + DEATH["per severity"] * severity + DEATH["per year"] * (age - 65)
    died = bool(rng.random() < 1 / (1 + np.exp(-log_odds)))
    hours = float(np.exp(np.log(85) + 0.15 * severity + 0.6 * rng.standard_normal()))
    admitted = at.replace(second=0)
    intime = admitted + timedelta(seconds=int(rng.uniform(60, 6 * 3600)))
    outtime = intime + timedelta(seconds=int(hours * 3600))
    in_unit = died and rng.random() < 0.8
    after = timedelta(hours=0 if in_unit else float(rng.exponential(90)))
    moved = _pick(rng, UNITS) if rng.random() < 0.08 else unit
    return Visit(
        hadm=100000 + number,
        icustay=200000 + number,
        system="carevue" if rng.random() < 0.5 else "metavision",
        unit=unit,
        moved_to=moved,
        severity=severity,
        elective=bool(rng.random() < (0.5 if unit == "CSRU" else 0.06)),
        died=died,
        admitted=admitted,
        intime=intime,
        outtime=outtime,
        discharged=(outtime + after).replace(second=0) + timedelta(minutes=1),
    )


def _patient(person: Person) -> tuple:
    last = person.visits[-1]
    died = _day(last.discharged) if last.died else ""
    return person.subject, person.sex, _day(person.born), died, died, "", int(last.died)


def _admission(person: Person, visit: Visit, rng: np.random.Generator) -> tuple:
    emergency = not visit.elective and rng.random() < 0.85
    waited = timedelta(minutes=int(60 + rng.exponential(280)))
    came_from = "PHYS REFERRAL/NORMAL DELI" if visit.elective else _pick(rng, SENT_FROM)
    return (
        *(person.subject, visit.hadm, visit.admitted, visit.discharged, visit.discharged if visit.died else ""),
        *("ELECTIVE" if visit.elective else "EMERGENCY", came_from),
        "DEAD/EXPIRED" if visit.died else _pick(rng, SENT_TO),
        *person.about.values(),
        *((visit.admitted - waited, visit.admitted + timedelta(minutes=10)) if emergency else ("", "")),
        *(DIAGNOSES[rng.integers(len(DIAGNOSES))], int(visit.died), 1),
    )


def _stay(person: Person, visit: Visit) -> tuple:
    days = (visit.outtime - visit.intime).total_seconds() / 86400
    return (
        *(person.subject, visit.hadm, visit.icustay, visit.system, visit.unit, visit.moved_to),
        *(WARDS[visit.unit], WARDS[visit.moved_to], visit.intime, visit.outtime, f"{days:.4f}"),
    )


def _day(time: datetime) -> datetime:
    return time.replace(hour=0, minute=0, second=0)


def _pick(rng: np.random.Generator, shares: dict[str, float]) -> str:
    return list(shares)[rng.choice(len(shares), p=np.array(list(shares.values())))]
