"""Write one synthetic table of a bank, with its data card and its metadata."""

from importlib.metadata import version
from pathlib import Path

from medpriv.workflow.job import job
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.files import sha256, write_text
from medpriv.measures.table import read_measures
from medpriv.release.papers import Release, papers
from medpriv.release.table import write_table
from medpriv.synthesis.schema import Schema
from medpriv.treatments.synthetic import cells_of_release

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    bank = Bank.load(Path(snakemake.input.bank[0]).parent)
    tables = [read_measures(Path(file)) for file in snakemake.input.measures]
    measures = [row for table in tables for row in table if row.treatment == bank.treatment]
    file, cells = Path(snakemake.output.table), cells_of_release(dataset, bank, place=0)
    write_table(file, Schema.of(dataset), cells)
    software = {f"{name} {version(name)}": licence for name, licence in params.software.items()}
    patients = int(bank.members[0].sum())
    about = Release(
        file.name, sha256(file), file.stat().st_size, len(cells), int(bank.replicates[0]), patients, software
    )
    made = papers(dataset, bank.about, measures, about)
    write_text(Path(snakemake.output.card), made.data_card)
    write_text(Path(snakemake.output.metadata), made.croissant)
