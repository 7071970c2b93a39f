"""Train some of a robust bank's replicates."""

from pathlib import Path

from medpriv.dataset import Dataset
from medpriv.treatments.robust import train
from medpriv.workflow.job import job

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    replicates = (params.replicates, params.total)
    bank = train(
        dataset, snakemake.wildcards.defence, params.model, params.recipe, params.defence, *replicates, params.seed
    )
    bank.save(Path(snakemake.output.bank).parent)
