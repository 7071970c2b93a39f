"""Keep Snakemake's scheduler from spinning.

By default it submits at most 100 jobs a second. To keep to that, the scheduler sets a timer of one second whenever it
wakes, and the timer wakes it: every finished job adds one more timer that renews itself for ever. After some hundred
jobs the head process looks through all ready jobs without a pause and takes half a core from the jobs themselves.
"""

from typing import Any

DEFAULT = (100, 1)  # jobs, seconds


def lift_default_limit(scheduler: Any) -> None:
    """Take the limit off, in place, unless the user chose another (`--max-jobs-per-timespan`).

    Args:
        scheduler: Snakemake's `JobScheduler`, before it starts; in a Snakefile that is in `onstart`.
    """
    limit = scheduler.job_rate_limiter
    if limit and (limit.max_jobs, limit.timespan) == DEFAULT:
        scheduler.job_rate_limiter = None
