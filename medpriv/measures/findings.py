"""What a job that measures yields, and how it is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medpriv.files import write_csv
from medpriv.measures.table import Measure, write_measures


@dataclass(frozen=True)
class Rows:
    """A table beside the measures.

    Attributes:
        columns: their names, in order.
        rows: one mapping a row.
    """

    columns: Sequence[str]
    rows: Sequence[Mapping[str, object]]


@dataclass(frozen=True)
class Findings:
    """What an attack family found, or a measurement of use.

    Attributes:
        measures: its figures.
        tables: what else it tells, by name.
    """

    measures: list[Measure]
    tables: Mapping[str, Rows] = field(default_factory=dict)

    @classmethod
    def joined(cls, parts: Sequence["Findings"]) -> "Findings":
        """Return the measures of several banks as one; they have no tables."""
        return cls([measure for part in parts for measure in part.measures])

    def save(self, paths: Mapping[str, Path | str]) -> None:
        """Write one CSV file for the measures (under `measures` in `paths`) and one for each table, under its name."""
        write_measures(paths["measures"], self.measures)
        for name, table in self.tables.items():
            write_csv(paths[name], table.columns, table.rows)
