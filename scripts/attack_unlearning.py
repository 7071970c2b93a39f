"""Find whether replicates forgot their patients, by every method at once."""

from pathlib import Path

from medpriv.workflow.job import job
from medpriv.attacks.unlearning.audit import audit
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    base = Bank.load(Path(snakemake.input.bank[0]).parent)
    retrain, *methods = [Bank.load(Path(file).parent) for file in snakemake.input.forgotten]
    found = audit(dataset, base, None, retrain, methods, params.unlearning, params.seed)
    found.save(dict(snakemake.output.items()), params.names)
