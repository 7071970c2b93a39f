"""Figures of unlearning: who is told from models that never saw the patient, at what cost and with what loss."""

import math
from collections.abc import Sequence

from medpriv.measures.table import Measure
from medpriv.report import drawing, words
from medpriv.report.comparison import request_of
from medpriv.report.drawing import COLOURS, Figure, Panel, csv_text, rows_csv, slug
from medpriv.report.inputs import Audit, Cohort
from medpriv.report.sections.judged import CONTROLS, ULIRA, Judged

COLUMNS = ("method", "figure", "value", "lower", "upper", "n")


def draw_forgetting(cohort: Cohort, audit: Audit, treatments: Sequence[Judged]) -> Figure:
    """One mark a method: U-LiRA's AUC beside its cost, and the gap in test accuracy; the AUC of each patient."""
    known = [(item, item.figure("ulira", "auc", ULIRA)) for item in treatments]
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
        if not cohort.credentialed and audit.patients:
            panels.append(_people(audit, [item for item, _ in known], f"{where}: patient by patient"))
    return Figure(
        f"forgetting-{slug(audit.dataset, request_of(audit))}",
        f"Forgotten, at what cost and loss: {audit.dataset}, {request_of(audit)} request",
        "Methods by cost, the cheapest on top; beside each name its passes over records as a share of retraining’s. "
        "First panel: an interval that reaches the line at 0.5 can’t be told from never having seen the patient. "
        "Second: left of the line test accuracy was lost. Squares are the two controls, diamonds the original and "
        "retraining. Third: each dot is one patient who was to be forgotten; averages hide people.",
        tuple(panels),
    )


def _cost(item: Judged) -> float:
    found = item.figure("cost", "passes_share")
    return found.value if found is not None else -1.0


def _label(item: Judged) -> str:
    cost = item.figure("cost", "passes_share")
    return f"{item.name}  {words.percent(cost.value, 0 if cost.value >= 0.095 else 1)}" if cost else item.name


def _forest(
    audit: Audit,
    pairs: Sequence[tuple[Judged, Measure | None]],
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
            control = item.method in CONTROLS
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


def _people(audit: Audit, treatments: Sequence[Judged], title: str) -> Panel:
    """Return the AUC of every forgotten patient, a line of dots a method."""
    labels = [item.name for item in treatments]
    places = {item.treatment: place for place, item in enumerate(treatments)}
    rows = [row for row in audit.patients if row["treatment"] in places and row["auc"]]
    left = min(170, 14 + 5.9 * max(map(len, labels)))
    with drawing.drawing(80 + 19 * len(labels), left=left) as axes:
        axes.axvline(0.5, color=COLOURS["muted"], linestyle=(0, (4, 3)), linewidth=1)
        lines = [places[row["treatment"]] + 0.22 * math.sin(2.4 * rank) for rank, row in enumerate(rows)]
        axes.plot(
            [float(row["auc"]) for row in rows],
            lines,
            "o",
            color=COLOURS["series-1"],
            markersize=3.4,
            alpha=0.7,
            markeredgewidth=0,
        )
        axes.set_yticks(range(len(labels)), labels)
        axes.set(xlabel="AUC of the attacker, one patient", xlim=(-0.03, 1.03), ylim=(len(labels) - 0.4, -0.6))
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.set_title(title, x=(12 - left) / (drawing.WIDTH - left - 18))
        stem = slug("forgetting", audit.dataset, request_of(audit), "patients")
        counts = [int(row["n_unlearned"]) for row in rows] or [0]
        note = f"n = {words.plural(len({row['patient'] for row in rows}), 'patient')}, {words.span(counts)} models each"
        return drawing.render(axes, stem, title, rows_csv(rows) if rows else "", note)
