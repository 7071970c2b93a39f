"""Which figures rest on enough patients to be drawn, compared or judged: `medpriv.measures.intervals.LEAST` or more."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from medpriv.measures.intervals import LEAST
from medpriv.measures.table import Measure
from medpriv.report import words

if TYPE_CHECKING:
    from medpriv.report.comparison import Headline

TOO_FEW = "too few"  # what stands in place of a verdict
NO_SKILL = "no skill"  # the same, of a model that beats neither chance nor the commonest class


def people(measure: Measure) -> int:
    """Return how many patients a figure rests on; its n where it doesn't rest on people."""
    return measure.patients or measure.n


def enough(measure: Measure | None) -> bool:
    """Tell a figure that has a value and rests on enough patients."""
    return measure is not None and not math.isnan(measure.value) and people(measure) >= LEAST


def of_patients(measures: Iterable[Measure]) -> str:
    """Return, for a note that states another n, of how many patients figures are; empty where none says so."""
    counts = [measure.patients for measure in measures if measure.patients]
    return f" of {words.span(counts)} patients" if counts else ""


def left_out(count: int, noun: str) -> str:
    """Return what a panel's note adds about what is not drawn; empty where everything is."""
    if not count:
        return ""
    return f"; {words.plural(count, noun)} on fewer than {LEAST} patients {'is' if count == 1 else 'are'} not drawn"


def no_panel(names: Iterable[str]) -> str:
    """Return what a figure's caption adds about panels of which nothing is left to draw; empty where there are none."""
    listed = ", ".join(dict.fromkeys(names))
    return f" Nothing is drawn, all of it resting on fewer than {LEAST} patients, of {listed}." if listed else ""


def without_skill(headlines: Iterable["Headline"]) -> str:
    """Return what a sentence adds about models without skill; empty where there are none."""
    names = list(dict.fromkeys(item.result.treatment for item in headlines if not item.skilled))
    if not names:
        return ""
    beats, them = ("beats", "it") if len(names) == 1 else ("beat", "them")
    return f"; {', '.join(names)} {beats} neither chance nor the commonest class: nothing is concluded from {them}"
