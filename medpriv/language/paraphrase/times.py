"""Days, times of day, dates, ages and counts in other forms.

`day 2` is the second day of the admission, whose first is day 1; `hospital day 2` counts the same way. Midnight and
noon are written 12 am and 12 pm, as NIST's time guide reads them.
"""

import re
from collections.abc import Iterator

from medpriv.language.paraphrase.sites import Site

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
ORDINALS = (
    *("zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"),
    *("eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth"),
    *("nineteenth", "twentieth"),
)
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October"),
    *("November", "December"),
)

_DAY = re.compile(
    r"\b(?:(?P<on>[Dd]ay|[Hh]ospital day|HD) (?P<n>\d{1,3})|the (?P<nth>[a-z]+)(?: hospital)? day)\b(?![.,]?\d)"
)
_TIME = re.compile(
    r"(?<![\d:])(?:(?P<h>[01]?\d|2[0-3]):(?P<m>[0-5]\d)(?!:?\d)(?P<half> ?[ap]m\b)?"
    r"|(?P<h12>1[0-2]|[1-9]) ?(?P<ap>[ap]m)\b|(?P<hh>[01]\d|2[0-3])(?P<mm>[0-5]\d) (?:hours|h)\b)"
)
_MONTH = "|".join(MONTHS)
_DATE = re.compile(
    rf"\b(?:(?P<y>[12]\d{{3}})-(?P<m>0[1-9]|1[0-2])-(?P<d>0[1-9]|[12]\d|3[01])(?!-?\d)"
    rf"|(?P<month>{_MONTH}) (?P<day>\d\d?), (?P<year>[12]\d{{3}})\b"
    rf"|(?P<day2>\d\d?) (?P<month2>{_MONTH}) (?P<year2>[12]\d{{3}})\b)"
)
_COUNT = re.compile(
    r"(?<![\d.,/<>+-])\b(?P<n>[1-9]|1[0-2]|" + "|".join(NUMBERS[1:]) + r") (?P<of>admissions?|stays?|units?|days?|"
    r"drugs?|doses?|times|hours|weeks?|months?|years|patients|tablets?|transfers?|measurements?|values)\b"
)
_AGE = re.compile(r"\ba (?P<who>woman|man) of (?P<over>over )?(?P<n>\d+) years\b")


def days(text: str) -> Iterator[Site]:
    """Yield the days of an admission that a text names."""
    for found in _DAY.finditer(text):
        if found["nth"] and found["nth"] not in ORDINALS[1:]:
            continue
        n = int(found["n"]) if found["n"] else ORDINALS.index(found["nth"])
        first = [f"hospital day {n}", f"HD {n}"]
        second = [f"day {NUMBERS[n]}"] if n < len(NUMBERS) else []
        second += [f"day no. {n}"] if n >= len(ORDINALS) else [f"the {ORDINALS[n]} day"]
        yield _site(found, first, second, f"day {n}")


def times(text: str) -> Iterator[Site]:
    """Yield the times of day in a text."""
    for found in _TIME.finditer(text):
        hour, minute = _clock(found)
        if hour is None:
            continue
        past = f"{(hour - 1) % 12 + 1}" + (f":{minute:02}" if minute else "")
        first = [f"{past} {'am' if hour < 12 else 'pm'}", f"{past} {'a.m.' if hour < 12 else 'p.m.'}"]
        yield _site(found, first, [f"{hour:02}{minute:02} hours", f"{hour:02}{minute:02}h"], f"{hour:02}:{minute:02}")


def _clock(found: re.Match) -> tuple[int | None, int]:
    if found["hh"]:
        return int(found["hh"]), int(found["mm"])
    half, hour = (found["ap"] or (found["half"] or "").strip()), int(found["h12"] or found["h"])
    if not half:
        return hour, int(found["m"])
    if not 1 <= hour <= 12:
        return None, 0
    return hour % 12 + 12 * (half == "pm"), int(found["m"] or 0)


def dates(text: str) -> Iterator[Site]:
    """Yield the dates in a text: those with the month's name or in ISO 8601, which are read in one way alone."""
    for found in _DATE.finditer(text):
        year = found["y"] or found["year"] or found["year2"]
        month = int(found["m"]) if found["m"] else 1 + MONTHS.index(found["month"] or found["month2"])
        day, name = int(found["d"] or found["day"] or found["day2"]), MONTHS[month - 1]
        first = [f"{name} {day}, {year}", f"{name[:3]} {day}, {year}"]
        yield _site(found, first, [f"{day} {name} {year}", f"{day} {name[:3]} {year}"], f"{year}-{month:02}-{day:02}")


def counts(text: str) -> Iterator[Site]:
    """Yield small numbers of things, written in words: things by the first half, spans of time by the second."""
    for found in _COUNT.finditer(text):
        n = int(found["n"]) if found["n"].isdigit() else NUMBERS.index(found["n"])
        forms = [f"{NUMBERS[n]} {found['of']}" if found["n"].isdigit() else f"{n} {found['of']}"]
        spans = found["of"].startswith(("day", "hour", "week", "month", "year"))
        yield _site(found, [] if spans else forms, forms if spans else [], "")


def ages(text: str) -> Iterator[Site]:
    """Yield ages of a woman or a man."""
    for found in _AGE.finditer(text):
        who, n = found["who"], found["n"]
        if found["over"]:
            forms = [f"an over-{n}-year-old {who}"], [f"a {who} older than {n} years"]
        else:
            forms = (
                [f"{'an' if n.startswith('8') or n in ('11', '18') else 'a'} {n}-year-old {who}"],
                [f"a {who} aged {n}"],
            )
        yield _site(found, *forms, "")


def _site(found: re.Match, first: list[str], second: list[str], plain: str) -> Site:
    """Return the site of a match; the form that it has now, and the plain one, are not written."""
    now = found.group().lower()
    return Site(
        found.start(),
        found.end(),
        tuple(form for form in first if form.lower() != now and form != plain),
        tuple(form for form in second if form.lower() != now and form != plain),
    )
