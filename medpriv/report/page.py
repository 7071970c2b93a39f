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
from collections.abc import Sequence
from pathlib import Path

import medpriv
from medpriv.report import words
from medpriv.report.answer import answer, limits
from medpriv.report.comparison import Headline, parse_group
from medpriv.report.costs import Cost, training_cost
from medpriv.report.drawing import Figure, inline
from medpriv.report.figures_leakage import FEW, SMALL_COUNT
from medpriv.report.inputs import Cohort, Result
from medpriv.report.tables import Cell, comparison_row, evasion_rows, membership_rows, subgroup_rows

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


def render_page(
    cohorts: Sequence[Cohort],
    headlines: Sequence[Headline],
    figures: Sequence[Figure],
    costs: Sequence[Cost],
    config: dict,
) -> str:
    """Return the page's HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    here = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(here), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    script = (here / "page.js").read_text(encoding="utf-8")
    leak, price = answer(headlines)
    return environment.get_template("page.html").render(
        style=(here / "style.css").read_text(encoding="utf-8"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        leak=leak,
        price=price,
        cohorts=[_cohort(cohort, headlines) for cohort in cohorts],
        simulated=[cohort.name for cohort in cohorts if cohort.simulated],
        rows=[comparison_row(headline) for headline in headlines],
        budgets=sorted({parse_group(item.flip.group)["epsilon_mv"] for item in headlines if item.flip}, key=float),
        figures=[_figure(index + 1, figure) for index, figure in enumerate(figures)],
        few=FEW,
        subgroups=subgroup_rows({cohort.name: cohort for cohort in cohorts}, headlines),
        membership=membership_rows(headlines),
        evasion=evasion_rows(headlines),
        models=[_model(headline.result) for headline in headlines],
        limits=limits(cohorts, headlines),
        measured=_measured(headlines, costs),
        versions=_versions(),
        seed=config.get("seed", words.MISSING),
        config=json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False),
    )


def _figure(place: int, figure: Figure) -> dict:
    panels = [
        {
            "stem": panel.stem,
            "title": panel.title,
            "svg": inline(panel.svg),
            "data": _data_uri(panel.table),
            "note": panel.note,
        }
        for panel in figure.panels
    ]
    return {
        "place": place,
        "anchor": figure.anchor,
        "title": figure.title,
        "caption": figure.caption.replace(" %", "\u00a0%"),
        "panels": panels,
    }


def _data_uri(table: str) -> str:
    return "data:text/csv;charset=utf-8;base64," + base64.b64encode(table.encode()).decode()


def _cohort(cohort: Cohort, headlines: Sequence[Headline]) -> dict:
    about = cohort.about
    own = [headline.result for headline in headlines if headline.result.dataset == cohort.name]
    return {
        "name": cohort.name,
        "source": about["source"],
        "licence": about["licence"],
        "digest": about["digest"],
        "patients": cohort.patients,
        "records": {split: words.integer(count) for split, count in cohort.records.items()},
        "classes": [(label, _count(cohort, count)) for label, count in cohort.class_records.items()],
        "sites": len(about["sites"]),
        "features": [
            f"{name} ({unit})" if unit else name for name, unit in zip(about["features"], about["units"], strict=True)
        ],
        "sampling_rate": about["sampling_rate"],
        "notes": words.explain_notes(about["notes"], names=not cohort.credentialed),
        "credentialed": cohort.credentialed,
        "replicates": sorted({result.replicates for result in own}),
    }


def _count(cohort: Cohort, count: int) -> str:
    small = cohort.credentialed and 0 < count < SMALL_COUNT
    return f"fewer than {SMALL_COUNT}" if small else words.integer(count)


def _model(result: Result) -> dict:
    costs = {name: words.scientific(float(value)) for name, value in result.costs.items()}
    recipe = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in sorted(result.recipe.items()))
    return {
        "dataset": result.dataset,
        "treatment": result.treatment,
        "replicates": result.replicates,
        "costs": costs,
        "recipe": recipe,
    }


def _measured(headlines: Sequence[Headline], costs: Sequence[Cost]) -> dict:
    """Return what differs between two runs: training cost a model, and every job."""
    models = []
    for headline in headlines:
        cost = training_cost(costs, headline.result.dataset, headline.result.treatment)
        models.append({"key": headline.result.key, **_cost_cells(cost)})
    jobs = [{"stage": cost.stage, "dataset": cost.dataset, "name": cost.name, **_cost_cells(cost)} for cost in costs]
    return {"models": models, "jobs": jobs}


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
