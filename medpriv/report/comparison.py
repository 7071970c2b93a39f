"""The comparison: which figures stand for a model, and the two files that hold just those.

Membership leakage is stated for the strongest attack tried, per measure and level. That is the honest choice for a
defender, and slightly optimistic for the attacker, since the best of several noisy figures is taken; the page says so.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

from medpriv.files import write_csv, write_json
from medpriv.measures.table import Measure
from medpriv.report.inputs import Audit, Cohort, Result

LEVELS = ("patient", "record")
RATE = "0.01"
SERVER_VIEW = "membership-updates"
AUDITED = (  # (canary, what the bound assumes), see `medpriv.attacks.epsilon`
    ("gradient", "independent-gaussian"),
    ("gradient", "one-run-gaussian"),
    ("gradient", "one-run"),
    ("record", "one-run-gaussian"),
    ("record", "one-run"),
)
COLUMNS = ("dataset", "treatment", "headline", "measure", "attack", "group", "value", "lower", "upper", "n")


@dataclass(frozen=True)
class Headline:
    """The figures of one row of the comparison table; None where the figure was not measured.

    Attributes:
        utility: macro-F1, or AUROC of a two-class dataset, on patients that no replicate saw.
        gap: accuracy on training patients minus accuracy on unseen ones.
        auc, tpr: by level, the strongest membership attack's AUC and its TPR at 1 % FPR (NaN: unresolvable).
        flip: share of correct predictions that the strongest evasion attack overturns at the middle budget of the grid.
        failed: checks of gradient masking that failed; None if there were none: the flip rate may then be too low.
        claimed: the accountant's epsilon of a bank with a guarantee.
        audited: how large epsilon is at least, by the audit of the same bank.
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

    def figures(self) -> dict[str, Measure]:
        """Return the figures that exist, by the name they have in `comparison.csv` and `metrics.json`."""
        named = {"utility": self.utility, "generalisation_gap": self.gap}
        named |= {f"membership_auc_{level}": self.auc[level] for level in LEVELS}
        named |= {f"membership_tpr_at_1pct_fpr_{level}": self.tpr[level] for level in LEVELS}
        named |= {"evasion_flip_rate": self.flip}
        named |= {"epsilon_accountant": self.claimed, "epsilon_lower": self.audited}
        return {name: measure for name, measure in named.items() if measure is not None}


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
    utility = select(result.utility, name) or select(result.utility, "accuracy")
    gap = select(result.utility, "generalisation_gap")
    budget = middle_budget(result)
    return Headline(
        result=result,
        utility=utility[0] if utility else None,
        gap=gap[0] if gap else None,
        auc={level: _strongest_membership(result, "auc", level) for level in LEVELS},
        tpr={level: _strongest_membership(result, f"tpr_at_fpr_{RATE}", level) for level in LEVELS},
        flip=strongest_flip(result, budget),
        failed=failed_checks(result),
        claimed=claimed_epsilon(result),
        audited=audited_epsilon(result),
    )


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
    from scipy.special import stdtrit

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
    mean = sum(gaps) / n
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / (n - 1))
    reach = float(stdtrit(n - 1, 0.975)) * deviation / math.sqrt(n)
    return Measure(result.dataset, result.treatment, "", f"{measure}_difference", mean, mean - reach, mean + reach, n)


def against_nothing(gap: Measure | None) -> str:
    """Return `less`, `more` or `open`: on which side of 0 an interval lies; `` without one."""
    if gap is None or math.isnan(gap.lower):
        return ""
    return "less" if gap.upper < 0 else "more" if gap.lower > 0 else "open"


def strongest_flip(result: Result, budget: str) -> Measure | None:
    """Return the flip rate of the strongest attack on the model itself at a budget."""
    return strongest([item for item in select(result.attacks, "flip_rate", {"epsilon_mv": budget}) if direct(item)])


def direct(item: Measure) -> bool:
    """Tell an untargeted attack on the model itself from random noise, transfer, targets and recombination."""
    attack = item.attack.removeprefix("evasion-")
    return attack != item.attack and attack not in ("noise", "none") and not attack.endswith(("-transfer", "-targeted"))


def failed_checks(result: Result) -> tuple[str, ...] | None:
    """Return the checks of gradient masking that failed; None if none was made."""
    checks = [item for item in result.attacks if item.measure.startswith("masking_") and not item.group]
    return tuple(item.measure for item in checks if item.value == 0) if checks else None


def reference_budget(result: Result) -> str:
    """Return the budget at which attacks were looked at closely, as the table writes it; else the middle one."""
    measured = (parse_group(item.group) for item in result.attacks if item.measure == "mean_d1_uv")
    return next((group["epsilon_mv"] for group in measured if "epsilon_mv" in group), middle_budget(result))


def defended(headline: Headline) -> bool:
    """Tell a bank trained to resist changes of the signal."""
    return headline.result.treatment.startswith("robust-")


def undefended(headline: Headline, headlines: Sequence[Headline]) -> Headline | None:
    """Return the bank of the same network, on the same dataset, without a defence."""
    about = (headline.result.dataset, headline.result.model)
    same = (item for item in headlines if (item.result.dataset, item.result.model) == about)
    return next((item for item in same if item.result.treatment.startswith("baseline-")), None)


def against(own: Measure | None, other: Measure | None) -> str:
    """Return `less`, `more` or `open` (intervals overlap), `` where a figure or an interval is missing."""
    if own is None or other is None:
        return ""
    if own.upper < other.lower:
        return "less"
    if own.lower > other.upper:
        return "more"
    return "open" if own.lower <= other.upper and own.upper >= other.lower else ""


def budgets(result: Result) -> list[str]:
    """Return the evasion budgets that were tried, in millivolts, smallest first, as the table writes them."""
    found = {parse_group(item.group).get("epsilon_mv") for item in result.attacks if item.measure == "flip_rate"}
    return sorted((text for text in found if text is not None), key=float)


def middle_budget(result: Result) -> str:
    """Return the middle budget of the grid (the lower of two); empty if no evasion was tried."""
    grid = budgets(result)
    return grid[(len(grid) - 1) // 2] if grid else ""


PERSONAL = {
    "gain_accuracy": ("accuracy_gain", "", {"records": "later"}),
    "gain_macro_f1": ("macro_f1_gain", "", {"records": "later"}),
    "strangers_auroc_change": ("auroc_gain", "", {"records": "strangers"}),
    "beats_auc": ("auc", "personal-membership-lira-difference", {"level": "beat"}),
    "patient_top_1": ("top_1", "personal-identification-difference", {"level": "patient", "records": "later"}),
    "h1_fgsm": ("hypothesis_h1", "personal-fgsm", {"right": "both"}),
    "h3": ("hypothesis_h3", "", {}),
}
FORGETTING = {
    "ulira_auc": ("auc", "forgetting-ulira", {"level": "patient", "reference": "retrain"}),
    "forgetting_score": ("score", "forgetting-quality", {}),
    "test_gap": ("test_accuracy_gap", "forgetting-gap", {}),
    "forgotten_gap": ("forgotten_accuracy_gap", "forgetting-gap", {}),
    "retained_auc": ("auc", "forgetting-retained", {"level": "patient"}),
    "passes_share": ("passes_share", "forgetting-cost", {}),
    "forgotten": ("forgotten", "forgetting-verdict", {}),
    "usable": ("usable", "forgetting-verdict", {}),
}


def audit_figures(audit: Audit) -> list[tuple[str, Measure]]:
    """Return the headline figures of an audit's treatments, each with its name in both files."""
    wanted, request = (PERSONAL, {}) if audit.family == "personal" else (FORGETTING, {"request": request_of(audit)})
    found = []
    for treatment in dict.fromkeys(item.treatment for item in audit.measures):
        own = [item for item in audit.measures if item.treatment == treatment]
        for name, (measure, attack, group) in wanted.items():
            if item := find(own, measure, {**request, **group}, attack):
                found.append((name, item))
    return found


def request_of(audit: Audit) -> str:
    """Return the request that an audit of unlearning is of."""
    return "personal" if audit.subject.endswith("-personal") else "population"


def write_comparison(path: Path, headlines: Sequence[Headline], audits: Sequence[Audit]) -> None:
    """Write the tidy comparison: one row a model and headline figure; costs only where no machine matters."""
    rows: list[dict[str, object]] = []
    for headline in headlines:
        result = headline.result
        rows += [{"headline": name, **asdict(measure)} for name, measure in headline.figures().items()]
        costs = {"replicates": result.replicates, **result.costs}
        for name, value in sorted(costs.items()):
            cost = Measure(result.dataset, result.treatment, "", name, value, n=result.replicates)
            rows.append({"headline": "cost", **asdict(cost)})
    for audit in audits:
        rows += [{"headline": name, **asdict(measure)} for name, measure in audit_figures(audit)]
    write_csv(path, COLUMNS, rows)


def write_metrics(path: Path, headlines: Sequence[Headline], audits: Sequence[Audit]) -> None:
    """Write the headline figures nested by dataset and treatment, for `dvc metrics`; unresolvable ones are left out."""
    content: dict[str, dict[str, dict[str, float]]] = {}
    for headline in headlines:
        own = content.setdefault(headline.result.dataset, {}).setdefault(headline.result.treatment, {})
        own |= _resolved(headline.figures().items())
    for audit in audits:
        for name, measure in audit_figures(audit):
            own = content.setdefault(audit.dataset, {}).setdefault(measure.treatment, {})
            own |= _resolved([(name, measure)])
    write_json(path, content)


def _resolved(figures: Iterable[tuple[str, Measure]]) -> dict[str, float]:
    return {name: float(f"{measure.value:.6g}") for name, measure in figures if not math.isnan(measure.value)}


def _strongest_membership(result: Result, measure: str, level: str) -> Measure | None:
    """Return the strongest attack on the model itself, which all banks meet; what a server sees is another question."""
    found = select(result.attacks, measure, {"level": level}, "membership-")
    return strongest([item for item in found if item.attack != SERVER_VIEW])
