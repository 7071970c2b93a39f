"""Fit a bank of generators of synthetic records."""

from importlib import import_module
from pathlib import Path

from medpriv.workflow.job import job
from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset

trainer = import_module(snakemake.params.trainer)
trainer.generator_of(snakemake.params.spec["model"])  # imported before the job begins

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    about = {"name": snakemake.wildcards.treatment, **params.spec}
    spec = TrainingSpec(**about, hyperparameters=params.recipe, settings=params.settings)
    bank = trainer.train(dataset, spec, Draw(range(params.total), params.total, params.seed))
    bank.save(Path(snakemake.output.bank).parent)
