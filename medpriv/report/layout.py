"""What a section of the page is made of: paragraphs, tables and figures, all plain text.

The template `parts.html` prints them and escapes every word. Sections are composed in `medpriv.report.sections`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from medpriv.measures.table import Measure
from medpriv.report import words
from medpriv.report.drawing import Figure


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


@dataclass(frozen=True)
class Column:
    """A column's head; `over` is what adjoining columns share."""

    label: str
    note: str = ""
    over: str = ""
    form: str = "number"


@dataclass(frozen=True)
class Row:
    """A row: its head, what stands above and below it in small type, cells (none: the head of the rows below it).

    `control` sets it apart.
    """

    head: str
    cells: tuple[Cell, ...]
    above: str = ""
    below: tuple[str, ...] = ()
    control: bool = False


@dataclass(frozen=True)
class Table:
    """A table; the first column is that of the rows' heads. `fold` is the text on the fold, empty if it stands open."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    lede: str = ""
    fold: str = ""
    kind: ClassVar[str] = "table"

    @property
    def sortable(self) -> bool:
        """Return whether rows may change places: not below heads of their own."""
        return all(row.cells for row in self.rows)

    @property
    def overs(self) -> list[tuple[str, int]]:
        """Return the spanning heads of all columns but the first, each with the number of columns below it."""
        spans: list[tuple[str, int]] = []
        for column in self.columns[1:]:
            if spans and spans[-1][0] == column.over:
                spans[-1] = (column.over, spans[-1][1] + 1)
            else:
                spans.append((column.over, 1))
        return spans if any(over for over, _ in spans) else []


@dataclass(frozen=True)
class Section:
    """A section of the page: anchor, title, its name in the contents, paragraphs and parts in their order."""

    anchor: str
    title: str
    short: str
    paragraphs: tuple[str, ...]
    parts: tuple[Table | Figure, ...]


def value_cell(
    measure: Measure | None, *, share: bool = False, attack: bool = False, signed: bool = False, places: int = 3
) -> Cell:
    """Return a measure as a cell: value, interval, and the attack behind it where that was a choice."""
    if measure is None:
        return Cell(words.MISSING)
    if measure.value != measure.value:
        of = f" of {words.plural(measure.patients, 'patient')}" if measure.patients else ""
        return Cell(words.UNRESOLVABLE, (f"n = {words.integer(measure.n)}{of}",))
    text = words.percent(measure.value) if share else words.number(measure.value, places)
    if signed and measure.value > 0 and not text.startswith(words.number(0, 1 if share else places)):
        text = f"+{text}"
    details = (words.interval(measure, share=share, places=places), words.attack_name(measure.attack) if attack else "")
    return Cell(text, tuple(text for text in details if text), f"{measure.value:.6g}")


def prose(text: str, tone: str = "") -> Cell:
    """Return words as a cell."""
    return Cell(text, form="prose", tone=tone, order=text)


def source_cell(path: str, *details: str) -> Cell:
    """Return the file that holds a figure, and which of its rows."""
    return Cell(path, tuple(detail for detail in details if detail), path, "code")


def count_cell(count: int | None) -> Cell:
    """Return an n as a cell."""
    return Cell(words.MISSING) if count is None else Cell(words.integer(count), order=str(count))


def bytes_cell(count: float | None) -> Cell:
    """Return a number of bytes as a cell."""
    return Cell(words.MISSING) if count is None else Cell(words.size(count), order=str(count))


def numbers(labels: Sequence[tuple[str, str]], over: str = "") -> tuple[Column, ...]:
    """Return columns of figures from (label, note)."""
    return tuple(Column(label, note, over) for label, note in labels)
