"""Figures of personalised models: the gain of each patient, and of each class."""

from collections.abc import Mapping, Sequence

from medpriv.measures.intervals import LEAST
from medpriv.measures.table import Measure
from medpriv.report import drawing
from medpriv.report.drawing import COLOURS, Figure, Panel, folded, line_style, mark, rows_csv, slug
from medpriv.report.formatting import number, plural, span
from medpriv.report.labels import measure_name, variant_name
from medpriv.report.results import Audit, Cohort, Row, parse_group, resolved

SHOWN = ("macro_f1", "accuracy")
PARTS = {"with": "adapted to such beats", "without": "to none of them"}
_WHISKERS = 60  # more patients than this are drawn as a line with a band


def draw_gains(cohorts: Mapping[str, Cohort], audits: Sequence[Audit]) -> Figure:
    """Who gains and who loses: each patient's gain, sorted; nothing for a credentialed dataset or few patients."""
    panels: list[Panel] = []
    seen = set()
    for audit in audits:
        if cohorts[audit.dataset].credentialed:
            continue
        for name in SHOWN:
            rows = [row for row in audit.patients if row["measure"] == name and row["gain"]]
            if len(rows) >= LEAST:
                panel = _gain_panel(audit, rows, name)
                panels += [panel] if (audit.dataset, name) not in seen else folded([panel])
                seen.add((audit.dataset, name))
    return Figure("gain", "Who gains from a model of their own", tuple(panels))


def _gain_panel(audit: Audit, rows: Sequence[Row], name: str) -> Panel:
    import numpy as np

    rows = sorted(rows, key=lambda row: float(row["gain"]))
    gain = np.array([float(row["gain"]) for row in rows])
    low, high = (np.array([float(row[end] or "nan") for row in rows]) for end in ("lower", "upper"))
    side = np.where(low > 0, 1, np.where(high < 0, -1, 0))
    place = np.arange(len(rows))
    names = {1: ("gains", "series-3", "^"), -1: ("loses", "series-2", "v"), 0: ("not told apart", "series-8", "o")}
    height = 230 if len(rows) > _WHISKERS else max(150, 74 + 9 * len(rows))
    with drawing.drawing(height, left=30, legend=4) as axes:
        axes.axvline(0, color=COLOURS["muted"], linestyle=(0, (4, 3)), linewidth=1)
        if len(rows) > _WHISKERS:
            axes.fill_betweenx(place, low, high, color=COLOURS["band"], linewidth=0)
        for sign, (label, colour, symbol) in names.items():
            those = side == sign
            if those.any():
                ends = [gain[those] - low[those], high[those] - gain[those]]
                bars = None if len(rows) > _WHISKERS else np.nan_to_num(np.maximum(ends, 0))
                axes.errorbar(
                    gain[those],
                    place[those],
                    xerr=bars,
                    marker=symbol,
                    color=COLOURS[colour],
                    markersize=4 if len(rows) > _WHISKERS else 5,
                    elinewidth=1.1,
                    linestyle="none",
                    label=f"{label} ({those.sum()})",
                )
        axes.set(xlabel=f"gain in {measure_name(name)}", ylabel="patients", title=_title(audit))
        axes.set_yticks([])
        axes.grid(visible=False, axis="y")
        drawing.legend_below(axes, len(set(side.tolist())))
        stem = slug("gain", audit.dataset, audit.subject, name)
        spoken = f"{audit.dataset}/{audit.subject}: gain in {measure_name(name)} of each patient, sorted"
        note = f"n = {plural(len(rows), 'patient')}, mean gain {number(float(gain.mean()))}"
        return drawing.render(axes, stem, spoken, rows_csv(rows), note)


def draw_class_gains(audits: Sequence[Audit]) -> Figure:
    """The gain in sensitivity by class, apart for models that did and did not see the class."""
    panels: list[Panel] = []
    seen = set()
    for audit in audits:
        gains = list(filter(_drawn, audit.measures.holding("sensitivity_gain")))
        labels = dict.fromkeys(parse_group(item.group)["class"] for item in gains)
        if labels:
            panel = _class_panel(audit, list(labels))
            panels += [panel] if audit.dataset not in seen else folded([panel])
            seen.add(audit.dataset)
    return Figure("class-gain", "Which classes gain", tuple(panels))


def _class_panel(audit: Audit, labels: Sequence[str]) -> Panel:
    rows = []
    with drawing.drawing(70 + 46 * len(labels), left=14 + 7 * max(map(len, labels)), legend=3) as axes:
        axes.axvline(0, color=COLOURS["muted"], linestyle=(0, (4, 3)), linewidth=1)
        for index, (part, text) in enumerate({"": "all copies", **PARTS}.items()):
            found: list[tuple[float, Measure]] = []
            for place, label in enumerate(labels):
                group = {"records": "later", "class": label} | ({"adapted": part} if part else {})
                item = audit.measures.find("sensitivity_gain", group)
                if item is not None and _drawn(item):
                    found.append((place + 0.24 * (index - 1), item))
                    counts = drawing.figures_of(item) | {"patients": item.patients}
                    rows.append({"class": label, "adapted": part or "all"} | counts)
            if found:
                axes.errorbar(
                    [item.value for _, item in found],
                    [place for place, _ in found],
                    xerr=drawing.whiskers([item for _, item in found]),
                    marker=mark(index),
                    color=line_style(index)["color"],
                    markersize=5.5,
                    elinewidth=1.2,
                    linestyle="none",
                    label=text,
                )
        axes.set_yticks(range(len(labels)), labels)
        axes.set(xlabel="change of the sensitivity", title=_title(audit), ylim=(len(labels) - 0.5, -0.5))
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        drawing.legend_below(axes, 3)
        stem = slug("class-gain", audit.dataset, audit.subject)
        spoken = f"{audit.dataset}/{audit.subject}: change of the sensitivity by class"
        beats, people = (span([row[name] for row in rows]) for name in ("n", "patients"))
        note = f"n = {beats} beats of {people} patients"
        return drawing.render(axes, stem, spoken, rows_csv(rows), note)


def _drawn(item: Measure) -> bool:
    return item.patients >= LEAST and resolved(item)


def _title(audit: Audit) -> str:
    return f"{audit.dataset}, {variant_name(audit.subject)}"
