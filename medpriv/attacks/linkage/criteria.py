"""The law's lists beside what was checked: HIPAA Safe Harbor's identifiers, and the criteria of WP29 opinion 05/2014.

One row a criterion: what was looked at, what was found, what stays open. This is no legal advice and no claim of
compliance: a program sees the prepared table, not the files it came from, the contracts around it, or who holds what
else. Only counts and names of columns are given, never a patient's value.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from medpriv.attacks.linkage.columns import words
from medpriv.dataset import Dataset
from medpriv.measures.intervals import LEAST
from medpriv.measures.table import Measure

CRITERIA_COLUMNS = ("regime", "criterion", "checked", "found", "open")
NOT_SAID = "people unique in quasi-identifiers: not known, since no column is declared as one"
HIPAA = "HIPAA Safe Harbor, 45 CFR 164.514(b)(2)(i)"
GDPR = "GDPR recital 26, WP29 opinion 05/2014"

_NAMES = "English words in the names of features, of columns kept aside and of groups"
_TEXTS = f"{_NAMES}; the text of patient ids, sites, groups and categories"
_OTHER_LANGUAGES = "not looked for in other languages"
_TABLE_ONLY = "free text of the raw files, which the table does not hold"
_PLACES = "address street city town county zip zipcode postcode postal region hospital latitude longitude"
_DATES = "date time month year day dob dod birth birthday admittime dischtime deathtime"

# letter, identifier, words that name it in a column, pattern of its values in text
_IDENTIFIERS: tuple[tuple[str, str, str, str], ...] = (
    ("A", "names", "name surname forename firstname lastname initials", ""),
    ("B", "geographic subdivisions smaller than a state", _PLACES, ""),
    ("C", "dates but the year; ages over 89", _DATES, r"\b\d{4}-\d{2}(-\d{2})?\b"),
    ("D", "telephone numbers", "phone telephone mobile", r"(?<!\w)\+?\(?\d{3}\)?[ -]\d{3}[ -]\d{4}\b"),
    ("E", "fax numbers", "fax", ""),
    ("F", "e-mail addresses", "email mail", r"\b[\w.+-]+@[\w-]+\.\w+"),
    ("G", "social security numbers", "ssn social", r"\b\d{3}-\d{2}-\d{4}\b"),
    ("H", "medical record numbers", "mrn hadm subject icustay stayid recordid", ""),
    ("I", "health plan beneficiary numbers", "beneficiary policy member", ""),
    ("J", "account numbers", "account iban", ""),
    ("K", "certificate and licence numbers", "certificate licence license", ""),
    ("L", "vehicle identifiers and plates", "vehicle plate vin", ""),
    ("M", "device identifiers and serial numbers", "device serial imei", ""),
    ("N", "URLs", "url website", r"\bhttps?://|\bwww\."),
    ("O", "IP addresses", "ip", r"\b\d{1,3}(\.\d{1,3}){3}\b"),
    ("P", "biometric identifiers", "fingerprint voiceprint retina iris", ""),
    ("Q", "full-face photographs", "photo photograph face", ""),
)


def criteria(dataset: Dataset, measures: Iterable[Measure]) -> list[dict[str, str]]:
    """Return one row with `CRITERIA_COLUMNS` for each HIPAA identifier (A to R) and each GDPR criterion.

    Args:
        dataset: the table.
        measures: of `medpriv.attacks.linkage.audit.audit` on it.
    """
    found = {(measure.attack, measure.measure, measure.group): measure.value for measure in measures}
    return [*_hipaa(dataset, found), *_gdpr(found)]


def _row(regime: str, criterion: str, checked: str, found: str, open_: str) -> dict[str, str]:
    return dict(zip(CRITERIA_COLUMNS, (regime, criterion, checked, found, open_), strict=True))


def _hipaa(dataset: Dataset, found: Mapping[tuple[str, str, str], float]) -> Iterator[dict[str, str]]:
    for letter, identifier, named, pattern in _IDENTIFIERS:
        columns = _columns_named(dataset, set(named.split()))
        texts = _texts_like(dataset, pattern) if pattern else 0
        parts = [f"columns so named: {', '.join(columns)}"] if columns else []
        parts += [f"{texts} texts of that form"] if texts else []
        extra, left = _HIPAA_EXTRA.get(letter, _nothing_more)(dataset)
        parts += extra
        checked = _TEXTS if pattern else _NAMES
        none = "no such name or text" if pattern else "no such name"  # which is no proof that there is nothing
        if dataset.notes.get("roles") is not None:  # an own table, whose language nobody knows
            none = f"by English words only: none{' (nor a text of that form)' if pattern else ''}; {_OTHER_LANGUAGES}"
        yield _row(HIPAA, f"({letter}) {identifier}", checked, "; ".join(parts) or none, left)
    yield _row(
        HIPAA,
        "(R) any other unique identifying number, characteristic or code",
        "numbers kept from the source; people unique in quasi-identifiers",
        "; ".join([*_kept(found), *_unique(found)]) or "nothing",
        "whether a code was derived from the person; what else a recipient knows (b)(2)(ii)",
    )


def _nothing_more(dataset: Dataset) -> tuple[list[str], str]:
    return [], _TABLE_ONLY


def _more_of_places(dataset: Dataset) -> tuple[list[str], str]:
    sites = [f"{len(dataset.sites)} sites are told apart"] if len(dataset.sites) > 1 else []
    return [*_said(dataset, "places"), *sites], "whether a site is a place: a person must say"


def _more_of_dates(dataset: Dataset) -> tuple[list[str], str]:
    roles = dataset.notes.get("roles")
    named = [name for name in dataset.features if "age" in words(name)] if roles is None else roles["ages"] or ()
    numbers = [place for place, name in enumerate(dataset.features) if name in named]
    old = len(np.unique(dataset.patient[(dataset.x[:, numbers] >= 90).any(axis=1)]))
    told = f"fewer than {LEAST}" if dataset.credentialed and old < LEAST else old  # a small count points at people
    checked = [f"people aged 90 or more: {told}"] if old else ["no age of 90 or more"] if numbers else []
    if unread := [name for name in named if name not in dataset.features]:
        checked.append(f"not looked at for ages of 90 or more, since no number to learn from: {', '.join(unread)}")
    left = "whether dates were shifted; ages in other units than years"
    return [*_said(dataset, "dates"), *_said(dataset, "ages"), *checked], left


def _said(dataset: Dataset, role: str) -> list[str]:
    """Return what the table's owner said of the columns of a role, and which look like some that they didn't name."""
    roles = dataset.notes.get("roles")
    if roles is None:
        return []
    parts = [f"which columns are {role} is not declared (preprocess.{role})"] if roles[role] is None else []
    parts += [f"declared as {role}: {', '.join(roles[role])}"] if roles[role] else []
    parts += [f"declared: no {role}"] if roles[role] == [] else []
    looks = roles["suspected"][role]
    return parts + ([f"may be {role}, and not declared: {', '.join(looks)}"] if looks else [])


def _more_of_records(dataset: Dataset) -> tuple[list[str], str]:
    keys = ["row_id is kept"] if dataset.records.row_id is not None else []
    ids = f"{len(dataset.patients)} patient ids, {sum(name.isdigit() for name in dataset.patients)} of digits alone"
    return [*keys, ids], "whether the ids are the hospital's own or a study's"


def _more_of_bodies(dataset: Dataset) -> tuple[list[str], str]:
    return [], "whether measurements identify a body by themselves (a signal or an image may)"


_HIPAA_EXTRA = {"B": _more_of_places, "C": _more_of_dates, "H": _more_of_records, "P": _more_of_bodies}


def _columns_named(dataset: Dataset, named: set[str]) -> list[str]:
    """Return features and groups with one of the words in their names."""
    table = dataset.records
    return [name for name in (*table.variables, *table.aside_names, *dataset.groups) if words(name) & named]


def _texts_like(dataset: Dataset, pattern: str) -> int:
    """Return how many distinct texts of the container have the form."""
    texts = {*dataset.patients, *dataset.sites, *(value for values in dataset.groups.values() for value in values)}
    texts |= {level for column in dataset.records.columns for level in column.levels}
    return sum(re.search(pattern, text) is not None for text in texts)


def _percent(share: float) -> str:
    """Return a share as the report writes it."""
    return f"{100 * share:.1f} %"


def _kept(found: Mapping[tuple[str, str, str], float]) -> list[str]:
    return [
        f"{group.removeprefix('key=')} kept: {_percent(value)} of rows joined by it"
        for (attack, measure, group), value in found.items()
        if (attack, measure) == ("linkage-join", "joined")
    ]


def _unique(found: Mapping[tuple[str, str, str], float]) -> list[str]:
    return [
        NOT_SAID if math.isnan(value) else f"{_percent(value)} of people unique in {group.removeprefix('set=')}"
        for (attack, measure, group), value in found.items()
        if (attack, measure) == ("linkage-anonymity", "unique")
    ]


def _gdpr(found: Mapping[tuple[str, str, str], float]) -> Iterator[dict[str, str]]:
    def values(attack: str, measure: str, told: str) -> list[str]:
        return [
            f"{_percent(value)} {told} ({group})"
            for (one, other, group), value in found.items()
            if (one, other) == (f"linkage-{attack}", measure)
        ]

    singled = values("singling-out", "isolated", "of predicates isolate one person")
    yield _row(
        GDPR,
        "singling out",
        "predicates of some columns of a person; people unique in quasi-identifiers",
        "; ".join([*singled, *_unique(found)]),
        "which columns others really know; knowledge from outside the table",
    )
    linked = values("linkability", "linked", "linked by the table to all other columns")
    same = values("linkability", "same_person", "of rows matched to another row of the same person")
    yield _row(
        GDPR,
        "linkability",
        "two sets of columns held apart; rows of the same person; numbers kept",
        "; ".join([*_kept(found), *linked, *same]) or "nothing",
        "other tables that exist; matching by likeness instead of equality",
    )
    yield _row(
        GDPR,
        "inference",
        "guesses from rows alike, beside guesses from other people's rows",
        "; ".join(values("inference", "excess", "of what others' rows leave open is disclosed")) or "nothing",
        "sensitive values that the table does not hold; what a model trained on it gives away (other audits)",
    )
