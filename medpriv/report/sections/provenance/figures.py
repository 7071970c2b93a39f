"""Where figures come from: datasets, models, versions and the whole config."""

import importlib.metadata
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import medpriv
from medpriv.report.comparison import Headline
from medpriv.report.formatting import MISSING, integer, scientific
from medpriv.report.layout import Cell, Column, Row, Table, prose
from medpriv.report.results import Cohort, Derived, Result, Results
from medpriv.report.section import Section
from medpriv.report.withholding import SMALL_COUNT, WITHHELD, withheld

PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "safetensors",
    "wfdb",
    "matplotlib",
    "Jinja2",
    "snakemake",
    "dvc",
)
ELSEWHERE = ("hospitals", "leakage", "roles", "spreads")  # notes too long for the page, or with a place of their own


@dataclass(frozen=True)
class Described:
    """A dataset, as the page describes it.

    Attributes:
        classes: (name, how many records), small counts withheld.
        positive: of two classes, the one that `auprc` is of; else empty.
        notes: of preprocessing, as (what, how many or why).
        spreads: of an own table's numbers, as (name, low to high with the median).
        replicates: K of its banks.
    """

    cohort: Cohort
    records: dict[str, str]
    classes: tuple[tuple[str, str], ...]
    positive: str
    features: tuple[str, ...]
    notes: tuple[tuple[str, str], ...]
    spreads: tuple[tuple[str, str], ...]
    replicates: tuple[int, ...]


@dataclass(frozen=True)
class Provenance:
    """What the section says.

    Attributes:
        derived: personalised and unlearned models.
        versions: of medpriv, Python and packages.
    """

    cohorts: tuple[Described, ...]
    models: Table
    derived: Table
    seed: object
    versions: tuple[tuple[str, str], ...]
    config: str


def collect(results: Results, headlines: Sequence[Headline]) -> Provenance:
    """Return where figures come from."""
    return Provenance(
        tuple(_described(cohort, results) for cohort in results.cohorts.values()),
        _models(results.banks),
        _derived(list(results.derived.values())),
        results.config.get("seed", MISSING),
        tuple(_versions()),
        json.dumps(without_folders(results.config), indent=2, sort_keys=True, ensure_ascii=False),
    )


def without_folders(config: dict) -> dict:
    """Return the config with the mere names of local files: a page may leave the house, whose folders tell of it."""
    sets = {}
    for name, section in config.get("datasets", {}).items():
        raw = section.get("raw", {})
        sets[name] = section | {"raw": raw | {"path": Path(raw["path"]).name}} if raw.get("path") else section
    return config | {"datasets": sets}


def _described(cohort: Cohort, results: Results) -> Described:
    about = cohort.about
    notes = {name: note for name, note in about["notes"].items() if name not in ELSEWHERE}
    units = zip(about.get("features", ()), about.get("units", ()), strict=True)
    classes = about.get("classes", ())
    return Described(
        cohort,
        {split: integer(count) for split, count in cohort.records.items()},
        tuple(_class_counts(cohort)),
        classes[1] if len(classes) == 2 else "",
        tuple(f"{name} ({unit})" if unit else name for name, unit in units),
        tuple(explain_notes(notes, names=not cohort.credentialed)),
        tuple(_spreads(about["notes"].get("spreads", {}))),
        tuple(sorted({bank.replicates for bank in results.banks if bank.dataset == cohort.name})),
    )


def _spreads(spreads: Mapping[str, Sequence[float]]) -> Iterator[tuple[str, str]]:
    for name, values in spreads.items():
        low, middle, high = (f"{value:.6g}" for value in values)
        yield name, f"{low} to {high}, median {middle}"


def _class_counts(cohort: Cohort) -> list[tuple[str, str]]:
    hidden = withheld(cohort.class_records) if cohort.credentialed else set()
    counts = cohort.class_records.items()
    return [(label, WITHHELD if label in hidden else integer(count)) for label, count in counts]


def explain_notes(notes: Mapping[str, object], names: bool) -> list[tuple[str, str]]:
    """Return a dataset's preprocessing notes as (what, how many or why).

    Without `names`, plain counts only, and those of each column's gaps, which were filled: small ones of gaps and of
    patients are withheld.
    """
    lines = []
    for name, value in notes.items():
        if not names and name == "missing_cells":
            value = {key: WITHHELD if count < SMALL_COUNT else integer(count) for key, count in value.items() if count}
        elif not names and not isinstance(value, int | float):
            continue
        elif not names and name.startswith("patients_") and value < SMALL_COUNT:
            value = WITHHELD
        if isinstance(value, Mapping):
            text = ", ".join(f"{key}: {item}" for key, item in value.items()) or "none"
        elif isinstance(value, list | tuple):
            text = ", ".join(str(item) for item in value) or "none"
        else:
            text = str(value)
        lines.append((name.replace("_", " "), text))
    return lines


# --- models ---------------------------------------------------------------------------------------------------------


def _models(banks: Sequence[Result]) -> Table:
    columns = (
        Column("K", lambda bank: Cell(str(bank.replicates))),
        Column("Parameters", _cost("parameters"), "one replicate"),
        Column("Updates", _cost("updates"), "one replicate"),
        Column("Operations", _cost("flops"), "one replicate, FLOP"),
        Column("Recipe", lambda bank: prose(recipe_text(_whole_recipe(bank))), form="prose"),
    )
    return Table("Table of models", "Model", columns, tuple(map(_row, banks)))


def _whole_recipe(bank: Result) -> dict:
    return bank.hyperparameters | ({"settings": bank.settings} if bank.settings else {})


def _derived(banks: Sequence[Derived]) -> Table:
    columns = (
        Column("Models", lambda bank: Cell(str(bank.models))),
        Column("Updates", _cost("updates"), "one model"),
        Column("Passes", _cost("passes"), "records, one model"),
        Column("Recipe", lambda bank: prose(recipe_text(bank.settings)), form="prose"),
    )
    return Table("Table of derived models", "Bank", columns, tuple(map(_row, banks)))


def _row(bank: Result | Derived) -> Row:
    return Row(bank.treatment, bank, below=(bank.dataset,))


def _cost(name: str):
    """Return the function to a machine-independent cost of a bank."""
    return lambda bank: Cell(scientific(float(bank.costs[name])) if name in bank.costs else MISSING)


def recipe_text(recipe: Mapping[str, object]) -> str:
    """Return a recipe in words; settings that were left out are left out."""

    def text(value: object) -> str:
        if isinstance(value, Mapping):
            return "(" + recipe_text(value) + ")"
        return f"{value:g}" if isinstance(value, float) else str(value)

    said = ((name.replace("_", " "), value) for name, value in sorted(recipe.items()) if value is not None)
    return ", ".join(f"{name} {text(value)}" for name, value in said)


def _versions() -> list[tuple[str, str]]:
    found = [("medpriv", medpriv.__version__), ("Python", platform.python_version())]
    for package in PACKAGES:
        try:
            found.append((package, importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


SECTION = Section("provenance", "provenance", "Provenance", "Provenance", collect)
