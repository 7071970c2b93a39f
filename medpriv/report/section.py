"""A section of the page: what it needs, what it collects, and the template that puts it into words.

A section is a folder in `medpriv.report.sections` with `section.html` (its prose) and `figures.py` (what it says in
numbers and verdicts, its tables and drawings), which declares it as `SECTION`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from medpriv.report.comparison import Headline
from medpriv.report.drawing import Figure
from medpriv.report.results import Results


@dataclass(frozen=True)
class Section:
    """One section, as its folder declares it.

    Attributes:
        folder: below `medpriv/report/sections`.
        anchor: its id on the page.
        title: empty for a single figure, which has a title of its own.
        short: its name in the contents; empty: it has none there.
        collect: from the results and their headlines to what the template gets as `found`; None: nothing to say.
        families: of attacks whose figures it shows, by the catalogue's names.
        treatments: that it is about, by the catalogue's words.
        kinds: of the models that `collect` gets; empty: of all.
        figures: the figures in what was collected, in their order on the page.
    """

    folder: str
    anchor: str
    title: str
    short: str
    collect: Callable[[Results, Sequence[Headline]], Any]
    families: tuple[str, ...] = ()
    treatments: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ("classifier",)
    figures: Callable[[Any], Sequence[Figure]] = lambda found: ()

    @property
    def template(self) -> str:
        """The file of its prose, below `medpriv/report`."""
        return f"sections/{self.folder}/section.html"

    def applies(self, results: Results) -> bool:
        """Tell whether the run has any of what the section needs; one that needs nothing always applies."""
        needs = self.families or self.treatments
        return not needs or bool(
            results.families.union(results.treatments).intersection((*self.families, *self.treatments))
        )


@dataclass(frozen=True)
class Filled:
    """A section of this run's page, with what it found."""

    section: Section
    found: Any

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Return its figures, in their order on the page."""
        return tuple(self.section.figures(self.found))


def fill(section: Section, results: Results, headlines: Sequence[Headline]) -> Filled | None:
    """Return the section with what it found; None where it doesn't apply or has nothing to say."""
    if not section.applies(results):
        return None
    found = section.collect(results, [item for item in headlines if not section.kinds or item.kind in section.kinds])
    return None if found is None else Filled(section, found)
