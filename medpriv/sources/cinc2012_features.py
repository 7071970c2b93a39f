"""What becomes of the readings of a stay in the PhysioNet/CinC Challenge 2012: 78 features of its 48 hours.

Bounds beyond which a value is taken for an error, ceilings, and which summaries are made were fixed by common clinical
sense and by cross-validation on training patients alone; docs/data/cinc2012.md lists them and says what they bring.
Files are read in `medpriv.sources.cinc2012_files`.
"""

from dataclasses import dataclass

import numpy as np

from medpriv.sources.cinc2012_files import NAMES, UNITS, Readings, descriptor
from medpriv.sources.tabular import ALWAYS_YES_OR_NO, YES_OR_NO, Entry

SECOND_DAY = 24 * 60  # minutes
UNKNOWN = -1


@dataclass(frozen=True)
class Variable:
    """What is measured.

    Attributes:
        parameters: the challenge's names; an invasive and a cuff pressure are one variable.
        unit: of its values.
        lowest, highest: values outside are taken for errors and left out.
        ceiling: values above are set to it: skewed laboratory values would rule a linear model.
    """

    parameters: tuple[str, ...]
    unit: str
    lowest: float
    highest: float
    ceiling: float = np.inf


VITALS = {
    "hr": Variable(("HR",), "beats/min", 15, 300),
    "sbp": Variable(("SysABP", "NISysABP"), "mm Hg", 30, 300),
    "dbp": Variable(("DiasABP", "NIDiasABP"), "mm Hg", 10, 200),
    "mbp": Variable(("MAP", "NIMAP"), "mm Hg", 15, 250),
    "temperature": Variable(("Temp",), "°C", 25, 45),
    "resp_rate": Variable(("RespRate",), "breaths/min", 2, 90),
    "gcs": Variable(("GCS",), "points", 3, 15),
    "sao2": Variable(("SaO2",), "%", 20, 100),
}
VITAL_SUMMARIES = ("min", "max", "mean", "last")
LABS = {  # of which the last value counts
    "albumin": Variable(("Albumin",), "g/dl", 0.5, 7),
    "alp": Variable(("ALP",), "IU/l", 5, 5000, 400),
    "alt": Variable(("ALT",), "IU/l", 1, 20_000, 1000),
    "ast": Variable(("AST",), "IU/l", 1, 20_000, 1000),
    "bilirubin": Variable(("Bilirubin",), "mg/dl", 0.05, 80, 15),
    "bun": Variable(("BUN",), "mg/dl", 1, 250, 100),
    "creatinine": Variable(("Creatinine",), "mg/dl", 0.1, 30, 6),
    "fio2": Variable(("FiO2",), "fraction", 0.2, 1),
    "glucose": Variable(("Glucose",), "mg/dl", 10, 2000, 300),
    "hco3": Variable(("HCO3",), "mmol/l", 2, 60),
    "hct": Variable(("HCT",), "%", 5, 70),
    "potassium": Variable(("K",), "mEq/l", 1, 12, 7),
    "lactate": Variable(("Lactate",), "mmol/l", 0.1, 40, 8),
    "magnesium": Variable(("Mg",), "mmol/l", 0.3, 12, 4),
    "sodium": Variable(("Na",), "mEq/l", 90, 190),
    "paco2": Variable(("PaCO2",), "mm Hg", 5, 200),
    "pao2": Variable(("PaO2",), "mm Hg", 15, 700, 300),
    "ph": Variable(("pH",), "pH", 6.5, 8),
    "platelets": Variable(("Platelets",), "cells/nl", 1, 3000, 500),
    "wbc": Variable(("WBC",), "cells/nl", 0.05, 500, 35),
    "troponin_t": Variable(("TroponinT",), "µg/l", 0, 60, 8),
}
URINE = Variable(("Urine",), "ml", 0, 2500)
MOST_URINE = 12_000  # ml a day: more was counted twice
WEIGHT = Variable(("Weight",), "kg", 20, 350)
VENTILATION = Variable(("MechVent",), "", 1, 1)
# Whether it was measured at all, and how often: clinicians measure what they worry about.
MEASURED = {
    "arterial_line": ("SysABP",),
    "resp_rate": ("RespRate",),
    "sao2": ("SaO2",),
    "albumin": ("Albumin",),
    "alt": ("ALT",),
    "lactate": ("Lactate",),
    "pao2": ("PaO2",),
    "troponin_i": ("TroponinI",),
    "troponin_t": ("TroponinT",),
}
COUNTED = {"gcs": ("GCS",), "hr": ("HR",), "bun": ("BUN",), "pao2": ("PaO2",), "hct": ("HCT",)}
# Readings of 48 hours up to which generators tell them apart, by what is usual: twice an hour, hourly, each two hours.
MOST_COUNTED = {"gcs": 48, "hr": 96, "bun": 24, "pao2": 48, "hct": 24}
AGES = (15, 90)  # years; the publisher writes 90 for all above


@dataclass(frozen=True)
class Features:
    """The features of S stays.

    Attributes:
        columns: name -> float64 [S], NaN where nothing was measured.
        units: name -> unit.
        kinds: name -> `number`, `binary`, or `onehot:<variable>`.
        implausible: parameters -> how many values were left out for being outside their bounds.
    """

    columns: dict[str, np.ndarray]
    units: dict[str, str]
    kinds: dict[str, str]
    implausible: dict[str, int]


def summarise(readings: Readings) -> Features:
    """Return the features: 3 of who it is, 4 of the unit, 32 of vital signs, 21 of laboratory values, 18 further."""
    table = _Table(readings)
    table.add("age", descriptor(readings, "Age"), "years")
    table.add("male", descriptor(readings, "Gender"), kind="binary")
    table.add("weight", table.summaries(WEIGHT, ("first",))["first"], "kg")
    unit = descriptor(readings, "ICUType")
    for number, name in enumerate(UNITS, start=1):
        table.add(f"unit_{name.lower()}", (unit == number).astype(float), kind="onehot:unit")
    for name, variable in VITALS.items():
        for summary, column in table.summaries(variable, VITAL_SUMMARIES).items():
            table.add(f"{name}_{summary}", column, variable.unit)
    for name, variable in LABS.items():
        table.add(f"{name}_last", table.summaries(variable, ("last",))["last"], variable.unit)
    for days, since in (("", 0), ("_day2", SECOND_DAY)):
        most = MOST_URINE * (1 if since else 2)
        table.add(f"urine{days}", np.minimum(table.summaries(URINE, ("sum",), since)["sum"], most), "ml")
        ventilated = table.summaries(VENTILATION, ("count",), since)["count"] > 0
        table.add(f"ventilated{days}", ventilated.astype(float), kind="binary")
    for name, parameters in MEASURED.items():
        table.add(f"{name}_measured", (table.counts(parameters) > 0).astype(float), kind="binary")
    for name, parameters in COUNTED.items():
        table.add(f"{name}_count", table.counts(parameters).astype(float), "readings")
    return Features(table.columns, table.units, table.kinds, table.implausible)


def dictionary() -> dict[str, Entry]:
    """Return what each column of `summarise` can be, by the limits above and never by the rows."""
    found = {
        "age": Entry(*AGES, 0, complete=True),
        "male": YES_OR_NO,
        "weight": Entry(WEIGHT.lowest, WEIGHT.highest, 1),
        "unit": Entry(complete=True),
    }
    for name, variable in VITALS.items():
        found |= {f"{name}_{summary}": Entry(variable.lowest, variable.highest) for summary in VITAL_SUMMARIES}
    for name, variable in LABS.items():
        found[f"{name}_last"] = Entry(variable.lowest, min(variable.highest, variable.ceiling))
    for suffix, days in (("", 2), ("_day2", 1)):
        found |= {f"urine{suffix}": Entry(0, days * MOST_URINE), f"ventilated{suffix}": ALWAYS_YES_OR_NO}
    found |= {f"{name}_measured": ALWAYS_YES_OR_NO for name in MEASURED}
    return found | {f"{name}_count": Entry(0, most, 0, complete=True) for name, most in MOST_COUNTED.items()}


class _Table:
    """Collects features, from readings sorted by parameter, stay and time."""

    def __init__(self, readings: Readings) -> None:
        self.columns: dict[str, np.ndarray] = {}
        self.units: dict[str, str] = {}
        self.kinds: dict[str, str] = {}
        self.implausible: dict[str, int] = {}
        self._stays = len(readings.stays)
        order = np.lexsort((readings.minute, readings.stay, readings.name))  # stable: ties stay in the file's order
        self._stay, self._minute, self._value = readings.stay[order], readings.minute[order], readings.value[order]
        self._bounds = np.searchsorted(readings.name[order], np.arange(len(NAMES) + 1))

    def add(self, name: str, column: np.ndarray, unit: str = "", kind: str = "number") -> None:
        self.columns[name], self.units[name], self.kinds[name] = column, unit, kind

    def counts(self, parameters: tuple[str, ...]) -> np.ndarray:
        """Return how many readings of some parameters each stay has, plausible or not, int [S]."""
        return sum(np.bincount(self._stay[self._of(name)], minlength=self._stays) for name in parameters)

    def summaries(self, variable: Variable, wanted: tuple[str, ...], since: int = 0) -> dict[str, np.ndarray]:
        """Return each summary wanted of the plausible readings from minute `since` on, float64 [S], NaN without any."""
        stay, minute, value = (np.concatenate(part) for part in zip(*map(self._rows, variable.parameters), strict=True))
        plausible = (value >= variable.lowest) & (value <= variable.highest)
        if not since:
            self._note(variable, int(np.sum(~plausible & (value != UNKNOWN))))
        kept = plausible & (minute >= since)
        stay, minute, value = stay[kept], minute[kept], np.minimum(value[kept], variable.ceiling)
        if len(variable.parameters) > 1:
            order = np.lexsort((minute, stay))
            stay, value = stay[order], value[order]
        starts = np.flatnonzero(np.diff(stay, prepend=-1))
        held, ends = stay[starts], np.append(starts[1:], len(stay)) - 1
        summaries = {
            "first": lambda: value[starts],
            "last": lambda: value[ends],
            "min": lambda: np.minimum.reduceat(value, starts),
            "max": lambda: np.maximum.reduceat(value, starts),
            "mean": lambda: np.add.reduceat(value, starts) / (ends - starts + 1),
            "sum": lambda: np.add.reduceat(value, starts),
            "count": lambda: ends - starts + 1,
        }
        columns = {name: np.full(self._stays, np.nan) for name in wanted}
        if len(held):
            for name, column in columns.items():
                column[held] = summaries[name]()
        return columns

    def _rows(self, parameter: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows = self._of(parameter)
        return self._stay[rows], self._minute[rows], self._value[rows]

    def _of(self, parameter: str) -> slice:
        place = NAMES.index(parameter)
        return slice(self._bounds[place], self._bounds[place + 1])

    def _note(self, variable: Variable, count: int) -> None:
        if count:
            self.implausible["/".join(variable.parameters)] = count
