"""What stands on the page between the comparison and the tables at its end: figures and sections in their order."""

from collections.abc import Iterator, Mapping, Sequence

from medpriv.report.comparison import Headline
from medpriv.report.drawing import Figure
from medpriv.report.figures import draw_figures, leading_keys
from medpriv.report.figures_models import draw_beats, draw_evasion
from medpriv.report.inputs import Audit, Cohort, Derived, Linkage
from medpriv.report.layout import Section
from medpriv.report.sections.attributes import attribute_section
from medpriv.report.sections.federated import federated_section
from medpriv.report.sections.leakage import leakage_section
from medpriv.report.sections.personal import personal_section
from medpriv.report.sections.private import private_section
from medpriv.report.sections.reconstruction import reconstruction_section
from medpriv.report.sections.reidentification import reidentification_section
from medpriv.report.sections.robustness import robustness_section
from medpriv.report.sections.smooth import smooth_section
from medpriv.report.sections.unlearning import unlearning_section
from medpriv.report.words import stored_name

Part = Figure | Section


def compose(
    cohorts: Mapping[str, Cohort],
    headlines: Sequence[Headline],
    audits: Sequence[Audit],
    derived: Mapping[tuple[str, str], Derived],
    timed: Sequence[tuple[str, str]],
    linked: Sequence[Linkage],
    config: dict,
) -> list[Part]:
    """Return the figures on all models, and a section on each question that this run asks.

    Args:
        timed: (dataset, treatment) of the unlearned banks whose seconds were measured.
        linked: the re-identification audits.
    """
    sets = config.get("datasets", {})
    formats = {name: sets.get(stored_name(name), {}).get("format", "") for name in cohorts}
    evasion = draw_evasion(headlines, leading_keys(headlines))
    beats = draw_beats(cohorts, [headline.result for headline in headlines])
    drawn = [figure for figure in (evasion, beats) if figure.panels]
    smooth = smooth_section(cohorts, headlines, formats, drawn)
    confidence = 1 - config.get("attacks", {}).get("epsilon", {}).get("alpha", 0.05)
    sections = [
        leakage_section(cohorts, headlines, formats),
        private_section(headlines, confidence),
        federated_section(cohorts, headlines),
        reconstruction_section(cohorts, headlines),
        attribute_section(headlines),
        reidentification_section(linked),
        robustness_section(headlines),
        smooth,
        personal_section(cohorts, audits, derived),
        unlearning_section(cohorts, audits, derived, timed),
    ]
    figures = draw_figures(cohorts, headlines)
    return [*figures, *([] if smooth else drawn), *(section for section in sections if section is not None)]


def figures_of(parts: Sequence[Part]) -> Iterator[Figure]:
    """Yield every figure, those within sections too, in the page's order."""
    for part in parts:
        if isinstance(part, Section):
            yield from (inner for inner in part.parts if isinstance(inner, Figure))
        else:
            yield part
