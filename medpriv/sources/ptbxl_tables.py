"""PTB-XL's two tables: which record is whose, when it was taken, and its diagnostic superclasses.

`scp_statements.csv` gives each statement its superclass, `ptbxl_database.csv` gives each record its statements. Signals
are read in `medpriv.sources.ptbxl`, which also decides what becomes of records with several superclasses or none.
"""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from medpriv.errors import InputError
from medpriv.files import read_rows
from medpriv.sources.age import age_band

DATABASE, STATEMENTS = "ptbxl_database.csv", "scp_statements.csv"
CLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
COLUMNS = ("patient_id", "age", "sex", "site", "recording_date", "scp_codes", "strat_fold", "filename_lr")
RECORD = re.compile(r"records100/\d{5}/\d{5}_lr")  # the publisher's paths, of which none leaves the folder
FOLDS = range(1, 11)
FLAGS = {"": False, "0": False, "0.0": False, "1": True, "1.0": True}
SEXES = {0: "M", 1: "F"}
AGE_BANDS = (40, 65)
MOST_CODES = 2000  # characters of a cell of statements; the publisher's have little more than a hundred


@dataclass(frozen=True)
class Row:
    """One record of the table.

    Attributes:
        name: path of its files without ending, relative to the folder.
        patient, site: the publisher's numbers as text; the site may be `unknown`.
        taken: when it was recorded.
        fold: 1 to 10.
        superclasses: those of its diagnostic statements, in the order of `CLASSES`.
        groups: `sex` and `age` band of the patient on that day.
    """

    name: str
    patient: str
    site: str
    taken: datetime
    fold: int
    superclasses: tuple[str, ...]
    groups: dict[str, str]


def read_tables(folder: Path) -> list[Row]:
    """Return the records that the publisher's table lists, in its order, whether or not their files are there."""
    superclasses, rows = _read_statements(folder / STATEMENTS), []
    lines: dict[str, int] = {}
    for line, cells in _read_csv(folder / DATABASE, COLUMNS):
        row = _Line(folder / DATABASE, line, cells).read(superclasses)
        if (first := lines.setdefault(row.name, line)) != line:
            raise InputError(
                f"{row.name} listed twice, first in line {first}",
                file=folder / DATABASE,
                place=f"line {line}",
                remedy="list every record once",
            )
        rows.append(row)
    return rows


def _read_statements(file: Path) -> dict[str, str]:
    """Return the superclass of each statement, empty for those that are no diagnosis (form and rhythm alone)."""
    superclasses = {}
    for line, cells in _read_csv(file, ("", "diagnostic", "diagnostic_class")):
        statement, diagnostic, superclass = cells[""], cells["diagnostic"], cells["diagnostic_class"]
        if statement in superclasses:
            raise InputError(
                f"statement {statement!r} twice", file=file, place=f"line {line}", remedy="list every statement once"
            )
        if diagnostic not in FLAGS:
            raise InputError(
                f"{diagnostic!r} is neither 1 (a diagnosis) nor 0 or empty",
                file=file,
                place=f"line {line}, column diagnostic",
                remedy="get the publisher's table again",
            )
        if FLAGS[diagnostic] and superclass not in CLASSES:
            raise InputError(
                f"unknown superclass {superclass!r}",
                file=file,
                place=f"line {line}, column diagnostic_class",
                remedy=f"use one of {', '.join(CLASSES)}",
            )
        superclasses[statement] = superclass if FLAGS[diagnostic] else ""
    return superclasses


def _read_csv(file: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Return each row's line number and its cells, stripped, in the columns asked for."""
    if not file.is_file():
        raise InputError("the file is missing", file=file, remedy="put the publisher's table beside records100/")
    return read_rows(file, columns, "get the publisher's table again")


@dataclass(frozen=True)
class _Line:
    """One line of the table of records, and where it stands, for errors."""

    file: Path
    number: int
    cells: dict[str, str]

    def read(self, superclasses: dict[str, str]) -> Row:
        """Return the record; `superclasses` is what `_read_statements` returns."""
        name, fold = self.cells["filename_lr"], self._whole("strat_fold")
        if not RECORD.fullmatch(name):
            raise self._fault("filename_lr", "not a path such as records100/00000/00001_lr")
        if fold not in FOLDS:
            raise self._fault("strat_fold", "not a fold from 1 to 10")
        sex, age = self._whole("sex"), self._number("age")
        if sex is not None and sex not in SEXES:
            raise self._fault("sex", "neither 0 (male) nor 1 (female)")
        if age is not None and not 0 <= age <= 300:
            raise self._fault("age", "no age (300 stands for more than 89)")
        patient, site = self._whole("patient_id"), self._whole("site")
        if patient is None:
            raise self._fault("patient_id", "no patient")
        return Row(
            name=name,
            patient=str(patient),
            site="unknown" if site is None else str(site),
            taken=self._date("recording_date"),
            fold=fold,
            superclasses=self._superclasses(superclasses),
            groups={"sex": SEXES.get(sex, "unknown"), "age": age_band(age, AGE_BANDS)},
        )

    def _superclasses(self, superclasses: dict[str, str]) -> tuple[str, ...]:
        """Return the superclasses of the statements in `scp_codes`, a Python literal {statement: likelihood}.

        A likelihood of 0 means that it is not known, not that the statement is denied: as in the publisher's own
        example, every statement counts.
        """
        text = self.cells["scp_codes"]
        try:
            codes = ast.literal_eval(text) if len(text) <= MOST_CODES else None
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            codes = None
        if not isinstance(codes, dict) or not all(isinstance(likelihood, int | float) for likelihood in codes.values()):
            raise self._fault("scp_codes", "not of the form {'NORM': 100.0}")
        if unknown := [str(code) for code in codes if code not in superclasses]:
            raise self._fault("scp_codes", f"statement {unknown[0]} is not in {STATEMENTS}")
        stated = {superclasses[code] for code in codes}
        return tuple(superclass for superclass in CLASSES if superclass in stated)

    def _number(self, column: str) -> float | None:
        """Return the number in a cell, which the publisher writes as `2` or `2.0`; None where it is empty."""
        text = self.cells[column]
        if not text:
            return None
        if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text):
            raise self._fault(column, "not a number")
        return float(text)

    def _whole(self, column: str) -> int | None:
        """Return the whole number in a cell; None where it is empty."""
        number = self._number(column)
        if number is not None and number % 1:
            raise self._fault(column, "not a whole number")
        return None if number is None else int(number)

    def _date(self, column: str) -> datetime:
        try:
            return datetime.fromisoformat(self.cells[column]).replace(tzinfo=None)
        except ValueError:
            raise self._fault(column, "not a date such as 1990-12-31 23:59:59") from None

    def _fault(self, column: str, problem: str) -> InputError:
        shown = self.cells[column] if len(self.cells[column]) <= 80 else f"{self.cells[column][:80]}..."
        return InputError(
            f"{shown!r}: {problem}",
            file=self.file,
            place=f"line {self.number}, column {column}",
            remedy="get the publisher's table again, or correct the cell",
        )
