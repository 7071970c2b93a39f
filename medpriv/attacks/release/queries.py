"""The score of a record from marginal counts, as TAPAS asks for them (Houssiau et al. 2022); higher: a member.

A query is a set of one to four columns; its answer about a record is how many rows agree with the record there, numbers
by the reference's quarters. The score is the mean over the queries, drawn once for all releases, of
log((c_S + 1/2) / (n + 1)) - log((c_R + 1/2) / (M + 1)), with c_S and c_R the counts among the released rows and the
reference.
"""

from dataclasses import dataclass

import numpy as np

from medpriv.attacks.release.released import Asked
from medpriv.synthesis.schema import Schema

WIDEST = 4  # columns of a query
QUARTERS = np.array([0.25, 0.5, 0.75])
CELLS = 100_000  # that a query's columns may have together


@dataclass(frozen=True)
class Queries:
    """Marginal queries and what the records' answers are in the reference.

    Attributes:
        schema: the columns.
        cuts: of each column, where numbers are cut, [<= 3]; empty of categories.
        columns: of each query.
        places: of each query, the cell that each record lies in, int [N].
        expected: of each query, the log of the smoothed share of the reference in that cell, [N].
    """

    schema: Schema
    cuts: tuple[np.ndarray, ...]
    columns: tuple[np.ndarray, ...]
    places: tuple[np.ndarray, ...]
    expected: tuple[np.ndarray, ...]

    @classmethod
    def draw(cls, asked: Asked, count: int, rng: np.random.Generator) -> "Queries":
        """Draw so many queries, and answer them about every record in the reference without its patient."""
        schema = asked.encoding.schema
        cuts = tuple(_cuts(asked.cells[asked.reference, place], number) for place, number in enumerate(schema.numbers))
        sizes = np.array([_states(schema, cuts, place) for place in range(len(schema))])
        columns = tuple(_some_columns(sizes, rng) for _ in range(count))
        codes = _codes(schema, cuts, asked.cells)
        places = tuple(_cell(codes, sizes, chosen) for chosen in columns)
        own = np.nonzero(asked.own(asked.reference))
        expected = tuple(
            _expected(cell, asked, own, int(np.prod(sizes[chosen])))
            for cell, chosen in zip(places, columns, strict=True)
        )
        return cls(schema, cuts, columns, places, expected)

    def score(self, cells: np.ndarray) -> np.ndarray:
        """Return the scores [N] of the records beside released rows, cells [n, V + 1]."""
        sizes = np.array([_states(self.schema, self.cuts, place) for place in range(len(self.schema))])
        codes = _codes(self.schema, self.cuts, cells)
        total = 0.0
        for chosen, places, expected in zip(self.columns, self.places, self.expected, strict=True):
            counts = np.bincount(_cell(codes, sizes, chosen), minlength=int(np.prod(sizes[chosen])))
            total = total + np.log((counts + 0.5) / (len(cells) + 1))[places] - expected
        return total / len(self.columns)


def _cuts(values: np.ndarray, number: bool) -> np.ndarray:
    known = values[~np.isnan(values)]
    return np.unique(np.quantile(known, QUARTERS)) if number and len(known) else np.empty(0)


def _states(schema: Schema, cuts: tuple[np.ndarray, ...], place: int) -> int:
    """Return how many values a column has in queries, a gap among them."""
    field = schema.fields[place]
    return (len(cuts[place]) + 1 if field.number else len(field.levels)) + 1


def _codes(schema: Schema, cuts: tuple[np.ndarray, ...], cells: np.ndarray) -> np.ndarray:
    """Return int [rows, V + 1]: each cell's value in queries, 0 for a gap."""
    codes = np.empty(cells.shape, np.int64)
    for place, field in enumerate(schema.fields):
        values = cells[:, place]
        codes[:, place] = np.searchsorted(cuts[place], values, side="right") + 1 if field.number else values + 1
        codes[np.isnan(values), place] = 0
    return codes


def _some_columns(sizes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return one to `WIDEST` columns, fewer where they would have too many cells together."""
    width = min(int(rng.integers(1, WIDEST + 1)), len(sizes))
    chosen = rng.choice(len(sizes), width, replace=False)
    return chosen[: max(1, int((np.cumprod(sizes[chosen]) <= CELLS).sum()))]


def _cell(codes: np.ndarray, sizes: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the place of each row's values in the chosen columns, int [rows]."""
    return np.ravel_multi_index(tuple(codes[:, chosen].T), tuple(sizes[chosen]))


def _expected(cell: np.ndarray, asked: Asked, own: tuple[np.ndarray, np.ndarray], size: int) -> np.ndarray:
    """Return the log of the share of the reference in each record's cell, [N], without its patient's `own` pairs."""
    inside = cell[asked.reference]
    counts = np.bincount(inside, minlength=size)[cell].astype(np.float64)
    rows = np.full(len(cell), asked.outside)
    counts[asked.reference] -= np.bincount(own[0], inside[own[0]] == inside[own[1]], len(inside))
    rows[asked.reference] -= np.bincount(own[0], minlength=len(inside))
    return np.log((counts + 0.5) / (rows + 1))
