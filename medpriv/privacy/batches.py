"""Poisson sampling of units (patients) for some replicates, with a bounded number of records a unit.

At every step each member unit is drawn with probability `rate`, independently of all others: the amplification that
the accountant counts on needs exactly this, so a batch may hold any number of units, none at all included.

A step's units are handed out in passes of fixed size, filled up with rows of weight 0: sizes never follow the draw of a
neighbour in the stack, so a replicate's bytes are the same in any shard.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.privacy.noise import Draws

AHEAD = 32  # steps of a replicate drawn in one call
ROWS = 8  # sizes of passes are multiples of this


@dataclass(frozen=True)
class Pass:
    """Some of a step's units.

    Attributes:
        rows: int64 [K, units * M], record numbers, the M records of a unit side by side.
        weights: float32 [K, units * M], 1 / (the unit's records) each, 0 where a row fills up.
        units: units of each replicate.
    """

    rows: np.ndarray
    weights: np.ndarray
    units: int


class PoissonBatches:
    """An endless stream of steps, each a list of passes (empty if no replicate drew anybody).

    Args:
        unit: int [N], the unit of each record.
        members: bool [K, U], the units of each replicate.
        rate: the probability with which a unit is drawn at a step.
        contribution: most records a unit gives; of a unit with more, a replicate draws its own once and for all.
        expected: the units that a step draws on average, to size passes by; the same in all shards.
        generators: one a replicate; its batches depend on its own alone.
    """

    def __init__(
        self,
        unit: np.ndarray,
        members: np.ndarray,
        rate: float,
        contribution: int,
        expected: float,
        generators: Sequence[Draws],
    ) -> None:
        held = np.bincount(unit, minlength=members.shape[1])
        self._width, self._rate, self._generators = min(contribution, int(held.max())), rate, generators
        self._tables = [
            _draw_records(unit, row, self._width, rng) for row, rng in zip(members, generators, strict=True)
        ]
        self._weights = [(table >= 0) / (table >= 0).sum(1, keepdims=True) for table in self._tables]
        self._tables = [np.maximum(table, 0) for table in self._tables]
        self._ahead: list[list[np.ndarray]] = [[] for _ in members]
        self._sizes = pass_sizes(rate, expected)

    @property
    def width(self) -> int:
        """M, the rows a unit takes up."""
        return self._width

    def next(self) -> list[Pass]:
        """Draw the next step."""
        drawn = [self._draw(k) for k in range(len(self._tables))]
        most, first, passes = max(map(len, drawn)), 0, []
        while first < most:
            size = self._sizes[min(len(passes), 1)]
            passes.append(self._fill([places[first : first + size] for places in drawn], size))
            first += size
        return passes

    def _draw(self, k: int) -> np.ndarray:
        """Return the places in a replicate's table of the units that its next step draws."""
        if not self._ahead[k]:
            self._ahead[k] = _draw_steps(len(self._tables[k]), self._rate, self._generators[k])[::-1]
        return self._ahead[k].pop()

    def _fill(self, drawn: Sequence[np.ndarray], size: int) -> Pass:
        """Return the pass that holds the units drawn, at most `size` a replicate."""
        rows = np.zeros((len(drawn), size, self._width), np.int64)
        weights = np.zeros(rows.shape, np.float32)
        for k, places in enumerate(drawn):
            rows[k, : len(places)] = self._tables[k][places]
            weights[k, : len(places)] = self._weights[k][places]
        return Pass(rows.reshape(len(drawn), -1), weights.reshape(len(drawn), -1), size)


def pass_sizes(rate: float, expected: float) -> tuple[int, int]:
    """Return the units of a step's first pass, and of each further one.

    The first has room for two standard deviations more than a step draws on average: a further pass's calls take
    longer than some rows of weight 0.
    """
    scatter = (expected * (1 - rate)) ** 0.5
    return _rounded(expected + 2 * scatter), _rounded(scatter)


def _rounded(units: float) -> int:
    """Return the multiple of `ROWS` at or above."""
    return max(1, -int(-units // ROWS)) * ROWS


def _draw_steps(units: int, rate: float, rng: Draws) -> list[np.ndarray]:
    """Return the places, of 0 to units - 1, that the next `AHEAD` steps draw.

    The steps' coins, one a unit, stand in one long row. Gaps between hits are geometric: ceil(E / -log(1 - rate)), E
    being exponential. What falls behind the row's end is of no use: coins there are yet to be thrown.
    """
    end, mean = AHEAD * units, -np.log1p(-rate) if rate < 1 else np.inf
    size = int(end * rate + 6 * (end * rate) ** 0.5) + 1
    hits = [np.array([-1])]
    while hits[-1][-1] < end - 1:
        gaps = np.maximum(np.ceil(rng.standard_exponential(size) / mean), 1)
        hits.append(hits[-1][-1] + np.cumsum(gaps).astype(np.int64))
    row = np.concatenate(hits)[1:]
    places = row[: np.searchsorted(row, end)]
    return np.split(places % max(units, 1), np.searchsorted(places, units * np.arange(1, AHEAD)))


def _draw_records(unit: np.ndarray, members: np.ndarray, width: int, rng: Draws) -> np.ndarray:
    """Return int64 [units, width]: the records with which each member unit takes part, -1 after its last.

    Units without a record are left out: they can't take part.
    """
    mine = rng.permutation(np.flatnonzero(members[unit]))
    mine = mine[np.argsort(unit[mine], kind="stable")]
    starts = np.flatnonzero(np.diff(unit[mine], prepend=-1))
    counts = np.diff(starts, append=len(mine))
    rank = np.arange(len(mine)) - np.repeat(starts, counts)
    kept = rank < width
    table = np.full((len(starts), width), -1, np.int64)
    table[np.repeat(np.arange(len(starts)), counts)[kept], rank[kept]] = mine[kept]
    return table
