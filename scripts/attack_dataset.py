"""Attack a dataset itself, whatever is trained on it, by one family of attacks."""

from importlib import import_module
from pathlib import Path

from medpriv.workflow.job import job
from medpriv.dataset import Dataset

family = import_module(snakemake.params.module)

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    family.audit(dataset, params.settings, params.seed).save(dict(snakemake.output.items()), params.names)
