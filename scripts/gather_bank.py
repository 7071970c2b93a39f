"""Join a bank's shards."""

from pathlib import Path

from medpriv.workflow.job import job
from medpriv.bank.gather import gather_shards

with job(snakemake):
    folders = dict.fromkeys(Path(file).parent for file in snakemake.input.shards)
    gather_shards(list(folders), Path(snakemake.output.bank).parent)
