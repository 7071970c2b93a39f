"""Fine-tune a dataset's language model in one way; keep a bank after each of the epochs asked for."""

from pathlib import Path

from medpriv.language.paraphrase.engine import reworded

from medpriv.workflow.job import job
from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset
from medpriv.treatments.language import finetune

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    base, tuning = Bank.load(Path(snakemake.input.base[0]).parent), snakemake.wildcards.tuning
    specs, folders = {}, {}
    for folder in dict.fromkeys(Path(file).parent for file in snakemake.output):
        epoch = int(folder.name.rpartition("-epoch")[2])
        parts = {"tuning": tuning, "epoch": epoch}
        specs[epoch] = TrainingSpec(folder.name, "lm", parts, "transformer", params.settings["model"], params.recipe)
        folders[epoch] = folder
    draw = Draw(range(params.total), params.total, params.seed)
    for epoch, bank in finetune(dataset, base, specs, draw, reworded).items():
        bank.save(folders[epoch])
