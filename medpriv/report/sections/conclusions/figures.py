"""What may not be concluded from a run: what holds of every one, and what applies to this one alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from medpriv.report.comparison import LEVELS, ONE_STEP, Headline
from medpriv.report.results import Results
from medpriv.report.section import Section


@dataclass(frozen=True)
class Conclusions:
    """What limits apply.

    Attributes:
        simulated: datasets of made-up patients.
        luck: the least and the largest AUC that the best of several attacks reaches by luck; empty if not measured.
        evaded: evasion was tried.
        one_step: by one gradient step alone.
        unlearned: something was to be forgotten.
    """

    simulated: tuple[str, ...]
    luck: tuple[float, ...]
    evaded: bool
    one_step: bool
    unlearned: bool


def collect(results: Results, headlines: Sequence[Headline]) -> Conclusions:
    """Return which limits apply to this run."""
    chances = [chance.upper for item in headlines for level in LEVELS if (chance := item.chance(level))]
    attacks = {item.flip.attack for item in headlines if item.flip}
    return Conclusions(
        tuple(cohort.name for cohort in results.cohorts.values() if cohort.simulated),
        (min(chances), max(chances)) if chances else (),
        bool(attacks),
        attacks <= {ONE_STEP, ""},
        bool(results.audits_of("unlearning")),
    )


SECTION = Section(
    "conclusions", "conclusions", "What may, and what may not, be concluded", "What may be concluded", collect
)
