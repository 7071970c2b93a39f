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
    folder = Path(snakemake.output.bank).parent
    spec = TrainingSpec(folder.name, "lm-base", {}, "transformer", params.settings["model"], params.settings["base"])
    texts = base_texts(params.settings["base"], params.seed)
    pretrain(dataset, spec, texts, Draw([0], 1, params.seed)).save(folder)
