"""What a job that measures yields, and how it is written."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from medpriv.files import write_csv
from medpriv.measures.table import Measure, write_measures

RATE = r"\d[\d.e-]*"  # a false-positive rate in a measure's name, as a regular expression within another


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

    def save(self, paths: Mapping[str, Path | str], names: Mapping[str, Collection[str]]) -> None:
        """Write one CSV file for the measures (under `measures` in `paths`) and one for each table, under its name.

        Args:
            names: of the `attacks` and the `measures` that may stand there; `@` stands for a false-positive rate.

        Raises:
            ValueError: a table, an attack or a measure that the job was not told of, or a table that is missing. Then
                nothing is written: what nobody was told of, the report would not show.
        """
        if faults := [*self._strange_tables(paths), *self._strange_names(names)]:
            raise ValueError(f"{', '.join(faults)}: mend the name, or its entry in medpriv/catalogue")
        write_measures(paths["measures"], self.measures)
        for name, table in self.tables.items():
            write_csv(paths[name], table.columns, table.rows)

    def _strange_tables(self, paths: Mapping[str, Path | str]) -> Iterator[str]:
        yield from (f"unknown table {name}" for name in sorted(self.tables.keys() - paths.keys()))
        yield from (f"no table {name}" for name in sorted(paths.keys() - self.tables.keys() - {"measures"}))

    def _strange_names(self, names: Mapping[str, Collection[str]]) -> Iterator[str]:
        known = re.compile("|".join(re.escape(name).replace("@", RATE) for name in names["measures"]))
        found = {(item.attack, item.measure) for item in self.measures}
        yield from (
            f"unknown attack {name!r}" for name in sorted({attack for attack, _ in found} - {*names["attacks"]})
        )
        yield from (
            f"unknown measure {name}" for name in sorted({name for _, name in found}) if not known.fullmatch(name)
        )
