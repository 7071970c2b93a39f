"""Who is exposed: each patient's exposure, by class, sex and site.

For a credentialed dataset no panel shows a single patient: exposure becomes a histogram without small counts.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from medpriv.measures.intervals import LEAST, LEVEL
from medpriv.report import drawing
from medpriv.report.comparison import Headline
from medpriv.report.drawing import COLOURS, Figure, Panel, csv_text, slug
from medpriv.report.formatting import UNRESOLVABLE, integer, number, plural
from medpriv.report.labels import attack_name
from medpriv.report.panels import leading_keys
from medpriv.report.results import Result, Results, Row, group_order, parse_group
from medpriv.report.section import Section
from medpriv.report.withholding import SMALL_COUNT, withheld

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOTS = 60  # groups up to this size are drawn patient by patient
FEW = LEAST  # a subgroup smaller than this says nothing by itself
BEYOND = (1 - LEVEL) / 2  # of patients who lie above the band where nothing is remembered
_BINS = 12
POOLED = "others, pooled"  # beside values of an attribute, which hold no comma (`medpriv.dataset.plain_name`)


@dataclass(frozen=True)
class Exposures:
    """The figure, and what its caption states.

    Attributes:
        untold: banks of too few models for anybody's exposure.
    """

    figure: Figure
    untold: tuple[str, ...]
    beyond: float = BEYOND
    dots: int = DOTS


def collect(results: Results, headlines: Sequence[Headline]) -> Exposures | None:
    """Return the figure; None where nobody's exposure was measured, or of too few."""
    leading = leading_keys(headlines)
    panels, undrawn, untold = [], [], []
    for result in results.banks:
        rows = exposure_rows(result)
        if len(rows) >= LEAST:
            panel = _exposure_histogram if results.cohorts[result.dataset].credentialed else _exposure_panel
            panels.append(replace(panel(result, rows), folded=result.key not in leading))
        elif rows:
            undrawn.append(result.key)
        elif result.rows("membership-exposure"):
            untold.append(result.key)
    figure = Figure("exposure", "Who is exposed", tuple(panels), tuple(undrawn))
    return Exposures(figure, tuple(untold)) if panels else None


def exposure_rows(result: Result) -> list[Row]:
    """Return one row a patient, of the attack with the highest mean exposure; patients without a value are left out."""
    by_attack: dict[str, list[Row]] = defaultdict(list)
    for row in result.rows("membership-exposure"):
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


def _chance_band(axes: "Axes", rows: Sequence[Row]) -> None:
    axes.axvspan(float(rows[0]["null_lower"]), float(rows[0]["null_upper"]), color=COLOURS["band"], linewidth=0)
    axes.axvline(0.5, color=COLOURS["muted"], linestyle=(0, (4, 3)), linewidth=1)


def exposure_note(result: Result, rows: Sequence[Row], *, credentialed: bool = False) -> str:
    """Return how many patients are exposed, and how many chance alone would call so; no small count if credentialed."""
    about = f"{attack_name(rows[0]['attack'])}, K = {result.replicates}. Exposed: "
    if float(rows[0]["null_upper"]) >= 1:
        return f"{about}{UNRESOLVABLE} for a single patient, since chance alone reaches 1 with so few replicates"
    exposed = sum(float(row["exposure"]) > float(row["null_upper"]) for row in rows)
    hidden = credentialed and 0 < exposed < SMALL_COUNT
    low, high = exposed_by_chance(len(rows))
    return (
        f"{about}{f'fewer than {SMALL_COUNT}' if hidden else integer(exposed)} of "
        f"{plural(len(rows), 'training patient')}; chance alone gives {number(BEYOND * len(rows), 0)}, in "
        f"95 % of runs {low} to {high}"
    )


def _group_label(name: tuple[str, str], values: Sequence[float]) -> str:
    attribute, value = name
    return f"{attribute} {value} ({len(values)})".strip()


SECTION = Section(
    "exposure", "exposure", "", "", collect, families=("membership",), figures=lambda found: (found.figure,)
)
