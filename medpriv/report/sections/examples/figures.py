"""What an attacked record looks like, of each dataset's first attacked model: a signal clean and attacked on a clinical
grid, an image beside itself.

Nothing is drawn of a credentialed dataset.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medpriv.pictures import png_image
from medpriv.report import drawing
from medpriv.report.comparison import Headline
from medpriv.report.drawing import COLOURS, Figure, Panel, slug
from medpriv.report.formatting import change, microvolts, plural
from medpriv.report.labels import attack_name
from medpriv.report.pictures import PictureRow, picture_panel
from medpriv.report.results import Result, Results, Row
from medpriv.report.section import Section
from medpriv.report.sections.sap.attacked import attacked_by_sap

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

STRETCH = 3.0  # seconds of a record that are drawn


@dataclass(frozen=True)
class Examples:
    """The figure, and what its caption states."""

    figure: Figure
    images: bool = False
    signals: bool = True
    seconds: float = STRETCH


def collect(results: Results, headlines: Sequence[Headline]) -> Examples | None:
    """Return the figure where it stands alone: not in a run whose section on smooth attacks has it; None otherwise."""
    if attacked_by_sap(headlines):
        return None
    found = draw_examples(results)
    return found if found.figure.panels else None


def draw_examples(results: Results) -> Examples:
    """Return the figure; without panels where no example was kept, or none may be shown."""
    panels = []
    first: dict[str, Result] = {}
    for result in results.banks:
        if not results.cohorts[result.dataset].credentialed and result.rows("evasion-examples"):
            first.setdefault(result.dataset, result)
    for result in first.values():
        examples: dict[str, list[Row]] = defaultdict(list)
        for row in result.rows("evasion-examples"):
            examples[row["example"]].append(row)
        if result.images:
            panels.append(_image_panel(result, list(examples.values())))
        else:
            panels += [_beat_panel(result, rows, rank) for rank, rows in enumerate(examples.values(), start=1)]
    kinds = {result.images for result in first.values()}
    what = {(False,): "the attacked signal looks", (True,): "the attacked image looks"}
    title = f"What {what.get(tuple(kinds), 'attacked signals and images look')} like"
    return Examples(Figure("beats", title, tuple(panels)), any(kinds), kinds != {True})


def _image_panel(result: Result, examples: Sequence[Sequence[Row]]) -> Panel:
    """Return an image of each class before and after, and the difference, magnified about middle grey."""
    import numpy as np

    rows = [own[0] for own in examples]
    clean, attacked = ([png_image(row[name]) for row in rows] for name in ("clean", "attacked"))
    moved = [after.astype(int) - before for before, after in zip(clean, attacked, strict=True)]
    scale = _round_magnification(127 / max(1, *(abs(part).max() for part in moved)))
    apart = [np.clip(128 + scale * part, 0, 255).astype(np.uint8) for part in moved]
    levels = [change(row["budget"], images=True) for row in rows]
    shown = [
        PictureRow("as taken", clean, [row["class"] for row in rows]),
        PictureRow(
            f"after {attack_name(rows[0]['attack'])}", attacked, [f"read as {row['attacked_as']}" for row in rows]
        ),
        PictureRow(f"difference, × {scale:g}", apart, levels),
    ]
    table = [{name: row[name] for name in ("class", "attack", "attacked_as", "budget")} for row in rows]
    title = f"{result.key}: images before and after"
    note = f"n = {plural(len(rows), 'image')}, one a class, at the least budget that overturns any"
    return picture_panel(slug("images", result.dataset, result.treatment), title, shown, drawing.rows_csv(table), note)


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
    label = f"{rows[0]['class']} at {microvolts(rows[0]['budget'])}"
    height = 34 + (top - bottom) * per_mm + 26
    with drawing.drawing(height, left=side, right=side, top=34, bottom=26, legend=2 * len(attacked) - 1) as axes:
        axes.set(xlim=(0, right), ylim=(bottom, top))
        _paper(axes, right, bottom, top, fine=per_mm > 2.5)
        axes.plot(x, clean * 10, color=COLOURS["ink"], linewidth=1.5, label="recorded")
        for index, (name, after) in enumerate(attacked.items()):
            colour = COLOURS[drawing.SERIES[1 - index % 2]]
            short = attack_name(name)
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
        read = "; ".join(f"{attack_name(name)}: read as {own[0]['attacked_as']}" for name, own in attacks.items())
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


def _round_magnification(ratio: float) -> float:
    """Return the largest of 1, 2, 5, 10, 20, ... that is not above the ratio."""
    steps = [step * 10**power for power in range(4) for step in (1, 2, 5)]
    return max((step for step in steps if step <= ratio), default=1)


SECTION = Section("examples", "beats", "", "", collect, families=("evasion",), figures=lambda found: (found.figure,))
