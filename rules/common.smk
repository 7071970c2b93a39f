# What the rules share: the checked config, the grid of datasets and treatments, code as an input.

import os
import sys
from pathlib import Path

from medpriv.errors import InputError
from medpriv.workflow.code import code_files
from medpriv.workflow.dvc import version_results
from medpriv.workflow.environment import fix_environment
from medpriv.workflow.settings import effective_config, local_files, setting_of

ROOT = Path(workflow.basedir)
fix_environment(ROOT)

try:
    CONFIG = effective_config(config, " over ".join(os.path.relpath(file, ROOT) for file in workflow.configfiles), ROOT)
    LOCAL_FILES = local_files(CONFIG)
except InputError as error:
    sys.exit(str(error))

DATASETS = list(CONFIG["datasets"])
MODELS = {
    dataset: [model for model, recipe in section["baselines"].items() if recipe]
    for dataset, section in CONFIG["datasets"].items()
}
TREATMENTS = {dataset: [f"baseline-{model}" for model in models] for dataset, models in MODELS.items()}
SIGNALS = [dataset for dataset, section in CONFIG["datasets"].items() if section["format"] == "mitdb"]
FAMILIES = {dataset: ["membership", *["evasion"] * (dataset in SIGNALS)] for dataset in DATASETS}

setting = setting_of(CONFIG)


wildcard_constraints:
    dataset="|".join(DATASETS),
    model="|".join(sorted({model for models in MODELS.values() for model in models})),
    treatment="|".join(sorted({name for names in TREATMENTS.values() for name in names})),
    shard=r"\d+",
    shards=r"\d+",


def code_deps(*patterns):
    """Return an input function: the files that a job runs, those named (wildcards allowed) and all they import."""

    def files(wildcards):
        form = CONFIG["datasets"][wildcards.dataset]["format"] if "dataset" in wildcards.keys() else ""
        named = [pattern.format(format=form, **dict(wildcards.items())) for pattern in patterns]
        return [os.path.relpath(file) for file in code_files(ROOT, *named)]

    return files


def per_dataset(pattern, datasets=None):
    """Return the pattern filled in for every dataset (or those given)."""
    return [pattern.format(dataset=dataset) for dataset in (DATASETS if datasets is None else datasets)]


def per_bank(pattern, datasets=None):
    """Return the pattern filled in for every bank (of all datasets, or of those given)."""
    return [
        pattern.format(dataset=dataset, treatment=treatment)
        for dataset in (DATASETS if datasets is None else datasets)
        for treatment in TREATMENTS[dataset]
    ]


def shards_of_bank(wildcards):
    """Return the files of a bank's shards."""
    shards = CONFIG["datasets"][wildcards.dataset]["bank"]["shards"]
    return expand(
        "shards/baselines/{dataset}/baseline-{model}/{shard}-of-{shards}/{file}",
        shard=range(shards),
        shards=shards,
        file=["bank.safetensors", "bank.json", "predictions.safetensors"],
        **dict(wildcards.items()),
    )


def replicates_of_shard(wildcards):
    """Return the replicate numbers that one shard trains: every so-many-th."""
    replicates = CONFIG["datasets"][wildcards.dataset]["bank"]["replicates"]
    return list(range(int(wildcards.shard), replicates, int(wildcards.shards)))


def benchmark_files(wildcards):
    """Return (stage, dataset, name) -> benchmark file; no inputs, since a restored clone has none."""
    files = {}
    for dataset in DATASETS:
        shards = CONFIG["datasets"][dataset]["bank"]["shards"]
        names = {("raw", ""), ("preprocessed", "")}
        for treatment in TREATMENTS[dataset]:
            names |= {("baselines", f"{treatment}/{shard}-of-{shards}") for shard in range(shards)}
            names |= {
                ("baselines", f"{treatment}/gather"),
                ("baselines", f"{treatment}/utility"),
            }
            names |= {("attacks", f"{treatment}/{family}") for family in FAMILIES[dataset]}
        for stage, name in sorted(names):
            files[stage, dataset, name] = f"logs/benchmarks/{stage}/{dataset}{'/' * bool(name)}{name}.tsv"
    return files
