"""Which figures rest on enough patients to be drawn, compared or judged: `medpriv.measures.intervals.LEAST` or more."""

from collections.abc import Iterable

from medpriv.measures.intervals import LEAST
from medpriv.measures.table import Measure
from medpriv.report.formatting import plural, span
from medpriv.report.results import resolved

TOO_FEW = "too few"  # what stands in place of a verdict
NO_SKILL = "no skill"  # the same, of a model that beats neither chance nor the commonest class


def people(measure: Measure) -> int:
    """Return how many patients a figure rests on; its n where it doesn't rest on people."""
    return measure.patients or measure.n


def enough(measure: Measure | None) -> bool:
    """Tell a figure that has a value and rests on enough patients."""
    return resolved(measure) and people(measure) >= LEAST


def of_patients(measures: Iterable[Measure]) -> str:
    """Return, for a note that states another n, of how many patients figures are; empty where none says so."""
    counts = [measure.patients for measure in measures if measure.patients]
    return f" of {span(counts)} patients" if counts else ""


def left_out(count: int, noun: str) -> str:
    """Return what a panel's note adds about what is not drawn; empty where everything is."""
    if not count:
        return ""
    return f"; {plural(count, noun)} on fewer than {LEAST} patients {'is' if count == 1 else 'are'} not drawn"
