"""ROC curves of the membership attacks: every attack on the leading models, and every model's strongest attack."""

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from medpriv.report import drawing, words
from medpriv.report.comparison import LEVELS, Headline
from medpriv.report.drawing import COLOURS, Figure, Panel, line_style, slug
from medpriv.report.figures_leakage import legible
from medpriv.report.inputs import Cohort, Result, Row

if TYPE_CHECKING:
    from matplotlib.axis import Axis


def draw_roc(cohorts: Mapping[str, Cohort], headlines: Sequence[Headline], leading: Collection[str]) -> Figure:
    """Log-log ROC curves; one level where records and patients are the same.

    One panel a level and leading model with a line an attack; where there are more models, one with a line each.
    """
    results = [headline.result for headline in headlines]
    attacks = sorted({row["attack"] for result in results for row in result.rows("roc")})
    panels = []
    for level in LEVELS:
        wanted = [
            headline
            for headline in headlines
            if not (level == "record" and cohorts[headline.result.dataset].one_record_a_patient)
            and any(row["level"] == level and row["tpr"] for row in headline.result.rows("roc"))
        ]
        panels += [_roc_panel(item.result, level, attacks) for item in wanted if item.result.key in leading]
        for dataset in dict.fromkeys(item.result.dataset for item in wanted):
            own = [item for item in wanted if item.result.dataset == dataset]
            if any(item.result.key not in leading for item in own):
                parts = legible(own, lambda item: item.result.treatment)
                panels += [_all_models_panel(dataset, part, shown, level) for part, shown in parts]
    return Figure(
        "roc",
        "How well each attack tells members from strangers",
        "Every replicate is attacked in turn, with the others as shadow models, and the curves are means over these "
        "targets. Logarithmic axes, because the low false-positive rates matter most: there the attacker names a "
        "patient and is almost never wrong. The dashed diagonal is guessing. The shaded part lies below one in the "
        "number of non-members, where the sample resolves nothing. Where there are more than two models, further "
        "panels have all of them, each under its strongest attack.",
        tuple(panels),
    )


def _roc_panel(result: Result, level: str, attacks: Sequence[str]) -> Panel:
    rows = [row for row in result.rows("roc") if row["level"] == level]
    curves = {
        words.attack_name(attack): (line_style(attacks.index(attack)), own) for attack, own in _curves(rows).items()
    }
    title = f"{result.key}: log-log ROC of the membership attacks per {level}"
    stem = slug("roc", result.dataset, result.treatment, level)
    return _roc_axes(stem, f"{result.key}, per {level}", title, curves, rows, level, (result.replicates,))


def _all_models_panel(dataset: str, part: Sequence[str], headlines: Sequence[Headline], level: str) -> Panel:
    rows, curves = [], {}
    for index, headline in enumerate(headlines):
        best = headline.auc[level]
        own = [
            row
            for row in headline.result.rows("roc")
            if row["level"] == level and best and row["attack"] == best.attack
        ]
        if own:
            curves[headline.result.treatment] = (line_style(index), _curves(own).get(best.attack, []))
            rows += [{"treatment": headline.result.treatment, **row} for row in own]
    which = " ".join(part) or "all models"
    title = f"{dataset}, {which}: log-log ROC of each model's strongest membership attack per {level}"
    replicates = tuple(headline.result.replicates for headline in headlines)
    stem = slug("roc", dataset, *part, level)
    return _roc_axes(stem, f"{dataset}, {which}, per {level}", title, curves, rows, level, replicates)


def _curves(rows: Sequence[Row]) -> dict[str, list[tuple[float, float]]]:
    """Return the points of each attack; a rate is empty below what the sample resolves."""
    curves: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        if row["tpr"]:
            curves[row["attack"]].append((float(row["fpr"]), float(row["tpr"])))
    return curves


def _roc_axes(
    stem: str,
    head: str,
    title: str,
    curves: Mapping[str, tuple[dict, Sequence[tuple[float, float]]]],
    rows: Sequence[Row],
    level: str,
    replicates: Sequence[int],
) -> Panel:
    others = max(int(row["n"]) for row in rows)
    low = 10 ** math.floor(math.log10(min(1 / max(others, 1), 0.1)) + 1e-9)
    with drawing.drawing(300, left=60, legend=len(curves)) as axes:
        axes.set(xscale="log", yscale="log", xlim=(low, 1), ylim=(low, 1.1))
        if others and 1 / others > low:
            axes.axvspan(low, 1 / others, color=COLOURS["band"], linewidth=0)
        axes.plot([low, 1], [low, 1], color=COLOURS["muted"], linestyle=(0, (4, 3)), linewidth=1)
        for name, (style, points) in curves.items():
            fpr, tpr = zip(*sorted((x, max(y, low)) for x, y in points), strict=True)
            axes.plot(fpr, tpr, label=name, **style)
        _percent_axis(axes.xaxis, low)
        _percent_axis(axes.yaxis, low)
        axes.set(xlabel="false-positive rate", ylabel="true-positive rate", title=head)
        drawing.legend_below(axes, len(curves))
        targets = f"{words.span(replicates)} target{'' if max(replicates) == 1 else 's'}"
        note = f"n = {words.plural(others, f'non-member {level}')} a target, {targets}"
        return drawing.render(axes, stem, title, drawing.rows_csv(rows), note)


def _percent_axis(axis: "Axis", low: float) -> None:
    """Label a logarithmic axis of rates from `low` to 1 at the powers of ten, in percent."""
    from matplotlib.ticker import NullLocator

    ticks = [10.0**power for power in range(round(math.log10(low)), 1)]
    axis.set_ticks(ticks, labels=[f"{100 * tick:g} %" for tick in ticks])
    axis.set_minor_locator(NullLocator())
