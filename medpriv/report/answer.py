"""What the figures say in sentences: who leaks most, what leaking less costs, and which defence helps.

Sentences are computed from the figures, claim no more than their intervals allow, and say what they leave out. Every
figure in them stands in `comparison.csv`. What may not be concluded stands in `medpriv.report.limits`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from medpriv.measures.table import Measure
from medpriv.report.comparison import (
    LEVELS,
    Headline,
    against,
    defences,
    named,
    parse_group,
    shown,
    worst_class,
)
from medpriv.report.enough import enough, people
from medpriv.report.words import attack_name, integer, interval, measure_name, microvolts, number, percent, plural, span

ENOUGH = 30  # unseen patients: models tried on fewer are left out of the first sentence, if others are not


@dataclass(frozen=True)
class Pool:
    """The models that the first sentence compares at a level, and those that it leaves out, by the reason.

    Attributes:
        least: unseen patients that each was tried on; 0 where all have too few, and nothing is compared.
        few: tried on fewer.
        dull: without skill.
        leaking: of a table that gives the outcome away.
    """

    level: str
    least: int
    compared: tuple[Headline, ...]
    few: tuple[Headline, ...]
    dull: tuple[Headline, ...]
    leaking: tuple[Headline, ...]


def answer(headlines: Sequence[Headline]) -> tuple[str, str]:
    """Return the report's two sentences: who leaks most and how sure that is; what it is good for and what helps.

    Patients come first. Records speak where no leak was shown by patient and one was by record.
    """
    pools = [pool_of(headlines, level) for level in LEVELS]
    for pool in pools:
        if leaks := [item for item in pool.compared if shown(item, pool.level)]:
            worst = max(leaks, key=lambda item: item.auc[pool.level].value)
            return _leak_sentence(worst, pool), price_sentence(worst, headlines, pool.level)
    for pool in pools:
        if pool.compared:
            highest = max(pool.compared, key=lambda item: item.auc[pool.level].value)
            return _no_leak_sentence(highest, pool), price_sentence(highest, headlines, pool.level)
    if wanting := _wanting(pools):
        return f"No model that was attacked has {wanting}, so nothing is said about what it remembers.", ""
    return "No membership attack was run, so this report can't say what the models remember.", ""


def pool_of(headlines: Sequence[Headline], level: str) -> Pool:
    """Return which models the first sentence compares: the largest of many figures is likely one of the noisiest."""
    attacked = [item for item in headlines if item.auc.get(level) and not math.isnan(item.auc[level].value)]
    sound = [item for item in attacked if item.comparable]
    sure = [item for item in sound if people(item.auc[level]) >= ENOUGH]
    compared = sure or [item for item in sound if enough(item.auc[level])]
    return Pool(
        level,
        min((people(item.auc[level]) for item in compared), default=0) if not sure else ENOUGH,
        tuple(compared),
        tuple(item for item in sound if item not in compared),
        tuple(item for item in attacked if not item.skilled and not item.leaking),
        tuple(item for item in attacked if item.leaking),
    )


def _wanting(pools: Sequence[Pool]) -> str:
    """Return what the models lack that were attacked and not compared; empty without one."""
    kinds = (("enough patients", "few"), ("skill", "dull"), ("a table that keeps the outcome", "leaking"))
    return " and ".join(what for what, kind in kinds if any(getattr(pool, kind) for pool in pools))


def _leak_sentence(worst: Headline, pool: Pool) -> str:
    level = pool.level
    others = [item for item in pool.compared if item is not worst]
    rivals = [_name(item) for item in others if not item.auc[level].upper < worst.auc[level].lower]
    if not others:
        order = ""
    elif rivals:
        more = f" and {len(rivals) - 3} more" if len(rivals) > 3 else ""
        order = f"; its interval overlaps with {', '.join(rivals[:3])}{more}, so first place is not certain"
    else:
        order = "; its interval lies above that of every other of these"
    first = f"Of the {_compared(pool)}, {_name(worst)} gives away most"
    if not others:
        first = f"{_name(worst)}, the {_compared(pool)}, gives something away"
    return f"{first} about who was in its training data: {_attack_clause(worst, level)}{order}{_left_out(worst, pool)}."


def _no_leak_sentence(highest: Headline, pool: Pool) -> str:
    found = [(item, unit) for item in pool.compared for unit in LEVELS if named(item, unit)]
    yet = ""
    if found:
        item, unit = found[0]
        yet = f"; yet some {unit}s of {_name(item)} are named at a false-positive rate of 1\u00a0%"
    told = "was shown to give away who it was trained on"
    first = f"None of the {_compared(pool)} {told}: at most, for {_name(highest)}, "
    if len(pool.compared) == 1:
        first = f"{_name(highest)}, the {_compared(pool)}, {told.replace('was', 'was not', 1)}: "
    return (
        f"{first}{_attack_clause(highest, pool.level)}, which this sample can't tell from guessing and which is no "
        f"proof of privacy{yet}{_left_out(highest, pool)}."
    )


def _compared(pool: Pool) -> str:
    records = "records of " if pool.level == "record" else ""
    models = "one model" if len(pool.compared) == 1 else f"{len(pool.compared)} models"
    return f"{models} compared on {records}{pool.least} or more unseen patients"


def _left_out(first: Headline, pool: Pool) -> str:
    """Return what the sentence adds about models that were attacked and not compared; empty where there are none."""
    parts = []
    for items, why in (
        (pool.few, "with {} unseen patients"),
        (pool.dull, "without skill"),
        (pool.leaking, "whose table gives the outcome away"),
    ):
        if items:
            leaks = [item.auc[pool.level] for item in items]
            higher = sum(leak.value > first.auc[pool.level].value for leak in leaks)
            datasets = ", ".join(dict.fromkeys(item.result.dataset for item in items))
            parts.append(
                f"{plural(len(items), 'model')} of {datasets} {why.format(span([people(leak) for leak in leaks]))} "
                f"({higher or 'none'} of them measured higher)"
            )
    return f"; left out: {', '.join(parts)}" if parts else ""


def _attack_clause(headline: Headline, level: str) -> str:
    leak, chance, attacks = headline.auc[level], headline.chance.get(level), headline.attacks.get(level)
    bounds = f"95\u00a0% interval {interval(leak, share=True)}\u00a0%, " if interval(leak) else ""
    of = f" of {plural(people(leak), 'patient')}" if level == "record" else ""
    luck = ""
    if chance is not None and attacks is not None:
        luck = f", the best of {plural(round(attacks.value), 'attack')} by luck: up to {percent(chance.upper)}"
    return (
        f"the strongest attack ({attack_name(leak.attack)}) ranks a training {level} above an unseen one in "
        f"{percent(leak.value)} of pairs ({bounds}{plural(leak.n, f'unseen {level}')}{of}; guessing: 50\u00a0%{luck})"
    )


def price_sentence(worst: Headline, headlines: Sequence[Headline], level: str) -> str:
    """Return what the most revealing model is good for, and the cheapest way to reveal less on the same patients.

    The cheapest is the most useful model that leaks less. Only models with skill and patients enough come into it.
    """
    if worst.utility is None:
        return ""
    reach = f"It reaches {_utility(worst.utility)} on patients it never saw"
    rivals = [item for item in rivals_of(worst, headlines, level) if item is not worst]
    if not rivals:
        return f"{reach}."
    less = [item for item in rivals if against(item.auc[level], worst.auc[level]) == "less"]
    if not less:
        return f"{reach}; on the same patients none of {plural(len(rivals), 'other model')} was shown to leak less."
    cheap = [item for item in less if item.utility.value >= worst.utility.value]
    best = max(cheap or less, key=lambda item: (item.utility.value, -item.auc[level].value))
    leak = f"{_pairs(best.auc[level])}"
    if cheap:
        useful = f"leaks less ({leak}) and isn’t less useful ({_utility(best.utility)})"
    else:
        apart = best.utility.value < worst.utility.lower
        loss = "the least that leaking less costs" if apart else "within the interval of the other"
        useful = f"leaks less ({leak}), at {_utility(best.utility)}, {loss}"
    front = [
        f"{item.result.treatment} ({percent(item.auc[level].value)}, {number(item.utility.value)})"
        for item in pareto_front([worst, *rivals], level)
    ]
    return (
        f"{reach}; on the same patients {best.result.treatment} {useful}{_without_defence(best, cheap, level)}. Of "
        f"{plural(len(rivals) + 1, 'model')} there, these are beaten in both by no other (Pareto front of leak and "
        f"{measure_name(worst.utility.measure)}): {', '.join(front)}."
    )


def rivals_of(worst: Headline, headlines: Sequence[Headline], level: str) -> list[Headline]:
    """Return the models, this one too, whose leak and usefulness may be set beside its own."""
    if not enough(worst.utility):
        return []
    return [
        item
        for item in headlines
        if item.result.dataset == worst.result.dataset
        and item.comparable
        and enough(item.auc.get(level))
        and enough(item.utility)
        and item.utility.measure == worst.utility.measure
    ]


def pareto_front(models: Sequence[Headline], level: str) -> list[Headline]:
    """Return the models that no other equals or beats both in leaking little and in usefulness, least leaking first."""

    def beaten(item: Headline) -> bool:
        own = (-item.auc[level].value, item.utility.value)
        others = ((-other.auc[level].value, other.utility.value) for other in models)
        return any(other != own and other[0] >= own[0] and other[1] >= own[1] for other in others)

    return sorted((item for item in models if not beaten(item)), key=lambda item: item.auc[level].value)


def _without_defence(best: Headline, cheap: Sequence[Headline], level: str) -> str:
    """Return whether a model without any defence will do, of those that leak less and are not less useful."""
    plain = [item for item in cheap if item.result.treatment.startswith("baseline-")]
    if best in plain:
        return "; no defence is needed for that"
    if not plain:
        return ""
    other = max(plain, key=lambda item: (item.utility.value, -item.auc[level].value))
    figures = f"{percent(other.auc[level].value)}, {number(other.utility.value)}"
    return f"; no defence is needed for that: {other.result.treatment} leaks less too ({figures})"


def defence_sentences(headlines: Sequence[Headline]) -> list[str]:
    """Return a sentence for each dataset with defences against small changes of the signal, at its reference budget.

    A defence helps if the intervals show that it lowers the flip rate of the same network, if no check of gradient
    masking failed, and if it is as useful as that network's interval allows: a model that always answers the same can't
    be overturned either.
    """
    datasets = dict.fromkeys(item.result.dataset for item in headlines)
    own = ([item for item in headlines if item.result.dataset == dataset] for dataset in datasets)
    return [sentence for group in own if (sentence := _defence_sentence(group))]


def _defence_sentence(headlines: Sequence[Headline]) -> str:
    pairs = defences(headlines)
    if not pairs:
        return ""
    lower = [(item, base) for item, base in pairs if against(item.flip, base.flip) == "less"]
    good = [(item, base) for item, base in lower if not item.failed and _as_useful(item, base)]
    where = f"Against changes of at most {_budget(pairs[0][0].flip)} on {pairs[0][0].result.dataset}"
    count = f"{len(lower) or 'none'} of {plural(len(pairs), 'defence')}"
    lowers = f"{count} {'lower' if len(lower) > 1 else 'lowers'} the flip rate beyond the intervals"
    if not good:
        why = ", and each of these fails a masking check or is less useful" if lower else ""
        return f"{where} {lowers}{why}."
    best, base = max(good, key=lambda pair: pair[1].flip.value - pair[0].flip.value)
    rivals = [item for item, other in good if other is base and item is not best]
    names = [item.result.treatment for item in rivals if against(best.flip, item.flip) != "less"]
    doubt = f" ({', '.join(names)} can’t be told apart from it)" if names else ""
    return (
        f"{where} {best.result.treatment} helps most{doubt}: of right predictions the strongest attack "
        f"overturns {_flip(best.flip)}, without a defence {_flip(base.flip)}{_worst_classes(best, base)}; {lowers}; "
        f"it reaches {_utility(best.utility)}, without a defence {number(base.utility.value)}."
    )


def _worst_classes(best: Headline, base: Headline) -> str:
    """Return what the means hide: the worst class of either that has patients enough, and the classes that don't."""
    pairs = [(worst_class(item.class_flips), item) for item in (best, base)]
    texts = [f"of {worst[0]} {_flip(worst[1])}" for worst, _ in pairs if worst]
    few = [label for label, item in best.class_flips.items() if not enough(item)]
    found = f"; of the classes with patients enough most {', without a defence '.join(texts)}" if len(texts) > 1 else ""
    return f"{found}; {', '.join(few)} of too few patients to tell" if few else found


def _flip(flip: Measure) -> str:
    bounds = f"{interval(flip, share=True)}\u00a0%, " if interval(flip) else ""
    return (
        f"{percent(flip.value)} ({attack_name(flip.attack)}, {bounds}n = {integer(flip.n)} of "
        f"{plural(people(flip), 'patient')})"
    )


def _budget(flip: Measure) -> str:
    return microvolts(parse_group(flip.group)["budget"])


def _as_useful(item: Headline, base: Headline) -> bool:
    """Tell whether a defended bank's utility is not below the interval of the undefended one's."""
    both = enough(item.utility) and enough(base.utility)
    return both and item.utility.value >= base.utility.lower


def _pairs(leak: Measure) -> str:
    bounds = f", {interval(leak, share=True)}\u00a0%" if interval(leak) else ""
    return f"{percent(leak.value)} of pairs{bounds}"


def _name(headline: Headline) -> str:
    return f"{headline.result.treatment} on {headline.result.dataset}"


def _utility(measure: Measure) -> str:
    bounds = f" ({interval(measure)})" if interval(measure) else ""
    return f"{measure_name(measure.measure)} {number(measure.value)}{bounds}"
