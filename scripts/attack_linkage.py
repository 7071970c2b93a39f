"""Find out how far a table's rows can be traced back to people, whatever is trained on it."""

from pathlib import Path

from medpriv.attacks.linkage.audit import audit
from medpriv.attacks.linkage.criteria import CRITERIA_COLUMNS, criteria
from medpriv.dataset import Dataset
from medpriv.files import write_csv
from medpriv.measures.table import write_measures
from medpriv.workflow.job import job

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    measures = audit(dataset, params.linkage, params.seed)
    write_measures(snakemake.output.measures, measures)
    write_csv(snakemake.output.criteria, CRITERIA_COLUMNS, criteria(dataset, measures))
