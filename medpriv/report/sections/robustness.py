"""Does robustness cost privacy? Defences against evasion beside the same network without one, on the same patients.

"Less" and "more" are said only where two intervals don't overlap, which is stricter than a test of the difference.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from medpriv.measures.table import Measure
from medpriv.report import drawing, words
from medpriv.report.comparison import (
    LEVELS,
    Headline,
    against,
    defences,
    defended,
    find,
    parse_group,
    undefended,
    worst_class,
)
from medpriv.report.drawing import COLOURS, Figure, Panel, csv_text, line_style, mark, slug
from medpriv.report.enough import NO_SKILL, TOO_FEW, enough, left_out, no_panel, of_patients, without_skill
from medpriv.report.figures_leakage import GUESSING, draw_guessing
from medpriv.report.inputs import Result
from medpriv.report.layout import Cell, Column, Row, Section, Table, count_cell, prose, source_cell, value_cell
from medpriv.report.sections.private_figures import leak_cell


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


def _budget(headlines: Sequence[Headline]) -> str:
    """Return a dataset's reference budget in microvolts, at which the flip rates of all its models are stated."""
    found = (parse_group(item.flip.group)["budget"] for item in headlines if item.flip)
    return next((words.microvolts(budget) for budget in found), "")


def _sentence(dataset: str, headlines: Sequence[Headline]) -> str:
    """Return what the intervals allow to say of one dataset's defences."""
    pairs = defences(headlines)
    own = [item for item in headlines if defended(item)]
    aside = without_skill([*own, *(base for item in own if (base := undefended(item, headlines)) is not None)])
    if not pairs:
        return f"On {dataset} no defence can be judged{aside}." if aside else ""
    ways = {way: [pair for pair in pairs if against(pair[0].flip, pair[1].flip) == way] for way in ("less", "few")}
    firmer, count = ways["less"], words.plural(len(pairs), "defence")
    aside += f"; {words.plural(len(ways['few']), 'defence')} judged on too few patients to tell" if ways["few"] else ""
    if not firmer:
        return (
            f"On {dataset}, at {_budget(headlines)}, none of {count} lowers the flip rate by more than the intervals "
            f"allow for, so what robustness costs can't be said there{aside}."
        )
    bases = {base.result.treatment: base for _, base in firmer}
    rates = "; ".join(
        f"{item.result.treatment} {_rates(item)}" for item in (*(own for own, _ in firmer), *bases.values())
    )
    found = []
    for way, one, several in (
        ("more", "leaks more", "leak more"),
        ("less", "leaks less", "leak less"),
        ("open", "is not told apart", "are not told apart"),
        ("few", "was attacked on too few patients to tell", "were attacked on too few patients to tell"),
    ):
        those = [item for item, base in firmer if against(item.auc["record"], base.auc["record"]) == way]
        if those:
            names = ", ".join(item.result.treatment for item in those)
            found.append(f"{len(those)} {one if len(those) == 1 else several} ({names})")
    text = "; ".join(found) or "what they leak was not measured"
    return (
        f"On {dataset}, at {_budget(headlines)}, {len(firmer)} of {count} lower{'s' if len(firmer) == 1 else ''} the "
        f"flip rate beyond the intervals ({rates}){aside}. Of these, by leakage per record: {text}."
    )


def _rates(headline: Headline) -> str:
    """Return a bank's flip rate and that of its worst class in words, and whether a masking check failed."""
    flip, most = headline.flip, ""
    if (found := worst_class(headline.class_flips)) is not None:
        label, worst = found
        most = f", class {label} {words.percent(worst.value)} ({_bounds(worst)})"
    masked = ", a masking check failed" if headline.failed else ""
    return f"{words.percent(flip.value)} ({_bounds(flip)}){most}{masked}"


def _bounds(measure: Measure) -> str:
    return f"{words.interval(measure, share=True)}\u00a0%, n = {words.integer(measure.n)}{of_patients([measure])}"


def _figure(groups: Mapping[str, Sequence[Headline]]) -> Figure:
    panels, empty = [], []
    for dataset, headlines in groups.items():
        for level in LEVELS:
            known = [item for item in headlines if _resolved(item.flip) and _resolved(item.auc[level])]
            drawn = [item for item in known if enough(item.flip) and enough(item.auc[level])]
            if len(drawn) > 1:
                panels.append(_crossing_panel(dataset, drawn, level, left_out(len(known) - len(drawn), "treatment")))
            elif len(known) > 1:
                empty.append(f"{dataset} per {level}")
    return Figure(
        "crossing",
        "Robustness against leakage",
        "Each mark is one bank: further left fewer right predictions are overturned by the strongest attack at the "
        "reference budget, lower it gives away less about who was trained on. A defence without a price stands to the "
        f"left of the undefended network and no higher. Bars are 95 % intervals. {GUESSING}{no_panel(empty)}",
        tuple(panels),
    )


def _resolved(measure: Measure | None) -> bool:
    return measure is not None and not math.isnan(measure.value)


def _crossing_panel(dataset: str, headlines: Sequence[Headline], level: str, more: str) -> Panel:
    rows = []
    with drawing.drawing(330, legend=len(headlines)) as axes:
        draw_guessing(axes, [headline.chance.get(level) for headline in headlines])
        for index, headline in enumerate(headlines):
            flip, leak = headline.flip, headline.auc[level]
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
        axes.set(
            xlabel=f"flipped at {_budget(headlines)}, strongest attack", ylabel=f"AUC of the attacker, per {level}"
        )
        axes.set_title(f"{dataset}, per {level}")
        drawing.legend_below(axes, len(headlines))
        stem = slug("crossing", dataset, level)
        spoken = f"{dataset}: flip rate against the AUC of the strongest membership attack per {level}"
        columns = ("treatment", "figure", "attack", "group", "value", "lower", "upper", "n", "patients")
        flips = [item.flip for item in headlines]
        note = f"n = {words.span([item.n for item in flips])} attacked records right before{of_patients(flips)}; "
        note += f"hollow: not trained to resist changes{more}"
        return drawing.render(axes, stem, spoken, csv_text(columns, rows), note)


def _verdict(verb: str, own: Measure | None, base: Measure | None) -> Cell:
    way = against(own, base)
    texts = {"less": f"{verb}s less", "more": f"{verb}s more", "open": "not told apart", "few": TOO_FEW}
    return prose(texts.get(way, words.MISSING), {"less": "good", "more": "bad"}.get(way, "open"))


def _compared(headline: Headline, base: Headline | None) -> tuple[Cell, Cell]:
    """Return what is said of a bank's flip rate and of its leakage beside those of the bank without a defence."""
    if base is None:
        return (prose("the reference"),) * 2
    if not (headline.skilled and base.skilled):
        return (prose(NO_SKILL, "open"),) * 2
    leaks = _verdict("leak", headline.auc["record"], base.auc["record"])
    return _verdict("flip", headline.flip, base.flip), leaks


def _worst_cell(headline: Headline) -> Cell:
    """Return the flip rate of the class that the same attack overturns most often, of those with people enough."""
    found = worst_class(headline.class_flips)
    if found is None:
        return Cell(words.MISSING)
    label, worst = found
    cell = value_cell(worst, share=True)
    details = (f"class {label}", f"n = {words.integer(worst.n)}{of_patients([worst])}")
    return Cell(cell.text, (*cell.details, *details), cell.order)


def _crossing(dataset: str, headlines: Sequence[Headline]) -> Table:
    """Return one row a bank that has a defence, or that a defence is compared with."""
    bases = [undefended(item, headlines) for item in headlines if defended(item)]
    rows = []
    for headline in headlines:
        if not defended(headline) and headline not in bases:
            continue
        flips, leaks = _compared(headline, undefended(headline, headlines) if defended(headline) else None)
        cells = (
            value_cell(headline.flip, share=True, attack=True),
            _worst_cell(headline),
            flips,
            masking_cell(headline),
            *(leak_cell(headline, level) for level in reversed(LEVELS)),
            leaks,
            value_cell(headline.utility),
            count_cell(headline.flip.n if headline.flip else None),
            count_cell(headline.flip.patients if headline.flip else None),
            count_cell(headline.result.replicates),
        )
        rows.append(Row(headline.result.treatment, cells))
    budget = _budget(headlines)
    columns = (
        Column("Bank"),
        Column("Flip rate", "strongest attack", f"Robustness at {budget}"),
        Column("Worst class", "the same attack", f"Robustness at {budget}"),
        Column("Against no defence", "", f"Robustness at {budget}", "prose"),
        Column("Masking checks", "", f"Robustness at {budget}", "prose"),
        Column("AUC", "per record", "Membership leakage"),
        Column("AUC", "per patient", "Membership leakage"),
        Column("Against no defence", "per record", "Membership leakage", "prose"),
        Column("Utility", "unseen patients", "Usefulness"),
        Column("n", "attacked records right before", "What it rests on"),
        Column("Patients", "who have them", "What it rests on"),
        Column("K", "replicates", "What it rests on"),
    )
    counts = {row.cells[-1].text for row in rows}
    more = (
        " The banks differ in K: with fewer shadows an attack is weaker, so part of a lower AUC may come from that."
        if len(counts) > 1
        else ""
    )
    lede = (
        "“Less” and “more” are said only where the two intervals don’t overlap, and never of few patients or of a "
        "model without skill; the worst class is that of the classes with patients enough. Where a masking check "
        f"fails, the flip rate may be too low: the attack may not have found what is there.{more}"
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
    return _microvolts(find(result.attacks, "certified_linf", {}, "smoothing"))


def _microvolts(measure: Measure | None) -> Measure | None:
    """Return a figure that is in millivolts in microvolts, as all others on the page are."""
    if measure is None:
        return None
    value, lower, upper = (1000 * number for number in (measure.value, measure.lower, measure.upper))
    return replace(measure, value=value, lower=lower, upper=upper)


def _smoothing(results: Sequence[Result]) -> Table:
    """Return what randomised smoothing proves, against the budgets that the attacks had."""
    rows, notes = [], []
    for result in results:
        own = [item for item in result.attacks if item.attack == "smoothing"]
        against_budget = [item for item in own if item.measure == "certified_against_budget"]
        budgets = sorted(against_budget, key=lambda item: float(parse_group(item.group)["budget"]))
        sigma = result.settings.get("deviation")
        shares = ", ".join(
            f"{words.percent(item.value)} at {words.microvolts(parse_group(item.group)['budget'])}" for item in budgets
        )
        cells = (
            Cell(words.MISSING if sigma is None else words.microvolts(sigma)),
            value_cell(find(own, "smoothed_accuracy", {}, "smoothing"), share=True),
            value_cell(_microvolts(find(own, "certified_radius", {}, "smoothing")), places=0),
            value_cell(_certified(result), places=2),
            prose(shares or words.MISSING),
            count_cell(max((item.n for item in budgets), default=None)),
            source_cell(result.artefact("smoothing")),
        )
        rows.append(Row(result.treatment, cells, above=result.dataset))
        certified = _certified(result)
        if budgets and certified.value > 0:
            least = 1000 * float(parse_group(budgets[0].group)["budget"])
            notes.append(
                f"on {result.dataset} {certified.value:.2g} µV in the median, against budgets from {least:g} µV on"
            )
    columns = (
        Column("Bank"),
        Column("Noise", "deviation"),
        Column("Accuracy", "smoothed, unattacked"),
        Column("Certified L2 radius", "µV, median"),
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
