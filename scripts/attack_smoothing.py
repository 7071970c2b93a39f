"""Certify what no change of a signal can do to a bank trained on noise."""

from pathlib import Path

from medpriv.attacks.smoothing import audit
from medpriv.bank.store import Bank
from medpriv.dataset import Dataset
from medpriv.measures.table import write_measures
from medpriv.workflow.job import job

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    bank = Bank.load(Path(snakemake.input.bank[0]).parent)
    settings = {**params.smoothing, "epsilons": params.epsilons}
    write_measures(snakemake.output.measures, audit(dataset, bank, settings, params.seed))
