"""Attack a bank of K replicates by one family of attacks."""

from importlib import import_module
from pathlib import Path

from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.workflow.job import job

with job(snakemake) as params:
    family = import_module(params.module)
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    bank = Bank.load(Path(snakemake.input.bank[0]).parent)
    family.audit(dataset, bank, params.settings, params.seed).save(dict(snakemake.output.items()))
