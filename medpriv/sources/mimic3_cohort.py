"""Who is looked at in MIMIC-III, and what was measured in them: the cohort and the 17 variables, by window.

The cohort is that of Harutyunyan et al. (Scientific Data 6, 96, 2019) for in-hospital mortality: stays without
transfers, one an admission, adults, at least 48 hours long; their code counts stays after it has dropped those with
transfers, and so do we. The files are scanned by `medpriv.sources.mimic3_tables`; the dataset is made in
`medpriv.sources.mimic3`.
"""

from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from pathlib import Path

import numpy as np

from medpriv.errors import InputError
from medpriv.sources.mimic3_items import CONVERSIONS, ITEMS, TEXTS, VARIABLES
from medpriv.sources.mimic3_tables import make_table, refuse_twice, scan, table_path
from medpriv.sources.tabular import ALWAYS_YES_OR_NO, Entry

HOURS = 48  # from admission to the unit
WINDOWS = ("day1", "day2")  # 0-24 h and 24-48 h
ADULT, OLDEST = 18, 90.0  # years; ages above 89 are shifted by the publisher to about 300 and count as 90
SHIFTED = (295, 420)  # what those above 89 are: about 300 in the real tables, 300 more in the simulated ones
NEWBORN = 7 / 365.25  # by how much a birth may follow the admission: it is written without an hour
AGE_BANDS = (50, 65, 80)
ONCE = ("height", "weight")  # the first value of the 48 hours
SHARE = ("capillary_refill",)  # of values 0 and 1 only the mean says something
MOST_COUNTED = 48  # minutes of a day with a value, of which generators tell more apart: one each half hour
COMA_PARTS = ("gcs_eye", "gcs_motor", "gcs_verbal")

_STAY = {
    "subject_id": "WHOLE",
    "hadm_id": "WHOLE",
    "icustay_id": "WHOLE",
    "first_careunit": "VARCHAR",
    "last_careunit": "VARCHAR",
    "first_wardid": "WHOLE",
    "last_wardid": "WHOLE",
    "intime": "TIME",
    "outtime": "TIME",
}
_ADMISSION = {
    "subject_id": "WHOLE",
    "hadm_id": "WHOLE",
    "dischtime": "TIME",
    "deathtime": "TIME",
    "admission_type": "VARCHAR",
    "hospital_expire_flag": "FLAG",
}
_PATIENT = {"subject_id": "WHOLE", "gender": "SEX", "dob": "TIME"}
_NEEDED = (  # table, column, attribute of `Stay`
    ("PATIENTS", "gender", "sex"),
    ("ADMISSIONS", "admission_type", "admission_type"),
    ("ADMISSIONS", "hospital_expire_flag", "died"),
)
_ITEM = {"itemid": "INTEGER", "variable": "UTINYINT", "conversion": "VARCHAR", "low": "FLOAT", "high": "FLOAT"}
_EVENT = {
    "CHARTEVENTS": ("subject_id", "itemid", "charttime", "value", "valuenum", "error"),
    "LABEVENTS": ("subject_id", "itemid", "charttime", "value", "valuenum"),
}
_EVENT_TYPES = {
    "subject_id": "WHOLE",
    "itemid": "WHOLE",
    "charttime": "TIME",
    "value": "VARCHAR",
    "valuenum": "NUMBER",
    "error": "FLAG",
}

# What `_CANDIDATES` joins, and by which columns.
JOINS = (("ICUSTAYS", "ADMISSIONS", "subject_id, hadm_id"), ("ICUSTAYS", "PATIENTS", "subject_id"))
STEPS = ("all", "without transfers", "one an admission", "adults", "48 hours or longer", "outcome after 48 hours")
_CANDIDATES = f"""
    WITH linked AS (
        SELECT *, first_careunit = last_careunit AND first_wardid = last_wardid AS unmoved,
            epoch(intime - dob) / 86400 / 365.25 AS age
        FROM ICUSTAYS JOIN ADMISSIONS USING (subject_id, hadm_id) JOIN PATIENTS USING (subject_id)
    )
    SELECT subject_id, first_careunit, gender, admission_type, intime, hospital_expire_flag, age,
        epoch(coalesce(deathtime, dischtime) - intime) / 3600 AS outcome, unmoved,
        count(*) FILTER (unmoved) OVER (PARTITION BY hadm_id) = 1 AS alone,
        epoch(outtime - intime) / 3600 >= {HOURS} AS long
    FROM linked ORDER BY subject_id, intime, icustay_id
"""


@dataclass(frozen=True)
class Stay:
    """One stay of the cohort; `outcome_hours` is when death or discharge was, hours after admission to the unit."""

    subject: int
    unit: str
    sex: str
    admission_type: str
    intime: datetime
    died: int
    age: float
    outcome_hours: float


def choose_stays(connection, folder: Path) -> tuple[list[Stay], dict[str, int]]:
    """Return the stays of the cohort by subject and time, and how many stays are left after each step.

    A stay is left out, too, whose patient died or was discharged before the 48 hours were over (or at that second),
    whatever the unit's own times say: its last measurements would follow the outcome.

    Raises:
        InputError: a table is missing or damaged, has a row twice or a code that is none, or a stay has no sex, type
            of admission or outcome.
    """
    for table, types, key in (
        ("ICUSTAYS", _STAY, "icustay_id"),
        ("ADMISSIONS", _ADMISSION, "hadm_id"),
        ("PATIENTS", _PATIENT, "subject_id"),
    ):
        path = table_path(folder, table)
        scan(connection, path, types, f"CREATE TABLE {table} AS SELECT * FROM scanned")
        refuse_twice(connection, path, table, key)
    counts, stays = dict.fromkeys(STEPS, 0), []
    for *about, age, outcome, unmoved, alone, long in connection.execute(_CANDIDATES).fetchall():
        check_age(age, about[0], folder)
        old_enough = age is not None and age >= ADULT
        passed = (True, unmoved, alone, old_enough, long, outcome is not None and outcome > HOURS)
        for step in takewhile(passed.__getitem__, range(len(STEPS))):
            counts[STEPS[step]] += 1
        if all(passed):
            stays.append(Stay(*about, age=min(age, OLDEST), outcome_hours=outcome))
    for table, column, name in _NEEDED:
        if any(getattr(stay, name) is None for stay in stays):
            raise InputError(
                f"column {column}: empty for a stay of the cohort",
                file=table_path(folder, table),
                remedy="use the publisher's tables of MIMIC-III version 1.4, or fill the cell in",
            )
    return stays, counts


def check_age(age: float | None, subject: int, folder: Path) -> None:
    """Refuse an age in years that neither lies in a human life nor is one of those above 89, shifted by the publisher.

    A birth written as 1900-01-01 for want of a better one would be 250 years ago, and count as 90.
    """
    if age is not None and not (-NEWBORN <= age <= 120 or SHIFTED[0] <= age <= SHIFTED[1]):
        raise InputError(
            f"born {age:.0f} years before the admission",
            file=table_path(folder, "PATIENTS"),
            place=f"subject_id {subject}, column dob",
            remedy="use the publisher's tables of MIMIC-III version 1.4, or correct the date",
        )


def check_labels(connection, folder: Path) -> None:
    """Refuse dictionaries in which one of our item ids means something else, as in another database or version."""
    ours = {item.itemid: item.label for item in ITEMS}
    for table in ("D_ITEMS", "D_LABITEMS"):
        path = table_path(folder, table)
        query = "SELECT itemid, label FROM scanned"
        for itemid, label in scan(connection, path, {"itemid": "WHOLE", "label": "VARCHAR"}, query).fetchall():
            if itemid in ours and (label or "").strip().lower() != ours[itemid].strip().lower():
                raise InputError(
                    f"item {itemid} is {label!r}, not {ours[itemid]!r}",
                    file=path,
                    remedy="use the publisher's tables of MIMIC-III version 1.4",
                )


def measure(connection, folder: Path, stays: list[Stay]) -> tuple[dict[str, np.ndarray], dict[str, dict[str, int]]]:
    """Scan the event tables once and summarise each variable in each stay.

    Values charted twice for the same minute (a chart often copies the laboratory's) count once, with their mean. A coma
    score that nobody added up is the sum of its three parts of the same minute.

    Returns:
        float64 [S] by feature name, NaN where nothing was measured (`count` 0): min, mean, max and count of a window,
        mean and count of `SHARE`, the first value and whether there is one of `ONCE`; and per variable how many values
        were read and how many of them could not be.

    Raises:
        InputError: a table is missing or damaged.
    """
    _fill_events(connection, folder, stays)
    read = dict.fromkeys(VARIABLES, 0)
    refused = dict.fromkeys(VARIABLES, 0)
    names = list(VARIABLES)
    for variable, all_values, bad in connection.execute(
        "SELECT variable, count(*), count(*) - count(value) FROM events GROUP BY variable"
    ).fetchall():
        read[names[variable]], refused[names[variable]] = all_values, bad
    _add_coma_totals(connection)
    columns = {}
    for variable in VARIABLES:
        columns |= _first(connection, variable, len(stays)) if variable in ONCE else {}
        columns |= _windows(connection, variable, len(stays)) if variable not in ONCE else {}
    return columns, {"values_read": read, "values_impossible": refused}


def units() -> dict[str, str]:
    """Return the unit of each feature of `measure`, in its order."""
    found = {}
    for variable, about in VARIABLES.items():
        if variable in ONCE:
            found |= {f"{variable}_first": about.unit, f"{variable}_measured": ""}
            continue
        for window in WINDOWS:
            found |= {f"{variable}_{each}_{window}": about.unit for each in _statistics(variable)}
            found[f"{variable}_count_{window}"] = "measurements"
    return found


def dictionary() -> dict[str, Entry]:
    """Return what each feature can be, by the limits of its variable and never by the rows; age and sex, too."""
    found = {"age": Entry(ADULT, OLDEST, complete=True), "sex": ALWAYS_YES_OR_NO}
    for variable, about in VARIABLES.items():
        if variable in ONCE:
            found |= {f"{variable}_first": Entry(about.low, about.high), f"{variable}_measured": ALWAYS_YES_OR_NO}
            continue
        for window in WINDOWS:
            found |= {f"{variable}_{each}_{window}": Entry(about.low, about.high) for each in _statistics(variable)}
            found[f"{variable}_count_{window}"] = Entry(0, MOST_COUNTED, 0, complete=True)
    return found


def _statistics(variable: str) -> tuple[str, ...]:
    return ("mean",) if variable in SHARE else ("min", "mean", "max")


def _fill_events(connection, folder: Path, stays: list[Stay]) -> None:
    """Make the table `events` (stay, variable, minute, value) of the cohort's 48 hours; an impossible value is NULL.

    Limits are compared in single precision, as CareVue keeps numbers: its 0.21 is 0.209999993443489 in the tables.
    """
    number = {name: index for index, name in enumerate(VARIABLES)}
    about = [(item, number[item.variable], VARIABLES[item.variable]) for item in ITEMS]
    items = [(item.itemid, index, item.conversion, variable.low, variable.high) for item, index, variable in about]
    texts = [(number[name], word, value) for name, words in TEXTS.items() for word, value in words.items()]
    cohort = [(stay.subject, row, stay.intime) for row, stay in enumerate(stays)]
    make_table(connection, "items", _ITEM, items)
    make_table(connection, "texts", {"variable": "UTINYINT", "word": "VARCHAR", "number": "DOUBLE"}, texts)
    make_table(connection, "cohort", {"subject_id": "INTEGER", "stay": "INTEGER", "intime": "TIMESTAMP"}, cohort)
    connection.execute("CREATE TABLE events (stay INTEGER, variable UTINYINT, minute SMALLINT, value FLOAT)")
    cases = " ".join(f"WHEN '{name}' THEN {sql}" for name, sql in CONVERSIONS.items())
    for table, columns in _EVENT.items():
        query = f"""
            INSERT INTO events
            SELECT stay, variable, minute, CASE WHEN converted BETWEEN low AND high THEN converted END
            FROM (
                SELECT *, (CASE conversion {cases} END)::FLOAT AS converted FROM (
                    SELECT stay, items.variable, conversion, low, high, coalesce(valuenum, number) AS v,
                        epoch(charttime - intime)::INTEGER // 60 AS minute
                    FROM scanned JOIN items USING (itemid) JOIN cohort USING (subject_id)
                    LEFT JOIN texts ON texts.variable = items.variable AND word = lower(trim(value))
                    WHERE charttime >= intime AND charttime < intime + INTERVAL {HOURS} HOUR {_without_errors(columns)}
                ) WHERE v IS NOT NULL
            )
            """
        types = {column: _EVENT_TYPES[column] for column in columns}
        scan(connection, table_path(folder, table), types, query)


def _without_errors(columns: tuple[str, ...]) -> str:
    """Return the condition that a row was not marked as charted in error, where a table says so."""
    return "AND coalesce(error, 0) = 0" if "error" in columns else ""


def _add_coma_totals(connection) -> None:
    """Add the sum of the coma scale's parts of one minute in stays that chart no total (MetaVision has none)."""
    names = list(VARIABLES)
    total, parts = names.index("gcs_total"), ", ".join(str(names.index(part)) for part in COMA_PARTS)
    connection.execute(
        f"""
        INSERT INTO events
        SELECT stay, {total}, minute, sum(score) FROM (
            SELECT stay, minute, variable, avg(value) AS score FROM events
            WHERE variable IN ({parts}) AND value IS NOT NULL
                AND stay NOT IN (SELECT stay FROM events WHERE variable = {total} AND value IS NOT NULL)
            GROUP BY stay, minute, variable
        ) GROUP BY stay, minute HAVING count(*) = {len(COMA_PARTS)}
        """
    )


def _windows(connection, variable: str, count: int) -> dict[str, np.ndarray]:
    """Return min, mean, max (or the mean alone) and count of a variable in each window, float64 [count] each."""
    found = connection.execute(
        """
        SELECT stay, half, min(value) AS min, avg(value) AS mean, max(value) AS max, count(*) AS count FROM (
            SELECT stay, minute // ? AS half, avg(value) AS value FROM events
            WHERE variable = ? AND value IS NOT NULL GROUP BY stay, minute
        ) GROUP BY stay, half
        """,
        (HOURS * 60 // len(WINDOWS), list(VARIABLES).index(variable)),
    ).fetchnumpy()
    columns = {}
    for half, window in enumerate(WINDOWS):
        rows = found["half"] == half
        for each in _statistics(variable):
            values = np.full(count, np.nan)
            values[found["stay"][rows]] = found[each][rows]
            columns[f"{variable}_{each}_{window}"] = values
        counts = np.zeros(count)
        counts[found["stay"][rows]] = found["count"][rows]
        columns[f"{variable}_count_{window}"] = counts
    return columns


def _first(connection, variable: str, count: int) -> dict[str, np.ndarray]:
    """Return the first value of a variable (the mean of those of the same minute), and whether there is one."""
    found = connection.execute(
        """
        SELECT stay, arg_min(value, minute) AS first FROM (
            SELECT stay, minute, avg(value) AS value FROM events
            WHERE variable = ? AND value IS NOT NULL GROUP BY stay, minute
        ) GROUP BY stay
        """,
        (list(VARIABLES).index(variable),),
    ).fetchnumpy()
    values = np.full(count, np.nan)
    values[found["stay"]] = found["first"]
    return {f"{variable}_first": values, f"{variable}_measured": (~np.isnan(values)).astype(float)}
