"""What every rule gives: places of a text, and what either half of the rules would write there.

A **site** is one place that a rule applies to. Each form that a rule can write belongs to the first or to the second
half, never to both, so that no wording of one half can come from the other. A form that stands in the original is
never written in its own place.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

FIRST, SECOND, BOTH = "first", "second", "both"
HALVES = (FIRST, SECOND, BOTH)

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9'/.+-]*")
_AFTER = re.compile(r"(?![A-Za-z0-9+/-])")  # a phrase ends with its word
_ARTICLE = re.compile(r"(?:(?<=\s)|^)(an?|An?) $")
_SPELLED_WITH_VOWEL = frozenset("AEFHILMNORSX")  # letters whose names begin with a vowel: an MI, a UTI
_SENTENCE = re.compile(r"(?:^|[.!?:] )$")


@dataclass(frozen=True)
class Site:
    """One place of a text, and other forms of what stands there.

    Attributes:
        start, end: of the place.
        first, second: forms that the first and the second half write; either may be empty.
    """

    start: int
    end: int
    first: tuple[str, ...]
    second: tuple[str, ...]

    def forms(self, half: str) -> tuple[str, ...]:
        """Return what a half writes."""
        return self.first + self.second if half == BOTH else self.first if half == FIRST else self.second


@dataclass(frozen=True)
class Same:
    """Forms of one meaning.

    Attributes:
        first, second: those that either half writes.
        plain: those that are recognised but never written.
        after: what may stand before, in small letters; empty: anything.
        follows: what must come next, as a regular expression; empty: anything.
        any_case: a form is recognised in capitals as well, as names of drugs are.
        one_way: only plain forms are recognised; the others mean something else elsewhere.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    plain: tuple[str, ...] = ()
    after: tuple[str, ...] = ("",)
    follows: str = ""
    any_case: bool = False
    one_way: bool = False


def same(table: str, **conditions) -> list[Same]:
    """Return the rows of a table: `plain forms | first half | second half`, forms parted by semicolons.

    Args:
        table: one meaning a line.
        conditions: `after`, `follows`, `any_case`, `one_way` of all its rows.
    """
    rows = []
    for line in table.strip().splitlines():
        plain, first, second = (
            tuple(form.strip() for form in part.split(";") if form.strip()) for part in line.split("|")
        )
        rows.append(Same(first, second, plain, **conditions))
    return rows


class Phrases:
    """All forms of some tables, looked up by their first words; of several that fit, the longest is taken.

    Args:
        rows: what means the same.
        kept: phrases that stay as they are, in whose midst a shorter one would be found.
    """

    def __init__(self, rows: Iterable[Same], kept: Iterable[str] = ()) -> None:
        self._by_word: dict[str, list[tuple[str, Same, re.Pattern]]] = {}
        for row in [*rows, Same((), (), tuple(kept))]:
            follows = re.compile(_AFTER.pattern + row.follows)
            for form in row.plain if row.one_way else (*row.plain, *row.first, *row.second):
                begins = _WORD.match(form).group().lower()
                self._by_word.setdefault(begins, []).append((form, row, follows))
        for found in self._by_word.values():
            found.sort(key=lambda entry: -len(entry[0]))

    def sites(self, text: str) -> Iterator[Site]:
        """Yield the sites of a text from left to right; they don't overlap."""
        lower, reached = text.lower(), 0
        for word in _WORD.finditer(text):
            start = word.start()
            if start >= reached and (found := self._longest(text, lower, start, word.group().lower())):
                form, row = found
                reached = start + len(form)
                yield _site(text, start, form, row)

    def _longest(self, text: str, lower: str, start: int, word: str) -> tuple[str, Same] | None:
        """Return the longest form that stands at `start`, where `word` begins, with its row."""
        for begins in dict.fromkeys((word, word.rstrip(".-/"))):
            for form, row, follows in self._by_word.get(begins, ()):
                if (
                    _stands(text, lower, start, form, row.any_case)
                    and lower.endswith(row.after, 0, start)
                    and follows.match(text, start + len(form))
                ):
                    return form, row
        return None


def _stands(text: str, lower: str, start: int, form: str, any_case: bool) -> bool:
    """Say whether a form stands at `start`: a form in small letters may have a capital where a sentence begins."""
    if any_case:
        return lower.startswith(form.lower(), start)
    if text.startswith(form, start):
        return True
    return form.islower() and lower.startswith(form, start) and bool(_SENTENCE.search(text[max(0, start - 2) : start]))


def _site(text: str, start: int, form: str, row: Same) -> Site:
    end = start + len(form)
    article = _ARTICLE.search(text[max(0, start - 4) : start])
    begins = start - len(article.group()) if article else start
    capital = text[begins].isupper() and bool(_SENTENCE.search(text[max(0, begins - 2) : begins]))

    def written(forms: tuple[str, ...]) -> tuple[str, ...]:
        found = (f"{_article(other)} {other}" if article else other for other in forms if other.lower() != form.lower())
        return tuple(_capitalised(other) if capital else other for other in found)

    return Site(begins, end, written(row.first), written(row.second))


def _capitalised(form: str) -> str:
    return form[:1].upper() + form[1:]


def _article(form: str) -> str:
    """Return "a" or "an", by the sound of the first letter: an MI, a UTI, an edema."""
    first = form.split()[0]
    if len(first) > 1 and first[:2].isupper():
        return "an" if first[0] in _SPELLED_WITH_VOWEL else "a"
    return "an" if form[0].lower() in "aeiou" else "a"
