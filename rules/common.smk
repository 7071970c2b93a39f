# What the rules share: the checked config, the grid of datasets and treatments, code as an input.

import os
import sys
from functools import partial
from pathlib import Path

from medpriv.errors import InputError
from medpriv.workflow import grid, settings
from medpriv.workflow.code import code_files
from medpriv.workflow.environment import fix_environment
from medpriv.workflow.finish import finish_run
from medpriv.workflow.grid import chosen
from medpriv.workflow.guard import follow_starter
from medpriv.workflow.overlay import read_config, unknown_nulls
from medpriv.workflow.scheduling import lift_default_limit
from medpriv.workflow.targets import TARGETS, check_targets


def variants_of(personalization):
    """Return the names of the variants of personalisation."""
    return [name for name in ("all", "head", "regularized") if (personalization or {}).get(name)]


ROOT = Path(workflow.basedir)
fix_environment(ROOT)
follow_starter()

try:
    CONFIG = settings.effective_config(
        config,
        " over ".join(os.path.relpath(file, ROOT) for file in workflow.configfiles),
        ROOT,
        unknown_nulls([read_config(Path(file)) for file in reversed(workflow.configfiles)]),
    )
    LOCAL_FILES = settings.local_files(CONFIG)
except InputError as error:  # an overlay's run lies below the project's folder, from which the user knows the file
    sys.exit(str(error).removeprefix(f"{os.path.relpath(ROOT)}/"))

DATASETS = list(CONFIG["datasets"])
# Banks of K replicates: dataset -> treatment -> what its job must know.
GRID = {dataset: grid.treatments_of(section) for dataset, section in CONFIG["datasets"].items()}
TREATMENTS = {dataset: list(treatments) for dataset, treatments in GRID.items()}
# Banks derived from a baseline: personalised models, and models that should have forgotten.
VARIANTS = {dataset: variants_of(section.get("personalization")) for dataset, section in CONFIG["datasets"].items()}
METHODS = {
    dataset: chosen((section.get("unlearning") or {}).get("methods")) for dataset, section in CONFIG["datasets"].items()
}
FORGETTING_BEATS = [
    dataset for dataset in DATASETS if METHODS[dataset] and CONFIG["datasets"][dataset]["unlearning"]["personal"]
]
TABLES = [dataset for dataset, section in CONFIG["datasets"].items() if "evasion" not in section]
TREES = ("forest", "boosting")

BANK_FILES = ("bank.safetensors", "bank.json", "predictions.safetensors")

setting = settings.setting_of(CONFIG)
recipe_of = partial(settings.recipe_of, CONFIG)
layers_of = partial(settings.layers_of, CONFIG)
of_dataset = partial(settings.of_dataset, CONFIG)
federation_of = partial(settings.federation_of, CONFIG)
private_of = partial(settings.private_of, CONFIG)
raw_of = partial(settings.raw_of, CONFIG)
if_simulated = partial(settings.if_simulated, CONFIG)


def any_of(names):
    """Return a pattern of every name that any dataset has."""
    return "|".join(sorted({name for some in names.values() for name in some})) or "none"


def values_of(key, kind=""):
    """Return a pattern of every value under a key of the grid, of treatments that begin with `kind`."""
    found = {
        f"{about[key]:g}" if isinstance(about[key], float) else str(about[key])
        for treatments in GRID.values()
        for treatment, about in treatments.items()
        if key in about and treatment.startswith(kind)
    }
    return "|".join(sorted(found)) or "none"


wildcard_constraints:
    dataset="|".join(DATASETS),
    stage="|".join(grid.STAGES.values()),
    model=values_of("model"),
    network="|".join(name for name in values_of("model", "baseline").split("|") if name not in TREES) or "none",
    tree="|".join(TREES),
    treatment=any_of(TREATMENTS),
    defence=values_of("defence"),
    mechanism=values_of("mechanism"),
    epsilon=values_of("epsilon"),
    strategy=values_of("strategy"),
    topology=values_of("variant"),
    cut=values_of("cut"),
    variant=any_of(VARIANTS),
    method=any_of(METHODS),
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


def per_bank(file, datasets=None, kind=""):
    """Return a file of every bank of K replicates whose treatment's name begins with `kind`."""
    return [
        f"{bank_folder(dataset, treatment)}/{file}"
        for dataset in (DATASETS if datasets is None else datasets)
        for treatment in TREATMENTS[dataset]
        if treatment.startswith(kind)
    ]


def per_attack(file, datasets=None, families=()):
    """Return a file of every attack (of some families, or of all) on every bank of K replicates."""
    return [
        f"results/attacks/{dataset}/{treatment}/{family}/{file}"
        for dataset in (DATASETS if datasets is None else datasets)
        for treatment in TREATMENTS[dataset]
        for family in families_of(dataset, treatment)
        if not families or family in families
    ]


def derived(stage, datasets=None):
    """Return (dataset, treatment) -> folder of every derived bank of a stage, `personalized` or `unlearned`."""
    folders = {}
    for dataset in DATASETS if datasets is None else datasets:
        names = [f"personalized-{variant}" for variant in VARIANTS[dataset]]
        if stage == "unlearned":
            names = [f"unlearned-{method}" for method in METHODS[dataset]]
            if dataset in FORGETTING_BEATS:  # a personalised model has no shards
                names += [f"{name}-personal" for name in names if name != "unlearned-sisa"]
        folders |= {(dataset, name): f"results/{stage}/{dataset}/{name}" for name in names}
    return folders


def per_derived(file, stage, datasets=None):
    """Return a file of every derived bank of a stage."""
    return [f"{folder}/{file}" for folder in derived(stage, datasets).values()]


def audits(datasets=None):
    """Return (dataset, subject, family) -> folder of every audit of derived banks.

    A personalised bank is a subject; so are all methods that answered one request.
    """
    subjects = []
    for dataset in DATASETS if datasets is None else datasets:
        subjects += [(dataset, f"personalized-{variant}", "personal") for variant in VARIANTS[dataset]]
        subjects += [(dataset, "unlearned", "forgetting")] * bool(METHODS[dataset])
        subjects += [(dataset, "unlearned-personal", "forgetting")] * (dataset in FORGETTING_BEATS)
    return {key: "results/attacks/{}/{}/{}".format(*key) for key in subjects}


def per_audit(file, datasets=None):
    """Return a file of every audit of derived banks."""
    return [f"{folder}/{file}" for folder in audits(datasets).values()]


def forgotten_by(kind, file):
    """Return an input function: a file of every method's bank for a request, retraining's first.

    `kind` is `population` or `personal`.
    """

    def files(wildcards):
        folders = {
            treatment: folder
            for (_, treatment), folder in derived("unlearned", [wildcards.dataset]).items()
            if treatment.endswith("-personal") == (kind == "personal")
        }
        order = sorted(folders, key=lambda treatment: "-retrain" not in treatment)
        return [f"{folders[treatment]}/{file}" for treatment in order]

    return files


def personal_banks(wildcards):
    """Return the files of a variant's bank and, for all weights, of the banks that forgot beats of its models."""
    folders = [f"results/personalized/{wildcards.dataset}/personalized-{wildcards.variant}"]
    if wildcards.variant == "all":
        folders += [
            folder
            for (_, treatment), folder in derived("unlearned", [wildcards.dataset]).items()
            if treatment.endswith("-personal")
        ]
    return [f"{folder}/bank.{ending}" for folder in folders for ending in ("safetensors", "json")]


def families_of(dataset, treatment):
    """Return the attack families that a bank of K replicates faces."""
    return grid.families_of(CONFIG["datasets"][dataset], treatment)


def bank_folder(dataset, treatment):
    """Return the folder of a bank of K replicates."""
    return f"results/{grid.stage_of(treatment)}/{dataset}/{treatment}"


def files_of_bank(wildcards):
    """Return the files of the bank that is attacked."""
    folder = bank_folder(wildcards.dataset, wildcards.treatment)
    return [f"{folder}/{file}" for file in BANK_FILES]


def reference_of_bank(wildcards):
    """Return the files of the baseline that a bank is compared with; none for a baseline."""
    reference = grid.reference_of(CONFIG["datasets"][wildcards.dataset], wildcards.treatment)
    return [f"results/baselines/{wildcards.dataset}/{reference}/{file}" for file in BANK_FILES] if reference else []


def base_of(section):
    """Return an input function: the files of the baseline bank that a section of the dataset builds on."""

    def files(wildcards):
        model = CONFIG["datasets"][wildcards.dataset][section]["model"]
        return [f"results/baselines/{wildcards.dataset}/baseline-{model}/{file}" for file in BANK_FILES]

    return files


def shards_of_bank(wildcards):
    """Return the files of a bank's shards."""
    shards = CONFIG["datasets"][wildcards.dataset]["bank"]["shards"]
    return expand(
        "shards/{stage}/{dataset}/{treatment}/{shard}-of-{shards}/{file}",
        shard=range(shards),
        shards=shards,
        file=BANK_FILES,
        **dict(wildcards.items()),
    )


def replicates_of_bank(treatment):
    """Return an input function: how many replicates a bank has."""
    return lambda wildcards: grid.replicates_of(
        CONFIG["datasets"][wildcards.dataset], treatment.format(**dict(wildcards.items()))
    )


def replicates_of_shard(treatment):
    """Return an input function: the replicate numbers that one shard trains, every so-many-th of the bank's."""
    count = replicates_of_bank(treatment)
    return lambda wildcards: list(range(int(wildcards.shard), count(wildcards), int(wildcards.shards)))


def benchmark_files(wildcards):
    """Return (stage, dataset, name) -> benchmark file; no inputs, since a restored clone has none."""
    files = {}
    for dataset in DATASETS:
        shards = CONFIG["datasets"][dataset]["bank"]["shards"]
        names = {("raw", ""), ("preprocessed", "")}
        for treatment in TREATMENTS[dataset]:
            stage = grid.stage_of(treatment)
            names |= {(stage, f"{treatment}/{shard}-of-{shards}") for shard in range(shards)}
            names |= {(stage, f"{treatment}/{work}") for work in ("gather", "utility")}
            names |= {("attacks", f"{treatment}/{family}") for family in families_of(dataset, treatment)}
        for stage in ("personalized", "unlearned"):
            names |= {(stage, treatment) for _, treatment in derived(stage, [dataset])}
        names |= {("attacks", f"{subject}/{family}") for _, subject, family in audits([dataset])}
        names |= {("attacks", "linkage")} if dataset in TABLES else set()
        for stage, name in sorted(names):
            files[stage, dataset, name] = f"logs/benchmarks/{stage}/{dataset}{'/' * bool(name)}{name}.tsv"
    return files
