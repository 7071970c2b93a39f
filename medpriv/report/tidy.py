"""The two files that hold just the headline figures: `comparison.csv` for people and programs, `metrics.json` for DVC.

Whatever the page's first sentences and counts say can be worked out anew from `comparison.csv` alone.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from medpriv.files import write_csv, write_json
from medpriv.measures.table import Measure
from medpriv.report.comparison import Headline
from medpriv.report.labels import simulated_cell, stored_name
from medpriv.report.results import Audit

COLUMNS = (
    "dataset", "simulated", "leaking", "treatment", "model", "headline", "measure", "attack", "group", "value", "lower",
    "upper", "n", "patients",
)  # fmt: skip

OF_AUDITS = {  # family -> headline -> (measure, attack, group)
    "personalization": {
        "gain_accuracy": ("accuracy_gain", "", {"records": "later"}),
        "gain_macro_f1": ("macro_f1_gain", "", {"records": "later"}),
        "strangers_auroc_change": ("auroc_gain", "", {"records": "strangers"}),
        "beats_auc": ("auc", "personalization-membership-lira-difference", {"level": "beat"}),
        "patient_top_1": (
            "top_1",
            "personalization-identification-difference",
            {"level": "patient", "records": "later"},
        ),
        "h1_fgsm": ("hypothesis_h1", "personalization-fgsm", {"right": "both"}),
        "h3": ("hypothesis_h3", "", {}),
    },
    "unlearning": {
        "ulira_auc": ("auc", "unlearning-ulira", {"level": "patient", "reference": "retrain"}),
        "forgetting_score": ("score", "unlearning-quality", {}),
        "test_gap": ("test_accuracy_gap", "unlearning-gap", {}),
        "forgotten_gap": ("forgotten_accuracy_gap", "unlearning-gap", {}),
        "retained_auc": ("auc", "unlearning-retained", {"level": "patient"}),
        "passes_share": ("passes_share", "unlearning-cost", {}),
        "forgotten": ("forgotten", "unlearning-verdict", {}),
        "usable": ("usable", "unlearning-verdict", {}),
    },
}


def write_comparison(path: Path, headlines: Sequence[Headline], audits: Sequence[Audit]) -> None:
    """Write the tidy comparison: one row a model and headline figure; costs only where no machine matters.

    `simulated` tells datasets of made-up patients, `leaking` those with columns that give the outcome away and were
    allowed to; `model` is the network, empty for personalised and unlearned ones.
    """
    rows: list[dict[str, object]] = []
    leaking = {headline.result.dataset for headline in headlines if headline.leaking}

    def add(dataset: str, model: str, name: str, measure: Measure) -> None:
        about = {"dataset": stored_name(dataset), "simulated": simulated_cell(dataset), "model": model}
        about |= {"leaking": "true" if dataset in leaking else "false", "headline": name}
        rows.append(asdict(measure) | about)

    for headline in headlines:
        result = headline.result
        for name, measure in headline.figures.items():
            add(result.dataset, result.model, name, measure)
        costs = {"replicates": result.replicates, **result.costs}
        for name, value in sorted(costs.items()):
            cost = Measure(result.dataset, result.treatment, "", name, value, n=result.replicates)
            add(result.dataset, result.model, "cost", cost)
    for audit in audits:
        for name, measure in audit_figures(audit):
            add(audit.dataset, "", name, measure)
    write_csv(path, COLUMNS, rows)


def write_metrics(path: Path, headlines: Sequence[Headline], audits: Sequence[Audit]) -> None:
    """Write the headline figures nested by dataset, as the page names it, and treatment, for `dvc metrics`.

    Those that are not resolvable are left out.
    """
    content: dict[str, dict[str, dict[str, float]]] = {}
    for headline in headlines:
        own = content.setdefault(headline.result.dataset, {}).setdefault(headline.result.treatment, {})
        own |= _resolved(headline.figures.items())
    for audit in audits:
        for name, measure in audit_figures(audit):
            own = content.setdefault(audit.dataset, {}).setdefault(measure.treatment, {})
            own |= _resolved([(name, measure)])
    write_json(path, content)


def audit_figures(audit: Audit) -> list[tuple[str, Measure]]:
    """Return the headline figures of an audit's treatments, each with its name in both files."""
    request = {"request": audit.request} if audit.family == "unlearning" else {}
    return [
        (name, item)
        for own in audit.measures.by_treatment().values()
        for name, (measure, attack, group) in OF_AUDITS.get(audit.family, {}).items()
        if (item := own.find(measure, {**request, **group}, attack))
    ]


def _resolved(figures: Iterable[tuple[str, Measure]]) -> dict[str, float]:
    return {name: float(f"{measure.value:.6g}") for name, measure in figures if not math.isnan(measure.value)}
