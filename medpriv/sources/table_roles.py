"""What the columns of an own table say of a person: dates, found by their values, and what their names suggest.

What others may know of a person is for the table's owner to say (`preprocess.quasi_identifiers`, `.dates`, `.ages`,
`.places`). The rest here are suggestions for a starter config, for errors and for the page: that nothing was suggested
never means that there is nothing.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from medpriv.sources.names import is_gap, plain
from medpriv.sources.table_columns import Fault, gaps
from medpriv.sources.table_file import TextColumn

ROLES = ("quasi_identifiers", "dates", "ages", "places")
FORMS = "2021-01-19, 20210119, 19.01.2021, 01/19/2021, with or without a time"
_MONTHS = 12
_FULL = 0.9  # of a column's distinct texts that are dates where it is one of dates
_TRIED = 200  # distinct texts that are tried first
_FEWEST, _FEWEST_DIGITS = 3, 6  # distinct dates, below which a column may only look like one of them
_ZONE = r"(?: ?[AaPp]\.?[Mm]\.?)?(?: ?(?:Z|UTC|[+-]\d{2}(?::?\d{2})?))?"
_TIME = rf"(?:(?:[T_ ]|, ?)\d{{1,2}}[:.]\d{{2}}(?:[:.]\d{{2}}(?:[.,]\d+)?)?{_ZONE})?"
_YEAR, _PART = r"(?:1[89]|2[012])\d{2}", r"\d{1,2}"
_YEAR_FIRST = re.compile(
    rf"({_YEAR})([-/.])({_PART})\2({_PART}){_TIME}|({_YEAR})[-/]({_PART})|({_YEAR})(\d{{2}})(\d{{2}})?(?:\d{{4}}(?:\d{{2}})?|{_TIME})",
    re.ASCII,
)
_DAY_FIRST = re.compile(rf"({_PART})([-/.])({_PART})\2({_YEAR}|\d{{2}}){_TIME}", re.ASCII)
_WORDED = re.compile(rf"({_PART})\.?[- ]?([^\W\d_]{{3,10}})\.?[- ,]{{0,2}}({_YEAR}){_TIME}")

# Words of names, without accents: whole words, and stems that compounds begin, hold or end with.
_WORDS = {
    "ages": "age alter eta edad idade leeftijd",
    "places": "zip plz ort kreis land city town county region street address adresse strasse stadt ville "
    "commune ciudad provincia comune indirizzo gemeinde bundesland wohnort plaats district",
    "dates": "date datum fecha month monat mois mes maand year jahr dob dod admittime dischtime deathtime",
    "quasi_identifiers": "sex gender male female sexe sexo sesso race religion language sprache insurance kasse nation "
    "doctor arzt medico medecin",
}
_BIRTH = (
    r"birth[\W_]?(date|day|year|month)|(date|year|day)[\W_]?of[\W_]?birth|geburts[\W_]?(datum|tag|jahr|monat)|"
    "naissance|nacimiento|nascita"
)
_STEMS = {
    "ages": "patientenalter|lebensalter|altersjahr|aufnahmealter|age_at|age_in",
    "places": "postleit|postcode|postal|zipcode|wohnort|strasse|landkreis|municip|latitude|longitude|geburtsort",
    "dates": f"datum|{_BIRTH}|admitted|discharged|zeitpunkt|timestamp",
    "quasi_identifiers": "geschlecht|geslacht|ethnic|ethnie|nationalit|staatsang|familienstand|marital|beruf|"
    f"occupation|profession|versicher|krankenkasse|{_BIRTH}|konfession|herkunft|surname|nachname|vorname|"
    r"familienname|apellido|cognome|prenom|physician|^(patient|full|last|first|family|doctor)?[\W_]*name$",
}


def day_of(text: str) -> tuple | None:
    """Return the day that a text names in one of the usual forms, None if it names none.

    Equal days of one form give equal tuples; which of two numbers is the month is not decided.
    """
    if found := _YEAR_FIRST.fullmatch(text):
        return _day(
            *next(part for part in (found.group(1, 3, 4), (*found.group(5, 6), None), found.group(7, 8, 9)) if part[0])
        )
    if found := _DAY_FIRST.fullmatch(text):
        first, second = (found[3], found[1]) if found[2] == "." else (found[1], found[3])
        return _day(found[4], first, second)
    if found := _WORDED.fullmatch(text):
        return (int(found[3]), found[2].casefold()[:3], int(found[1])) if 1 <= int(found[1]) <= 31 else None
    return None


def _day(year: str, one: str, other: str | None) -> tuple | None:
    parts = [int(one)] if other is None else [int(one), int(other)]
    fits = all(1 <= part <= 31 for part in parts) and min(parts) <= _MONTHS
    return (int(year), *parts) if fits else None


def holds_dates(column: TextColumn) -> bool:
    """Return whether nearly all values of a column are dates, whatever it is called."""
    some = [text for text in column.texts[:: max(1, len(column.texts) // _TRIED)] if not is_gap(text)]
    if sum(_is_date(text) for text in some) < _FULL / 2 * len(some):  # a measurement of many values is known by some
        return False
    held = [text for text, gap in zip(column.texts, gaps(column), strict=True) if not gap]
    digits = all(text.replace(".", "", 1).isdigit() for text in held)
    if len(held) < (_FEWEST_DIGITS if digits else _FEWEST):
        return False
    # Numbers of a measurement may begin like a year, but hardly all of them are days.
    return sum(map(_is_date, held)) >= (1.0 if digits else _FULL) * len(held)


def _is_date(text: str) -> bool:
    return day_of(text.removesuffix(".0")) is not None


def suspected(columns: Iterable[TextColumn]) -> dict[str, list[str]]:
    """Return the columns that are probably in each of `ROLES`: dates by their values, the others by their names.

    Whatever is a date, an age or a place is a quasi-identifier, too.
    """
    found: dict[str, list[str]] = {role: [] for role in ROLES}
    for column in columns:
        dated = holds_dates(column)
        roles = {"dates"} if dated else named_roles(column.name)
        roles -= {"dates"} if not dated and "dates" in roles and _measured(column) else set()
        for role in roles | ({"quasi_identifiers"} if roles else set()):
            found[role].append(column.name)
    return found


def named_roles(name: str) -> set[str]:
    """Return which of `ROLES` a column's name suggests, in English, German and some words of other languages."""
    split = re.sub(r"([a-zß-ÿ])([A-ZÀ-Þ])", r"\1_\2", name)
    bare = unicodedata.normalize("NFKD", split.casefold().replace("ß", "ss"))
    bare = "".join(letter for letter in bare if not unicodedata.combining(letter))
    words = set(re.findall(r"[a-z]+", bare))
    return {role for role in ROLES if words & set(_WORDS[role].split()) or re.search(_STEMS[role], bare)}


def _measured(column: TextColumn) -> bool:
    """Return whether a column has fractions, as no date written as a number has."""
    return any(re.fullmatch(r"[+-]?\d+[.,]\d*[1-9]\d*", text, re.ASCII) for text in column.texts)


def as_days(column: TextColumn, faults: list[Fault]) -> np.ndarray:
    """Return int32 [N]: equal days of a declared column of dates, equal codes, gaps one code; refuse the rest."""
    missing = gaps(column)
    days = [None if gap else day_of(text) for text, gap in zip(column.texts, missing, strict=True)]
    bad = [place for place, day in enumerate(days) if day is None and not missing[place]]
    if bad:
        rows = int(np.isin(column.code, bad).sum()) - 1
        more = f" (and {rows} further row{'s' if rows > 1 else ''})" if rows else ""
        where = f"row {column.first[bad[0]] + 1}, column {column.name}{more}"
        remedy = f"write it in one of these forms: {FORMS}; or take the column out of preprocess.dates"
        faults.append(Fault(where, "not a date", remedy))
    faults += _mixed_orders(column, missing)
    return _coded(days)[column.code]


def _mixed_orders(column: TextColumn, missing: np.ndarray) -> Iterator[Fault]:
    """Yield that a column has dates that begin with the day and others that begin with the month.

    Which a date such as 03/04/2021 is can't be told then, and equal days would be taken for different ones.
    """
    parts = {place: _DAY_FIRST.fullmatch(text) for place, text in enumerate(column.texts) if not missing[place]}
    first = {
        order: next((place for place, found in parts.items() if found and int(found[group]) > _MONTHS), None)
        for order, group in (("day", 1), ("month", 3))
    }
    if None not in first.values():
        rows = {order: column.first[place] + 1 for order, place in first.items()}
        yield Fault(
            f"column {column.name}",
            f"row {rows['day']} begins with the day, row {rows['month']} with the month",
            "write all dates in one order, best as 2021-01-19",
        )


def as_known(column: TextColumn, age: bool = False) -> np.ndarray:
    """Return int32 [N]: equal texts, equal codes; of an age, equal whole years."""
    if not age:
        return column.code.astype(np.int32)
    return _coded([re.sub(r"^(\d+)[.,]\d*$", r"\1", text) for text in column.texts])[column.code]


def _coded(values: Sequence[object]) -> np.ndarray:
    place: dict[object, int] = {}
    return np.array([place.setdefault(value, len(place)) for value in values], np.int32)


def declared(
    settings: Mapping[str, object], names: Mapping[str, str], columns: Mapping[str, TextColumn]
) -> dict[str, object]:
    """Return what is said of a table's columns, for `Dataset.notes["roles"]`.

    Args:
        settings: the `preprocess` section.
        names: what each column is called in the re-identification audit, of those that it sees.
        columns: all of the table.

    Returns:
        Of each of `ROLES` the columns that the settings name, None where they don't say; and under `suspected` those
        that look like some that they don't name.
    """
    said: dict[str, object] = {}
    for role in ROLES:
        listed = settings.get(role)
        said[role] = None if listed is None else [names.get(name, plain(name)) for name in listed]
    aside = {settings["label"], settings["patient"]}
    looks = suspected(column for name, column in columns.items() if name not in aside)
    open_ = {}
    for role in ROLES:
        listed = settings.get(role)
        dated = [name for name in looks[role] if role == "dates" and holds_dates(columns[name])]
        rest = looks[role] if listed is None else dated  # what the owner listed is trusted, but for dates in plain view
        open_[role] = [names.get(name, plain(name)) for name in rest if name not in (listed or ())]
    return said | {"suspected": open_}
