"""Snakemake's limit on submissions is off unless the user set one."""

from snakemake.cli import get_argument_parser
from snakemake.scheduling.job_scheduler import JobRateLimiter
from snakemake.settings.types import MaxJobsPerTimespan, SchedulingSettings

from medpriv.workflow.scheduling import lift_default_limit


def test_the_default_is_lifted():
    """The value that Snakemake's own command line gives it, whatever a new version makes of that."""
    default = get_argument_parser([]).get_default("max_jobs_per_timespan")
    settings = SchedulingSettings(max_jobs_per_timespan=MaxJobsPerTimespan.parse_choice(default))
    lift_default_limit(settings)
    assert settings.max_jobs_per_timespan is None


def test_a_chosen_limit_stays():
    """Somebody's cluster may need it."""
    chosen = MaxJobsPerTimespan.parse_choice("5/1m")
    settings = SchedulingSettings(max_jobs_per_timespan=chosen)
    lift_default_limit(settings)
    assert settings.max_jobs_per_timespan is chosen
    assert JobRateLimiter(chosen).max_jobs == 5


def test_nothing_to_schedule():
    """A process that only reads the rules has no such settings."""
    lift_default_limit(None)
