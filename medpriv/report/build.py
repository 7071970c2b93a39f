"""The report stage: read every stage's tables, write the comparison as a page, tables and figures.

This module reads and writes files and decides nothing: `check` looks for figures that can't be right, `inputs` reads
the folders, `comparison` chooses the headline figures, `answer` puts them into sentences, `figures` draws, `sections`
answers one question each, `page` fills the templates. None of them imports torch.
"""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from medpriv.files import write_text
from medpriv.report.check import check_figures
from medpriv.report.comparison import choose_headline
from medpriv.report.contents import compose, figures_of
from medpriv.report.costs import Cost, Timing, read_costs, read_timings, write_costs
from medpriv.report.inputs import (
    Audit,
    Cohort,
    Derived,
    Linkage,
    Result,
    read_audit,
    read_cohort,
    read_derived,
    read_linkage,
    read_result,
)
from medpriv.report.page import render_page
from medpriv.report.tidy import write_comparison, write_metrics

Record = TypeVar("Record", Result, Audit, Derived, Linkage, Cost, Timing)


def build_report(
    datasets: Mapping[str, Path],
    banks: Mapping[tuple[str, str], Path],
    attacks: Mapping[tuple[str, str, str], Path],
    derived: Mapping[tuple[str, str], Path],
    audits: Mapping[tuple[str, str, str], Path],
    benchmarks: Mapping[tuple[str, str, str], Path],
    timings: Mapping[tuple[str, str], Path],
    linkage: Mapping[str, Path],
    config: dict,
    destination: Path,
) -> None:
    """Write `index.html`, `comparison.csv`, `costs.csv`, `metrics.json` and `figures/` into `destination`.

    Args:
        datasets: dataset -> folder with `dataset.json` and `dataset.safetensors`.
        banks: (dataset, treatment) -> folder with `bank.json`, `utility.csv` and `reliability.csv`; rows in this order.
        attacks: (dataset, treatment, family) -> folder with `measures.csv` and what else the family writes
            (`membership`: `roc.csv`, `exposure.csv`; `evasion`, `server`, `cut`: `examples.csv`). A model may lack a
            family.
        derived: (dataset, treatment) -> folder with the `bank.json` of personalised or unlearned models.
        audits: (dataset, subject, family) -> folder with the `measures.csv` and `patients.csv` of an audit of derived
            banks (`personal`, of `personalized-<variant>`; `forgetting`, of `unlearned` or `unlearned-personal`).
        benchmarks: (stage, dataset, name) -> Snakemake benchmark file; the name is the treatment and, after "/", the
            part of the work (`baseline-cnn/0-of-2`, `baseline-cnn/membership`). Missing files are left out.
        timings: (dataset, treatment) -> JSON with the `seconds` that `models` unlearned models took; may be missing.
        linkage: dataset -> folder with `measures.csv` and `criteria.csv` of its re-identification audit; tables alone.
        config: the whole checked config, printed on the page.
        destination: `results/report`.

    Same inputs, same bytes, apart from `costs.csv` and the block of the page between `<!-- measured:begin -->` and
    `<!-- measured:end -->`, which hold what the benchmark files measured.

    Raises:
        InputError: a table of measures, or the comparison made of them, has figures that can't be right; then there is
            no page.
    """
    destination = Path(destination)
    measured = (folder for held in (attacks, audits, linkage) for folder in held.values())
    check_figures(
        [Path(bank) / "utility.csv" for bank in banks.values()] + [Path(of) / "measures.csv" for of in measured]
    )
    stored = {name: read_cohort(name, Path(folder)) for name, folder in datasets.items()}
    cohorts = {cohort.name: cohort for cohort in stored.values()}

    def named(record: Record) -> Record:
        return _named(record, stored)

    headlines = [
        choose_headline(stored[key[0]], named(read_result(*key, Path(folder), attacks)))
        for key, folder in banks.items()
    ]
    found = [named(read_audit(*key, Path(folder))) for key, folder in audits.items()]
    write_comparison(destination / "comparison.csv", headlines, found)
    check_figures([destination / "comparison.csv"])
    made = {
        (bank.dataset, bank.treatment): bank
        for bank in (named(read_derived(*key, Path(folder))) for key, folder in derived.items())
    }
    costs, clock = [named(item) for item in read_costs(benchmarks)], [named(item) for item in read_timings(timings)]
    linked = [named(read_linkage(dataset, Path(folder))) for dataset, folder in linkage.items()]
    timed = [(item.dataset, item.treatment) for item in clock]
    parts = compose(cohorts, headlines, found, made, timed, linked, config)
    shutil.rmtree(destination / "figures", ignore_errors=True)  # those of an earlier config
    (destination / "figures").mkdir(parents=True)  # also of a run with nothing to draw
    for panel in (panel for figure in figures_of(parts) for panel in figure.panels):
        write_text(destination / "figures" / f"{panel.stem}.svg", panel.svg)
        write_text(destination / "figures" / f"{panel.stem}.csv", panel.table)
    write_metrics(destination / "metrics.json", headlines, found)
    write_costs(destination / "costs.csv", costs, clock)
    page = render_page(list(cohorts.values()), headlines, parts, found, list(made.values()), costs, clock, config)
    write_text(destination / "index.html", page)


def _named(record: Record, cohorts: Mapping[str, Cohort]) -> Record:
    """Return the record under the name that the report gives its dataset; jobs of no dataset stay as they are."""
    return replace(record, dataset=cohorts[record.dataset].name) if record.dataset in cohorts else record
