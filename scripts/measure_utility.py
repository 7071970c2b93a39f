"""Measure of what use a bank is on patients it never saw."""

from importlib import import_module
from pathlib import Path

from medpriv.workflow.job import job
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset

kind = import_module(snakemake.params.module)

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    bank = Bank.load(Path(snakemake.input.bank[0]).parent)
    reference = Bank.load(Path(snakemake.input.reference[0]).parent) if snakemake.input.reference else None
    found = kind.audit(dataset, bank, reference, params.measures, params.seed)
    found.save(dict(snakemake.output.items()))
