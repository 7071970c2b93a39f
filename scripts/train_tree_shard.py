"""Train some of a bank's replicates that are trees."""

from pathlib import Path

from medpriv.dataset import Dataset
from medpriv.treatments.trees import train
from medpriv.workflow.job import job

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    tree, replicates = snakemake.wildcards.tree, (params.replicates, params.total)
    bank = train(dataset, tree, params.recipe, *replicates, params.seed)
    bank.save(Path(snakemake.output.bank).parent)
