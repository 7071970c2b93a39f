"""Find how small a change of a signal flips a bank's diagnosis."""

from pathlib import Path

from medpriv.attacks.evasion import EXAMPLE_COLUMNS, audit
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.files import write_csv
from medpriv.measures.table import write_measures
from medpriv.workflow.job import job

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    bank = Bank.load(Path(snakemake.input.bank[0]).parent)
    found = audit(dataset, bank, params.evasion, params.seed)
    write_measures(snakemake.output.measures, found.measures)
    write_csv(snakemake.output.examples, EXAMPLE_COLUMNS, found.examples)
