"""Join a bank's shards."""

from pathlib import Path

from medpriv.bank.store import Bank, gather_shards
from medpriv.workflow.job import job

with job(snakemake):
    folders = dict.fromkeys(Path(file).parent for file in snakemake.input.shards)
    gather_shards([Bank.load(folder) for folder in folders]).save(Path(snakemake.output.bank).parent)
