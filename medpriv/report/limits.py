"""What may not be concluded from a run: what holds of every one, and what applies to this one alone."""

from collections.abc import Sequence

from medpriv.measures.intervals import LEAST
from medpriv.report.comparison import LEVELS, ONE_STEP, Headline
from medpriv.report.inputs import Audit, Cohort
from medpriv.report.words import number

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
        "Records of one patient are not independent, so intervals come from resampling patients. Where these are few "
        "the interval is wide, and that is the finding. On fewer than "
        f"{LEAST} patients nothing is judged, and no model is called better or worse than another.",
    ),
    (
        "Intervals don’t all speak of the same.",
        "Those of usefulness and membership say how the figures would vary with other patients and other trainings, "
        "those of all other attacks how they would with other patients under these same trained models. Figures are "
        "means over the replicates.",
    ),
    (
        "“Not resolvable” is a result.",
        "A false-positive rate below one in the number of non-member patients can't be measured, so no true-positive "
        "rate is stated for it.",
    ),
    (
        "Seconds and memory belong to the machine that ran this.",
        "Operations, updates and parameters don't depend on it.",
    ),
)


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
    found += [*_ALWAYS, _best_of_several(headlines)]
    attacks = {headline.flip.attack for headline in headlines if headline.flip}
    if attacks and attacks <= {ONE_STEP, ""}:
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


def _best_of_several(headlines: Sequence[Headline]) -> tuple[str, str]:
    """Say how high the best of several attacks comes by luck, and what is asked for beyond that."""
    limits = [item for headline in headlines for level in LEVELS if (item := headline.chance.get(level))]
    reached = ""
    if limits:
        low, high = (number(end(item.upper for item in limits)) for end in (min, max))
        reached = f": up to an AUC of {low if low == high else f'{low} to {high}'}, depending on model and level"
    return (
        "The strongest of several attacks is shown.",
        "The best of several noisy figures is above guessing by luck alone. So membership was drawn anew many times, "
        f"and the best of as many attacks where nothing leaks stands beside each AUC{reached}. A leak counts as shown "
        "only if its interval lies above 0.5 and its AUC above that limit. The table of all attacks has every one.",
    )
