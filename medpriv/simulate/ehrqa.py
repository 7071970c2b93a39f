"""MIMIC-III's tables for questions about patients made here: the people of `mimic3`, with laboratory, drugs and codes.

A patient's results keep to a level of their own, moved by kidneys, blood, infection and liver, whose state goes with
the severity of the stay and gets better or worse. Practice changes over the years, as it does: of many pairs of drugs
the newer one displaces the older, tests come and go. So who is split by date is told apart by it. No real row is used.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path

import numpy as np

from medpriv.seeds import generator
from medpriv.simulate.mimic3_charts import D_LABITEMS, LABEVENTS
from medpriv.simulate.mimic3_hospital import (
    ADMISSIONS,
    Person,
    Visit,
    admission_rows,
    draw_people,
    write_admissions,
    write_stays,
    write_table,
)
from medpriv.sources.ehrqa_items import LABS

PRESCRIPTIONS = (
    *("row_id", "subject_id", "hadm_id", "icustay_id", "startdate", "enddate", "drug_type", "drug", "drug_name_poe"),
    *("drug_name_generic", "formulary_drug_cd", "gsn", "ndc", "prod_strength", "dose_val_rx", "dose_unit_rx"),
    *("form_val_disp", "form_unit_disp", "route"),
)
DIAGNOSES_ICD = ("row_id", "subject_id", "hadm_id", "seq_num", "icd9_code")
D_ICD_DIAGNOSES = ("row_id", "icd9_code", "short_title", "long_title")
FIRST_YEAR, YEARS = 2100, 90  # in which the hospital admits
MOST_DAYS = 12  # with results
CHANGE = 0.02  # how long a change of practice takes, as a share of the years

# Mean at severity 0, spread between people and between days, decimals, what moves it and by how much, and how often it
# is measured of the times that blood is taken. What moves: kidneys, marrow and bleeding, infection, liver, salt.
_COURSE = {
    "potassium": (4.1, 0.25, 0.35, 1, "kidney", 0.12, 1.0),
    "sodium": (138.5, 2.5, 2.0, 0, "salt", 2.0, 1.0),
    "chloride": (104.0, 3.0, 2.4, 0, "salt", 2.2, 1.0),
    "bicarbonate": (25.0, 2.2, 1.7, 0, "kidney", -1.2, 1.0),
    "anion gap": (13.0, 1.6, 1.8, 0, "infection", 1.1, 0.9),
    "glucose": (4.85, 0.18, 0.18, 0, "infection", 0.08, 1.0),
    "magnesium": (2.0, 0.13, 0.2, 1, "kidney", 0.05, 0.85),
    "calcium": (8.4, 0.35, 0.3, 1, "kidney", -0.1, 0.75),
    "phosphate": (3.4, 0.5, 0.6, 1, "kidney", 0.4, 0.75),
    "creatinine": (0.05, 0.3, 0.09, 1, "kidney", 0.42, 1.0),
    "urea nitrogen": (3.05, 0.35, 0.12, 0, "kidney", 0.4, 1.0),
    "hemoglobin": (10.3, 1.2, 0.5, 1, "blood", -0.9, 1.0),
    "white cell count": (2.25, 0.3, 0.17, 1, "infection", 0.25, 1.0),
    "platelet count": (5.3, 0.4, 0.12, 0, "blood", -0.2, 1.0),
    "INR": (0.25, 0.15, 0.1, 1, "liver", 0.2, 0.6),
    "lactate": (0.5, 0.2, 0.25, 1, "infection", 0.3, 0.3),
    "bilirubin": (-0.1, 0.5, 0.15, 1, "liver", 0.7, 0.25),
    "albumin": (3.1, 0.4, 0.15, 1, "infection", -0.2, 0.15),
    "ALT": (3.5, 0.6, 0.2, 0, "liver", 0.6, 0.25),
    "troponin T": (-2.6, 0.8, 0.3, 2, "infection", 0.3, 0.3),
}
_LOGARITHMIC = frozenset(
    (
        "glucose",
        "creatinine",
        "urea nitrogen",
        "white cell count",
        "platelet count",
        "INR",
        "lactate",
        "bilirubin",
        "ALT",
    )
)
_ORGANS = {"kidney": 0, "blood": 1, "infection": 2, "liver": 3, "salt": 4}  # traits of the person

# Share of the hospital's years after which a test is asked for, or no longer.
_TESTED_FROM = {"lactate": 0.35, "troponin T": 0.7}
_TESTED_UNTIL = {"albumin": 0.6, "anion gap": 0.78}

# Drug: doses, unit, route, share of stays that have it.
_DRUGS = {
    "Acetaminophen": ((325, 500, 650, 1000), "mg", "PO", 0.4),
    "Insulin": ((2, 4, 6, 8, 10, 12), "UNIT", "SC", 0.4),
    "Potassium Chloride": ((20, 40, 60), "mEq", "IV", 0.4),
    "Magnesium Sulfate": ((1, 2, 4), "gm", "IV", 0.3),
    "Furosemide": ((10, 20, 40, 60, 80, 120), "mg", "IV", 0.3),
    "Calcium Gluconate": ((1, 2), "gm", "IV", 0.15),
    "Propofol": ((5, 10, 20, 50), "mcg", "IV DRIP", 0.1),
    "Prednisone": ((5, 10, 20, 40, 60), "mg", "PO", 0.15),
    "Lactulose": ((15, 30, 45), "mL", "PO", 0.1),
    "Warfarin": ((1, 2, 2.5, 3, 4, 5, 7.5), "mg", "PO", 0.15),
    "Levothyroxine Sodium": ((25, 50, 75, 88, 100, 112, 125, 150), "mcg", "PO", 0.1),
    "Gabapentin": ((100, 300, 400, 600), "mg", "PO", 0.07),
    "Allopurinol": ((100, 200, 300), "mg", "PO", 0.05),
    "Tacrolimus": ((0.5, 1, 2, 3), "mg", "PO", 0.02),
}
# Older and newer drug for one purpose: doses, unit and route of each; share of stays that have either; and the share of
# the hospital's years after which the newer one is the usual one.
_SUCCESSIONS = (
    ("Ranitidine", (50, 150), "mg", "PO", "Pantoprazole", (20, 40, 80), "mg", "PO", 0.6, 0.3),
    ("Docusate Sodium", (100, 200), "mg", "PO", "Lansoprazole", (15, 30), "mg", "PO", 0.4, 0.8),
    ("Heparin", (2500, 5000, 7500), "UNIT", "SC", "Enoxaparin Sodium", (30, 40, 60, 80, 100), "mg", "SC", 0.6, 0.75),
    ("Morphine Sulfate", (1, 2, 4, 5), "mg", "IV", "Hydromorphone", (0.25, 0.5, 1, 2), "mg", "IV", 0.5, 0.78),
    ("Lorazepam", (0.5, 1, 2), "mg", "IV", "Midazolam", (1, 2, 4), "mg", "IV", 0.4, 0.6),
    (
        "Metoprolol Tartrate",
        (12.5, 25, 37.5, 50, 75),
        "mg",
        "PO",
        "Carvedilol",
        (3.125, 6.25, 12.5),
        "mg",
        "PO",
        0.4,
        0.8,
    ),
    ("Captopril", (6.25, 12.5, 25, 50), "mg", "PO", "Lisinopril", (2.5, 5, 10, 20, 40), "mg", "PO", 0.25, 0.2),
    ("Simvastatin", (10, 20, 40), "mg", "PO", "Atorvastatin", (10, 20, 40, 80), "mg", "PO", 0.3, 0.5),
    ("Aspirin", (81, 325), "mg", "PO", "Clopidogrel", (75, 300), "mg", "PO", 0.4, 0.82),
    ("Haloperidol", (0.5, 1, 2, 5), "mg", "IV", "Quetiapine Fumarate", (12.5, 25, 50, 100), "mg", "PO", 0.25, 0.7),
    ("Dopamine", (200, 400), "mg", "IV DRIP", "Norepinephrine", (4, 8, 16), "mg", "IV DRIP", 0.2, 0.45),
    ("Digoxin", (0.125, 0.25), "mg", "PO", "Amiodarone", (150, 200, 400), "mg", "PO", 0.2, 0.4),
    ("Phenytoin", (100, 200, 300), "mg", "PO", "Levetiracetam", (500, 750, 1000), "mg", "PO", 0.1, 0.75),
    ("Prochlorperazine", (5, 10), "mg", "IV", "Ondansetron", (4, 8), "mg", "IV", 0.25, 0.65),
)
_FOR_INFECTION = (
    ("Ampicillin Sodium", (1, 2), "gm", "IV", "Cefepime", (1, 2), "gm", "IV", 0.5, 0.5),
    ("Levofloxacin", (250, 500, 750), "mg", "IV", "Ceftriaxone", (1, 2), "gm", "IV", 0.6, 0.75),
    ("Gentamicin", (80, 100, 120, 240), "mg", "IV", "Vancomycin", (500, 750, 1000, 1250), "mg", "IV", 0.6, 0.3),
)
_INFECTIONS = ("SEPSIS", "PNEUMONIA", "FEVER", "RESPIRATORY FAILURE")

# ICD-9-CM: code and title that a stay for each reason may be coded by, and what else patients have.
_CODES = {
    "SEPSIS": ("0389", "Unspecified septicemia"),
    "PNEUMONIA": ("486", "Pneumonia, organism unspecified"),
    "CONGESTIVE HEART FAILURE": ("4280", "Congestive heart failure, unspecified"),
    "GASTROINTESTINAL BLEED": ("5789", "Hemorrhage of gastrointestinal tract, unspecified"),
    "HYPOTENSION": ("4589", "Hypotension, unspecified"),
    "RESPIRATORY FAILURE": ("51881", "Acute respiratory failure"),
    "CORONARY ARTERY DISEASE": ("41401", "Coronary atherosclerosis of native coronary artery"),
    "INTRACRANIAL HEMORRHAGE": ("431", "Intracerebral hemorrhage"),
    "ABDOMINAL PAIN": ("78900", "Abdominal pain, unspecified site"),
    "CHEST PAIN": ("78650", "Chest pain, unspecified"),
    "FEVER": ("78060", "Fever, unspecified"),
    "LIVER FAILURE": ("5722", "Hepatic encephalopathy"),
    "ALTERED MENTAL STATUS": ("78097", "Altered mental status"),
    "S/P FALL": ("920", "Contusion of face, scalp, and neck except eye(s)"),
    "STROKE/TIA": ("4359", "Unspecified transient cerebral ischemia"),
    "ACUTE RENAL FAILURE": ("5849", "Acute kidney failure, unspecified"),
    "SYNCOPE;TELEMETRY": ("7802", "Syncope and collapse"),
    "PANCREATITIS": ("5770", "Acute pancreatitis"),
}
_OTHERS = (
    ("4019", "Unspecified essential hypertension"),
    ("42731", "Atrial fibrillation"),
    ("25000", "Diabetes mellitus without mention of complication, type II or unspecified type, not stated as "
     "uncontrolled"),
    ("5990", "Urinary tract infection, site not specified"),
    ("2859", "Anemia, unspecified"),
    ("2449", "Unspecified acquired hypothyroidism"),
    ("4241", "Aortic valve disorders"),
    ("5119", "Unspecified pleural effusion"),
)  # fmt: skip


def simulate(settings: dict, folder: Path, seed: int) -> None:
    """Write the eight tables of `settings["patients"]` patients into `folder`; no patient depends on the others."""
    people = draw_people(settings["patients"], seed)
    write_admissions(people, folder, seed)
    write_stays(people, folder)
    reason = {row[1]: row[ADMISSIONS.index("diagnosis") - 1] for row in admission_rows(people, seed)}
    drawn = [
        _Stay(person, visit, reason[visit.hadm], generator(seed, "questions", visit.hadm))
        for person in people
        for visit in person.visits
    ]
    write_table(folder, "LABEVENTS", LABEVENTS, chain.from_iterable(stay.labs() for stay in drawn))
    write_table(folder, "PRESCRIPTIONS", PRESCRIPTIONS, chain.from_iterable(stay.orders() for stay in drawn))
    write_table(folder, "DIAGNOSES_ICD", DIAGNOSES_ICD, chain.from_iterable(stay.codes() for stay in drawn))
    items = ((item.itemid, item.label, "Blood", "", "") for item in LABS)
    write_table(folder, "D_LABITEMS", D_LABITEMS, items)
    titles = ((code, title[:24], title) for code, title in [*_CODES.values(), *_OTHERS])
    write_table(folder, "D_ICD_DIAGNOSES", D_ICD_DIAGNOSES, titles)


class _Stay:
    """One admission while it is being drawn: results first, then orders, then codes."""

    def __init__(self, person: Person, visit: Visit, reason: str, rng: np.random.Generator) -> None:
        self.person, self.visit, self.reason, self.rng = person, visit, reason, rng
        self.days = (visit.discharged.date() - visit.admitted.date()).days

    def labs(self) -> list[tuple]:
        """Return the rows of LABEVENTS: on arrival, then each morning, in some stays each evening, too."""
        rng, start = self.rng, self.visit.admitted
        minutes = [rng.uniform(10, 90)]
        midnight = (start.hour * 60 + start.minute) % 1440
        last = (self.visit.discharged - start).total_seconds() / 60
        for day in range(1, min(self.days, MOST_DAYS) + 1):
            minutes.append(day * 1440 - midnight + rng.normal(330, 45))
            if rng.random() < 0.25:
                minutes.append(day * 1440 - midnight + rng.normal(1050, 90))
        times = [start + timedelta(minutes=int(minute)) for minute in minutes if 0 < minute < last]
        values = self._values(len(times))
        taken = rng.random((len(times), len(LABS)))
        rows = []
        for row, time in enumerate(times):
            for column, item in enumerate(LABS):
                if item.name in values and taken[row, column] < values[item.name][1]:
                    shown = values[item.name][0][row]
                    ids = (self.person.subject, self.visit.hadm, item.itemid)
                    rows.append((*ids, time, shown, shown, item.unit, ""))
        return rows

    def _values(self, count: int) -> dict[str, tuple[list[str], float]]:
        """Return of each quantity its results as the table shows them, and how often it is measured."""
        rng, severity = self.rng, self.visit.severity
        better = -0.15 if not self.visit.died else 0.2
        organs = 0.6 * severity + 0.9 * self.person.traits[: len(_ORGANS), None] + better * np.arange(count)
        organs = np.clip(organs, -1.2, 3.5)
        noise, own = rng.standard_normal((len(_COURSE), count)), rng.standard_normal(len(_COURSE))
        found: dict[str, tuple[list[str], float]] = {}
        for row, (name, (mean, between, within, decimals, organ, slope, share)) in enumerate(_COURSE.items()):
            values = mean + between * own[row] + slope * organs[_ORGANS[organ]] + within * noise[row]
            values = np.exp(values) if name in _LOGARITHMIC else values
            asked_for = self._after(_TESTED_FROM.get(name, -1)) * (1 - self._after(_TESTED_UNTIL.get(name, 2)))
            found[name] = (_shown(name, values, decimals), share * asked_for)
            if name == "hemoglobin":
                found["hematocrit"] = (_shown("hematocrit", 3 * values + 0.7 * noise[row - 1], 1), share)
        return found

    def orders(self) -> Iterator[tuple]:
        """Yield the rows of PRESCRIPTIONS: most begin on the first day, some of them are changed later."""
        visit = self.visit
        wanted = [(name, *about) for name, about in _DRUGS.items()]
        pairs = _SUCCESSIONS + (_FOR_INFECTION if self.reason in _INFECTIONS else ())
        for older, *old, newest, doses, unit, route, share, change in pairs:
            new = (newest, doses, unit, route) if self.rng.random() < self._after(change) else (older, *old)
            wanted.append((*new, share))
        for name, doses, unit, route, share in wanted:
            if self.rng.random() < share:
                start = 0 if self.rng.random() < 0.4 else int(self.rng.integers(0, self.days + 1))
                stop = min(start + 1 + int(self.rng.exponential(3)), self.days)
                dose = doses[self.rng.integers(len(doses))]
                dates = (self._date(start), self._date(stop))
                labels = ("MAIN", name, name, name, "", "", "", "")
                yield (self.person.subject, visit.hadm, visit.icustay, *dates, *labels, dose, unit, "", "", route)

    def _after(self, change: float) -> float:
        """Return how far a change at a share of the hospital's years has come when the patient is admitted, 0 to 1."""
        passed = (self.visit.admitted.year - FIRST_YEAR) / YEARS
        return float(1 / (1 + np.exp(-(passed - change) / CHANGE)))

    def _date(self, day: int) -> datetime:
        midnight = self.visit.admitted.replace(hour=0, minute=0, second=0)
        return midnight + timedelta(days=day)

    def codes(self) -> Iterator[tuple]:
        """Yield the rows of DIAGNOSES_ICD: what the stay was for, mostly, then what else the patient has."""
        ids, chance = (self.person.subject, self.visit.hadm), self.rng
        codes = [_OTHERS[index][0] for index in chance.permutation(len(_OTHERS))[: 1 + chance.binomial(4, 0.5)]]
        if chance.random() < 0.7:
            codes.insert(0, _CODES[self.reason][0])
        yield from ((*ids, place, code) for place, code in enumerate(codes, start=1))


def _shown(name: str, values: np.ndarray, decimals: int) -> list[str]:
    """Return values as the laboratory writes them, within what can be measured."""
    limits = next(item for item in LABS if item.name == name)
    return [f"{value:.{decimals}f}" for value in np.clip(values, limits.low, limits.high)]
