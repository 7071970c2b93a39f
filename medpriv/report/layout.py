"""What tables of the page are made of: columns, each with the function of its cells, by rows.

The template `parts.html` prints them and escapes every word. Tables are composed in `medpriv.report.sections`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from medpriv.measures.table import Measure
from medpriv.report import formatting, labels


@dataclass(frozen=True)
class Cell:
    """One figure of a table: its text, what stands below it in small type, and the number to sort by.

    Attributes:
        form: `number`, `prose` or `code`.
        tone: of a verdict, `good`, `bad` or `open`; the text says the same.
        measured: (kind, key) of the measured block that `page.js` copies into the cell; empty: not measured.
    """

    text: str
    details: tuple[str, ...] = ()
    order: str = ""
    form: str = "number"
    tone: str = ""
    measured: tuple[str, str] | tuple[()] = ()

    def below(self, *details: str) -> "Cell":
        """Return the cell with more below it; empty text is left out."""
        return replace(self, details=(*self.details, *filter(None, details)))


NOTHING = Cell(formatting.MISSING)


@dataclass(frozen=True)
class Column:
    """A column: its head, and what its cell is in a row.

    Attributes:
        value: from what a row is of (`Row.of`) to the cell.
        note: below the head, in small type.
        over: the head that adjoining columns share.
        form: of its cells.
    """

    label: str
    value: Callable[[Any], Cell]
    note: str = ""
    over: str = ""
    form: str = "number"


@dataclass(frozen=True)
class Row:
    """A row: its head, what stands above and below it in small type, and what its cells are made from.

    Attributes:
        of: what the columns' functions get; None: this is the head of the rows below it.
        control: sets it apart.
    """

    head: str
    of: Any = None
    above: str = ""
    below: tuple[str, ...] = ()
    control: bool = False


@dataclass(frozen=True)
class Table:
    """A table: columns by rows.

    Attributes:
        head: of the rows' heads.
        fold: the text on the fold; empty if the table stands open.
    """

    title: str
    head: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    fold: str = ""
    kind: ClassVar[str] = "table"

    def cells(self, row: Row) -> list[Cell]:
        """Return a row's cells; none of a head of rows."""
        return [] if row.of is None else [column.value(row.of) for column in self.columns]

    @property
    def sortable(self) -> bool:
        """Return whether rows may change places: not below heads of their own."""
        return all(row.of is not None for row in self.rows)

    @property
    def overs(self) -> list[tuple[str, int]]:
        """Return the spanning heads of the columns, each with the number of columns below it."""
        return spans(self.columns)


@dataclass(frozen=True)
class Group:
    """Rows of one dataset: a table's rows are sorted within these alone."""

    name: str
    rows: tuple[Row, ...]
    facts: tuple[str, ...] = ()


@dataclass(frozen=True)
class GroupedTable:
    """A table of the whole run, its rows in groups.

    Attributes:
        fold: the text on the fold; empty if the table stands open.
    """

    columns: tuple[Column, ...]
    groups: tuple[Group, ...]
    fold: str = ""

    def cells(self, row: Row) -> list[Cell]:
        """Return a row's cells."""
        return [column.value(row.of) for column in self.columns]

    @property
    def overs(self) -> list[tuple[str, int]]:
        """Return the spanning heads of the columns, each with the number of columns below it."""
        return spans(self.columns)


def spans(columns: Sequence[Column]) -> list[tuple[str, int]]:
    """Return the heads that adjoining columns share, each with how many they are; none if there is none."""
    found: list[tuple[str, int]] = []
    for column in columns:
        if found and found[-1][0] == column.over:
            found[-1] = (column.over, found[-1][1] + 1)
        else:
            found.append((column.over, 1))
    return found if any(over for over, _ in found) else []


def folded(row_count: int, limit: int, what: str) -> str:
    """Return the text on the fold of a table with more rows than `limit`; empty for a shorter one."""
    return f"{what}, {row_count} rows" if row_count > limit else ""


def value_cell(
    measure: Measure | None, *, share: bool = False, attack: bool = False, signed: bool = False, places: int = 3
) -> Cell:
    """Return a measure as a cell: value, interval, and the attack behind it where that was a choice."""
    if measure is None:
        return NOTHING
    if measure.value != measure.value:
        of = f" of {formatting.plural(measure.patients, 'patient')}" if measure.patients else ""
        return Cell(formatting.UNRESOLVABLE, (f"n = {formatting.integer(measure.n)}{of}",))
    text = formatting.percent(measure.value) if share else formatting.number(measure.value, places)
    if signed and measure.value > 0 and not text.startswith(formatting.number(0, 1 if share else places)):
        text = f"+{text}"
    bounds = formatting.interval(measure, share=share, places=places)
    return Cell(text, order=f"{measure.value:.6g}").below(bounds, labels.attack_name(measure.attack) if attack else "")


def rate_cell(rate: Measure | None, arrived: Iterable[Measure | None], *, attack: bool = False) -> Cell:
    """Return a true-positive rate as a cell; of one without value, which of the two reasons there is.

    Args:
        rate: at a false-positive rate.
        arrived: the false-positive rates at which attacks arrived; they have values where there are people enough.
        attack: whether the attack behind it was a choice.
    """
    found = [item.value for item in arrived if item is not None and item.value == item.value]
    if rate is not None and rate.value != rate.value and found:
        return Cell(formatting.MISSED, (f"FPR reached {formatting.percent(min(found))}",))
    return value_cell(rate, share=True, attack=attack)


def prose(text: str, tone: str = "") -> Cell:
    """Return words as a cell."""
    return Cell(text, form="prose", tone=tone, order=text)


def source_cell(path: str, *details: str) -> Cell:
    """Return the file that holds a figure, and which of its rows."""
    return Cell(path, order=path, form="code").below(*details)


def count_cell(count: int | None) -> Cell:
    """Return an n as a cell."""
    return NOTHING if count is None else Cell(formatting.integer(count), order=str(count))


def n_of(measure: Measure | None) -> Cell:
    """Return the n of a figure as a cell."""
    return count_cell(measure.n if measure else None)


def patients_of(measure: Measure | None) -> Cell:
    """Return the patients behind a figure as a cell."""
    return count_cell(measure.patients if measure else None)


def bytes_cell(count: float | None) -> Cell:
    """Return a number of bytes as a cell."""
    return NOTHING if count is None else Cell(formatting.size(count), order=str(count))


def share_cell(value: float) -> Cell:
    """Return a share as a cell: a tenth of a percent is told where it is small."""
    return Cell(formatting.percent(value, 1 if value < 0.1 else 0), order=f"{value:.6g}")


def columns_over(over: str, *columns: Column) -> Sequence[Column]:
    """Return columns below a common head."""
    return tuple(replace(column, over=over) for column in columns)
