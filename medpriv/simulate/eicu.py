"""Stays made here, written as the eICU demo's tables: `patient.csv.gz` and six others, with all of their columns.

Each person has a frailty and each stay a severity around it, shifted by hospital; APACHE's worst values, cuff
pressures, causes of admission and treatments follow severity with noise of their own, and so does death, which is drawn
from a probability. Hospitals differ in size, in how ill their patients are and in what they measure. The columns that
tell the outcome are filled in truthfully, so that a model which read one of them would be perfect. Shares and gaps
follow the real tables' counts; nobody's values are copied.
"""

import csv
import gzip
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medpriv.files import replacing
from medpriv.seeds import generator
from medpriv.sources.eicu_features import ADMITTED_FROM, UNITS
from medpriv.sources.eicu_tables import WINDOW

FIRST_STAY, FIRST_HOSPITAL = 100_001, 501  # numbers that the publisher has not given
UNIT_SHARES = (0.75, 0.06, 0.03, 0.03, 0.05, 0.03, 0.03, 0.02)
REGIONS = ("Midwest", "South", "West", "Northeast", "")
BEDS = ("<100", "100 - 249", "250 - 499", ">= 500", "")
ETHNICITIES = {
    "Caucasian": 0.8,
    "African American": 0.09,
    "Hispanic": 0.05,
    "Other/Unknown": 0.03,
    "Asian": 0.02,
    "Native American": 0.01,
}
BASE_LOG_ODDS = -3.75  # of death, at severity 0 and 65 years
AGAIN = 0.22  # probability of a further stay, after each
APACHE_SCORED = 0.9
SEPARATOR = "|"


@dataclass(frozen=True)
class Worst:
    """A worst value of the first day: mean + effect x severity + noise, of the logarithm if `log`.

    Attributes:
        lowest, highest, decimals: of what is written.
        known: the share of stays in which it was measured.
    """

    mean: float
    effect: float
    noise: float
    lowest: float
    highest: float
    decimals: int
    known: float
    log: bool = False


APACHE = {
    "urine": Worst(7.3, -0.3, 0.6, 0, 12_000, 0, 0.5, True),
    "wbc": Worst(2.25, 0.12, 0.5, 0.3, 80, 1, 0.7, True),
    "temperature": Worst(36.5, -0.1, 0.7, 30, 41, 1, 0.92),
    "respiratoryrate": Worst(26, 3, 12, 4, 60, 0, 0.97),
    "sodium": Worst(138, 0.2, 5, 110, 168, 0, 0.75),
    "heartrate": Worst(102, 8, 26, 25, 200, 0, 0.98),
    "meanbp": Worst(80, -10, 32, 40, 190, 0, 0.97),
    "hematocrit": Worst(32.5, -1.0, 6.5, 14, 54, 1, 0.71),
    "creatinine": Worst(0.1, 0.24, 0.6, 0.2, 18, 2, 0.75, True),
    "albumin": Worst(2.85, -0.2, 0.6, 1.2, 4.8, 1, 0.39),
    "bun": Worst(3.0, 0.26, 0.6, 2, 200, 0, 0.74, True),
    "glucose": Worst(4.95, 0.05, 0.4, 30, 900, 0, 0.82, True),
    "bilirubin": Worst(-0.4, 0.3, 0.8, 0.1, 30, 1, 0.35, True),
}
GASES = {  # known together
    "ph": Worst(7.37, -0.035, 0.07, 6.95, 7.6, 3, 1),
    "pao2": Worst(4.6, -0.1, 0.4, 30, 480, 0, 1, True),
    "pco2": Worst(41, 1, 10, 15, 90, 0, 1),
    "fio2": Worst(52, 8, 22, 21, 100, 0, 1),
}
SYSTEM_SHARES = {
    "Cardiovascular": 0.42,
    "Respiratory": 0.17,
    "Neurologic": 0.14,
    "Gastrointestinal": 0.14,
    "Metabolic/Endocrine": 0.07,
    "Trauma": 0.03,
    "Genitourinary": 0.03,
}
TABLES = {
    "hospital": ("hospitalid", "numbedscategory", "teachingstatus", "region"),
    "patient": (
        *("patientunitstayid", "patienthealthsystemstayid", "gender", "age", "ethnicity", "hospitalid", "wardid"),
        *("apacheadmissiondx", "admissionheight", "hospitaladmittime24", "hospitaladmitoffset"),
        *("hospitaladmitsource", "hospitaldischargeyear", "hospitaldischargetime24", "hospitaldischargeoffset"),
        *("hospitaldischargelocation", "hospitaldischargestatus", "unittype", "unitadmittime24", "unitadmitsource"),
        *("unitvisitnumber", "unitstaytype", "admissionweight", "dischargeweight", "unitdischargetime24"),
        *("unitdischargeoffset", "unitdischargelocation", "unitdischargestatus", "uniquepid"),
    ),
    "apacheApsVar": (
        *("apacheapsvarid", "patientunitstayid", "intubated", "vent", "dialysis", "eyes", "motor", "verbal", "meds"),
        *("urine", "wbc", "temperature", "respiratoryrate", "sodium", "heartrate", "meanbp", "ph", "hematocrit"),
        *("creatinine", "albumin", "pao2", "pco2", "bun", "glucose", "bilirubin", "fio2"),
    ),
    "apachePredVar": (
        *("apachepredvarid", "patientunitstayid", "sicuday", "saps3day1", "saps3today", "saps3yesterday", "gender"),
        *("teachtype", "region", "bedcount", "admitsource", "graftcount", "meds", "verbal", "motor", "eyes", "age"),
        *("admitdiagnosis", "thrombolytics", "diedinhospital", "aids", "hepaticfailure", "lymphoma"),
        *("metastaticcancer", "leukemia", "immunosuppression", "cirrhosis", "electivesurgery", "activetx", "readmit"),
        *("ima", "midur", "ventday1", "oobventday1", "oobintubday1", "diabetes", "managementsystem", "var03hspxlos"),
        *("pao2", "fio2", "ejectfx", "creatinine", "dischargelocation", "visitnumber", "amilocation", "day1meds"),
        *("day1verbal", "day1motor", "day1eyes", "day1pao2", "day1fio2"),
    ),
    "admissionDx": (
        *("admissiondxid", "patientunitstayid", "admitdxenteredoffset", "admitdxpath", "admitdxname", "admitdxtext"),
    ),
    "treatment": ("treatmentid", "patientunitstayid", "treatmentoffset", "treatmentstring", "activeupondischarge"),
    "vitalAperiodic": (
        *("vitalaperiodicid", "patientunitstayid", "observationoffset", "noninvasivesystolic"),
        *("noninvasivediastolic", "noninvasivemean", "paop", "cardiacoutput", "cardiacinput", "svr", "svri", "pvr"),
        "pvri",
    ),
}
ENDLESS = 100_000  # row numbers that a stay may use in a table


def simulate(settings: dict, folder: Path, seed: int) -> None:
    """Write the tables of as many `stays` in as many `hospitals` as the settings say; same seed, same bytes."""
    hospitals = _draw_hospitals(settings["hospitals"], generator(seed, "hospitals"))
    tables: dict[str, list[dict]] = {name: [] for name in TABLES}
    tables["hospital"] = [hospital["row"] for hospital in hospitals]
    person, stay = 0, FIRST_STAY
    while stay < FIRST_STAY + settings["stays"]:
        rng = generator(seed, "person", person)
        most = FIRST_STAY + settings["stays"] - stay
        for made in _draw_person(person, stay, most, hospitals, rng):
            for name, rows in made.items():
                tables[name] += rows
            stay += 1
        person += 1
    for name, rows in tables.items():
        _write_table(Path(folder) / f"{name}.csv.gz", TABLES[name], rows)


def _draw_hospitals(count: int, rng: np.random.Generator) -> list[dict]:
    """Return hospitals: their row, share of the patients, severity, and share of the values that they measure."""
    shares = rng.dirichlet(np.full(count, 6.0))
    return [
        {
            "share": shares[index],
            "severity": 0.3 * rng.standard_normal(),
            "measures": rng.uniform(0.9, 1.2),
            "row": {
                "hospitalid": FIRST_HOSPITAL + index,
                "numbedscategory": str(rng.choice(BEDS)),
                "teachingstatus": "t" if rng.random() < 0.15 else "f",
                "region": REGIONS[index % len(REGIONS)],
            },
        }
        for index in range(count)
    ]


def _draw_person(
    person: int, first: int, most: int, hospitals: list[dict], rng: np.random.Generator
) -> list[dict[str, list[dict]]]:
    """Return the rows, by table, of each of a person's stays; at most `most` stays, numbered from `first`."""
    hospital = hospitals[int(rng.choice(len(hospitals), p=[held["share"] for held in hospitals]))]
    who = {
        "pid": f"900-{person}",
        "age": int(np.clip(rng.normal(64, 17), 18, 95)),
        "male": bool(rng.random() < 0.58),
        "ethnicity": str(rng.choice(list(ETHNICITIES), p=list(ETHNICITIES.values()))),
        "weight": float(np.clip(rng.normal(83, 23), 38, 230)),
        "frailty": 0.6 * rng.standard_normal(),
        "diabetes": int(rng.random() < 0.2),
    }
    stays, died = [], False
    while not died and len(stays) < most and (not stays or rng.random() < AGAIN):
        made = _Stay(first + len(stays), first, len(stays) + 1, who, hospital, rng)
        stays.append(made.rows())
        died = made.died
    return stays


class _Stay:
    """One unit stay: how ill, what happened, and all that is written down."""

    def __init__(self, number: int, system: int, visit: int, who: Mapping, hospital: dict, rng: np.random.Generator):
        self._number, self._system, self._visit, self._who = number, system, visit, who
        self._hospital, self._rng = hospital, rng
        self.severity = who["frailty"] + hospital["severity"] + 0.9 * rng.standard_normal()
        log_odds = BASE_LOG_ODDS + 2.0 * self.severity + 0.045 * (who["age"] - 65)
        self.died = bool(rng.random() < 1 / (1 + np.exp(-log_odds)))
        self.minutes = int(np.clip(rng.lognormal(7.65 + 0.1 * self.severity, 0.9), 60, 40_000))
        self.after_surgery = bool(rng.random() < 0.16)
        self.ventilated = bool(rng.random() < 1 / (1 + np.exp(1.4 - 0.9 * self.severity)))

    def rows(self) -> dict[str, list[dict]]:
        """Return the stay's rows by table."""
        made = {"patient": [self._patient()], "vitalAperiodic": self._pressures(), "treatment": self._treatments()}
        if self._rng.random() < APACHE_SCORED:  # APACHE's tables hold nothing of the others
            worst = self._apache()
            made |= {"apacheApsVar": [worst], "apachePredVar": [self._predictors(worst)]}
            made["admissionDx"] = self._admission()
        return made

    def _id(self, row: int = 0) -> int:
        return self._number * ENDLESS + row

    def _patient(self) -> dict:
        rng, who = self._rng, self._who
        home = str(rng.choice(["Home", "Skilled Nursing Facility", "Rehabilitation"], p=[0.68, 0.22, 0.1]))
        in_unit = self.died and rng.random() < 0.6
        after = 0 if in_unit else int(rng.exponential(4000))
        known = rng.random() >= 0.011
        source = str(rng.choice(list(ADMITTED_FROM), p=[0.55, 0.19, 0.13, 0.06, 0.07]))
        before = int(rng.exponential(300) if rng.random() < 0.8 else rng.exponential(4000))
        gone = {"hospitaldischargelocation": "Death" if self.died else home} if known else {}
        return {
            "patientunitstayid": self._number,
            "patienthealthsystemstayid": self._system,
            "gender": "Male" if who["male"] else "Female",
            "age": "> 89" if who["age"] > 89 else who["age"],
            "ethnicity": who["ethnicity"],
            "hospitalid": self._hospital["row"]["hospitalid"],
            "wardid": self._hospital["row"]["hospitalid"] * 2,
            "admissionheight": "" if rng.random() < 0.02 else round(rng.normal(177 if who["male"] else 163, 8), 1),
            "hospitaladmittime24": _clock(rng),
            "hospitaladmitoffset": -before,
            "hospitaldischargeyear": 2014 + int(rng.integers(2)),
            "hospitaldischargetime24": _clock(rng),
            "hospitaldischargeoffset": self.minutes + after,
            "hospitaldischargestatus": ("Expired" if self.died else "Alive") if known else "",
            "unittype": str(rng.choice(list(UNITS), p=UNIT_SHARES)),
            "unitadmittime24": _clock(rng),
            "unitadmitsource": ADMITTED_FROM[source][0] if rng.random() >= 0.01 else "",
            "unitvisitnumber": self._visit,
            "unitstaytype": "admit" if self._visit == 1 else "readmit",
            "admissionweight": "" if rng.random() < 0.05 else round(who["weight"], 1),
            "dischargeweight": "" if rng.random() < 0.4 else round(who["weight"] + rng.normal(0, 2), 1),
            "unitdischargetime24": _clock(rng),
            "unitdischargeoffset": self.minutes,
            "unitdischargelocation": "Death" if in_unit else "Floor",
            "unitdischargestatus": "Expired" if in_unit else "Alive",
            "uniquepid": who["pid"],
        } | gone

    def _apache(self) -> dict:
        rng = self._rng
        row = {"apacheapsvarid": self._id(), "patientunitstayid": self._number, "meds": int(rng.random() < 0.02)}
        row |= {"vent": int(self.ventilated), "intubated": int(self.ventilated and rng.random() < 0.6)}
        row["dialysis"] = int(rng.random() < 0.03)
        depth = self.severity + rng.standard_normal()
        for name, best, slope in (("eyes", 4, 0.5), ("motor", 6, 0.7), ("verbal", 5, 0.8)):
            points = best - max(0, round(slope * depth + rng.normal(-0.3, 0.5)))
            row[name] = -1 if row["meds"] else int(np.clip(points, 1, best))
        gases = rng.random() < (0.5 if self.ventilated else 0.12)
        for name, worst in (APACHE | GASES).items():
            known = gases if name in GASES else rng.random() < worst.known * self._hospital["measures"]
            row[name] = self._worst(worst) if known else -1
        return row

    def _worst(self, worst: Worst) -> float:
        value = worst.mean + worst.effect * self.severity + worst.noise * self._rng.standard_normal()
        value = np.clip(np.exp(value) if worst.log else value, worst.lowest, worst.highest)
        return round(float(value), worst.decimals) if worst.decimals else round(float(value))

    def _predictors(self, worst: dict) -> dict:
        """Return what APACHE predicts from, and what it was told of the end: died, and where to."""
        rng, who = self._rng, self._who
        row = dict.fromkeys(TABLES["apachePredVar"], 0)
        coma = {name: worst[name] for name in ("meds", "verbal", "motor", "eyes", "pao2", "fio2", "creatinine")}
        row |= coma | {f"day1{name}": worst[name] for name in ("meds", "verbal", "motor", "eyes", "pao2", "fio2")}
        grave = 1 / (1 + np.exp(4 - 0.5 * who["frailty"]))
        rare = ("hepaticfailure", "lymphoma", "metastaticcancer", "leukemia", "immunosuppression", "cirrhosis")
        row |= {name: int(rng.random() < grave) for name in rare}
        return row | {
            "apachepredvarid": self._id(),
            "patientunitstayid": self._number,
            "sicuday": 1,
            "gender": 0 if who["male"] else 1,
            "region": 3,
            "bedcount": 16,
            "admitsource": 8,
            "graftcount": 3,
            "age": min(who["age"], 89),
            "admitdiagnosis": "SEPSISPULM" if self.severity > 1 else "CHF",
            "diedinhospital": int(self.died),
            "electivesurgery": int(rng.random() < 0.8) if self.after_surgery else "",
            "activetx": 1,
            "ventday1": int(self.ventilated),
            "diabetes": who["diabetes"],
            "managementsystem": 1,
            "ejectfx": -1,
            "dischargelocation": 9 if self.died else 4,
            "visitnumber": self._visit,
            "amilocation": -1,
        }

    def _admission(self) -> list[dict]:
        rng = self._rng
        system = str(rng.choice(list(SYSTEM_SHARES), p=list(SYSTEM_SHARES.values())))
        kind = "Operative" if self.after_surgery else "Non-operative"
        septic = rng.random() < 1 / (1 + np.exp(1.9 - 0.6 * self.severity))
        arrest = rng.random() < 1 / (1 + np.exp(4 - 1.2 * self.severity))
        cause = (
            "Sepsis, pulmonary" if septic else "Cardiac arrest (with or without respiratory arrest)" if arrest else ""
        )
        paths = [
            "Was the patient admitted from the O.R. or went to the O.R. within 4 hours of admission?"
            + SEPARATOR
            + ("Yes" if self.after_surgery else "No"),
            SEPARATOR.join([f"{kind} Organ Systems", "Organ System", system]),
            SEPARATOR.join(["All Diagnosis", kind, "Diagnosis", system, cause or f"{system}, other"]),
        ]
        offset = int(rng.exponential(100))
        return [
            {
                "admissiondxid": self._id(row),
                "patientunitstayid": self._number,
                "admitdxenteredoffset": offset,
                "admitdxpath": f"admission diagnosis{SEPARATOR}{path}",
                "admitdxname": path.rsplit(SEPARATOR, 1)[1],
                "admitdxtext": path.rsplit(SEPARATOR, 1)[1],
            }
            for row, path in enumerate(paths)
        ]

    def _treatments(self) -> list[dict]:
        rng = self._rng
        chances = {
            "cardiovascular|shock|vasopressors": 2.2 - 1.1 * self.severity,
            "pulmonary|ventilation and oxygenation|mechanical ventilation": -1.5 if self.ventilated else 6.0,
            "infectious diseases|medications|therapeutic antibacterials": 1.1 - 0.3 * self.severity,
            "gastrointestinal|medications|stress ulcer prophylaxis": 1.5,
            "endocrine|glucose metabolism|insulin": 1.8,
        }
        given = [text for text, barrier in chances.items() if rng.random() < 1 / (1 + np.exp(barrier))]
        return [
            {
                "treatmentid": self._id(row),
                "patientunitstayid": self._number,
                "treatmentoffset": int(rng.uniform(10, min(self.minutes, 2 * WINDOW))),
                "treatmentstring": text,
                "activeupondischarge": str(rng.choice(["True", "False"])),
            }
            for row, text in enumerate(given)
        ]

    def _pressures(self) -> list[dict]:
        """Return the cuff's readings of at most the first two days."""
        rng = self._rng
        gap = float(rng.choice([15, 30, 60], p=[0.2, 0.3, 0.5])) * np.exp(-0.2 * self.severity)
        times = np.cumsum(gap * rng.gamma(4, 1 / 4, size=int(min(self.minutes, 2 * WINDOW) / gap) + 1)).astype(int)
        times = times[times < self.minutes]
        own, noise = rng.standard_normal(), rng.standard_normal(len(times))
        columns = {}
        for name, level, effect, person, reading in (
            ("noninvasivesystolic", 121, -4, 15, 14),
            ("noninvasivediastolic", 66, -2.4, 9, 9),
            ("noninvasivemean", 82, -3, 11, 10),
        ):
            value = level + effect * self.severity + person * own + reading * noise
            value = value + 0.3 * reading * rng.standard_normal(len(times))
            columns[name] = np.clip(value, 20, 260).round().astype(int)
        return [
            {
                "vitalaperiodicid": self._id(row),
                "patientunitstayid": self._number,
                "observationoffset": int(time),
                **{name: int(held[row]) for name, held in columns.items()},
            }
            for row, time in enumerate(times)
        ]


def _clock(rng: np.random.Generator) -> str:
    hour, minute = rng.integers(0, (24, 60))
    return f"{hour:02d}:{minute:02d}:00"


def _write_table(path: Path, columns: Sequence[str], rows: list[dict]) -> None:
    """Write a `.csv.gz` whose bytes depend on nothing but its rows; a column that a row lacks is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with replacing(path) as partial:
        partial.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
