"""Robustness against leakage: how many predictions an attack overturns, and how much the same bank gives away."""

from collections.abc import Mapping, Sequence

from medpriv.report import drawing
from medpriv.report.comparison import LEVELS, Headline
from medpriv.report.differences import defended
from medpriv.report.drawing import Figure, Panel, csv_text, slug
from medpriv.report.enough import enough, left_out, of_patients
from medpriv.report.formatting import percent, span
from medpriv.report.results import resolved


def crossing_figure(groups: Mapping[str, Sequence[Headline]], budgets: Mapping[str, str]) -> Figure:
    """Return a panel for each dataset and level with two banks or more to draw.

    Args:
        budgets: the reference budget of each dataset, in words.
    """
    panels, undrawn = [], []
    for dataset, headlines in groups.items():
        for level in LEVELS:
            known = [item for item in headlines if resolved(item.flip) and resolved(item.leak(level))]
            drawn = [item for item in known if enough(item.flip) and enough(item.leak(level))]
            if len(drawn) > 1:
                more = left_out(len(known) - len(drawn), "treatment")
                panels.append(_panel(dataset, drawn, level, budgets[dataset], more))
            elif len(known) > 1:
                undrawn.append(f"{dataset} per {level}")
    return Figure("crossing", "Robustness against leakage", tuple(panels), tuple(undrawn))


def _panel(dataset: str, headlines: Sequence[Headline], level: str, budget: str, more: str) -> Panel:
    rows = []
    with drawing.drawing(330, legend=len(headlines)) as axes:
        drawing.draw_guessing(axes, [headline.chance(level) for headline in headlines])
        for index, headline in enumerate(headlines):
            flip, leak = headline.flip, headline.leak(level)
            drawing.draw_point(axes, index, flip, leak, headline.result.treatment, hollow=not defended(headline))
            rows += [
                {"treatment": headline.result.treatment, "figure": figure, "attack": item.attack, "group": item.group}
                | drawing.figures_of(item)
                for figure, item in (("flip_rate", flip), (f"membership_auc_{level}", leak))
            ]
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, 0.45), max(high, 0.62))
        axes.set_xlim(left=min(0, axes.get_xlim()[0]))
        axes.xaxis.set_major_formatter(lambda share, _: percent(share, 0))
        axes.set(xlabel=f"flipped at {budget}, strongest attack", ylabel=f"AUC of the attacker, per {level}")
        axes.set_title(f"{dataset}, per {level}")
        drawing.legend_below(axes, len(headlines))
        stem = slug("crossing", dataset, level)
        spoken = f"{dataset}: flip rate against the AUC of the strongest membership attack per {level}"
        columns = ("treatment", "figure", "attack", "group", "value", "lower", "upper", "n", "patients")
        flips = [item.flip for item in headlines]
        note = f"n = {span([item.n for item in flips])} attacked records right before{of_patients(flips)}; "
        note += f"hollow: not trained to resist changes{more}"
        return drawing.render(axes, stem, spoken, csv_text(columns, rows), note)
