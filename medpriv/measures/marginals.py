"""Each column's values, real against synthetic, as shares of people enough: what a page may show of any table.

**No share speaks of fewer than `LEAST` patients.** Levels that fewer have are one level, `other levels`, which takes in
the next rarest until it has as many; bins of a number are joined with their neighbours. Nothing is blanked, so nothing
can be worked out from the rest. A bin's edges are round numbers, never a value of somebody, and the first and the last
have no end. Only gaps, which are nobody's value and are counted on the page anyway, may be fewer.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import floor, log10

import numpy as np

from medpriv.dataset import Dataset
from medpriv.measures.intervals import LEAST
from medpriv.measures.table import NAN
from medpriv.synthesis.schema import Field, Schema, cells_of

MARGINAL_COLUMNS = ("column", "level", "from", "to", "real", "synthetic", "patients")
BINS = 12  # about as many, within the middle 95 % of the values
OTHER, GAP = "other levels", "gap"


def marginals(dataset: Dataset, tables: Sequence[np.ndarray]) -> list[dict[str, object]]:
    """Return a row (`MARGINAL_COLUMNS`) for each level or bin of each column, the label's too.

    `real` is its share of all real records that have a value, training and test; `synthetic` the mean of its shares of
    the tables, NaN where none has a value; both of all records for `gap`. `patients` are those of the real share.

    Args:
        dataset: of tables.
        tables: cells float64 [n, V + 1] of replicates.
    """
    fields = Schema.of(dataset).fields
    real = cells_of(dataset, np.ones(len(dataset.y), bool))
    rows = []
    for place, field in enumerate(fields):
        own, made = real[:, place], [table[:, place] for table in tables]
        for name, edges, chosen in _parts_of(field, own, dataset.patient):
            rows.append(_row(field.name, name, edges, [chosen(own), *map(chosen, made)], dataset.patient))
        rows += _gap_row(field, own, made, dataset.patient)
    return rows


def _row(column: str, level: str, edges: tuple[float, float], chosen: list[np.ndarray], patient: np.ndarray) -> dict:
    """Return the row of one part; `chosen` are NaN where there is no value, else whether it is in the part."""
    real, *made = (float(np.nanmean(each)) if not np.isnan(each).all() else NAN for each in chosen)
    made = [share for share in made if share == share]
    return {
        "column": column,
        "level": level,
        "from": edges[0],
        "to": edges[1],
        "real": real,
        "synthetic": float(np.mean(made)) if made else NAN,
        "patients": len(np.unique(patient[chosen[0] == 1])),
    }


def _gap_row(field: Field, own: np.ndarray, made: list[np.ndarray], patient: np.ndarray) -> list[dict]:
    """Return the row of a column's gaps, if it has any in one of the tables."""
    gaps = [(np.isnan(each) if field.number else each < 0).astype(float) for each in (own, *made)]
    return [_row(field.name, GAP, (NAN, NAN), gaps, patient)] if any(each.any() for each in gaps) else []


def _parts_of(field: Field, own: np.ndarray, patient: np.ndarray) -> Iterator[tuple]:
    """Yield name, edges and a function from cells to whether they are in the part (NaN: no value)."""
    parts = _bins(own, patient) if field.number else _groups(field, own, patient)
    for name, edges, inside in parts:

        def chosen(cells: np.ndarray, inside=inside) -> np.ndarray:
            valued = ~np.isnan(cells) if field.number else cells >= 0
            return np.where(valued, inside(cells), np.nan)

        yield name, edges, chosen


def _groups(field: Field, own: np.ndarray, patient: np.ndarray) -> Iterator[tuple]:
    """Yield the levels that people enough have, then all others together."""
    people = np.array([len(np.unique(patient[own == level])) for level in range(len(field.levels))])
    rare = people < LEAST
    for level in np.argsort(people, kind="stable"):
        if not rare.any() or people[rare].sum() == 0 or len(np.unique(patient[_among(own, rare)])) >= LEAST:
            break
        rare[level] = True
    if len(np.unique(patient[own >= 0])) < LEAST:
        return
    for level in np.flatnonzero(~rare):
        yield field.levels[level], (NAN, NAN), lambda cells, level=level: cells == level
    if rare.any():
        yield OTHER, (NAN, NAN), lambda cells: _among(cells, rare)


def _among(cells: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return which cells are one of the levels, bool [levels]."""
    return (cells >= 0) & np.append(levels, False)[cells.astype(int)]


def _bins(own: np.ndarray, patient: np.ndarray) -> Iterator[tuple]:
    """Yield bins between round edges, each with people enough."""
    valued = ~np.isnan(own)
    if len(np.unique(patient[valued])) < LEAST:
        return
    low, high = np.quantile(own[valued], (0.025, 0.975))
    inner = []
    if high > low:
        step = _round_step((high - low) / BINS)
        inner = [step * place for place in range(floor(low / step) + 1, floor(high / step) + 1)]
    edges, start = [-np.inf], -np.inf
    for edge in inner:
        if _people(own, patient, start, edge) >= LEAST:
            edges.append(edge)
            start = edge
    while len(edges) > 1 and _people(own, patient, edges[-1], np.inf) < LEAST:
        edges.pop()
    edges.append(np.inf)
    for low, high in pairwise(edges):
        stated = tuple(float(edge) if np.isfinite(edge) else NAN for edge in (low, high))
        yield "", stated, lambda cells, low=low, high=high: (cells >= low) & (cells < high)


def _people(own: np.ndarray, patient: np.ndarray, low: float, high: float) -> int:
    """Return how many patients have a value from low to below high."""
    return len(np.unique(patient[(own >= low) & (own < high)]))


def _round_step(width: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that is at least a width."""
    power = 10.0 ** floor(log10(width))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= width * (1 - 1e-9))
