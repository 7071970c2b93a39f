"""Snakemake's limit on submissions is off unless the user set one; that it spins no more is tested on a real run."""

from types import SimpleNamespace

import pytest
from snakemake.cli import get_argument_parser
from snakemake.scheduling.job_scheduler import JobRateLimiter
from snakemake.settings.types import MaxJobsPerTimespan

from medpriv.workflow.scheduling import lift_default_limit

DEFAULT = get_argument_parser([]).get_default("max_jobs_per_timespan")


@pytest.mark.parametrize(("limit", "stays"), [(DEFAULT, False), ("5/1m", True)])
def test_only_a_chosen_limit_stays(limit, stays):
    limiter = JobRateLimiter(MaxJobsPerTimespan.parse_choice(limit))
    scheduler = SimpleNamespace(job_rate_limiter=limiter)
    lift_default_limit(scheduler)
    assert scheduler.job_rate_limiter is (limiter if stays else None)


def test_nothing_is_done_without_a_limit():
    scheduler = SimpleNamespace(job_rate_limiter=None)
    lift_default_limit(scheduler)
    assert scheduler.job_rate_limiter is None
