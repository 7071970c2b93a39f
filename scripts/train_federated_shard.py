"""Train some of a federated bank's replicates."""

from pathlib import Path

from medpriv.dataset import Dataset
from medpriv.treatments.federated import train
from medpriv.workflow.job import job

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    name, replicates = snakemake.wildcards.strategy, (params.replicates, params.total)
    bank = train(dataset, name, params.model, params.recipe, params.federation, *replicates, params.seed)
    bank.save(Path(snakemake.output.bank).parent)
