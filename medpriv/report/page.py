"""The page: everything that the template prints, as plain text; the template escapes it.

Only three things enter the page unescaped: the project's own CSS and JavaScript, and the SVG of its own figures, whose
text matplotlib has escaped. The page asks no server for anything: its content-security policy forbids it, and admits
this one script by its hash.
"""

import base64
import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

import medpriv
from medpriv.measures.intervals import LEAST
from medpriv.report import words
from medpriv.report.answer import answer, defence_sentences
from medpriv.report.comparison import Headline
from medpriv.report.contents import Part, figures_of
from medpriv.report.costs import Cost, Timing, retraining_share, training_cost
from medpriv.report.drawing import Figure, Panel, inline
from medpriv.report.figures_leakage import FEW, WITHHELD, withheld
from medpriv.report.inputs import Audit, Cohort, Derived, Result
from medpriv.report.layout import Cell, Table
from medpriv.report.limits import limits
from medpriv.report.tables import comparison_groups, counts_sentence, evasion_tables, membership_rows, subgroup_rows

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


ELSEWHERE = ("hospitals", "leakage")  # notes that are too long for the page, or have a section of their own
INSIDE = 12_000  # characters of a table that the page itself carries


def render_page(
    cohorts: Sequence[Cohort],
    headlines: Sequence[Headline],
    parts: Sequence[Part],
    audits: Sequence[Audit],
    derived: Sequence[Derived],
    costs: Sequence[Cost],
    timings: Sequence[Timing],
    config: dict,
) -> str:
    """Return the page's HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    here = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(here),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_spaced,
    )
    script = (here / "page.js").read_text(encoding="utf-8")
    leak, price = answer(headlines)
    places = {figure.anchor: index for index, figure in enumerate(figures_of(parts), start=1)}
    return environment.get_template("page.html").render(
        style=(here / "style.css").read_text(encoding="utf-8"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        answers=[sentence for sentence in (leak, price, *defence_sentences(headlines)) if sentence],
        cohorts=[_cohort(cohort, headlines) for cohort in cohorts],
        simulated=[cohort.name for cohort in cohorts if cohort.simulated],
        groups=comparison_groups(headlines),
        counts=counts_sentence(headlines, derived),
        failed=[
            (item.result.key, [words.check_name(name) for name in item.failed if name != "masking"])
            for item in headlines
            if item.failed
        ],
        parts=[_part(part, places) for part in parts],
        few=FEW,
        least=LEAST,
        subgroups=subgroup_rows({cohort.name: cohort for cohort in cohorts}, headlines),
        membership=membership_rows(headlines),
        evasion=evasion_tables(headlines),
        models=[_model(headline.result) for headline in headlines],
        derived=[_derived(bank) for bank in derived],
        limits=limits(cohorts, headlines, audits),
        measured=_measured(headlines, derived, costs, timings),
        versions=_versions(),
        seed=config.get("seed", words.MISSING),
        config=json.dumps(_without_folders(config), indent=2, sort_keys=True, ensure_ascii=False),
    )


def _without_folders(config: dict) -> dict:
    """Return the config with the mere names of local files: a page may leave the house, whose folders tell of it."""
    sets = {}
    for name, section in config.get("datasets", {}).items():
        raw = section.get("raw", {})
        sets[name] = section | {"raw": raw | {"path": Path(raw["path"]).name}} if raw.get("path") else section
    return config | {"datasets": sets}


def _part(part: Part | Table, places: Mapping[str, int]) -> dict:
    """Return a figure, a table or a section as the template wants it; sections hold the other two."""
    if isinstance(part, Figure):
        return _figure(part, places[part.anchor])
    if isinstance(part, Table):
        return {"kind": "table", "table": part}
    inner = [_part(item, places) for item in part.parts]
    return {
        "kind": "section",
        "section": part,
        "paragraphs": part.paragraphs,
        "parts": inner,
    }


def _figure(figure: Figure, place: int) -> dict:
    return {
        "kind": "figure",
        "place": place,
        "anchor": figure.anchor,
        "title": figure.title,
        "caption": figure.caption,
        "open": [_panel(panel) for panel in figure.open_panels],
        "folded": [_panel(panel) for panel in figure.folded_panels],
    }


def _panel(panel: Panel) -> dict:
    """Return a panel; one that is folded away, or has a long table, leaves it to the folder `figures`."""
    inside = not panel.folded and len(panel.table) <= INSIDE
    return {
        "stem": panel.stem,
        "title": panel.title,
        "svg": inline(panel.svg),
        "data": _data_uri(panel.table) if inside else "",
        "note": panel.note,
    }


def _spaced(value: object) -> object:
    """Return text with a hard space before each per-cent sign; drawings, style and script (Markup) stay as they are."""
    return value.replace(" %", "\u00a0%") if type(value) is str else value


def _data_uri(table: str) -> str:
    return "data:text/csv;charset=utf-8;base64," + base64.b64encode(table.encode()).decode()


def _cohort(cohort: Cohort, headlines: Sequence[Headline]) -> dict:
    about = cohort.about
    notes = {name: note for name, note in about["notes"].items() if name not in ELSEWHERE}
    own = [headline.result for headline in headlines if headline.result.dataset == cohort.name]
    return {
        "name": cohort.name,
        "source": about["source"],
        "licence": about["licence"],
        "digest": about["digest"],
        "patients": cohort.patients,
        "records": {split: words.integer(count) for split, count in cohort.records.items()},
        "classes": _class_counts(cohort),
        "sites": len(about["sites"]),
        "features": [
            f"{name} ({unit})" if unit else name for name, unit in zip(about["features"], about["units"], strict=True)
        ],
        "sampling_rate": about["sampling_rate"],
        "notes": words.explain_notes(notes, names=not cohort.credentialed),
        "credentialed": cohort.credentialed,
        "replicates": sorted({result.replicates for result in own}),
    }


def _class_counts(cohort: Cohort) -> list[tuple[str, str]]:
    hidden = withheld(cohort.class_records) if cohort.credentialed else set()
    counts = cohort.class_records.items()
    return [(label, WITHHELD if label in hidden else words.integer(count)) for label, count in counts]


def _model(result: Result) -> dict:
    costs = {name: words.scientific(float(value)) for name, value in result.costs.items()}
    return {
        "dataset": result.dataset,
        "treatment": result.treatment,
        "count": result.replicates,
        "costs": costs,
        "recipe": _recipe(result.recipe | ({"settings": result.settings} if result.settings else {})),
    }


def _derived(bank: Derived) -> dict:
    costs = {name: words.scientific(float(value)) for name, value in bank.costs.items()}
    return {
        "dataset": bank.dataset,
        "treatment": bank.treatment,
        "count": bank.models,
        "costs": costs,
        "recipe": _recipe(bank.recipe),
    }


def _recipe(recipe: Mapping[str, object]) -> str:
    def text(value: object) -> str:
        if isinstance(value, Mapping):
            return "(" + _recipe(value) + ")"
        return f"{value:g}" if isinstance(value, float) else str(value)

    said = ((name.replace("_", " "), value) for name, value in sorted(recipe.items()) if value is not None)
    return ", ".join(f"{name} {text(value)}" for name, value in said)


def _measured(
    headlines: Sequence[Headline], derived: Sequence[Derived], costs: Sequence[Cost], timings: Sequence[Timing]
) -> dict:
    """Return what differs between two runs: training cost a model, every unlearning request, and every job."""
    keys = [(headline.result.dataset, headline.result.treatment) for headline in headlines]
    keys += [(bank.dataset, bank.treatment) for bank in derived if not bank.treatment.startswith("unlearned-")]
    models = [{"key": "/".join(key), **_cost_cells(training_cost(costs, *key))} for key in keys]
    jobs = [{"stage": cost.stage, "dataset": cost.dataset, "name": cost.name, **_cost_cells(cost)} for cost in costs]
    requests = [
        {
            "key": f"{item.dataset}/{item.treatment}",
            "seconds": Cell(words.number(item.of_one, 3), order=f"{item.of_one:.6f}"),
            "share": _share_cell(retraining_share(timings, item)),
            "models": item.models,
        }
        for item in timings
    ]
    return {"models": models, "requests": requests, "jobs": jobs}


def _share_cell(share: float | None) -> Cell:
    return Cell(words.percent(share, 1 if (share or 0) < 0.1 else 0), order="" if share is None else f"{share:.6f}")


def _cost_cells(cost: Cost | None) -> dict:
    seconds, peak = (cost.seconds, cost.peak_mb) if cost else (None, None)
    return {
        "seconds": Cell(words.number(seconds, 1), order="" if seconds is None else f"{seconds:.3f}"),
        "peak": Cell(words.number(peak, 0), order="" if peak is None else f"{peak:.3f}"),
    }


def _versions() -> list[tuple[str, str]]:
    found = [("medpriv", medpriv.__version__), ("Python", platform.python_version())]
    for package in PACKAGES:
        try:
            found.append((package, importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
