"""Numbers as text: figures, shares, intervals, counts, bytes."""

import math
from collections.abc import Sequence

from medpriv.measures.table import Measure

MISSING = "–"
UNRESOLVABLE = "not resolvable"
MISSED = "rate missed"  # thresholds of other models let through far more than the false-positive rate that was asked


def number(value: float | None, places: int = 3) -> str:
    """Return a figure with a fixed number of decimals and a true minus sign."""
    if value is None or math.isnan(value):
        return MISSING
    text = f"{value:.{places}f}"
    return text.replace("-", "−") if float(text) else text.replace("-", "")


def signed(value: float) -> str:
    """Return a figure with its sign."""
    text = number(value)
    return f"+{text}" if value > 0 else text


def percent(value: float | None, places: int = 1) -> str:
    """Return a share as a percentage."""
    if value is None or math.isnan(value):
        return MISSING
    return number(100 * value, places) + "\u00a0%"


def interval(measure: Measure | None, *, share: bool = False, places: int = 3) -> str:
    """Return a 95 % interval; empty where none was computed."""
    if measure is None or math.isnan(measure.lower) or math.isnan(measure.upper):
        return ""
    low, high = (number(100 * end, 1) if share else number(end, places) for end in (measure.lower, measure.upper))
    return f"{low} to {high}"


def integer(value: float) -> str:
    """Return a count with thin spaces between thousands."""
    return f"{round(value):,}".replace(",", "\u202f")


def scientific(value: float) -> str:
    """Return a large machine-independent cost in three significant digits and a unit prefix."""
    for size, prefix in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{prefix}"
    return f"{value:.3g} "


def size(count: float) -> str:
    """Return a number of bytes in three significant digits and a unit."""
    return f"{scientific(count).strip()}B" if count >= 1000 else f"{round(count)}\u00a0B"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{integer(count)} {noun}{'' if count == 1 else 's'}"


def span(counts: Sequence[int]) -> str:
    """Return the lowest and the highest of some counts."""
    low, high = integer(min(counts)), integer(max(counts))
    return low if low == high else f"{low} to {high}"


def microvolts(millivolts: float | str) -> str:
    """Return a size given in millivolts in microvolts."""
    return f"{float(millivolts) * 1000:g}\u00a0µV"


def change(size: float | str, images: bool) -> str:
    """Return the size of a change, as tables have it: of a signal in microvolts, of an image in grey levels."""
    if not images:
        return microvolts(size)
    return f"{float(size):g}\u00a0grey level{'' if float(size) == 1 else 's'}"
