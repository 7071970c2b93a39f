"""The page: templates filled in with what the sections found; the templates escape every word.

Only three things enter the page unescaped: the project's own CSS and JavaScript, and the SVG of its own figures, whose
text matplotlib has escaped. The page asks no server for anything: its content-security policy forbids it, and admits
this one script by its hash.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from medpriv.measures.intervals import LEAST
from medpriv.report import formatting, labels
from medpriv.report.comparison import worst_class
from medpriv.report.drawing import Figure, Panel, inline
from medpriv.report.enough import of_patients, people
from medpriv.report.results import Results
from medpriv.report.section import Filled
from medpriv.report.summary import Summary

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent
INSIDE = 12_000  # characters of a table that the page itself carries
FILTERS = {
    "attack_name": labels.attack_name,
    "integer": formatting.integer,
    "interval": formatting.interval,
    "measure_name": labels.measure_name,
    "change": formatting.change,
    "microvolts": formatting.microvolts,
    "number": formatting.number,
    "of_patients": of_patients,
    "people": people,
    "percent": formatting.percent,
    "plural": formatting.plural,
    "signed": formatting.signed,
    "span": formatting.span,
    "worst_class": worst_class,
}


@cache
def environment() -> "Environment":
    """Return the templates of the report, with the filters that put figures into words."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=spaced,
    )
    made.filters |= FILTERS | {"data_uri": data_uri, "inline": inline}
    made.globals |= {"least": LEAST}
    return made


def render_page(results: Results, summary: Summary, sections: Sequence[Filled]) -> str:
    """Return the page's HTML."""
    script = (HERE / "page.js").read_text(encoding="utf-8")
    return (
        environment()
        .get_template("page.html")
        .render(
            style=(HERE / "style.css").read_text(encoding="utf-8"),
            script=script,
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            simulated=[cohort.name for cohort in results.cohorts.values() if cohort.simulated],
            summary=summary,
            sections=sections,
            places=places_of(sections),
        )
    )


def render_section(filled: Filled, places: Mapping[str, int]) -> str:
    """Return a section's HTML, without its title.

    Args:
        places: the number of each figure on the page, by its anchor.
    """
    return environment().get_template(filled.section.template).render(found=filled.found, places=places)


def figures_of(sections: Sequence[Filled]) -> Iterator[Figure]:
    """Yield every figure in the page's order."""
    for filled in sections:
        yield from filled.figures


def places_of(sections: Sequence[Filled]) -> dict[str, int]:
    """Return the number of each figure on the page, by its anchor."""
    return {figure.anchor: place for place, figure in enumerate(figures_of(sections), start=1)}


def data_uri(panel: Panel) -> str:
    """Return a panel's table for the page; empty of one that is folded away or long: the folder `figures` has it."""
    if panel.folded or len(panel.table) > INSIDE:
        return ""
    return "data:text/csv;charset=utf-8;base64," + base64.b64encode(panel.table.encode()).decode()


def spaced(value: object) -> object:
    """Return text with a hard space before each per-cent sign; drawings, style and script (Markup) stay as they are."""
    return value.replace(" %", "\u00a0%") if type(value) is str else value
