"""The two planes of the price of privacy: utility against epsilon, and membership leakage against utility.

A mark is a bank. Banks with a guarantee stand at the accountant's epsilon, with a hollow mark at what the audit proves;
all others stand at "none". Colours tell mechanism and model on the first plane, the stage on the second.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from medpriv.measures.table import Measure
from medpriv.report import drawing
from medpriv.report.comparison import Headline, chance_of, strongest_leak
from medpriv.report.drawing import COLOURS, Figure, Panel, csv_text, line_style, mark, slug
from medpriv.report.enough import enough, left_out, of_patients
from medpriv.report.formatting import span
from medpriv.report.labels import kind_of, measure_name, treatment_label
from medpriv.report.results import resolved

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ORDER = ("baseline", "dp", "fed", "split", "robust")
COLUMNS = ("treatment", "figure", "attack", "group", "value", "lower", "upper", "n", "patients")
DEPTH = 30  # the axis goes down to the smallest stated epsilon by this factor; smaller audited ones stand at its edge


def plane_figure(groups: Mapping[str, Sequence[Headline]]) -> Figure:
    """Return both planes of every dataset."""
    panels, undrawn = [], []
    for dataset, headlines in groups.items():
        known = [item for item in headlines if resolved(item.utility)]
        useful = [item for item in known if enough(item.utility)]
        undrawn += [f"{dataset} (usefulness)"] if known and not useful else []
        if any(item.claimed for item in useful):
            panels.append(_privacy_panel(dataset, useful, left_out(len(known) - len(useful), "treatment")))
        attacked = [item for item in known if strongest_leak(item)]
        leaking = [item for item in attacked if enough(item.utility) and enough(strongest_leak(item))]
        undrawn += [f"{dataset} (leakage)"] if attacked and not leaking else []
        if leaking:
            panels.append(_leakage_panel(dataset, leaking, left_out(len(attacked) - len(leaking), "treatment")))
    return Figure("planes", "Usefulness against privacy", tuple(panels), tuple(undrawn))


def series_of(headline: Headline) -> str:
    """Return the name of the line that a bank with a guarantee belongs to: mechanism and model."""
    treatment = headline.result.treatment
    return (treatment.rpartition("-eps")[0] or treatment).removeprefix("dp-")


def _privacy_panel(dataset: str, headlines: Sequence[Headline], more: str) -> Panel:
    lines: dict[str, list[Headline]] = defaultdict(list)
    others: dict[str, list[Headline]] = defaultdict(list)
    for item in headlines:
        if item.claimed:
            lines[series_of(item)].append(item)
        else:
            others[kind_of(item.result.treatment)].append(item)
    claims = sorted({item.claimed.value for own in lines.values() for item in own})
    edge, none = claims[0] / DEPTH, claims[-1] * 4
    name = measure_name(headlines[0].utility.measure)
    with drawing.drawing(320, legend=len(lines) + len(others)) as axes:
        for index, (series, own) in enumerate(lines.items()):
            nudge = 1.05 ** (index - (len(lines) - 1) / 2)  # so that bars don't cover each other
            _line(axes, sorted(own, key=lambda item: item.claimed.value), series, index, nudge, edge)
        for place, (kind, own) in enumerate(others.items()):
            style = _kind_style(len(lines) + place)
            spread = [none * 1.25 ** (place + 0.35 * (rank / max(len(own) - 1, 1) - 0.5)) for rank in range(len(own))]
            values, bars = [item.utility.value for item in own], drawing.whiskers([item.utility for item in own])
            label = treatment_label(own[0].result.treatment) or kind
            axes.errorbar(spread, values, yerr=bars, linestyle="none", elinewidth=0.8, label=label, **style)
        axes.axvline(none / 1.7, color=COLOURS["rule"], linewidth=1)
        axes.set_xscale("log")
        axes.minorticks_off()
        ticks = _ticks(claims, edge)
        middle = none * 1.25 ** ((len(others) - 1) / 2)
        labels = [f"{tick:g}" for tick in ticks]
        axes.set_xticks([*ticks, middle], [*labels, "none"]) if others else axes.set_xticks(ticks, labels)
        axes.set_xlim(edge / 1.4, none * 1.25 ** len(others))
        axes.set(xlabel="ε (log scale)", ylabel=f"{name} on test patients", title=dataset)
        drawing.legend_below(axes, len(lines) + len(others))
        counts = [item.utility.n for item in headlines]
        guesses = [item.audited.n for item in headlines if item.audited]
        note = f"n = {span(counts)} test records{of_patients(item.utility for item in headlines)}"
        note += f"; audits: {span(guesses)} guesses" if guesses else ""
        note += "".join(f"; the unit of {name} is a {unit}" for name, unit in _other_units(headlines).items())
        note += more
        spoken = f"{dataset}: {name} on test patients against epsilon, the accountant’s and the audited one"
        return drawing.render(axes, slug("privacy", dataset), spoken, csv_text(COLUMNS, _privacy_rows(headlines)), note)


def _other_units(headlines: Sequence[Headline]) -> dict[str, str]:
    """Return the units of guarantees that are not a patient's, by treatment: their epsilons mean something else."""
    units = {
        item.result.treatment: item.result.metadata.get("privacy", {}).get("unit", "patient") for item in headlines
    }
    return {name: unit for name, unit in units.items() if unit != "patient"}


def _line(axes: "Axes", own: Sequence[Headline], series: str, index: int, nudge: float, edge: float) -> None:
    """Draw one mechanism's banks, each with its audited bound to the left."""
    colour, dash = line_style(index)["color"], line_style(index)["linestyle"]
    claimed = [item.claimed.value * nudge for item in own]
    values = [item.utility.value for item in own]
    bars = drawing.whiskers([item.utility for item in own])
    axes.errorbar(
        claimed, values, yerr=bars, color=colour, linestyle=dash, marker=mark(index), markersize=6, elinewidth=1,
        linewidth=1.3, label=series,
    )  # fmt: skip
    for item in own:
        if resolved(item.audited):
            least = max(item.audited.value, edge)
            axes.plot(
                [least, item.claimed.value * nudge], [item.utility.value] * 2, color=colour, linewidth=0.6, alpha=0.7
            )
            symbol = "<" if item.audited.value < edge else mark(index)
            axes.plot(
                [least], [item.utility.value], symbol, color=colour, markerfacecolor=COLOURS["paper"], markersize=5.5
            )


def _kind_style(index: int) -> dict[str, object]:
    colour = line_style(index)["color"]
    return {"color": colour, "marker": mark(index), "markersize": 5.5, "markerfacecolor": COLOURS["paper"]}


def _ticks(claims: Sequence[float], edge: float) -> list[float]:
    """Return the stated epsilons that are apart enough to be read, and powers of ten below them."""
    ticks: list[float] = []
    for claim in (float(f"{claim:.1g}") for claim in claims):
        if not ticks or claim > 1.8 * ticks[-1]:
            ticks.append(claim)
    power = 10.0 ** math.floor(math.log10(ticks[0] / 1.8))
    while power >= edge:
        ticks.insert(0, power)
        power /= 10
    return ticks


def _privacy_rows(headlines: Sequence[Headline]) -> list[dict]:
    rows = []
    for item in headlines:
        figures = (("utility", item.utility), ("epsilon_accountant", item.claimed), ("epsilon_lower", item.audited))
        rows += [_figure_row(item, *figure) for figure in figures if figure[1] is not None]
    return rows


def _figure_row(item: Headline, figure: str, measure: Measure) -> dict:
    about = {"treatment": item.result.treatment, "figure": figure, "attack": measure.attack, "group": measure.group}
    return about | drawing.figures_of(measure)


def _leakage_panel(dataset: str, headlines: Sequence[Headline], more: str) -> Panel:
    kinds: dict[str, list[Headline]] = defaultdict(list)
    for item in headlines:
        kinds[kind_of(item.result.treatment)].append(item)
    name = measure_name(headlines[0].utility.measure)
    with drawing.drawing(320, legend=len(kinds)) as axes:
        drawing.draw_guessing(axes, map(chance_of, headlines))
        for kind, own in kinds.items():
            index = ORDER.index(kind) if kind in ORDER else len(ORDER)  # a stage looks the same in every panel
            leaks, useful = [strongest_leak(item) for item in own], [item.utility for item in own]
            axes.errorbar(
                [item.value for item in useful],
                [item.value for item in leaks],
                xerr=drawing.whiskers(useful),
                yerr=drawing.whiskers(leaks),
                color=line_style(index)["color"],
                marker=mark(index),
                markersize=5.5,
                elinewidth=0.6,
                linestyle="none",
                label=treatment_label(own[0].result.treatment) or own[0].result.treatment,
            )
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, 0.45), max(high, 0.62))
        axes.set(xlabel=f"{name} on test patients", ylabel="AUC of the attacker, strongest attack")
        axes.set_title(f"{dataset}, every treatment")
        drawing.legend_below(axes, len(kinds))
        rows = []
        for item in headlines:
            rows += [_figure_row(item, "utility", item.utility)]
            rows += [_figure_row(item, "membership_auc", strongest_leak(item))]
        used = [item.utility for item in headlines]
        note = (
            f"n = {span([item.n for item in used])} test records{of_patients(used)} for utility, "
            f"{span([strongest_leak(item).n for item in headlines])} non-members a target for leakage{more}"
        )
        spoken = f"{dataset}: AUC of the strongest membership attack against {name}, every treatment"
        return drawing.render(axes, slug("plane", dataset), spoken, csv_text(COLUMNS, rows), note)
