"""A last look at every figure of a run, for those that can't be right whatever was measured.

A figure can't be right if it or a limit is infinite, or no number; if it has a value with nothing counted behind it
(n = 0), or limits and no value; if it lies outside its limits, or they are the wrong way round; if it is a share, an
AUC or another figure between 0 and 1, and is not; if it is a verdict, and its number is none. The report is not written
before all are mended: a page with one such figure lends its looks to it.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from medpriv.errors import InputError
from medpriv.files import read_csv
from medpriv.measures.verdicts import CODES

SHOWN = 5  # faults that are named; of the others only the number is
ROUNDING = 1e-6  # of 32-bit numbers and of sums of shares
DIGIT = 1e-5  # of the value: six digits are written, so the last one may differ
SHARES = frozenset(  # in the order of the stages that measure them
    """
        auc auroc auprc accuracy balanced_accuracy macro_f1 sensitivity specificity ppv ece flip_rate targeted_success
        success detector_auc still_misclassified unchanged_share kept_share unmoved_share energy_above_40hz
        signal_energy_above_40hz certified_against_budget masking match rows recovered recovered_mode chance
        distance_correlation distance_correlation_shuffled isolated isolated_blindly joined unique under_5
        persons_alone disclosed prosecutor_max marketer journalist_max journalist_mean t_max t_mean linked by_chance
        same_person same_person_by_chance right right_from_others excess violations certified_share
        copy_share copy_share_others copy_share_outsiders copied_patients copied_patients_others planted_found
        filter_missed filter_dropped exact_match token_f1 extracted extracted_nearly extracted_members extracted_others
    """.split()  # noqa: SIM905
)
VERDICTS = re.compile(r"forgotten|over_forgotten|usable|verdict_.*")  # numbers of `medpriv.measures.verdicts`
# What is named after a share is one (`accuracy_under_attack`, `test_accuracy`), but for differences of two.
NAMED_AFTER = re.compile(
    r"(accuracy|auc|auroc|auprc|tpr_at_fpr|fpr_reached|flip_rate|top|certified_accuracy|masking)_.*|.*_(accuracy|macro_f1)"
)
DIFFERENCE = re.compile(r".*_(difference|gain|gap|change|advantage|over_.*)")


@dataclass(frozen=True)
class Fault:
    """A figure that can't be right.

    Attributes:
        path, line: where it stands; the header is line 1.
        figure: whose it is: dataset, treatment, attack, measure, group, replicate.
        stated: value, limits and n as written.
        kind: what is wrong with it.
    """

    path: Path
    line: int
    figure: str
    stated: str
    kind: str

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}: {self.told}"

    @property
    def told(self) -> str:
        """Return the figure and its fault."""
        return f"{self.figure} = {self.stated}: {self.kind}"


def check_figures(paths: Iterable[Path]) -> None:
    """Look at every row of some tables of measures.

    Args:
        paths: CSV files with the columns of `medpriv.measures.table`, `group` and `replicate` if they have them.

    Raises:
        InputError: some figures can't be right; it names the first ones, one of each kind before others, and says how
            many there are.
    """
    faults = [fault for path in paths for fault in faults_of(path)]
    if not faults:
        return
    counts: Counter[str] = Counter()
    ranked = []
    for place, fault in enumerate(faults):
        ranked.append((counts[fault.kind], place))
        counts[fault.kind] += 1
    first, *others = (faults[place] for _, place in sorted(ranked)[:SHOWN])
    kinds = ", ".join(f"{kind}: {count}" for kind, count in counts.items())
    named = f", the next {'; '.join(map(str, others))}" if others else ""
    raise InputError(
        f"{first.told}. Figures that can't be right: {len(faults)} ({kinds}){named}",
        file=first.path,
        place=f"line {first.line}",
        remedy="delete the files named and run again; if the figures come again, the code that measures them is wrong: "
        "report it with this message",
    )


def faults_of(path: Path) -> Iterator[Fault]:
    """Yield the faults of one table, at most one a row."""
    for line, row in enumerate(read_csv(path), start=2):
        if kind := fault_of(row):
            names = ("dataset", "treatment", "attack", "measure", "group", "replicate")
            figure = " ".join(filter(None, (row.get(name) for name in names)))
            stated = f"{row['value'] or 'empty'} [{row['lower']}, {row['upper']}], n = {row['n']}"
            yield Fault(path, line, figure, stated, kind)


def fault_of(row: Mapping[str, str]) -> str:
    """Return what is wrong with a row of measures, as written; empty if nothing is."""
    try:
        value, lower, upper = (float(row[name] or "nan") for name in ("value", "lower", "upper"))
        n = int(row["n"])
    except ValueError:
        return "text for a number"
    slack = max(ROUNDING, DIGIT * abs(value))
    if any(math.isinf(number) for number in (value, lower, upper)):
        return "an infinite figure"
    if math.isnan(value):
        return "" if math.isnan(lower) and math.isnan(upper) else "limits without a value"
    if n <= 0:
        return "a value with nothing counted behind it"
    if lower > upper:
        return "a lower limit above the upper one"
    if lower > value + slack or upper < value - slack:
        return "a value outside its limits"
    if VERDICTS.fullmatch(row["measure"]) and value not in CODES:
        return "a number that is no verdict"
    if is_share(row["measure"]) and not -ROUNDING <= value <= 1 + ROUNDING:
        return "a share outside 0 to 1"
    return ""


def is_share(measure: str) -> bool:
    """Tell figures that lie between 0 and 1 by their names."""
    if DIFFERENCE.fullmatch(measure):
        return False
    return measure in SHARES or NAMED_AFTER.fullmatch(measure) is not None
