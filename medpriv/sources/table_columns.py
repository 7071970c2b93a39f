"""What an own table's columns become by their declared role: numbers, names (label, patient, site), categories, groups.

Text is converted here and nowhere else. Each function appends what it finds wrong to a list, so that a table's faults
come all at once. No fault shows a cell: the table may be of real patients.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np

from medpriv.errors import InputError
from medpriv.sources.names import SPELLED, is_gap, is_rounded, is_unknown, plain, spellings
from medpriv.sources.table_file import SHOWN, TextColumn

LEVELS = 100  # a category with more levels is refused
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_COMMA = re.compile(r"[+-]?(\d+,\d*|,\d+)([eE][+-]?\d+)?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)
_UNIT = re.compile(r"[+-]?(?:\d+[.,]?\d*|[.,]\d+)\s*(?![eE]$)([^\W\d_][^\d,;]{0,11}|%|°C?)")
_BEYOND = re.compile(r"[<>≤≥]=?\s*[+-]?(\d+[.,]?\d*|[.,]\d+)")
# What studies and programs write for "unknown" into columns of numbers; below 0 also where that is the only sign of it.
_CODES = (-7, -8, -9, -77, -88, -99, -99.9, -777, -888, -999, -999.9, -7777, -8888, -9999, -9999.9, -99999, -999999)
_CODES += (99, 888, 999, 999.9, 8888, 9999, 9999.9, 88888, 99999, 999999)
_REPEATED, _VARIED = 3, 5  # rows with a code; distinct other values from which -1 is one
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Fault:
    """One fault of a table: where, what, and what the user can do about it."""

    place: str
    problem: str
    remedy: str


def refuse(path: Path, faults: Sequence[Fault]) -> None:
    """Raise one InputError about all faults, if there are any: those that differ in their place alone on one line."""
    places: dict[tuple[str, str], list[str]] = {}
    for fault in dict.fromkeys(faults):  # a category that is a group, too, is looked at twice
        places.setdefault((fault.problem, fault.remedy), []).append(fault.place)
    listed = [(_some(held, "; "), problem, remedy) for (problem, remedy), held in places.items()]
    if len(listed) == 1:
        place, problem, remedy = listed[0]
        raise InputError(problem, file=path, place=place, remedy=remedy)
    if listed:
        lines = [f"  - {place}: {problem}; {remedy}" for place, problem, remedy in listed]
        remedy = "correct each (rows count from 1, below the header):\n" + _some(lines, "\n", "  and")
        raise InputError(f"{len(set(faults))} faults", file=path, remedy=remedy)


def _some(texts: Sequence[str], between: str, before: str = "and") -> str:
    more = f"{between}{before} {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return between.join(texts[:SHOWN]) + more


def is_number(text: str) -> bool:
    """Return whether a text is a number, with a point or a comma."""
    return bool(_NUMBER.fullmatch(text) or _COMMA.fullmatch(text))


def gaps(column: TextColumn) -> np.ndarray:
    """Return bool [texts]: those that stand for a missing value."""
    return np.array([is_gap(text) for text in column.texts], dtype=bool)


def decimal_mark(columns: Iterable[TextColumn], separator: str, faults: list[Fault]) -> str:
    """Return `.` or `,`: what the numbers of a table have before their decimals.

    A comma is taken for one where cells are not separated by commas, nothing is written with a point, and some number
    cannot be meant as thousands ("1,234" alone could be 1.234 or 1234); what stays open is a fault.
    """
    comma = point = ""  # where the first number of each kind stands
    sure = False  # whether some comma cannot stand before thousands
    if separator in (",", ""):
        return "."
    for column in columns:
        for place, text in enumerate(column.texts):
            if "," in text and _COMMA.fullmatch(text):
                comma = comma or _cell(column, place)
                sure = sure or not _THOUSANDS.fullmatch(text)
            elif "." in text and _NUMBER.fullmatch(text):
                point = point or _cell(column, place)
    if comma and point:
        remedy = "write all numbers of the table in one way, without marks between thousands"
        faults.append(Fault(comma, f"a number with a comma, though in {point} one has a point", remedy))
    elif comma and not sure:
        remedy = "write thousands without a mark, or decimals with a point"
        faults.append(Fault(comma, "a number whose comma may stand before decimals or before thousands", remedy))
    return "," if comma else "."


def to_number(text: str, mark: str) -> float:
    """Return the number that a text is, NaN for a gap; raise ValueError for anything else (`1_20`, `inf`, `1e99`)."""
    if mark == "," and _COMMA.fullmatch(text):
        text = text.replace(",", ".")
    if _NUMBER.fullmatch(text):
        value = float(text)
        if abs(value) < _LARGEST:
            return value
    elif is_gap(text):
        return np.nan
    raise ValueError(text)


def numbers(
    column: TextColumn, mark: str, faults: list[Fault], missing_codes: Sequence[float] | None = None
) -> np.ndarray:
    """Return a column as float64 [N], NaN where a value is missing.

    Refused are other words, one value in every row, and what is probably a code for a missing value, unless
    `missing_codes` says which there are.
    """
    values, bad = np.full(len(column.texts), np.nan), []
    for place, text in enumerate(column.texts):
        try:
            values[place] = to_number(text, mark)
        except ValueError:
            bad.append(place)
    if bad:
        problem, remedy = _not_a_number([str(column.texts[place]) for place in bad], mark)
        faults.append(Fault(_cells(column, bad), problem, remedy))
        return values[column.code]
    if missing_codes is None:
        _refuse_codes(column, values[column.code], faults)
    elif absent := [code for code in missing_codes if code not in values]:
        problem = f"no value {', '.join(f'{code:g}' for code in absent)} (preprocess.missing_codes)"
        faults.append(Fault(f"column {column.name}", problem, "write the codes as the table has them"))
    values[np.isin(values, missing_codes or ())] = np.nan
    if (found := len(set(values[~np.isnan(values)]))) < 2:
        faults.append(_constant(column, beside_gaps=found == 1 and bool(np.isnan(values).any())))
    return values[column.code]


def _not_a_number(texts: Sequence[str], mark: str) -> tuple[str, str]:
    """Return what is wrong with texts that are no numbers, and the remedy, in a table with that decimal mark."""
    sign = "comma" if mark == "," else "point"
    aside = "leave it empty, or name the column under preprocess.categorical or .ignore"
    if any(_COMMA.fullmatch(text) for text in texts):
        remedy = "write decimals with a point (or save the table with semicolons), thousands without a mark"
        return "not a number", remedy
    if has_unit(texts):
        if texts[0].endswith("%"):
            return "a number with a percent sign", "write it without percent signs"
        return "a number with its unit", "write it without the unit, the same in all rows"
    if all(_BEYOND.fullmatch(text) for text in texts):
        remedy = f"write the limit itself, or half of it, as a number with a {sign}, the same in all rows; or {aside}"
        return "a limit (such as < before a number), not a number", remedy
    remedy = (
        f"write it in digits 0 to 9 with a {sign}, no unit and nothing between thousands, of a size below 3e38, or "
    )
    return "not a number", remedy + aside


def has_unit(texts: Sequence[str]) -> bool:
    """Return whether all texts are numbers with the same few letters or signs behind them: %, mg/l."""
    found = [_UNIT.fullmatch(text) for text in texts]
    return bool(found) and all(found) and len({one[1].casefold() for one in found if one}) == 1


def probable_codes(values: np.ndarray) -> dict[float, int]:
    """Return what is probably a code for a missing value in a column of numbers, float64 [N], and in how many rows.

    Such a number is one of those in use (-9, -99, 999, 9999, ...), stands in three or more rows, and either no other
    value is below 0 as it is, or it lies farther from all others than these do from one another.
    """
    held, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    often = counts >= _REPEATED
    rest = held[~(np.isin(held, (*_CODES, -1)) & often)]
    if not len(rest):
        return {}
    spread, found = np.ptp(rest), {}
    for value, count in zip(held[often].tolist(), counts[often].tolist(), strict=True):
        alone = rest[0] >= 0 > value and (value in _CODES or (value == -1 and len(rest) >= _VARIED))
        far = value in _CODES and max(rest[0] - value, value - rest[-1]) > spread
        if alone or far:
            found[value] = count
    return found


def _refuse_codes(column: TextColumn, values: np.ndarray, faults: list[Fault]) -> None:
    """Refuse numbers that are probably codes; they are shown, since a code is nobody's value."""
    if found := probable_codes(values):
        told = ", ".join(f"{code:g} in {count} rows" for code, count in found.items())
        codes = ", ".join(f"{code:g}" for code in found)
        problem = f"{told}, apart from all other values: probably a code for a missing value, which would be learnt"
        remedy = (
            f"write preprocess.missing_codes: {{{column.name}: [{codes}]}}, or {{{column.name}: []}} if it is a value"
        )
        faults.append(Fault(f"column {column.name}", problem, remedy))


def names(
    column: TextColumn, faults: list[Fault], key: Callable | None = None, no_names: Collection[str] = ()
) -> tuple[list[str], np.ndarray]:
    """Return the distinct names of a column without gaps, sorted by `key`, and int64 [N], each row's place among them.

    Names are those of `plain`. Gaps, `no_names` (in any case) and names in two spellings are faults.
    """
    missing = np.flatnonzero(gaps(column) | [text.casefold() in no_names for text in column.texts])
    if len(missing):
        remedy = "fill it in, or remove the row; if it is a name, write another word"
        faults.append(Fault(_cells(column, missing), "a missing value that must not be", remedy))
    _refuse_spellings(column, faults)
    found = sorted({plain(text) for text in column.texts}, key=key)
    place = {name: index for index, name in enumerate(found)}
    return found, np.array([place[plain(text)] for text in column.texts], dtype=np.int64)[column.code]


def category(
    column: TextColumn, faults: list[Fault], declared: Sequence[str] | None = None
) -> tuple[list[str], np.ndarray]:
    """Return the levels of a category, sorted, and int64 [N], each row's place among them, -1 where it is missing.

    Levels in two spellings, more than `LEVELS` of them, one level in every row, and others than those that are
    `declared` are faults.
    """
    _refuse_spellings(column, faults)
    missing = gaps(column)
    levels = sorted({plain(text) for text, gap in zip(column.texts, missing, strict=True) if not gap})
    constant = len(levels) + missing.any() < 2
    if declared is not None:
        allowed = sorted({plain(name) for name in declared})
        strange = [
            place
            for place, (text, gap) in enumerate(zip(column.texts, missing, strict=True))
            if not gap and plain(text) not in allowed
        ]
        if strange:
            remedy = "correct it, or add it to preprocess.levels if it was known that it may occur"
            faults.append(Fault(_cells(column, strange), "a level that preprocess.levels doesn't name", remedy))
        levels = sorted({*allowed, *levels})
    if len(levels) > LEVELS:
        remedy = "join its rare levels into one, name it under preprocess.ignore or, if it says who it is, .patient"
        faults.append(Fault(f"column {column.name}", f"{len(levels)} levels, of {LEVELS} at most", remedy))
    if constant:
        faults.append(_constant(column))
    place = {name: index for index, name in enumerate(levels)}
    code = [-1 if gap else place[plain(text)] for text, gap in zip(column.texts, missing, strict=True)]
    return levels, np.array(code, dtype=np.int64)[column.code]


def group(column: TextColumn, owner: np.ndarray, faults: list[Fault]) -> tuple[str, ...]:
    """Return each patient's value of a group column; a patient with two values is a fault.

    Args:
        column: the column.
        owner: int [N], the patient of each row.
        faults: where the fault goes.
    """
    levels, code = category(column, [])
    _refuse_spellings(column, faults)
    if len(levels) > LEVELS:
        remedy = "join values in the table (ages to bands), or take it out of preprocess.groups"
        faults.append(Fault(f"column {column.name}", f"{len(levels)} groups, of {LEVELS} at most", remedy))
    _, first = np.unique(owner, return_index=True)  # each patient's first row
    if len(differing := np.flatnonzero(code != code[first[owner]])):
        row = differing[0]
        problem = f"another value than in row {first[owner[row]] + 1} of the same patient"
        remedy = "a group is one value a patient: correct it, or take the column out of preprocess.groups"
        faults.append(Fault(f"row {row + 1}, column {column.name}", problem, remedy))
    return tuple("unknown" if code[row] < 0 else levels[code[row]] for row in first)


def check_label(column: TextColumn, faults: list[Fault]) -> None:
    """Refuse a label that is one class, a measurement or free text, and words for unknown among its classes."""
    texts = [text for text, gap in zip(column.texts, gaps(column), strict=True) if not gap]
    place, rows = f"column {column.name}", len(column.code)
    if len(texts) == 1:
        remedy = "take a column with two or more classes, or a table with patients of both"
        faults.append(Fault(place, "one class only, so there is nothing to learn", remedy))
    if unknown := [at for at, text in enumerate(column.texts) if is_unknown(text) and not _NUMBER.fullmatch(text)]:
        remedy = "remove the rows; if it is a class to be learnt, call it otherwise, such as `not determined`"
        faults.append(Fault(_cells(column, unknown), "a word for unknown, which would be learnt as a class", remedy))
    numeric = [float(text) for text in texts if _NUMBER.fullmatch(text)]
    if len(texts) == len(numeric) and (codes := [value for value in numeric if value in _CODES]):
        problem = f"a class {codes[0]:g}: probably a code for a missing value"
        remedy = "remove its rows; if it is a class, give it a name in words"
        faults.append(Fault(place, problem, remedy))
    measured = len(texts) > 10 and all(SPELLED.fullmatch(text) for text in texts)
    if measured and (rows < 20 * len(texts) or any("." in text or "," in text for text in texts)):
        remedy = "cut it into classes in the table (such as above a threshold: 1, else 0), or name another column"
        problem = f"{len(texts)} numbers in {rows} rows: a measurement, not classes"
        faults.append(Fault(place, problem, remedy))
    elif len(texts) > LEVELS // 2:
        remedy = "join the rare ones, or name another column"
        faults.append(Fault(place, f"{len(texts)} classes, of {LEVELS // 2} at most", remedy))


def refuse_rounded(column: TextColumn, faults: list[Fault]) -> None:
    """Refuse ids as a spreadsheet shows long ones, `1.23E+15`: several people would be one."""
    if rounded := [place for place, text in enumerate(column.texts) if is_rounded(text)]:
        problem = "an id of which a spreadsheet has kept the first digits alone, so that several people may share it"
        remedy = "take the ids from their source anew, the column formatted as text"
        faults.append(Fault(_cells(column, rounded), problem, remedy))


def _refuse_spellings(column: TextColumn, faults: list[Fault]) -> None:
    """Refuse one name in two spellings: `1` and `1.0`, `7` and `007`, `Died` and `died`, `yes` and `1`.

    They may be one (files were joined) or two (codes): the table's owner alone knows, so none is unified here.
    """
    named = np.flatnonzero(~gaps(column))
    held: dict[object, int] = {}
    twice = []
    for place, key in zip(named, spellings(column.texts[named]), strict=True):
        if (first := held.setdefault(key, place)) != place:
            twice.append((place, first, key))
    if twice:
        _, first, key = twice[0]
        kind = "yes or no" if isinstance(key, bool) else "number" if isinstance(key, Decimal) else "name"
        problem = f"another spelling of the {kind} in row {column.first[first] + 1}"
        remedy = "write it in one way; if they are two, give them names that differ in more than that"
        faults.append(Fault(_cells(column, [place for place, *_ in twice]), problem, remedy))


def _constant(column: TextColumn, beside_gaps: bool = False) -> Fault:
    problem, remedy = "no two rows differ in it, so it tells nothing", "name it under preprocess.ignore"
    if beside_gaps:
        problem = "one number and gaps, which would get that number, too"
        remedy = "write 0 where a gap means no, name it under preprocess.categorical, or under .ignore"
    return Fault(f"column {column.name}", problem, remedy)


def _cells(column: TextColumn, places: Sequence[int]) -> str:
    """Return where the texts at some places stand: the first row, and how many others have one of them."""
    rows = int(np.isin(column.code, places).sum()) - 1
    more = f" (and {rows} further row{'s' if rows > 1 else ''})" if rows else ""
    return _cell(column, places[0]) + more


def _cell(column: TextColumn, place: int) -> str:
    return f"row {column.first[place] + 1}, column {column.name}"
