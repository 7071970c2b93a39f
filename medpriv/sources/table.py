"""Your own table: one CSV with a header, a row a record, with whatever columns the settings name.

docs/data/own-table.md shows how to use it. Such a table is always treated as credentialed: no report shows a row of it.
"""

import csv
import difflib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.files import sha256
from medpriv.seeds import generator
from medpriv.sources.manifest import MANIFEST, verify_raw
from medpriv.sources.tabular import centre_and_scale, check_classes, impute, stratified_split

LICENCE = "its owner's; not stated"
MISSING = ("", "?", "NA")


def local_files(path: Path) -> list[str]:
    """Return the name of the one CSV file that `path` is."""
    if not (path.is_file() and path.suffix == ".csv"):
        raise InputError("not a .csv file", file=path, remedy="set raw.path to your table, a file that ends in .csv")
    return [path.name]


def parse(name: str, folder: Path, settings: dict, seed: int) -> Dataset:
    """Make the dataset from a raw folder with one CSV file.

    Args:
        name: the dataset's name in the config.
        folder: the raw folder, with its manifest.
        settings: the `preprocess` section: columns `label`, `patient`, `site` (either may be None), lists of columns
            `groups`, `categorical` and `ignore`, and `test_fraction`.
        seed: the root seed; it decides the split, by patient, stratified by site and label of a patient's first row.

    Raises:
        InputError: the file is not a table, lacks a column named in the settings, or a cell cannot be used.
    """
    manifest = verify_raw(folder)
    path = Path(folder) / next(iter(manifest["files"]))
    table = _read(path)
    _check_columns(path, table, settings)
    label, patient, site = settings["label"], settings["patient"], settings["site"]
    classes, y = _index(_whole(path, table, label), key=_numbers_first)
    rows = [f"row-{row:05d}" for row in range(1, len(y) + 1)]
    patients, owner = _index(_whole(path, table, patient) if patient else rows)
    sites, place = _index(_whole(path, table, site) if site else ["all"] * len(y))
    _, first = np.unique(owner, return_index=True)  # each patient's first row
    strata = place[first] * len(classes) + y[first]
    split = stratified_split(strata, settings["test_fraction"], generator(seed, name, "split"))
    train = (split == TRAIN)[owner]
    check_classes(y, ~train, classes, path, f"column {label}")

    beside = {label, patient, site, *settings["ignore"], *settings["categorical"]}
    numeric = [column for column in table if column not in beside]
    numbers = np.array([_numbers(path, table, column) for column in numeric]).reshape(len(numeric), len(y)).T
    numbers, missing, imputed = impute(numbers, train, numeric, (), path)
    coded = {column: _one_hot(table[column], train) for column in settings["categorical"]}
    x = np.column_stack([numbers, *(columns for _, columns in coded.values())])  # [N, F]
    onehot = {f"{column}={level}": f"onehot:{column}" for column, (levels, _) in coded.items() for level in levels}
    features = (*numeric, *onehot)
    if not features:
        raise InputError("no column is left to learn from", file=path, remedy="shorten preprocess.ignore")
    centre, scale = centre_and_scale(x, train)
    return Dataset(
        name=name,
        x=x.astype(np.float32),
        y=y,
        patient=owner.astype(np.int32),
        site=place.astype(np.int32),
        split=split,
        centre=centre,
        scale=scale,
        patients=tuple(patients),
        sites=tuple(sites),
        classes=tuple(classes),
        features=features,
        units=("",) * len(features),
        licence=manifest["licence"],
        source=manifest["source"],
        digest=sha256(Path(folder) / MANIFEST),
        groups={column: _group(path, table, column, owner, first) for column in settings["groups"]},
        notes={"rows": len(y), "test_patients": int(np.sum(split == TEST)), "missing_cells": missing}
        | {"imputed_with": imputed, "kinds": dict.fromkeys(numeric, "number") | onehot},
        credentialed=True,
    )


def _read(path: Path) -> dict[str, list[str]]:
    """Return the cells of each column, as text without outer blanks."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = [cell.strip() for cell in next(reader, [])]
            rows = []
            for row in reader:
                if row and len(row) != len(header):
                    raise InputError(
                        f"{len(row)} columns instead of {len(header)}",
                        file=path,
                        place=f"line {reader.line_num}",
                        remedy="give every line as many cells as the header, and quote cells that hold a comma",
                    )
                rows += [[cell.strip() for cell in row]] if row else []
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"not a UTF-8 CSV file: {error}", file=path, remedy="save the table as CSV, UTF-8") from None
    if twice := sorted({column for column in header if header.count(column) > 1}):
        raise InputError(f"columns named twice: {', '.join(twice)}", file=path, place="line 1", remedy="rename one")
    if not rows:
        raise InputError("the table has no rows", file=path, remedy="give it a header line and a line a record")
    return dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))


def _check_columns(path: Path, table: dict[str, list[str]], settings: dict) -> None:
    """Refuse settings that name a column which the table lacks."""
    lists = [column for key in ("groups", "categorical", "ignore") for column in settings[key]]
    for column in (settings["label"], settings["patient"], settings["site"], *lists):
        if column is not None and column not in table:
            near = difflib.get_close_matches(column, table, n=1)
            raise InputError(
                f"no column {column}",
                file=path,
                place="line 1",
                remedy=f"did you mean {near[0]}?" if near else f"name one of {', '.join(table)} (comma-separated)",
            )


def _bad_cell(path: Path, row: int, column: str, problem: str, remedy: str) -> InputError:
    """Return the error of one cell; rows count from 1, below the header."""
    return InputError(problem, file=path, place=f"row {row + 1}, column {column}", remedy=remedy)


def _whole(path: Path, table: dict[str, list[str]], column: str) -> list[str]:
    """Return a column that must have no gap."""
    for row, cell in enumerate(table[column]):
        if cell in MISSING:
            raise _bad_cell(path, row, column, "a missing value that must not be", "fill it in, or remove the row")
    return [_plain(cell) for cell in table[column]]


def _plain(cell: str) -> str:
    """Return a name that can stand in a measure's group, whose syntax is `key=value,key=value`."""
    return cell.replace(",", ";").replace("=", ":")


def _numbers(path: Path, table: dict[str, list[str]], column: str) -> list[float]:
    """Return a column as numbers, NaN where a value is missing."""
    values = []
    for row, cell in enumerate(table[column]):
        try:
            value = np.nan if cell in MISSING else float(cell)
            usable = cell in MISSING or abs(value) < float(np.finfo(np.float32).max)
        except ValueError:
            usable = False
        if not usable:
            remedy = "correct it, leave it empty, or name the column under preprocess.categorical or .ignore"
            raise _bad_cell(path, row, column, "not a number", remedy)
        values.append(value)
    return values


def _numbers_first(text: str) -> tuple:
    """Sort numbers by value, before words: 2 before 10."""
    try:
        return (0, float(text), text)
    except ValueError:
        return (1, 0.0, text)


def _index(cells: Sequence[str], key: Callable | None = None) -> tuple[list[str], np.ndarray]:
    """Return the distinct texts, sorted, and int64 [N]: the place of each cell among them."""
    names = sorted(set(cells), key=key)
    place = {name: index for index, name in enumerate(names)}
    return names, np.array([place[cell] for cell in cells], dtype=np.int64)


def _one_hot(cells: Sequence[str], train: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Return the levels seen in training rows and float64 [N, levels]; a missing or unseen level is a row of zeros."""
    levels = sorted({cell for cell, seen in zip(cells, train, strict=True) if seen} - set(MISSING))
    return levels, np.array([[float(cell == level) for level in levels] for cell in cells])


def _group(
    path: Path, table: dict[str, list[str]], column: str, owner: np.ndarray, first: np.ndarray
) -> tuple[str, ...]:
    """Return each patient's value of a group column; a patient with two values is refused."""
    cells = table[column]
    for row, patient in enumerate(owner):
        if cells[row] != cells[first[patient]]:
            problem = f"another value than in row {first[patient] + 1} of the same patient"
            remedy = "a group is one value a patient: correct it, or take the column out of preprocess.groups"
            raise _bad_cell(path, row, column, problem, remedy)
    return tuple("unknown" if cells[row] in MISSING else _plain(cells[row]) for row in first)
