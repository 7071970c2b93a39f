"""Independent marginals: every column by itself, the label too. The floor of use, and what must give nobody away.

Levels come with the shares that they have. A number of many values is drawn from a quantile function through the means
of blocks of at least `BLOCK` rows, next to each other in order (microaggregation, Domingo-Ferrer and Mateo-Sanz 2002):
no value of a single row is written, so that the largest of all doesn't single out who has it. A number of so few values
that a block's rows go to each on average is drawn by shares. Gaps come with their share.

A level that one row alone has is written where it is drawn; what hides that is differential privacy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.synthesis.schema import Schema, Synthesis
from medpriv.synthesis.tables import check_tables, finish

BLOCK = 10  # rows, at least, behind each knot of a quantile function


@dataclass(frozen=True)
class Marginal:
    """One column by itself.

    Attributes:
        gap: the value of a gap, NaN or -1.
        gaps: the share of gaps.
        values: float64 [B], values or levels in order, or the means of blocks; none where all cells are gaps.
        ends: float64 [B], up to which quantile each value goes; None of blocks, through whose middles lines go.
    """

    gap: float
    gaps: float
    values: np.ndarray
    ends: np.ndarray | None

    @classmethod
    def of(cls, column: np.ndarray, number: bool, order: np.ndarray | None = None) -> "Marginal":
        """Learn a column's cells [n].

        Args:
            column: the cells.
            number: whether it is one.
            order: of a category, its levels in the order in which they follow each other.
        """
        missing = np.isnan(column) if number else column < 0
        there, gap = column[~missing], np.nan if number else -1.0
        if order is not None:
            counts = np.bincount(there.astype(int), minlength=len(order))[order]
            values, counts = order[counts > 0].astype(float), counts[counts > 0]
        else:
            values, counts = np.unique(there, return_counts=True)
        if number and len(values) * BLOCK > len(there):
            blocks = np.array_split(np.sort(there), max(1, len(there) // BLOCK)) if len(there) else []
            return cls(gap, float(missing.mean()), np.array([block.mean() for block in blocks]), None)
        return cls(gap, float(missing.mean()), values, np.cumsum(counts) / max(1, len(there)))

    def at(self, quantile: np.ndarray) -> np.ndarray:
        """Return the values at quantiles [S] between 0 and 1; gaps where there is no value at all."""
        count = len(self.values)
        if not count:
            return np.full(len(quantile), self.gap)
        if self.ends is None:
            return np.interp(quantile, (np.arange(count) + 0.5) / count, self.values)
        return self.values[np.minimum(np.searchsorted(self.ends, quantile, side="right"), count - 1)]


def synthesise(
    tables: Sequence[np.ndarray],
    schema: Schema,
    settings: Mapping[str, object],
    rngs: Sequence[np.random.Generator],
    rows: Sequence[int],
) -> Synthesis:
    """Return tables whose columns are drawn independently of each other; there are no settings.

    Raises:
        InputError: a table is none of this schema, or has one row.
    """
    check_tables(tables, schema, "marginals")
    samples, knots = [], []
    for cells, rng, count in zip(tables, rngs, rows, strict=True):
        learnt = [Marginal.of(*pair) for pair in zip(cells.T, schema.numbers, strict=True)]
        drawn = np.empty((count, len(schema)))
        for place, marginal in enumerate(learnt):
            quantile, missing = rng.random((2, count))
            drawn[:, place] = np.where(missing < marginal.gaps, marginal.gap, marginal.at(quantile))
        samples.append(finish(drawn, schema, cells))
        knots.append(sum(len(marginal.values) + 1 for marginal in learnt))
    return Synthesis(samples, {"parameters": float(np.mean(knots))})
