"""Train some of a split bank's replicates."""

from pathlib import Path

from medpriv.dataset import Dataset
from medpriv.treatments.split import train
from medpriv.workflow.job import job

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    cut = (snakemake.wildcards.topology, int(snakemake.wildcards.cut))
    replicates = (params.replicates, params.total)
    bank = train(dataset, *cut, params.model, params.recipe, params.variant, *replicates, params.seed)
    bank.save(Path(snakemake.output.bank).parent)
