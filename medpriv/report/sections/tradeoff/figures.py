"""Utility against leakage, one panel a dataset, one mark a treatment."""

from collections.abc import Sequence

from medpriv.report import drawing
from medpriv.report.comparison import Headline
from medpriv.report.differences import by_dataset
from medpriv.report.drawing import Figure, Panel, csv_text, slug
from medpriv.report.enough import enough, left_out, of_patients
from medpriv.report.formatting import span
from medpriv.report.labels import measure_name
from medpriv.report.panels import legible
from medpriv.report.results import Results, resolved
from medpriv.report.section import Section


def collect(results: Results, headlines: Sequence[Headline]) -> Figure | None:
    """Return the figure; None without a model that was attacked. Tables that give the outcome away stay out of it."""
    known = [item for item in headlines if not item.leaking and item.utility and resolved(item.leak("patient"))]
    panels, undrawn = [], []
    for dataset, members in by_dataset(known).items():
        drawn = [item for item in members if enough(item.utility) and enough(item.leak("patient"))]
        more = left_out(len(members) - len(drawn), "treatment")
        undrawn += [] if drawn else [dataset]
        panels += [
            _panel(", ".join(filter(None, (dataset, " ".join(part)))), shown, more)
            for part, shown in (legible(drawn, lambda item: item.result.treatment) if drawn else ())
        ]
    return Figure("tradeoff", "Usefulness against leakage", tuple(panels), tuple(undrawn)) if panels else None


def _panel(title: str, headlines: Sequence[Headline], more: str) -> Panel:
    rows = []
    name = measure_name(headlines[0].utility.measure)
    with drawing.drawing(270, legend=len(headlines)) as axes:
        drawing.draw_guessing(axes, [headline.chance("patient") for headline in headlines])
        for index, headline in enumerate(headlines):
            utility, leak = headline.utility, headline.leak("patient")
            drawing.draw_point(axes, index, utility, leak, headline.result.treatment)
            rows += [
                {"treatment": headline.result.treatment, "figure": figure, "attack": item.attack}
                | drawing.figures_of(item)
                for figure, item in (("utility", utility), ("membership_auc_patient", leak))
            ]
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, 0.45), max(high, 0.62))
        axes.set(xlabel=f"{name} on test patients", ylabel="patient-level AUC of the attacker", title=title)
        drawing.legend_below(axes, len(headlines))
        columns = ("treatment", "figure", "attack", "value", "lower", "upper", "n", "patients")
        spoken = f"{title}: {name} on test patients against patient-level AUC of the strongest membership attack"
        used = [item.utility for item in headlines]
        note = f"n = {span([item.n for item in used])} test records{of_patients(used)} for utility, "
        note += f"{span([item.leak('patient').n for item in headlines])} non-member patients a target for leakage"
        note += more
        return drawing.render(axes, slug("tradeoff", title), spoken, csv_text(columns, rows), note)


SECTION = Section("tradeoff", "tradeoff", "", "", collect, families=("membership",), figures=lambda found: (found,))
