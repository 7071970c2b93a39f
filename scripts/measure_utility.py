"""Measure of what use a bank is on patients it never saw, or all of a stage together."""

from importlib import import_module
from pathlib import Path

from medpriv.workflow.job import job
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.measures.findings import Findings

kind = import_module(snakemake.params.module)

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    folders = list(dict.fromkeys(Path(file).parent for file in snakemake.input.bank))
    banks = [Bank.load(folder) for folder in folders]
    if hasattr(snakemake.wildcards, "treatment"):
        reference = Bank.load(Path(snakemake.input.reference[0]).parent) if snakemake.input.reference else None
        found = kind.audit(dataset, banks[0], reference, params.measures, params.seed)
    else:
        made = kind.audit_banks(dataset, banks, params.measures, params.seed)
        found = Findings.joined({folder.name: one for folder, one in zip(folders, made, strict=True)})
    found.save(dict(snakemake.output.items()))
