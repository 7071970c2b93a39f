"""What a job that measures yields, and how it is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    def joined(cls, parts: Mapping[str, "Findings"]) -> "Findings":
        """Return what was found of several treatments as one; tables get a column `treatment`, the first."""
        tables: dict[str, Rows] = {}
        for treatment, part in parts.items():
            for name, table in part.tables.items():
                before = tables.get(name, Rows(("treatment", *table.columns), []))
                tables[name] = replace(
                    before, rows=[*before.rows, *({"treatment": treatment, **row} for row in table.rows)]
                )
        return cls([measure for part in parts.values() for measure in part.measures], tables)

    def save(self, paths: Mapping[str, Path | str]) -> None:
        """Write one CSV file for the measures (under `measures` in `paths`) and one for each table, under its name."""
        write_measures(paths["measures"], self.measures)
        for name, table in self.tables.items():
            write_csv(paths[name], table.columns, table.rows)
