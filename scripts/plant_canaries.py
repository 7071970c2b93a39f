"""Fine-tune a dataset's language model with canaries beside the members."""

from pathlib import Path

from medpriv.workflow.job import job
from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset
from medpriv.treatments.language_canaries import train

with job(snakemake) as params:
    dataset, base = (
        Dataset.load(Path(snakemake.input.dataset[0]).parent),
        Bank.load(Path(snakemake.input.base[0]).parent),
    )
    settings = {**params.settings, "tuning": params.tuning, "epochs": max(params.epochs)}
    spec = TrainingSpec("lm-canaries", "lm-canaries", {}, "transformer", base.spec.hyperparameters, settings)
    bank = train(dataset, base, spec, Draw(range(params.total), params.total, params.seed))
    bank.save(Path(snakemake.output.bank).parent)
