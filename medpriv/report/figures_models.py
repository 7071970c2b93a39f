"""Figures of the models themselves: how small a change flips a diagnosis, what it looks like, and calibration.

A panel carries the rows that it was drawn from. No beat is drawn of a credentialed dataset.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from medpriv.measures.table import Measure
from medpriv.report import drawing, words
from medpriv.report.comparison import parse_group
from medpriv.report.drawing import COLOURS, Figure, Panel, csv_text, line_style, mark, slug
from medpriv.report.inputs import Cohort, Result, Row


def draw_evasion(results: Sequence[Result]) -> Figure:
    """Flip rate over the budget: one panel a dataset with all treatments, one a model with its classes."""
    panels = []
    by_dataset: dict[str, dict[str, list[Measure]]] = defaultdict(dict)
    for result in results:
        flips = [item for item in result.attacks if item.measure == "flip_rate" and not item.replicate]
        curves: dict[str, list[Measure]] = defaultdict(list)
        for item in flips:
            group = parse_group(item.group)
            if "class" in group and set(group) == {"epsilon_mv", "class"}:
                curves[f"class {group['class']}"].append(item)
            elif set(group) == {"epsilon_mv"}:
                by_dataset[result.dataset].setdefault(result.treatment, []).append(item)
        if curves:
            panels.append(
                _flip_panel(slug("evasion", result.dataset, result.treatment), f"{result.key}, by class", curves)
            )
    overall = [
        _flip_panel(slug("evasion", name), f"{name}, all classes", curves) for name, curves in by_dataset.items()
    ]
    return Figure(
        "evasion",
        "How small a change flips a diagnosis",
        "Share of correct predictions that one gradient step (FGSM) overturns, by the largest change that it may "
        "make to any sample, in millivolts. A small square of ECG paper is 0.1 mV. As many beats of each class are "
        "attacked where there are enough, so rare classes weigh more than on a ward. Bars are 95 % intervals over "
        "patients.",
        tuple(overall + panels),
    )


def _flip_panel(stem: str, title: str, curves: Mapping[str, Sequence[Measure]]) -> Panel:
    rows = []
    with drawing.drawing(270, left=60, legend=len(curves)) as axes:
        for index, (label, items) in enumerate(curves.items()):
            ordered = sorted(items, key=lambda item: float(parse_group(item.group)["epsilon_mv"]))
            budgets = [float(parse_group(item.group)["epsilon_mv"]) for item in ordered]
            nudge = 1 + 0.03 * (index - (len(curves) - 1) / 2)  # so that bars don't cover each other
            axes.errorbar(
                [budget * nudge for budget in budgets],
                [item.value for item in ordered],
                yerr=drawing.whiskers(ordered),
                marker=mark(index),
                markersize=5,
                elinewidth=1,
                label=label,
                **line_style(index),
            )
            rows += [
                {"curve": label, "attack": item.attack, "epsilon_mv": budget} | drawing.figures_of(item)
                for budget, item in zip(budgets, ordered, strict=True)
            ]
        axes.set_xscale("log")
        axes.minorticks_off()
        ticks = sorted({row["epsilon_mv"] for row in rows})
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set(xlabel="largest change of any sample, mV", ylabel="flipped", title=title, ylim=(-0.03, 1.03))
        axes.set_yticks((0, 0.25, 0.5, 0.75, 1), ("0 %", "25 %", "50 %", "75 %", "100 %"))
        drawing.legend_below(axes, len(curves))
        columns = ("curve", "attack", "epsilon_mv", "value", "lower", "upper", "n")
        spoken = f"{title}: share of correct predictions overturned by the attack"
        note = f"n = {words.span([int(row['n']) for row in rows])} records a replicate that were right before"
        return drawing.render(axes, stem, spoken, csv_text(columns, rows), note)


def draw_beats(cohorts: Mapping[str, Cohort], results: Sequence[Result]) -> Figure:
    """A clean beat and the same beat attacked, on a clinical grid; nothing for a credentialed dataset."""
    panels = []
    for result in results:
        if cohorts[result.dataset].credentialed:
            continue
        examples: dict[str, list[Row]] = defaultdict(list)
        for row in result.rows("examples"):
            examples[row["example"]].append(row)
        panels += [_beat_panel(result, rows, rank) for rank, rows in enumerate(examples.values(), start=1)]
    return Figure(
        "beats",
        "What the attacked signal looks like",
        "One beat as recorded and the same beat after the attack, on ECG paper at 25 mm/s and 10 mm/mV "
        "(enlarged). Below it the difference alone, magnified.",
        tuple(panels),
    )


def _beat_panel(result: Result, rows: Sequence[Row], rank: int) -> Panel:
    import numpy as np

    seconds, clean, attacked = (
        np.array([float(row[name]) for row in rows]) for name in ("seconds", "clean_mv", "attacked_mv")
    )
    difference = attacked - clean
    scale = _round_magnification(0.25 / max(float(np.abs(difference).max()), 1e-9))
    x = (seconds - seconds[0]) * 25  # millimetres of paper
    top = math.ceil(max(clean.max(), attacked.max()) * 2 + 0.2) * 5
    low = math.floor(min(clean.min(), attacked.min()) * 2 - 0.2) * 5
    right = math.ceil(x[-1] / 5) * 5
    below = low - 5  # the line that the difference is drawn around
    per_mm = min((drawing.WIDTH - 24) / right, 420 / (top - low + 10))
    side = (drawing.WIDTH - right * per_mm) / 2
    about = rows[0]
    label = f"{about['class']} read as {about['attacked_as']} at {float(about['epsilon_mv']):g} mV"
    height = 34 + (top - low + 10) * per_mm + 26
    with drawing.drawing(height, left=side, right=side, top=34, bottom=26) as axes:
        axes.set(xlim=(0, right), ylim=(low - 10, top))
        axes.grid(visible=False)
        for step, colour, width in ((1, "ecg-fine", 0.5), (5, "ecg-bold", 0.9)):
            for place in range(0, right + 1, step):
                axes.axvline(place, color=COLOURS[colour], linewidth=width, zorder=0)
            for place in range(low - 10, top + 1, step):
                axes.axhline(place, color=COLOURS[colour], linewidth=width, zorder=0)
        axes.plot(x, clean * 10, color=COLOURS["ink"], linewidth=1.6, label="recorded")
        axes.plot(x, attacked * 10, color=COLOURS["series-2"], linewidth=1.3, linestyle=(0, (4, 2)), label="attacked")
        axes.plot(
            x,
            below + difference * 10 * scale,
            color=COLOURS["series-1"],
            linewidth=1.1,
            label=f"difference × {scale:g}",
        )
        axes.set_title(f"{result.key}: {label}")
        axes.tick_params(length=0, labelbottom=False, labelleft=False)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=3, columnspacing=1.2, borderaxespad=0.4)
        stem = slug("beat", result.dataset, result.treatment, str(rank))
        spoken = f"{result.key}: a beat before and after the attack, {label}"
        return drawing.render(axes, stem, spoken, drawing.rows_csv(rows), "n = 1 beat, an example")


def draw_calibration(results: Sequence[Result]) -> Figure:
    """Reliability curves, one panel a dataset, one line a treatment."""
    by_dataset: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        if result.rows("reliability"):
            by_dataset[result.dataset].append(result)
    return Figure(
        "calibration",
        "Whether stated probabilities can be believed",
        "How often the predicted class was right, against how sure the model said it was, on unseen patients. "
        "On the dashed line the two agree; below it the model is too sure of itself. Bars are 95 % intervals.",
        tuple(_calibration_panel(dataset, members) for dataset, members in by_dataset.items()),
    )


def _calibration_panel(dataset: str, results: Sequence[Result]) -> Panel:
    rows = [row for result in results for row in result.rows("reliability")]
    with drawing.drawing(300, legend=len(results)) as axes:
        axes.plot([0, 1], [0, 1], color=COLOURS["muted"], linestyle=(0, (4, 3)), linewidth=1)
        for index, result in enumerate(results):
            filled = [row for row in result.rows("reliability") if row["accuracy"]]
            bins = [Measure(dataset, result.treatment, "", "accuracy", *_bin(row)) for row in filled]
            axes.errorbar(
                [float(row["confidence"]) for row in filled],
                [item.value for item in bins],
                yerr=drawing.whiskers(bins),
                marker=mark(index),
                markersize=4.5,
                elinewidth=1,
                label=result.treatment,
                **line_style(index),
            )
        axes.set(xlabel="stated probability", ylabel="share that was right", title=dataset)
        axes.set(xlim=(min(float(row["from"]) for row in rows) - 0.02, 1.02), ylim=(-0.03, 1.03))
        drawing.legend_below(axes, len(results))
        title = f"{dataset}: reliability of the stated probabilities on unseen patients"
        counts = [sum(int(row["n"]) for row in result.rows("reliability")) for result in results]
        note = f"n = {words.span(counts)} predictions, those of all replicates together"
        return drawing.render(axes, slug("calibration", dataset), title, drawing.rows_csv(rows), note)


def _bin(row: Row) -> tuple[float, float, float]:
    return tuple(float(row[name] or "nan") for name in ("accuracy", "lower", "upper"))


def _round_magnification(ratio: float) -> float:
    """Return the largest of 1, 2, 5, 10, 20, ... that is not above the ratio."""
    steps = [step * 10**power for power in range(4) for step in (1, 2, 5)]
    return max((step for step in steps if step <= ratio), default=1)
