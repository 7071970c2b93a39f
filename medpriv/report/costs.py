"""What the run cost on this machine, as every job measured it (`medpriv.workflow.job`).

These are the only figures of the report that differ between two runs of the same config. They stand in `costs.csv`
and in the marked block of the page, nowhere else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from medpriv.files import read_json, write_csv
from medpriv.report.labels import simulated_cell, stored_name

COLUMNS = ("stage", "dataset", "simulated", "name", "seconds", "cpu_seconds", "peak_mb")


@dataclass(frozen=True)
class Cost:
    """One job: wall seconds, CPU seconds and peak resident memory in MiB.

    The last two are None for an unlearning request, which is a part of a job.
    """

    stage: str
    dataset: str
    name: str
    seconds: float
    cpu_seconds: float | None
    peak_mb: float | None


def read_costs(files: Mapping[tuple[str, str, str], Path]) -> list[Cost]:
    """Read what jobs took, where that was written."""
    return [Cost(*key, **read_json(path)) for key, path in files.items() if Path(path).exists()]


@dataclass(frozen=True)
class Timing:
    """What one unlearning request took by the clock, without what a bank of models was prepared with."""

    dataset: str
    treatment: str
    seconds: float
    models: int

    @property
    def of_one(self) -> float:
        """Return the seconds of one model."""
        return self.seconds / self.models if self.models else 0.0


def read_timings(files: Mapping[tuple[str, str], Path]) -> list[Timing]:
    """Read the timings that exist."""
    read = ((key, read_json(path)) for key, path in files.items() if Path(path).exists())
    return [Timing(*key, float(about["seconds"]), int(about["models"])) for key, about in read]


def retraining_share(timings: Sequence[Timing], timing: Timing) -> float | None:
    """Return the seconds of one model as a share of those of one retrained model, for the same request."""
    suffix = "-personal" if timing.treatment.endswith("-personal") else ""
    wanted = (timing.dataset, f"unlearned-retrain{suffix}")
    anew = next((item for item in timings if (item.dataset, item.treatment) == wanted), None)
    return timing.of_one / anew.of_one if anew and anew.of_one else None


def training_cost(costs: Sequence[Cost], dataset: str, treatment: str) -> Cost | None:
    """Return what making a treatment's bank took: its jobs' seconds added up, the largest of their peaks."""
    jobs = [cost for cost in costs if cost.dataset == dataset and _makes(cost, treatment)]
    if not jobs:
        return None
    return Cost(
        "training",
        dataset,
        treatment,
        sum(job.seconds for job in jobs),
        sum(job.cpu_seconds for job in jobs),
        max(job.peak_mb for job in jobs),
    )


def write_costs(path: Path, costs: Sequence[Cost], timings: Sequence[Timing]) -> None:
    """Write the measured costs, one row a job and one an unlearning request."""
    requests = (
        Cost("unlearned", item.dataset, f"{item.treatment}/request", item.seconds, None, None) for item in timings
    )
    rows = (
        asdict(cost) | {"dataset": stored_name(cost.dataset), "simulated": simulated_cell(cost.dataset)}
        for cost in (*costs, *requests)
    )
    write_csv(path, COLUMNS, rows)


def _makes(cost: Cost, treatment: str) -> bool:
    """Tell the jobs that train a treatment from those that judge it."""
    name, _, work = cost.name.partition("/")
    return name == treatment and cost.stage != "attacks" and work != "utility"
