"""What the formats of tables share: the split, the columns, the imputation and the scaling of a patients' table.

Whatever is fitted here is fitted on training rows only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np

from medpriv.dataset import TEST, TRAIN
from medpriv.errors import InputError
from medpriv.records.tables import Column, Table


@dataclass(frozen=True)
class Entry:
    """What a publisher's data dictionary says of a column, whatever its rows hold.

    Attributes:
        lower, upper, decimals: of a number; None where nothing is said.
        codes: of `binary` and `code`, the numbers that may stand there.
        complete: whether it never has a gap.
    """

    lower: float | None = None
    upper: float | None = None
    decimals: int | None = None
    codes: tuple[float, ...] = ()
    complete: bool = False


YES_OR_NO = Entry(codes=(0, 1))
ALWAYS_YES_OR_NO = Entry(codes=(0, 1), complete=True)


def stratified_split(strata: np.ndarray, test_fraction: float, rng: np.random.Generator) -> np.ndarray:
    """Return uint8 [P]: `TEST` for the share asked for of the patients, within one patient of it in each stratum.

    The patients, shuffled and sorted by stratum, stand in one row; every (1 / test_fraction)-th is a test patient.

    Args:
        strata: int [P], the stratum (hospital and label) of each patient.
        test_fraction: share of test patients.
        rng: decides the order within a stratum and where in the row the count begins.
    """
    order = rng.permutation(len(strata))
    order = order[np.argsort(strata[order], kind="stable")]
    passed = np.floor(np.arange(len(strata) + 1) * test_fraction + rng.random())
    split = np.full(len(strata), TRAIN, dtype=np.uint8)
    split[order[np.diff(passed) > 0]] = TEST
    return split


def check_classes(y: np.ndarray, test: np.ndarray, classes: Sequence[str], file: Path, place: str) -> None:
    """Refuse one class alone, and a split in which some have no training or no test record: all of them, up to ten.

    Args:
        y: int [N].
        test: bool [N].
        classes: their names.
        file, place: what to name in an error.
    """
    if len(classes) < 2:
        raise InputError(
            "one class only, so there is nothing to learn",
            file=file,
            place=place,
            remedy="add patients of another class",
        )
    missing = [
        f"no {part} record of class {name} ({np.sum(y == index)} in all)"
        for index, name in enumerate(classes)
        for rows, part in ((~test, "training"), (test, "test"))
        if not np.any((y == index) & rows)
    ]
    if missing:
        raise InputError(
            ", ".join(missing[:10]) + (f" and {len(missing) - 10} more" if len(missing) > 10 else ""),
            file=file,
            place=place,
            remedy="add patients of such a class, join it with another, or change preprocess.test_fraction",
        )


def make_table(
    columns: Mapping[str, Sequence[float]],
    kinds: Mapping[str, str],
    units: Mapping[str, str],
    train: np.ndarray,
    file: Path,
    levels: Mapping[str, Sequence[str]] | None = None,
    **about: object,
) -> tuple[Table, dict[str, object]]:
    """Return the table of some columns, and the notes about their gaps.

    Gaps get the median of the training rows, in coded columns their most frequent code.

    Args:
        columns: N numbers by name, NaN where a value is missing.
        kinds: what each is: `number`, `binary`, `code`, or `onehot:<variable>` for one of the 0s and 1s of a variable.
        units: of each.
        train: bool [N].
        file: what to name in an error.
        levels: of a column that holds places in a list of names, the list.
        about: of `describe_columns`.

    Raises:
        InputError: a column has no value among the training rows.
    """
    x = np.column_stack(list(columns.values()))
    coded = [column for column, kind in kinds.items() if kind != "number"]
    fill = fills(x, train, tuple(columns), coded, file)
    whole, missing, imputed = impute(x, fill, tuple(columns))
    described, raw = describe_columns(columns, kinds, units, levels or {}, fill, **about)
    return Table(described, raw, *centre_and_scale(whole, train)), {"missing_cells": missing, "imputed_with": imputed}


def describe_columns(
    columns: Mapping[str, Sequence[float]],
    kinds: Mapping[str, str],
    units: Mapping[str, str],
    levels: Mapping[str, Sequence[str]],
    fill: np.ndarray,
    references: Mapping[str, str] | None = None,
    quasi_identifiers: Sequence[str] = (),
    known_hours: Mapping[str, float] | None = None,
    measured: Mapping[str, str] | None = None,
    dictionary: Mapping[str, Entry] | None = None,
) -> tuple[tuple[Column, ...], np.ndarray]:
    """Return what a table's columns are, those of a one-hot variable made one, and their cells float64 [N, V].

    Args:
        columns, kinds, units, levels: as in `make_table`.
        fill: float64 [F], what each column's gaps get.
        references: of a one-hot variable, the level of the rows with zeros alone.
        quasi_identifiers: columns that others may know of a person.
        known_hours: when a column is known, hours after the outcome.
        measured: of a column with gaps, the one that is 0 where it has them.
        dictionary: what is known of columns (one-hot: of the variable) beforehand; of others, levels are the rows' own.
    """
    described, raw, names = [], [], list(columns)
    for name, group in groupby(names, key=lambda name: _variable_of(name, kinds[name])):
        features = tuple(group)
        cells = np.column_stack([np.asarray(columns[feature], float) for feature in features])
        entry = (dictionary or {}).get(name, Entry())
        if kinds[features[0]].startswith("onehot:"):
            column, held = _onehot_column(name, features, cells, (references or {}).get(name))
        else:
            about = {"kind": kinds[name], "unit": units.get(name, ""), "fill": float(fill[names.index(name)])}
            column, held = _plain_column(name, cells[:, 0], levels.get(name), entry.codes, about)
        described.append(
            replace(
                column,
                quasi_identifier=features[0] in quasi_identifiers,
                known_hours=(known_hours or {}).get(features[0]),
                measured=(measured or {}).get(name, ""),
                lower=entry.lower,
                upper=entry.upper,
                decimals=entry.decimals,
                declared=column.kind != "number" and name in (dictionary or {}),
                complete=entry.complete,
            )
        )
        raw.append(held)
    return tuple(described), np.column_stack(raw)


def measured_by(columns: Iterable[str]) -> dict[str, str]:
    """Return of each summary `<variable>_<summary>` the column that says whether, or how often, it was measured."""
    names, found = tuple(columns), {}
    for name in names:
        variable = name.rpartition("_")[0]
        counters = (f"{variable}_count", f"{variable}_measured")
        if name not in counters and (told := [counter for counter in counters if counter in names]):
            found[name] = told[0]
    return found


def _variable_of(feature: str, kind: str) -> str:
    """Return the variable that a feature belongs to: its own name unless it is one-hot."""
    return kind.removeprefix("onehot:") if kind.startswith("onehot:") else feature


def _onehot_column(
    name: str, features: tuple[str, ...], cells: np.ndarray, reference: str | None
) -> tuple[Column, np.ndarray]:
    """Return a one-hot variable of 0s and 1s [N, levels] as a column; a level's name is what its feature adds."""
    if not np.isin(cells, (0, 1)).all() or (cells.sum(axis=1) > 1).any():
        raise ValueError(f"the features of {name} are not one 1 at most, among zeros")
    levels = tuple(feature.removeprefix(name)[1:] or feature for feature in features)
    held = np.where(cells.any(axis=1), cells.argmax(axis=1), -1)
    if reference is None:
        return Column(name, "onehot", levels=levels, features=features), held.astype(float)
    column = Column(name, "onehot", levels=(reference, *levels), features=("", *features), reference=0)
    return column, held + 1.0


def _plain_column(
    name: str, cells: np.ndarray, levels: Sequence[str] | None, known: Sequence[float], about: dict
) -> tuple[Column, np.ndarray]:
    """Return a number, or codes float64 [N] as the places of their levels, as a column of one feature.

    Args:
        known: the codes that may stand there; none: those that do.
    """
    if about["kind"] == "number":
        return Column(name, **about), cells
    codes = np.array(known, float) if known else np.unique(cells[~np.isnan(cells)])
    codes = codes if levels is None else np.arange(float(len(levels)))
    names = tuple(f"{code:g}" for code in codes) if levels is None else tuple(levels)
    held = np.where(np.isnan(cells), -1, np.searchsorted(codes, cells))
    about |= {"fill": float(np.searchsorted(codes, about["fill"]))}
    return Column(name, **about, levels=names, codes=tuple(codes.tolist())), held.astype(float)


def fills(x: np.ndarray, train: np.ndarray, columns: Sequence[str], coded: Sequence[str], file: Path) -> np.ndarray:
    """Return float64 [F], what gaps get: the median of the training rows, in coded columns their most frequent code.

    Args:
        x: float64 [N, F], NaN where a value is missing.
        train: bool [N].
        columns: the F names.
        coded: those whose numbers are codes, between which there is nothing.
        file: what to name in an error.

    Raises:
        InputError: columns have no value among the training rows.
    """
    valued = (~np.isnan(x[train])).any(axis=0)
    if empty := [column for column, value in zip(columns, valued, strict=True) if not value]:
        raise InputError(
            "no training patient has a value",
            file=file,
            place=f"column{'s' if len(empty) > 1 else ''} {', '.join(empty)}",
            remedy="add patients in whom it was measured, or leave the column out",
        )
    found = np.empty(x.shape[1])
    for position, column in enumerate(columns):
        seen = x[train, position]
        seen = seen[~np.isnan(seen)]
        if column in coded:
            codes, counts = np.unique(seen, return_counts=True)
            found[position] = codes[counts.argmax()]
        else:
            found[position] = np.median(seen)
    return found


def impute(
    x: np.ndarray, fill: np.ndarray, columns: Sequence[str]
) -> tuple[np.ndarray, dict[str, int], dict[str, float]]:
    """Return x float64 [N, F] without gaps, the number of gaps of each column, and what those that have any got."""
    gaps = np.isnan(x)
    missing = {column: int(count) for column, count in zip(columns, gaps.sum(axis=0), strict=True)}
    filled = {column: float(value) for column, value in zip(columns, fill, strict=True) if missing[column]}
    return np.where(gaps, fill, x), missing, filled


def centre_and_scale(x: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of the training rows, float32 [F]; scale 1 where nothing varies.

    The deviation itself doesn't tell: that of 0.1, 0.1, 0.1 is 1e-17, and another value of a test row would be huge.
    """
    mean, varies = x[train].mean(axis=0), np.ptp(x[train], axis=0) > 0
    return mean.astype(np.float32), np.where(varies, x[train].std(axis=0), 1).astype(np.float32)
