"""The list of the report's figures, in the page's order.

What leaks is drawn in `figures_leakage`, how the models behave in `figures_models`.
"""

from collections.abc import Mapping, Sequence

from medpriv.report.comparison import Headline
from medpriv.report.drawing import Figure
from medpriv.report.figures_leakage import draw_exposure, draw_roc, draw_tradeoff
from medpriv.report.figures_models import draw_beats, draw_calibration, draw_evasion
from medpriv.report.inputs import Cohort


def draw_figures(cohorts: Mapping[str, Cohort], headlines: Sequence[Headline]) -> list[Figure]:
    """Return every figure that the results allow, in the page's order."""
    results = [headline.result for headline in headlines]
    figures = [
        draw_tradeoff(headlines),
        draw_roc(cohorts, results),
        draw_exposure(cohorts, results),
        draw_evasion(results),
        draw_beats(cohorts, results),
        draw_calibration(results),
    ]
    return [figure for figure in figures if figure.panels]
