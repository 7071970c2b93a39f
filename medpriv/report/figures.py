"""The list of the report's figures on all models, in the page's order; those of one question stand in its section.

What leaks is drawn in `figures_leakage` and `figures_roc`, how the models behave in `figures_models`. Of each dataset
the first two treatments' panels stand open, the others are folded.
"""

from collections.abc import Mapping, Sequence

from medpriv.report.comparison import Headline
from medpriv.report.drawing import Figure
from medpriv.report.figures_leakage import draw_exposure, draw_tradeoff
from medpriv.report.figures_models import draw_calibration
from medpriv.report.figures_roc import draw_roc
from medpriv.report.inputs import Cohort

SHOWN = 2


def draw_figures(cohorts: Mapping[str, Cohort], headlines: Sequence[Headline]) -> list[Figure]:
    """Return every figure that the results allow, in the page's order."""
    results = [headline.result for headline in headlines]
    leading = leading_keys(headlines)
    figures = [
        draw_tradeoff([item for item in headlines if not item.leaking]),
        draw_roc(cohorts, headlines, leading),
        draw_exposure(cohorts, results, leading),
        draw_calibration(results),
    ]
    return [figure for figure in figures if figure.panels]


def leading_keys(headlines: Sequence[Headline]) -> frozenset[str]:
    """Return the keys of the treatments whose panels stand open."""
    by_dataset: dict[str, list[str]] = {}
    for headline in headlines:
        by_dataset.setdefault(headline.result.dataset, []).append(headline.result.key)
    return frozenset(key for keys in by_dataset.values() for key in keys[:SHOWN])
