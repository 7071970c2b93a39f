"""Train some of a federated bank's replicates."""

from pathlib import Path

from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset
from medpriv.treatments.federated import train
from medpriv.workflow.job import job

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    settings = {key: params[key] for key in ("rounds", "partition", "local", "strategy")}
    name = Path(snakemake.output.bank).parts[-3]  # the treatment's folder
    spec = TrainingSpec(name, "fed", {"strategy": snakemake.wildcards.strategy}, params.model, params.recipe, settings)
    bank = train(dataset, spec, Draw(params.replicates, params.total, params.seed))
    bank.save(Path(snakemake.output.bank).parent)
