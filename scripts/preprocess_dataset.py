"""Turn one dataset's raw files into labelled records with a patient-wise split."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path

from medpriv.workflow.job import job
from medpriv.leakage import check_leakage

source = import_module(f"medpriv.sources.{snakemake.params.format}")

with job(snakemake) as params:
    raw = Path(snakemake.input.manifest).parent
    dataset = source.parse(snakemake.wildcards.dataset, raw, params.preprocess, params.seed)
    if limits := params.preprocess.get("leakage"):  # tables have them, signals don't
        dataset = replace(dataset, notes=dataset.notes | {"leakage": check_leakage(dataset, limits)})
    dataset.save(Path(snakemake.output.about).parent)
