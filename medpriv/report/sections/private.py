"""What privacy costs: usefulness and leakage beside what the accountant allows and what an audit proves.

The accountant's epsilon is an upper limit on what a training gives away, the audited one a lower limit. Differences in
usefulness are paired by replicate; "less" and "more" are said only where the interval excludes 0.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from medpriv.measures.table import Measure
from medpriv.report import words
from medpriv.report.comparison import (
    Headline,
    against_nothing,
    parse_group,
    undefended,
    utility_gap,
)
from medpriv.report.enough import NO_SKILL, TOO_FEW, enough, without_skill
from medpriv.report.inputs import Result
from medpriv.report.layout import Cell, Column, Row, Section, Table, count_cell, prose, source_cell, value_cell
from medpriv.report.sections.private_figures import chance_of, leak_cell, leak_shown, plane_figure, strongest_leak

KINDS = ("dp", "fed", "split")  # first words of the treatments that this section is about


def private_section(headlines: Sequence[Headline], confidence: float) -> Section | None:
    """Return the section; None without a bank that has a guarantee, was federated or split.

    Args:
        confidence: of the audited lower bounds.
    """
    groups: dict[str, list[Headline]] = defaultdict(list)
    for headline in headlines:
        groups[headline.result.dataset].append(headline)
    groups = {name: own for name, own in groups.items() if any(kind_of(item) in KINDS for item in own)}
    if not groups:
        return None
    sentences = [text for name, own in groups.items() for text in _sentences(name, own, confidence)]
    tables = [_table(name, own, confidence) for name, own in groups.items() if any(item.claimed for item in own)]
    return Section(
        "private",
        "What does privacy cost?",
        "Price of privacy",
        (
            "Differential privacy limits by ε how much any one patient can change what is learnt: at ε = 1 the odds of "
            "any guess about taking part change by a factor of at most e = 2.7, but for a chance of δ. The accountant "
            "computes an upper limit from the noise; an audit proves a lower one by attack. A lower limit above the "
            "upper one would mean a broken training.",
            *sentences,
            *_conditions([item for own in groups.values() for item in own]),
        ),
        (plane_figure(groups), *tables),
    )


def kind_of(headline: Headline) -> str:
    """Return the first word of the treatment, which names its stage."""
    return headline.result.treatment.partition("-")[0]


def _sentences(dataset: str, headlines: Sequence[Headline], confidence: float) -> list[str]:
    """Return what the intervals allow to say of one dataset's banks with a guarantee."""
    private = [item for item in headlines if item.claimed]
    if not private:
        return []
    found = (
        _of_utility(dataset, private, headlines),
        _of_leakage(dataset, headlines),
        _of_audit(dataset, private, confidence),
    )
    return [text for text in found if text]


def _conditions(headlines: Sequence[Headline]) -> list[str]:
    """Return how settings were chosen and what the guarantees leave out, as the banks themselves say."""
    stated = [item.result.facts["privacy"] for item in headlines if "privacy" in item.result.facts]
    tuning = dict.fromkeys(privacy["tuning"] for privacy in stated if "tuning" in privacy)
    caveats = dict.fromkeys(caveat for privacy in stated for caveat in privacy.get("caveats", ()))
    leads = (("How settings were chosen", tuning), ("What the guarantees leave out", caveats))
    return [f"{lead}: {' '.join(map(_full_stop, texts))}" for lead, texts in leads if texts]


def _full_stop(text: str) -> str:
    """Return words as a sentence."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _of_utility(dataset: str, private: Sequence[Headline], headlines: Sequence[Headline]) -> str:
    gaps = [(item, utility_gap(item, _reference(item, headlines))) for item in private if item.skilled]
    gaps = [(item, gap) for item, gap in gaps if gap is not None]
    aside = without_skill(private)
    if not gaps:
        return f"On {dataset}{aside}." if aside else ""
    ways = {way: [pair for pair in gaps if against_nothing(pair[1]) == way] for way in ("less", "more", "open", "few")}
    parts = []
    banks = words.plural(len(gaps), "bank")
    if worse := ways["less"]:
        largest, least = min(worse, key=lambda pair: pair[1].value), max(worse, key=lambda pair: pair[1].value)
        name = words.measure_name(largest[0].utility.measure)
        parts.append(
            f"{len(worse)} of {banks} with a guarantee {_are(worse)} less useful than the same model without one, by "
            f"up to {words.number(-largest[1].value)} of {name} ({_named(largest)})"
        )
        if least is not largest:
            parts.append(
                f"the least that is lost beyond the interval is {words.number(-least[1].value)} ({_named(least)})"
            )
    else:
        parts.append(f"none of {banks} with a guarantee is shown to be less useful than the same model without one")
    if ways["open"]:
        parts.append(f"{len(ways['open'])} can’t be told apart from it")
    if ways["few"]:
        parts.append(f"{len(ways['few'])} {_are(ways['few'])} judged on too few patients to tell")
    if better := ways["more"]:
        named = "; ".join(_named(pair) for pair in better[:3])
        parts.append(f"{len(better)} {_are(better)} more useful than it ({named})")
    return f"On {dataset}, paired by replicate, {'; '.join(parts)}{aside}."


def _are(pairs: Sequence[object]) -> str:
    return "is" if len(pairs) == 1 else "are"


def _named(pair: tuple[Headline, Measure]) -> str:
    item, gap = pair
    bounds = f", 95 % interval {words.interval(gap)}" if words.interval(gap) else ""
    return f"{item.result.treatment}: n = {gap.n} replicates{bounds}"


def _of_leakage(dataset: str, headlines: Sequence[Headline]) -> str:
    """Say in how many banks membership is shown, with and without a guarantee, beside what chance would give."""
    parts = []
    for with_guarantee, text in ((True, "with a guarantee"), (False, "without one")):
        own = [item for item in headlines if (item.claimed is not None) == with_guarantee and strongest_leak(item)]
        own = [item for item in own if item.comparable]
        judged = [item for item in own if enough(strongest_leak(item)) and chance_of(item) is not None]
        if not own:
            continue
        top = strongest_leak(max(judged or own, key=lambda item: strongest_leak(item).value))
        bounds = f", 95 % interval {words.interval(top)}" if words.interval(top) else ""
        few = len(own) - len(judged)
        aside = f"; {words.plural(few, 'bank')} can’t be judged, for want of patients or of chance" if few else ""
        parts.append(
            f"in {sum(map(leak_shown, judged))} of {words.plural(len(judged), 'bank')} {text} (highest AUC "
            f"{words.number(top.value)}{bounds}, {top.treatment}, n = {words.integer(top.n)}{aside})"
        )
    chances = [chance.upper for item in headlines if (chance := chance_of(item)) is not None]
    if not parts:
        return ""
    luck = ""
    if chances:
        ends = [words.number(end) for end in (min(chances), max(chances))]
        luck = (
            f" Where nothing leaks, the strongest of as many attacks stays below {' to '.join(dict.fromkeys(ends))} in "
            "97.5 % of cases, by bank; a bank counts only above that, and with its interval above 0.5."
        )
    return f"Membership is shown above guessing on {dataset} {' and '.join(parts)}.{luck}"


def _of_audit(dataset: str, private: Sequence[Headline], confidence: float) -> str:
    audited = [item for item in private if item.audited is not None]
    if not audited:
        return ""
    over = [item for item in audited if _exceeds(item.audited, item)]
    if over:
        names = ", ".join(
            f"{item.result.treatment}: at least {words.number(item.audited.value, 2)}, allowed "
            f"{words.number(item.claimed.value, 2)}"
            for item in over
        )
        count = f"{len(over)} of {words.plural(len(audited), 'audited bank')}"
        return (
            f"Audits on {dataset} show more than the accountant allows in {count}: {names} (each at "
            f"{words.percent(confidence, 0)} confidence; an honest training shows as much by chance in at most "
            f"{words.percent(1 - confidence, 0)} of cases)."
        )
    nearest = max(audited, key=lambda item: item.audited.value / item.claimed.value)
    return (
        f"On {dataset} the audited bound exceeds what the accountant allows in none of "
        f"{words.plural(len(audited), 'audited bank')}; the nearest is {nearest.result.treatment}, at least "
        f"{words.number(nearest.audited.value, 2)} of {words.number(nearest.claimed.value, 2)} "
        f"(n = {words.integer(nearest.audited.n)} guesses)."
    )


def _exceeds(bound: Measure, item: Headline) -> bool:
    """Tell an audited bound above what the accountant allows the bank."""
    return bound.value > item.claimed.value


def _reference(item: Headline, headlines: Sequence[Headline]) -> Headline | None:
    """Return the same training without a guarantee: FedAvg of a federation, else the baseline of the same network."""
    about = (item.result.dataset, "fed-avg")
    averaged = (other for other in headlines if (other.result.dataset, other.result.treatment) == about)
    return (next(averaged, None) if kind_of(item) == "fed" else None) or undefended(item, headlines)


def _table(dataset: str, headlines: Sequence[Headline], confidence: float) -> Table:
    private = sorted((item for item in headlines if item.claimed), key=_order)
    bases = [base for base in (_reference(item, headlines) for item in private) if base is not None]
    bases = [item for item in headlines if any(item is base for base in bases)]
    rows = [_base_row(item) for item in bases]
    rows += [_row(item, _reference(item, headlines), 1 - confidence) for item in private]
    sure = f"at least, {words.percent(confidence, 0)} confidence"
    columns = (
        Column("Bank"),
        Column("Accountant", "at most", "ε"),
        Column("One run", f"{sure}; nothing assumed", "ε"),
        Column("One run", f"{sure}; Gaussian noise assumed", "ε"),
        Column("From the bank", "guesses taken for independent", "ε"),
        Column("Violations", "trainings whose own bound is above", "ε"),
        Column("Utility", "unseen patients", "Usefulness"),
        Column("Difference", "paired by replicate", "Usefulness"),
        Column("Against no guarantee", "", "Usefulness", "prose"),
        Column("AUC", "strongest attack; chance of the strongest below", "Membership"),
        Column("K", "replicates"),
        Column("Artefact", form="code"),
    )
    lede = (
        "An honest training’s own bound exceeds the truth in at most "
        f"{words.percent(1 - confidence, 0)} of cases, so violations up to about that share are no alarm. The bound "
        "from the bank speaks of average patients, the one-run bounds of the worst case. The interval of a difference "
        "to a baseline is over trainings and test patients, that to FedAvg over trainings alone. Of 20 banks that are "
        "neither better nor worse, about one would be called so by chance."
    )
    return Table(f"Guarantees on {dataset}", columns, tuple(rows), lede)


def _order(item: Headline) -> tuple[str, str, float]:
    return kind_of(item), item.result.treatment.rpartition("-eps")[0], item.claimed.value


def _base_row(item: Headline) -> Row:
    nothing = Cell(words.MISSING)
    cells = (
        Cell("none", order="inf"),
        *(nothing,) * 4,
        value_cell(item.utility),
        prose("the reference"),
        nothing,
        leak_cell(item),
        count_cell(item.result.replicates),
        source_cell(item.result.artefact("membership")),
    )
    return Row(item.result.treatment, cells, control=True)


def _row(item: Headline, base: Headline | None, alpha: float) -> Row:
    result, gap = item.result, utility_gap(item, base)
    cells = (
        _claimed_cell(item),
        _bound_cell(_one_run(result, "one-run"), item),
        _bound_cell(_one_run(result, "independent-gaussian") or _one_run(result, "one-run-gaussian"), item),
        _bound_cell(_from_bank(result), item),
        _violations_cell(item, alpha),
        value_cell(item.utility),
        value_cell(gap, signed=True),
        _verdict(gap) if item.skilled else prose(NO_SKILL, "open"),
        leak_cell(item),
        count_cell(result.replicates),
        source_cell(result.artefact("epsilon" if item.audited else "membership")),
    )
    return Row(result.treatment, cells)


def _claimed_cell(item: Headline) -> Cell:
    privacy = item.result.facts.get("privacy", {})
    delta = parse_group(item.claimed.group).get("delta", "")
    unit = privacy.get("unit", "patient")
    people = f"n = {words.plural(item.claimed.n, unit)}" if item.claimed.n else ""
    details = (f"δ = {delta}" if delta else "", f"unit: {unit}", people)
    return Cell(words.number(item.claimed.value, 2), tuple(filter(None, details)), f"{item.claimed.value:.6g}")


def _bound_cell(bound: Measure | None, item: Headline) -> Cell:
    """Return an audited bound, marked where it is above the accountant's."""
    if bound is None or math.isnan(bound.value):
        return Cell(words.MISSING)
    group = parse_group(bound.group)
    canary = f"canary: {group['canary']}" if "canary" in group else ""
    over = "above the accountant’s" if _exceeds(bound, item) else ""
    details = tuple(filter(None, (over, canary, f"n = {words.integer(bound.n)} guesses")))
    return Cell(words.number(bound.value, 2), details, f"{bound.value:.6g}", tone="bad" if over else "")


def _one_run(result: Result, bound: str) -> Measure | None:
    """Return the bound over all audited trainings, of the worst-case canary if it was tried."""
    return _bound(result, "audit-one-run", {"canary": "gradient", "bound": bound}) or _bound(
        result, "audit-one-run", {"canary": "record", "bound": bound}
    )


def _from_bank(result: Result) -> Measure | None:
    return _bound(result, "audit-bank", {"bound": "independent-gaussian"}) or _bound(
        result, "audit-bank", {"bound": "independent"}
    )


def _bound(result: Result, attack: str, wanted: Mapping[str, str], measure: str = "epsilon_lower") -> Measure | None:
    for item in result.attacks:
        whole = (item.attack, item.measure, item.replicate) == (attack, measure, "")
        if whole and wanted.items() <= parse_group(item.group).items():
            return item
    return None


def _violations_cell(item: Headline, alpha: float) -> Cell:
    """Return the share of trainings whose own bound exceeds the claim, of the bound that `audited` is of.

    It is marked where its interval lies above alpha: an honest trainer has about alpha at most.
    """
    if item.audited is None:
        return Cell(words.MISSING)
    group = parse_group(item.audited.group)
    wanted = {key: group[key] for key in ("canary", "bound")}
    share = _bound(item.result, "audit-one-run", wanted, "violations")
    if share is None:
        return Cell(words.MISSING)
    bounds = words.interval(share, share=True)
    over = "more than chance allows" if share.lower > alpha else ""
    details = (over, bounds and f"{bounds}\u00a0%", f"of n = {share.n} trainings", f"canary: {group['canary']}")
    details = tuple(filter(None, details))
    return Cell(words.percent(share.value, 0), details, f"{share.value:.6g}", tone="bad" if over else "")


def _verdict(gap: Measure | None) -> Cell:
    texts = {"less": "less useful", "more": "more useful", "open": "not told apart", "few": TOO_FEW}
    way = against_nothing(gap)
    return prose(texts.get(way, words.MISSING), {"less": "bad", "more": "good"}.get(way, "open"))
