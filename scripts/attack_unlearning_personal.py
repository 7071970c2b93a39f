"""Find whether personalised models forgot their beats, by every method at once."""

from pathlib import Path

from medpriv.workflow.job import job
from medpriv.attacks.unlearning.audit import audit
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    base = Bank.load(Path(snakemake.input.bank[0]).parent)
    start = Bank.load(Path(snakemake.input.personalized[0]).parent)
    retrain, *methods = [Bank.load(Path(file).parent) for file in snakemake.input.forgotten]
    found = audit(dataset, base, start, retrain, methods, params.unlearning, params.seed)
    found.save(dict(snakemake.output.items()), params.names)
