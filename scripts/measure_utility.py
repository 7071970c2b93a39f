"""Measure of what use a bank is on patients it never saw, or all of a stage together."""

from importlib import import_module
from pathlib import Path

from medpriv.workflow.job import job
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset

kind = import_module(snakemake.params.module)

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    banks = [Bank.load(folder) for folder in dict.fromkeys(Path(file).parent for file in snakemake.input.bank)]
    if hasattr(snakemake.wildcards, "treatment"):
        reference = Bank.load(Path(snakemake.input.reference[0]).parent) if snakemake.input.reference else None
        found = kind.audit(dataset, banks[0], reference, params.measures, params.seed)
    else:
        found = kind.audit_stage(dataset, banks, params.measures, params.seed)
    found.save(dict(snakemake.output.items()), params.names)
