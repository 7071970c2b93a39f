"""Attack a bank of K replicates, or all of a stage in turn, by one family of attacks."""

from importlib import import_module
from pathlib import Path

from medpriv.workflow.job import job
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.measures.findings import Findings

family = import_module(snakemake.params.module)

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    folders = dict.fromkeys(Path(file).parent for file in snakemake.input.bank)
    known = [Bank.load(Path(file).parent) for file in snakemake.input.base[:1]]
    settings = (params.settings, params.seed)
    if hasattr(family, "audit_stage"):
        told = family.audit_stage(dataset, [Bank.load(folder) for folder in folders], *known, *settings)
    else:
        found = {folder.name: family.audit(dataset, Bank.load(folder), *known, *settings) for folder in folders}
        joint = hasattr(snakemake.wildcards, "stage")
        told = Findings.joined(found) if joint else found[folders.popitem()[0].name]
    told.save(dict(snakemake.output.items()), params.names)
