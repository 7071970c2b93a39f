"""What spreadsheets have around a table: titles above its header, totals and notes below its last record.

Neither is a record, and either spoils what is read: a title's words become columns, a total becomes a patient.
"""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from medpriv.errors import InputError
from medpriv.files import open_text
from medpriv.sources.names import is_gap
from medpriv.sources.table_columns import Fault, is_number, to_number
from medpriv.sources.table_file import (
    OTHER_SEPARATORS,
    SEPARATORS,
    TextColumn,
    TextTable,
    WidthError,
    of_rows,
    read_table,
)

_LOOKED_AT = 30  # rows at the top, by which a table's width is known
_ABOVE, _BELOW = 10, 5  # lines at most that may stand around a table
_LEAST = 5  # records, below which a sum or mean of a column is no sign
_TOTAL = re.compile(
    r"(grand |sub-?)?totals?|(sub)?sum(me)?|overall|gesamt(summe)?|insgesamt|mean|average|avg|(arith\. )?mittel(wert)?|"
    r"median|minimum|maximum|count|anzahl",
    re.IGNORECASE,
)


def read_records(path: Path, faults: list[Fault]) -> TextTable:
    """Return the table of a file, read by `read_table`, without what stands below it; that is a fault.

    Raises:
        InputError: as of `read_table`; something stands above the header.
    """
    is_text = path.suffix.lower() != ".parquet"
    try:
        table = read_table(path)
    except WidthError:  # not of an open quote or a broken gzip, which no title explains
        _refuse_title(path)
        raise
    if is_text and 2 * sum(not column.name for column in table.columns) > len(table.columns):
        _refuse_title(path)
    return _without_footer(table, faults)


def _refuse_title(path: Path) -> None:
    """Raise an InputError if lines stand above the header of a CSV table.

    They do if a line further down has as many cells as most, all of them words that differ, and the first line has
    another number of cells, or leaves most of its own empty. Cells are separated by what makes most lines alike in
    their number: the commas in decimals make fewer so, for the header has none.
    """
    read = [_first_rows(path, separator) for separator in (*SEPARATORS, *OTHER_SEPARATORS)]
    rows = max(read, key=lambda rows: _usual(rows)[::-1])
    if not rows or (place := _header_at(rows)) < 1:
        return
    first, header = rows[0][0], rows[place][0]
    above = f"line {first}" if place == 1 else f"lines {first} to {rows[place - 1][0]}"
    problem = f"no names of columns, which seem to stand in line {header}: a title or a note above the table"
    raise InputError(problem, file=path, place=above, remedy=f"remove all lines above line {header}") from None


def _usual(rows: Sequence[tuple[int, list[str]]]) -> tuple[int, int]:
    """Return how many cells most rows have that have more than one, and how many rows do; zeros if none."""
    width = Counter(len(cells) for _, cells in rows if len(cells) > 1)
    return max(width.items(), key=lambda one: one[::-1], default=(0, 0))


def _first_rows(path: Path, separator: str) -> list[tuple[int, list[str]]]:
    """Return the line and the cells of the first rows that hold more than blanks; none if they can't be read."""
    rows, line = [], 1
    try:
        with open_text(path) as lines:
            reader = csv.reader(islice(lines, 10 * _LOOKED_AT), delimiter=separator)
            for cells in reader:
                said = "".join(cells).strip()
                if said and not (line == 1 and said.casefold().startswith("sep=")):
                    rows.append((line, [cell.strip() for cell in cells]))
                line = reader.line_num + 1
    except (csv.Error, InputError):
        return []
    return rows[:_LOOKED_AT]


def _header_at(rows: Sequence[tuple[int, list[str]]]) -> int:
    """Return which row is the header; -1 if none, or the first, may be one that isn't written as others are."""
    width, often = _usual(rows)
    first = rows[0][1]
    if often < 2 or (len(first) == width and 2 * sum(map(bool, first)) >= width):
        return -1
    for place, (_, cells) in enumerate(rows[:_ABOVE]):
        words = all(cell and not is_number(cell) and not is_gap(cell) for cell in cells)
        if len(cells) == width and words and len(set(cells)) == width:
            return place
    return -1


def _without_footer(table: TextTable, faults: list[Fault]) -> TextTable:
    """Return a table without those of its last rows that are no record: totals, notes, blanks. Each is a fault."""
    rows = len(table.columns[0].code)
    kept = rows
    while kept > max(rows - _BELOW, 1) and (found := _footer(table.columns, kept - 1)):
        place = f"row {kept}, the last one" if kept == rows else f"row {kept}"
        faults.append(Fault(place, f"{found}, no record", "remove it from the table"))
        kept -= 1
    if kept == rows:
        return table
    return TextTable(tuple(of_rows(column, np.arange(kept)) for column in table.columns), table.separator)


def _footer(columns: Sequence[TextColumn], row: int) -> str:
    """Return what a row, the last of those above it, is if no record; else nothing."""
    cells = [str(column.texts[column.code[row]]) for column in columns]
    filled = [place for place, cell in enumerate(cells) if not is_gap(cell)]
    if not filled:
        return "a row without a value"
    first = filled[0]
    alone = columns[first].first[columns[first].code[row]] == row  # no row above says the same
    if alone and _TOTAL.fullmatch(cells[first].strip(" :=*")):
        return "a total or a mean"
    if len(filled) == 1 < len(cells) - 1 and alone and not is_number(cells[first]):
        return "a note below the table"
    if len(filled) < len(cells) and row >= _LEAST and _adds_up(columns, row, filled):
        return "the columns' sums or means"
    return ""


def _adds_up(columns: Sequence[TextColumn], row: int, filled: Sequence[int]) -> bool:
    """Return whether every cell that a row fills is the sum of the cells above it, or their mean; two at least."""
    for place in filled:
        column = columns[place]
        try:
            values = np.array([to_number(text, ".") for text in column.texts])[column.code[: row + 1]]
        except ValueError:
            return False
        above, value = values[:row][~np.isnan(values[:row])], values[row]
        total = above.sum()
        if not len(above) or np.ptp(above) == 0 or not np.isclose([total, total / len(above)], value, 1e-3).any():
            return False
    return len(filled) > 1
