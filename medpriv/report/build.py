"""The report stage: read every stage's tables, write the comparison as a page, tables and figures.

This module reads and writes files and decides nothing: `inputs` reads the folders, `comparison` chooses the headline
figures, `answer` puts them into sentences, `figures` draws, `page` fills the template. None of them imports torch.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from medpriv.files import write_text
from medpriv.report.comparison import choose_headline, write_comparison, write_metrics
from medpriv.report.costs import read_costs, write_costs
from medpriv.report.figures import draw_figures
from medpriv.report.inputs import read_cohort, read_result
from medpriv.report.page import render_page


def build_report(
    datasets: Mapping[str, Path],
    banks: Mapping[tuple[str, str], Path],
    attacks: Mapping[tuple[str, str, str], Path],
    benchmarks: Mapping[tuple[str, str, str], Path],
    config: dict,
    destination: Path,
) -> None:
    """Write `index.html`, `comparison.csv`, `costs.csv`, `metrics.json` and `figures/` into `destination`.

    Args:
        datasets: dataset -> folder with `dataset.json` and `dataset.safetensors`.
        banks: (dataset, treatment) -> folder with `bank.json`, `utility.csv` and `reliability.csv`; rows in this order.
        attacks: (dataset, treatment, family) -> folder with `measures.csv` and what else the family writes
            (`membership`: `roc.csv`, `exposure.csv`; `evasion`: `examples.csv`). A model may lack a family.
        benchmarks: (stage, dataset, name) -> Snakemake benchmark file; the name is the treatment and, after "/", the
            part of the work (`baseline-cnn/0-of-2`, `baseline-cnn/membership`). Missing files are left out.
        config: the whole checked config, printed on the page.
        destination: `results/report`.

    Same inputs, same bytes, apart from `costs.csv` and the block of the page between `<!-- measured:begin -->` and
    `<!-- measured:end -->`, which hold what the benchmark files measured.
    """
    destination = Path(destination)
    cohorts = {name: read_cohort(name, Path(folder)) for name, folder in datasets.items()}
    headlines = [
        choose_headline(cohorts[dataset], read_result(dataset, treatment, Path(folder), attacks))
        for (dataset, treatment), folder in banks.items()
    ]
    costs = read_costs(benchmarks)
    figures = draw_figures(cohorts, headlines)
    shutil.rmtree(destination / "figures", ignore_errors=True)  # those of an earlier config
    for panel in (panel for figure in figures for panel in figure.panels):
        write_text(destination / "figures" / f"{panel.stem}.svg", panel.svg)
        write_text(destination / "figures" / f"{panel.stem}.csv", panel.table)
    write_comparison(destination / "comparison.csv", headlines)
    write_metrics(destination / "metrics.json", headlines)
    write_costs(destination / "costs.csv", costs)
    write_text(destination / "index.html", render_page(list(cohorts.values()), headlines, figures, costs, config))
