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
from dataclasses import dataclass
from pathlib import Path

import medpriv
from medpriv.measures.table import Measure
from medpriv.report import words
from medpriv.report.answer import answer, limits
from medpriv.report.comparison import LEVELS, Headline, parse_group, select, strongest
from medpriv.report.costs import Cost, training_cost
from medpriv.report.drawing import Figure, inline
from medpriv.report.figures_leakage import FEW, SMALL_COUNT, group_order
from medpriv.report.inputs import Cohort, Result

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
UNRESOLVABLE = "unresolvable"


@dataclass(frozen=True)
class Cell:
    """One figure of a table: its text, what stands below it in small type, and the number to sort by."""

    text: str
    details: tuple[str, ...] = ()
    order: str = ""


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
        rows=[_row(headline) for headline in headlines],
        budgets=sorted({parse_group(item.flip.group)["epsilon_mv"] for item in headlines if item.flip}, key=float),
        figures=[_figure(index + 1, figure) for index, figure in enumerate(figures)],
        few=FEW,
        subgroups=_subgroups({cohort.name: cohort for cohort in cohorts}, headlines),
        membership=_membership(headlines),
        evasion=_evasion(headlines),
        models=[_model(headline.result) for headline in headlines],
        limits=limits(cohorts, headlines),
        measured=_measured(headlines, costs),
        versions=_versions(),
        seed=config.get("seed", words.MISSING),
        config=json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False),
    )


def value_cell(measure: Measure | None, *, share: bool = False, attack: bool = False) -> Cell:
    """Return a measure as a cell: value, interval, and the attack behind it where that was a choice."""
    if measure is None:
        return Cell(words.MISSING)
    if measure.value != measure.value:
        return Cell(UNRESOLVABLE, (f"n = {words.integer(measure.n)}",))
    show = words.percent if share else words.number
    details = (words.interval(measure, share=share), words.attack_name(measure.attack) if attack else "")
    return Cell(show(measure.value), tuple(text for text in details if text), f"{measure.value:.6g}")


def _row(headline: Headline) -> dict:
    result = headline.result
    return {
        "dataset": result.dataset,
        "treatment": result.treatment,
        "family": words.family_of(result.treatment),
        "key": result.key,
        "utility_name": words.measure_name(headline.utility.measure) if headline.utility else "",
        "utility": value_cell(headline.utility),
        "gap": value_cell(headline.gap),
        "auc": [value_cell(headline.auc[level], attack=True) for level in LEVELS],
        "tpr": [value_cell(headline.tpr[level], share=True, attack=True) for level in LEVELS],
        "flip": value_cell(headline.flip, share=True),
        "budget": f"at {parse_group(headline.flip.group)['epsilon_mv']} mV" if headline.flip else "",
    }


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


def _subgroups(cohorts: Mapping[str, Cohort], headlines: Sequence[Headline]) -> list[dict]:
    """Return utility and leakage of every subgroup; no small group of a credentialed dataset."""
    rows, names = [], list(cohorts)
    for headline in headlines:
        result = headline.result
        wanted = ("sensitivity", headline.utility.measure if headline.utility else "", "accuracy")
        groups = {}
        for item in (*result.utility, *result.attacks):
            pairs = {key: value for key, value in parse_group(item.group).items() if key not in ("level", "epsilon_mv")}
            if pairs and not item.replicate:
                groups[tuple(pairs.items())] = pairs
        for pairs in groups.values():
            leak = next(filter(None, (_strongest_in(result, level, pairs) for level in LEVELS)), None)
            leak = _enough(leak, FEW)
            useful = [item for name in wanted for item in select(result.utility, name, pairs)]
            if cohorts[result.dataset].credentialed:
                leak, useful = _enough(leak, SMALL_COUNT), [item for item in useful if _enough(item, SMALL_COUNT)]
            if leak is None and not useful:
                continue
            rows.append(
                {
                    "dataset": result.dataset,
                    "treatment": result.treatment,
                    "order": [(attribute, group_order(value)) for attribute, value in pairs.items()],
                    "group": ", ".join(f"{key} {value}" for key, value in pairs.items()),
                    "utility_name": words.measure_name(useful[0].measure) if useful else "",
                    "utility": value_cell(useful[0] if useful else None),
                    "utility_n": words.integer(useful[0].n) if useful else words.MISSING,
                    "leak": value_cell(leak),
                    "level": _attack_and_level(leak),
                    "leak_n": words.integer(leak.n) if leak else words.MISSING,
                }
            )
    return sorted(rows, key=lambda row: (names.index(row["dataset"]), row["order"]))


def _strongest_in(result: Result, level: str, pairs: dict[str, str]) -> Measure | None:
    return strongest(select(result.attacks, "auc", {"level": level, **pairs}, "membership-"))


def _attack_and_level(leak: Measure | None) -> str:
    if leak is None or not leak.attack:
        return ""
    return f"{words.attack_name(leak.attack)}, per {parse_group(leak.group)['level']}"


def _enough(measure: Measure | None, least: int) -> Measure | None:
    return measure if measure is not None and measure.n >= least else None


def _membership(headlines: Sequence[Headline]) -> list[dict]:
    """Return every membership attack on every model, at both levels."""
    rows = []
    for headline in headlines:
        measures = headline.result.attacks
        for attack in dict.fromkeys(item.attack for item in measures if item.attack.startswith("membership-")):
            own = [item for item in measures if item.attack == attack]
            cells = []
            for level in LEVELS:
                for name in ("auc", "balanced_accuracy", "tpr_at_fpr_0.01", "tpr_at_fpr_0.001"):
                    found = select(own, name, {"level": level})
                    cells.append(value_cell(found[0] if found else None, share=name.startswith("tpr")))
            rows.append(
                {
                    "dataset": headline.result.dataset,
                    "treatment": headline.result.treatment,
                    "attack": words.attack_name(attack),
                    "cells": cells,
                }
            )
    return rows


def _evasion(headlines: Sequence[Headline]) -> list[dict]:
    """Return every evasion attack's figures over all records, one row a model, attack and budget (0: no attack)."""
    rows = []
    for headline in headlines:
        measures = headline.result.attacks
        left = [item for item in measures if item.measure == "accuracy_under_attack" and not item.replicate]
        for kept in (item for item in left if set(parse_group(item.group)) == {"epsilon_mv"}):
            group = parse_group(kept.group)
            flips = select(measures, "flip_rate", group, kept.attack)
            rows.append(
                {
                    "dataset": headline.result.dataset,
                    "treatment": headline.result.treatment,
                    "attack": words.attack_name(kept.attack),
                    "budget": group["epsilon_mv"],
                    "cells": [value_cell(flips[0] if flips else None, share=True), value_cell(kept, share=True)],
                    "n": words.integer(kept.n),
                }
            )
    return rows


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
        "classes": [(label, words.integer(count)) for label, count in cohort.class_records.items()],
        "sites": len(about["sites"]),
        "features": [
            f"{name} ({unit})" if unit else name for name, unit in zip(about["features"], about["units"], strict=True)
        ],
        "sampling_rate": about["sampling_rate"],
        "notes": words.explain_notes(about["notes"], names=not cohort.credentialed),
        "credentialed": cohort.credentialed,
        "replicates": sorted({result.replicates for result in own}),
    }


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
    seconds, cpu, peak = (cost.seconds, cost.cpu_seconds, cost.peak_mb) if cost else (None, None, None)
    return {
        "seconds": Cell(words.number(seconds, 1), order="" if seconds is None else f"{seconds:.3f}"),
        "cpu": Cell(words.number(cpu, 1), order="" if cpu is None else f"{cpu:.3f}"),
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
