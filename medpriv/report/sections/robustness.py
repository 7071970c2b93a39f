"""Does robustness cost privacy? Defences against evasion beside the same network without one, on the same patients.

"Less" and "more" are said only where two intervals don't overlap, which is stricter than a test of the difference.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from medpriv.measures.table import Measure
from medpriv.report import drawing, words
from medpriv.report.comparison import (
    LEVELS,
    Headline,
    against,
    defended,
    find,
    parse_group,
    reference_budget,
    strongest_flip,
    undefended,
)
from medpriv.report.drawing import COLOURS, Figure, Panel, csv_text, line_style, mark, slug
from medpriv.report.inputs import Result
from medpriv.report.layout import Cell, Column, Row, Section, Table, count_cell, prose, source_cell, value_cell


def robustness_section(headlines: Sequence[Headline]) -> Section | None:
    """Return the section; None without a defence."""
    groups: dict[str, list[Headline]] = defaultdict(list)
    for headline in headlines:
        groups[headline.result.dataset].append(headline)
    groups = {name: own for name, own in groups.items() if any(defended(item) for item in own)}
    if not groups:
        return None
    sentences = [_sentence(name, own) for name, own in groups.items()]
    parts = [_figure(groups), *(_crossing(name, own) for name, own in groups.items())]
    smoothed = [item.result for own in groups.values() for item in own if _certified(item.result)]
    parts += [_smoothing(smoothed)] if smoothed else []
    return Section(
        "robustness",
        "Does robustness cost privacy?",
        "Robustness and privacy",
        (
            "A defence against small changes of the signal changes what a model remembers. So each defended bank meets "
            "the same membership attacks as the undefended network, with the same members in each replicate.",
            *(sentence for sentence in sentences if sentence),
        ),
        tuple(parts),
    )


def resolved(measure: Measure | None) -> bool:
    """Return whether there is a figure to draw."""
    return measure is not None and not math.isnan(measure.value)


def _flip(headline: Headline) -> Measure | None:
    return strongest_flip(headline.result, reference_budget(headline.result))


def _sentence(dataset: str, headlines: Sequence[Headline]) -> str:
    """Return what the intervals allow to say of one dataset's defences."""
    pairs = [(item, undefended(item, headlines)) for item in headlines if defended(item)]
    pairs = [(item, base) for item, base in pairs if base is not None]
    firmer = [(item, base) for item, base in pairs if against(_flip(item), _flip(base)) == "less"]
    count = words.plural(len(pairs), "defence")
    if not pairs:
        return ""
    if not firmer:
        return (
            f"On {dataset}, none of {count} lowers the flip rate by more than the intervals allow for, so what "
            "robustness costs can't be said there."
        )
    found = []
    for way, one, several in (
        ("more", "leaks more", "leak more"),
        ("less", "leaks less", "leak less"),
        ("open", "is not told apart", "are not told apart"),
    ):
        those = [item for item, base in firmer if against(item.auc["record"], base.auc["record"]) == way]
        if those:
            names = ", ".join(item.result.treatment for item in those)
            found.append(f"{len(those)} {one if len(those) == 1 else several} ({names})")
    text = "; ".join(found) or "what they leak was not measured"
    return (
        f"On {dataset}, {len(firmer)} of {count} lower{'s' if len(firmer) == 1 else ''} the flip rate beyond the "
        f"intervals. Of these, by leakage per record: {text}."
    )


def _figure(groups: Mapping[str, Sequence[Headline]]) -> Figure:
    panels = []
    for dataset, headlines in groups.items():
        for level in LEVELS:
            shown = [item for item in headlines if resolved(_flip(item)) and resolved(item.auc[level])]
            if len(shown) > 1:
                panels.append(_crossing_panel(dataset, shown, level))
    return Figure(
        "crossing",
        "Robustness against leakage",
        "Each mark is one bank: further left fewer right predictions are overturned by the strongest attack at the "
        "reference budget, lower it gives away less about who was trained on. A defence without a price stands to the "
        "left of the undefended network and no higher. Bars are 95 % intervals; at the dashed line an attacker does no "
        "better than a coin.",
        tuple(panels),
    )


def _crossing_panel(dataset: str, headlines: Sequence[Headline], level: str) -> Panel:
    rows = []
    with drawing.drawing(330, legend=len(headlines)) as axes:
        axes.axhline(0.5, color=COLOURS["muted"], linestyle=(0, (4, 3)), linewidth=1)
        for index, headline in enumerate(headlines):
            flip, leak = _flip(headline), headline.auc[level]
            axes.errorbar(
                flip.value,
                leak.value,
                xerr=drawing.whiskers([flip]),
                yerr=drawing.whiskers([leak]),
                marker=mark(index),
                color=line_style(index)["color"],
                markerfacecolor=line_style(index)["color"] if defended(headline) else COLOURS["paper"],
                markeredgewidth=1.6,
                linewidth=1.1,
                markersize=6.5,
                linestyle="none",
                label=headline.result.treatment,
            )
            rows += [
                {"treatment": headline.result.treatment, "figure": figure, "attack": item.attack, "group": item.group}
                | drawing.figures_of(item)
                for figure, item in (("flip_rate", flip), (f"membership_auc_{level}", leak))
            ]
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, 0.45), max(high, 0.62))
        axes.set_xlim(left=min(0, axes.get_xlim()[0]))
        axes.xaxis.set_major_formatter(lambda share, _: words.percent(share, 0))
        budget = words.microvolts(parse_group(_flip(headlines[0]).group)["epsilon_mv"])
        axes.set(xlabel=f"flipped at {budget}, strongest attack", ylabel=f"AUC of the attacker, per {level}")
        axes.set_title(f"{dataset}, per {level}")
        drawing.legend_below(axes, len(headlines))
        stem = slug("crossing", dataset, level)
        spoken = f"{dataset}: flip rate against the AUC of the strongest membership attack per {level}"
        columns = ("treatment", "figure", "attack", "group", "value", "lower", "upper", "n")
        note = (
            f"n = {words.span([_flip(item).n for item in headlines])} attacked records right before; hollow: no defence"
        )
        return drawing.render(axes, stem, spoken, csv_text(columns, rows), note)


def _verdict(verb: str, own: Measure | None, base: Measure | None) -> Cell:
    way = against(own, base)
    texts = {"less": f"{verb}s less", "more": f"{verb}s more", "open": "not told apart"}
    return prose(texts.get(way, words.MISSING), {"less": "good", "more": "bad"}.get(way, "open"))


def _crossing(dataset: str, headlines: Sequence[Headline]) -> Table:
    """Return one row a bank that has a defence, or that a defence is compared with."""
    bases = [undefended(item, headlines) for item in headlines if defended(item)]
    rows = []
    for headline in headlines:
        if not defended(headline) and headline not in bases:
            continue
        base = undefended(headline, headlines) if defended(headline) else None
        flip = _flip(headline)
        flips = prose("the reference") if base is None else _verdict("flip", flip, _flip(base))
        leaks = prose("the reference") if base is None else _verdict("leak", headline.auc["record"], base.auc["record"])
        cells = (
            value_cell(flip, share=True, attack=True),
            flips,
            masking_cell(headline),
            *(value_cell(headline.auc[level], attack=True) for level in reversed(LEVELS)),
            leaks,
            value_cell(headline.utility),
            count_cell(headline.result.replicates),
        )
        rows.append(Row(headline.result.treatment, cells))
    budget = next((words.microvolts(reference_budget(item.result)) for item in headlines if _flip(item)), "")
    columns = (
        Column("Bank"),
        Column("Flip rate", "strongest attack", f"Robustness at {budget}"),
        Column("Against no defence", "", f"Robustness at {budget}", "prose"),
        Column("Masking checks", "", f"Robustness at {budget}", "prose"),
        Column("AUC", "per record", "Membership leakage"),
        Column("AUC", "per patient", "Membership leakage"),
        Column("Against no defence", "per record", "Membership leakage", "prose"),
        Column("Utility", "unseen patients", "Usefulness"),
        Column("K", "replicates", "Usefulness"),
    )
    counts = {row.cells[-1].text for row in rows}
    more = (
        " The banks differ in K: with fewer shadows an attack is weaker, so part of a lower AUC may come from that."
        if len(counts) > 1
        else ""
    )
    lede = (
        "“Less” and “more” are said only where the two intervals don’t overlap. Where a masking check fails, the flip "
        f"rate may be too low: the attack may not have found what is there.{more}"
    )
    return Table(f"Defences on {dataset}", columns, tuple(rows), lede)


def masking_cell(headline: Headline) -> Cell:
    """Return whether the checks of gradient masking passed, and which did not."""
    if headline.failed is None:
        return prose("not made", "open")
    if not headline.failed:
        return prose("passed", "good")
    failed = tuple(f"not: {words.check_name(name)}" for name in headline.failed)
    return Cell("failed", failed, "failed", "prose", "bad")


def _certified(result: Result) -> Measure | None:
    return find(result.attacks, "certified_linf_uv", {}, "smoothing")


def _smoothing(results: Sequence[Result]) -> Table:
    """Return what randomised smoothing proves, against the budgets that the attacks had."""
    rows, notes = [], []
    for result in results:
        own = [item for item in result.attacks if item.attack == "smoothing"]
        against_budget = [item for item in own if item.measure == "certified_against_budget"]
        budgets = sorted(against_budget, key=lambda item: float(parse_group(item.group)["epsilon_mv"]))
        sigma = result.recipe.get("defence", {}).get("deviation_mv")
        shares = ", ".join(
            f"{words.percent(item.value)} at {words.microvolts(parse_group(item.group)['epsilon_mv'])}"
            for item in budgets
        )
        cells = (
            Cell(words.MISSING if sigma is None else words.microvolts(sigma)),
            value_cell(find(own, "smoothed_accuracy", {}, "smoothing"), share=True),
            value_cell(find(own, "certified_radius_mv", {}, "smoothing"), places=3),
            value_cell(_certified(result), places=2),
            prose(shares or words.MISSING),
            count_cell(max((item.n for item in budgets), default=None)),
            source_cell(result.artefact("smoothing")),
        )
        rows.append(Row(result.treatment, cells, above=result.dataset))
        certified = _certified(result)
        if budgets and certified.value > 0:
            least = 1000 * float(parse_group(budgets[0].group)["epsilon_mv"])
            notes.append(
                f"on {result.dataset} {certified.value:.2g} µV in the median, against budgets from {least:g} µV on"
            )
    columns = (
        Column("Bank"),
        Column("Noise", "deviation"),
        Column("Accuracy", "smoothed, unattacked"),
        Column("Certified L2 radius", "mV, median"),
        Column("The same a sample", "µV, median"),
        Column("Right and certified", "at each budget", form="prose"),
        Column("n", "records"),
        Column("Artefact", form="code"),
    )
    lede = (
        "Randomised smoothing proves that no change within a radius alters the answer. The radius bounds the length of "
        "the whole change, so the longer a record is the less it allows every sample to change"
        f"{': ' if notes else ''}{'; '.join(notes)}. It says nothing of larger changes."
    )
    return Table("What smoothing certifies", columns, tuple(rows), lede)
