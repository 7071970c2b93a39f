"""ROC curves of the membership attacks: every attack on the leading models, and every model's strongest attack."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from medpriv.measures.table import Measure
from medpriv.report import drawing
from medpriv.report.comparison import BEST, LEVELS, Headline, membership, strongest
from medpriv.report.differences import by_dataset
from medpriv.report.drawing import COLOURS, Figure, Panel, line_style, slug
from medpriv.report.enough import enough, left_out, people
from medpriv.report.formatting import MISSED, UNRESOLVABLE, interval, percent, plural, span
from medpriv.report.labels import attack_name
from medpriv.report.panels import leading_keys, legible
from medpriv.report.results import Result, Results, Row, parse_group, resolved
from medpriv.report.section import Section

if TYPE_CHECKING:
    from matplotlib.axis import Axis

TPR = "tpr_at_fpr_"


@dataclass(frozen=True)
class Curve:
    """One line: how it looks, its rows, the AUC of the same attack (which says how many patients), and what is chance.

    Attributes:
        rows: of `roc.csv`; a true-positive rate is empty below what the sample resolves.
        chance: for each false-positive rate that was asked, the true-positive rate where membership is drawn anew.
    """

    style: dict
    rows: Sequence[Row]
    auc: Measure
    chance: Mapping[float, Measure]

    @property
    def points(self) -> list[tuple[float, float]]:
        """Return (false-positive rate, true-positive rate) that so many patients resolve; none where they are few."""
        if not enough(self.auc):
            return []
        least = 0.999 / people(self.auc)  # the rates of the table are rounded
        found = ((float(row["fpr"]), float(row["tpr"])) for row in self.rows if row["tpr"])
        return sorted((fpr, tpr) for fpr, tpr in found if fpr >= least)


def collect(results: Results, headlines: Sequence[Headline]) -> Figure | None:
    """Return log-log ROC curves; one level where records and patients are the same. None without a curve to draw.

    One panel a level and leading model with a line an attack; where there are more models, one with a line each.
    """
    leading = leading_keys(headlines)
    attacks = sorted({row["attack"] for result in results.banks for row in result.rows("membership-roc")})
    panels, undrawn = [], []
    for level in LEVELS:
        found = [
            headline
            for headline in headlines
            if not (level == "record" and results.cohorts[headline.result.dataset].one_record_a_patient)
            and any(row["level"] == level and row["tpr"] for row in headline.result.rows("membership-roc"))
        ]
        wanted = [headline for headline in found if enough(headline.leak(level))]
        undrawn += [f"{item.result.key} per {level}" for item in found if item not in wanted]
        panels += [_roc_panel(item.result, level, attacks) for item in wanted if item.result.key in leading]
        drawn = [item for item in wanted if _strongest_curve(item, level, 0).points]
        for dataset, own in by_dataset(drawn).items():
            if any(item.result.key not in leading for item in own):
                parts = legible(own, lambda item: item.result.treatment)
                panels += [_all_models_panel(dataset, part, shown, level) for part, shown in parts]
    title = "How well each attack tells members from strangers"
    return Figure("roc", title, tuple(panels), tuple(undrawn)) if panels else None


def _roc_panel(result: Result, level: str, attacks: Sequence[str]) -> Panel:
    rows = [row for row in result.rows("membership-roc") if row["level"] == level]
    curves = {
        attack_name(attack): _curve(result, level, attack, attacks.index(attack))
        for attack in dict.fromkeys(row["attack"] for row in rows)
    }
    title = f"{result.key}: log-log ROC of the membership attacks per {level}"
    stem = slug("roc", result.dataset, result.treatment, level)
    table = drawing.rows_csv(rows)
    panel = _roc_axes(stem, f"{result.key}, per {level}", title, curves, table, level, (result.replicates,))
    return replace(panel, note=panel.note + low_rates(result, level))


def _all_models_panel(dataset: str, part: Sequence[str], headlines: Sequence[Headline], level: str) -> Panel:
    curves = {item.result.treatment: _strongest_curve(item, level, index) for index, item in enumerate(headlines)}
    rows = [{"treatment": name, **row} for name, curve in curves.items() for row in curve.rows]
    which = " ".join(part) or "all models"
    title = f"{dataset}, {which}: log-log ROC of each model's strongest membership attack per {level}"
    replicates = tuple(headline.result.replicates for headline in headlines)
    stem, head = slug("roc", dataset, *part, level), f"{dataset}, {which}, per {level}"
    return _roc_axes(stem, head, title, curves, drawing.rows_csv(rows), level, replicates)


def _strongest_curve(headline: Headline, level: str, index: int) -> Curve:
    """Return the curve of a model's strongest attack; without points where it had too few shadows for thresholds."""
    return _curve(headline.result, level, headline.leak(level).attack, index)


def _curve(result: Result, level: str, attack: str, index: int) -> Curve:
    rows = [row for row in result.rows("membership-roc") if (row["level"], row["attack"]) == (level, attack)]
    auc = result.attacks.find("auc", {"level": level}, attack)
    return Curve(line_style(index), rows, auc, chance_rates(result, level))


def chance_rates(result: Result, level: str) -> dict[float, Measure]:
    """Return by false-positive rate the true-positive rate that the best of all attacks reaches where nothing leaks."""
    own = (item for item in result.attacks if item.attack == BEST and item.measure.startswith(TPR))
    return {
        float(item.measure.removeprefix(TPR).removesuffix("_chance")): item
        for item in filter(resolved, own)
        if parse_group(item.group) == {"level": level}
    }


def low_rates(result: Result, level: str) -> str:
    """Return what a note says of the true-positive rates at low false-positive rates: reached, and by chance."""
    chance, found = chance_rates(result, level), []
    rates = {item.measure.removeprefix(TPR) for item in result.attacks if item.measure.startswith(TPR)}
    for rate in sorted((rate for rate in rates if not rate.endswith("_chance")), key=float, reverse=True):
        best = strongest(membership(result, f"{TPR}{rate}", level))
        if best is None:
            continue
        at = f"at a false-positive rate of {percent(float(rate))}"
        if math.isnan(best.value):
            arrived = membership(result, f"fpr_reached_{rate}", level)
            found.append(f"{at}: {MISSED if any(map(resolved, arrived)) else UNRESOLVABLE}")
            continue
        reached = result.attacks.find(f"fpr_reached_{rate}", {"level": level}, best.attack)
        details = [attack_name(best.attack), f"{interval(best, share=True)}\u00a0%"]
        details += [f"rate reached {percent(reached.value)}"] if reached else []
        details += [f"by chance up to {percent(chance[float(rate)].upper)}"] if float(rate) in chance else []
        found.append(f"{at}, {percent(best.value)} are named ({', '.join(details)})")
    return "".join(f"; {text}" for text in found)


def _roc_axes(
    stem: str, head: str, title: str, curves: Mapping[str, Curve], table: str, level: str, replicates: Sequence[int]
) -> Panel:
    drawn = {name: curve for name, curve in curves.items() if curve.points}
    others, patients = (max(count(curve.auc) for curve in drawn.values()) for count in (lambda auc: auc.n, people))
    low = 10 ** math.floor(math.log10(min(1 / patients, 0.1)) + 1e-9)
    with drawing.drawing(300, left=60, legend=len(drawn)) as axes:
        axes.set(xscale="log", yscale="log", xlim=(low, 1), ylim=(low, 1.1))
        if 1 / patients > low:
            axes.axvspan(low, 1 / patients, color=COLOURS["band"], linewidth=0)
        axes.plot([low, 1], [low, 1], color=COLOURS["muted"], linestyle=(0, (4, 3)), linewidth=1)
        for rate in sorted({rate for curve in drawn.values() for rate in curve.chance if rate * patients >= 1}):
            bars = [curve.chance[rate] for curve in drawn.values() if rate in curve.chance]
            ends = [max(min(bar.lower for bar in bars), low), max(bar.upper for bar in bars)]
            axes.plot([rate, rate], ends, color=COLOURS["muted"], linewidth=3.5, alpha=0.45, solid_capstyle="butt")
        for name, curve in drawn.items():
            fpr, tpr = zip(*((x, max(y, low)) for x, y in curve.points), strict=True)
            axes.plot(fpr, tpr, label=name, **curve.style)
        _percent_axis(axes.xaxis, low)
        _percent_axis(axes.yaxis, low)
        axes.set(xlabel="false-positive rate", ylabel="true-positive rate", title=head)
        drawing.legend_below(axes, len(drawn))
        targets = f"{span(replicates)} target{'' if max(replicates) == 1 else 's'}"
        of = f" of {plural(patients, 'patient')}" if level == "record" else ""
        note = f"n = {plural(others, f'non-member {level}')}{of} a target, {targets}"
        note += left_out(len(curves) - len(drawn), "curve")
        return drawing.render(axes, stem, title, table, note)


def _percent_axis(axis: "Axis", low: float) -> None:
    """Label a logarithmic axis of rates from `low` to 1 at the powers of ten, in percent."""
    from matplotlib.ticker import NullLocator

    ticks = [10.0**power for power in range(round(math.log10(low)), 1)]
    axis.set_ticks(ticks, labels=[f"{100 * tick:g}\u00a0%" for tick in ticks])
    axis.set_minor_locator(NullLocator())


SECTION = Section("roc", "roc", "", "", collect, families=("membership",), figures=lambda found: (found,))
