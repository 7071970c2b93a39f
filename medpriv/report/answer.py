"""What the figures say in sentences: the two-sentence answer, the best defence, and what may not be concluded.

Sentences are computed from the figures and claim no more than their intervals allow.
"""

import math
from collections.abc import Sequence

from medpriv.measures.table import Measure
from medpriv.report.comparison import LEVELS, RATE, Headline, against, defended, undefended
from medpriv.report.inputs import Audit, Cohort
from medpriv.report.words import attack_name, integer, interval, measure_name, number, percent, plural

_ALWAYS = (
    (
        "An AUC near 0.5 is not a proof of privacy.",
        "It says that these attacks, with these shadows, did not succeed. Another attack may. Only a formal guarantee "
        "bounds attacks that nobody has thought of.",
    ),
    (
        "Averages hide people.",
        "A low AUC can go with a few patients who are recognised nearly always. Read the exposure of each patient and "
        "the true-positive rate at a low false-positive rate beside it.",
    ),
    (
        "The strongest of several attacks is shown.",
        "Taking the best of several noisy figures makes the headline leak slightly too high. The table of all attacks "
        "has every one of them.",
    ),
    (
        "Each replicate saw half of the training patients.",
        "That is what makes the audit possible. A model trained on all of them would be somewhat more useful and, as "
        "a rule, somewhat less revealing about each patient.",
    ),
    (
        "The attacker here is strong.",
        "The attacker can train shadow models in the same way on patients of the same kind, and sees the model's full "
        "output. Real attackers often have less.",
    ),
    (
        "The patient is the unit.",
        "Records of one patient are not independent, so intervals come from resampling patients. Where n is small the "
        "interval is wide, and that is the finding.",
    ),
    (
        "Intervals of attacks speak of patients, not of training.",
        "They say how the figures would vary with other patients under these same trained models, and figures are "
        "means over the replicates.",
    ),
    (
        "“Unresolvable” is a result.",
        "A false-positive rate below one in the number of non-members can't be measured, so no true-positive rate is "
        "stated for it.",
    ),
    (
        "Seconds and memory belong to the machine that ran this.",
        "Operations, updates and parameters don't depend on it.",
    ),
)


ENOUGH = 30  # unseen patients or records: models tried on fewer don't enter the first sentence, if others do


def answer(headlines: Sequence[Headline]) -> tuple[str, str]:
    """Return the report's two sentences: who leaks most and how sure that is; what it is good for and what helps.

    Patients come first. Records speak where no patient-level interval lies above guessing and a record-level one does.
    """
    for level in LEVELS:
        attacked = _attacked(headlines, level)
        shown = [headline for headline in attacked if headline.auc[level].lower > 0.5]
        if shown:
            worst = max(shown, key=lambda headline: headline.auc[level].value)
            return _leak_sentence(worst, attacked, level), _price_sentence(worst, attacked, level)
    for level in LEVELS:
        if attacked := _attacked(headlines, level):
            highest = max(attacked, key=lambda headline: headline.auc[level].value)
            return _no_leak_sentence(highest, attacked, level), _price_sentence(highest, attacked, level)
    return "No membership attack was run, so this report can't say what the models remember.", ""


def limits(cohorts: Sequence[Cohort], headlines: Sequence[Headline], audits: Sequence[Audit]) -> list[tuple[str, str]]:
    """Return what may not be concluded, as (lead, explanation), only what applies to this run."""
    found = []
    if simulated := [cohort.name for cohort in cohorts if cohort.simulated]:
        found.append(
            (
                f"Simulated patients ({', '.join(simulated)}).",
                "They show that the pipeline works and how the measures behave. They say nothing about any real "
                "patient, hospital or published model.",
            )
        )
    found += _ALWAYS
    attacks = {headline.flip.attack for headline in headlines if headline.flip}
    if attacks and attacks <= {"evasion-fgsm", ""}:
        found.append(
            (
                "Evasion is measured with one gradient step.",
                "FGSM is the weakest of the usual white-box attacks: a flip rate here is a lower bound on what an "
                "attacker with the model in hand can do.",
            )
        )
    elif attacks:
        found.append(
            (
                "A low flip rate is not a proof of robustness.",
                "It is a lower bound on what an attacker with the model in hand can do. Attacks with more steps, "
                "restarts or another aim may find more, above all where a masking check fails.",
            )
        )
    if any(audit.family == "forgetting" for audit in audits):
        found.append(
            (
                "“Not told apart” is not a proof of forgetting.",
                "Few models forget the same patient, so intervals are wide, and another attack may tell more. Only "
                "exact methods, which retrain what the patient touched, forget by construction.",
            )
        )
    return found


def defence(headlines: Sequence[Headline]) -> str:
    """Return the sentence on the defence that lowers the flip rate most; empty where none does beyond its interval.

    A defence counts only if no check of gradient masking failed, against the same network without one, and if it is as
    useful as that network's interval allows: a model that always answers the same can't be overturned either.
    """
    pairs = [(item, undefended(item, headlines)) for item in headlines if defended(item) and not item.failed]
    pairs = [(item, base) for item, base in pairs if base and against(item.flip, base.flip) == "less"]
    pairs = [(item, base) for item, base in pairs if _as_useful(item, base)]
    if not pairs:
        return ""
    best, base = max(pairs, key=lambda pair: pair[1].flip.value - pair[0].flip.value)
    rivals = [item for item, other in pairs if other is base and item is not best]
    rivals = [item.result.treatment for item in rivals if against(best.flip, item.flip) != "less"]
    doubt = f" ({', '.join(rivals)} can’t be told apart from it)" if rivals else ""
    return (
        f"Against small changes of the signal {_name(best)} helps most{doubt}: the strongest attack "
        f"({attack_name(best.flip.attack)}) overturns {percent(best.flip.value)} of right predictions (95\u00a0% "
        f"interval {interval(best.flip, share=True)}\u00a0%, n = {integer(best.flip.n)}), without a defence "
        f"{percent(base.flip.value)}; it reaches {_utility(best.utility)}, without a defence "
        f"{number(base.utility.value)}."
    )


def _as_useful(item: Headline, base: Headline) -> bool:
    """Tell whether a defended bank's utility is not below the interval of the undefended one's."""
    return bool(item.utility and base.utility) and item.utility.value >= base.utility.lower


def _attacked(headlines: Sequence[Headline], level: str) -> list[Headline]:
    """Return the models whose leakage at this level has a value; only those tried on enough people, if there are any.

    The largest of many figures is likely one of the noisiest.
    """
    found = [(headline, headline.auc[level]) for headline in headlines]
    found = [(headline, leak) for headline, leak in found if leak is not None and not math.isnan(leak.value)]
    sure = [headline for headline, leak in found if leak.n >= ENOUGH]
    return sure or [headline for headline, _ in found]


def _compared(attacked: Sequence[Headline], level: str) -> str:
    few = all(item.auc[level].n < ENOUGH for item in attacked)
    return f"{plural(len(attacked), 'model')} compared" + ("" if few else f" on {ENOUGH} or more unseen {level}s")


def _leak_sentence(worst: Headline, attacked: Sequence[Headline], level: str) -> str:
    others = [item for item in attacked if item is not worst]
    rivals = [_name(item) for item in others if not item.auc[level].upper < worst.auc[level].lower]
    if not others:
        order = ""
    elif rivals:
        more = f" and {len(rivals) - 3} more" if len(rivals) > 3 else ""
        order = f"; its interval overlaps with {', '.join(rivals[:3])}{more}, so first place is not certain"
    else:
        order = "; its interval lies above that of every other model"
    return (
        f"Of the {_compared(attacked, level)}, {_name(worst)} gives away most about who was in its "
        f"training data: {_attack_clause(worst, level)}{order}."
    )


def _no_leak_sentence(highest: Headline, attacked: Sequence[Headline], level: str) -> str:
    rates = ((item, unit, item.tpr[unit]) for item in attacked for unit in LEVELS)
    named = [(item, unit) for item, unit, rate in rates if rate is not None and rate.lower > float(RATE)]
    yet = ""
    if named:
        item, unit = named[0]
        yet = f"; yet some {unit}s of {_name(item)} are named at a false-positive rate of 1\u00a0%"
    return (
        f"None of the {_compared(attacked, level)} was shown to give away who it was trained on: at most, "
        f"for {_name(highest)}, {_attack_clause(highest, level)}, which this sample can't tell from guessing and "
        f"which is no proof of privacy{yet}."
    )


def _attack_clause(headline: Headline, level: str) -> str:
    leak = headline.auc[level]
    bounds = f"95\u00a0% interval {interval(leak, share=True)}\u00a0%, " if interval(leak) else ""
    return (
        f"the strongest attack ({attack_name(leak.attack)}) ranks a training {level} above an unseen one in "
        f"{percent(leak.value)} of pairs ({bounds}{plural(leak.n, f'unseen {level}')}; guessing: 50\u00a0%)"
    )


def _price_sentence(worst: Headline, attacked: Sequence[Headline], level: str) -> str:
    if worst.utility is None:
        return ""
    dataset, leak = worst.result.dataset, worst.auc[level]
    same = [item for item in attacked if item.result.dataset == dataset and item is not worst and item.utility]
    reach = f"It reaches {_utility(worst.utility)} on patients it never saw"
    if not same:
        return f"{reach}."
    best = min(same, key=lambda item: item.auc[level].value)
    less = best.auc[level]
    if less.upper < leak.lower:
        relation = "leaks less"
    elif less.value < leak.value:
        relation = "seems to leak less, but the intervals overlap"
    else:
        relation = "leaks about as much"
    bounds = f", {interval(less, share=True)}\u00a0%" if interval(less) else ""
    return (
        f"{reach}; on the same patients {best.result.treatment} {relation} ({percent(less.value)} of pairs{bounds}), "
        f"at {_utility(best.utility)}."
    )


def _name(headline: Headline) -> str:
    return f"{headline.result.treatment} on {headline.result.dataset}"


def _utility(measure: Measure) -> str:
    bounds = f" ({interval(measure)})" if interval(measure) else ""
    return f"{measure_name(measure.measure)} {number(measure.value)}{bounds}"
