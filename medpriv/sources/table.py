"""Your own table: a CSV or Parquet file, a row a record, with whatever columns the settings name.

docs/data/own-table.md shows how to use it. Such a table is always treated as credentialed: no report shows a row of it.
`table_file` reads the text, `table_edges` finds what is no record, `table_columns` converts the rest by each column's
role, `table_ids` looks for forgotten ids, `table_roles` for what others may know of a person, `table_spread` says what
numbers look like; `starter` guesses the roles.
"""

import difflib
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.files import sha256
from medpriv.records.cohort import Cohort
from medpriv.records.labels import LABEL, Labels
from medpriv.records.tables import Column, Table
from medpriv.seeds import generator
from medpriv.sources.manifest import MANIFEST, verify_raw
from medpriv.sources.names import NO_PATIENT, NO_SITE, is_gap, is_unknown, plain, shown
from medpriv.sources.table_columns import (
    Fault,
    category,
    check_label,
    decimal_mark,
    group,
    has_unit,
    is_number,
    names,
    numbers,
    refuse,
    refuse_garbled,
    refuse_no_ages,
    refuse_nobody,
    refuse_rounded,
)
from medpriv.sources.table_edges import read_records
from medpriv.sources.table_file import ENDINGS, SHOWN, TextColumn, TextTable, of_rows
from medpriv.sources.table_ids import (
    FEWEST,
    copied_rows,
    counts_rows,
    names_in_words,
    numbers_every_row,
    own_in_every_row,
    repeated_ids,
    sites_of_few,
)
from medpriv.sources.table_roles import ROLES, as_days, as_known, day_of, declared, holds_dates
from medpriv.sources.table_spread import spreads
from medpriv.sources.tabular import centre_and_scale, fills, impute, stratified_split

LICENCE = "its owner's; not stated"
_NAMELESS = re.compile(r"|Unnamed: \d+|__index_level_\d+__|\.\.\.\d+")  # what pandas and R make of no name, too
_BEYOND = 0.2  # of a column's values, from which its range is none
_KEYS = ("class", "feature", "level", "site")  # keys of measures' groups, which no attribute of a patient may have


def local_files(path: Path) -> list[str]:
    """Return the name of the one file that `path` is."""
    if not (path.is_file() and path.name.lower().endswith(ENDINGS)):
        remedy = f"set raw.path to your table, a file that ends in {', '.join(ENDINGS)}"
        if path.suffix.lower() in (".xlsx", ".xls", ".ods"):
            remedy = "save the sheet as CSV UTF-8, and set raw.path to that file"
        problem = "not a .csv or .parquet file" if path.exists() else "no such file"
        raise InputError(problem, file=path, remedy=remedy)
    return [path.name]


def parse(name: str, folder: Path, settings: dict, seed: int) -> Dataset:
    """Make the dataset from a raw folder with one table.

    Args:
        name: the dataset's name in the config.
        folder: the raw folder, with its manifest.
        settings: the `preprocess` section: columns `label`, `patient`, `site` (either may be None), lists of columns
            `groups`, `categorical` and `ignore`, `test_fraction`, the lists `quasi_identifiers`, `dates`, `ages` and
            `places`, None or left out where nothing is said, and what is publicly known of columns (`ranges`,
            `decimals`, `levels`; may be left out).
        seed: the root seed; it decides the split, by patient, stratified by site and label of a patient's first row.

    Raises:
        InputError: the file is not a table, lacks a column named in the settings, or cells cannot be used: all faults.
    """
    manifest = verify_raw(folder)
    path = Path(folder) / next(iter(manifest["files"]))
    own = Path(path.name)  # in errors, which ask the owner to correct the table: not this copy of it
    try:
        held = _convert(path, settings, generator(seed, name, "split"))
    except InputError as error:
        raise InputError(error.problem, file=own, place=error.place, remedy=error.remedy) from None
    whose = held.whose
    y, owner, place, split = whose.y, whose.owner, whose.place, whose.split
    train = (split == TRAIN)[owner]
    table, gaps = _make_table(held, train, own, settings)
    return Dataset(
        name,
        Cohort(
            patient=owner.astype(np.int32),
            site=place.astype(np.int32),
            split=split,
            patients=tuple(whose.patients),
            sites=tuple(whose.sites),
            licence=manifest["licence"],
            source=manifest["source"],
            digest=sha256(Path(folder) / MANIFEST),
            groups=held.groups,
            credentialed=True,
        ),
        table,
        Labels(y, tuple(whose.classes), settings["label"], held.as_written(settings["label"], whose.classes)),
        {"rows": len(y), "test_patients": int(np.sum(split == TEST)), "roles": held.roles}
        | held.copies
        | gaps
        | ({"cells_beyond_ranges": held.beyond} if held.beyond else {})
        | {"spreads": spreads(held.values[train], owner[train], held.numeric)}
        | ({"ids": held.ids} if held.ids else {})
        | _of_several_sites(owner, place),
    )


def _of_several_sites(owner: np.ndarray, place: np.ndarray) -> dict[str, int]:
    """Return the note on patients with rows of more than one site: the split takes each for one of the first row's."""
    _, first = np.unique(owner, return_index=True)
    moved = len(np.unique(owner[place != place[first][owner]]))
    return {"patients_of_several_sites": moved} if moved else {}


@dataclass(frozen=True)
class _Whose:
    """Whose rows they are, and what happened to them.

    Attributes:
        classes, y: the label, int64 [N] into its classes; likewise `patients`, `owner` and `sites`, `place`.
        split: uint8 [P], training and test patients.
    """

    classes: list[str]
    y: np.ndarray
    patients: list[str]
    owner: np.ndarray
    sites: list[str]
    place: np.ndarray
    split: np.ndarray


@dataclass(frozen=True)
class _Converted:
    """What a table's columns are, by their roles, before anything is fitted.

    Attributes:
        whose: the rows' label, patient and site.
        numeric, values: names of the numbers, and float64 [N, numbers] with NaN where one is missing.
        categories: of each its levels and int64 [N] into them, -1 where it is missing.
        groups: each patient's value.
        ids: what is probably people's ids, though the settings name another column, or none, as the patient
            (`table_ids.repeated_ids`).
        roles: what is said of the columns (`table_roles.declared`).
        beyond: how many cells lie beyond a column's range, of those columns that have any.
        aside: codes int32 [N] of columns that others may know and nobody learns from, by name.
        own_names: of each column to learn from its name in the table, by its name here.
        own_texts: of the label and of each category (by its name in the table) the texts there, by their names here.
        copies: `copied_rows`, those that equal an earlier one in every column; where rows are taken for patients, also
            `copies_by_chance`, how many pairs would be equal by luck.
    """

    whose: _Whose
    numeric: list[str]
    values: np.ndarray
    categories: dict[str, tuple[list[str], np.ndarray]]
    groups: dict[str, tuple[str, ...]]
    ids: dict[str, dict[str, int]]
    roles: dict[str, object]
    beyond: dict[str, int]
    aside: dict[str, np.ndarray]
    own_names: dict[str, str]
    own_texts: dict[str, dict[str, str]]
    copies: dict[str, float]

    def as_written(self, column: str, names: Sequence[str]) -> tuple[str, ...]:
        """Return names as the table's column writes them; none where it writes them all alike."""
        texts = tuple(self.own_texts[column][name] for name in names)
        return texts if texts != tuple(names) else ()


def _make_table(held: _Converted, train: np.ndarray, path: Path, settings: dict) -> tuple[Table, dict[str, object]]:
    """Return the table, numbers first, and the notes about its gaps; levels that no training row has get no feature."""
    ranges, decimals, declared = (
        {_name_of(name): value for name, value in settings.get(key, {}).items()}
        for key in ("ranges", "decimals", "levels")
    )
    fill = fills(held.values, train, held.numeric, (), path)
    whole, missing, imputed = impute(held.values, fill, held.numeric)
    columns = [
        replace(Column(name, fill=float(value)), lower=lower, upper=upper, decimals=decimals.get(name))
        for name, value in zip(held.numeric, fill, strict=True)
        for lower, upper in [ranges.get(name, (None, None))]
    ]
    scaled = [centre_and_scale(whole, train)]
    for name, (levels, code) in held.categories.items():
        seen = np.isin(np.arange(len(levels)), code[train])
        features = tuple(f"{name}={level}" if known else "" for level, known in zip(levels, seen, strict=True))
        own = held.as_written(held.own_names[name], levels)
        column = Column(name, "onehot", levels=tuple(levels), features=features, declared=name in declared)
        columns.append(replace(column, own_levels=own))
        scaled.append(centre_and_scale(column.encode(code).astype(np.float64), train))  # one at a time: memory
    unseen = sum(int(np.sum((code >= 0) & ~np.isin(code, code[train]))) for _, code in held.categories.values())
    missing |= {name: int(np.sum(code < 0)) for name, (_, code) in held.categories.items()}
    raw = np.column_stack([held.values, *(code for _, code in held.categories.values())]).astype(np.float64)
    centre, scale = (np.concatenate(parts) for parts in zip(*scaled, strict=True))
    known, ages = (held.roles[role] or () for role in ("quasi_identifiers", "ages"))
    described = tuple(
        replace(
            column,
            own_name=held.own_names[column.name] if held.own_names[column.name] != column.name else "",
            quasi_identifier=column.name in known,
            unit="years" if column.kind == "number" and column.name in ages else "",
        )
        for column in columns
    )
    aside = np.column_stack(list(held.aside.values())) if held.aside else None
    table = Table(described, raw, centre, scale, aside=aside, aside_names=tuple(held.aside))
    return table, {"missing_cells": missing, "imputed_with": imputed, "cells_of_levels_unseen_in_training": unseen}


def _convert(path: Path, settings: dict, rng: np.random.Generator) -> _Converted:
    """Read the table and convert each column by its role; refuse all faults of the table at once."""
    faults: list[Fault] = []
    table = read_records(path, faults)
    columns = named_columns(table, faults, _stated(settings))
    if not columns:
        refuse(path, faults)
    meant = _check_roles(table, settings, faults)
    whose = _whose_rows(table, columns, settings, rng, faults)
    numeric, chosen = _learnt_from(columns, settings, meant, faults)
    values = _values(numeric, len(whose.owner), table.separator, settings, faults)
    beyond = _beyond(numeric, values, settings.get("ranges", {}), faults)
    known = settings.get("levels", {})
    categories = {_name_of(column.name): category(column, faults, known.get(column.name)) for column in chosen}
    faults += [fault for column in chosen if (fault := _memorised(column))]
    grouping = [columns[name] for name in settings["groups"] if name in columns]
    groups = {_key(column.name): group(column, whose.owner, faults) for column in grouping}
    numbered = [_name_of(column.name) for column in numeric]
    _refuse_features_alike(numbered, categories, faults)
    seen = {column.name: _name_of(column.name) for column in [*numeric, *chosen]}
    own_names = {name: column for column, name in seen.items()}
    seen |= {settings["site"]: "site"} if len(whose.sites) > 1 else {}
    aside = _kept_aside(columns, settings, seen, faults)
    refuse(path, faults)
    ids = _forgotten_ids(columns, settings, whose.owner, numeric)
    roles = declared(settings, seen | {name: _aside_name(name) for name in columns if name not in seen}, columns)
    texts = {
        column.name: {plain(text): text for text in (*known.get(column.name, ()), *map(str, column.texts))}
        for column in (columns[settings["label"]], *chosen)
    }
    copies = _copies(columns, settings["patient"])
    return _Converted(whose, numbered, values, categories, groups, ids, roles, beyond, aside, own_names, texts, copies)


def _whose_rows(
    table: TextTable, columns: dict[str, TextColumn], settings: dict, rng: np.random.Generator, faults: list[Fault]
) -> _Whose:
    """Return label, patient and site of each row, and the patients' split, which is drawn where these have no fault."""
    again = np.flatnonzero(_header_again(table))
    faults += [Fault(f"row {row + 1}", "the header again", "remove it") for row in again]
    rows = len(table.columns[0].code)
    label, patient, site = (columns.get(settings[key]) for key in ("label", "patient", "site"))
    patients, owner = [f"row-{row:05d}" for row in range(1, rows + 1)], np.arange(rows)
    sites, place = ["all"], np.zeros(rows, dtype=np.int64)
    classes, y, before = [], place, len(faults)
    if label:
        classes, y = names(label, faults, key=numbers_first)
        check_label(label, faults)
    if patient:
        patients, owner = names(patient, faults, no_names=NO_PATIENT)
        refuse_rounded(patient, faults)
        refuse_nobody(patient, faults)
    if site:
        sites, place = names(site, faults, no_names=NO_SITE)
        _refuse_people_as_sites(site, len(sites), len(patients), settings["patient"], faults)
    split = np.zeros(len(patients), np.uint8)
    if label and not len(again) and len(faults) == before:  # else nobody knows yet which people and classes there are
        split = _split(y, owner, place, len(classes), settings["test_fraction"], rng)
        _refuse_missing_classes(label, y, owner, split, faults)
    if label:
        classes, y = _positive_last(classes, y, settings.get("positive"), label.name if len(again) else "", faults)
    return _Whose(classes, y, patients, owner, sites, place, split)


def _learnt_from(
    columns: dict[str, TextColumn], settings: dict, meant: Collection[str], faults: list[Fault]
) -> tuple[list[TextColumn], list[TextColumn]]:
    """Return the numbers and the categories to learn from; columns that are probably `meant` otherwise are none."""
    chosen = [columns[name] for name in settings["categorical"] if name in columns]
    dates = settings.get("dates") or ()
    beside = {settings["label"], settings["patient"], settings["site"], *settings["ignore"], *dates, *meant}
    numeric = [column for name, column in columns.items() if name not in {*beside, *settings["categorical"]}]
    if not numeric and not settings["categorical"]:
        faults.append(Fault("preprocess", "no column is left to learn from", "shorten preprocess.ignore"))
    for column in (columns[name] for name in settings.get("ages") or () if name in columns):
        refuse_no_ages(column, (settings.get("missing_codes") or {}).get(column.name), faults)
    faults += _second_header(numeric)
    return numeric, chosen


def _refuse_features_alike(
    numbered: Sequence[str], categories: dict[str, tuple[list[str], np.ndarray]], faults: list[Fault]
) -> None:
    """Refuse columns of which two features would bear one name."""
    onehot = [(f"{column}={level}", column) for column, (levels, _) in categories.items() for level in levels]
    called: dict[str, list[str]] = {}
    for feature, column in [*zip(numbered, numbered, strict=True), *onehot]:
        called.setdefault(feature, []).append(column)
    for alike in dict.fromkeys(tuple(dict.fromkeys(some)) for some in called.values() if len(some) > 1):
        faults.append(Fault("line 1", f"two features of {', '.join(alike)} would have one name", "rename a column"))


def _copies(columns: dict[str, TextColumn], patient: str | None) -> dict[str, float]:
    """Return how many rows copy another one, see `_Converted`."""
    count, by_chance = copied_rows(list(columns.values()))
    return {"copied_rows": count} | ({} if patient else {"copies_by_chance": float(f"{by_chance:.3g}")})


def _split(
    y: np.ndarray, owner: np.ndarray, place: np.ndarray, classes: int, fraction: float, rng: np.random.Generator
) -> np.ndarray:
    """Return uint8 [P], which patients are training and which test ones, stratified by a patient's first row."""
    _, first = np.unique(owner, return_index=True)
    return stratified_split(place[first] * classes + y[first], fraction, rng)


def _refuse_missing_classes(
    label: TextColumn, y: np.ndarray, owner: np.ndarray, split: np.ndarray, faults: list[Fault]
) -> None:
    """Refuse classes without a training or a test record: told by their first row, since a class is what cells hold."""
    test = split[owner] == TEST
    for one in np.unique(y):
        rows = np.flatnonzero(y == one)
        parts = [part for part, there in (("training", ~test), ("test", test)) if not there[rows].any()]
        if not parts:
            continue
        people = len(np.unique(owner[rows]))
        count = f"{len(rows)} row{'s' if len(rows) > 1 else ''} of {people} {'people' if people > 1 else 'person'}"
        problem = f"no {parts[0]} record has this class"
        remedy = "add patients of it, join it with another class, or change preprocess.test_fraction"
        if len(split) < FEWEST:
            problem = f"{len(split)} patients in the whole table, each in training or test with all rows: {problem}"
            remedy = "name under preprocess.patient the column that tells people apart, or add patients"
        faults.append(Fault(f"column {label.name}, the class of row {rows[0] + 1}, {count}", problem, remedy))


def _positive_last(
    classes: list[str], y: np.ndarray, positive: str | None, heading: str, faults: list[Fault]
) -> tuple[list[str], np.ndarray]:
    """Return classes and labels with the positive one of two classes last, as `Labels` has it.

    What is no class, and a fault of its own, is not counted: gaps, words for unknown, a `heading` among the rows.
    """
    found = [name for name in classes if not (is_gap(name) or is_unknown(name) or name == plain(heading))]
    if positive is None or len(found) < 2:  # one class alone is a fault itself
        return classes, y
    if len(found) != 2:
        problem = f"{len(found)} classes in the label's column, where it is of two"
        remedy = "remove the rows of those that are none; if all are, leave preprocess.positive out"
        faults.append(Fault("preprocess.positive", problem, remedy))
    elif plain(positive) not in found:
        problem, remedy = f"no class {positive} (preprocess.positive)", "write it as the table does"
        faults.append(Fault("preprocess.positive", problem, remedy))
    elif classes[0] == plain(positive) and len(classes) == 2:
        return classes[::-1], 1 - y
    return classes, y


def _kept_aside(
    columns: dict[str, TextColumn], settings: dict, seen: Collection[str], faults: list[Fault]
) -> dict[str, np.ndarray]:
    """Return the codes of the columns that others may know and nobody learns from: dates, and quasi-identifiers."""
    dates, ages, known = (settings.get(role) or () for role in ("dates", "ages", "quasi_identifiers"))
    aside = {}
    for name, column in columns.items():
        if name in dates:
            aside[_aside_name(name)] = as_days(column, faults)
        elif name in known and name not in seen:
            refuse_garbled(column, faults)
            aside[_aside_name(name)] = as_known(column, age=name in ages)
    return aside


def _aside_name(column: str) -> str:
    """Return what a column that nobody learns from is called in the re-identification audit."""
    return f"{column} (column)" if column == "site" else _name_of(column)


def _name_of(column: str) -> str:
    """Return what a column is called in measures' groups, where `LABEL` is the label."""
    return f"{column} (column)" if column == LABEL else plain(column)


def named_columns(table: TextTable, faults: list[Fault], stated: Collection[str] = ()) -> dict[str, TextColumn]:
    """Return the columns by name; those without a name, or with another's, are faults and left out.

    Where the first line is a record and no header, that is the only fault, and none of its cells is shown.

    Args:
        table: with its header.
        faults: where they go.
        stated: the columns that the settings name.
    """
    header = [column.name for column in table.columns]
    if _is_data(header, table, stated):
        problem = f"no names of columns but {_kinds(table)}: there is no header"
        faults.append(Fault("line 1", problem, "put a line with the columns' names first"))
        return {}
    if len(stated) > 1 and not any(_near(name, header) for name in stated):
        problem = (
            f"none of the {len(stated)} columns that the settings name; none is shown here, for they may be a record"
        )
        remedy = (
            "write the names in the settings as line 1 has them; if there is no header, put a line with the names first"
        )
        faults.append(Fault("line 1", problem, remedy))
        return {}
    for number, column in enumerate(table.columns, 1):
        if _NAMELESS.fullmatch(column.name):
            problem = "it has no name: the index of a data frame was probably written"
            remedy = "write the table without it (pandas: index=False; R: row.names = FALSE), or name the column"
            if list(column.texts) == [""]:
                problem, remedy = "it has neither a name nor cells", "remove the separator at the end of each line"
            faults.append(Fault(f"line 1, column {number}", problem, remedy))
    count = Counter(column.name for column in table.columns if not _NAMELESS.fullmatch(column.name))
    if twice := [name for name in count if count[name] > 1]:
        faults.append(Fault("line 1", f"columns named twice: {', '.join(twice)}", "rename one"))
    return {column.name: column for column in table.columns if count[column.name] == 1}


def _near(name: str, header: Collection[str]) -> str:
    """Return the name in a header that is nearest to one, whatever its case; empty if none is near."""
    folded = {other.casefold(): other for other in header}
    near = difflib.get_close_matches(name.casefold(), folded, n=1)
    return folded[near[0]] if near else ""


def _is_data(header: list[str], table: TextTable, stated: Collection[str]) -> bool:
    """Return whether a header is a record: most of its names look like cells, or some where none is of the settings.

    Columns may well be called by years, or 0, 1, 2, …: then the settings name one of them, or they count up.
    """
    cells = sum(map(bool, _looks_like_cells(table)))
    if header == [str(at) for at in range(len(header))] or not set(stated).isdisjoint(header):
        return False
    return cells > len(header) / 2 or bool(stated and cells)


def _looks_like_cells(table: TextTable) -> list[str]:
    """Return what kind of a cell each column's name looks like: a number, a date, one of the cells below it, or none.

    A name with a digit is like the cells below it if most are written in its way: `P00001` above `P00002`.
    """
    again = _header_again(table)
    return [_kind_of(column, np.unique(column.code[~again])) for column in table.columns]


def _kind_of(column: TextColumn, held: np.ndarray) -> str:
    """Return the kind of a column's name, where `held` are the places of the texts below it."""
    name, below = column.name, column.texts[held]
    if is_gap(name):
        return ""
    if is_number(name):
        return "number"
    if day_of(name):
        return "date"
    ways = sum(_way(text) == _way(name) for text in below) if any(map(str.isdigit, name)) else 0
    return "cell" if np.any(below == name) or ways > len(below) / 2 else ""


def _way(text: str) -> str:
    """Return in which way a text is written: each digit 9, each letter a."""
    return "".join("9" if letter.isdigit() else "a" if letter.isalpha() else letter for letter in text)


def _kinds(table: TextTable) -> str:
    """Return how many names of columns look like numbers, dates and cells of their columns."""
    count = Counter(kind for kind in _looks_like_cells(table) if kind)
    said = {"number": "number{s}", "date": "date{s}", "cell": "word{s} or code{s} as in the rows below"}
    told = [f"{count[kind]} {text.format(s='s' * (count[kind] > 1))}" for kind, text in said.items() if count[kind]]
    return ", ".join(told)


def _stated(settings: dict) -> set[str]:
    """Return all columns that the settings name."""
    lists = ("groups", "categorical", "ignore", *ROLES)
    named = {settings[key] for key in ("label", "patient", "site")} - {None}
    return named.union(*(settings.get(key) or () for key in lists))


def _check_roles(table: TextTable, settings: dict, faults: list[Fault]) -> list[str]:
    """Refuse settings that name a column which the table lacks; return the columns that were probably meant."""
    header = list(dict.fromkeys(column.name for column in table.columns if not _NAMELESS.fullmatch(column.name)))
    roles = [(key, settings[key]) for key in ("label", "patient", "site") if settings[key] is not None]
    lists = ("groups", "categorical", "ignore", *ROLES)
    roles += [(key, column) for key in lists for column in settings.get(key) or ()]
    roles += [("ranges", column) for column in settings.get("ranges", ())]
    cells = [column.name for column, kind in zip(table.columns, _looks_like_cells(table), strict=True) if kind]
    safe = [name for name in header if name not in cells or name in _stated(settings)]  # to be shown
    meant, lost = [], []
    for key, name in roles:
        if name in header:
            continue
        near = _near(name, header)
        if near in safe:
            remedy = f"did you mean {near}?"
            if shown(near) == name:
                remedy = "the header has it with a character that doesn't show: type the name there anew"
            faults.append(Fault("line 1", f"no column {name} (preprocess.{key})", remedy))
        else:
            lost.append(f"{name} (preprocess.{key})")
        meant += [near] if near else []
    if lost:
        some = ", ".join(safe[: 2 * SHOWN]) + (", …" if len(safe) > 2 * SHOWN else "")
        faults.append(Fault("line 1", f"no column {', '.join(lost)}", f"name one of {some}"))
    return meant


def _second_header(columns: Sequence[TextColumn]) -> list[Fault]:
    """Return what is wrong with a first row of words, such as units, in two or more columns of numbers."""
    words = [column for column in columns if len(column.texts) > 2 and _no_number(column.texts[0])]
    if sum(not any(map(_no_number, column.texts[1:])) for column in words) < 2:
        return []
    problem = "words where all further rows have numbers: probably units, or a second line of names"
    return [Fault("row 1", problem, "remove it; units may stand in the columns' names")]


def _no_number(text: str) -> bool:
    return not (is_number(text) or is_gap(text))


def _header_again(table: TextTable) -> np.ndarray:
    """Return bool [N]: the rows that repeat the header, as in files that were joined."""
    again = np.ones(len(table.columns[0].code), dtype=bool)
    for column in table.columns:
        again &= np.isin(column.code, np.flatnonzero(column.texts == column.name))
    return again


def _values(columns: list[TextColumn], rows: int, separator: str, settings: dict, faults: list[Fault]) -> np.ndarray:
    """Return the numeric columns as float64 [N, columns]; refuse those that only number or name the rows."""
    mark, codes = decimal_mark(columns, separator, faults), settings.get("missing_codes") or {}
    values = []
    for column in columns:
        named = _names_rows(column, settings["patient"])
        values.append(numbers(column, mark, [] if named else faults, codes.get(column.name)))
        faults += [named] if named else []
    for name in sorted(codes.keys() - {column.name for column in columns}):
        remedy = "name a column of numbers that is learnt from; elsewhere write an empty cell for a missing value"
        faults.append(Fault("preprocess.missing_codes", f"{name} is no column of numbers to learn from", remedy))
    return np.array(values).reshape(len(columns), rows).T


def _beyond(
    columns: list[TextColumn], values: np.ndarray, ranges: Mapping[str, Sequence[float]], faults: list[Fault]
) -> dict[str, int]:
    """Return how many cells lie beyond a column's range, where some do; refuse a range that many lie beyond."""
    found = {}
    for column, held in zip(columns, values.T, strict=True):
        lower, upper = ranges.get(column.name, (-np.inf, np.inf))
        count, whole = int(np.sum((held < lower) | (held > upper))), int(np.sum(~np.isnan(held)))
        if count > _BEYOND * whole:
            problem = f"{count} of {whole} values lie beyond its range, {lower:g} to {upper:g}"
            remedy = "correct preprocess.ranges: every generator would write the nearer end in their place"
            faults.append(Fault(f"column {column.name}", problem, remedy))
        found |= {_name_of(column.name): count} if count else {}
    return found


def _names_rows(column: TextColumn, patient: str | None) -> Fault | None:
    """Return what is wrong with a column that says which row it is, or whose; the `patient` may be known already."""
    aside = "name it under preprocess.ignore"
    owner = f"if it says who it is, name it under preprocess.patient; if not, {aside.removeprefix('name it ')}"
    if holds_dates(column):
        problem = "dates, which are no numbers to learn from"
        aside = (
            "name it under preprocess.dates, which keeps it for the re-identification audit alone, or make a number of "
        )
        aside += "it in the table, such as the days since another date"
        owner = aside
    elif counts_rows(column):
        problem, owner = "it numbers the rows: the index of a data frame was probably written", aside
    elif own_in_every_row(column):
        problem = "an id by its name, another one in every row: it could only be memorised"
    elif names_in_words(column) and not _measured(column):
        problem = f"words, {len(column.texts)} different ones in {len(column.code)} rows: an id, dates or free text"
    else:
        return None
    return Fault(f"column {column.name}", problem, aside if patient else owner)


def _measured(column: TextColumn) -> bool:
    """Return whether a column's words are numbers with a unit; `numbers` says so."""
    return has_unit([text for text in map(str, column.texts) if not (is_gap(text) or is_number(text))])


def _memorised(column: TextColumn) -> Fault | None:
    """Return what is wrong with a category of which most rows have a level of their own."""
    rows, levels = len(column.code), len(column.texts)
    if rows < FEWEST or levels <= rows / 2:
        return None
    remedy = "join its rare levels into one, name it under preprocess.ignore or, if it says who it is, .patient"
    return Fault(f"column {column.name}", f"{levels} levels in {rows} rows: it could only be memorised", remedy)


def _refuse_people_as_sites(
    column: TextColumn, sites: int, patients: int, patient: str | None, faults: list[Fault]
) -> None:
    if sites_of_few(sites, patients):
        remedy = "leave preprocess.site out, or join small sites into one"
        if patient is None:
            remedy = f"if it says who it is, name it under preprocess.patient instead; if not, {remedy}"
        problem = f"{sites} sites of {patients} patients: hardly hospitals, of fewer than three patients each"
        faults.append(Fault(f"column {column.name}", problem, remedy))


def _forgotten_ids(
    columns: dict[str, TextColumn], settings: dict, owner: np.ndarray, numeric: Sequence[TextColumn]
) -> dict[str, dict[str, int]]:
    """Return what are probably people's ids that several of the settings' patients share (by default: rows).

    Also the numbers to learn from that are another one in every row as an id is: of these none is `repeated`.
    """
    _, first = np.unique(owner, return_index=True)  # each patient's first row
    same = [column for column in columns.values() if np.array_equal(column.code, column.code[first[owner]])]
    known = {settings["label"], settings["patient"], *settings["groups"]}
    of_patients = {column.name: of_rows(column, first) for column in same}
    candidates = [column for name, column in of_patients.items() if name not in known]
    found = repeated_ids(candidates, list(of_patients.values()), settings["site"])
    found |= {
        column.name: {"values": len(column.texts), "repeated": 0} for column in numeric if numbers_every_row(column)
    }
    return {_name_of(name): about for name, about in found.items()}


def _key(column: str) -> str:
    """Return what a group's column is called in measures' groups."""
    return f"{column} (column)" if column in _KEYS else plain(column)


def numbers_first(text: str) -> tuple:
    """Sort numbers by value, before words: 2 before 10."""
    try:
        return (0, float(text), text)
    except ValueError:
        return (1, 0.0, text)
