"""Train the language model that all of a dataset's fine-tunings begin with."""

from pathlib import Path

from medpriv.workflow.job import job
from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset
from medpriv.language.corpus import base_texts
from medpriv.treatments.language import pretrain

with job(snakemake) as params:
    dataset = Dataset.load(Path(snakemake.input.dataset[0]).parent)
    model = {**params.model, "block_size": params.texts["block_size"]}
    spec = TrainingSpec("lm-base", "lm-base", {}, "transformer", model, params.steps)
    base = pretrain(dataset, spec, base_texts(params.texts, params.seed), Draw([0], 1, params.seed))
    base.save(Path(snakemake.output.bank).parent)
