"""What is known of an eICU stay after its first 24 hours: features, none of them an outcome.

Sources: what is written down at admission (`patient`, `admissionDx`), the worst values of the first day as APACHE takes
them (`apacheApsVar`, and the comorbidities of `apachePredVar`), treatments and cuff pressures by the minute. -1 is
missing in the APACHE tables. Tables are read in `medpriv.sources.eicu_tables`.
"""

from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from medpriv.errors import InputError
from medpriv.sources.eicu_tables import KEY, WINDOW, Stay, given_twice, id_in, number, read_rows, table_path
from medpriv.sources.tabular import ALWAYS_YES_OR_NO, YES_OR_NO, Entry

PATIENT = (
    *("age", "gender", "ethnicity", "admissionweight", "hospitaladmitoffset", "unittype", "unitadmitsource"),
    "unitvisitnumber",
)
OLDEST = 90  # written `> 89`
WEIGHTS = (25, 350)  # kg
LONGEST_BEFORE = 120  # hours in hospital before the unit, above which it is all one
MOST_PRESSURES = 120  # readings; more come from a cuff that measures every few minutes
UNITS = {
    "Med-Surg ICU": "med_surg",
    "MICU": "micu",
    "SICU": "sicu",
    "Neuro ICU": "neuro",
    "Cardiac ICU": "cardiac",
    "CCU-CTICU": "ccu_cticu",
    "CSICU": "csicu",
    "CTICU": "cticu",
}
ADMITTED_FROM = {
    "emergency": ("Emergency Department", "Chest Pain Center"),
    "floor": ("Floor", "Acute Care/Floor", "Step-Down Unit (SDU)"),
    "operating_room": ("Operating Room", "Recovery Room", "PACU"),
    "icu": ("ICU", "Other ICU", "ICU to SDU"),
    "outside": ("Direct Admit", "Other Hospital"),
}
# APACHE's worst values of the first day: column: (name, unit, lowest, highest); values outside are left out. Those
# above a ceiling are set to it: skewed laboratory values would rule a linear model.
APACHE = {
    "urine": ("urine", "ml", 0, 15_000),
    "wbc": ("wbc", "10^9/l", 0.01, 200),
    "temperature": ("temperature", "°C", 25, 45),
    "respiratoryrate": ("resp_rate", "breaths/min", 1, 90),
    "sodium": ("sodium", "mEq/l", 90, 190),
    "heartrate": ("hr", "beats/min", 15, 300),
    "meanbp": ("mbp", "mm Hg", 15, 250),
    "ph": ("ph", "pH", 6.5, 8),
    "hematocrit": ("hct", "%", 5, 70),
    "creatinine": ("creatinine", "mg/dl", 0.1, 30),
    "albumin": ("albumin", "g/dl", 0.5, 7),
    "pao2": ("pao2", "mm Hg", 15, 700),
    "pco2": ("paco2", "mm Hg", 5, 200),
    "bun": ("bun", "mg/dl", 1, 250),
    "glucose": ("glucose", "mg/dl", 10, 2000),
    "bilirubin": ("bilirubin", "mg/dl", 0.05, 80),
    "fio2": ("fio2", "%", 20, 100),
}
CEILINGS = {"urine": 5000, "wbc": 35, "creatinine": 6, "bun": 100, "glucose": 400, "bilirubin": 10}
COMA = {"eyes": (1, 4), "motor": (1, 6), "verbal": (1, 5)}  # together the Glasgow coma scale
FIRST_DAY = {"intubated": "intubated", "vent": "ventilated", "dialysis": "dialysis", "meds": "sedated"}
MEASURED = ("urine", "ph", "albumin", "bilirubin", "wbc")
COMORBIDITIES = {
    "liver_failure": ("hepaticfailure", "cirrhosis"),
    "blood_cancer": ("lymphoma", "leukemia"),
    "metastases": ("metastaticcancer",),
    "immunosuppression": ("immunosuppression",),
    "diabetes": ("diabetes",),
    "elective_surgery": ("electivesurgery",),
}
# Found in the text that begins with `admission diagnosis|`.
SYSTEMS = {
    "cardiovascular": "Cardiovascular",
    "respiratory": "Respiratory",
    "neurologic": "Neurologic",
    "gastrointestinal": "Gastrointestinal",
    "metabolic": "Metabolic/Endocrine",
    "trauma": "Trauma",
    "genitourinary": "Genitourinary",
}
DIAGNOSES = {"sepsis": "Sepsis", "cardiac_arrest": "Cardiac arrest"}
TREATMENTS = {
    "vasopressors": "|vasopressors",
    "mechanical_ventilation": "|mechanical ventilation",
    "antibiotics": "|therapeutic antibacterials",
}
SEXES = {"Male": 1, "Female": 0, "Other": np.nan, "Unknown": np.nan, "": np.nan}
FLAGS = (-1, 0, 1)  # -1 is missing
PRESSURES = {  # column: (name, lowest, highest)
    "noninvasivesystolic": ("sbp", 30, 300),
    "noninvasivediastolic": ("dbp", 10, 200),
    "noninvasivemean": ("mbp", 15, 250),
}
SUMMARIES = ("min", "max", "mean", "last")


class Features:
    """Features of S stays, collected table by table.

    Attributes:
        columns: name -> float64 [S], NaN where nothing is known.
        units: name -> unit.
        kinds: name -> `number`, `binary`, or `onehot:<variable>`.
    """

    def __init__(self, folder: Path, stays: tuple[Stay, ...]) -> None:
        self.columns: dict[str, np.ndarray] = {}
        self.units: dict[str, str] = {}
        self.kinds: dict[str, str] = {}
        self._folder = folder
        self._stays = stays
        self._place = {stay.number: index for index, stay in enumerate(stays)}
        self._add_patient()
        self._add_apache()
        self._add_comorbidities()
        self._add_admission()
        self._add_treatments()
        self._add_pressures()

    def _add(self, name: str, column: np.ndarray, unit: str = "", kind: str = "number") -> None:
        self.columns[name], self.units[name], self.kinds[name] = np.asarray(column, float), unit, kind

    def _add_choice(self, variable: str, names: Mapping[str, object], chosen: list[str]) -> None:
        """Add one column a name, 1 where it was chosen; none is 1 where it is none of them."""
        for name in names:
            self._add(f"{variable}_{name}", [choice == name for choice in chosen], kind=f"onehot:{variable}")

    def _rows(self, table: str, columns: tuple[str, ...]) -> "_Rows":
        return _Rows(table_path(self._folder, table), table, columns, self._place)

    def _add_patient(self) -> None:
        path = table_path(self._folder, "patient")
        for stay in self._stays:
            for column, words in (("gender", SEXES), ("unittype", {"": "", **UNITS})):
                if stay.cells[column] not in words:
                    raise InputError(
                        f"column {column}: an unknown word",
                        file=path,
                        place=f"line {stay.line}",
                        remedy=f"write one of {', '.join(filter(None, words))}, or leave it empty",
                    )

        def numbers(column: str, lowest: float, highest: float) -> np.ndarray:
            held = [number(stay.cells[column], path, stay.line, column) for stay in self._stays]
            return _plausible(np.array([np.nan if value is None else value for value in held]), lowest, highest)

        cells = [stay.cells for stay in self._stays]
        self._add("age", [age_of(stay, path) for stay in self._stays], "years")
        self._add("male", [SEXES[cell["gender"]] for cell in cells], kind="binary")
        self._add("weight", numbers("admissionweight", *WEIGHTS), "kg")
        before = np.maximum(-numbers("hospitaladmitoffset", -np.inf, np.inf), 0) / 60
        self._add("hours_before_unit", np.minimum(before, LONGEST_BEFORE), "h")
        self._add("later_unit_stay", numbers("unitvisitnumber", 1, 99) > 1, kind="binary")
        self._add_choice("unit", dict.fromkeys(UNITS.values()), [UNITS.get(cell["unittype"], "") for cell in cells])
        sources = {text: name for name, texts in ADMITTED_FROM.items() for text in texts}
        self._add_choice("from", ADMITTED_FROM, [sources.get(cell["unitadmitsource"], "") for cell in cells])

    def _add_apache(self) -> None:
        columns = (*APACHE, *COMA, *FIRST_DAY)
        held = np.full((len(self._stays), len(columns)), np.nan)
        for place, values in self._rows("apacheApsVar", columns).single(tuple(FIRST_DAY)):
            held[place] = values
        held[held == -1] = np.nan
        values = dict(zip(columns, held.T, strict=True))
        self._add("apache_scored", ~np.isnan(held).all(axis=1), kind="binary")
        for column, (name, unit, lowest, highest) in APACHE.items():
            values[column] = _plausible(values[column], lowest, highest)
            self._add(f"{name}_worst", np.minimum(values[column], CEILINGS.get(column, np.inf)), unit)
        scores = [_plausible(values[column], *limits) for column, limits in COMA.items()]
        self._add("gcs_worst", sum(scores), "points")
        for column, name in FIRST_DAY.items():
            self._add(name, np.nan_to_num(values[column]) > 0, kind="binary")
        for column in MEASURED:
            self._add(f"{column}_measured", ~np.isnan(values[column]), kind="binary")

    def _add_comorbidities(self) -> None:
        columns = tuple(column for parts in COMORBIDITIES.values() for column in parts)
        found = np.zeros((len(self._stays), len(columns)))
        for place, values in self._rows("apachePredVar", columns).single(columns):
            found[place] = np.nan_to_num(values) > 0
        held = dict(zip(columns, found.T, strict=True))
        for name, parts in COMORBIDITIES.items():
            self._add(name, np.max([held[part] for part in parts], axis=0), kind="binary")

    def _add_admission(self) -> None:
        """Add what the patient was admitted for: the organ system, whether after surgery, and two grave causes."""
        system, after_surgery = [""] * len(self._stays), np.zeros(len(self._stays))
        causes = {name: np.zeros(len(self._stays)) for name in DIAGNOSES}
        names = {text: name for name, text in SYSTEMS.items()}
        for place, (path,) in self._rows("admissionDx", ("admitdxpath",)).within("admitdxenteredoffset"):
            parts = path.split("|")
            if len(parts) > 3 and parts[2] == "Organ System":
                system[place] = names.get(parts[3], "")
                after_surgery[place] = parts[1].startswith("Operative")
            for name, text in DIAGNOSES.items():
                if parts[-1].startswith(text):
                    causes[name][place] = 1
        self._add_choice("system", SYSTEMS, system)
        self._add("after_surgery", after_surgery, kind="binary")
        for name, column in causes.items():
            self._add(name, column, kind="binary")

    def _add_treatments(self) -> None:
        found = {name: np.zeros(len(self._stays)) for name in TREATMENTS}
        for place, (cell,) in self._rows("treatment", ("treatmentstring",)).within("treatmentoffset"):
            for name, text in TREATMENTS.items():
                if text in cell:
                    found[name][place] = 1
        for name, held in found.items():
            self._add(f"given_{name}", held, kind="binary")

    def _add_pressures(self) -> None:
        rows = self._rows("vitalAperiodic", ("vitalaperiodicid", *PRESSURES))
        held = array("d")  # a fifth of what tuples in a list take: the full database has millions of readings
        for place, (reading, *values, offset) in rows.numbers("observationoffset"):
            if offset >= 0:
                held.extend((place, offset, *values, reading))
        table = np.array(held).reshape(-1, 3 + len(PRESSURES))
        rows.refuse_twice(table[:, -1])
        table = table[np.lexsort((table[:, 1], table[:, 0]))]
        for index, (name, lowest, highest) in enumerate(PRESSURES.values()):
            value = _plausible(table[:, 2 + index], lowest, highest)
            known = ~np.isnan(value)
            summaries = _summarise(table[known, 0].astype(int), value[known], len(self._stays))
            for summary, column in zip(SUMMARIES, summaries, strict=True):
                self._add(f"{name}_{summary}", column, "mm Hg")
        count = np.bincount(table[:, 0].astype(int), minlength=len(self._stays))
        self._add("pressures_count", np.minimum(count, MOST_PRESSURES), "readings")


class _Rows:
    """The rows of a table that belong to the stays, each with its stay's place."""

    def __init__(self, path: Path, table: str, columns: tuple[str, ...], place: dict[str, int]) -> None:
        self._path, self._table, self._columns, self._place = path, table, columns, place

    def _cells(self, columns: tuple[str, ...]) -> Iterator[tuple[int, int, list[str]]]:
        """Yield line, place and cells of the rows of the stays."""
        for line, (key, *cells) in read_rows(self._path, self._table, (KEY, *columns)):
            place = self._place.get(id_in(key, self._path, line, KEY))
            if place is not None:
                yield line, place, cells

    def within(self, offset: str) -> Iterator[tuple[int, list[str]]]:
        """Yield place and cells of the rows whose `offset` lies before the end of the first 24 hours."""
        for line, place, (when, *cells) in self._cells((offset, *self._columns)):
            minute = number(when, self._path, line, offset)
            if minute is not None and minute < WINDOW:
                yield place, cells

    def single(self, flags: tuple[str, ...]) -> Iterator[tuple[int, list[float]]]:
        """Yield place and numbers, NaN for an empty cell, of stays that have one row each; `flags` hold `FLAGS`."""
        seen = set()
        for line, place, cells in self._cells(self._columns):
            if place in seen:
                key = next(key for key, known in self._place.items() if known == place)
                raise given_twice(self._path, line, KEY, key)
            seen.add(place)
            values = self._numbers(line, cells, self._columns)
            for column, value in zip(self._columns, values, strict=True):
                if column in flags and not (np.isnan(value) or value in FLAGS):
                    raise InputError(
                        f"column {column}: a cell is none of 0, 1 and -1 for missing",
                        file=self._path,
                        place=f"line {line}",
                        remedy="get the publisher's table again, or correct the cell",
                    )
            yield place, values

    def numbers(self, offset: str) -> Iterator[tuple[int, list[float]]]:
        """Yield place and numbers, NaN for an empty cell, their minute last, of rows within the first 24 hours."""
        columns = (*self._columns, offset)
        for line, place, cells in self._cells(columns):
            values = self._numbers(line, cells, columns)
            if values[-1] < WINDOW:
                yield place, values

    def _numbers(self, line: int, cells: list[str], columns: tuple[str, ...]) -> list[float]:
        held = [number(cell, self._path, line, column) for cell, column in zip(cells, columns, strict=True)]
        return [np.nan if value is None else value for value in held]

    def refuse_twice(self, keys: np.ndarray) -> None:
        """Refuse the table if its rows' own ids, the first column asked for, are not all different."""
        found, counts = np.unique(keys, return_counts=True)
        if not (counts > 1).any():
            return
        column, twice, seen = self._columns[0], found[counts > 1][0], False
        for line, (cell,) in read_rows(self._path, self._table, (column,)):
            if number(cell, self._path, line, column) == twice:
                if seen:
                    raise given_twice(self._path, line, column, cell)
                seen = True


def dictionary() -> dict[str, Entry]:
    """Return what each column of `Features` can be, by the limits above and never by the rows."""
    found = {
        "age": Entry(0, OLDEST, 0),
        "male": YES_OR_NO,
        "weight": Entry(*WEIGHTS, 1),
        "hours_before_unit": Entry(0, LONGEST_BEFORE),
        "gcs_worst": Entry(*map(sum, zip(*COMA.values(), strict=True)), 0),
        "pressures_count": Entry(0, MOST_PRESSURES, 0, complete=True),
        **dict.fromkeys(("unit", "from", "system"), Entry()),
    }
    for column, (name, _, lowest, highest) in APACHE.items():
        found[f"{name}_worst"] = Entry(lowest, min(highest, CEILINGS.get(column, np.inf)))
    for name, lowest, highest in PRESSURES.values():
        found |= {f"{name}_{summary}": Entry(lowest, highest) for summary in SUMMARIES}
    flags = ("later_unit_stay", "apache_scored", *FIRST_DAY.values(), *(f"{name}_measured" for name in MEASURED))
    flags += (*COMORBIDITIES, "after_surgery", *DIAGNOSES, *(f"given_{name}" for name in TREATMENTS))
    return found | dict.fromkeys(flags, ALWAYS_YES_OR_NO)


def age_of(stay: Stay, path: Path) -> float:
    """Return an age in years, `OLDEST` for `> 89`, NaN for none; `path` of `patient`."""
    cell = stay.cells["age"]
    if cell.replace(" ", "") == ">89":
        return OLDEST
    value = number(cell, path, stay.line, "age")
    return np.nan if value is None or not 0 <= value <= 120 else value


def _plausible(value: np.ndarray, lowest: float, highest: float) -> np.ndarray:
    return np.where((value >= lowest) & (value <= highest), value, np.nan)


def _summarise(place: np.ndarray, value: np.ndarray, stays: int) -> np.ndarray:
    """Return least, greatest, mean and last of each stay's values, [4, S]; `place` [R] is sorted."""
    columns = np.full((len(SUMMARIES), stays), np.nan)
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    if len(starts):
        ends = np.append(starts[1:], len(place))
        columns[0, place[starts]] = np.minimum.reduceat(value, starts)
        columns[1, place[starts]] = np.maximum.reduceat(value, starts)
        columns[2, place[starts]] = np.add.reduceat(value, starts) / (ends - starts)
        columns[3, place[starts]] = value[ends - 1]
    return columns
