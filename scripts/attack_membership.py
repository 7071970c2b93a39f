"""Infer who was in the training set, per record and per patient."""

from pathlib import Path

from medpriv.attacks.membership import EXPOSURE_COLUMNS, audit
from medpriv.attacks.scored import ROC_COLUMNS
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.files import write_csv
from medpriv.measures.table import write_measures
from medpriv.workflow.job import job

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    bank = Bank.load(Path(snakemake.input.bank[0]).parent)
    found = audit(dataset, bank, params.membership, params.seed)
    write_measures(snakemake.output.measures, found.measures)
    write_csv(snakemake.output.roc, ROC_COLUMNS, found.roc)
    write_csv(snakemake.output.exposure, EXPOSURE_COLUMNS, found.exposure)
