"""Cells of tables in several sections that state a model's headline figures."""

from medpriv.report.comparison import Headline, leak_level, worst_class
from medpriv.report.enough import TOO_FEW, of_patients
from medpriv.report.formatting import MISSING, integer, number
from medpriv.report.layout import NOTHING, Cell, prose, value_cell


def leak_cell(headline: Headline, level: str = "") -> Cell:
    """Return the strongest leak, of a level if named, with what the strongest of as many reaches by chance below it."""
    level = level or leak_level(headline)
    chance = headline.chance(level)
    luck = f"by chance up to {number(chance.upper)}" if chance is not None else ""
    return value_cell(headline.leak(level), attack=True).below(luck)


def worst_class_cell(headline: Headline) -> Cell:
    """Return the flip rate of the class that the same attack overturns most often, of those with people enough."""
    found = worst_class(headline.class_flips)
    if found is None:
        return NOTHING
    label, worst = found
    return value_cell(worst, share=True).below(f"class {label}", f"n = {integer(worst.n)}{of_patients([worst])}")


def way_cell(way: str, less: str, more: str, *, good: str) -> Cell:
    """Return a comparison's way in words.

    Args:
        way: `less`, `more`, `open`, `few` or empty.
        less, more: in words.
        good: the way that is good news; the other one is bad.
    """
    texts = {"less": less, "more": more, "open": "not told apart", "few": TOO_FEW}
    tone = "open" if way not in ("less", "more") else "good" if way == good else "bad"
    return prose(texts.get(way, MISSING), tone)
