"""Train some of a toy language model's replicates."""

from pathlib import Path

from medpriv.treatments.recited import train

from medpriv.workflow.job import job
from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    spec = TrainingSpec(params.treatment, "recited", {"size": "small"}, "small", {}, params.settings)
    bank = train(dataset, spec, Draw(params.replicates, params.total, params.seed))
    bank.save(Path(snakemake.output.bank).parent)
