"""Keep Snakemake's scheduler from spinning.

By default it submits at most 100 jobs a second. To keep to that, the scheduler sets a timer of one second whenever it
wakes, and the timer wakes it: every finished job adds one more timer that renews itself for ever. After some hundred
jobs the head process looks through all ready jobs without a pause and takes half a core from the jobs themselves.
"""

from typing import Any

DEFAULT = (100, 1)  # jobs, seconds


def lift_default_limit(settings: Any) -> None:
    """Take the limit off, in place, unless the user chose another (`--max-jobs-per-timespan`).

    Args:
        settings: Snakemake's `SchedulingSettings`; None where nothing is scheduled.
    """
    limit = settings and settings.max_jobs_per_timespan
    if limit and (limit.max_jobs, limit.timespan) == DEFAULT:
        settings.max_jobs_per_timespan = None
