"""Train some of a robust bank's replicates."""

from pathlib import Path

from medpriv.workflow.job import job
from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset
from medpriv.treatments.robust import train

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    parts = {"defence": snakemake.wildcards.defence}
    spec = TrainingSpec(params.treatment, "robust", parts, params.model, params.recipe, params.defence)
    bank = train(dataset, spec, Draw(params.replicates, params.total, params.seed))
    bank.save(Path(snakemake.output.bank).parent)
