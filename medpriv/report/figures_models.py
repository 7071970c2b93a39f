"""Figures of the models themselves: how small a change flips a diagnosis, what it looks like, and calibration.

A panel carries the rows that it was drawn from. No signal is drawn of a credentialed dataset.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from medpriv.measures.intervals import LEAST
from medpriv.measures.table import Measure
from medpriv.report import drawing, words
from medpriv.report.comparison import Headline, budgets, find, parse_group, reference_budget, strongest_flip
from medpriv.report.drawing import COLOURS, Figure, Panel, csv_text, line_style, mark, slug
from medpriv.report.enough import enough, left_out, no_panel, of_patients
from medpriv.report.figures_leakage import legible
from medpriv.report.inputs import Cohort, Result, Row

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

STRETCH = 3.0  # seconds of a record that are drawn


def draw_evasion(headlines: Sequence[Headline], leading: Collection[str]) -> Figure:
    """Flip rate over the budget: a panel with all models, one by attack of those leading, one by class of each."""
    overall, by_attack, by_class = [], [], []  # (stem, title, curves, folded)
    for dataset in dict.fromkeys(headline.result.dataset for headline in headlines):
        results = [headline.result for headline in headlines if headline.result.dataset == dataset]
        curves = {result.treatment: _strongest_curve(result) for result in results}
        overall.append((slug("evasion", dataset), f"{dataset}, strongest attack", curves, False))
        for result in results:
            fold, stem = result.key not in leading, slug("evasion", dataset, result.treatment)
            every = _curves(result)
            if len(every) > 1 and not fold:  # the tables have the attacks on the others
                named = {words.attack_name(attack): items for attack, items in every.items()}
                by_attack.append((slug(stem, "attacks"), f"{result.key}, by attack", named, False))
            if found := _class_curves(result):
                attack = words.attack_name(next(iter(found.values()))[0].attack)
                by_class.append((stem, f"{result.key}, {attack} by class", found, fold))
    plans = overall + by_attack + by_class
    planned = [(plan, [item for items in plan[2].values() for item in items]) for plan in plans]
    return Figure(
        "evasion",
        "How small a change flips a diagnosis",
        "Share of correct predictions that an attack overturns, by the largest change that it may make to any sample, "
        "in microvolts. A small square of ECG paper is 100 µV. As many records of each class are attacked where there "
        "are enough, so rare classes weigh more than on a ward. Bars are 95 % intervals over patients."
        f"{no_panel(title for (_, title, *_), items in planned if items and not any(map(enough, items)))}",
        tuple(
            replace(_flip_panel(stem, title, curves), folded=fold)
            for (stem, title, curves, fold), items in planned
            if any(map(enough, items))
        ),
    )


def _curves(result: Result) -> dict[str, list[Measure]]:
    """Return the flip rates of each untargeted attack over all records."""
    curves: dict[str, list[Measure]] = defaultdict(list)
    for item in result.attacks:
        whole = item.measure == "flip_rate" and not item.replicate and set(parse_group(item.group)) == {"budget"}
        if whole and not item.attack.endswith("-targeted"):
            curves[item.attack].append(item)
    return dict(curves)


def _strongest_curve(result: Result) -> list[Measure]:
    found = (strongest_flip(result, budget) for budget in budgets(result))
    return [item for item in found if item is not None]


def _class_curves(result: Result) -> dict[str, list[Measure]]:
    """Return the flip rates by class of the attack that is strongest over all at the reference budget."""
    chosen = strongest_flip(result, reference_budget(result))
    curves: dict[str, list[Measure]] = defaultdict(list)
    for item in result.attacks:
        if chosen and (item.measure, item.attack, item.replicate) == ("flip_rate", chosen.attack, ""):
            group = parse_group(item.group)
            if set(group) == {"budget", "class"}:
                curves[f"class {group['class']}"].append(item)
    return dict(curves)


def _flip_panel(stem: str, title: str, curves: Mapping[str, Sequence[Measure]]) -> Panel:
    """Draw the points that rest on enough patients; the table has the others too."""
    rows = [
        {"curve": label, "attack": item.attack, "budget": _budget(item)} | drawing.figures_of(item)
        for label, items in curves.items()
        for item in sorted(items, key=_budget)
    ]
    drawn = {label: sorted(filter(enough, items), key=_budget) for label, items in curves.items()}
    points = [item for items in drawn.values() for item in items]
    with drawing.drawing(270, left=60, legend=sum(map(bool, drawn.values()))) as axes:
        for index, (label, items) in enumerate(drawn.items()):
            nudge = 1 + 0.03 * (index - (len(curves) - 1) / 2)  # so that bars don't cover each other
            if items:
                axes.errorbar(
                    [_budget(item) * nudge for item in items],
                    [item.value for item in items],
                    yerr=drawing.whiskers(items),
                    marker=mark(index),
                    markersize=5,
                    elinewidth=1,
                    label=label,
                    **line_style(index),
                )
        axes.set_xscale("log")
        axes.minorticks_off()
        ticks = sorted(set(map(_budget, points)))
        axes.set_xticks(ticks, [f"{1000 * tick:g}" for tick in ticks])
        axes.set(xlabel="largest change of any sample, µV", ylabel="flipped", title=title, ylim=(-0.03, 1.03))
        ticks = (0, 25, 50, 75, 100)
        axes.set_yticks([tick / 100 for tick in ticks], [f"{tick}\u00a0%" for tick in ticks])
        drawing.legend_below(axes, sum(map(bool, drawn.values())))
        columns = ("curve", "attack", "budget", "value", "lower", "upper", "n", "patients")
        spoken = f"{title}: share of correct predictions overturned by the attack"
        note = f"n = {words.span([item.n for item in points])} records that were right before{of_patients(points)}"
        note += left_out(len(rows) - len(points), "point")
        return drawing.render(axes, stem, spoken, csv_text(columns, rows), note)


def _budget(item: Measure) -> float:
    return float(parse_group(item.group)["budget"])


def draw_beats(cohorts: Mapping[str, Cohort], results: Sequence[Result]) -> Figure:
    """Clean and attacked signals on a clinical grid, of each dataset's first attacked model.

    Nothing is drawn of a credentialed dataset.
    """
    panels = []
    first: dict[str, Result] = {}
    for result in results:
        if result.rows("examples") and not cohorts[result.dataset].credentialed:
            first.setdefault(result.dataset, result)
    for result in first.values():
        examples: dict[str, list[Row]] = defaultdict(list)
        for row in result.rows("examples"):
            examples[row["example"]].append(row)
        panels += [_beat_panel(result, rows, rank) for rank, rows in enumerate(examples.values(), start=1)]
    return Figure(
        "beats",
        "What the attacked signal looks like",
        "A record and the same record after each attack, on ECG paper at 25 mm/s and 10 mm/mV (enlarged). Below it the "
        f"differences alone, magnified. Of a record longer than {STRETCH:g} seconds the {STRETCH:g} seconds with the "
        "largest difference are shown.",
        tuple(panels),
    )


def _beat_panel(result: Result, rows: Sequence[Row], rank: int) -> Panel:
    import numpy as np

    attacks: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        attacks[row["attack"]].append(row)
    seconds = np.array([float(row["seconds"]) for row in next(iter(attacks.values()))])
    clean = np.array([float(row["clean_mv"]) for row in next(iter(attacks.values()))])
    attacked = {name: np.array([float(row["attacked_mv"]) for row in own]) for name, own in attacks.items()}
    part = stretch(seconds, sum(np.abs(after - clean) for after in attacked.values()))
    seconds, clean = seconds[part], clean[part]
    attacked = {name: after[part] for name, after in attacked.items()}
    columns = {"seconds": seconds, "clean_mv": clean}
    columns |= {f"{name.removeprefix('evasion-')}_mv": after for name, after in attacked.items()}
    table = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    largest = max(float(np.abs(after - clean).max()) for after in attacked.values())
    scale = _round_magnification(0.25 / max(largest, 1e-9))
    x = (seconds - seconds[0]) * 25  # millimetres of paper
    top = math.ceil(max(clean.max(), *(after.max() for after in attacked.values())) * 2 + 0.2) * 5
    low = math.floor(min(clean.min(), *(after.min() for after in attacked.values())) * 2 - 0.2) * 5
    right = math.ceil(x[-1] / 5) * 5
    below = low - 5 - 10 * np.arange(len(attacked))  # the lines that the differences are drawn around
    bottom = int(below[-1]) - 5
    per_mm = min((drawing.WIDTH - 24) / right, 460 / (top - bottom))
    side = (drawing.WIDTH - right * per_mm) / 2
    label = f"{rows[0]['class']} at {words.microvolts(rows[0]['budget'])}"
    height = 34 + (top - bottom) * per_mm + 26
    with drawing.drawing(height, left=side, right=side, top=34, bottom=26, legend=2 * len(attacked) - 1) as axes:
        axes.set(xlim=(0, right), ylim=(bottom, top))
        _paper(axes, right, bottom, top, fine=per_mm > 2.5)
        axes.plot(x, clean * 10, color=COLOURS["ink"], linewidth=1.5, label="recorded")
        for index, (name, after) in enumerate(attacked.items()):
            colour = COLOURS[drawing.SERIES[1 - index % 2]]
            short = words.attack_name(name)
            dash = (0, (4, 2)) if index else (0, (1.5, 1.2))
            axes.plot(x, after * 10, color=colour, linewidth=1.1, linestyle=dash, label=short)
            difference = below[index] + (after - clean) * 10 * scale
            axes.plot(x, difference, color=colour, linewidth=0.9, label=f"{short} − recorded, × {scale:g}")
        axes.set_title(f"{result.key}: {label}")
        axes.tick_params(length=0, labelbottom=False, labelleft=False)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2, columnspacing=1.2, borderaxespad=0.4)
        stem = slug("beat", result.dataset, result.treatment, str(rank))
        spoken = f"{result.key}: a record before and after the attacks, {label}"
        read = "; ".join(f"{words.attack_name(name)}: read as {own[0]['attacked_as']}" for name, own in attacks.items())
        note = f"n = 1 record, an example, seconds {seconds[0]:.1f} to {seconds[-1]:.1f}. {read}"
        return drawing.render(axes, stem, spoken, drawing.rows_csv(table), note)


def stretch(seconds: "np.ndarray", difference: "np.ndarray") -> slice:
    """Return the stretch of at most `STRETCH` seconds with the largest summed difference."""
    import numpy as np

    length = int(np.searchsorted(seconds, seconds[0] + STRETCH + 1e-9))
    if length >= len(seconds):
        return slice(None)
    sums = np.concatenate([[0], np.cumsum(difference)])
    start = int(np.argmax(sums[length:] - sums[:-length]))
    return slice(start, start + length)


def _paper(axes: "Axes", right: int, bottom: int, top: int, fine: bool) -> None:
    """Draw the grid of ECG paper in millimetres, each kind of line as one path."""
    axes.grid(visible=False)
    nan = float("nan")
    for step, colour, width in ((1, "ecg-fine", 0.5), (5, "ecg-bold", 0.9)):
        if step == 1 and not fine:
            continue
        x, y = [], []
        for place in range(0, right + 1, step):
            x += [place, place, nan]
            y += [bottom, top, nan]
        for place in range(bottom, top + 1, step):
            x += [0, right, nan]
            y += [place, place, nan]
        axes.plot(x, y, color=COLOURS[colour], linewidth=width, zorder=0)


def draw_calibration(results: Sequence[Result]) -> Figure:
    """Reliability curves, one panel a dataset, one line a treatment; none that rests on few patients."""
    by_dataset: dict[str, list[Result]] = defaultdict(list)
    empty = []
    for result in results:
        if result.rows("reliability"):
            tested = find(result.utility, "accuracy", {})
            few = tested is not None and not enough(tested)
            empty += [result.key] if few else []
            by_dataset[result.dataset] += [] if few else [result]
    return Figure(
        "calibration",
        "Whether stated probabilities can be believed",
        "How often the predicted class was right, against how sure the model said it was, on unseen patients. "
        "On the dashed line the two agree; below it the model is too sure of itself. Bars are 95 % intervals."
        f"{no_panel(empty)}",
        tuple(
            _calibration_panel(", ".join(filter(None, (dataset, " ".join(part)))), shown)
            for dataset, members in by_dataset.items()
            if members
            for part, shown in legible(members, lambda result: result.treatment)
        ),
    )


def _calibration_panel(name: str, results: Sequence[Result]) -> Panel:
    rows = [{"treatment": result.treatment, **row} for result in results for row in result.rows("reliability")]
    filled = [row for row in rows if row["accuracy"]]
    drawn = [row for row in filled if int(row["patients"]) >= LEAST]
    with drawing.drawing(300, legend=len(results)) as axes:
        axes.plot([0, 1], [0, 1], color=COLOURS["muted"], linestyle=(0, (4, 3)), linewidth=1)
        for index, result in enumerate(results):
            own = [row for row in drawn if row["treatment"] == result.treatment]
            bins = [Measure(result.dataset, result.treatment, "", "accuracy", *_bin(row)) for row in own]
            axes.errorbar(
                [float(row["confidence"]) for row in own],
                [item.value for item in bins],
                yerr=drawing.whiskers(bins) if bins else None,
                marker=mark(index),
                markersize=4.5,
                elinewidth=1,
                label=result.treatment,
                **line_style(index),
            )
        axes.set(xlabel="stated probability", ylabel="share that was right", title=name)
        axes.set(xlim=(min(float(row["from"]) for row in rows) - 0.02, 1.02), ylim=(-0.03, 1.03))
        drawing.legend_below(axes, len(results))
        title = f"{name}: reliability of the stated probabilities on unseen patients"
        counts = [sum(int(row["n"]) for row in result.rows("reliability")) for result in results]
        note = f"n = {words.span(counts)} predictions, those of all replicates together"
        note += left_out(len(filled) - len(drawn), "point")
        return drawing.render(axes, slug("calibration", name), title, drawing.rows_csv(rows), note)


def _bin(row: Row) -> tuple[float, float, float]:
    return tuple(float(row[name] or "nan") for name in ("accuracy", "lower", "upper"))


def _round_magnification(ratio: float) -> float:
    """Return the largest of 1, 2, 5, 10, 20, ... that is not above the ratio."""
    steps = [step * 10**power for power in range(4) for step in (1, 2, 5)]
    return max((step for step in steps if step <= ratio), default=1)
