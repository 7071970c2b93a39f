"""Figures of unlearning: who is told from models that never saw the patient, at what cost and with what loss."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from medpriv.measures.intervals import LEAST
from medpriv.measures.table import Measure
from medpriv.measures.verdicts import EQUIVALENT
from medpriv.report import drawing
from medpriv.report.drawing import COLOURS, Figure, Panel, csv_text, rows_csv, slug
from medpriv.report.formatting import number, percent, plural, span
from medpriv.report.results import Audit, Cohort, resolved
from medpriv.report.sections.unlearning.methods import REFERENCES, ULIRA, MethodEvaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = ("method", "figure", "value", "lower", "upper", "n", "patients")


def draw_forgetting(cohort: Cohort, audit: Audit, treatments: Sequence[MethodEvaluation]) -> Figure:
    """One mark a method: U-LiRA's AUC beside its cost, and the gap in test accuracy; the AUC of each patient.

    Nothing is drawn where fewer than `LEAST` patients were forgotten.
    """
    known = [(item, item.figure("ulira", "auc", ULIRA)) for item in treatments]
    known = [(item, auc) for item, auc in known if resolved(auc) and auc.patients >= LEAST]
    known.sort(key=lambda pair: _cost(pair[0]))
    panels = []
    if known:
        gaps = [(item, item.figure("gap", "test_accuracy_gap")) for item, _ in known]
        where = f"{audit.dataset}, {audit.request}"
        panels = [
            _forest(audit, known, "ulira", f"{where}: told from never seen", "AUC of the attacker, per patient", 0.5),
            _forest(audit, gaps, "test-gap", f"{where}: what it lost", "test accuracy, gap to retraining", 0.0),
        ]
        if not cohort.credentialed and audit.patients:
            panels.append(_people(audit, [item for item, _ in known], f"{where}: patient by patient"))
    anchor = f"unlearning-{slug(audit.dataset, audit.request)}"
    title = f"Forgotten, at what cost and loss: {audit.dataset}, {audit.request} request"
    return Figure(anchor, title, tuple(panels))


def _cost(item: MethodEvaluation) -> float:
    found = item.figure("cost", "passes_share")
    return found.value if found is not None else -1.0


def _label(item: MethodEvaluation) -> str:
    cost = item.figure("cost", "passes_share")
    return f"{item.name}  {percent(cost.value, 0 if cost.value >= 0.095 else 1)}" if cost else item.name


def _forest(
    audit: Audit,
    pairs: Sequence[tuple[MethodEvaluation, Measure | None]],
    name: str,
    title: str,
    label: str,
    line: float,
) -> Panel:
    known = [(place, item, value) for place, (item, value) in enumerate(pairs) if resolved(value)]
    labels = [_label(item) for item, _ in pairs]
    left = min(170, 14 + 5.9 * max(map(len, labels)))
    with drawing.drawing(80 + 19 * len(pairs), left=left) as axes:
        axes.axvline(line, color=COLOURS["muted"], linestyle=(0, (4, 3)), linewidth=1)
        if line == 0.5:
            axes.axvspan(line - EQUIVALENT, line + EQUIVALENT, color=COLOURS["band"], linewidth=0, zorder=0)
        low, high = _span([value for _, item, value in known if not item.control], line)
        for place, item, value in known:
            control = item.control
            if not low <= value.value <= high:
                _off_the_edge(axes, value.value, place, low, high)
                continue
            colour = "series-2" if control else "ink" if item.method in REFERENCES else "series-1"
            axes.errorbar(
                value.value,
                place,
                xerr=drawing.whiskers([value]),
                marker="s" if control else "D" if item.method in REFERENCES else "o",
                color=COLOURS[colour],
                markersize=5.5,
                elinewidth=1.3,
                linestyle="none",
            )
        axes.set_yticks(range(len(pairs)), labels)
        axes.set(xlabel=label, xlim=(low, high), ylim=(len(pairs) - 0.4, -0.6))
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.set_title(title, x=(12 - left) / (drawing.WIDTH - left - 18))
        stem = slug("forgetting", audit.dataset, audit.request, name)
        values = [value for _, _, value in known]
        rows = [
            {"method": item.method or "original", "figure": name, "patients": value.patients}
            | drawing.figures_of(value)
            for _, item, value in known
        ]
        people = span([value.patients for value in values] or [0])
        note = f"n = {people} patients, {span([value.n for value in values] or [0])} models a method"
        return drawing.render(axes, stem, title, csv_text(COLUMNS, rows), note)


def _span(measures: Sequence[Measure], line: float) -> tuple[float, float]:
    """Return the ends of the axis: all intervals and the line, with some room; controls have no say."""
    ends = [end for item in measures for end in (item.value, item.lower, item.upper) if not math.isnan(end)]
    ends += [line - 0.12, line + 0.12] if line == 0.5 else [line - 0.01, line + 0.01]
    room = 0.06 * (max(ends) - min(ends))
    return min(ends) - room, max(ends) + room


def _off_the_edge(axes: "Axes", value: float, place: int, low: float, high: float) -> None:
    """Write a control's value at the edge that it lies beyond."""
    beyond = value < low
    text = f"◂ {number(value, 2)}" if beyond else f"{number(value, 2)} ▸"
    align = "left" if beyond else "right"
    axes.text(low if beyond else high, place, text, color=COLOURS["series-2"], ha=align, va="center", fontsize=10)


def _people(audit: Audit, treatments: Sequence[MethodEvaluation], title: str) -> Panel:
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
        stem = slug("forgetting", audit.dataset, audit.request, "patients")
        counts = [int(row["n_unlearned"]) for row in rows] or [0]
        note = f"n = {plural(len({row['patient'] for row in rows}), 'patient')}, {span(counts)} models each"
        return drawing.render(axes, stem, title, rows_csv(rows) if rows else "", note)
