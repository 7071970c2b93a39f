"""Find what personalised models gain, give away and stand, and what stands once they have forgotten."""

from pathlib import Path

from medpriv.workflow.job import job
from medpriv.attacks.personalization.audit import audit
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    base = Bank.load(Path(snakemake.input.bank[0]).parent)
    derived = [Bank.load(Path(file).parent) for file in snakemake.input.derived[::2]]
    found = audit(dataset, base, derived[0], params.personalization, params.seed, derived[1:])
    found.save(dict(snakemake.output.items()), params.names)
