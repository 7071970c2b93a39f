"""Train some of a bank's replicates."""

from pathlib import Path

from medpriv.workflow.job import job
from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset
from medpriv.treatments.baseline import train

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    model = snakemake.wildcards.network
    spec = TrainingSpec(params.treatment, "baseline", {"model": model}, model, params.recipe)
    bank = train(dataset, spec, Draw(params.replicates, params.total, params.seed))
    bank.save(Path(snakemake.output.bank).parent)
