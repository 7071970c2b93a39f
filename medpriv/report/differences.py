"""Two models side by side: which may be compared, and which of them is higher as far as the intervals tell."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from medpriv.catalogue.treatments import KINDS
from medpriv.measures.intervals import student_interval
from medpriv.measures.table import Measure
from medpriv.report.comparison import Headline
from medpriv.report.enough import enough, people
from medpriv.report.results import Result

BETTER = {figure.measure: figure.better for kind in KINDS.values() for figure in kind.figures}


def oriented(measure: Measure) -> Measure:
    """Return a figure turned so that higher is better: negated where lower is."""
    if BETTER.get(measure.measure.removesuffix("_difference"), "higher") == "higher":
        return measure
    return replace(measure, value=-measure.value, lower=-measure.upper, upper=-measure.lower)


def paired_difference(result: Result, base: Result, measure: str) -> Measure | None:
    """Return utility minus the base's, paired by replicate, which two banks train on the same half of the patients.

    Against the baseline of its own network the utility stage has drawn test patients and replicates together. Against
    others the interval is Student's over the replicates that both have (n): it speaks of other trainings, on other
    halves, judged on the same test patients. None with fewer than two.
    """
    if drawn := result.utility.find(f"{measure}_difference", {"reference": base.treatment}):
        return drawn
    own, other = (bank.utility.by_replicate(measure) for bank in (result, base))
    gaps = [own[name] - other[name] for name in own if name in other and not math.isnan(own[name] - other[name])]
    n = len(gaps)
    if n < 2:
        return None
    whole = result.utility.find(measure)
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


def as_useful(gap: Measure | None) -> str:
    """Return `less` useful, `more`, `open` or `few`, of a difference of utility; `` without one."""
    return against_nothing(gap and oriented(gap))


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


def without_skill(headlines: Sequence[Headline]) -> list[str]:
    """Return the treatments without skill, of which nothing is concluded."""
    return list(dict.fromkeys(item.result.treatment for item in headlines if not item.skilled))


def by_dataset(headlines: Sequence[Headline]) -> dict[str, list[Headline]]:
    """Return the models of each dataset, in their order."""
    groups: dict[str, list[Headline]] = {}
    for headline in headlines:
        groups.setdefault(headline.result.dataset, []).append(headline)
    return groups
