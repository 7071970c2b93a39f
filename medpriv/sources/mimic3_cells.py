"""What a cell of MIMIC-III's tables may hold, by the kind of its column: in SQL for the scan, in Python for the fault.

The scan of `medpriv.sources.mimic3_tables` stops at a cell that is not of its kind; DuckDB itself would round 0.6 to 1
and take 1_20 for 120. Only then is the file read again, line by line, to say where.
"""

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from medpriv.errors import InputError
from medpriv.files import open_text
from medpriv.sources.cells import number_in

FIRST_YEAR, LAST_YEAR = 1650, 2300  # the publisher moves times into 2100 to 2210, births of the oldest 300 years back
_TIME = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)(?:[ T](\d\d?):(\d\d?)(?::(\d\d?)(?:\.\d*)?)?)? ?(?:UTC|Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII
)
REMEDY = "get the file again from the publisher, or correct the line"


@dataclass(frozen=True)
class Kind:
    """What a column of text is to hold, gaps apart.

    Attributes:
        sql: the value of a cell `{0}` that is right.
        right: the condition that it is, in SQL.
        is_right: the same in Python.
        words: what it is not, else.
    """

    sql: str
    right: str
    is_right: Callable[[str], bool]
    words: str


def _is_whole(cell: str) -> bool:
    value = number_in(cell)
    return value is not None and value == int(value) and abs(value) < 2**31


def _is_time(cell: str) -> bool:
    found = _TIME.fullmatch(cell.strip())
    if not found:
        return False
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
    try:
        return bool(datetime(year, month, day, hour, minute, second)) and FIRST_YEAR <= year < LAST_YEAR
    except ValueError:
        return False


_NUMBER = "isfinite({0}::DOUBLE) AND NOT contains({0}, '_')"
KINDS = {
    "NUMBER": Kind("{0}::DOUBLE", _NUMBER, lambda cell: number_in(cell) is not None, "is no number"),
    "WHOLE": Kind("{0}::DOUBLE::INTEGER", f"{_NUMBER} AND {{0}}::DOUBLE % 1 = 0", _is_whole, "is no whole number"),
    "FLAG": Kind(
        "{0}::DOUBLE::INTEGER", f"{_NUMBER} AND {{0}}::DOUBLE IN (0, 1)", lambda cell: number_in(cell) in (0, 1),
        "is neither 0 nor 1",
    ),
    "TIME": Kind(
        "{0}::TIMESTAMP",
        f"ascii(ltrim({{0}})) BETWEEN 48 AND 57 AND year({{0}}::TIMESTAMP) BETWEEN {FIRST_YEAR} AND {LAST_YEAR - 1}",
        _is_time, f"is no time from {FIRST_YEAR} on and before {LAST_YEAR}",
    ),
    "SEX": Kind("{0}", "{0} IN ('F', 'M')", lambda cell: cell in ("F", "M"), "is neither F nor M"),
}  # fmt: skip


def stored_as(kind: str) -> str:
    """Return the DuckDB type of which a column is read from the file."""
    return "VARCHAR" if kind in KINDS else kind


def selected(column: str, kind: str) -> str:
    """Return the SQL of a column's checked values; a wrong one stops the query."""
    if kind not in KINDS:
        return column
    checked = KINDS[kind]
    value, right = checked.sql.format(column), checked.right.format(column)
    return f"CASE WHEN {column} IS NULL THEN NULL WHEN {right} THEN {value} ELSE error('{column}') END AS {column}"


def refuse_wrong_cell(path: Path, kinds: Mapping[str, str]) -> None:
    """Raise the InputError of the first line of a file with a wrong cell, or that is no UTF-8; return if there is none.

    The cell is not shown: it may be a patient's data.
    """
    for line, row in _rows_of(path):
        for column, kind in kinds.items():
            cell = row.get(column, "")
            if cell and kind in KINDS and not KINDS[kind].is_right(cell):
                raise InputError(
                    f"column {column}: a cell {KINDS[kind].words}", file=path, place=f"line {line}", remedy=REMEDY
                )


def refuse_second(path: Path, column: str, number: int) -> None:
    """Raise the InputError of the second row whose id is `number`, in a column where each stands once."""
    first = None
    for line, row in _rows_of(path):
        if number_in(row[column]) == number:
            if first is not None:
                raise InputError(
                    f"{column} {number} stands in line {first} already",
                    file=path,
                    place=f"line {line}",
                    remedy="take the second row out: a join or an export has doubled it, or use the publisher's table",
                )
            first = line


def _rows_of(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line at which each row ends and its cells by column, in small letters, as far as rows can be told."""
    with open_text(path) as lines, suppress(csv.Error):
        reader = csv.reader(lines)
        header = [name.lower() for name in next(reader, [])]
        for cells in reader:
            yield reader.line_num, dict(zip(header, cells, strict=False))
