"""Turn one dataset's raw files into labelled records with a patient-wise split."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path

from medpriv.errors import InputError
from medpriv.leakage import check_leakage
from medpriv.sources.manifest import as_given
from medpriv.workflow.job import job

with job(snakemake) as params:
    source = import_module(f"medpriv.sources.{params.format}")
    raw = Path(snakemake.input.manifest).parent
    try:
        dataset = source.parse(snakemake.wildcards.dataset, raw, params.preprocess, params.seed)
    except InputError as error:
        # Of the config and no param: where the files were copied from is nothing to what is made of them.
        given = (snakemake.config["datasets"][snakemake.wildcards.dataset].get("raw") or {}).get("path")
        raise as_given(error, raw, given) if given else error from error
    if limits := params.preprocess.get("leakage"):  # tables have them, signals don't
        dataset = replace(dataset, notes=dataset.notes | {"leakage": check_leakage(dataset, limits)})
    dataset.save(Path(snakemake.output.about).parent)
