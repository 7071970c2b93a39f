"""Sections of the report on made-up models, and what a reader finds in them: paragraphs, tables, figures."""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property

from medpriv.report.comparison import Headline
from medpriv.report.drawing import Figure
from medpriv.report.layout import Table
from medpriv.report.render import environment, places_of, render_section
from medpriv.report.results import Cohort, Results
from medpriv.report.section import Filled, Section, fill
from medpriv.report.summary import summarise


@dataclass(frozen=True)
class Written:
    """A section that has something to say."""

    filled: Filled

    @cached_property
    def html(self) -> str:
        return render_section(self.filled, places_of([self.filled]))

    @property
    def found(self) -> object:
        return self.filled.found

    @property
    def paragraphs(self) -> list[str]:
        return [plain(text) for text in re.findall(r"<p>(.*?)</p>", self.html, re.DOTALL)]

    @property
    def text(self) -> str:
        return plain(re.sub(r"<(svg)\b.*?</\1>", "", self.html, flags=re.DOTALL))

    @property
    def ledes(self) -> dict[str, str]:
        """What stands above each table, by its title or the text on its fold."""
        found = re.findall(
            r"<(?:h3|summary)>([^<]*)</(?:h3|summary)>\s*<p class=\"lede\">(.*?)</p>", self.html, re.DOTALL
        )
        return {plain(title): plain(text) for title, text in found}

    @property
    def tables(self) -> list[Table]:
        return list(_tables(self.filled.found))

    @property
    def figures(self) -> tuple[Figure, ...]:
        return self.filled.figures


def write(
    section: Section, headlines: Sequence[Headline] = (), cohorts: Mapping[str, Cohort] | None = None, **more: object
) -> Written | None:
    """Return a section on these models, or None where it has nothing to say; `more` are other fields of `Results`."""
    results = Results(dict(cohorts or {}), tuple(item.result for item in headlines), **more)
    filled = fill(section, results, headlines)
    return None if filled is None else Written(filled)


def sentences(headlines: Sequence[Headline], others: Sequence[Headline] = ()) -> list[str]:
    """Return the sentences at the top of the page."""
    page = str(environment().get_template("summary.html").module.sentences(summarise(headlines, others)))
    return [html.unescape(text) for text in re.findall(r'<p class="answer">(.*?)</p>', page, re.DOTALL)]


def plain(text: str) -> str:
    """Return HTML as the text that is read."""
    return re.sub(r"[ \n]+", " ", html.unescape(re.sub(r"<[^>]*>", " ", text))).strip(" ")


def cells(table: Table, row: str) -> dict[str, str]:
    """Return a row's texts by column, with those below them."""
    found = next(item for item in table.rows if item.head == row and item.of is not None)
    labels = [f"{column.label} {column.note}".strip() for column in table.columns]
    return {label: " ".join((cell.text, *cell.details)) for label, cell in zip(labels, table.cells(found), strict=True)}


def _tables(found: object) -> Iterator[Table]:
    if isinstance(found, Table):
        yield found
    elif isinstance(found, tuple):
        for item in found:
            yield from _tables(item)
    elif is_dataclass(found) and type(found).__module__.startswith("medpriv.report.sections"):
        for field in fields(found):
            yield from _tables(getattr(found, field.name))
