"""Fit the banks of SDV's generators, one after another."""

from pathlib import Path

from medpriv.workflow.job import job
from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset
from medpriv.treatments.synthetic import train

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    draw = Draw(range(params.total), params.total, params.seed)
    for folder in dict.fromkeys(Path(file).parent for file in snakemake.output):
        generator = folder.name.removeprefix("synthetic-")
        recipe = params.recipes.get(generator.removeprefix("sdv_"), {})  # the copula has no settings
        spec = TrainingSpec(folder.name, "synthetic", {"generator": generator}, generator, recipe, params.settings)
        train(dataset, spec, draw).save(folder)
