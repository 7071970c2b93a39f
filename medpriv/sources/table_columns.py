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
from medpriv.sources.names import (
    SPELLED,
    id_spelling,
    is_gap,
    is_garbled,
    is_rounded,
    is_unknown,
    no_name,
    no_person,
    plain,
    spellings,
)
from medpriv.sources.table_codes import CODES, REPEATED, absurd_values, probable_codes
from medpriv.sources.table_file import SHOWN, TextColumn

LEVELS = 100  # a category with more levels is refused
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_COMMA = re.compile(r"[+-]?(\d+,\d*|,\d+)([eE][+-]?\d+)?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)
_POINTED, _WHOLE = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}", re.ASCII), re.compile(r"[+-]?\d+", re.ASCII)
OLDEST = 130  # years
_UNIT = re.compile(r"[+-]?(?:\d+[.,]?\d*|[.,]\d+)\s*(?![eE]$)([^\W\d_][^\d,;]{0,11}|%|°C?)")
_BEYOND = re.compile(r"[<>≤≥]=?\s*[+-]?(\d+[.,]?\d*|[.,]\d+)")
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
    _refuse_thousands(column, faults)
    if missing_codes is None:
        _refuse_codes(column, values[column.code], faults)
    if absent := [code for code in missing_codes or () if code not in values]:
        problem = f"no value {', '.join(f'{code:g}' for code in absent)} (preprocess.missing_codes)"
        faults.append(Fault(f"column {column.name}", problem, "write the codes as the table has them"))
    elif missing_codes != []:
        _refuse_absurd(column, values, missing_codes, faults)
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


def _refuse_thousands(column: TextColumn, faults: list[Fault]) -> None:
    """Refuse `8.238` beside `802`: thousands with a point, as German spreadsheets show them, would be read as 8.2.

    They are if every cell with a point has three digits after it, and the others are whole numbers, one of them of
    three digits or more: decimals would end in a 0 here and there, which is either cut everywhere or nowhere.
    """
    pointed = [place for place, text in enumerate(column.texts) if _POINTED.fullmatch(text)]
    rest = [text for text in column.texts if not _POINTED.fullmatch(text) and not is_gap(text)]
    whole = all(_WHOLE.fullmatch(text) for text in rest)
    if len(pointed) >= REPEATED and whole and any(abs(int(text)) >= 100 and int(text) not in CODES for text in rest):
        problem = "a point before three digits in a column whose other numbers are whole: probably before thousands"
        remedy = "write thousands without a mark (8238); if they are decimals, write all numbers with them (802.000)"
        faults.append(Fault(_cells(column, pointed), problem, remedy))


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


def _refuse_absurd(column: TextColumn, values: np.ndarray, codes: Sequence[float] | None, faults: list[Fault]) -> None:
    """Refuse values, float64 [texts], that flatten all others; `codes`, declared or else probable, are none."""
    held = values[column.code]
    held[np.isin(held, list(probable_codes(held) if codes is None else codes))] = np.nan
    if not len(found := absurd_values(held)):
        return
    problem = "so far from all other values that a slip, another unit or a lost decimal point is likely"
    remedy = "correct it, or leave it empty; if it is a value, write "
    remedy += f"preprocess.missing_codes: {{{column.name}: []}}" + (
        " and leave cells with codes empty" if codes else ""
    )
    faults.append(Fault(_cells(column, np.flatnonzero(np.isin(values, found))), problem, remedy))


def names(
    column: TextColumn, faults: list[Fault], key: Callable | None = None, no_names: Collection[str] = ()
) -> tuple[list[str], np.ndarray]:
    """Return the distinct names of a column without gaps, sorted by `key`, and int64 [N], each row's place among them.

    Names are those of `plain`. Gaps, `no_names` (in any case) and names in two spellings are faults.
    """
    missing = np.flatnonzero([no_name(text, no_names) for text in column.texts])
    if len(missing):
        remedy = "fill it in, or remove the row; if it is a name, write another word"
        faults.append(Fault(_cells(column, missing), "a missing value that must not be", remedy))
    refuse_garbled(column, faults)
    _refuse_spellings(column, faults, ids=bool(no_names))
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
    refuse_garbled(column, faults)
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
    refuse_garbled(column, faults)
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


def refuse_no_ages(column: TextColumn, missing_codes: Sequence[float] | None, faults: list[Fault]) -> None:
    """Refuse numbers of a declared column of ages, learnt from or not, that nobody's age in years is."""
    bad = []
    for place, text in enumerate(column.texts):
        try:
            age = to_number(text, ",")  # either mark, since nobody is a thousand years old
        except ValueError:
            continue  # a band, such as 80+
        if not (np.isnan(age) or 0 <= age <= OLDEST or age in (missing_codes or ())):
            bad.append(place)
    if bad:
        problem = f"no age in years, which are 0 to {OLDEST}"
        remedy = (
            "correct it, or leave it empty; a code goes under preprocess.missing_codes; if the column is a year of "
        )
        remedy += "birth, or not in years, take it out of preprocess.ages (not out of .quasi_identifiers)"
        faults.append(Fault(_cells(column, bad), problem, remedy))


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
    if len(texts) == len(numeric) and (codes := [value for value in numeric if value in CODES]):
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
    """Refuse ids that are rounded numbers, `1.23E+15` or `9e+17`: several people would be one."""
    if rounded := [place for place, text in enumerate(column.texts) if is_rounded(text)]:
        problem = (
            "an id of which a spreadsheet, or a column of floating-point numbers, has kept the first digits alone, "
        )
        problem += "so that several people may share it"
        remedy = "take the ids from their source anew, as text (pandas: dtype=str) or whole numbers"
        faults.append(Fault(_cells(column, rounded), problem, remedy))


def refuse_nobody(column: TextColumn, faults: list[Fault]) -> None:
    """Refuse an id such as `0` or `999` in far more rows than people have: it is written where nobody is known.

    Far more: three or more rows, and more than three times as many as 95 % of the other ids have.
    """
    rows = np.bincount(column.code, minlength=len(column.texts))
    nobody = np.array([no_person(text) for text in column.texts])
    if nobody.all() or not nobody.any():
        return
    usual = np.quantile(rows[~nobody], 0.95)
    if len(found := np.flatnonzero(nobody & (rows >= REPEATED) & (rows > 3 * usual))):
        problem = (
            "an id of one digit repeated, in far more rows than others have: probably written where nobody is known"
        )
        remedy = "fill it in, or remove the rows; if it is one person, write another id"
        faults.append(Fault(_cells(column, found), problem, remedy))


def _refuse_spellings(column: TextColumn, faults: list[Fault], ids: bool = False) -> None:
    """Refuse one name in two spellings: `1` and `1.0`, `7` and `007`, `Died` and `died`, `yes` and `1`.

    They may be one (files were joined) or two (codes): the table's owner alone knows, so none is unified here. Of `ids`
    and places also `P7` and `P 007` are one, as `id_spelling` has it; but not two of one length, such as hashes.
    """
    named = np.flatnonzero(~gaps(column))
    keys = spellings(column.texts[named])
    twice = _again(named, keys)
    if ids and not twice:
        lengths = np.array([len(text) for text in column.texts])
        twice = [
            (place, first, key)
            for place, first, key in _again(named, [id_spelling(text) for text in column.texts[named]])
            if lengths[place] != lengths[first]
        ]
    if twice:
        _, first, key = twice[0]
        kind = "yes or no" if isinstance(key, bool) else "number" if isinstance(key, Decimal) else "name"
        problem = f"another spelling of the {kind} in row {column.first[first] + 1}"
        remedy = "write it in one way; if they are two, give them names that differ in more than that"
        faults.append(Fault(_cells(column, [place for place, *_ in twice]), problem, remedy))


def refuse_garbled(column: TextColumn, faults: list[Fault]) -> None:
    """Refuse names whose letters were lost: `KÃ¶ln` beside `Köln` would be two places."""
    if garbled := [place for place, text in enumerate(column.texts) if is_garbled(text)]:
        problem = "garbled letters (such as Ã¼ for ü): text in UTF-8 was once read in another encoding"
        remedy = "export it anew as UTF-8, or correct the letters"
        faults.append(Fault(_cells(column, garbled), problem, remedy))


def _again(places: Sequence[int], keys: Sequence[object]) -> list[tuple[int, int, object]]:
    """Return the places whose key an earlier one has, that one, and the key."""
    held: dict[object, int] = {}
    pairs = [(place, held.setdefault(key, place), key) for place, key in zip(places, keys, strict=True)]
    return [pair for pair in pairs if pair[0] != pair[1]]


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
