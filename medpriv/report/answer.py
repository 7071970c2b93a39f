"""What the figures say in sentences: the two-sentence answer, and what may not be concluded.

Sentences are computed from the figures and claim no more than their intervals allow.
"""

import math
from collections.abc import Sequence

from medpriv.measures.table import Measure
from medpriv.report.comparison import Headline
from medpriv.report.inputs import Cohort
from medpriv.report.words import attack_name, integer, interval, measure_name, number, percent, plural


def answer(headlines: Sequence[Headline]) -> tuple[str, str]:
    """Return the report's two sentences: who leaks most and how sure that is; what it is good for and what helps."""
    attacked = [headline for headline in headlines if _resolved(headline)]
    if not attacked:
        return "No membership attack was run, so this report can't say what the models remember.", ""
    shown = [headline for headline in attacked if headline.auc["patient"].lower > 0.5]
    worst = max(shown or attacked, key=lambda headline: headline.auc["patient"].value)
    return _leak_sentence(worst, attacked, bool(shown)), _price_sentence(worst, attacked)


def limits(cohorts: Sequence[Cohort], headlines: Sequence[Headline]) -> list[tuple[str, str]]:
    """Return what may not be concluded, as (lead, explanation), only what applies to this run."""
    simulated = [cohort.name for cohort in cohorts if cohort.simulated]
    found = []
    if simulated:
        found.append(
            (
                f"Simulated patients ({', '.join(simulated)}).",
                "They show that the pipeline works and how the measures behave. They say nothing about any real patient,"
                " hospital or published model.",
            )
        )
    found += [
        (
            "An AUC near 0.5 is not a proof of privacy.",
            "It says that these attacks, with these shadows, did not succeed. Another attack may. Only a formal guarantee"
            " bounds attacks that nobody has thought of.",
        ),
        (
            "Averages hide people.",
            "A low AUC can go with a few patients who are recognised nearly always. Read the per-patient exposure and the"
            " TPR at a low FPR beside it.",
        ),
        (
            "The strongest of several attacks is shown.",
            "Taking the best of several noisy figures makes the headline leak slightly too high. The table of all attacks"
            " has every one of them.",
        ),
        (
            "Each replicate saw half of the training patients.",
            "That is what makes the audit possible. A model trained on all of them would be somewhat more useful and, as a"
            " rule, somewhat less revealing about each patient.",
        ),
        (
            "The attacker here is strong.",
            "The attacker can train shadow models in the same way on patients of the same kind, and sees the model's full"
            " output. Real attackers often have less.",
        ),
        (
            "The patient is the unit.",
            "Records of one patient are not independent, so intervals come from resampling patients. Where n is small, the"
            " interval is wide, and that is the finding.",
        ),
        (
            "“Unresolvable” is a result.",
            "A false-positive rate below one in the number of non-members can't be measured, so no true-positive rate is"
            " stated for it.",
        ),
    ]
    if any(headline.flip for headline in headlines):
        found.append(
            (
                "Evasion is measured with one gradient step.",
                "FGSM is the weakest of the usual white-box attacks: a flip rate here is a lower bound on what an attacker"
                " with the model in hand can do.",
            )
        )
    found.append(
        (
            "Seconds and memory belong to the machine that ran this.",
            "Operation counts, updates and parameters don't depend on it.",
        )
    )
    return found


def _resolved(headline: Headline) -> bool:
    measure = headline.auc["patient"]
    return measure is not None and not math.isnan(measure.value)


def _leak_sentence(worst: Headline, attacked: Sequence[Headline], shown: bool) -> str:
    leak = worst.auc["patient"]
    name = f"{worst.result.treatment} on {worst.result.dataset}"
    bounds = f"95 % interval {interval(leak, share=True)}, " if interval(leak) else ""
    pairs = f"in {percent(leak.value)} of pairs ({bounds}n = {plural(leak.n, 'unseen patient')}; guessing: 50 %)"
    strongest = (
        f"the strongest attack ({attack_name(leak.attack)}) ranks a training patient above an unseen one {pairs}"
    )
    if not shown:
        return (
            f"None of the {plural(len(attacked), 'model')} compared was shown to give away who it was trained on: at most, "
            f"for {name}, {strongest}, which this sample can't tell from guessing and which is no proof of privacy."
        )
    others = [item for item in attacked if item is not worst]
    rivals = [item for item in others if not item.auc["patient"].upper < leak.lower]
    if not others:
        order = ""
    elif rivals:
        names = ", ".join(f"{item.result.treatment} on {item.result.dataset}" for item in rivals[:3])
        more = f" and {len(rivals) - 3} more" if len(rivals) > 3 else ""
        order = f"; its interval overlaps with {names}{more}, so first place is not certain"
    else:
        order = "; its interval lies above that of every other model"
    return (
        f"Of the {plural(len(attacked), 'model')} compared, {name} gives away most about who was in its training data: "
        f"{strongest}{order}."
    )


def _price_sentence(worst: Headline, attacked: Sequence[Headline]) -> str:
    if worst.utility is None:
        return ""
    same = [
        item for item in attacked if item.result.dataset == worst.result.dataset and item is not worst and item.utility
    ]
    reach = f"{measure_name(worst.utility.measure)} {_with_interval(worst.utility)} on patients it never saw"
    if not same:
        return f"It reaches {reach}."
    best = min(same, key=lambda item: item.auc["patient"].value)
    less, more = best.auc["patient"], worst.auc["patient"]
    if less.upper < more.lower:
        relation = "leaks less"
    elif less.value < more.value:
        relation = "leaks no more, and perhaps less"
    else:
        relation = "leaks about as much"
    bounds = f", {interval(less, share=True)}" if interval(less) else ""
    return (
        f"It reaches {reach}; on the same patients, {best.result.treatment} {relation} "
        f"({percent(less.value)} of pairs{bounds}) at {measure_name(best.utility.measure)} {_with_interval(best.utility)}."
    )


def _with_interval(measure: Measure) -> str:
    bounds = interval(measure)
    return f"{number(measure.value)} ({bounds})" if bounds else number(measure.value)
