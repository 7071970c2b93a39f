"""Train some of a split bank's replicates."""

from pathlib import Path

from medpriv.workflow.job import job
from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset
from medpriv.treatments.split import train

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    parts = {"topology": snakemake.wildcards.topology, "cut": int(snakemake.wildcards.cut)}
    spec = TrainingSpec(params.treatment, "split", parts, params.model, params.recipe, params.variant)
    bank = train(dataset, spec, Draw(params.replicates, params.total, params.seed))
    bank.save(Path(snakemake.output.bank).parent)
