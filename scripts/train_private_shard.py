"""Train some of a private bank's replicates."""

from pathlib import Path

from medpriv.workflow.job import job
from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset
from medpriv.treatments.private import train

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    names = snakemake.wildcards
    parts = {"mechanism": names.mechanism, "model": names.model, "epsilon": float(names.epsilon)}
    spec = TrainingSpec(params.treatment, "dp", parts, names.model, params.recipe, params.settings)
    bank = train(dataset, spec, Draw(params.replicates, params.total, params.seed))
    bank.save(Path(snakemake.output.bank).parent)
