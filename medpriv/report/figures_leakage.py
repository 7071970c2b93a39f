"""Figures of leakage: usefulness against leakage, exposure of each patient (ROC curves: `figures_roc`).

A panel carries the rows that it was drawn from. For a credentialed dataset no panel shows a single patient: exposure
becomes a histogram without small counts.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from medpriv.catalogue.treatments import stage_of
from medpriv.measures.intervals import LEAST, LEVEL
from medpriv.measures.table import Measure
from medpriv.report import drawing, words
from medpriv.report.comparison import Headline, parse_group
from medpriv.report.drawing import COLOURS, Figure, Panel, csv_text, line_style, mark, slug
from medpriv.report.enough import enough, left_out, no_panel
from medpriv.report.inputs import Cohort, Result, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")

SMALL_COUNT = 10  # fewer patients than this are not counted in public for a credentialed dataset
WITHHELD = "withheld"
POOLED = "others, pooled"  # beside values of an attribute, which hold no comma (`medpriv.dataset.plain_name`)
GUESSING = (
    "At the dashed line an attack does no better than a coin; the shaded band is where the strongest of as many "
    "attacks falls in 95 % of cases when membership is drawn anew, so that nothing can leak."
)
MOST = 8  # treatments of a panel with a mark or line each, beside the baselines
DOTS = 60  # groups up to this size are drawn patient by patient
FEW = LEAST  # a subgroup smaller than this says nothing by itself
BEYOND = (1 - LEVEL) / 2  # of patients who lie above the band where nothing is remembered
_BINS = 12


def draw_tradeoff(headlines: Sequence[Headline]) -> Figure:
    """Utility against leakage, one panel a dataset, one mark a treatment."""
    groups: dict[str, list[Headline]] = defaultdict(list)
    for headline in headlines:
        if headline.utility and headline.auc["patient"] and not math.isnan(headline.auc["patient"].value):
            groups[headline.result.dataset].append(headline)
    panels, empty = [], []
    for dataset, members in groups.items():
        drawn = [item for item in members if enough(item.utility) and enough(item.auc["patient"])]
        more = left_out(len(members) - len(drawn), "treatment")
        empty += [] if drawn else [dataset]
        panels += [
            _tradeoff_panel(", ".join(filter(None, (dataset, " ".join(part)))), shown, more)
            for part, shown in (legible(drawn, lambda item: item.result.treatment) if drawn else ())
        ]
    return Figure(
        "tradeoff",
        "Usefulness against leakage",
        "Each mark is one treatment: further right is more useful on unseen patients, lower leaks less about "
        f"who was trained on. Bars are 95 % intervals. {GUESSING}{no_panel(empty)}",
        tuple(panels),
    )


def draw_guessing(axes: "Axes", chances: Iterable[Measure | None]) -> None:
    """Draw what is chance for leaks on the y axis: 0.5, and where the strongest of as many attacks falls by luck.

    Args:
        chances: of each model, where it was measured; their limits hardly differ, so one band holds them all.
    """
    known = [item for item in chances if item is not None and not math.isnan(item.value)]
    if known:
        low, high = min(item.lower for item in known), max(item.upper for item in known)
        axes.axhspan(low, high, color=COLOURS["band"], linewidth=0, zorder=0)
    axes.axhline(0.5, color=COLOURS["muted"], linestyle=(0, (4, 3)), linewidth=1)


def legible(items: Sequence[Item], treatment: Callable[[Item], str]) -> list[tuple[tuple[str, ...], list[Item]]]:
    """Return what one panel each can show of a dataset's treatments: all, or the baselines and up to `MOST` of a stage.

    Each comes with what the panel's title adds to the dataset's name.
    """
    if len(items) <= MOST:
        return [((), list(items))]
    stages: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        stages[stage_of(treatment(item))].append(item)
    baselines, parts = stages.pop("baselines", []), []
    for stage, own in stages.items():
        pieces = [own[start : start + MOST] for start in range(0, len(own), MOST)]
        for number, piece in enumerate(pieces, start=1):
            parts.append(((stage, *([str(number)] if len(pieces) > 1 else [])), [*baselines, *piece]))
    return parts or [((), list(items))]


def _tradeoff_panel(title: str, headlines: Sequence[Headline], more: str) -> Panel:
    rows = []
    name = words.measure_name(headlines[0].utility.measure)
    with drawing.drawing(270, legend=len(headlines)) as axes:
        draw_guessing(axes, [headline.chance.get("patient") for headline in headlines])
        for index, headline in enumerate(headlines):
            utility, leak = headline.utility, headline.auc["patient"]
            axes.errorbar(
                utility.value,
                leak.value,
                xerr=drawing.whiskers([utility]),
                yerr=drawing.whiskers([leak]),
                marker=mark(index),
                color=line_style(index)["color"],
                linewidth=1.2,
                markersize=7,
                linestyle="none",
                label=headline.result.treatment,
            )
            rows += [
                {"treatment": headline.result.treatment, "figure": figure, "attack": item.attack}
                | drawing.figures_of(item)
                for figure, item in (("utility", utility), ("membership_auc_patient", leak))
            ]
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, 0.45), max(high, 0.62))
        axes.set(xlabel=f"{name} on unseen patients", ylabel="patient-level AUC of the attacker", title=title)
        drawing.legend_below(axes, len(headlines))
        columns = ("treatment", "figure", "attack", "value", "lower", "upper", "n", "patients")
        spoken = f"{title}: {name} on unseen patients against patient-level AUC of the strongest membership attack"
        note = f"n = {words.span([item.utility.n for item in headlines])} for utility, "
        note += f"{words.span([item.auc['patient'].n for item in headlines])} non-member patients a target for leakage"
        note += more
        return drawing.render(axes, slug("tradeoff", title), spoken, csv_text(columns, rows), note)


def draw_exposure(cohorts: Mapping[str, Cohort], results: Sequence[Result], leading: Collection[str]) -> Figure:
    """Who is exposed: the distribution of per-patient exposure, by class, sex and site."""
    panels, empty, untold = [], [], []
    for result in results:
        rows = exposure_rows(result)
        if len(rows) >= LEAST:
            panel = _exposure_histogram if cohorts[result.dataset].credentialed else _exposure_panel
            panels.append(replace(panel(result, rows), folded=result.key not in leading))
        elif rows:
            empty.append(result.key)
        elif result.rows("exposure"):
            untold.append(result.key)
    few = f" {words.UNRESOLVABLE.capitalize()} with so few models: {', '.join(untold)}." if untold else ""
    return Figure(
        "exposure",
        "Who is exposed",
        "Exposure of a patient: of all pairs of models, one trained with the patient and one without, the "
        "share that the attack puts in the right order; 0.5 is guessing, 1 is certainty. The shaded band is where 95 % "
        "of exposures fall when membership is drawn anew, so that the models remember nobody; a patient above it is "
        f"called exposed, as {words.percent(BEYOND)} are by chance; few replicates leave no room above it. Thick bars "
        "hold the middle half of a group, thin "
        f"ones nine in ten; the tick is the median. Groups of up to {DOTS} patients show every patient, larger ones "
        f"the twentieth exposed most.{no_panel(empty)}{few}",
        tuple(panels),
    )


def exposure_rows(result: Result) -> list[Row]:
    """Return one row a patient, of the attack with the highest mean exposure; patients without a value are left out."""
    by_attack: dict[str, list[Row]] = defaultdict(list)
    for row in result.rows("exposure"):
        if row["exposure"]:
            by_attack[row["attack"]].append(row)
    return max(by_attack.values(), key=lambda rows: sum(float(row["exposure"]) for row in rows) / len(rows), default=[])


def exposure_groups(rows: Sequence[Row]) -> dict[tuple[str, str], list[float]]:
    """Return exposures by (attribute, value), everybody first; a patient counts in one group of each attribute.

    Groups of fewer than `FEW` patients are pooled, and left out where they are too few even together; so is an
    attribute that then leaves one group.
    """
    attributes: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for attribute, value in parse_group(row["groups"]).items():
            attributes[attribute][value].append(float(row["exposure"]))
    groups = {("", "all"): sorted(float(row["exposure"]) for row in rows)}
    for attribute in sorted(attributes):
        values = attributes[attribute]
        large = sorted((name for name in values if len(values[name]) >= FEW), key=group_order)
        pooled = sorted(exposure for name in values if name not in large for exposure in values[name])
        named = {(attribute, name): sorted(values[name]) for name in large} | (
            {(attribute, POOLED): pooled} if len(pooled) >= FEW else {}
        )
        if len(named) > 1:
            groups |= named
    return groups


def group_order(value: str) -> tuple[str, str]:
    """Return the key that sorts the values of an attribute, `<45` before `45-54`."""
    return value.lstrip("<"), value


def exposed_by_chance(patients: int) -> tuple[int, int]:
    """Return how many of so many patients chance alone puts above the band, in 95 of 100 runs: binomial limits.

    As if patients were exposed independently of each other.
    """
    import numpy as np
    from scipy.special import bdtr

    below = bdtr(np.arange(patients + 1), patients, BEYOND)
    low, high = np.searchsorted(below, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return int(low), int(high)


def _exposure_panel(result: Result, rows: Sequence[Row]) -> Panel:
    import numpy as np

    groups = exposure_groups(rows)
    labels = [_group_label(name, values) for name, values in groups.items()]
    with drawing.drawing(78 + 21 * len(groups), left=min(170, 16 + 5.6 * max(map(len, labels)))) as axes:
        _chance_band(axes, rows)
        for place, values in enumerate(groups.values()):
            low, quarter, middle, three, high = np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95))
            colour = COLOURS["series-1"] if place else COLOURS["ink"]
            axes.plot([low, high], [place, place], color=colour, linewidth=1)
            axes.plot([quarter, three], [place, place], color=colour, linewidth=5, alpha=0.35, solid_capstyle="butt")
            axes.plot([middle, middle], [place - 0.3, place + 0.3], color=colour, linewidth=2)
            shown = values if len(values) <= DOTS else [value for value in values if value > high]
            offsets = [place + 0.24 * math.sin(2.4 * rank) for rank in range(len(shown))]  # spread, the same each time
            axes.plot(shown, offsets, "o", color=COLOURS["series-2"], markersize=2.8, alpha=0.8, markeredgewidth=0)
        axes.set_yticks(range(len(groups)), labels)
        axes.set(xlabel="exposure", title=result.key, xlim=(-0.02, 1.02), ylim=(len(groups) - 0.4, -0.6))
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        stem, title = slug("exposure", result.dataset, result.treatment), f"{result.key}: exposure of each patient"
        return drawing.render(axes, stem, title, drawing.rows_csv(rows), exposure_note(result, rows))


def _exposure_histogram(result: Result, rows: Sequence[Row]) -> Panel:
    """A histogram that shows no single patient: bars of fewer than `SMALL_COUNT` patients are withheld."""
    bars = histogram([float(row["exposure"]) for row in rows])
    with drawing.drawing(260) as axes:
        _chance_band(axes, rows)
        for bar in bars:
            shape = {"x": bar["lower"], "width": bar["upper"] - bar["lower"], "align": "edge"}
            if bar["patients"] is None:
                axes.bar(height=SMALL_COUNT, color=COLOURS["paper"], edgecolor=COLOURS["muted"], hatch="////", **shape)
            else:
                axes.bar(height=bar["patients"], color=COLOURS["series-1"], edgecolor=COLOURS["paper"], **shape)
        axes.set(xlabel="exposure", ylabel="patients", title=result.key, xlim=(0, 1))
        stem, title = (
            slug("exposure", result.dataset, result.treatment),
            f"{result.key}: exposure, small counts withheld",
        )
        table = csv_text(("lower", "upper", "patients"), bars)
        note = exposure_note(result, rows, credentialed=True)
        note += f". Hatched: count withheld, being below {SMALL_COUNT} or giving away one that is"
        return drawing.render(axes, stem, title, table, note)


def histogram(values: Sequence[float]) -> list[dict[str, float | int | None]]:
    """Return counts in equal bins over [0, 1]; None where withheld."""
    counts = dict.fromkeys(range(_BINS), 0)
    for value in values:
        counts[min(int(value * _BINS), _BINS - 1)] += 1
    hidden = withheld(counts)
    return [
        {"lower": index / _BINS, "upper": (index + 1) / _BINS, "patients": None if index in hidden else count}
        for index, count in counts.items()
    ]


def withheld(counts: Mapping[Key, int]) -> set[Key]:
    """Return whose counts may not be shown of a credentialed dataset: those from 1 to `SMALL_COUNT` - 1.

    If that is a single one, the smallest other is withheld too, because the total would give the single one away.
    """
    hidden = {name for name, count in counts.items() if 0 < count < SMALL_COUNT}
    others = [name for name, count in counts.items() if count >= SMALL_COUNT]
    if len(hidden) == 1 and others:
        hidden.add(min(others, key=lambda name: counts[name]))
    return hidden


def _chance_band(axes: "Axes", rows: Sequence[Row]) -> None:
    axes.axvspan(float(rows[0]["null_lower"]), float(rows[0]["null_upper"]), color=COLOURS["band"], linewidth=0)
    axes.axvline(0.5, color=COLOURS["muted"], linestyle=(0, (4, 3)), linewidth=1)


def exposure_note(result: Result, rows: Sequence[Row], *, credentialed: bool = False) -> str:
    """Return how many patients are exposed, and how many chance alone would call so; no small count if credentialed."""
    about = f"{words.attack_name(rows[0]['attack'])}, K = {result.replicates}. Exposed: "
    if float(rows[0]["null_upper"]) >= 1:
        return f"{about}{words.UNRESOLVABLE} for a single patient, since chance alone reaches 1 with so few replicates"
    exposed = sum(float(row["exposure"]) > float(row["null_upper"]) for row in rows)
    hidden = credentialed and 0 < exposed < SMALL_COUNT
    low, high = exposed_by_chance(len(rows))
    return (
        f"{about}{f'fewer than {SMALL_COUNT}' if hidden else words.integer(exposed)} of "
        f"{words.plural(len(rows), 'training patient')}; chance alone gives {words.number(BEYOND * len(rows), 0)}, in "
        f"95 % of runs {low} to {high}"
    )


def _group_label(name: tuple[str, str], values: Sequence[float]) -> str:
    attribute, value = name
    return f"{attribute} {value} ({len(values)})".strip()
