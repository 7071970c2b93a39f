"""MIMIC-III's CSV tables, `.csv` or `.csv.gz`, header in small letters (the demo) or capitals (the full database).

DuckDB scans them as a stream, with one thread and bounded memory, nothing spilt to disk; only rows that are asked for
reach Python. Every table is read by an explicit dialect and explicit types: a guess from the first rows would be wrong
for some later row of a file of 330 million. What the rows mean is in `medpriv.sources.mimic3`.
"""

import csv
import gzip
import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from medpriv.errors import InputError
from medpriv.files import open_text
from medpriv.sources.mimic3_cells import REMEDY, refuse_second, refuse_wrong_cell, selected, stored_as

ENDINGS = (".csv", ".csv.gz")
MEMORY = "1500MB"  # of DuckDB; Python and its libraries come on top
# The publisher's SHA-256 of PATIENTS.csv in the open demo, version 1.4.
DEMO_PATIENTS = "f65803a46bcb88127574bfd0b70d78d4123783d05bb411e70d4c9629edd7b703"
LICENCES = {True: "ODbL 1.0", False: "PhysioNet Credentialed Health Data License 1.5.0"}  # of the demo; of the rest


def table_path(folder: Path, table: str) -> Path:
    """Return the file of a table in a folder; InputError where there is none, or two."""
    found = [path for ending in ENDINGS if (path := Path(folder) / f"{table}{ending}").is_file()]
    if not found:
        raise InputError(
            f"neither {table}.csv nor {table}.csv.gz is there",
            file=folder,
            remedy="put the publisher's MIMIC-III tables into one folder and name it in raw.path",
        )
    if len(found) > 1:
        raise InputError(
            f"{found[0].name} and {found[1].name} are both there",
            file=folder,
            remedy="remove one: which of them counts would be a guess",
        )
    return found[0]


def local_tables(folder: Path, tables: Sequence[str]) -> list[str]:
    """Return the names of the tables' files in a local folder."""
    return [table_path(folder, table).name for table in tables]


def published_tables(published: Collection[str], tables: Sequence[str]) -> list[str]:
    """Return the tables' files in a publisher's list; a table that it lacks is returned as `.csv`, to be missed."""
    return [
        next((name for ending in ENDINGS if (name := f"{table}{ending}") in published), f"{table}.csv")
        for table in tables
    ]


def is_demo(folder: Path) -> bool:
    """Return whether the patients are the open demo's: PATIENTS, unpacked, has the publisher's checksum.

    Anything else counts as credentialed, so that a damaged or cut demo is shown too little, never real patients too
    much.
    """
    path = table_path(folder, "PATIENTS")
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == DEMO_PATIENTS


@contextmanager
def connect() -> Iterator:
    """Yield a DuckDB connection of its own, in memory: one thread, no spilling, no extension fetched."""
    import duckdb

    settings = {
        "threads": 1,
        "memory_limit": MEMORY,
        "temp_directory": "",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        # DuckDB cannot know how long a CSV is, takes it for short and would keep it in memory to join it with a short
        # table: joins are to be made as they are written, the short table on the right.
        "disabled_optimizers": "join_order,build_side_probe_side",
    }
    with duckdb.connect(":memory:", config=settings) as connection:
        yield connection


def scan(connection, path: Path, types: Mapping[str, str], query: str, parameters: Sequence = ()):
    """Run a query over a table's file, which it names as `scanned`, and return DuckDB's result.

    Args:
        connection: of `connect`.
        path: the file.
        types: DuckDB type, or a kind of `mimic3_cells.KINDS`, of each column that the query uses, named in small
            letters; the others are not read.
        query: SQL.
        parameters: of the query's `?`.

    Raises:
        InputError: a column is missing or there twice, a line has another number of cells, a cell is not of its type,
            or the file is damaged. It names file and line, and shows no cell: these may be patients' data.
    """
    import duckdb

    header = _header(path, types)
    columns = {name: stored_as(types.get(name.lower(), "VARCHAR")) for name in header}
    chosen = ", ".join(selected(column, kind) for column, kind in types.items())
    connection.execute("DROP VIEW IF EXISTS scanned")
    dialect = "header = true, auto_detect = false, delim = ',', quote = '\"', escape = '\"', strict_mode = true"
    try:
        connection.execute(
            f"CREATE VIEW scanned AS SELECT {chosen} "
            f"FROM read_csv({_text(path)}, {dialect}, columns = {_struct(columns)})"
        )
        return connection.execute(query, parameters)
    except duckdb.OutOfMemoryException:
        raise InputError(
            f"more than {MEMORY} of memory is needed", file=path, remedy="use a smaller part of the tables"
        ) from None
    except duckdb.Error as error:
        refuse_wrong_cell(path, types)
        raise _bad_file(path, str(error)) from None


def refuse_twice(connection, path: Path, table: str, column: str) -> None:
    """Refuse a table of DuckDB's, read from `path`, in which two rows have the same id in a column of ids.

    Joined, a doubled row would double every row that belongs to it.
    """
    found = connection.execute(
        f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT 1"
    ).fetchone()
    if found:
        refuse_second(path, column, found[0])


def partnerless(connection, *joins: tuple[str, str, str]) -> dict[str, int]:
    """Return how many rows of a table have no partner in another, and so are in no join of the two; zeros left out.

    Args:
        joins: table, the other table, and the columns that join them, as SQL lists them.
    """
    found = {}
    for table, other, columns in joins:
        query = f"SELECT count(*) FROM {table} ANTI JOIN {other} USING ({columns})"
        if count := connection.execute(query).fetchone()[0]:
            found[f"{table} without {other}"] = count
    return found


def make_table(connection, name: str, types: Mapping[str, str], rows: Sequence[Sequence]) -> None:
    """Make a table of rows that Python has (one or more), in one statement: inserting row by row is slow in DuckDB."""
    columns = ", ".join(f"unnest(?::{kind}[]) AS {column}" for column, kind in types.items())
    connection.execute(f"CREATE TABLE {name} AS SELECT {columns}", [list(column) for column in zip(*rows, strict=True)])


def _header(path: Path, wanted: Collection[str]) -> list[str]:
    """Return the names of a file's columns, as they stand there; those wanted, in small letters, must be there once."""
    try:
        with open_text(path) as lines:
            header = next(csv.reader(lines), [])
    except csv.Error as error:
        raise InputError(f"not a CSV table ({error})", file=path, place="line 1", remedy=REMEDY) from None
    names = [name.lower() for name in header]
    for problem, columns in (
        ("no column", [name for name in sorted(wanted) if name not in names]),
        ("two columns", sorted({name for name in names if names.count(name) > 1})),
    ):
        if columns:
            raise InputError(
                f"{problem} {', '.join(columns)}",
                file=path,
                place="line 1",
                remedy="use the publisher's tables of MIMIC-III version 1.4",
            )
    return header


def _bad_file(path: Path, message: str) -> InputError:
    """Return the error of a file that DuckDB refuses; of its message only what holds no cell is kept."""
    line = re.search(r"Line: (\d+)", message)
    cell = re.search(r'converting column "(\w+)".*?to \'(\w+)', message, re.DOTALL)
    cells = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", message)
    if cell:
        problem = f"column {cell[1]}: a cell is no {cell[2].lower()}"
    elif cells:
        problem = f"{cells[2]} columns instead of {cells[1]}"
    else:
        problem = "not a CSV file as the publisher writes it, or a damaged one"
    return InputError(
        problem,
        file=path,
        place=f"line {line[1]}" if line else "",
        remedy=REMEDY,
    )


def _text(value: object) -> str:
    """Return an SQL string."""
    return "'" + str(value).replace("'", "''") + "'"


def _struct(columns: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{_text(name)}: {_text(kind)}" for name, kind in columns.items()) + "}"
