"""Cells as neural generators read and write them, and back: three encodings of numbers, one of categories.

- `Modes`: CTGAN's mode-specific normalisation (Xu et al., NeurIPS 2019): a number is the mode of a Gaussian mixture
  that it comes from, one-hot, and its distance to that mode's mean, over four deviations.
- `PublicBins`: for differential privacy. A number is the bin that it falls into, of equally wide ones between the
  public ends of its column. Nothing is fitted: an encoder that looked at private rows would give them away.
- `Quantiles`: for diffusion. A number goes through its column's distribution function to a Gaussian.

A category is one-hot. A gap is one more level of a category, bin or mode, and an indicator of its own beside quantiles.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, ndtr, ndtri, softmax

from medpriv.errors import InputError
from medpriv.synthesis.schema import Field, Schema

SUPPORT = 256  # points that a mixture is fitted to: unique values, or groups of them
ROUNDS = 200  # of a mixture's fit
FEWEST = 0.005  # weight below which a mode is dropped
REACH = 4.0  # deviations of a mode that become 1
QUANTILES = 101  # of a column
FARTHEST = 3.0  # Gaussian deviations of a column's ends


@dataclass(frozen=True)
class Span:
    """Places of a row of which one is 1.

    Attributes:
        column: of the cells.
        start, stop: places in the row.
        codes: what each place stands for: a level, bin or mode; -1 for a gap.
    """

    column: int
    start: int
    stop: int
    codes: np.ndarray


@dataclass(frozen=True)
class Modes:
    """Rows [n, width]: the numbers' distances to their modes, the categories' levels, the numbers' modes.

    Only levels, modes and gaps that the table holds have places, so that no others are generated.

    Attributes:
        schema: of the cells.
        spans: categories first, in the schema's order.
        means, deviations: of each number's modes [V', M], V' numbers, NaN beyond the last.
    """

    schema: Schema
    spans: tuple[Span, ...]
    means: np.ndarray
    deviations: np.ndarray

    @property
    def numbers(self) -> np.ndarray:
        """The columns that are numbers, int [V']; a row begins with as many distances."""
        return np.flatnonzero(self.schema.numbers)

    @property
    def categories(self) -> tuple[Span, ...]:
        """The spans of categories."""
        return tuple(span for span in self.spans if not self.schema.fields[span.column].number)

    @property
    def width(self) -> int:
        """Places of a row."""
        return self.spans[-1].stop

    @classmethod
    def fit(cls, cells: np.ndarray, schema: Schema, modes: int) -> "Modes":
        """Return the encoding of a table [n, V + 1], with at most so many modes a number."""
        numbers = np.flatnonzero(schema.numbers)
        weights, means, deviations = fit_mixtures([cells[:, column] for column in numbers], modes)
        fitted = dict(zip(numbers, weights, strict=True))
        spans, start = [], len(numbers)
        for column in (*np.flatnonzero(~schema.numbers), *numbers):
            if column in fitted:
                codes = np.flatnonzero(fitted[column] > 0)
                codes = np.append(codes, -1) if np.isnan(cells[:, column]).any() else codes
            else:
                codes = np.unique(cells[:, column]).astype(int)
            spans.append(Span(int(column), start, start + len(codes), codes))
            start += len(codes)
        return cls(schema, tuple(spans), means, deviations)

    def encode(self, cells: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return float32 [n, width]; a number's mode is drawn by how likely it is to come from each."""
        rows = np.zeros((len(cells), self.width), np.float32)
        places = {column: place for place, column in enumerate(self.numbers)}
        for span in self.spans:
            codes = cells[:, span.column]
            if span.column in places:
                place = places[span.column]
                codes = self._draw_modes(codes, place, span, rng)
                seen = codes >= 0
                mean, deviation = self.means[place, codes[seen]], self.deviations[place, codes[seen]]
                distances = (cells[seen, span.column] - mean) / (REACH * deviation)
                rows[seen, place] = np.clip(distances, -0.99, 0.99)
            rows[:, span.start : span.stop] = codes[:, None] == span.codes
        return rows

    def decode(self, rows: np.ndarray) -> np.ndarray:
        """Return cells [n, V + 1] of rows whose spans hold scores, of which the largest counts."""
        cells = np.empty((len(rows), len(self.schema)))
        places = {column: place for place, column in enumerate(self.numbers)}
        for span in self.spans:
            codes = span.codes[rows[:, span.start : span.stop].argmax(1)]
            if span.column in places:
                place = places[span.column]
                values = self.means[place, codes] + REACH * self.deviations[place, codes] * rows[:, place]
                field = self.schema.fields[span.column]
                cells[:, span.column] = np.where(codes < 0, np.nan, written(values.astype(np.float64), field))
            else:
                cells[:, span.column] = codes
        return cells

    def _draw_modes(self, values: np.ndarray, place: int, span: Span, rng: np.random.Generator) -> np.ndarray:
        """Return int [n]: each value's mode, -1 for a gap."""
        drawn, codes = rng.random(len(values)), span.codes[span.codes >= 0]
        if not len(codes):
            return np.full(len(values), -1)
        mean, deviation = self.means[place, codes], self.deviations[place, codes]
        scaled = (np.nan_to_num(values)[:, None] - mean) / deviation
        likely = softmax(-0.5 * scaled**2 - np.log(deviation), axis=1)
        chosen = (likely.cumsum(1) < drawn[:, None]).sum(1).clip(max=len(codes) - 1)
        return np.where(np.isnan(values), -1, codes[chosen])


@dataclass(frozen=True)
class PublicBins:
    """Rows [n, width]: every column one-hot, numbers by bins between their public ends; nothing is fitted.

    Attributes:
        schema: of the cells.
        bins: of a number.
    """

    schema: Schema
    bins: int

    def __post_init__(self) -> None:
        """Refuse a number without public ends.

        Raises:
            InputError: the data dictionary says nothing of its range.
        """
        for field in self.schema.fields:
            if field.number and (field.lower is None or field.upper is None or not field.lower < field.upper):
                raise InputError(
                    f"column {field.name} has no public range, and one found in patients' rows would not be private",
                    file="the dataset's columns",
                    place=field.name,
                    remedy="give its lowest and highest value in the data dictionary, or leave the column out",
                )

    @property
    def sizes(self) -> list[int]:
        """Places of each column: bins or levels, and one for a gap; the label has none."""
        last = len(self.schema) - 1
        fields = enumerate(self.schema.fields)
        return [(self.bins if field.number else len(field.levels)) + (place < last) for place, field in fields]

    @property
    def width(self) -> int:
        """Places of a row."""
        return sum(self.sizes)

    @property
    def spans(self) -> tuple[Span, ...]:
        """Where each column lies in a row."""
        stops = np.cumsum(self.sizes)
        return tuple(
            Span(column, int(stop - size), int(stop), np.arange(size))
            for column, (size, stop) in enumerate(zip(self.sizes, stops, strict=True))
        )

    def encode(self, cells: np.ndarray) -> np.ndarray:
        """Return float32 [n, width]; values beyond the ends count as the ends."""
        rows = np.zeros((len(cells), self.width), np.float32)
        for span in self.spans:
            codes, field = cells[:, span.column], self.schema.fields[span.column]
            gaps = np.isnan(codes) if field.number else codes < 0
            if field.number:
                share = (np.nan_to_num(codes) - field.lower) / (field.upper - field.lower)
                codes = (share * self.bins).astype(int).clip(0, self.bins - 1)
            places = np.where(gaps, span.stop - span.start - 1, codes).astype(int)
            rows[np.arange(len(rows)), span.start + places] = 1
        return rows

    def decode(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return cells [n, V + 1] of rows whose spans hold scores; a number is drawn anywhere in its bin."""
        cells = np.empty((len(rows), len(self.schema)))
        for span in self.spans:
            codes, field = rows[:, span.start : span.stop].argmax(1), self.schema.fields[span.column]
            if field.number:
                share = (codes + rng.random(len(rows))) / self.bins
                values = written(field.lower + (field.upper - field.lower) * share, field)
                cells[:, span.column] = np.where(codes == self.bins, np.nan, values)
            else:
                cells[:, span.column] = np.where(codes == len(field.levels), -1, codes)
        return cells


@dataclass(frozen=True)
class Quantiles:
    """Rows [n, width]: numbers as Gaussian scores, then one-hot categories, and of each number whether it's a gap.

    Places are the same for every table of a schema.

    Attributes:
        schema: of the cells.
        quantiles: of each number [V', QUANTILES], NaN where the table holds none.
        present: bool [width - V'], which places of the spans the table fills: no others are generated.
    """

    schema: Schema
    quantiles: np.ndarray
    present: np.ndarray

    @classmethod
    def fit(cls, cells: np.ndarray, schema: Schema) -> "Quantiles":
        """Return the encoding of a table [n, V + 1]."""
        levels = np.linspace(0, 1, QUANTILES)
        columns = [cells[:, column] for column in np.flatnonzero(schema.numbers)]
        seen = [column[~np.isnan(column)] for column in columns]
        found = [np.quantile(one, levels) if len(one) else np.full(QUANTILES, np.nan) for one in seen]
        empty = cls(schema, np.reshape(found, (-1, QUANTILES)), np.ones(0, bool))
        return cls(schema, empty.quantiles, empty.encode(cells)[:, empty.numbers :].any(0))

    @property
    def numbers(self) -> int:
        """V', the numbers, with which a row begins."""
        return int(self.schema.numbers.sum())

    @property
    def spans(self) -> tuple[Span, ...]:
        """Where categories, and numbers' gaps (codes 0 and -1), lie in a row."""
        return spans_beside_quantiles(self.schema)

    @property
    def width(self) -> int:
        """Places of a row."""
        return self.spans[-1].stop

    def encode(self, cells: np.ndarray) -> np.ndarray:
        """Return float32 [n, width]; a gap's score is 0."""
        rows = np.zeros((len(cells), self.width), np.float32)
        for place, column in enumerate(np.flatnonzero(self.schema.numbers)):
            rows[:, place] = self._scores(cells[:, column], self.quantiles[place])
        for span in self.spans:
            codes = cells[:, span.column]
            if self.schema.fields[span.column].number:
                codes = np.where(np.isnan(codes), -1, 0)
            rows[:, span.start : span.stop] = codes[:, None] == span.codes
        return rows

    def decode(self, rows: np.ndarray) -> np.ndarray:
        """Return cells [n, V + 1] of rows whose spans hold scores, of which the largest present one counts."""
        cells, levels = np.empty((len(rows), len(self.schema))), np.linspace(0, 1, QUANTILES)
        for place, column in enumerate(np.flatnonzero(self.schema.numbers)):
            shares = ndtr(rows[:, place].astype(np.float64))
            cells[:, column] = written(np.interp(shares, levels, self.quantiles[place]), self.schema.fields[column])
        for span in self.spans:
            held = self.present[span.start - self.numbers : span.stop - self.numbers]
            codes = span.codes[np.where(held, rows[:, span.start : span.stop], -np.inf).argmax(1)]
            if self.schema.fields[span.column].number:
                cells[codes < 0, span.column] = np.nan
            else:
                cells[:, span.column] = codes
        return cells

    @staticmethod
    def _scores(values: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
        """Return Gaussian scores; a value that fills several quantiles lies in their middle."""
        if np.isnan(quantiles).any():
            return np.zeros(len(values))
        levels = np.linspace(0, 1, len(quantiles))
        rising = np.interp(values, quantiles, levels)
        falling = 1 - np.interp(-values, -quantiles[::-1], levels)
        return np.nan_to_num(ndtri((rising + falling) / 2).clip(-FARTHEST, FARTHEST))


def spans_beside_quantiles(schema: Schema) -> tuple[Span, ...]:
    """Return the spans of `Quantiles`: levels and -1 of categories (no -1 of the label), 0 and -1 of numbers."""
    spans, start = [], int(schema.numbers.sum())
    last = len(schema) - 1
    for column in (*np.flatnonzero(~schema.numbers), *np.flatnonzero(schema.numbers)):
        codes = np.arange(max(1, len(schema.fields[column].levels)))
        codes = codes if column == last else np.append(codes, -1)
        spans.append(Span(int(column), start, start + len(codes), codes))
        start += len(codes)
    return tuple(spans)


def written(values: np.ndarray, field: Field) -> np.ndarray:
    """Return numbers as the column is written down: within its ends, to its decimals."""
    values = values if field.decimals is None else np.round(values, field.decimals)
    return np.clip(
        values, -np.inf if field.lower is None else field.lower, np.inf if field.upper is None else field.upper
    )


def fit_mixtures(columns: Sequence[np.ndarray], modes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return weights, means and deviations [V', M] of a Gaussian mixture a column; gaps are left out.

    A variational fit with a Dirichlet process over modes (Bishop 2006, section 10.2; Blei and Jordan 2006; the priors
    of `sklearn.mixture.BayesianGaussianMixture` as CTGAN calls it), of all columns at once, on at most `SUPPORT`
    weighted points a column. It begins with modes of equal weight in the order of values, so it draws nothing. A mode
    dropped has weight 0; of a column without values all are.
    """
    points, counts = (np.zeros((len(columns), SUPPORT)) for _ in range(2))
    for place, column in enumerate(columns):
        values, held = _support(column[~np.isnan(column)])
        points[place, : len(values)], counts[place, : len(values)] = values, held
    total = np.maximum(counts.sum(1, keepdims=True), 1)
    centre = (counts * points).sum(1, keepdims=True) / total
    scale = np.sqrt((counts * (points - centre) ** 2).sum(1, keepdims=True) / total)
    scale = np.where(scale > 1e-9 * np.maximum(1, np.abs(centre)), scale, 1.0)
    x = (points - centre) / scale
    most = max(1, int((counts > 0).sum(1).max(initial=0)))  # beyond it no column has points
    x, counts = x[:, :most], counts[:, :most]
    shares = (np.cumsum(counts, axis=1) - counts / 2) / total
    r = np.eye(modes)[np.minimum((shares * modes).astype(int), modes - 1)]  # [V', points, M]
    for _ in range(ROUNDS):
        weights, mean, variance, log_likely = _mixture_step(x, counts, r)
        r = softmax(log_likely, axis=2)
    weights = np.where((weights > FEWEST) & (counts.sum(1, keepdims=True) > 0), weights, 0)
    return weights, centre + scale * mean, scale * np.sqrt(variance)


def _mixture_step(x: np.ndarray, counts: np.ndarray, r: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return weights, means, variances [V', M] under responsibilities r, and the log of the next ones unscaled."""
    held = counts[..., None] * r
    size = held.sum(1) + 1e-10
    mean = (held * x[..., None]).sum(1) / size
    spread = (held * (x[..., None] - mean[:, None]) ** 2).sum(1)
    precision, freedom = 1 + size, 1 + size
    variance = (1 + spread + size / precision * mean**2) / freedom + 1e-6
    mean = size * mean / precision
    first, rest = 1 + size, 1e-3 + size[:, ::-1].cumsum(1)[:, ::-1] - size
    both = digamma(first + rest)
    left = digamma(rest) - both
    log_weight = digamma(first) - both + left.cumsum(1) - left
    log_precision = digamma(freedom / 2) + np.log(2 / (freedom * variance))
    distance = (x[..., None] - mean[:, None]) ** 2 / variance[:, None] + (1 / precision)[:, None]
    stick = first / (first + rest)
    weights = stick * np.cumprod(np.concatenate([np.ones_like(stick[:, :1]), (1 - stick)[:, :-1]], 1), 1)
    weights /= weights.sum(1, keepdims=True)
    return weights, mean, variance, (log_weight + log_precision / 2)[:, None] - distance / 2


def _support(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return at most `SUPPORT` values and how many of the column each stands for."""
    unique, counts = np.unique(values, return_counts=True)
    if len(unique) <= SUPPORT:
        return unique, counts
    parts = np.array_split(np.sort(values), SUPPORT)
    return np.array([part.mean() for part in parts]), np.array([len(part) for part in parts])
