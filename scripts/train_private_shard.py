"""Train some of a private bank's replicates."""

from pathlib import Path

from medpriv.dataset import Dataset
from medpriv.treatments.private import train
from medpriv.workflow.job import job

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    names = snakemake.wildcards
    about = (names.mechanism, names.model, float(names.epsilon), params.recipe)
    bank = train(dataset, *about, params.settings, params.replicates, params.total, params.seed)
    bank.save(Path(snakemake.output.bank).parent)
