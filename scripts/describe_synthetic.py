"""Write one synthetic table of a bank, with its data card and its metadata."""

from pathlib import Path

from medpriv.workflow.job import job
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.release.write import write_release

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    bank = Bank.load(Path(snakemake.input.bank[0]).parent)
    write_release(dataset, bank, snakemake.input.measures, params.software, Path(snakemake.output.table).parent)
