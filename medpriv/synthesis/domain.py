"""Cells of a table as codes of a finite domain, and back, by public ranges alone: no row has a say in it.

A number's range is cut into bins of equal width; a category's levels are its codes; of a column that may have gaps, the
last code is the gap. Where decimals are known, the values that can be written down are shared out among the bins, and
as few of them as bins have a bin each. The way back draws uniformly within the bin and rounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.errors import InputError
from medpriv.privacy.noise import Draws
from medpriv.synthesis.schema import Field, Schema


@dataclass(frozen=True)
class Coding:
    """How one column is coded.

    Attributes:
        column: its place in the cells.
        edges: of a number, float64 [bins + 1], ascending; a bin holds edges[i] <= value < edges[i + 1]. None of a
            category.
        levels: how many codes stand for bins or levels.
        gap: whether code `levels` stands for a gap.
        decimals: to which a number is rounded; None: not at all.
        lower, upper: between which a number lies; one beyond is taken for the nearer end.
    """

    column: int
    edges: np.ndarray | None
    levels: int
    gap: bool
    decimals: int | None = None
    lower: float = -np.inf
    upper: float = np.inf

    @property
    def size(self) -> int:
        """How many codes there are."""
        return self.levels + self.gap

    def encode(self, cells: np.ndarray) -> np.ndarray:
        """Return int64 [n] of cells float64 [n], gaps included."""
        if self.edges is None:
            return np.where(cells < 0, self.levels, cells).astype(np.int64)
        held = np.clip(np.where(np.isnan(cells), self.lower, cells), self.lower, self.upper)
        codes = np.clip(np.searchsorted(self.edges, held, side="right") - 1, 0, self.levels - 1)
        return np.where(np.isnan(cells), self.levels, codes)

    def decode(self, codes: np.ndarray, rng: Draws) -> np.ndarray:
        """Return cells float64 [n] of codes int64 [n]; one number is drawn a row, whatever it holds."""
        if self.edges is None:
            return np.where(codes == self.levels, -1.0, codes)
        known = np.minimum(codes, self.levels - 1)
        low, high = self.edges[known], self.edges[known + 1]
        values = np.clip(low + (high - low) * rng.random(len(codes)), self.lower, self.upper)
        if self.decimals is not None:
            values = np.clip(np.round(values, self.decimals), self.lower, self.upper)
        return np.where(codes == self.levels, np.nan, values)


@dataclass(frozen=True)
class Domain:
    """The codes of the columns that a generator takes.

    Attributes:
        schema: of the whole table.
        codings: one a column taken, the label the last.
    """

    schema: Schema
    codings: tuple[Coding, ...]

    @classmethod
    def of(cls, schema: Schema, bins: int, columns: Sequence[str] | None = None) -> "Domain":
        """Return the domain of a table by its public data dictionary.

        Args:
            schema: the columns.
            bins: of a number, at most.
            columns: those taken beside the label; None: all.

        Raises:
            InputError: a column isn't there, or the dictionary doesn't say its range or levels; all faults at once.
        """
        taken = _places(schema, columns)
        _refuse_undeclared([schema.fields[place] for place in taken])
        return cls(schema, tuple(_coding(place, schema.fields[place], bins) for place in taken))

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many codes each column has."""
        return tuple(coding.size for coding in self.codings)

    def encode(self, cells: np.ndarray) -> np.ndarray:
        """Return int64 [n, columns taken] of cells [n, V + 1].

        Raises:
            InputError: a gap in a column that the dictionary calls complete.
        """
        codes = np.column_stack([coding.encode(cells[:, coding.column]) for coding in self.codings])
        beyond = (codes >= np.array(self.sizes)).any(axis=0)
        if beyond.any():
            names = [self.schema.fields[self.codings[place].column].name for place in np.flatnonzero(beyond)]
            raise InputError(
                "a gap where the data dictionary says that there is none, or a level that it doesn't name",
                file="the table",
                place=f"column{'s' if len(names) > 1 else ''} {', '.join(names)}",
                remedy="fill it in, or correct the column's entry in the source",
            )
        return codes

    def decode(self, codes: np.ndarray, rng: Draws) -> np.ndarray:
        """Return cells float64 [n, V + 1] of codes [n, columns taken]; columns not taken are gaps."""
        cells = np.where(self.schema.numbers, np.nan, -1.0) * np.ones((len(codes), 1))
        for place, coding in enumerate(self.codings):
            cells[:, coding.column] = coding.decode(codes[:, place], rng)
        return cells


def _coding(place: int, field: Field, bins: int) -> Coding:
    if not field.number:
        return Coding(place, None, len(field.levels), not field.complete)
    edges = bin_edges(field.lower, field.upper, field.decimals, bins)
    return Coding(place, edges, len(edges) - 1, not field.complete, field.decimals, field.lower, field.upper)


def bin_edges(lower: float, upper: float, decimals: int | None, bins: int) -> np.ndarray:
    """Return float64 [at most bins + 1]: the edges of bins of equal width, halfway between values that can occur."""
    if decimals is None:
        return np.linspace(lower, upper, bins + 1)
    step = 10.0**-decimals
    values = round((upper - lower) / step) + 1
    bins = min(bins, values)
    first = np.ceil(np.arange(bins + 1) * values / bins)  # of the values, counted from `lower`, the bin's first
    return np.round(lower + (first - 0.5) * step, decimals + 1)


def _places(schema: Schema, columns: Sequence[str] | None) -> list[int]:
    names = [field.written for field in schema.fields]
    if columns is None:
        return list(range(len(names)))
    place_of = {name: at for at, field in enumerate(schema.fields[:-1]) for name in (field.name, field.written)}
    if unknown := [name for name in columns if name not in place_of]:
        raise InputError(
            f"no column {', '.join(unknown)}",
            file="config",
            place="columns of a synthetic table's generator",
            remedy=f"name some of {', '.join(names[:-1])}",
        )
    return [*sorted({place_of[name] for name in columns}), len(names) - 1]


def _refuse_undeclared(fields: Sequence[Field]) -> None:
    ranges = [field.name for field in fields if field.number and (field.lower is None or field.upper is None)]
    levels = [field.name for field in fields if not field.number and not field.declared]
    told = [(ranges, "no public range", "ranges"), (levels, "no public list of levels", "levels")]
    if faults := [(names, problem, key) for names, problem, key in told if names]:
        raise InputError(
            "; ".join(f"{problem} of {', '.join(names)}" for names, problem, _ in faults)
            + ": taken from the rows, it would give patients away, and the guarantee would not hold",
            file="config",
            place=", ".join(f"preprocess.{key}" for _, _, key in faults),
            remedy="state there what is known without a look at the table (of its own format: in its source), "
            "leave the column out of the generator's `columns`, or take a generator without differential privacy",
        )
