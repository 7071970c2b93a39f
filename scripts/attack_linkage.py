"""Find out how far a table's rows can be traced back to people, whatever is trained on it."""

from pathlib import Path

from medpriv.workflow.job import job
from medpriv.attacks.linkage.audit import audit
from medpriv.dataset import Dataset

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    audit(dataset, params.linkage, params.seed).save(dict(snakemake.output.items()))
