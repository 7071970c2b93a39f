"""Verdicts on claims, as numbers of the tables: one code for all of them, so that the page can't read one wrongly.

| value | means |
| --- | --- |
| 1 | supported: the whole interval lies where the claim says |
| 0 | contradicted: the whole interval lies where the claim says that it doesn't |
| empty | undecided: the interval holds both answers, or has no limits |
| -1 | too few: the interval rests on fewer than `intervals.LEAST` patients, and nobody is judged by it |
| -2 | not testable here: what the claim speaks of did not occur, so no interval can answer |

That a difference was not found supports nothing. A claim that two things are alike is supported where the interval lies
within a margin that was stated beforehand (equivalence, as in trials of bioequivalence: Schuirmann 1987, by the 95 %
interval and so a little stricter than two one-sided tests at 5 %).
"""

import math

from medpriv.measures.intervals import LEAST
from medpriv.measures.table import NAN

EQUIVALENT = 0.1  # an AUC within 0.5 +- this is as good as guessing: our own choice, made before looking at any result
SUPPORTED, CONTRADICTED, UNDECIDED, TOO_FEW, NOT_TESTABLE = 1.0, 0.0, NAN, -1.0, -2.0
_NAMES = {SUPPORTED: "supported", CONTRADICTED: "contradicted", TOO_FEW: "too few", NOT_TESTABLE: "not testable"}


def verdict(supported: bool, contradicted: bool, patients: int) -> float:
    """Return a verdict's number from what the interval says, and on how many patients the interval rests.

    A comparison with a limit that is NaN is false, so an interval without limits leaves a claim undecided.
    """
    if patients < LEAST:
        return TOO_FEW
    return SUPPORTED if supported else CONTRADICTED if contradicted else UNDECIDED


def verdict_name(value: float) -> str:
    """Return `supported`, `contradicted`, `undecided`, `too few` or `not testable`."""
    return "undecided" if math.isnan(value) else _NAMES[value]


def above_zero(limits: tuple[float, float], patients: int) -> float:
    """Return the verdict on `the difference is above 0`."""
    return verdict(limits[0] > 0, limits[1] < 0, patients)


def not_below(limits: tuple[float, float], margin: float, patients: int) -> float:
    """Return the verdict on `the difference is not below -margin`."""
    return verdict(limits[0] >= -margin, limits[1] < -margin, patients)


def within(limits: tuple[float, float], margin: float, patients: int) -> float:
    """Return the verdict on `the difference lies between -margin and margin`."""
    lower, upper = limits
    return verdict(-margin <= lower and upper <= margin, lower > margin or upper < -margin, patients)


def guessing(limits: tuple[float, float], patients: int) -> float:
    """Return the verdict on `the attacker can only guess`, from the interval of the attacker's AUC.

    Supported within 0.5 +- `EQUIVALENT`; contradicted above 0.5, if it reaches beyond that. An AUC below 0.5 tells
    nothing, so an interval that reaches below the margin is undecided.
    """
    lower, upper = limits[0] - 0.5, limits[1] - 0.5
    return verdict(lower >= -EQUIVALENT and upper <= EQUIVALENT, lower > 0, patients)
