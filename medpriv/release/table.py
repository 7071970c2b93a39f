"""A synthetic table as a CSV file: the source's names and levels, as `format: table` reads an own table."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from medpriv.files import replacing
from medpriv.synthesis.schema import Field, Schema


def texts_of(schema: Schema, cells: np.ndarray) -> Iterator[list[str]]:
    """Yield each row's cells as text: numbers with the decimals of the data dictionary, else as exactly as they are.

    Args:
        schema: of the V + 1 columns.
        cells: float64 [n, V + 1]; a gap becomes an empty text.
    """
    columns = [_column(field, own) for field, own in zip(schema.fields, cells.T, strict=True)]
    yield from (list(row) for row in zip(*columns, strict=True))


def write_table(path: Path | str, schema: Schema, cells: np.ndarray) -> None:
    """Write a synthetic table as CSV, UTF-8, a comma between cells, under the source's names, the label last.

    Args:
        path: the file.
        schema, cells: of `texts_of`.
    """
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([field.written for field in schema.fields])
        writer.writerows(texts_of(schema, cells))


def _column(field: Field, cells: np.ndarray) -> list[str]:
    if not field.number:
        return [field.texts[int(cell)] if cell >= 0 else "" for cell in cells]
    return ["" if np.isnan(cell) else _number(float(cell), field.decimals) for cell in cells]


def _number(value: float, decimals: int | None) -> str:
    if decimals is None:
        return np.format_float_positional(value, trim="-") if abs(value) < 1e15 else repr(value)
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text
