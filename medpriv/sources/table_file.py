"""Reading the file of an own table, whatever program wrote it: every cell as text, faults with their line.

Nothing is converted here: a site called "007" or "NA" is what it says. `medpriv.sources.table_columns` makes of a
column's text what the settings say that it is.

Text goes through two readers. The first, strict one counts the cells of each line and finds open quotes; pandas, which
holds the cells compactly, fills short lines with empty cells and closes a quote at the end of the file without a word.
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medpriv.errors import InputError
from medpriv.files import open_text

ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
OTHER_SEPARATORS = ("|", "^", "~")  # that some programs write, and nobody reads here
SHOWN = 10  # faults of one kind that an error lists
_BINARY = {b"PK\x03\x04": "a spreadsheet or zip archive", b"\xd0\xcf\x11\xe0": "a spreadsheet", b"\x1f\x8b": "gzip"}


class WidthError(InputError):
    """Lines don't have the cells that the header has, or the header has one alone."""


@dataclass(frozen=True)
class TextColumn:
    """One column of N rows, each distinct text held once.

    Attributes:
        name: as the header has it, without outer blanks.
        texts: numpy strings [texts], the distinct cells, without outer blanks, in the order of their first rows.
        code: int32 [N], the place of each row's text in `texts`.
        first: int32 [texts], the first row of each text.
    """

    name: str
    texts: np.ndarray
    code: np.ndarray
    first: np.ndarray


@dataclass(frozen=True)
class TextTable:
    """A table of text.

    Attributes:
        columns: in the file's order; names may be empty or there twice.
        separator: what stands between cells; empty for Parquet.
    """

    columns: tuple[TextColumn, ...]
    separator: str


def read_table(path: Path) -> TextTable:
    """Return every cell of a table as text.

    CSV: `,`, `;` or tab between cells (read off the header, or off a first line `sep=;`), UTF-8 with or without a byte
    order mark, as it is or in a `.gz`. Parquet: values as DuckDB writes them, moments with a time zone in UTC,
    nulls as empty cells.

    Raises:
        InputError: the file is no such table; lines with too many or too few cells are all named.
    """
    path = Path(path)
    if path.suffix.lower() == ".parquet":
        return TextTable(_parquet_columns(path), "")
    _refuse_binary(path)
    separator, told = _separator(path)
    header, rows = _check_lines(path, separator, told)
    return TextTable(_text_columns(path, separator, told, header, rows), separator)


def column_of(name: str, cells: object) -> TextColumn:
    """Return a column of a name and its cells, texts in any sequence that pandas takes."""
    import pandas

    code, texts = pandas.factorize(np.asarray(cells, dtype=object))
    stripped = [text.strip() for text in texts]
    if len(set(stripped)) < len(texts):  # "A" and "A " are one text
        again, stripped = pandas.factorize(np.array(stripped, dtype=object))
        code = again[code]
    held = np.array(stripped, dtype=np.dtypes.StringDType())  # half the memory of Python's strings
    return _column(name.strip(), held, code)


def of_rows(column: TextColumn, rows: np.ndarray) -> TextColumn:
    """Return a column of some of its rows (int [n])."""
    import pandas

    code, kept = pandas.factorize(column.code[rows])
    return _column(column.name, column.texts[kept], code)


def _column(name: str, texts: np.ndarray, code: np.ndarray) -> TextColumn:
    first = np.flatnonzero(np.diff(np.maximum.accumulate(code), prepend=-1))  # codes count up as texts appear
    return TextColumn(name, texts, code.astype(np.int32), first.astype(np.int32))


def _refuse_binary(path: Path) -> None:
    with path.open("rb") as stream:
        start = stream.read(4)
    kind = next((kind for magic, kind in _BINARY.items() if start.startswith(magic)), "")
    if kind and not (kind == "gzip" and path.suffix.lower() == ".gz"):
        ending = "give its name the ending .gz" if kind == "gzip" else "save the table as CSV UTF-8 and name that file"
        raise InputError(f"not a CSV table but {kind}", file=path, remedy=ending)


def _separator(path: Path) -> tuple[str, bool]:
    """Return what separates cells, and whether a first line `sep=` says so and is no part of the table."""
    with open_text(path) as lines:
        told = re.fullmatch(r'"?sep=(.?)"?', next(lines, "").strip("\r\n "), re.IGNORECASE)
    if told:
        separator = told[1] or "\t"  # a tab at the end was stripped by an editor
        if separator not in SEPARATORS:
            raise InputError(
                f"separator {separator!r}",
                file=path,
                place="line 1",
                remedy=f"separate cells by {', '.join(SEPARATORS.values())}",
            )
        return separator, True
    widths = {separator: _first_widths(path, separator) for separator in SEPARATORS}
    return max(widths, key=lambda separator: (*widths[separator], separator == ",")), False


def _first_widths(path: Path, separator: str) -> tuple[bool, int]:
    """Return whether header and first row have as many cells, more than one, and how many the header has."""
    widths = []
    with open_text(path) as lines:
        try:
            for row in csv.reader(lines, delimiter=separator, strict=True):
                if any(cell.strip() for cell in row):
                    widths.append(len(row))
                if len(widths) == 2:
                    break
        except csv.Error:  # quotes that make no sense with this separator
            return False, 1
    return len(set(widths)) == 1 < max(widths, default=0), max(widths[:1], default=0)


def _check_lines(path: Path, separator: str, told: bool) -> tuple[list[str], int]:
    """Return the header and the number of rows; refuse lines whose cells or quotes don't fit."""
    header: list[str] | None = None
    rows, faults, extra, line, fitting = 0, [], 0, 1, 0
    with open_text(path) as lines:
        if told:
            next(lines)
        reader = csv.reader(lines, delimiter=separator, strict=True)
        try:
            for row in reader:
                place, line = _lines(line + told, reader.line_num + told), reader.line_num + 1
                if not row or (len(row) == 1 and not row[0].strip()):
                    continue
                if header is None:
                    header = row
                    continue
                rows += 1
                if len(row) != len(header):
                    faults.append((place, len(row)))
                    extra += len(row) == len(header) + 1
                else:
                    fitting = rows
        except csv.Error as error:
            raise _quote_error(path, line + told, error) from None
    if header is None or not rows:
        raise InputError("the table has no rows", file=path, remedy="give it a header line and a line a record")
    if len(header) == 1:
        raise _one_column(path, header[0])
    if faults:
        below = fitting == rows - len(faults) and all(cells < len(header) for _, cells in faults)
        raise _width_error(path, faults, len(header), separator, every=extra == rows, below=below and fitting > 0)
    return header, rows


def _one_column(path: Path, header: str) -> WidthError:
    problem = "one column only: neither `,` nor `;` nor a tab separates names in the header"
    remedy = "separate cells by one of them; with a first line `sep=;` the file can say by which"
    if mark := next((mark for mark in OTHER_SEPARATORS if mark in header), ""):
        problem = f"names in the header are separated by `{mark}`, which is none of `,`, `;` and tab"
        remedy = "save the table with semicolons (or tabs) between cells"
    return WidthError(problem, file=path, place="line 1", remedy=remedy)


def _lines(first: int, last: int) -> str:
    return f"line {first}" if first == last else f"lines {first} to {last}"


def _quote_error(path: Path, line: int, error: csv.Error) -> InputError:
    problem = f"not a CSV table: {error}"
    if "unexpected end of data" in str(error) or "field limit" in str(error):
        problem = "a quote opens here, or in a cell of this row, and is never closed"
    return InputError(
        problem,
        file=path,
        place=f"the row that begins at line {line}",
        remedy="close the quote, and write a quote within a quoted cell twice",
    )


def _width_error(
    path: Path, faults: list[tuple[str, int]], width: int, separator: str, every: bool, below: bool
) -> WidthError:
    """Return the error about lines that have other cells than the header.

    Args:
        every: each row has one more.
        below: they are the last lines, and have fewer.
    """
    if every:
        return WidthError(
            f"each row has {width + 1} columns, the header {width}: a data frame's row names were probably written",
            file=path,
            place="line 1",
            remedy="write the table without them (R: row.names = FALSE; pandas: index=False)",
        )
    name = SEPARATORS[separator]
    remedy = f"give every line as many cells as the header, and quote cells that hold a {name}"
    if separator == ",":
        remedy += "; if numbers have decimal commas, separate cells by semicolons"
    if below:
        remedy = f"if it is a total or a note below the table, remove it; if not, {remedy}"
    if len(faults) == 1:
        place, cells = faults[0]
        return WidthError(_found(cells, width), file=path, place=place, remedy=remedy)
    shown = "\n".join(f"  - {place}: {_found(cells, width)}" for place, cells in faults[:SHOWN])
    more = f"\n  and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    return WidthError(f"{len(faults)} lines do not fit the header", file=path, remedy=f"{remedy}:\n{shown}{more}")


def _found(cells: int, width: int) -> str:
    return f"{cells} column{'s' if cells > 1 else ''} instead of {width}"


def _text_columns(path: Path, separator: str, told: bool, header: list[str], rows: int) -> tuple[TextColumn, ...]:
    import pandas

    frame = pandas.read_csv(
        path,
        sep=separator,
        header=None,
        skiprows=int(told),
        dtype=str,
        na_filter=False,
        encoding="utf-8-sig",
        compression="gzip" if path.suffix.lower() == ".gz" else None,
    )
    if frame.shape != (rows + 1, len(header)):
        raise InputError(
            f"read as {len(frame) - 1} rows and, strictly, as {rows}",
            file=path,
            remedy="save it anew as CSV UTF-8: its line ends or quotes can be read in two ways",
        )
    return _taken(header, frame.to_numpy()[1:])


def _taken(names: list[str], cells: np.ndarray) -> tuple[TextColumn, ...]:
    """Return the columns of [N, columns] texts, each of which is dropped there as soon as it is held here."""
    columns = []
    for place, name in enumerate(names):
        columns.append(column_of(name, cells[:, place]))
        cells[:, place] = None
    return tuple(columns)


def _parquet_columns(path: Path) -> tuple[TextColumn, ...]:
    import duckdb

    with duckdb.connect() as database:
        try:
            database.execute("SET TimeZone = 'UTC'")  # else a moment's day would be that of the machine
            found = database.execute("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM read_parquet(?)", [str(path)])
            frame = found.df()
            schema = database.execute("SELECT name, num_children FROM parquet_schema(?)", [str(path)]).fetchall()
        except duckdb.Error as error:
            raise InputError(
                f"not a Parquet table ({str(error).splitlines()[0]})", file=path, remedy="write the file again"
            ) from None
    if not len(frame):
        raise InputError("the table has no rows", file=path, remedy="give it a row a record")
    return _taken(_column_names(schema[1:]), frame.fillna("").to_numpy())


def _column_names(schema: list[tuple[str, int | None]]) -> list[str]:
    """Return the columns' names as a Parquet file has them: DuckDB itself renames the second of `age` and `Age`.

    The schema lists each column before its parts, with their number.
    """
    names, parts = [], 0
    for name, own in schema:
        if not parts:
            names.append(name)
        parts += (own or 0) - (parts > 0)
    return names
