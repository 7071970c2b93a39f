"""What the run cost on this machine: the one part of the page that differs between two runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from medpriv.report.comparison import Headline
from medpriv.report.costs import Cost, Timing, retraining_share, training_cost
from medpriv.report.formatting import number, percent
from medpriv.report.labels import method_of
from medpriv.report.layout import Cell
from medpriv.report.results import Results
from medpriv.report.section import Section


@dataclass(frozen=True)
class Clocked:
    """A job, or all jobs that made a bank: its key, wall seconds and peak memory."""

    key: str
    seconds: Cell
    peak: Cell
    stage: str = ""
    dataset: str = ""


@dataclass(frozen=True)
class Requested:
    """An unlearning request: seconds of one model, and these as a share of retraining's."""

    key: str
    seconds: Cell
    share: Cell
    models: int


@dataclass(frozen=True)
class Measured:
    """What the section shows: training cost a bank, every unlearning request, and every job."""

    models: tuple[Clocked, ...]
    requests: tuple[Requested, ...]
    jobs: tuple[Clocked, ...]


def collect(results: Results, headlines: Sequence[Headline]) -> Measured:
    """Return what was measured."""
    banks = (*results.banks, *(bank for bank in results.derived.values() if not method_of(bank.treatment)))
    return Measured(
        tuple(_clocked(bank.key, training_cost(results.costs, bank.dataset, bank.treatment)) for bank in banks),
        tuple(_requested(item, results.timings) for item in results.timings),
        tuple(_clocked(cost.name or cost.stage, cost, cost.stage, cost.dataset) for cost in results.costs),
    )


def _clocked(key: str, cost: Cost | None, stage: str = "", dataset: str = "") -> Clocked:
    seconds, peak = (cost.seconds, cost.peak_mb) if cost else (None, None)
    cells = (
        Cell(number(figure, places), order="" if figure is None else f"{figure:.3f}")
        for figure, places in ((seconds, 1), (peak, 0))
    )
    return Clocked(key, *cells, stage, dataset)


def _requested(item: Timing, timings: Sequence[Timing]) -> Requested:
    share = retraining_share(timings, item)
    return Requested(
        f"{item.dataset}/{item.treatment}",
        Cell(number(item.of_one, 3), order=f"{item.of_one:.6f}"),
        Cell(percent(share, 1 if (share or 0) < 0.1 else 0), order="" if share is None else f"{share:.6f}"),
        item.models,
    )


SECTION = Section("costs", "costs", "Measured cost", "Measured cost", collect)
