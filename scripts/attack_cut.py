"""Find out what the server of split learning learns from what crosses the cut."""

from pathlib import Path

from medpriv.attacks.cut.audit import EXAMPLE_COLUMNS, audit, examples
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.files import write_csv
from medpriv.measures.table import write_measures
from medpriv.workflow.job import job

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    bank = Bank.load(Path(snakemake.input.bank[0]).parent)
    write_measures(snakemake.output.measures, audit(dataset, bank, params.cut, params.seed))
    shown = dataset.x.ndim == 2 and not dataset.credentialed
    rows = examples(dataset, bank, params.cut, params.seed, count=1) if shown else []
    write_csv(snakemake.output.examples, EXAMPLE_COLUMNS, rows)
