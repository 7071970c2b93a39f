"""Find out what the server of a federation learns from the updates it is sent."""

from pathlib import Path

from medpriv.attacks.server.audit import audit
from medpriv.attacks.server.reconstruction import EXAMPLE_COLUMNS
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.files import write_csv
from medpriv.measures.table import write_measures
from medpriv.workflow.job import job

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    bank = Bank.load(Path(snakemake.input.bank[0]).parent)
    measures, examples = audit(dataset, bank, params.server, params.seed)
    write_measures(snakemake.output.measures, measures)
    write_csv(snakemake.output.examples, EXAMPLE_COLUMNS, examples)
