"""Make a dataset's tuned language models forget some of their members, by one method."""

from pathlib import Path

from medpriv.workflow.job import job
from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset
from medpriv.treatments.language_unlearned import train

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    base, tuned = (Bank.load(Path(files[0]).parent) for files in (snakemake.input.base, snakemake.input.tuned))
    parts, settings = {"method": snakemake.wildcards.method}, {**params.settings, "method": params.method}
    name = f"lm-unlearned-{snakemake.wildcards.method}"
    spec = TrainingSpec(name, "lm-unlearned", parts, "transformer", tuned.spec.hyperparameters, settings)
    bank = train(dataset, base, tuned, spec, Draw(tuned.replicates, len(tuned), params.seed))
    bank.save(Path(snakemake.output.bank).parent)
