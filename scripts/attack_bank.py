"""Attack a bank of K replicates, or all of a stage, by one family of attacks."""

from importlib import import_module
from pathlib import Path

from medpriv.workflow.job import job
from medpriv.attacks.families import attack
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset

family = import_module(snakemake.params.module)

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    folders = list(dict.fromkeys(Path(file).parent for file in snakemake.input.bank))
    known = [Bank.load(Path(file).parent) for file in snakemake.input.base[:1]]
    joint = hasattr(snakemake.wildcards, "stage")
    found = attack(family, dataset, folders, known, params.settings, params.seed, joint=joint)
    found.save(dict(snakemake.output.items()), params.names)
