"""Bound from below what a private bank gives away, beside what its accountant allows."""

from pathlib import Path

from medpriv.attacks.epsilon import audit
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.measures.table import write_measures
from medpriv.workflow.job import job

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    bank = Bank.load(Path(snakemake.input.bank[0]).parent)
    write_measures(snakemake.output.measures, audit(dataset, bank, params.epsilon, params.seed))
