"""Columns of an own table that say who somebody is, though the settings don't: found by their values, not looked up.

Learnt from, such a column is only memorised; left aside, one person's rows stand on both sides of the split.
"""

import re
from collections.abc import Sequence

import numpy as np

from medpriv.sources.table_columns import LEVELS, is_number
from medpriv.sources.table_file import TextColumn

FEWEST = 20  # rows below which a table says nothing about its columns
CHANCE = 1e-3  # that luck alone makes some column the same in all rows of a value
_NAMED = re.compile(
    r"(^|[\W_])(id|ids|pid|mrn)([\W_]|$)"
    r"|(patient|subject|person|participant|study|stay|record|encounter|visit|admission|case|sample|row|hadm|pat)"
    r"[\W_]*(ids?|no|nr|num|number)$"
    r"|^(patient|subject|person|participant)$"
    r"|(patient(en)?|person(en)?|pat|fall|aufnahme|aufenthalts|proband(en)?|versicherten|paciente|paziente|caso|dossier)"
    r"[\W_]*(id|nr|no|num|nummer|numero|kennung|code|schluessel|schlüssel)$"
    r"|pseudonym|^(pnr|fallnr|kennung|identifiant|identificador)$",
    re.IGNORECASE,
)
_PEOPLE = re.compile(
    r"patient|subject|person|participant|proband|pseudonym|paciente|paziente|(^|[\W_])(pid|mrn|pnr)([\W_]|$)",
    re.IGNORECASE,
)
_FEW_A_SITE, _SITES = 3, 10  # patients a site on average, and sites, from which a site may be a person
_ROWS, _DIGITS = 50, 6  # rows and digits from which a number that is another one in every row is an id
_FRACTION = re.compile(r"[+-]?\d*[.,]\d+([eE][+-]?\d+)?", re.ASCII)


def named_like_id(name: str) -> bool:
    """Return whether a column is called as ids are."""
    return bool(_NAMED.search(re.sub(r"([a-z])([A-Z])", r"\1_\2", name)))


def counts_rows(column: TextColumn) -> bool:
    """Return whether a column is 0, 1, 2, … or 1, 2, 3, … down the table, as the index of a data frame is."""
    rows = len(column.code)
    if rows < FEWEST or len(column.texts) != rows:
        return False
    return any(list(column.texts) == list(map(str, range(start, start + rows))) for start in (0, 1))


def own_in_every_row(column: TextColumn) -> bool:
    """Return whether a column is called as ids are and has another value in every row."""
    rows = len(column.code)
    return rows >= FEWEST and len(column.texts) == rows and _whole(column) and named_like_id(column.name)


def names_in_words(column: TextColumn) -> bool:
    """Return whether a column is words, of which no category can be made: too many, one a row, or ids by their name."""
    rows, values = len(column.code), len(column.texts)
    words = sum(not is_number(text) for text in column.texts)
    many = words > LEVELS or values == rows >= FEWEST
    return words > values / 2 and (many or (named_like_id(column.name) and words >= FEWEST))


def numbers_every_row(column: TextColumn) -> bool:
    """Return whether each row has another whole number, as ids have.

    They rise or fall down the table, or all are as long as an id, or lie so close that as many measurements would
    hardly all differ (the birthday problem: n values of a range R do with a chance of exp(-n^2 / 2 R)).
    """
    rows = len(column.code)
    if rows < _ROWS or len(column.texts) != rows or not all(text.isdigit() and text.isascii() for text in column.texts):
        return False
    values = np.array([int(text[:18]) for text in column.texts])  # each text's first row is its own
    steps, long = np.diff(values), {len(text) for text in column.texts}
    dense = rows**2 / (2 * (np.ptp(values) + 1)) > -np.log(CHANCE)
    return bool((steps > 0).all() or (steps < 0).all() or (len(long) == 1 and min(long) >= _DIGITS) or dense)


def copied_rows(columns: Sequence[TextColumn]) -> tuple[int, float]:
    """Return how many rows copy an earlier one in every column, and how many pairs of rows chance would make equal.

    Columns that only say which row it is don't count. By chance two rows agree as often as they do in each column by
    itself, columns taken for independent: sum p^2 of each.
    """
    held = [column for column in columns if not (counts_rows(column) or own_in_every_row(column))]
    held = [column for column in held if not numbers_every_row(column)]
    if not held:
        return 0, 0.0
    rows, place = len(held[0].code), np.zeros(len(held[0].code), np.int64)
    for column in held:  # one at a time: sorting whole rows takes many times as long
        place = np.unique(place * len(column.texts) + column.code, return_inverse=True)[1]
    alike = [float(np.sum((np.bincount(column.code) / rows) ** 2)) for column in held]
    return rows - int(place.max()) - 1, float(np.prod(alike)) * rows * (rows - 1) / 2


def sites_of_few(sites: int, patients: int) -> bool:
    """Return whether so many sites of so many patients are hardly sites: fewer than three patients each."""
    return sites >= _SITES and patients < _FEW_A_SITE * sites


def repeated_ids(
    candidates: Sequence[TextColumn], columns: Sequence[TextColumn], site: str | None = None
) -> dict[str, dict[str, int]]:
    """Return the candidates that are probably ids of people who have several rows: `values`, and `repeated` among them.

    Such a column has whole numbers or words, on average at most twenty rows a value, and either the name of an id, or
    some other column that is always the same in the rows of a value: more often than luck would have it, and other than
    by bins (an age decides the group of ages, but is no id).

    Args:
        candidates: the columns in question.
        columns: all that could be decided by them, the candidates among them.
        site: the candidate that is taken for the site, whose name may be that of a place's id.
    """
    found = {}
    for column in candidates:
        rows, values = len(column.code), len(column.texts)
        if rows < FEWEST or values == rows or values < max(10, rows / 20) or not _whole(column):
            continue
        named = _PEOPLE.search(column.name) if column.name == site else named_like_id(column.name)
        named = named and values >= rows / 10
        if named or any(_decided(column, other, len(columns)) for other in columns if other.name != column.name):
            found[column.name] = {"values": values, "repeated": int(np.sum(np.bincount(column.code) > 1))}
    return found


def _whole(column: TextColumn) -> bool:
    return not any(_FRACTION.fullmatch(text) for text in column.texts)


def _decided(column: TextColumn, other: TextColumn, columns: int) -> bool:
    """Return whether a value of `column` says which of `other`, neither by chance nor as bins of it."""
    rows, values, levels = len(column.code), len(column.texts), len(other.texts)
    if not 2 <= levels <= values / 2 or np.any(other.code != other.code[column.first][column.code]):
        return False
    alike = float(np.sum((np.bincount(other.code) / rows) ** 2))  # that two rows agree
    by_value = sorted(range(values), key=lambda place: _order(column.texts[place]))
    runs = 1 + np.count_nonzero(np.diff(other.code[column.first][by_value]))
    return runs > 2 * levels and columns**2 * alike ** (rows - values) < CHANCE


def _order(text: str) -> tuple[int, float, str]:
    """Sort numbers by value, before words."""
    return (0, float(text), text) if re.fullmatch(r"[+-]?\d+", text, re.ASCII) else (1, 0.0, text)
