"""The comparison: which figures stand for a model, and what may be said of its leak.

Membership leakage is stated for the strongest attack tried, per measure and level. That is the honest choice for a
defender, and slightly optimistic for the attacker, since the best of several noisy figures is taken. So its chance
level is that of the best of as many attacks, and `shown` asks for more than an interval above guessing. Which models
may be set beside which stands in `medpriv.report.differences`; the files that hold just these figures are written by
`medpriv.report.tidy`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from medpriv.catalogue.treatments import KINDS, kind_of_bank, spec_of
from medpriv.measures.table import NAN, Measure
from medpriv.report.enough import NO_SKILL, TOO_FEW, enough
from medpriv.report.results import Cohort, Result, Results, highest, parse_group, resolved

LEVELS = ("patient", "record")
RATE = "0.01"
SERVER_VIEW = "membership-updates"
BEST_CHOSEN = {  # by the family of membership: the strongest attack, chosen on other replicates
    "release": "release-best",
    "image_release": "image-release-best",
    "language": "language-best",
}
BEST = "membership-best"  # the best of all attacks where membership was drawn anew
ANY_CHECK = "masking"  # of gradient masking: holds if all others do
ONE_STEP = "evasion-fgsm"  # attacks more records, of more replicates, than all other attacks
CLASS_FLIP = "evasion_flip_rate_class_"  # how the headline of a class begins
AUDITED = (  # (canary, what the bound assumes), see `medpriv.attacks.epsilon`
    ("token", "independent-gaussian"),
    ("token", "one-run-gaussian"),
    ("token", "one-run"),
    ("gradient", "independent-gaussian"),
    ("gradient", "one-run-gaussian"),
    ("gradient", "one-run"),
    ("record", "one-run-gaussian"),
    ("record", "one-run"),
)

AUDITS = ("audit-one-run", "language-audit")

Figures = dict[str, Measure]


@dataclass(frozen=True)
class Headline:
    """The figures that stand for one model.

    Attributes:
        figures: by the name that they have in `comparison.csv` and `metrics.json`, in its order; what was not measured
            is missing. `CHOICES` has how each is chosen.
        leaking: the dataset has columns that give its outcome away, allowed by the config.
    """

    result: Result
    figures: Figures = field(default_factory=dict)
    leaking: bool = False

    @property
    def kind(self) -> str:
        """What its models are, a key of the catalogue's kinds."""
        return spec_of(self.result.treatment).kind

    @property
    def control(self) -> bool:
        """True: it shows something, and nobody would use it."""
        return bool(spec_of(self.result.treatment).control)

    @property
    def utility(self) -> Measure | None:
        """How good the model is on patients that no replicate saw."""
        return self.figures.get("utility")

    @property
    def auroc(self) -> Measure | None:
        """The AUROC on test patients, however many classes there are."""
        return self.figures.get("auroc")

    @property
    def over_majority(self) -> Measure | None:
        """Accuracy on test patients minus that of always answering the commonest class of training."""
        return self.figures.get("accuracy_over_majority")

    def leak(self, level: str) -> Measure | None:
        """Return the strongest membership attack's AUC at a level."""
        return self.figures.get(f"membership_auc_{level}")

    def chance(self, level: str) -> Measure | None:
        """Return the AUC that the strongest of as many attacks reaches where nothing leaks."""
        return self.figures.get(f"membership_auc_chance_{level}")

    def attacks(self, level: str) -> Measure | None:
        """Return how many attacks the strongest was chosen from."""
        return self.figures.get(f"membership_attacks_{level}")

    def rate(self, level: str) -> Measure | None:
        """Return the strongest attack's true-positive rate at a false-positive rate of 1 % (NaN: not resolvable)."""
        return self.figures.get(f"membership_tpr_at_1pct_fpr_{level}")

    def rate_chance(self, level: str) -> Measure | None:
        """Return the same rate of the strongest of as many attacks where nothing leaks."""
        return self.figures.get(f"membership_tpr_at_1pct_fpr_chance_{level}")

    def reached(self, level: str) -> Measure | None:
        """Return the false-positive rate at which the attack behind `rate` arrived on the target's non-members."""
        return self.figures.get(f"membership_fpr_reached_at_1pct_{level}")

    @property
    def flip(self) -> Measure | None:
        """The share of right predictions that the strongest evasion attack overturns at the reference budget."""
        return self.figures.get("evasion_flip_rate")

    @property
    def class_flips(self) -> Figures:
        """What the attack behind `flip` overturns of each class, by the class's name."""
        return {
            name.removeprefix(CLASS_FLIP): item for name, item in self.figures.items() if name.startswith(CLASS_FLIP)
        }

    @property
    def failed(self) -> tuple[str, ...] | None:
        """The checks of gradient masking that failed; None if none was made: the flip rate may then be too low."""
        return failed_checks(self.result)

    @property
    def claimed(self) -> Measure | None:
        """The accountant's epsilon of a bank with a guarantee."""
        return self.figures.get("epsilon_accountant")

    @property
    def audited(self) -> Measure | None:
        """How large epsilon is at least, by the audit of the same bank."""
        return self.figures.get("epsilon_lower")

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


def choose_headlines(results: Results) -> list[Headline]:
    """Return every bank's headline figures, in the order of the comparison."""
    return [choose_headline(results.cohorts[result.dataset], result) for result in results.banks]


def choose_headline(cohort: Cohort, result: Result) -> Headline:
    """Return one model's headline figures."""
    chosen = (pair for choose in CHOICES for pair in choose(cohort, result).items())
    return Headline(result, {name: measure for name, measure in chosen if measure is not None}, cohort.leaking)


def strongest(measures: Sequence[Measure]) -> Measure | None:
    """Return the highest figure; if none can be resolved, one without value; None if there is none at all."""
    return highest(measures) or (replace(measures[0], attack="") if measures else None)


# --- what is chosen -------------------------------------------------------------------------------------------------

Chosen = dict[str, Measure | None]


def _usefulness(cohort: Cohort, result: Result) -> Chosen:
    """Return utility (the first figure of the kind's that was measured), the gap to training patients, two of skill."""
    figures = KINDS[spec_of(result.treatment).kind].figures
    names = [one.measure for one in figures if cohort.two_classes or not one.two_classes]
    return {
        "utility": next(filter(None, map(result.utility.find, names)), None),
        "generalisation_gap": result.utility.find("generalisation_gap"),
        "auroc": result.utility.find("auroc"),
        "accuracy_over_majority": result.utility.find("accuracy_over_majority"),
    }


def _leaks(cohort: Cohort, result: Result) -> Chosen:
    found: Chosen = {}
    for level in LEVELS:
        attacks, group = result.attacks, {"level": level}
        best = BEST_CHOSEN.get(kind_of_bank(result.treatment).membership, BEST)
        tried, rate = membership(result, "auc", level), strongest(membership(result, f"tpr_at_fpr_{RATE}", level))
        found |= {
            f"membership_auc_{level}": strongest(tried),
            f"membership_auc_chance_{level}": attacks.find("auc_chance", group, best),
            f"membership_attacks_{level}": _number_of(tried),
            f"membership_tpr_at_1pct_fpr_{level}": rate,
            f"membership_tpr_at_1pct_fpr_chance_{level}": attacks.find(f"tpr_at_fpr_{RATE}_chance", group, best),
            f"membership_fpr_reached_at_1pct_{level}": attacks.find(
                f"fpr_reached_{RATE}", group, rate.attack if rate else ""
            ),
        }
    return found


def membership(result: Result, measure: str, level: str) -> list[Measure]:
    """Return what attacks on the model itself reach, which all banks meet; what a server sees is another question.

    Where the strongest attack was chosen on other replicates, that one alone.
    """
    if best := BEST_CHOSEN.get(kind_of_bank(result.treatment).membership):
        return [item for item in result.attacks.select(measure, {"level": level}, best) if item.attack == best]
    found = result.attacks.select(measure, {"level": level}, "membership-")
    return [item for item in found if item.attack != SERVER_VIEW]


def _number_of(attacks: Sequence[Measure]) -> Measure | None:
    """Return how many attacks have a value, as a figure; None for none."""
    valued = list(filter(resolved, attacks))
    if not valued:
        return None
    count = len(valued)
    return replace(valued[0], attack="", measure="attacks", value=float(count), lower=NAN, upper=NAN, n=count)


def _flips(cohort: Cohort, result: Result) -> Chosen:
    flip = strongest_flip(result, reference_budget(result), cohort.two_classes)
    failed = failed_checks(result)
    classes = {f"{CLASS_FLIP}{label}": item for label, item in by_class(result, flip).items()}
    return {"evasion_flip_rate": flip} | classes | {"masking_checks_failed": _number_failed(flip, failed)}


def strongest_flip(result: Result, budget: str, two_classes: bool) -> Measure | None:
    """Return the flip rate of the strongest attack on the model itself at a budget, of those on the same records.

    FGSM attacks other records than the rest, so it speaks only where there is no other attack; whether one step is
    stronger on the same records is a check of gradient masking. Of two classes, the other one is what every attack aims
    at, so targeted ones count as well.
    """
    found = [item for item in result.attacks.select("flip_rate", {"budget": budget}) if direct(item, two_classes)]
    return strongest([item for item in found if item.attack != ONE_STEP] or found)


def by_class(result: Result, flip: Measure | None) -> Figures:
    """Return what the same attack overturns of each class at the same budget, by the class's name.

    Args:
        flip: the rate over all classes, as `strongest_flip` returns it.
    """
    if flip is None:
        return {}
    rates = result.attacks.holding("flip_rate", parse_group(flip.group), flip.attack)
    groups = [(parse_group(item.group), item) for item in rates if item.attack == flip.attack]
    return {group["class"]: item for group, item in groups if group.keys() == {"budget", "class"}}


def worst_class(classes: Mapping[str, Measure]) -> tuple[str, Measure] | None:
    """Return the class with the highest rate and that rate, of the classes with people enough; None without any."""
    sure = [(label, item) for label, item in classes.items() if enough(item)]
    return max(sure, key=lambda pair: pair[1].value, default=None)


def direct(item: Measure, two_classes: bool) -> bool:
    """Tell an attack on the model itself that wants any wrong class from noise, transfer, targets and recombination."""
    attack = item.attack.removeprefix("evasion-")
    others = ("-transfer",) if two_classes else ("-transfer", "-targeted")
    return attack != item.attack and attack not in ("noise", "none") and not attack.endswith(others)


def failed_checks(result: Result) -> tuple[str, ...] | None:
    """Return the checks of gradient masking that failed; None if none was made."""
    checks = [item for item in result.attacks if item.measure.startswith("masking_") and not item.group]
    return tuple(item.measure for item in checks if item.value == 0) if checks else None


def _number_failed(flip: Measure | None, failed: Sequence[str] | None) -> Measure | None:
    """Return how many checks of gradient masking failed, as a figure; None if none was made."""
    if failed is None or flip is None:
        return None
    count = sum(name != ANY_CHECK for name in failed) or len(failed)
    return replace(flip, attack="", measure="checks_failed", value=float(count), lower=NAN, upper=NAN, group="")


def budgets(result: Result) -> list[str]:
    """Return the evasion budgets that were tried, smallest first, as the table writes them."""
    found = {parse_group(item.group).get("budget") for item in result.attacks.holding("flip_rate")}
    return sorted((text for text in found if text is not None), key=float)


def reference_budget(result: Result) -> str:
    """Return the budget at which flip rates are compared, as the table writes it; empty without evasion.

    It is the audit's `reference_epsilon`, the same for all models of a dataset, at which more steps are tried; without
    that check, the middle budget of the grid.
    """
    measured = (parse_group(item.group) for item in result.attacks.holding("masking_steps_figure"))
    return next((group["budget"] for group in measured if "budget" in group), middle_budget(result))


def middle_budget(result: Result) -> str:
    """Return the middle budget of the grid (the lower of two); empty if no evasion was tried."""
    grid = budgets(result)
    return grid[(len(grid) - 1) // 2] if grid else ""


def _epsilons(cohort: Cohort, result: Result) -> Chosen:
    return {"epsilon_accountant": claimed_epsilon(result), "epsilon_lower": audited_epsilon(result)}


def claimed_epsilon(result: Result) -> Measure | None:
    """Return what the accountant says; n counts the patients of a replicate, or the clients if these are the unit."""
    if stated := result.attacks.holding("epsilon_accountant"):
        return stated[0]
    privacy = result.metadata.get("privacy")
    if not privacy:
        return None
    units = privacy.get("patients") or len(result.metadata.get("federation", {}).get("clients", ()))
    about = (result.dataset, result.treatment, "accountant", "epsilon_accountant")
    return Measure(*about, privacy["epsilon"], n=units, group=f"delta={privacy['delta']:g}")


def audited_epsilon(result: Result) -> Measure | None:
    """Return the first of `AUDITED` that was measured, over all audited trainings; None if there is none.

    The order is fixed beforehand: the largest of several lower bounds would exceed the truth more often than stated.
    """
    bounds = {}
    stated = result.attacks.holding("epsilon_lower")
    for item in filter(resolved, (item for item in stated if item.attack in AUDITS)):
        group = parse_group(item.group)
        bounds[group["canary"], group["bound"]] = item
    return next((bounds[name] for name in AUDITED if name in bounds), None)


CHOICES: tuple[Callable[[Cohort, Result], Chosen], ...] = (_usefulness, _leaks, _flips, _epsilons)


# --- what may be said of a leak -------------------------------------------------------------------------------------


def shown(headline: Headline, level: str) -> bool:
    """Tell whether a model was shown to give away who it was trained on.

    Both must hold: the strongest attack's interval lies above guessing, and its AUC above the upper limit of what the
    best of as many attacks reaches where nothing leaks, since the best of several is above 0.5 by luck alone.
    """
    return _beyond(headline.leak(level), headline.chance(level), 0.5)


def verdict(headline: Headline, level: str) -> str:
    """Return what may be said of a model's leak: `shown`, `not shown`, `too few` or `no skill`; empty: not attacked."""
    leak = headline.leak(level)
    if not resolved(leak):
        return ""
    if not headline.skilled:
        return NO_SKILL
    if not enough(leak):
        return TOO_FEW
    return "shown" if shown(headline, level) else "not shown"


def named(headline: Headline, level: str) -> bool:
    """Tell whether some members were shown to be named at a false-positive rate of 1 %, by the same rule."""
    return _beyond(headline.rate(level), headline.rate_chance(level), float(RATE))


def _beyond(leak: Measure | None, chance: Measure | None, guessing: float) -> bool:
    return enough(leak) and chance is not None and leak.lower > guessing and leak.value > chance.upper


def leak_level(headline: Headline) -> str:
    """Return the level at which a model's leakage is stated: patients, else records; empty if none has a value."""
    return next((level for level in LEVELS if resolved(headline.leak(level))), "")


def strongest_leak(headline: Headline) -> Measure | None:
    """Return the strongest membership attack on patients, else on records; None if none has a value."""
    return headline.leak(leak_level(headline))


def chance_of(headline: Headline) -> Measure | None:
    """Return what the strongest of as many attacks reaches where nothing leaks, at the level of `strongest_leak`."""
    return headline.chance(leak_level(headline))


def leak_shown(headline: Headline) -> bool:
    """Tell whether `strongest_leak` is a leak: above guessing, and above what as many attacks reach by chance."""
    return bool(level := leak_level(headline)) and shown(headline, level)
