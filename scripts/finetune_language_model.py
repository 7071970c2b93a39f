"""Fine-tune a dataset's language model in one way; keep a bank after each of the epochs asked for."""

from pathlib import Path

from medpriv.workflow.job import job
from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.dataset import Dataset
from medpriv.language.paraphrase.engine import reworded
from medpriv.treatments.language import finetune, spec_after

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    base, tuning = Bank.load(Path(snakemake.input.base[0]).parent), snakemake.wildcards.tuning
    specs = {epoch: spec_after(base, tuning, epoch, params.recipe) for epoch in params.epochs}
    draw = Draw(range(params.total), params.total, params.seed)
    for bank in finetune(dataset, base, specs, draw, reworded).values():
        bank.save(Path(snakemake.output[0]).parent.with_name(bank.treatment))
