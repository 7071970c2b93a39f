"""Fine-tune a bank's replicates to each held-out patient."""

from pathlib import Path

from medpriv.workflow.job import job
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.treatments.personalized import personalize

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    bank = Bank.load(Path(snakemake.input.bank[0]).parent)
    personal = personalize(dataset, bank, snakemake.wildcards.variant, params.personalization, params.seed)
    personal.save(Path(snakemake.output.bank).parent)
