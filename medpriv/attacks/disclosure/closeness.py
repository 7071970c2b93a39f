"""How like a record is to released rows: Gower's (1971) distance, weighted by column.

    d(x, s) = sum_c w_c d_c(x_c, s_c),  d_c = |x_c - s_c| / range_c of numbers (1 at most), [x_c != s_c] of categories

Two gaps are alike, a gap and a value are 1 apart. Ranges are those of the released rows, which the attacker has. Every
attack on single records is a weighting of the columns, so that the columns' distances are worked out once for all.
"""

from collections.abc import Iterator

import numpy as np

from medpriv.synthesis.schema import Schema

_ELEMENTS = 4_000_000  # of the columns' distances that are held at once


def distances(
    cells: np.ndarray, released: np.ndarray, schema: Schema, weights: np.ndarray
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield some of the records at a time, and their distances float32 [M, records, S].

    Args:
        cells: float64 [T, V + 1], the records.
        released: float64 [S, V + 1].
        schema: of both.
        weights: float [M, V + 1], the weights of M attacks' columns.
    """
    used = np.flatnonzero((weights != 0).any(axis=0))
    step = max(1, _ELEMENTS // max(1, len(used) * len(released)))
    for start in range(0, len(cells), step):
        part = slice(start, start + step)
        apart = np.stack([_column(cells[part, place], released[:, place], schema, place) for place in used])
        shape = apart.shape[1:]
        summed = weights[:, used].astype(np.float32) @ apart.reshape(len(used), -1)
        yield part, summed.reshape(len(weights), *shape)


def _column(cells: np.ndarray, released: np.ndarray, schema: Schema, place: int) -> np.ndarray:
    """Return a column's distances, float32 [T, S]."""
    if not schema.fields[place].number:
        return (cells[:, None] != released).astype(np.float32)
    there = released[~np.isnan(released)]
    span = (np.ptp(there) if len(there) else 0.0) or 1.0
    apart = np.minimum(np.abs(cells[:, None] - released) / span, 1.0).astype(np.float32)
    gaps, released_gaps = np.isnan(cells)[:, None], np.isnan(released)
    if gaps.any() or released_gaps.any():
        apart[np.broadcast_to(gaps != released_gaps, apart.shape)] = 1
        apart[np.broadcast_to(gaps & released_gaps, apart.shape)] = 0
    return apart


def nearest(apart: np.ndarray, count: int) -> np.ndarray:
    """Return the nearest released rows of each record, int [T, count], of distances [T, S]; the nearest first."""
    count = min(count, apart.shape[1])
    if count == 1:
        return apart.argmin(axis=1)[:, None]
    found = np.argpartition(apart, count - 1, axis=1)[:, :count]
    order = np.argsort(np.take_along_axis(apart, found, axis=1), axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1)
