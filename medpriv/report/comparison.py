"""The comparison: which figures stand for a model, and the two files that hold just those.

Membership leakage is stated for the strongest attack tried, per measure and level. That is the honest choice for a
defender, and slightly optimistic for the attacker, since the best of several noisy figures is taken; the page says so.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from medpriv.files import write_csv, write_json
from medpriv.measures.table import Measure
from medpriv.report.inputs import Cohort, Result

LEVELS = ("patient", "record")
RATE = "0.01"
COLUMNS = ("dataset", "treatment", "headline", "measure", "attack", "group", "value", "lower", "upper", "n")


@dataclass(frozen=True)
class Headline:
    """The figures of one row of the comparison table; None where the figure was not measured.

    Attributes:
        utility: macro-F1, or AUROC of a two-class dataset, on patients that no replicate saw.
        gap: accuracy on training patients minus accuracy on unseen ones.
        auc, tpr: by level, the strongest membership attack's AUC and its TPR at 1 % FPR (NaN: unresolvable).
        flip: share of correct predictions that evasion overturns at the middle budget of its grid.
    """

    result: Result
    utility: Measure | None
    gap: Measure | None
    auc: dict[str, Measure | None]
    tpr: dict[str, Measure | None]
    flip: Measure | None

    def figures(self) -> dict[str, Measure]:
        """Return the figures that exist, by the name they have in `comparison.csv` and `metrics.json`."""
        named = {"utility": self.utility, "generalisation_gap": self.gap}
        named |= {f"membership_auc_{level}": self.auc[level] for level in LEVELS}
        named |= {f"membership_tpr_at_1pct_fpr_{level}": self.tpr[level] for level in LEVELS}
        named |= {"evasion_flip_rate": self.flip}
        return {name: measure for name, measure in named.items() if measure is not None}


def parse_group(group: str) -> dict[str, str]:
    """Return a group's `key=value` pairs."""
    return dict(pair.partition("=")[::2] for pair in group.split(",") if pair)


def select(
    measures: Iterable[Measure], measure: str, group: dict[str, str] | None = None, attack: str = ""
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
        flip=strongest(select(result.attacks, "flip_rate", {"epsilon_mv": budget}, "evasion-")),
    )


def budgets(result: Result) -> list[str]:
    """Return the evasion budgets that were tried, in millivolts, smallest first, as the table writes them."""
    found = {parse_group(item.group).get("epsilon_mv") for item in result.attacks if item.measure == "flip_rate"}
    return sorted((text for text in found if text is not None), key=float)


def middle_budget(result: Result) -> str:
    """Return the middle budget of the grid (the lower of two); empty if no evasion was tried."""
    grid = budgets(result)
    return grid[(len(grid) - 1) // 2] if grid else ""


def write_comparison(path: Path, headlines: Sequence[Headline]) -> None:
    """Write the tidy comparison: one row a model and headline figure; costs only where no machine matters."""
    rows: list[dict[str, object]] = []
    for headline in headlines:
        result = headline.result
        rows += [{"headline": name, **asdict(measure)} for name, measure in headline.figures().items()]
        costs = {"replicates": result.replicates, **result.costs}
        for name, value in sorted(costs.items()):
            cost = Measure(result.dataset, result.treatment, "", name, value, n=result.replicates)
            rows.append({"headline": "cost", **asdict(cost)})
    write_csv(path, COLUMNS, rows)


def write_metrics(path: Path, headlines: Sequence[Headline]) -> None:
    """Write the headline figures nested by dataset and treatment, for `dvc metrics`; unresolvable ones are left out."""
    content: dict[str, dict[str, dict[str, float]]] = {}
    for headline in headlines:
        figures = {
            name: float(f"{measure.value:.6g}")
            for name, measure in headline.figures().items()
            if not math.isnan(measure.value)
        }
        content.setdefault(headline.result.dataset, {})[headline.result.treatment] = figures
    write_json(path, content)


def _strongest_membership(result: Result, measure: str, level: str) -> Measure | None:
    return strongest(select(result.attacks, measure, {"level": level}, "membership-"))
