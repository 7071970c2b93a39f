"""Says the same in other words: abbreviations, units, names of drugs, days and times, synonyms, the order of clauses.

Rules stand in two disjoint halves, so that an attacker can use rules that a defence never saw: no text that one half
writes can come from the other. Meaning is kept: a value keeps its unit, analyte, day and time, a dose its drug and
route. What the rules find in a text is worked out once and remembered.
"""

import re
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from medpriv.language.paraphrase import abbreviations, drugs, phrases, times, units
from medpriv.language.paraphrase.clauses import Plan, plans
from medpriv.language.paraphrase.sites import BOTH, FIRST, HALVES, Phrases, Site

REMEMBERED = 2**14  # texts
TRIES = 6  # draws for each paraphrase that is asked for, since some come twice

_ROWS = [*drugs.DRUGS, *abbreviations.TERMS, *abbreviations.ANALYTES, *phrases.PHRASES]
_PHRASES = Phrases(_ROWS, (*drugs.KEPT, *phrases.KEPT))
_WORDS = sorted({word for row in _ROWS for form in (*row.plain, *row.first, *row.second) for word in form.split()})
_RULES = (times.dates, times.ages, times.days, times.times, units.quantities, times.counts, _PHRASES.sites)
_DIGIT = re.compile(r"\d")


class _Half(NamedTuple):
    """What one half can do with a text."""

    sites: tuple[tuple[int, int, tuple[str, ...]], ...]
    plans: tuple[Plan, ...]


def reworded(text: str, rng: np.random.Generator, half: str = BOTH, strength: float = 1.0) -> str:
    """Return the text in other words; unchanged where no rule applies.

    Args:
        text: a clause, an answer, or a few sentences.
        rng: draws which rules are applied, and which form each of them writes.
        half: `first`, `second` or `both`: the rules.
        strength: with which probability each rule that applies is applied; from 1 on all of them are.
    """
    rules = _rules(text, half)
    drawn = rng.random(2 * len(rules.sites) + 2).tolist()
    changes = []
    for (start, end, forms), use, which in zip(rules.sites, drawn[2::2], drawn[3::2], strict=True):
        if use < strength:
            changes.append((start, end, forms[int(which * len(forms))]))
    if not rules.plans or drawn[0] >= strength:
        return _written(text, 0, len(text), changes)
    plan = rules.plans[int(drawn[1] * len(rules.plans))]
    return "".join(part if isinstance(part, str) else _written(text, *part, changes) for part in plan)


def paraphrases(text: str, m: int, rng: np.random.Generator, half: str = BOTH) -> list[str]:
    """Return up to m different paraphrases, none of them the text itself; fewer where the rules don't give so many."""
    found: dict[str, None] = {}
    for draw in range(TRIES * m):
        if len(found) == m:
            break
        found[reworded(text, rng, half, 1.0 if draw < TRIES * m // 2 else 0.5)] = None
        found.pop(text, None)
    return list(found)


def fuzzy(text: str, share: float, rng: np.random.Generator) -> str:
    """Return a fuzzy copy: a share of the words is replaced by others, of numbers by others of as many digits.

    Copies in which some words differ are remembered almost as exact ones are, and deduplication misses them (Shilov et
    al., Nature Communications 2026). A fuzzy copy does not keep the meaning.
    """
    words = text.split()
    for place in rng.permutation(len(words))[: round(share * len(words))]:
        words[place] = _another(words[place], rng)
    return " ".join(words)


def _another(word: str, rng: np.random.Generator) -> str:
    if _DIGIT.search(word):
        return _DIGIT.sub(lambda digit: str((int(digit[0]) + rng.integers(1, 10)) % 10), word)
    other = _WORDS[rng.integers(len(_WORDS))]
    return other if other != word else _another(word, rng)


def _written(text: str, start: int, end: int, changes: list[tuple[int, int, str]]) -> str:
    """Return a span of the text with the changes that lie in it; they are in order."""
    parts, reached = [], start
    for begin, until, form in changes:
        if start <= begin and until <= end:
            parts += (text[reached:begin], form)
            reached = until
    parts.append(text[reached:end])
    return "".join(parts)


@lru_cache(REMEMBERED)
def _rules(text: str, half: str) -> _Half:
    if half not in HALVES:
        raise ValueError(f"half {half!r} is none of {', '.join(HALVES)}")
    found = _sites(text)
    first, second = plans(text, found)
    usable = tuple((site.start, site.end, site.forms(half)) for site in found if site.forms(half))
    return _Half(usable, first + second if half == BOTH else first if half == FIRST else second)


def _sites(text: str) -> list[Site]:
    """Return all sites of a text in order; of two that overlap that of numbers, days and times comes first."""
    found: list[Site] = []
    for rule in _RULES:
        for site in rule(text):
            if not any(site.start < other.end and other.start < site.end for other in found):
                found.append(site)
    return sorted(found, key=lambda site: site.start)
