"""What all generators of tables do alike: check what they learn from, encode cells, write them as they may be.

Cells are those of `medpriv.synthesis.schema`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.errors import InputError
from medpriv.synthesis.schema import Field, Schema

MOST_DECIMALS = 6  # of a number whose decimals are read off the table; one with more is not rounded


def gaps_of(cells: np.ndarray, schema: Schema) -> np.ndarray:
    """Return bool [n, V + 1]: where cells are gaps."""
    return np.where(schema.numbers, np.isnan(cells), cells < 0)


def check_tables(tables: Sequence[np.ndarray], schema: Schema, generator: str, least: int = 2) -> None:
    """Refuse tables that no generator can learn from.

    A constant column, one of gaps alone, and levels that no row has are learnt as they are: the first two come back
    the same, such a level never.

    Raises:
        InputError: fewer than `least` rows, another number of columns, a cell that its column can't have, or a gap in
            the label.
    """
    for place, cells in enumerate(tables):
        where = {"file": f"synthetic-{generator}", "place": f"table of replicate {place}"}
        if cells.ndim != 2 or cells.shape[1] != len(schema):
            raise InputError(
                f"cells {list(cells.shape)} where there are {len(schema)} columns",
                **where,
                remedy="preprocess the dataset again",
            )
        if len(cells) < least:
            raise InputError(
                f"{len(cells)} rows, of which nothing but themselves can be learnt",
                **where,
                remedy=f"train on at least {least} rows: take more patients, or leave the generator out",
            )
        for field, column in zip(schema.fields, cells.T, strict=True):
            _check_column(field, column, last=field is schema.fields[-1], where=where)


def _check_column(field: Field, column: np.ndarray, last: bool, where: dict[str, str]) -> None:
    if field.number:
        bad, wrong = np.isinf(column), "a value is not a finite number"
    else:
        bad = ~np.isin(column, np.arange(0 if last else -1, len(field.levels)))
        wrong = "a row has none" if last and (column == -1).any() else f"none of its {len(field.levels)} levels"
    if bad.any():
        row = int(np.argmax(bad))
        file = where["file"]
        raise InputError(
            f"column {field.name}, row {row}: {wrong} ({column[row]})",
            file=file,
            place=where["place"],
            remedy="mend the cell in the source, or leave its row or its column out, and preprocess again",
        )


def finish(cells: np.ndarray, schema: Schema, learnt: np.ndarray) -> np.ndarray:
    """Return the cells as they may be written: numbers inside the public range, with as many decimals as they have.

    Args:
        cells: float64 [S, V + 1]; gaps stay.
        schema: its ranges and decimals.
        learnt: cells of the rows that the generator learnt from; where the schema is silent, numbers have no more
            decimals than these.
    """
    cells = cells.copy()
    for place, field in enumerate(schema.fields):
        if not field.number:
            continue
        decimals = field.decimals if field.decimals is not None else decimals_of(learnt[:, place])
        if decimals is not None:
            cells[:, place] = np.round(cells[:, place], decimals)
        cells[:, place] = np.clip(cells[:, place], field.lower, field.upper)
    return cells + 0.0  # no negative zero


def decimals_of(column: np.ndarray) -> int | None:
    """Return how many decimals, at most `MOST_DECIMALS`, write all numbers of a column; None if they have more."""
    there = column[~np.isnan(column)]
    for decimals in range(MOST_DECIMALS + 1):
        if np.allclose(np.round(there, decimals), there, rtol=1e-12, atol=0):
            return decimals
    return None


@dataclass(frozen=True)
class Encoding:
    """Columns as features, standardised by the rows that it was made of.

    A number is one feature in standard deviations, 0 for a gap, and a second that says so where any is missing; a
    category is one feature a level of those rows, and one for the gap. A level that they lack is zeros.

    Attributes:
        numbers: of each column whether it is a number.
        centre, scale: float64 [V + 1]; 0 and 1 of categories.
        states: of each category its levels (-1: the gap) that occur; of a number (-1,) if it has gaps, else nothing.
    """

    numbers: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    states: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, cells: np.ndarray, schema: Schema) -> "Encoding":
        """Return the encoding that rows [n, V + 1] ask for."""
        centre, scale, states = np.zeros(len(schema)), np.ones(len(schema)), []
        for place, field in enumerate(schema.fields):
            column = cells[:, place]
            if not field.number:
                states.append(tuple(np.unique(column).astype(int).tolist()))
                continue
            there = column[~np.isnan(column)]
            states.append((-1,) if len(there) < len(column) else ())
            if len(there):
                centre[place], scale[place] = there.mean(), there.std() or 1.0
        return cls(schema.numbers, centre, scale, tuple(states))

    def column(self, place: int, cells: np.ndarray) -> np.ndarray:
        """Return the features of a column's cells [n], float64 [n, features of it]."""
        if not self.numbers[place]:
            return (cells[:, None] == np.array(self.states[place])).astype(float)
        value = (cells - self.centre[place]) / self.scale[place]
        gap = np.isnan(value)
        features = [np.where(gap, 0.0, value), *([gap.astype(float)] if self.states[place] else [])]
        return np.stack(features, axis=1)

    def features(self, cells: np.ndarray) -> np.ndarray:
        """Return the features of cells [n, V + 1], float64 [n, all features]."""
        return np.concatenate([self.column(place, column) for place, column in enumerate(cells.T)], axis=1)
