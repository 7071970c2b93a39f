"""Tables: columns of numbers and categories as they were found, gaps included, and the features made of them.

`Table.x` is what networks and trees learn from: gaps filled, categories as codes or one feature a level. `Table.raw`
is what a generator learns from and writes back. `decode` is the way back. A variable of an attack is a column.
"""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from medpriv.records.cohort import Fault, Faults, Rows, length_faults, name_faults, scaling_faults

COARSE = 10  # quantile bins of a number of which only the rough size is known


@dataclass(frozen=True)
class Column:
    """What a column is and which features are made of it.

    Attributes:
        name: in measures, too.
        kind: `number`; `binary` or `code` (one feature, a number for each level, nothing between two of them); `onehot`
            (a feature a level).
        unit: of a number.
        levels: names of what a category may be; none of a number.
        codes: of `binary` and `code`, the number that stands for each level in the feature.
        features: of `onehot`, the feature of each level, an empty text for a level without one.
        reference: of `onehot`, the level that records with zeros in all features have, -1 where they have a gap or a
            level without a feature.
        fill: what gaps get: a number, or the place of a level; None of `onehot`, whose gaps are zeros.
        measured: the column that is 0 where this one has a gap (how often it was measured, or whether); empty without.
        quasi_identifier: whether others may know it of a person.
        known_hours: when it is known, hours after the outcome (negative: before it); None where the source doesn't say.
        lower, upper, decimals: between which a number lies and how it is written down, by the publisher's data
            dictionary and never by the rows; None where it doesn't say.
        declared: whether the levels are the data dictionary's, not those that the rows happen to have.
        complete: whether no row can have a gap, by the data dictionary.
        own_name, own_levels: as the source writes them, where that isn't `name` and `levels`; empty elsewhere.
    """

    name: str
    kind: str = "number"
    unit: str = ""
    levels: tuple[str, ...] = ()
    codes: tuple[float, ...] = ()
    features: tuple[str, ...] = ()
    reference: int = -1
    fill: float | None = None
    measured: str = ""
    quasi_identifier: bool = False
    known_hours: float | None = None
    lower: float | None = None
    upper: float | None = None
    decimals: int | None = None
    declared: bool = False
    complete: bool = False
    own_name: str = ""
    own_levels: tuple[str, ...] = ()

    @property
    def made(self) -> tuple[str, ...]:
        """The names of its features, in their order."""
        return tuple(filter(None, self.features)) if self.kind == "onehot" else (self.name,)

    def encode(self, cells: np.ndarray) -> np.ndarray:
        """Return float32 [N, features] of cells float64 [N]."""
        if self.kind == "number":
            fill = np.nan if self.fill is None else self.fill
            return np.where(np.isnan(cells), fill, cells).astype(np.float32)[:, None]
        level = cells.astype(int)
        if self.kind == "onehot":
            return self._states[level]
        return np.array(self.codes)[np.where(level < 0, self.fill or 0, level).astype(int)].astype(np.float32)[:, None]

    def decode(self, x: np.ndarray, gaps: bool) -> np.ndarray:
        """Return float64 [N], the cells of features [N, features]: numbers as they are, of categories the nearest.

        Args:
            x: features.
            gaps: whether zeros in all features of `onehot` are a gap; else the nearest level it is.
        """
        if self.kind == "number":
            return x[:, 0].astype(np.float64)
        if self.kind != "onehot":
            return np.abs(x.astype(np.float64) - np.array(self.codes)).argmin(axis=1).astype(np.float64)
        states = [place for place, feature in enumerate(self.features) if feature]
        if self.reference >= 0 or gaps:
            states.append(self.reference)
        away = np.square(x[:, None].astype(np.float64) - self._states[states]).sum(axis=2)
        return np.array(states, np.float64)[away.argmin(axis=1)]

    @cached_property
    def _states(self) -> np.ndarray:
        """The features of each level, float32 [levels + 1, features]; the last is a gap's."""
        states = np.zeros((len(self.levels) + 1, len(self.made)), np.float32)
        states[[place for place, feature in enumerate(self.features) if feature], np.arange(len(self.made))] = 1
        return states


@dataclass(frozen=True)
class Table:
    """N rows of V columns.

    Attributes:
        columns: what each is.
        raw: float64 [N, V]: a number as it was found, NaN for a gap; a category as the place of its level, -1 for one.
        centre, scale: float32 [F] of the features, fitted on the training split; scale is above 0.
        row_id: int64 [N], the number of each row in its publisher's table; None where it has none.
        aside: int32 [N, A], codes of columns that nobody learns from, though others may know them of a person; None
            where there are none. Equal values (of dates, equal days; of ages, equal whole years) have equal codes.
        aside_names: theirs.
    """

    modality: ClassVar[str] = "table"

    columns: tuple[Column, ...]
    raw: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    row_id: np.ndarray | None = None
    aside: np.ndarray | None = None
    aside_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return N."""
        return len(self.raw)

    @cached_property
    def x(self) -> np.ndarray:
        """The features, float32 [N, F], in the columns' units."""
        return encode(self.columns, self.raw)

    def decode(self, x: np.ndarray) -> np.ndarray:
        """Return cells float64 [rows, V] of features [rows, F]: the way back from `x` to `raw`.

        A number that is there is as exact as float32. What `encode` filled in comes back as a gap where the column's
        `measured` says so, and as a value elsewhere.
        """
        places = self.variables
        raw = np.stack(
            [
                column.decode(x[:, places[column.name]], gaps=bool((self.raw[:, place] < 0).any()))
                for place, column in enumerate(self.columns)
            ],
            axis=1,
        )
        position = {column.name: place for place, column in enumerate(self.columns)}
        for place, column in enumerate(self.columns):
            if column.measured:
                missing = np.round(raw[:, position[column.measured]]) <= 0
                raw[missing, place] = np.nan if column.kind == "number" else -1
        return raw

    @property
    def features(self) -> tuple[str, ...]:
        """The F features' names."""
        return tuple(name for column in self.columns for name in column.made)

    @property
    def units(self) -> tuple[str, ...]:
        """The unit of each feature."""
        return tuple(column.unit for column in self.columns for _ in column.made)

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of each feature's column, by feature."""
        return {name: column.kind for column in self.columns for name in column.made}

    @property
    def known_hours(self) -> dict[str, float]:
        """When each feature is known, hours after the outcome, by feature; those alone of which the source says it."""
        return {
            name: column.known_hours
            for column in self.columns
            for name in column.made
            if column.known_hours is not None
        }

    @cached_property
    def variables(self) -> dict[str, list[int]]:
        """Each column's features, as their indices, in the order of the columns; those with a feature alone."""
        ends = np.cumsum([len(column.made) for column in self.columns]).tolist()
        return {
            column.name: list(range(end - len(column.made), end))
            for column, end in zip(self.columns, ends, strict=True)
            if column.made
        }

    @property
    def numbers(self) -> list[str]:
        """The variables that are numbers."""
        return [column.name for column in self.columns if column.kind == "number"]

    @property
    def quasi_identifiers(self) -> tuple[str, ...]:
        """The variables that others may know of a person."""
        return tuple(column.name for column in self.columns if column.quasi_identifier)

    def values(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the values of a variable that occur, float32 [V, its features], and int64 [N], which a record has."""
        values, place = np.unique(self.x[:, self.variables[name]], axis=0, return_inverse=True)
        return values, place.reshape(-1)

    def bins(self, name: str, rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a number cut at its quantiles: each bin's median, float32 [bins, 1], and int64 [N], each record's bin.

        Args:
            name: the variable.
            rows: bool [N], the records by which bins and medians are known; a bin that none of them is in is none.
            count: of the bins, at most.
        """
        held = self.x[:, self.variables[name][0]]
        known = held[rows]
        cuts = np.unique(np.quantile(known, np.arange(1, count) / count))
        bin_of = np.searchsorted(cuts, known, side="left")
        filled = np.unique(bin_of)
        cuts = cuts[filled[1:] - 1]
        medians = [[np.median(known[bin_of == place])] for place in filled]
        return np.array(medians, np.float32), np.searchsorted(cuts, held, side="left")

    def codes(self, name: str, coarse: bool = False) -> np.ndarray:
        """Return int64 [N]: equal values of a variable (in `years`, equal whole years), equal codes.

        Args:
            name: the variable.
            coarse: cut a number at its deciles, unless its values are few enough.
        """
        places = self.variables[name]
        held = self.x[:, places]
        if self.units[places[0]] == "years":
            held = np.floor(held)
        if coarse and name in self.numbers and len(np.unique(held)) > COARSE:
            cuts = np.unique(np.quantile(held[:, 0], np.arange(1, COARSE) / COARSE))
            return np.searchsorted(cuts, held[:, 0], side="right").astype(np.int64)
        return np.unique(held, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)

    def standardised(self, rows: Rows = slice(None)) -> np.ndarray:
        """Return (x - centre) / scale of some rows, float32 [rows, F]."""
        return ((self.x[rows] - self.centre) / self.scale).astype(np.float32)

    def tensors(self) -> dict[str, np.ndarray]:
        """Return the arrays by name."""
        held = {name: getattr(self, name) for name in ("raw", "centre", "scale", "row_id", "aside")}
        return {name: array for name, array in held.items() if array is not None}

    def about(self) -> dict[str, object]:
        """Return everything else, as JSON keeps it: of each column what isn't as everywhere."""
        usual = asdict(Column(""))
        columns = [
            {key: value for key, value in asdict(column).items() if value != usual[key]} for column in self.columns
        ]
        return {"columns": columns} | ({"aside": self.aside_names} if self.aside_names else {})

    @classmethod
    def restore(cls, tensors: dict[str, np.ndarray], about: dict) -> "Table":
        """Return the records that `tensors` and `about` told of."""
        columns = tuple(
            Column(**{key: tuple(value) if isinstance(value, list) else value for key, value in column.items()})
            for column in about["columns"]
        )
        kept = {"row_id": tensors.get("row_id"), "aside": tensors.get("aside")}
        beside = tuple(about.get("aside", ()))
        return cls(columns, tensors["raw"], tensors["centre"], tensors["scale"], **kept, aside_names=beside)

    def faults(self) -> Faults:
        """Yield what would make later stages silently wrong."""
        if self.raw.shape != (len(self.raw), len(self.columns)):
            yield Fault("raw", f"{list(self.raw.shape)} for {len(self.columns)} columns")
            return
        names = tuple(column.name for column in self.columns)
        yield from name_faults({"columns": (*names, *self.aside_names), "features": self.features})
        yield from length_faults(len(self), {"row_id": self.row_id, "aside": self.aside})
        if (0 if self.aside is None else self.aside.shape[1]) != len(self.aside_names):
            yield Fault("aside", f"{len(self.aside_names)} names for its columns")
        for place, column in enumerate(self.columns):
            yield from _cell_faults(column, self.raw[:, place])
        for name in ("centre", "scale"):
            if (shape := getattr(self, name).shape) != (len(self.features),):
                yield Fault(name, f"{list(shape)} for {len(self.features)} features")
        yield from scaling_faults(self.centre, self.scale)
        for place, column in enumerate(self.columns):
            if column.measured:
                yield from self._gap_faults(place, column)

    def _gap_faults(self, place: int, column: Column) -> Faults:
        names = [each.name for each in self.columns]
        if column.measured not in names:
            yield Fault(f"column {column.name}", f"no column {column.measured} to tell its gaps")
            return
        there = ~np.isnan(self.raw[:, place]) & (self.raw[:, place] != -1 if column.kind != "number" else True)
        if (wrong := there & (self.raw[:, names.index(column.measured)] == 0)).any():
            row = int(np.argmax(wrong))
            yield Fault(f"column {column.name}", f"a value, though {column.measured} is 0", record=row)


def _cell_faults(column: Column, cells: np.ndarray) -> Faults:
    place = f"column {column.name}"
    if column.kind == "number":
        bad = np.isinf(cells) | (np.isnan(cells) & (column.fill is None))
        problem = "a value is not a finite number"
    else:
        bad = ~np.isin(cells, np.arange(-1, len(column.levels)))
        bad |= (cells < 0) & (column.kind != "onehot") & (column.fill is None)
        problem = f"none of its {len(column.levels)} levels"
    if bad.any():
        row = int(np.argmax(bad))
        yield Fault(f"{place}, row {row}", problem, record=row)


def encode(columns: tuple[Column, ...], raw: np.ndarray) -> np.ndarray:
    """Return the features float32 [N, F] of cells float64 [N, V]."""
    return np.concatenate([column.encode(raw[:, place]) for place, column in enumerate(columns)], axis=1)
