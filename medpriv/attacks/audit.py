"""What every attack family yields, and how it is written."""

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
class Audit:
    """What an attack family found.

    Attributes:
        measures: its figures.
        tables: what else it tells, by file stem.
    """

    measures: list[Measure]
    tables: Mapping[str, Rows] = field(default_factory=dict)

    def save(self, folder: Path | str) -> None:
        """Write `measures.csv` and one CSV file a table into the folder."""
        folder = Path(folder)
        write_measures(folder / "measures.csv", self.measures)
        for stem, table in self.tables.items():
            write_csv(folder / f"{stem}.csv", table.columns, table.rows)
