"""What a generator is told of a table: its columns with the label as the last, and the rows of each replicate as cells.

A cell is what `Table.raw` holds: a number, NaN for a gap, or a category's place among its levels, -1 for a gap. The
label is a category without gaps. Ranges, levels and decimals are those of the source's public data dictionary, so that
a generator with differential privacy may use them as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.dataset import Dataset
from medpriv.records.labels import LABEL
from medpriv.records.tables import Column


@dataclass(frozen=True)
class Field:
    """One column.

    Attributes:
        name: in errors, costs and pages; no two columns have one.
        levels: names of what a category may be; none of a number.
        lower, upper: between which a number lies, by the public data dictionary; None where it says nothing.
        decimals: of a number, as it is written down; None where the dictionary says nothing.
        declared: whether the levels are the dictionary's, not those that the rows happen to have.
        complete: whether no row can have a gap, by the dictionary.
        own_name, own_levels: as the source writes them, where that isn't `name` and `levels`; empty elsewhere.
    """

    name: str
    levels: tuple[str, ...] = ()
    lower: float | None = None
    upper: float | None = None
    decimals: int | None = None
    declared: bool = False
    complete: bool = False
    own_name: str = ""
    own_levels: tuple[str, ...] = ()

    @property
    def number(self) -> bool:
        """Whether it is a number, not a category."""
        return not self.levels

    @property
    def written(self) -> str:
        """Its name in a table that is released."""
        return self.own_name or self.name

    @property
    def texts(self) -> tuple[str, ...]:
        """Its levels in a table that is released."""
        return self.own_levels or self.levels


@dataclass(frozen=True)
class Counted:
    """Columns that are gaps exactly where another one is 0: it says whether, or how often, they were measured.

    Attributes:
        count: the place of that one.
        never: the cell by which it says 0: of a category, the level's place.
        values: the places of the columns that have gaps there.
    """

    count: int
    never: float
    values: tuple[int, ...]


@dataclass(frozen=True)
class Schema:
    """The V + 1 columns of cells [rows, V + 1]: those of the table, then the label.

    Attributes:
        fields: one a column.
        counted: which of them are gaps where which are 0.
    """

    fields: tuple[Field, ...]
    counted: tuple[Counted, ...] = ()

    def __len__(self) -> int:
        """Return V + 1."""
        return len(self.fields)

    @property
    def numbers(self) -> np.ndarray:
        """Which columns are numbers, bool [V + 1]."""
        return np.array([field.number for field in self.fields])

    @classmethod
    def of(cls, dataset: Dataset) -> "Schema":
        """Return the schema of a dataset of tables."""
        dataset.require("table", reason="generators of synthetic tables")
        fields = []
        for column in dataset.records.columns:
            own = {"complete": column.complete, "own_name": column.own_name, "own_levels": column.own_levels}
            number = column.kind == "number"
            known = (column.lower, column.upper, column.decimals) if number else (None, None, None, column.declared)
            fields.append(Field(column.name, () if number else column.levels, *known, **own))
        own = {"own_name": dataset.labels.column, "own_levels": dataset.labels.own_classes}
        label = Field(LABEL, tuple(dataset.classes), declared=True, complete=True, **own)
        return cls((*fields, label), _counted(dataset.records.columns))


def _counted(columns: Sequence[Column]) -> tuple[Counted, ...]:
    """Return the counts among the columns with their values; a category that can't say 0 is none."""
    found = []
    for place, column in enumerate(columns):
        values = tuple(at for at, other in enumerate(columns) if other.measured == column.name)
        if values and column.kind == "number":
            found.append(Counted(place, 0.0, values))
        elif values and 0 in column.codes:
            found.append(Counted(place, float(column.codes.index(0)), values))
    return tuple(found)


def cells_of(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """Return float64 [n, V + 1] of the rows chosen (bool [N] or indices)."""
    return np.column_stack([dataset.records.raw[rows], dataset.y[rows].astype(np.float64)])


@dataclass(frozen=True)
class Synthesis:
    """What a generator made of the tables of K replicates.

    Attributes:
        samples: K synthetic tables, cells float64 [S_k, V + 1].
        costs: of one model on average (`updates`, `flops`, `parameters`, as far as they make sense).
        guarantee: what the models guarantee (epsilon, delta, ...), as `medpriv.privacy` states it; None for nothing.
        weights: name -> [K, ...], where a model can be queried or is audited by its weights; else None.
        audit_arrays: name -> [K, ...], what audits need beside.
    """

    samples: Sequence[np.ndarray]
    costs: dict[str, float]
    guarantee: dict[str, object] | None = None
    weights: dict[str, np.ndarray] | None = None
    audit_arrays: dict[str, np.ndarray] | None = None
