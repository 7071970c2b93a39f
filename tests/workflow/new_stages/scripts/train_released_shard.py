"""Train some of a toy generator's replicates."""

from pathlib import Path

from medpriv.treatments.released import train

from medpriv.workflow.job import job
from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    spec = TrainingSpec(params.treatment, "synthetic", {"generator": "copies"}, "copies", {}, params.settings)
    bank = train(dataset, spec, Draw(params.replicates, params.total, params.seed))
    bank.save(Path(snakemake.output.bank).parent)
