"""Numbers of an own table that are no measurements: codes for a missing value, and values absurdly far from all others.

Both are found by where they lie; what a column means is not looked at.
"""

import numpy as np

# What studies and programs write for "unknown" into columns of numbers; below 0 also where that is the only sign of it.
CODES = (-7, -8, -9, -77, -88, -99, -99.9, -777, -888, -999, -999.9, -7777, -8888, -9999, -9999.9, -99999, -999999)
CODES += (99, 888, 999, 999.9, 8888, 9999, 9999.9, 88888, 99999, 999999)
# What stands beside them for other reasons: refused, not applicable, not asked.
_BESIDE = tuple(sign * (10**digits - less) for sign in (1, -1) for digits in (2, 3, 4, 5) for less in (2, 3, 4))
_BESIDE += (66, 77, 88, 666, 777, 6666, 7777, 66666, 77777, -66, -666, -6666, -66666, -77777, -88888)
REPEATED = 3  # rows from which a code is one
_VARIED = 5  # distinct other values from which -1 is a code
_APART, _RARE, _CHANCE = 3, 0.05, 2e-4  # of absurd values: how far, in how many rows, and what luck may do
_SEEN = 20  # rows from which a column has a shape
_NEAR_TEN = 0.06  # decades by which the factor between two units may differ from 10, 100, 1000
_GAP = 1.5  # between two units: the least of one is this many times the largest of the other


def probable_codes(values: np.ndarray) -> dict[float, int]:
    """Return what is probably a code for a missing value in a column of numbers, float64 [N], and in how many rows.

    Such a number is one of those in use (-9, -99, 999, 9999, ...), stands in three or more rows, and either no other
    value is below 0 as it is, or it lies farther from all others than these do from one another. Codes that stand
    together (997, 998, 999) don't hide one another.
    """
    held, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    often = counts >= REPEATED
    found = _alone_or_far(held, often)
    code = np.isin(held, (*CODES, *_BESIDE)) & often
    for sign in (1, -1):  # the upper end, then the lower one turned into it
        found |= {sign * value for value in _apart_together(sign * held[::sign], code[::sign])}
    return {value: int(count) for value, count in zip(held.tolist(), counts.tolist(), strict=True) if value in found}


def _alone_or_far(held: np.ndarray, often: np.ndarray) -> set[float]:
    """Return the codes that are the only values below 0, or farther from the rest than its spread."""
    found = set()
    for known in (CODES, (*CODES, *_BESIDE)):
        rest = held[~(np.isin(held, (*known, -1)) & often)]
        for value in held[often].tolist() if len(rest) else ():
            alone = rest[0] >= 0 > value and (value in known or (value == -1 and len(rest) >= _VARIED))
            far = known is CODES and value in CODES and max(rest[0] - value, value - rest[-1]) > np.ptp(rest)
            if alone or far:
                found.add(value)
    return found


def _apart_together(line: np.ndarray, code: np.ndarray) -> set[float]:
    """Return the codes at the end of a line of rising values, farther from the others than these from one another.

    They are also more than twice as large, since of few values, such as doses of 60, 66 and 77, none is apart.
    """
    found, rest = set(), line[~code]
    for place in range(len(line) - 1, 0, -1):
        if not code[place] or not len(rest):
            break
        below = line[place - 1]
        if line[place] - below > below - rest[0] and line[place] > 2 * abs(below):
            found = set(line[place:].tolist())
    return found


def absurd_values(values: np.ndarray) -> np.ndarray:
    """Return the distinct values of float64 [N] that no measurement explains, beside which all others look the same.

    k values are if they lie r times as far from the median as the next one, r >= 3 and r^-k below a chance: that is how
    often the k largest draws of a tail as heavy as 1 / x do so (Pareto, index 1; its ordered values have independent
    ratios, Renyi 1953). Also if they are as many as they like, but a power of ten away and nothing between: two units.
    """
    line = np.sort(values[~np.isnan(values)])
    if len(line) < _SEEN:
        return line[:0]
    found = [sign * _far_tail(np.sort(sign * line)) for sign in (1, -1)]
    return np.unique(np.concatenate([*found, _other_unit(line)]))


def _far_tail(line: np.ndarray) -> np.ndarray:
    """Return the end of sorted values that is absurdly far from their median."""
    above = line - np.median(line)
    for rows in range(int(max(1, _RARE * len(line))), 0, -1):
        near, next_one = above[-rows], above[-rows - 1]
        ratio = near / next_one if next_one > 0 else 0.0
        if ratio >= _APART and -rows * np.log(ratio) < np.log(_CHANCE) and len(set(line[:-rows])) >= _VARIED:
            return line[-rows:]
    return line[:0]


def _other_unit(line: np.ndarray) -> np.ndarray:
    """Return the rarer part of sorted values that fall into two with a power of ten between their medians."""
    if line[0] <= 0:
        return line[:0]
    cut = int(np.argmax(line[1:] / line[:-1])) + 1
    parts = line[:cut], line[cut:]
    tens = np.log10(np.median(parts[1]) / np.median(parts[0]))
    apart = line[cut] >= _GAP * line[cut - 1] and round(tens) >= 1 and abs(tens - round(tens)) <= _NEAR_TEN
    enough = all(len(part) >= _SEEN and len(set(part)) >= _VARIED for part in parts)
    return min(parts, key=len) if apart and enough else line[:0]
