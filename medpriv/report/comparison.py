"""The comparison: which figures stand for a model, and which of them may be set beside which.

Membership leakage is stated for the strongest attack tried, per measure and level. That is the honest choice for a
defender, and slightly optimistic for the attacker, since the best of several noisy figures is taken. So its chance
level is that of the best of as many attacks, and `shown` asks for more than an interval above guessing. The files that
hold just these figures are written by `medpriv.report.tidy`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from medpriv.measures.intervals import student_interval
from medpriv.measures.table import NAN, Measure
from medpriv.report.enough import NO_SKILL, TOO_FEW, enough, people
from medpriv.report.inputs import Audit, Cohort, Result

LEVELS = ("patient", "record")
RATE = "0.01"
SERVER_VIEW = "membership-updates"
BEST = "membership-best"  # the best of all attacks where membership was drawn anew
ANY_CHECK = "masking"  # of gradient masking: holds if all others do
ONE_STEP = "evasion-fgsm"  # attacks more records, of more replicates, than all other attacks
AUDITED = (  # (canary, what the bound assumes), see `medpriv.attacks.epsilon`
    ("gradient", "independent-gaussian"),
    ("gradient", "one-run-gaussian"),
    ("gradient", "one-run"),
    ("record", "one-run-gaussian"),
    ("record", "one-run"),
)


@dataclass(frozen=True)
class Headline:
    """The figures of one row of the comparison table; None where the figure was not measured.

    Attributes:
        utility: macro-F1, or AUROC of a two-class dataset, on patients that no replicate saw.
        gap: accuracy on training patients minus accuracy on unseen ones.
        auc, tpr: by level, the strongest membership attack's AUC and its TPR at 1 % FPR (NaN: not resolvable).
        flip: share of correct predictions that the strongest evasion attack overturns at the reference budget.
        failed: checks of gradient masking that failed; None if there were none: the flip rate may then be too low.
        claimed: the accountant's epsilon of a bank with a guarantee.
        audited: how large epsilon is at least, by the audit of the same bank.
        chance, tpr_chance: by level, what the strongest of all membership attacks reaches where nothing leaks.
        auroc: on unseen patients, however many classes there are.
        over_majority: accuracy on unseen patients minus that of always answering the commonest class of training.
        leaking: the dataset has columns that give its outcome away, allowed by the config.
        attacks: by level, how many membership attacks the strongest was chosen from.
        reached: by level, the false-positive rate at which the attack behind `tpr` arrived on the target's non-members.
        class_flips: by class, what the attack behind `flip` overturns of it.
    """

    result: Result
    utility: Measure | None
    gap: Measure | None
    auc: dict[str, Measure | None]
    tpr: dict[str, Measure | None]
    flip: Measure | None
    failed: tuple[str, ...] | None = None
    claimed: Measure | None = None
    audited: Measure | None = None
    chance: dict[str, Measure | None] = field(default_factory=dict)
    tpr_chance: dict[str, Measure | None] = field(default_factory=dict)
    auroc: Measure | None = None
    over_majority: Measure | None = None
    leaking: bool = False
    attacks: dict[str, Measure | None] = field(default_factory=dict)
    reached: dict[str, Measure | None] = field(default_factory=dict)
    class_flips: dict[str, Measure] = field(default_factory=dict)

    @property
    def skilled(self) -> bool:
        """False: on patients enough the model beats neither chance nor the majority class, so nothing is concluded."""
        measured = [(item, guessing) for item, guessing in ((self.auroc, 0.5), (self.over_majority, 0.0)) if item]
        judged = [item for item, _ in measured if enough(item)]
        return not judged or any(item.lower > guessing for item, guessing in measured)

    @property
    def comparable(self) -> bool:
        """True: the model has skill, and its table doesn't give the outcome away."""
        return self.skilled and not self.leaking

    def figures(self) -> dict[str, Measure]:
        """Return the figures that exist, by the name they have in `comparison.csv` and `metrics.json`."""
        named = {"utility": self.utility, "generalisation_gap": self.gap}
        named |= {"auroc": self.auroc, "accuracy_over_majority": self.over_majority}
        for level in LEVELS:
            named |= {
                f"membership_auc_{level}": self.auc.get(level),
                f"membership_auc_chance_{level}": self.chance.get(level),
                f"membership_attacks_{level}": self.attacks.get(level),
                f"membership_tpr_at_1pct_fpr_{level}": self.tpr.get(level),
                f"membership_tpr_at_1pct_fpr_chance_{level}": self.tpr_chance.get(level),
                f"membership_fpr_reached_at_1pct_{level}": self.reached.get(level),
            }
        named |= {"evasion_flip_rate": self.flip}
        named |= {f"evasion_flip_rate_class_{label}": item for label, item in self.class_flips.items()}
        named |= {"masking_checks_failed": self.masking}
        named |= {"epsilon_accountant": self.claimed, "epsilon_lower": self.audited}
        return {name: measure for name, measure in named.items() if measure is not None}

    @property
    def masking(self) -> Measure | None:
        """How many checks of gradient masking failed; None if none was made."""
        if self.failed is None or self.flip is None:
            return None
        failed = sum(name != ANY_CHECK for name in self.failed) or len(self.failed)
        return replace(
            self.flip, attack="", measure="checks_failed", value=float(failed), lower=NAN, upper=NAN, group=""
        )


@cache
def parse_group(group: str) -> Mapping[str, str]:
    """Return a group's `key=value` pairs. A run has few groups, and asks for each of them many thousand times."""
    return dict(pair.partition("=")[::2] for pair in group.split(",") if pair)


def select(
    measures: Iterable[Measure], measure: str, group: Mapping[str, str] | None = None, attack: str = ""
) -> list[Measure]:
    """Return the bank-wide figures of one measure in exactly this group, of attacks whose name begins with `attack`."""
    wanted = group or {}
    return [
        item
        for item in measures
        if item.measure == measure
        and not item.replicate
        and item.attack.startswith(attack)
        and parse_group(item.group) == wanted
    ]


def find(
    measures: Iterable[Measure], measure: str, group: Mapping[str, str], attack: str = "", treatment: str = ""
) -> Measure | None:
    """Return the bank-wide figure of one measure, attack and group, of a treatment if named; None if there is none."""
    found = (item for item in measures if item.measure == measure and item.attack == attack and not item.replicate)
    named = (item for item in found if not treatment or item.treatment == treatment)
    return next((item for item in named if parse_group(item.group) == group), None)


def strongest(measures: Sequence[Measure]) -> Measure | None:
    """Return the highest figure; if none can be resolved, one without value; None if there is none at all."""
    resolved = [item for item in measures if not math.isnan(item.value)]
    if resolved:
        return max(resolved, key=lambda item: item.value)
    return replace(measures[0], attack="") if measures else None


def choose_headline(cohort: Cohort, result: Result) -> Headline:
    """Return one model's row."""
    name = "auroc" if len(cohort.about["classes"]) == 2 else "macro_f1"
    utility = find(result.utility, name, {}) or find(result.utility, "accuracy", {})
    flip = strongest_flip(result, reference_budget(result))
    tpr = {level: strongest(_membership(result, f"tpr_at_fpr_{RATE}", level)) for level in LEVELS}

    def by_level(measure: str, attack: Mapping[str, str]) -> dict[str, Measure | None]:
        return {level: find(result.attacks, measure, {"level": level}, attack[level]) for level in LEVELS}

    return Headline(
        result=result,
        utility=utility,
        gap=find(result.utility, "generalisation_gap", {}),
        auc={level: strongest(_membership(result, "auc", level)) for level in LEVELS},
        tpr=tpr,
        flip=flip,
        failed=failed_checks(result),
        claimed=claimed_epsilon(result),
        audited=audited_epsilon(result),
        chance=by_level("auc_chance", dict.fromkeys(LEVELS, BEST)),
        tpr_chance=by_level(f"tpr_at_fpr_{RATE}_chance", dict.fromkeys(LEVELS, BEST)),
        auroc=find(result.utility, "auroc", {}),
        over_majority=find(result.utility, "accuracy_over_majority", {}),
        leaking=cohort.leaking,
        attacks={level: _number_of(_membership(result, "auc", level)) for level in LEVELS},
        reached=by_level(f"fpr_reached_{RATE}", {level: item.attack if item else "" for level, item in tpr.items()}),
        class_flips=by_class(result, flip),
    )


def shown(headline: Headline, level: str) -> bool:
    """Tell whether a model was shown to give away who it was trained on.

    Both must hold: the strongest attack's interval lies above guessing, and its AUC above the upper limit of what the
    best of as many attacks reaches where nothing leaks, since the best of several is above 0.5 by luck alone.
    """
    return _beyond(headline.auc.get(level), headline.chance.get(level), 0.5)


def verdict(headline: Headline, level: str) -> str:
    """Return what may be said of a model's leak: `shown`, `not shown`, `too few` or `no skill`; empty: not attacked."""
    leak = headline.auc.get(level)
    if leak is None or math.isnan(leak.value):
        return ""
    if not headline.skilled:
        return NO_SKILL
    if not enough(leak):
        return TOO_FEW
    return "shown" if shown(headline, level) else "not shown"


def named(headline: Headline, level: str) -> bool:
    """Tell whether some members were shown to be named at a false-positive rate of 1 %, by the same rule."""
    return _beyond(headline.tpr.get(level), headline.tpr_chance.get(level), float(RATE))


def _beyond(leak: Measure | None, chance: Measure | None, guessing: float) -> bool:
    return enough(leak) and chance is not None and leak.lower > guessing and leak.value > chance.upper


def claimed_epsilon(result: Result) -> Measure | None:
    """Return what the accountant says; n counts the patients of a replicate, or the clients if these are the unit."""
    for item in result.attacks:
        if item.measure == "epsilon_accountant":
            return item
    privacy = result.facts.get("privacy")
    if not privacy:
        return None
    units = privacy.get("patients") or len(result.facts.get("federation", {}).get("clients", ()))
    about = (result.dataset, result.treatment, "accountant", "epsilon_accountant")
    return Measure(*about, privacy["epsilon"], n=units, group=f"delta={privacy['delta']:g}")


def audited_epsilon(result: Result) -> Measure | None:
    """Return the first of `AUDITED` that was measured, over all audited trainings; None if there is none.

    The order is fixed beforehand: the largest of several lower bounds would exceed the truth more often than stated.
    """
    bounds = {}
    for item in result.attacks:
        whole = (item.attack, item.measure, item.replicate) == ("audit-one-run", "epsilon_lower", "")
        if whole and not math.isnan(item.value):
            group = parse_group(item.group)
            bounds[group["canary"], group["bound"]] = item
    return next((bounds[name] for name in AUDITED if name in bounds), None)


def paired_difference(result: Result, base: Result, measure: str) -> Measure | None:
    """Return utility minus the base's, paired by replicate, which two banks train on the same half of the patients.

    Against the baseline of its own network the utility stage has drawn test patients and replicates together. Against
    others the interval is Student's over the replicates that both have (n): it speaks of other trainings, on other
    halves, judged on the same test patients. None with fewer than two.
    """
    if drawn := find(result.utility, f"{measure}_difference", {"reference": base.treatment}):
        return drawn
    own, other = (
        {item.replicate: item.value for item in bank.utility if item.measure == measure and item.replicate}
        for bank in (result, base)
    )
    gaps = [own[name] - other[name] for name in own if name in other and not math.isnan(own[name] - other[name])]
    n = len(gaps)
    if n < 2:
        return None
    whole = find(result.utility, measure, {})
    about = (result.dataset, result.treatment, "", f"{measure}_difference")
    limits = map(float, student_interval(np.array(gaps)))
    return Measure(*about, float(np.mean(gaps)), *limits, n, patients=people(whole) if whole else 0)


def utility_gap(item: Headline, base: Headline | None) -> Measure | None:
    """Return how much more useful a model is than another one, in the first one's measure; None without the other."""
    if base is None or item is base or item.utility is None:
        return None
    return paired_difference(item.result, base.result, item.utility.measure)


def against_nothing(gap: Measure | None) -> str:
    """Return `less`, `more` or `open`: on which side of 0 an interval lies; `` without one, `few` for few patients."""
    if gap is None or math.isnan(gap.lower):
        return ""
    if not enough(gap):
        return "few"
    return "less" if gap.upper < 0 else "more" if gap.lower > 0 else "open"


def strongest_flip(result: Result, budget: str) -> Measure | None:
    """Return the flip rate of the strongest attack on the model itself at a budget, of those on the same records.

    FGSM attacks other records than the rest, so it speaks only where there is no other attack; whether one step is
    stronger on the same records is a check of gradient masking.
    """
    found = [item for item in select(result.attacks, "flip_rate", {"budget": budget}) if direct(item)]
    return strongest([item for item in found if item.attack != ONE_STEP] or found)


def by_class(result: Result, flip: Measure | None) -> dict[str, Measure]:
    """Return what the same attack overturns of each class at the same budget, by the class's name.

    Args:
        flip: the rate over all classes, as `strongest_flip` returns it.
    """
    if flip is None:
        return {}
    at, found = parse_group(flip.group)["budget"], {}
    for item in result.attacks:
        group = parse_group(item.group)
        same = (item.measure, item.attack, item.replicate) == ("flip_rate", flip.attack, "")
        if same and group.keys() == {"budget", "class"} and group["budget"] == at:
            found[group["class"]] = item
    return found


def worst_class(classes: Mapping[str, Measure]) -> tuple[str, Measure] | None:
    """Return the class with the highest rate and that rate, of the classes with people enough; None without any."""
    sure = [(label, item) for label, item in classes.items() if enough(item)]
    return max(sure, key=lambda pair: pair[1].value, default=None)


def direct(item: Measure) -> bool:
    """Tell an untargeted attack on the model itself from random noise, transfer, targets and recombination."""
    attack = item.attack.removeprefix("evasion-")
    return attack != item.attack and attack not in ("noise", "none") and not attack.endswith(("-transfer", "-targeted"))


def failed_checks(result: Result) -> tuple[str, ...] | None:
    """Return the checks of gradient masking that failed; None if none was made."""
    checks = [item for item in result.attacks if item.measure.startswith("masking_") and not item.group]
    return tuple(item.measure for item in checks if item.value == 0) if checks else None


def reference_budget(result: Result) -> str:
    """Return the budget at which flip rates are compared, in millivolts, as the table writes it; empty without evasion.

    It is the one at which the audit looks closely at attacks, the same for all models of a dataset; where it did not
    look, the middle budget of the grid.
    """
    measured = (parse_group(item.group) for item in result.attacks if item.measure == "mean_d1_uv")
    return next((group["budget"] for group in measured if "budget" in group), middle_budget(result))


def defended(headline: Headline) -> bool:
    """Tell a bank trained to resist changes of the signal."""
    return headline.result.treatment.startswith("robust-")


def undefended(headline: Headline, headlines: Sequence[Headline]) -> Headline | None:
    """Return the bank of the same network, on the same dataset, without a defence."""
    about = (headline.result.dataset, headline.result.model)
    same = (item for item in headlines if (item.result.dataset, item.result.model) == about)
    return next((item for item in same if item.result.treatment.startswith("baseline-")), None)


def defences(headlines: Sequence[Headline]) -> list[tuple[Headline, Headline]]:
    """Return every bank trained to resist changes, with the bank without a defence that its flip rate is held against.

    Both have skill, were attacked, and are of a table that doesn't give the outcome away.
    """
    pairs = [(item, undefended(item, headlines)) for item in headlines if defended(item)]
    known = [(item, base) for item, base in pairs if base is not None and item.flip and base.flip]
    return [(item, base) for item, base in known if item.comparable and base.comparable]


def against(own: Measure | None, other: Measure | None) -> str:
    """Return how a figure compares with another one.

    Returns:
        `less` or `more` where the intervals are apart, `open` where they overlap, `few` where one of them rests on too
        few patients to be judged, `` where a figure or an interval is missing.
    """
    if (
        own is None
        or other is None
        or any(math.isnan(end) for item in (own, other) for end in (item.lower, item.upper))
    ):
        return ""
    if not (enough(own) and enough(other)):
        return "few"
    return "less" if own.upper < other.lower else "more" if own.lower > other.upper else "open"


def budgets(result: Result) -> list[str]:
    """Return the evasion budgets that were tried, in millivolts, smallest first, as the table writes them."""
    found = {parse_group(item.group).get("budget") for item in result.attacks if item.measure == "flip_rate"}
    return sorted((text for text in found if text is not None), key=float)


def middle_budget(result: Result) -> str:
    """Return the middle budget of the grid (the lower of two); empty if no evasion was tried."""
    grid = budgets(result)
    return grid[(len(grid) - 1) // 2] if grid else ""


def request_of(audit: Audit) -> str:
    """Return the request that an audit of unlearning is of."""
    return "personal" if audit.subject.endswith("-personal") else "population"


def _membership(result: Result, measure: str, level: str) -> list[Measure]:
    """Return what attacks on the model itself reach, which all banks meet; what a server sees is another question."""
    found = select(result.attacks, measure, {"level": level}, "membership-")
    return [item for item in found if item.attack != SERVER_VIEW]


def _number_of(attacks: Sequence[Measure]) -> Measure | None:
    """Return how many attacks have a value, as a figure; None for none."""
    resolved = [item for item in attacks if not math.isnan(item.value)]
    if not resolved:
        return None
    count = len(resolved)
    return replace(resolved[0], attack="", measure="attacks", value=float(count), lower=NAN, upper=NAN, n=count)
