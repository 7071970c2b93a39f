"""How like a synthetic table is to a real one, by column and by pair: the score of SDMetrics' QualityReport.

    shapes   of a number 1 - Kolmogorov and Smirnov's D, of a category 1 - the total variation; gaps are left out
    trends   of two numbers 1 - |r - r'| / 2 (Pearson); of pairs with a category 1 - the total variation of both
             together, numbers cut into ten bins of equal width, each table by its own range, gaps a level of their own
    score    the mean of both means

SDMetrics (0.32, MIT) counts a pair only if the real table ties it: |r| > 0.5, Cramér's V > 0.3. A constant column has
no correlation and drops out. So it is here, to 1e-6 (tested), in matrix products: one-hot counts of all pairs at once.
`pair_similarity` is the mean over all pairs, whatever ties them.
"""

from dataclasses import dataclass

import numpy as np

CORRELATED, ASSOCIATED = 0.5, 0.3  # a pair counts above these
BINS = 10
DECIMALS = 14  # beyond which numbers are equal


@dataclass(frozen=True)
class Quality:
    """Likeness of V columns and their pairs.

    Attributes:
        shapes: float64 [V]; NaN of a column without a value in one of the tables.
        trends: float64 [V, V], above the diagonal; NaN where it is undefined (a constant number), and below.
        counted: bool [V, V], the pairs that the real table ties.
    """

    shapes: np.ndarray
    trends: np.ndarray
    counted: np.ndarray

    @property
    def column_shapes(self) -> float:
        """The mean over columns."""
        return _mean(self.shapes)

    @property
    def pair_trends(self) -> float:
        """The mean over the pairs that count; NaN if none does."""
        return _mean(self.trends[self.counted])

    @property
    def pair_similarity(self) -> float:
        """The mean over all pairs."""
        return _mean(self.trends)

    @property
    def score(self) -> float:
        """The mean of both, or of the one that there is."""
        return _mean(np.array([self.column_shapes, self.pair_trends]))


def compare(real: np.ndarray, synthetic: np.ndarray, numbers: np.ndarray) -> Quality:
    """Compare two tables.

    Args:
        real, synthetic: cells float64 [n, V] and [m, V], NaN for a number's gap, -1 for a category's.
        numbers: bool [V], which columns are numbers.
    """
    shapes = [
        _number_shape(one, other) if number else _category_shape(one, other)
        for one, other, number in zip(real.T, synthetic.T, numbers, strict=True)
    ]
    held = _levels(real, synthetic, numbers)
    ours, theirs = (_coded(table, numbers) for table in (real, synthetic))
    similar, tied = _contingency(ours, theirs, held)
    straight, straight_tied = _correlation(real, synthetic, numbers)
    both = np.outer(numbers, numbers)
    trends, counted = np.where(both, straight, similar), np.where(both, straight_tied, tied)
    above = np.triu(np.ones_like(both), 1)
    return Quality(np.array(shapes), np.where(above, trends, np.nan), counted & above & ~np.isnan(trends))


def pearson(table: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of each pair of columns over the rows that have both, [V, V]; NaN where undefined.

    Args:
        table: float64 [n, V], NaN for a gap.
    """
    held = ~np.isnan(table)
    size = np.maximum(held.sum(axis=0), 1)
    filled = np.where(held, table, 0.0)
    centred = np.where(held, table - filled.sum(axis=0) / size, 0.0)
    scale = np.sqrt(np.square(centred).sum(axis=0) / size)
    varies = scale > 1e-12 * (np.abs(filled).max(axis=0, initial=0) + 1e-300)
    centred = centred / np.where(varies, scale, 1.0)
    there = held.astype(float)
    n = there.T @ there
    sums, squares = centred.T @ there, np.square(centred).T @ there  # of the row's column over rows that have both
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = squares - sums**2 / n
        found = (centred.T @ centred - sums * sums.T / n) / np.sqrt(spread * spread.T)
    defined = (n >= 2) & (spread > 1e-9) & (spread.T > 1e-9) & np.outer(varies, varies)
    return np.where(defined, np.clip(found, -1, 1), np.nan)


def cramers_v(counts: np.ndarray, corrected: bool = False) -> float:
    """Return Cramér's V of a contingency table [R, C], rows and columns without a count left out; NaN of one level.

    Args:
        counts: how often each pair of levels occurs.
        corrected: by Bergsma (2013) for the association that chance shows in few rows.
    """
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    rows, columns, n = *counts.shape, counts.sum()
    if min(rows, columns) < 2:
        return np.nan
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / n
    phi = (np.square(counts - expected) / expected).sum() / n
    if not corrected:
        return float(np.sqrt(phi / (min(rows, columns) - 1)))
    if n < 2:
        return np.nan
    phi = max(phi - (rows - 1) * (columns - 1) / (n - 1), 0.0)
    rows, columns = (size - (size - 1) ** 2 / (n - 1) for size in (rows, columns))
    return float(np.sqrt(phi / (min(rows, columns) - 1))) if min(rows, columns) > 1 else np.nan


def one_hot(codes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return 0s and 1s, float32 [n, sum of sizes], of codes int [n, V] from 0 to sizes - 1."""
    made = np.zeros((len(codes), int(sizes.sum())), np.float32)
    starts = np.cumsum(sizes) - sizes
    np.put_along_axis(made, codes + starts, 1, axis=1)
    return made


def _number_shape(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Return 1 - D of the values that are there."""
    one, other = (np.sort(np.round(side[~np.isnan(side)], DECIMALS)) for side in (real, synthetic))
    if not len(one) or not len(other):
        return np.nan
    at = np.concatenate([one, other])
    below = [np.searchsorted(side, at, side="right") / len(side) for side in (one, other)]
    return 1 - float(np.abs(below[0] - below[1]).max())


def _category_shape(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Return 1 - the total variation of the levels that are there."""
    one, other = (side[side >= 0].astype(int) for side in (real, synthetic))
    if not len(one) or not len(other):
        return np.nan
    size = 1 + max(one.max(), other.max())
    shares = [np.bincount(side, minlength=size) / len(side) for side in (one, other)]
    return 1 - 0.5 * float(np.abs(shares[0] - shares[1]).sum())


def _levels(real: np.ndarray, synthetic: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return int [V]: bins of a number, the last for its gaps and its largest value; levels of a category and a gap."""
    tops = np.maximum(real.max(axis=0, initial=-1), synthetic.max(axis=0, initial=-1))
    return np.where(numbers, BINS + 2, np.where(numbers, 0, tops) + 2).astype(int)


def _coded(table: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return int [n, V]: the bin of a number, by NumPy's edges of its own values; of a category 1 + its level."""
    codes = np.empty(table.shape, int)
    for place, number in enumerate(numbers):
        cells = table[:, place]
        if not number:
            codes[:, place] = cells.astype(int) + 1
            continue
        valued = cells[~np.isnan(cells)]
        codes[:, place] = np.digitize(cells, np.histogram_bin_edges(valued, BINS)) if len(valued) else BINS + 1
    return codes


def _contingency(ours: np.ndarray, theirs: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the likeness of each pair of columns as categories, [V, V], and whether the real table ties it."""
    starts, ends = np.cumsum(sizes) - sizes, np.cumsum(sizes)
    made = [one_hot(codes, sizes).astype(np.float64) for codes in (ours, theirs)]
    counts = [each.T @ each for each in made]
    apart = np.abs(counts[0] / len(ours) - counts[1] / len(theirs))
    summed = np.add.reduceat(np.add.reduceat(apart, starts, axis=0), starts, axis=1)
    tied = np.zeros(summed.shape, bool)
    for one in range(len(sizes)):
        for other in range(one + 1, len(sizes)):
            block = counts[0][starts[one] : ends[one], starts[other] : ends[other]]
            tied[one, other] = cramers_v(block) > ASSOCIATED
    return 1 - summed / 2, tied


def _correlation(real: np.ndarray, synthetic: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the likeness of each pair of numbers, [V, V] with NaN elsewhere, and whether the real table ties it."""
    similar = np.full((len(numbers), len(numbers)), np.nan)
    tied = np.zeros(similar.shape, bool)
    place = np.ix_(np.flatnonzero(numbers), np.flatnonzero(numbers))
    ours, theirs = (pearson(side[:, numbers]) for side in (real, synthetic))
    similar[place] = 1 - np.abs(ours - theirs) / 2
    tied[place] = np.abs(ours) > CORRELATED
    return similar, tied


def _mean(values: np.ndarray) -> float:
    """Return the mean of the values that are there; NaN if none is."""
    held = values[~np.isnan(values)]
    return float(held.mean()) if len(held) else np.nan
