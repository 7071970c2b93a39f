"""How every figure looks, and how a matplotlib figure becomes an SVG that is the same bytes each time.

Figures are drawn in the colours of the light theme. The file `figures/<stem>.svg` keeps them, so that it looks right
in any program. On the page each colour becomes a CSS variable of the same name (`PALETTE`), so that the inlined figure
follows the reader's theme. Text stays text: it can be searched, and takes the page's typeface.

A panel is one phone screen wide: `WIDTH` units are shown as about as many CSS pixels, so 10.5 units of type stay 10 px.
"""

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar
from xml.etree import ElementTree

from medpriv.files import format_value
from medpriv.measures.table import Measure
from medpriv.report.labels import SIMULATED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 360
SVG = "http://www.w3.org/2000/svg"
COORDINATES = {"d", "x", "y"}  # attributes that are rounded
FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', 'DejaVu Sans', sans-serif"

# Every colour is distinct, because the colour is what names the variable. The series pass for colour-blind readers in
# this order; lines differ by dash and marker as well.
PALETTE = {
    "#1b2026": "ink",
    "#5a646e": "muted",
    "#dfe3e8": "rule",
    "#eff1f4": "band",
    "#fefefe": "paper",
    "#0067a5": "series-1",
    "#c8500a": "series-2",
    "#007f5b": "series-3",
    "#8a3a8f": "series-4",
    "#8c6a00": "series-5",
    "#3d8fc4": "series-6",
    "#c23b6b": "series-7",
    "#6b737c": "series-8",
    "#f6dcdc": "ecg-fine",
    "#e8b0b0": "ecg-bold",
}
COLOURS = {name: colour for colour, name in PALETTE.items()}
SERIES = [name for name in COLOURS if name.startswith("series-")]
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (1.2, 1.4)), (0, (6, 1.5, 1.2, 1.5)))
_MARKERS = "osD^vPX*"

_STYLE = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 9,
    "axes.labelsize": 10.5,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "text.color": COLOURS["ink"],
    "text.parse_math": False,
    "axes.labelcolor": COLOURS["ink"],
    "axes.edgecolor": COLOURS["muted"],
    "axes.facecolor": COLOURS["paper"],
    "figure.facecolor": COLOURS["paper"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": COLOURS["rule"],
    "grid.linewidth": 0.7,
    "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"],
    "xtick.labelcolor": COLOURS["ink"],
    "ytick.labelcolor": COLOURS["ink"],
    "lines.linewidth": 1.7,
    "lines.solid_capstyle": "round",
}


@dataclass(frozen=True)
class Panel:
    """One drawing and the table behind it.

    Attributes:
        stem: file name without suffix, for both the SVG and the CSV.
        title: what a screen reader says.
        svg: standalone, light.
        table: the CSV's text.
        note: n, and what else the reader must know of this panel alone.
        folded: the page shows it only when asked.
    """

    stem: str
    title: str
    svg: str
    table: str
    note: str
    folded: bool = False


@dataclass(frozen=True)
class Figure:
    """A numbered figure: anchor, title and panels; its caption stands in the section's template.

    Attributes:
        undrawn: the panels of which nothing is left to draw, all of it resting on too few patients.
    """

    anchor: str
    title: str
    panels: tuple[Panel, ...]
    undrawn: tuple[str, ...] = ()
    kind: ClassVar[str] = "figure"

    @property
    def open_panels(self) -> list[Panel]:
        """Return the panels that the page shows at once."""
        return [panel for panel in self.panels if not panel.folded]

    @property
    def folded_panels(self) -> list[Panel]:
        """Return the panels that the page shows when asked."""
        return [panel for panel in self.panels if panel.folded]


def folded(panels: Sequence[Panel]) -> list[Panel]:
    """Return the panels, folded."""
    return [replace(panel, folded=True) for panel in panels]


@contextmanager
def drawing(
    height: float, *, left: float = 54, right: float = 18, top: float = 30, bottom: float = 44, legend: int = 0
) -> Iterator["Axes"]:
    """Yield the axes of a panel `WIDTH` units wide, in the house style.

    Args:
        height: of the panel without the legend below it.
        left, right, top, bottom: margins.
        legend: entries that `legend_below` will have.
    """
    import matplotlib
    from matplotlib.figure import Figure

    more = 15 * math.ceil(legend / 2)
    height, bottom = height + more, bottom + more
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **_STYLE, "backend": "svg"}):
        figure = Figure(figsize=(WIDTH / 72, height / 72))
        figure.subplots_adjust(left / WIDTH, bottom / height, 1 - right / WIDTH, 1 - top / height)
        yield figure.add_subplot()


def render(axes: "Axes", stem: str, title: str, table: str, note: str) -> Panel:
    """Return the drawn axes as a panel; call it inside `drawing`."""
    import matplotlib

    if SIMULATED in title:
        _mark_simulated(axes)
    buffer = io.StringIO()
    matplotlib.rcParams["svg.hashsalt"] = stem
    axes.figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return Panel(stem, title, _tidy(buffer.getvalue(), stem, title), table, note)


def _mark_simulated(axes: "Axes") -> None:
    """Say along the right edge that no real patient is behind the drawing, instead of in its head, which is short."""
    axes.set_title(axes.get_title(loc="left").replace(SIMULATED, ""))
    axes.figure.text(
        1 - 2 / WIDTH, 0.98, "simulated patients", color=COLOURS["muted"], rotation=270, ha="right", va="top"
    )


def inline(svg: str) -> str:
    """Return a panel's SVG for the page: colours as CSS variables, size left to the page."""
    body = svg[svg.index("<svg") :]
    head, rest = body.split(">", 1)
    head = re.sub(r' (?:width|height)="[^"]*"', "", head)
    rest = re.sub(r"<style.*?</style>\s*|font-family: [^;]*; ", "", rest, flags=re.DOTALL)  # the page's own apply
    colours = "|".join(PALETTE)
    return head + ">" + re.sub(colours, lambda found: f"var(--{PALETTE[found[0]]})", rest)


def csv_text(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str:
    """Return rows as CSV text in the cell format that all tables share."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([format_value(row[column]) for column in columns] for row in rows)
    return buffer.getvalue()


def rows_csv(rows: Sequence[Mapping[str, object]]) -> str:
    """Return rows that all have the same keys as CSV text; patients stay unnamed, for the page may be passed on."""
    return csv_text(tuple(name for name in rows[0] if name != "patient"), rows)


def line_style(index: int) -> dict[str, Any]:
    """Return colour and dash of the index-th series; colour and dash repeat together only after 32."""
    return {"color": COLOURS[SERIES[index % 8]], "linestyle": _DASHES[(index + index // 8) % 4]}


def legend_below(axes: "Axes", entries: int) -> None:
    """Put the legend under the axis label, two entries a row."""
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        borderaxespad=3.6,
        ncols=min(entries, 2),
        handlelength=2.2,
        columnspacing=1.0,
        labelspacing=0.3,
    )


def whiskers(measures: Sequence[Measure]) -> list[list[float]]:
    """Return intervals as distances below and above the values, as error bars want them; 0 where there is none."""
    ends = [(item.value - item.lower, item.upper - item.value) for item in measures]
    return [[0.0 if math.isnan(end) else max(end, 0.0) for end in side] for side in zip(*ends, strict=True)]


def draw_point(axes: "Axes", index: int, across: Measure, up: Measure, label: str, *, hollow: bool = False) -> None:
    """Draw the index-th mark of a front: one figure by another, both with their intervals."""
    colour = line_style(index)["color"]
    axes.errorbar(
        across.value,
        up.value,
        xerr=whiskers([across]),
        yerr=whiskers([up]),
        marker=mark(index),
        color=colour,
        markerfacecolor=COLOURS["paper"] if hollow else colour,
        markeredgewidth=1.6 if hollow else 1.0,
        linewidth=1.2,
        markersize=7,
        linestyle="none",
        label=label,
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


def figures_of(measure: Measure) -> dict[str, object]:
    """Return the figures of a measure as cells of a panel's table."""
    numbers = ("value", "lower", "upper", "n", "patients")
    return {name: getattr(measure, name) for name in numbers}


def mark(index: int) -> str:
    """Return the marker of the index-th series; colour and marker repeat together only after 64."""
    return _MARKERS[(index + index // 8) % 8]


def slug(*parts: str) -> str:
    """Return a file stem of names: what is not a letter, digit, dot, dash or underscore becomes a dash."""
    return "-".join(re.sub(r"[^A-Za-z0-9._-]+", "-", part).strip("-") for part in parts)


def _tidy(svg: str, stem: str, title: str) -> str:
    """Name the drawing for screen readers, use the page's typeface, round coordinates, keep no group without a purpose.

    The ids that are left are hashes of content and stem (`svg.hashsalt`), so no two drawings share one.
    """
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    root = ElementTree.fromstring(svg)
    for metadata in root.findall(f"{{{SVG}}}metadata"):
        root.remove(metadata)
    for element in root.iter():
        if element.tag == f"{{{SVG}}}g":
            element.attrib.pop("id", None)
        for name in COORDINATES & element.attrib.keys():
            element.set(name, _rounded(element.attrib[name]))
    _dissolve(root)
    named = ElementTree.Element(f"{{{SVG}}}title", {"id": f"{stem}-title"})
    named.text = title
    root.insert(0, named)
    root.attrib |= {"role": "img", "aria-labelledby": f"{stem}-title"}
    return ElementTree.tostring(root, encoding="unicode").replace("'DejaVu Sans'", FONTS) + "\n"


def _dissolve(element: ElementTree.Element) -> None:
    """Put the children of groups without attributes in their place; leave out what stands between elements."""
    found: list[ElementTree.Element] = []
    for child in element:
        _dissolve(child)
        child.tail = "\n"
        found += child if child.tag == f"{{{SVG}}}g" and not child.attrib else [child]
    if found or element.tag == f"{{{SVG}}}g":
        element[:] = found
        element.text = "\n"


def _rounded(text: str) -> str:
    """Return coordinates in tenths of a unit, which nobody can see, in half of the bytes."""
    parts: list[str] = []
    for token in text.split():
        try:
            part = f"{float(token):.1f}".removesuffix(".0")
        except ValueError:  # a letter of a path, or `translate(12.3`
            parts.append(token)
            continue
        parts.append(f" {part}" if parts and not parts[-1].isalpha() else part)
    return "".join(parts)
