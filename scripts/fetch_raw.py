"""Bring one dataset's files into the publisher's layout."""

from pathlib import Path

from medpriv.workflow.job import job
from medpriv.sources.acquire import acquire_raw

with job(snakemake) as params:
    folder = Path(snakemake.output.manifest).parent
    acquire_raw(params.format, snakemake.wildcards.dataset, params.raw, params.seed, folder, Path(params.scratch))
