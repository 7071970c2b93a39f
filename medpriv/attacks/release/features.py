"""Rows of a table as features between which there are distances. Centre and scale come from the reference alone.

- a number: in standard deviations of the reference, a gap at its mean;
- a gap of a number: one more feature, sqrt(2) where there is a gap, in columns that have any;
- a category, and the label: a feature a level, and one for gaps in columns that have any.

Two levels are as far apart as two numbers of a standard deviation drawn independently are on average: 2, squared.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.synthesis.schema import Schema

MISMATCH = np.sqrt(2.0)  # between two levels, or a gap and a number at the mean
_GAP = 9.0  # stands for a gap of a number among values between 0 and 1


@dataclass(frozen=True)
class Encoding:
    """How cells [rows, V + 1] become features.

    Attributes:
        schema: the columns.
        gaps: bool [V + 1], the columns in which gaps occur.
        centre, scale: float64 [V + 1], of numbers; 0 and 1 of categories.
        lower, span: float64 [V + 1], of numbers: where they begin and how far they reach, for Gower's distance.
    """

    schema: Schema
    gaps: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    lower: np.ndarray
    span: np.ndarray

    @classmethod
    def of(cls, schema: Schema, reference: np.ndarray, others: Sequence[np.ndarray]) -> "Encoding":
        """Fit to the reference's cells; of `others` only the columns with gaps are known.

        A number that doesn't vary in the reference keeps its unit.
        """
        numbers = schema.numbers
        gaps = np.any([_missing(cells, numbers).any(axis=0) for cells in (reference, *others)], axis=0)
        centre, scale = np.zeros(len(schema)), np.ones(len(schema))
        lower, span = np.zeros(len(schema)), np.ones(len(schema))
        for place in np.flatnonzero(numbers):
            known = reference[~np.isnan(reference[:, place]), place]
            if len(known):
                centre[place], lower[place] = known.mean(), known.min()
                scale[place], span[place] = known.std() or 1.0, np.ptp(known) or 1.0
        return cls(schema, gaps, centre, scale, lower, span)

    def encode(self, cells: np.ndarray) -> np.ndarray:
        """Return float32 [rows, F]; the first `self.split` features are those of numbers."""
        numbers = self.schema.numbers
        values = (cells[:, numbers] - self.centre[numbers]) / self.scale[numbers]
        absent = np.isnan(cells[:, numbers & self.gaps]) * MISMATCH
        return np.concatenate([np.nan_to_num(values), absent, self.states(cells)], axis=1).astype(np.float32)

    @property
    def split(self) -> int:
        """How many features belong to numbers."""
        numbers = self.schema.numbers
        return int(numbers.sum() + (numbers & self.gaps).sum())

    def states(self, cells: np.ndarray) -> np.ndarray:
        """Return a feature a level, float32 [rows, ...], of the categories."""
        parts = [np.zeros((len(cells), 0), np.float32)]
        for place in np.flatnonzero(~self.schema.numbers):
            levels = np.arange(-1 if self.gaps[place] else 0, len(self.schema.fields[place].levels))
            parts.append((cells[:, place, None] == levels).astype(np.float32))
        return np.concatenate(parts, axis=1)

    def shares(self, cells: np.ndarray) -> np.ndarray:
        """Return numbers as shares of the reference's range, within 0 to 1, a gap far off: float32 [rows, numbers]."""
        numbers = self.schema.numbers
        shares = np.clip((cells[:, numbers] - self.lower[numbers]) / self.span[numbers], 0, 1)
        return np.nan_to_num(shares, nan=_GAP).astype(np.float32)


def _missing(cells: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return bool [rows, V + 1]: where the gaps are."""
    return np.where(numbers, np.isnan(cells), cells < 0)


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return float32 [rows, others] of features [rows, F] and [others, F], at least 0."""
    found = x @ (-2 * y).T
    found += np.square(x).sum(axis=1)[:, None]
    found += np.square(y).sum(axis=1)
    return np.maximum(found, 0, out=found)


def gower_distances(
    shares: tuple[np.ndarray, np.ndarray], states: tuple[np.ndarray, np.ndarray], gaps: np.ndarray
) -> np.ndarray:
    """Return Gower's distances (1971) float32 [rows, others]: the mean over columns of how far apart rows are there.

    A number's part is the difference over the range, a category's 1 where levels differ, a gap's 1 beside anything
    but a gap.

    Args:
        shares: of the rows and of the others, `Encoding.shares`.
        states: of both, `Encoding.states`: one feature of each category is 1.
        gaps: bool [numbers], which columns of `shares` have gaps.
    """
    from scipy.spatial.distance import cdist

    rows, others = shares
    whole = cdist(rows[:, ~gaps], others[:, ~gaps], "cityblock").astype(np.float32) if (~gaps).any() else 0.0
    categories = states[0].sum(axis=1).max(initial=0)
    total = whole + categories - states[0] @ states[1].T
    for place in np.flatnonzero(gaps):
        total += np.minimum(np.abs(rows[:, place, None] - others[:, place]), 1)
    return total / (rows.shape[1] + categories)
