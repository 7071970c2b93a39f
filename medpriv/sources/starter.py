"""A starter config for an own table, guessed from its columns: `make config TABLE=/data/x.csv`.

    python -m medpriv.sources.starter [--write] /data/x.csv

Each guess stands in a comment below the config, for somebody who knows the table to check. Nothing is guessed about
what a column means beyond its name and its values: whether one gives the outcome away, the leakage check says.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

from medpriv.errors import InputError
from medpriv.files import write_text
from medpriv.sources.table import local_files, named_columns, numbers_first
from medpriv.sources.table_columns import LEVELS, Fault, decimal_mark, gaps, group, is_number, names, refuse, to_number
from medpriv.sources.table_edges import read_records
from medpriv.sources.table_file import ENDINGS, SHOWN, TextColumn
from medpriv.sources.table_ids import counts_rows, named_like_id, names_in_words, numbers_every_row, repeated_ids
from medpriv.sources.table_roles import holds_dates, suspected

ROOT = Path(__file__).parents[2]
UNKNOWN = "NAME_IT"  # the label, where no column looks like one
WIDTH = 110
FEW = 10  # classes of a label, levels of a group, values of a number that may be a code
MOST_WORDS = 0.2  # of the cells of a column that is taken for numbers nevertheless
_PEOPLE = "patient|subject|person|participant"
_PERSON = re.compile(rf"{_PEOPLE}|pid|mrn", re.IGNORECASE)
_OUTCOME = re.compile(
    r"label|outcome|target|^class$|^y$|died|death|dead|mortality|expire|verstorben|gestorben|exitus|zielgr|d[ée]c[èe]s|muert",
    re.IGNORECASE,
)
_FINDING = re.compile(r"diagnos|disease|readmi|surviv|sepsis|result|event|status|class|befund|überlebt", re.IGNORECASE)
_PLACE = re.compile(  # whole words, for "site" stands in Visiten, "ward" in reward, "station" in gestation
    r"(?<![^\W\d_])(site|h[oô]spi?tal|ward|cent(re|er)|clinic|institution|unit|department|facility|"
    r"(intensiv|normal|pflege)?station)(s|id|nr|no|code|name)?(?![^\W\d_])|klinik|krankenhaus|standort",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(
    r"^(sex|gender|race|ethnic(ity)?|age[\W_]?group|insurance|geschlecht|altersgruppe|sexe|sexo|sesso)$", re.IGNORECASE
)


@dataclass
class Guess:
    """The role of each column, and why.

    Attributes:
        label, patient, site: a column's name, or none.
        groups, categorical, ignore, dates, numbers: names of columns.
        quasi_identifiers, ages, places: of those, what others may know of a person.
        reasons: by role and name.
    """

    label: str | None = None
    patient: str | None = None
    site: str | None = None
    groups: list[str] = field(default_factory=list)
    categorical: list[str] = field(default_factory=list)
    ignore: list[str] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    quasi_identifiers: list[str] = field(default_factory=list)
    ages: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    reasons: dict[tuple[str, str], str] = field(default_factory=dict)


def starter(path: Path, name: str) -> str:
    """Return the config for a table, as YAML with comments, of a dataset called `name`.

    Raises:
        InputError: the file is no table that can be read, has a single row, or its header has faults.
    """
    local_files(path)
    faults: list[Fault] = []
    table = read_records(path, faults)
    columns = named_columns(table, faults)
    refuse(path, faults)
    rows = len(table.columns[0].code)
    if rows == 1:
        raise InputError(
            "one row below the header, from which nothing can be learnt",
            file=path,
            place="line 2",
            remedy="give a table with a row for each patient, or each of their records",
        )
    guess = guess_roles(columns, table.separator)
    shown = path if path.is_absolute() else Path(os.path.relpath(path, ROOT))
    return "\n".join([*_config(guess, name, shown), *_comments(guess, name, path, rows, len(columns))]) + "\n"


def guess_roles(columns: Mapping[str, TextColumn], separator: str) -> Guess:
    """Return what each column probably is, by its name and values."""
    guess = Guess()
    left = dict(columns)
    numeric = _numeric(left, separator)
    for column in columns.values():
        if len(column.texts) == 1 or counts_rows(column):
            reason = "one value in every row" if len(column.texts) == 1 else "it numbers the rows"
            _assign(guess, left, "ignore", column.name, reason)
    _guess_label(guess, left)
    _guess_patient(guess, left)
    for column in list(left.values()):
        if holds_dates(column):
            _assign(guess, left, "dates", column.name, "by its values; not learnt from")
    _guess_site(guess, left, numeric)
    owner = names(columns[guess.patient], [])[1] if guess.patient else np.arange(len(next(iter(columns.values())).code))
    for column in left.values():
        if _ATTRIBUTE.match(column.name) and len(column.texts) <= FEW and _fits(column, owner):
            _assign(guess, {}, "groups", column.name, "by its name; the same in all rows of a patient")
    for column in list(left.values()):
        levels = _levels(column)
        if named_like_id(column.name) and levels > LEVELS:
            _assign(guess, left, "ignore", column.name, "an id by its name")
        elif numbers_every_row(column):
            _assign(guess, left, "ignore", column.name, "an id by its values: another one in every row")
        elif column.name in numeric:
            few = 2 < levels <= FEW
            _assign(guess, left, "numbers", column.name, "few values: codes would be `categorical`" if few else "")
        elif reason := _but_in_few(column):
            _assign(guess, left, "numbers", column.name, reason)
        elif levels <= LEVELS:
            what = "codes with leading zeros" if _padded(column) else "words"
            _assign(guess, left, "categorical", column.name, f"{what}, {levels} levels")
        elif _padded(column):
            reason = f"codes with leading zeros, {levels} different ones (postcodes? join them to regions)"
            _assign(guess, left, "ignore", column.name, reason)
        else:
            kinds = "people's ids? then `patient`; " if not guess.patient else ""
            _assign(guess, left, "ignore", column.name, f"words, {levels} different ones ({kinds}dates, free text?)")
    _guess_known(guess, columns)
    return guess


def _guess_known(guess: Guess, columns: Mapping[str, TextColumn]) -> None:
    """Note which columns others may know of a person, by their names and values."""
    beside = {guess.label, guess.patient, guess.site}
    left = [column for name, column in columns.items() if name not in beside and len(column.texts) > 1]
    for role, names_there in suspected(left).items():
        for name in names_there if role != "dates" else ():
            fit = role != "ages" or name in guess.numbers
            if fit:
                _assign(guess, {}, role, name, "by its name" if name not in guess.dates else "a date")


def _fits(column: TextColumn, owner: np.ndarray) -> bool:
    """Return whether each patient has one value of a column."""
    faults: list = []
    group(column, owner, faults)
    return not faults


def _assign(guess: Guess, left: dict[str, TextColumn], role: str, name: str, reason: str) -> None:
    """Give a column a role, and take it out of those that are left."""
    if isinstance(held := getattr(guess, role), list):
        held.append(name)
    else:
        setattr(guess, role, name)
    guess.reasons[role, name] = reason
    left.pop(name, None)


def _numeric(columns: Mapping[str, TextColumn], separator: str) -> set[str]:
    """Return the columns whose cells are all numbers or gaps; a comma counts as the settings would have it."""
    found = {
        name for name, column in columns.items() if _is_numeric(column, "," if separator not in (",", "") else ".")
    }
    mark = decimal_mark([columns[name] for name in found], separator, [])
    return {name for name in found if _is_numeric(columns[name], mark)}


def _is_numeric(column: TextColumn, mark: str) -> bool:
    try:
        values = [to_number(text, mark) for text in column.texts]
    except ValueError:
        return False
    return not np.isnan(values).all() and not _padded(column)


def _padded(column: TextColumn) -> bool:
    """Return whether some cells are digits with a zero before them, as postcodes and codes have, but no number."""
    return any(re.fullmatch(r"0\d+", text, re.ASCII) for text in column.texts)


def _but_in_few(column: TextColumn) -> str:
    """Return what to say of a column of numbers with words in a few cells (`k.A.`, `-`, `<5`); else nothing."""
    word = np.array([not is_number(text) for text in column.texts]) & ~gaps(column)
    rows = np.bincount(column.code, minlength=len(column.texts))
    words, figures = int(rows[word].sum()), int(rows[~word & ~gaps(column)].sum())
    varied = int(np.sum(~word & ~gaps(column))) > FEW
    if not words or not varied or words > MOST_WORDS * (words + figures) or _padded(column):
        return ""
    first = int(column.first[word].min()) + 1
    return f"numbers, but in {words} cells (row {first} first): correct or empty them, else it is refused"


def _levels(column: TextColumn) -> int:
    return len(column.texts) - int(gaps(column).sum())


def _without(column: TextColumn) -> str:
    """Return what to say of rows without a value in a column that must not have any."""
    rows = int(gaps(column)[column.code].sum())
    return f"; {rows} rows have none: fill it in, or remove them" if rows else ""


def _guess_label(guess: Guess, left: dict[str, TextColumn]) -> None:
    fit = [
        column for column in left.values() if 2 <= _levels(column) <= FEW and len(column.code) >= 4 * _levels(column)
    ]
    binary = [
        column
        for column in fit
        if _levels(column) == 2 and not _ATTRIBUTE.match(column.name) and not _names_place(column)
    ]
    outcome, finding = ([column for column in fit if names.search(column.name)] for names in (_OUTCOME, _FINDING))
    last = [column for column in binary if column is list(left.values())[-1]]
    ways = ((outcome, "by its name"), (finding, "by its name"), (last, "the last column"), (binary, "has two values"))
    for some, reason in ways:
        if some and not guess.label:
            column = some[0]
            about = f"{reason}, {_levels(column)} classes{_without(column)}{_positive(column)}"
            _assign(guess, left, "label", column.name, about)


def _positive(column: TextColumn) -> str:
    """Return which of two classes auprc will be of."""
    classes = sorted({text for text, gap in zip(column.texts, gaps(column), strict=True) if not gap}, key=numbers_first)
    return f"; `auprc` is that of {classes[1]}, unless `positive` names the other" if len(classes) == 2 else ""


def _guess_patient(guess: Guess, left: dict[str, TextColumn]) -> None:
    whole = [column for column in left.values() if named_like_id(column.name) or _names_people(column)]
    whole = [column for column in whole if len(column.texts) >= len(column.code) / 20]
    named = [column for column in whole if _PERSON.search(column.name)]
    several = [column for column in whole if len(column.texts) < len(column.code)]
    found = [left[name] for name in repeated_ids(list(left.values()), list(left.values()))]
    for some, reason in ((named, "by its name"), (several, "by its name"), (found, "by its values"), (whole, "an id")):
        if some and not guess.patient:
            column = some[0]
            _assign(guess, left, "patient", column.name, f"{reason}, {_levels(column)} patients{_without(column)}")


def _guess_site(guess: Guess, left: dict[str, TextColumn], numeric: Collection[str]) -> None:
    """Note the first column that is called like a place and has rows enough of each; rather words, without gaps."""
    fit = [column for column in left.values() if _names_place(column) and not _PERSON.search(column.name)]
    fit = [column for column in fit if 2 <= _levels(column) <= len(column.code) / 20]
    for column in sorted(fit, key=lambda one: (one.name in numeric, bool(gaps(one).any())))[:1]:
        about = f"by its name, {_levels(column)} sites{_without(column)}"
        _assign(guess, left, "site", column.name, about)


def _names_place(column: TextColumn) -> bool:
    """Return whether a column is called like a place; `hospitalId` is two words."""
    return bool(_PLACE.search(re.sub("(?<=[a-z])(?=[A-Z])", "_", column.name)))


def _names_people(column: TextColumn) -> bool:
    """Return whether a column of words is called as people are, in whatever language adds to it: Patientennummer."""
    return names_in_words(column) and bool(re.search(_PEOPLE, column.name, re.IGNORECASE))


def _config(guess: Guess, name: str, path: Path) -> list[str]:
    items = [f"label: {_quoted(guess.label or UNKNOWN)}"]
    items += [f"{role}: {_quoted(getattr(guess, role))}" for role in ("patient", "site") if getattr(guess, role)]
    for role in ("groups", "categorical", "ignore", "dates", "quasi_identifiers", "ages", "places"):
        if held := [_quoted(column) for column in getattr(guess, role)]:
            held[0], held[-1] = f"{role}: [{held[0]}", held[-1] + "]"
            if len(held) == 1:
                held = [f"{role}: [{_quoted(getattr(guess, role)[0])}]"]
            items += held
    head = f"  {name}: {{format: table, raw: {{path: {_quoted(str(path))}}}, preprocess: {{"
    return [f"only: [{name}]", "datasets:", head, *_wrapped(items, "    ", "}}")]


def _wrapped(items: Iterable[str], indent: str, end: str = "") -> list[str]:
    """Return items with commas between them, on lines of a width, none of them broken."""
    lines = [indent]
    for item in items:
        if len(lines[-1]) > len(indent) and len(lines[-1]) + len(item) > WIDTH:
            lines[-1] = lines[-1].rstrip()
            lines.append(indent)
        lines[-1] += f"{item}, "
    lines[-1] = lines[-1].removesuffix(", ") + end
    return lines


def _comments(guess: Guess, name: str, path: Path, rows: int, columns: int) -> list[str]:
    lines = [f"# Guessed from the columns of {path.name} ({rows} rows, {columns} columns); correct what is wrong:"]
    if not guess.label:
        lines.append(f"#   label        {UNKNOWN}: no column looks like one; it needs two or more classes and no gap")
    if not guess.patient:
        lines.append("#   patient      none found: each row is taken for another patient")
    if not guess.site:
        lines.append("#   site         none found: all rows are taken for one hospital's")
    if not guess.quasi_identifiers:
        lines.append("#   quasi_identifiers  none found: name the columns that others may know of a person")
    for (role, column), reason in guess.reasons.items():
        if reason:
            lines.append(f"#   {role:<12} {column}: {reason}")
    lines += ["# All others are numbers to learn from. Put what is known only after the outcome under `ignore`."]
    return [
        *lines,
        "# docs/data/own-table.md says more, docs/config.md lists every key, such as bank: {replicates: 64}.",
    ]


def _quoted(text: str) -> str:
    """Return a YAML scalar that reads as this text, also within brackets."""
    if re.fullmatch(r"[A-Za-z_./][\w./-]*( [\w./-]+)*", text, re.ASCII) and yaml.safe_load(text) == text:
        return text
    return json.dumps(text, ensure_ascii=False)


def dataset_name(path: Path) -> str:
    """Return a name for the dataset of a file: its own in small letters and digits, unless config.yaml has it."""
    name = re.sub(r"[^a-z0-9]|^\d+", "", path.name.lower().partition(".")[0]).lstrip("0123456789")
    taken = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["datasets"]
    return f"own{name}" if not name or name in taken else name


def _no_table(path: Path) -> str:
    """Return what is wrong with a path that is no file with anything in it; else nothing."""
    if not path.name:
        return "TABLE: no table is named"
    if path.is_dir():
        tables = sorted(file.name for file in path.iterdir() if file.name.lower().endswith(ENDINGS))
        return f"{path}: a folder, not a table" + (f" (it holds {', '.join(tables[:SHOWN])})" if tables else "")
    if not path.is_file():
        return f"{path}: no such file"
    return "" if path.stat().st_size else f"{path}: an empty file"


def main(arguments: list[str]) -> None:
    """Print the config; with `--write`, put it into config/ and say how to go on."""
    parser = argparse.ArgumentParser(description="Write a starter config for a table.")
    parser.add_argument("table", type=Path, help=".csv, .tsv, .csv.gz, .tsv.gz or .parquet")
    parser.add_argument("--write", action="store_true", help="write config/<name>.yaml instead of printing")
    options = parser.parse_args(arguments)
    if wrong := _no_table(options.table):
        sys.exit(f"{wrong}. Remedy: make config TABLE=/data/x.csv, with the file of your table")
    name = dataset_name(options.table)
    target = ROOT / "config" / f"{name}.yaml"
    if options.write and target.exists():
        sys.exit(f"config/{name}.yaml: is there already. Remedy: remove it, or change it by hand")
    try:
        text = starter(options.table, name)
    except InputError as error:
        sys.exit(str(error))
    print(text, end="")
    if options.write:
        write_text(target, text)
        print(f"\nWritten to config/{name}.yaml. Check it, then: make report CONFIG=config/{name}.yaml")


if __name__ == "__main__":
    main(sys.argv[1:])
