"""The eICU demo's tables, `.csv.gz` or `.csv`: which columns may be read, what is an outcome, who is in the cohort.

Every table is streamed; only rows of the cohort, entered within the first 24 hours, are kept. `OUTCOMES` names the
columns that tell how a stay ended or what happened later, of all tables that are read: no feature is made of them, and
`read_rows` refuses to read one but for the label and the cohort. What the columns mean is in
`medpriv.sources.eicu_features`.
"""

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from medpriv.errors import InputError
from medpriv.files import open_text
from medpriv.sources.cells import number_in, whole_in

TABLES = (*("patient", "hospital", "apacheApsVar", "apachePredVar", "admissionDx", "treatment", "vitalAperiodic"),)
ENDINGS = (".csv.gz", ".csv")
WINDOW = 24 * 60  # minutes from admission to the unit
OUTCOMES = {  # apachePatientResult, all actual and predicted outcomes, is not even among the tables
    "patient": (
        *("hospitaldischargestatus", "hospitaldischargelocation", "hospitaldischargeoffset", "hospitaldischargeyear"),
        *("hospitaldischargetime24", "unitdischargestatus", "unitdischargelocation", "unitdischargeoffset"),
        *("unitdischargetime24", "dischargeweight"),
    ),
    "apachePredVar": ("diedinhospital", "dischargelocation", "var03hspxlos", "sicuday", "saps3today", "saps3yesterday"),
    "treatment": ("activeupondischarge",),
}
STATUSES = {"Alive": 0, "Expired": 1}
KEY = "patientunitstayid"
# SHA-256 of the sorted numbers of the open demo's 2,520 stays, one a line: the file's own quoting plays no part.
DEMO_STAYS = "c6a9c8fd79f5a55cfda15ba37eb0257004f1cda0ecdac0a8f1bfc5df97c877ed"


@dataclass(frozen=True)
class Stay:
    """One unit stay of the cohort.

    Attributes:
        line: of `patient`, for errors.
        number: patientunitstayid.
        person: uniquepid.
        hospital: hospitalid.
        died: whether the hospital stay ended in death.
        outcome_hours: when it ended, after admission to the unit; always beyond the first 24.
        cells: the columns of `patient` that features and groups are made of.
    """

    line: int
    number: str
    person: str
    hospital: str
    died: bool
    outcome_hours: float
    cells: dict[str, str]


@dataclass(frozen=True)
class Cohort:
    """The stays that are predicted, and how many were left out, by reason; `demo`: the stays are the open demo's."""

    stays: tuple[Stay, ...]
    left_out: dict[str, int]
    demo: bool


def table_path(folder: Path, table: str) -> Path:
    """Return the file of a table; InputError where there is none."""
    for ending in ENDINGS:
        if (path := Path(folder) / f"{table}{ending}").is_file():
            return path
    raise InputError(
        "missing, and no .csv of that name either",
        file=Path(folder) / f"{table}.csv.gz",
        remedy=f"put the publisher's tables {', '.join(TABLES)} into one folder and name it in raw.path",
    )


def read_rows(
    path: Path, table: str, columns: Sequence[str], outcomes: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of every row, in the columns asked for.

    Args:
        path: the table's file.
        table: its name.
        columns: names of columns.
        outcomes: whether outcomes are wanted, for the label and the cohort; else asking for one is a mistake.

    Raises:
        InputError: a column is missing or there twice, a row has another number of cells, or the file is damaged or no
            UTF-8.
    """
    if not outcomes and (told := set(columns) & set(OUTCOMES.get(table, ()))):
        raise ValueError(f"{table}: {', '.join(sorted(told))} tell the outcome")
    remedy = "get the publisher's table again"
    with open_text(path) as lines:
        reader = csv.reader(lines, strict=True)
        try:
            header = [name.strip() for name in next(reader, [])]
            for problem, wrong in (
                ("no column", [column for column in columns if column not in header]),
                ("two columns", [column for column in columns if header.count(column) > 1]),
            ):
                if wrong:
                    raise InputError(f"{problem} {', '.join(wrong)}", file=path, place="line 1", remedy=remedy)
            places = [header.index(column) for column in columns]
            for row in reader:
                if row and len(row) != len(header):
                    raise InputError(
                        f"{len(row)} cells instead of {len(header)}",
                        file=path,
                        place=f"line {reader.line_num}",
                        remedy=remedy,
                    )
                if row:
                    yield reader.line_num, [row[place] for place in places]
        except csv.Error as error:
            place = f"line {reader.line_num}"
            raise InputError(f"not a CSV table ({error})", file=path, place=place, remedy=remedy) from None


def id_in(cell: str, path: Path, line: int, column: str) -> str:
    """Return the id in a cell as the publisher writes it: `100001.0` of a spreadsheet is 100001."""
    number = whole_in(cell)
    if number is None:
        raise InputError(
            f"column {column}: a cell is no id",
            file=path,
            place=f"line {line}",
            remedy="get the publisher's table again, or correct the cell",
        )
    return str(number)


def given_twice(path: Path, line: int, column: str, key: str) -> InputError:
    """Return the error of a second row of what has one row each."""
    return InputError(
        f"a second row of {column} {key}",
        file=path,
        place=f"line {line}",
        remedy="take it out: a join or an export has doubled it, or get the publisher's table again",
    )


def number(cell: str, path: Path, line: int, column: str) -> float | None:
    """Return the number in a cell, None where it is empty."""
    if not cell:
        return None
    value = number_in(cell)
    if value is None:
        raise InputError(
            f"column {column}: a cell is no number",
            file=path,
            place=f"line {line}",
            remedy="get the publisher's table again, or correct the cell",
        )
    return value


def read_cohort(folder: Path, columns: Sequence[str]) -> Cohort:
    """Return the stays that last the first 24 hours and whose outcome is known.

    Who is dead or gone before the end of the window could be told by the measurements that are missing: everybody is
    still there when the prediction is made.

    Args:
        folder: of the tables.
        columns: of `patient`, for features and groups; none of them an outcome.
    """
    if told := set(columns) & set(OUTCOMES["patient"]):
        raise ValueError(f"patient: {', '.join(sorted(told))} tell the outcome")
    path = table_path(folder, "patient")
    ends = ("unitdischargeoffset", "hospitaldischargeoffset")
    own = (KEY, "uniquepid", "hospitalid", "hospitaldischargestatus", *ends)
    left_out = {"outcome not known": 0, "gone within 24 hours": 0}
    stays, numbers = [], set()
    for line, cells in read_rows(path, "patient", [*own, *columns], outcomes=True):
        key, person, hospital, status, *offsets = cells[: len(own)]
        key, hospital = id_in(key, path, line, KEY), id_in(hospital, path, line, "hospitalid")
        if key in numbers:
            raise given_twice(path, line, KEY, key)
        if not person.strip() or (status and status not in STATUSES):
            raise InputError(
                "a stay without a person, or with an unknown discharge status",
                file=path,
                place=f"line {line}",
                remedy="get the publisher's table again",
            )
        numbers.add(key)
        until = [number(cell, path, line, end) for cell, end in zip(offsets, ends, strict=True)]
        if not status:
            left_out["outcome not known"] += 1
        elif None in until or min(until) <= WINDOW:
            left_out["gone within 24 hours"] += 1
        else:
            cells = dict(zip(columns, cells[len(own) :], strict=True))
            stays.append(Stay(line, key, person.strip(), hospital, bool(STATUSES[status]), until[1] / 60, cells))
    if not stays:
        raise InputError("no stay of 24 hours with a known outcome", file=path, remedy="add stays")
    stays.sort(key=lambda stay: (len(stay.number), stay.number))
    return Cohort(tuple(stays), left_out, _digest(numbers) == DEMO_STAYS)


def _digest(numbers: set[str]) -> str:
    return hashlib.sha256("\n".join(sorted(numbers)).encode()).hexdigest()
