"""Reliability curves, one panel a dataset, one line a treatment; none that rests on few patients."""

from collections import defaultdict
from collections.abc import Sequence

from medpriv.measures.intervals import LEAST
from medpriv.measures.table import Measure
from medpriv.report import drawing
from medpriv.report.comparison import Headline
from medpriv.report.drawing import COLOURS, Figure, Panel, line_style, mark, slug
from medpriv.report.enough import enough, left_out
from medpriv.report.formatting import span
from medpriv.report.panels import legible
from medpriv.report.results import Result, Results, Row
from medpriv.report.section import Section


def collect(results: Results, headlines: Sequence[Headline]) -> Figure | None:
    """Return the figure; None without a curve to draw."""
    drawn: dict[str, list[Result]] = defaultdict(list)
    undrawn = []
    for result in results.banks:
        if result.rows("reliability"):
            tested = result.utility.find("accuracy")
            if tested is not None and not enough(tested):
                undrawn.append(result.key)
            else:
                drawn[result.dataset].append(result)
    panels = tuple(
        _calibration_panel(", ".join(filter(None, (dataset, " ".join(part)))), shown)
        for dataset, members in drawn.items()
        for part, shown in legible(members, lambda result: result.treatment)
    )
    title = "Whether stated probabilities can be believed"
    return Figure("calibration", title, panels, tuple(undrawn)) if panels else None


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
        title = f"{name}: reliability of the stated probabilities on test patients"
        counts = [sum(int(row["n"]) for row in result.rows("reliability")) for result in results]
        note = f"n = {span(counts)} predictions, those of all replicates together"
        note += left_out(len(filled) - len(drawn), "point")
        return drawing.render(axes, slug("calibration", name), title, drawing.rows_csv(rows), note)


def _bin(row: Row) -> tuple[float, float, float]:
    return tuple(float(row[name] or "nan") for name in ("accuracy", "lower", "upper"))


SECTION = Section("calibration", "calibration", "", "", collect, figures=lambda found: (found,))
