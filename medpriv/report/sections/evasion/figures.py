"""Flip rate over the budget: a panel with all models, one by attack of those leading, one by class of each."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from medpriv.measures.table import Measure
from medpriv.report import drawing
from medpriv.report.comparison import Headline, budgets, reference_budget, strongest_flip
from medpriv.report.drawing import Figure, Panel, csv_text, line_style, mark, slug
from medpriv.report.enough import enough, left_out, of_patients
from medpriv.report.formatting import span
from medpriv.report.labels import attack_name
from medpriv.report.panels import leading_keys
from medpriv.report.results import Result, Results, parse_group
from medpriv.report.section import Section
from medpriv.report.sections.sap.attacked import attacked_by_sap


def collect(results: Results, headlines: Sequence[Headline]) -> Figure | None:
    """Return the figure where it stands alone: not in a run whose section on smooth attacks has it; None otherwise."""
    if attacked_by_sap(headlines):
        return None
    figure = draw_evasion(results, headlines)
    return figure if figure.panels else None


def draw_evasion(results: Results, headlines: Sequence[Headline]) -> Figure:
    """Return the figure; without panels where nothing was attacked."""
    leading = leading_keys(headlines)
    overall, by_attack, by_class = [], [], []  # (stem, title, curves, folded)
    images: dict[str, bool] = {}  # whether a stem is of images
    for dataset in dict.fromkeys(result.dataset for result in results.banks):
        banks, two = [item for item in results.banks if item.dataset == dataset], results.cohorts[dataset].two_classes
        curves = {result.treatment: _strongest_curve(result, two) for result in banks}
        images[slug("evasion", dataset)] = any(result.images for result in banks)
        overall.append((slug("evasion", dataset), f"{dataset}, strongest attack", curves, False))
        for result in banks:
            fold, stem = result.key not in leading, slug("evasion", dataset, result.treatment)
            images |= dict.fromkeys((stem, slug(stem, "attacks")), result.images)
            every = _curves(result, two)
            if len(every) > 1 and not fold:  # the tables have the attacks on the others
                named = {attack_name(attack): items for attack, items in every.items()}
                by_attack.append((slug(stem, "attacks"), f"{result.key}, by attack", named, False))
            if found := _class_curves(result, two):
                attack = attack_name(next(iter(found.values()))[0].attack)
                by_class.append((stem, f"{result.key}, {attack} by class", found, fold))
    plans = overall + by_attack + by_class
    planned = [(plan, [item for items in plan[2].values() for item in items]) for plan in plans]
    return Figure(
        "evasion",
        "How small a change flips a diagnosis",
        tuple(
            replace(_flip_panel(stem, title, curves, images[stem]), folded=fold)
            for (stem, title, curves, fold), items in planned
            if any(map(enough, items))
        ),
        tuple(title for (_, title, *_), items in planned if items and not any(map(enough, items))),
    )


def _curves(result: Result, two_classes: bool) -> dict[str, list[Measure]]:
    """Return the flip rates over all records of each attack that wants any wrong class."""
    curves: dict[str, list[Measure]] = defaultdict(list)
    for item in result.attacks.holding("flip_rate"):
        if set(parse_group(item.group)) == {"budget"} and (two_classes or not item.attack.endswith("-targeted")):
            curves[item.attack].append(item)
    return dict(curves)


def _strongest_curve(result: Result, two_classes: bool) -> list[Measure]:
    found = (strongest_flip(result, budget, two_classes) for budget in budgets(result))
    return [item for item in found if item is not None]


def _class_curves(result: Result, two_classes: bool) -> dict[str, list[Measure]]:
    """Return the flip rates by class of the attack that is strongest over all at the reference budget."""
    chosen = strongest_flip(result, reference_budget(result), two_classes)
    curves: dict[str, list[Measure]] = defaultdict(list)
    for item in result.attacks.holding("flip_rate"):
        group = parse_group(item.group)
        if chosen and item.attack == chosen.attack and set(group) == {"budget", "class"}:
            curves[f"class {group['class']}"].append(item)
    return dict(curves)


def _flip_panel(stem: str, title: str, curves: Mapping[str, Sequence[Measure]], images: bool) -> Panel:
    """Draw the points that rest on enough patients; the table has the others too."""
    rows = [
        {"curve": label, "attack": item.attack, "budget": _budget(item)} | drawing.figures_of(item)
        for label, items in curves.items()
        for item in sorted(items, key=_budget)
    ]
    drawn = {label: sorted(filter(enough, items), key=_budget) for label, items in curves.items()}
    points = [item for items in drawn.values() for item in items]
    with drawing.drawing(270, left=60, legend=sum(map(bool, drawn.values()))) as axes:
        for index, (label, items) in enumerate(drawn.items()):
            nudge = 1 + 0.03 * (index - (len(curves) - 1) / 2)  # so that bars don't cover each other
            if items:
                axes.errorbar(
                    [_budget(item) * nudge for item in items],
                    [item.value for item in items],
                    yerr=drawing.whiskers(items),
                    marker=mark(index),
                    markersize=5,
                    elinewidth=1,
                    label=label,
                    **line_style(index),
                )
        axes.set_xscale("log")
        axes.minorticks_off()
        ticks = sorted(set(map(_budget, points)))
        axes.set_xticks(ticks, [f"{tick if images else 1000 * tick:g}" for tick in ticks])
        what = "largest change of any pixel, grey levels" if images else "largest change of any sample, µV"
        axes.set(xlabel=what, ylabel="flipped", title=title, ylim=(-0.03, 1.03))
        ticks = (0, 25, 50, 75, 100)
        axes.set_yticks([tick / 100 for tick in ticks], [f"{tick}\u00a0%" for tick in ticks])
        drawing.legend_below(axes, sum(map(bool, drawn.values())))
        columns = ("curve", "attack", "budget", "value", "lower", "upper", "n", "patients")
        spoken = f"{title}: share of correct predictions overturned by the attack"
        note = f"n = {span([item.n for item in points])} records that were right before{of_patients(points)}"
        note += left_out(len(rows) - len(points), "point")
        return drawing.render(axes, stem, spoken, csv_text(columns, rows), note)


def _budget(item: Measure) -> float:
    return float(parse_group(item.group)["budget"])


SECTION = Section("evasion", "evasion", "", "", collect, families=("evasion",), figures=lambda found: (found,))
