"""Fine-tune a dataset's language model with differential privacy."""

from pathlib import Path

from medpriv.workflow.job import job
from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset
from medpriv.treatments.language_private import train

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    base, names = Bank.load(Path(snakemake.input.base[0]).parent), snakemake.wildcards
    folder, parts = Path(snakemake.output.bank).parent, {"setting": names.setting, "epsilon": float(names.epsilon)}
    settings = {**params.recipe, **params.private}
    spec = TrainingSpec(folder.name, "lm-dp", parts, "transformer", base.spec.hyperparameters, settings)
    train(dataset, base, spec, Draw(range(params.total), params.total, params.seed)).save(folder)
