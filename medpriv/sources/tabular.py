"""What the formats of tables share: the split, the imputation and the scaling of a patients' table.

Whatever is fitted here is fitted on training rows only.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from medpriv.dataset import TEST, TRAIN
from medpriv.errors import InputError


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


def fill_and_scale(
    columns: Mapping[str, Sequence[float]], kinds: Mapping[str, str], train: np.ndarray, file: Path
) -> tuple[dict[str, object], dict[str, object]]:
    """Return what a dataset holds of its columns (`x`, `centre`, `scale`, `features`), and the notes about them.

    Args:
        columns: N numbers by name, NaN where a value is missing.
        kinds: what each column is (`medpriv.variables`); all but numbers are imputed as codes.
        train: bool [N].
        file: what to name in an error.

    Raises:
        InputError: a column has no value among the training rows.
    """
    coded = [column for column, kind in kinds.items() if kind != "number"]
    x, missing, imputed = impute(np.column_stack(list(columns.values())), train, tuple(columns), coded, file)
    centre, scale = centre_and_scale(x, train)
    held = {"x": x.astype(np.float32), "centre": centre, "scale": scale, "features": tuple(columns)}
    return held, {"missing_cells": missing, "imputed_with": imputed, "kinds": dict(kinds)}


def impute(
    x: np.ndarray, train: np.ndarray, columns: Sequence[str], coded: Sequence[str], file: Path
) -> tuple[np.ndarray, dict[str, int], dict[str, float]]:
    """Return x without gaps: the median of the training rows, in coded columns their most frequent code.

    Args:
        x: float64 [N, F], NaN where a value is missing.
        train: bool [N].
        columns: the F names.
        coded: those whose numbers are codes, between which there is nothing.
        file: what to name in an error.

    Returns:
        x [N, F]; the number of gaps of each column; the value that each column's gaps got, if it has any.

    Raises:
        InputError: columns have no value among the training rows.
    """
    x, missing, filled = x.copy(), {}, {}
    valued = (~np.isnan(x[train])).any(axis=0)
    if empty := [column for column, value in zip(columns, valued, strict=True) if not value]:
        raise InputError(
            "no training patient has a value",
            file=file,
            place=f"column{'s' if len(empty) > 1 else ''} {', '.join(empty)}",
            remedy="add patients in whom it was measured, or leave the column out",
        )
    for position, column in enumerate(columns):
        gaps = np.isnan(x[:, position])
        seen = x[train & ~gaps, position]
        if column in coded:
            codes, counts = np.unique(seen, return_counts=True)
            fill = codes[counts.argmax()]
        else:
            fill = np.median(seen)
        missing[column] = int(gaps.sum())
        if gaps.any():
            x[gaps, position] = fill
            filled[column] = float(fill)
    return x, missing, filled


def centre_and_scale(x: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of the training rows, float32 [F]; scale 1 where nothing varies.

    The deviation itself doesn't tell: that of 0.1, 0.1, 0.1 is 1e-17, and another value of a test row would be huge.
    """
    mean, varies = x[train].mean(axis=0), np.ptp(x[train], axis=0) > 0
    return mean.astype(np.float32), np.where(varies, x[train].std(axis=0), 1).astype(np.float32)
