"""Figures of unlearning: who is told from models that never saw the patient, at what cost and with what loss."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from medpriv.measures.table import Measure
from medpriv.report import drawing, words
from medpriv.report.comparison import request_of
from medpriv.report.drawing import COLOURS, Figure, Panel, csv_text, slug
from medpriv.report.inputs import Audit

if TYPE_CHECKING:
    from medpriv.report.sections.unlearning import Judged

COLUMNS = ("method", "figure", "value", "lower", "upper", "n")


def draw_forgetting(audit: Audit, treatments: Sequence["Judged"]) -> Figure:
    """One mark a method: U-LiRA's AUC beside its cost, and the gap in test accuracy."""
    known = [(item, item.figure("ulira", "auc", {"level": "patient", "reference": "retrain"})) for item in treatments]
    known = [(item, auc) for item, auc in known if auc is not None and not math.isnan(auc.value)]
    known.sort(key=lambda pair: _cost(pair[0]))
    panels = []
    if known:
        gaps = [(item, item.figure("gap", "test_accuracy_gap")) for item, _ in known]
        where = f"{audit.dataset}, {request_of(audit)}"
        panels = [
            _forest(audit, known, "ulira", f"{where}: told from never seen", "AUC of the attacker, per patient", 0.5),
            _forest(audit, gaps, "test-gap", f"{where}: what it lost", "test accuracy, gap to retraining", 0.0),
        ]
    return Figure(
        f"forgetting-{slug(audit.dataset, request_of(audit))}",
        f"Forgotten, at what cost and loss: {audit.dataset}, {request_of(audit)} request",
        "Methods by cost, the cheapest on top; beside each name its passes over records as a share of retraining’s. "
        "Left: an interval that reaches the dashed line at 0.5 can’t be told from never having seen the patient. "
        "Right: left of the line test accuracy was lost. Squares are the two controls and diamonds the original and "
        "retraining.",
        tuple(panels),
    )


def _cost(item: "Judged") -> float:
    found = item.figure("cost", "passes_share")
    return found.value if found is not None else -1.0


def _label(item: "Judged") -> str:
    cost = item.figure("cost", "passes_share")
    return f"{item.name}  {words.percent(cost.value, 0 if cost.value >= 0.095 else 1)}" if cost else item.name


def _forest(
    audit: Audit,
    pairs: Sequence[tuple["Judged", Measure | None]],
    name: str,
    title: str,
    label: str,
    line: float,
) -> Panel:
    rows = []
    labels = [_label(item) for item, _ in pairs]
    left = min(170, 14 + 5.9 * max(map(len, labels)))
    with drawing.drawing(80 + 19 * len(pairs), left=left) as axes:
        axes.axvline(line, color=COLOURS["muted"], linestyle=(0, (4, 3)), linewidth=1)
        for place, (item, measure) in enumerate(pairs):
            if measure is None or math.isnan(measure.value):
                continue
            control = item.method in ("fake", "destroyed")
            colour = "series-2" if control else "ink" if item.method in ("", "retrain") else "series-1"
            axes.errorbar(
                measure.value,
                place,
                xerr=drawing.whiskers([measure]),
                marker="s" if control else "D" if item.method in ("", "retrain") else "o",
                color=COLOURS[colour],
                markersize=5.5,
                elinewidth=1.3,
                linestyle="none",
            )
            rows.append({"method": item.method or "original", "figure": name} | drawing.figures_of(measure))
        axes.set_yticks(range(len(pairs)), labels)
        axes.set(xlabel=label, ylim=(len(pairs) - 0.4, -0.6))
        if line == 0.5:
            low, high = axes.get_xlim()
            axes.set_xlim(min(low, 0.4), max(high, 0.6))
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.set_title(title, x=(12 - left) / (drawing.WIDTH - left - 18))
        stem = slug("forgetting", audit.dataset, request_of(audit), name)
        note = f"n = {words.span([row['n'] for row in rows] or [0])} unlearned models a method"
        return drawing.render(axes, stem, title, csv_text(COLUMNS, rows), note)
