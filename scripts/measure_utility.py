"""Measure how good and how well calibrated a bank is on patients it never saw."""

from pathlib import Path

from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.files import write_csv
from medpriv.measures.table import write_measures
from medpriv.measures.utility import RELIABILITY_COLUMNS, measure_differences, measure_utility
from medpriv.workflow.job import job

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    bank = Bank.load(Path(snakemake.input.bank[0]).parent)
    measures, reliability = measure_utility(dataset, bank, params.measures, params.seed)
    if snakemake.input.reference:
        reference = Bank.load(Path(snakemake.input.reference[0]).parent)
        measures += measure_differences(dataset, bank, reference, params.measures, params.seed)
    write_measures(snakemake.output.utility, measures)
    write_csv(snakemake.output.reliability, RELIABILITY_COLUMNS, reliability)
