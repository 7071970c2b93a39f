"""The report stage: read every stage's tables, write the comparison as a page, tables and figures.

This module reads and writes files and decides nothing: `check` looks for figures that can't be right, `results` reads
the folders, `comparison` chooses the headline figures, `summary` says which of them come first, `sections` answer one
question each, `render` fills the templates. None of them imports torch.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from medpriv.files import write_text
from medpriv.report.check import check_figures
from medpriv.report.comparison import Headline, choose_headlines
from medpriv.report.costs import write_costs
from medpriv.report.render import figures_of, render_page
from medpriv.report.results import Artefact, Results, read_results, tables_of_measures
from medpriv.report.section import Filled, fill
from medpriv.report.sections import SECTIONS
from medpriv.report.summary import Summary, summarise
from medpriv.report.tidy import write_comparison, write_metrics


def build_report(
    artefacts: Sequence[Artefact],
    costs: Mapping[tuple[str, str, str], Path],
    timings: Mapping[tuple[str, str], Path],
    config: dict,
    destination: Path,
) -> None:
    """Write `index.html`, `comparison.csv`, `costs.csv`, `metrics.json` and `figures/` into `destination`.

    Args:
        artefacts: folders of results; datasets, banks and attacks stand on the page in this order.
            Of stage `preprocessed`: a dataset, with `dataset.json` and `dataset.safetensors`. Of stage `attacks`: what
            a family found on a bank (`name`), on an audit's subject, or on a dataset (no name), with `measures.csv`
            and what else it writes. Of other stages: a bank, with `bank.json`, and with `utility.csv` and
            `reliability.csv` unless it is derived from another one. A model may lack a family.
        costs: (stage, dataset, name) -> JSON with what a job took; the name is the treatment and, after "/", the part
            of the work (`baseline-cnn/0-of-2`, `baseline-cnn/membership`). Missing files are left out.
        timings: (dataset, treatment) -> JSON with the `seconds` that `models` unlearned models took; may be missing.
        config: the whole checked config, printed on the page.
        destination: `results/report`.

    Same inputs, same bytes, apart from `costs.csv` and the block of the page between `<!-- measured:begin -->` and
    `<!-- measured:end -->`, which hold what was measured.

    Raises:
        InputError: a table of measures, or the comparison made of them, has figures that can't be right; then there is
            no page.
    """
    destination = Path(destination)
    check_figures(tables_of_measures(artefacts))
    results = read_results(artefacts, costs, timings, config)
    headlines = choose_headlines(results)
    write_comparison(destination / "comparison.csv", headlines, results.audits)
    check_figures([destination / "comparison.csv"])
    sections = compose(results, headlines)
    shutil.rmtree(destination / "figures", ignore_errors=True)  # those of an earlier config
    (destination / "figures").mkdir(parents=True)  # also of a run with nothing to draw
    for panel in (panel for figure in figures_of(sections) for panel in figure.panels):
        write_text(destination / "figures" / f"{panel.stem}.svg", panel.svg)
        write_text(destination / "figures" / f"{panel.stem}.csv", panel.table)
    write_metrics(destination / "metrics.json", headlines, results.audits)
    write_costs(destination / "costs.csv", results.costs, results.timings)
    write_text(destination / "index.html", render_page(results, _summary(headlines), sections))


def _summary(headlines: Sequence[Headline]) -> Summary:
    classifiers = [item for item in headlines if item.kind == "classifier"]
    return summarise(classifiers, [item for item in headlines if item.kind != "classifier"])


def compose(results: Results, headlines: Sequence[Headline]) -> list[Filled]:
    """Return the sections that this run has something to say in, in the page's order."""
    filled = (fill(section, results, headlines) for section in SECTIONS)
    return [section for section in filled if section is not None]
