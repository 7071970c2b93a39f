"""What follows a successful run: the default run is versioned in DVC, an overlay's run is rid of stale results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medpriv.workflow.dvc import remove_stale, version_results
from medpriv.workflow.plan import jobs_of


def finish_run(root: Path, config: Mapping[str, Any], dag: Any) -> None:
    """Version or tidy up; called by Snakemake's head process.

    An overlay's results are looked at after a run up to the report alone: a run of a part doesn't know of the others.

    Args:
        root: the project's folder; a run in another folder is an overlay's.
        config: as Snakemake has it.
        dag: Snakemake's jobs of this run, those that were up to date included.
    """
    whole = any(job.rule.name == "all" for job in dag.targetjobs)
    version_results(root, config, jobs_of(dag) if whole else None)
    if whole and Path.cwd() != root:
        remove_stale(Path.cwd(), jobs_of(dag))
