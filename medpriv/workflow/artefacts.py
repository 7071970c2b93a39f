"""Which artefacts a config asks for, and where each lies: what the rules' inputs and targets are worked out from."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from medpriv.catalogue.attacks import (
    BANK,
    DATASET,
    FAMILIES,
    PATIENTS,
    PERSONALIZED,
    Family,
    families_of_bank,
    families_of_dataset,
    network_of,
)
from medpriv.catalogue.generators import GENERATORS, LICENCES, Generator
from medpriv.catalogue.networks import networks
from medpriv.catalogue.treatments import (
    KINDS,
    STAGES,
    TREATMENTS,
    Kind,
    Spec,
    kind_of_bank,
    spec_of,
    specs_of,
    stage_of,
)
from medpriv.config.check import modality_of
from medpriv.workflow.settings import DATASET as SECTION
from medpriv.workflow.settings import model_key, reads, replicates_keys

BANK_FILES = ("bank.safetensors", "bank.json")  # of every bank; one of K replicates has its outputs beside
PATIENTS_FOLDER = "patients"  # of the tables of attacks that speak of single patients
LANGUAGE_BASE = Spec("lm-base").name
NO_BANK = "none"  # what a wildcard is where nothing asks for one

Key = tuple[str, str]  # dataset and treatment
Wildcards = Any


class Artefacts:
    """The artefacts of one checked config.

    Attributes:
        config: the config.
        datasets: the names of its datasets.
        specs: by dataset, every bank that it asks for, in the order of the stages.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.datasets = list(config["datasets"])
        self.specs = {name: specs_of(section) for name, section in config["datasets"].items()}

    # --- banks -------------------------------------------------------------------------------------------------------

    def banks(self, datasets: Iterable[str] | None = None, stage: str | None = None) -> dict[Key, Spec]:
        """Return the banks of K replicates, of some datasets and one stage (of all, if None)."""
        return self._select(datasets, stage, derived=False)

    def derived(self, datasets: Iterable[str] | None = None, stage: str | None = None) -> dict[Key, Spec]:
        """Return the banks derived from others, as `banks`."""
        return self._select(datasets, stage, derived=True)

    def _select(self, datasets: Iterable[str] | None, stage: str | None, *, derived: bool) -> dict[Key, Spec]:
        return {
            (dataset, spec.name): spec
            for dataset in (self.datasets if datasets is None else datasets)
            for spec in self.specs[dataset]
            if bool(spec.treatment.origin) == derived and stage in (None, spec.treatment.stage)
        }

    def per_bank(self, file: str, datasets: Iterable[str] | None = None, stage: str | None = None) -> list[str]:
        """Return a file of every bank of K replicates."""
        return [f"{folder_of(*key)}/{file}" for key in self.banks(datasets, stage)]

    def tables_of_use(self) -> list[str]:
        """Return the tables of every bank's usefulness."""
        found = [
            f"{use_folder(*key)}/{table}.csv"
            for key, spec in self.banks().items()
            for table in ("utility", *KINDS[spec.kind].tables)
        ]
        return list(dict.fromkeys(found))

    def per_derived(self, file: str, datasets: Iterable[str] | None = None, stage: str | None = None) -> list[str]:
        """Return a file of every derived bank."""
        return [f"{folder_of(*key)}/{file}" for key in self.derived(datasets, stage)]

    def per_dataset(self, pattern: str, datasets: Iterable[str] | None = None) -> list[str]:
        """Return the pattern filled in for every dataset."""
        return [pattern.format(dataset=dataset) for dataset in (self.datasets if datasets is None else datasets)]

    # --- attacks -----------------------------------------------------------------------------------------------------

    def families(self, dataset: str, spec: Spec) -> list[Family]:
        """Return the attack families that a bank of K replicates faces."""
        return families_of_bank(spec, self.modality(dataset), self.config["datasets"][dataset])

    def attacks(self, datasets: Iterable[str] | None = None) -> dict[tuple[str, str, str], str]:
        """Return (dataset, treatment, family) -> folder of every attack on a bank of K replicates."""
        return {
            (dataset, treatment, family.name): attack_folder(dataset, place_of(spec, family), family.name)
            for (dataset, treatment), spec in self.banks(datasets).items()
            for family in self.families(dataset, spec)
        }

    def audits(self, datasets: Iterable[str] | None = None) -> dict[tuple[str, str, str], str]:
        """Return (dataset, subject, family) -> folder of every audit of derived banks.

        A personalised bank is a subject; so are all methods that answered one request.
        """
        by_stage = {family.subject: family.name for family in FAMILIES.values()}
        found = {}
        for (dataset, name), spec in self.derived(datasets).items():
            subject = name if spec.treatment.stage == PERSONALIZED else spec.word
            family = by_stage[spec.treatment.stage]
            found[dataset, subject, family] = attack_folder(dataset, subject, family)
        return found

    def tables_of_attacks(self, datasets: Iterable[str] | None = None) -> list[str]:
        """Return every table of every attack: on banks, on derived banks, and on the tables themselves."""
        attacks = {**self.attacks(datasets), **self.audits(datasets), **self.of_datasets(datasets)}
        found = []
        for (_, _, family), folder in attacks.items():
            found += [table_path(folder, table) for table in ("measures", *FAMILIES[family].tables)]
        return list(dict.fromkeys(found))

    def of_datasets(self, datasets: Iterable[str] | None = None) -> dict[tuple[str, str, str], str]:
        """Return (dataset, "", family) -> folder of every attack on a dataset itself."""
        return {
            (name, "", family.name): attack_folder(name, "", family.name)
            for name in (self.datasets if datasets is None else datasets)
            for family in families_of_dataset(self.modality(name), self.config["datasets"][name])
        }

    def reported(self) -> list[tuple[str, str, str, str, str]]:
        """Return (stage, dataset, name, family, folder) of everything that the report reads, in its order.

        What speaks of single patients is of the stage `patients`.
        """
        found = [("preprocessed", dataset, "", "", f"results/preprocessed/{dataset}") for dataset in self.datasets]
        banks = {**self.banks(), **self.derived()}
        found += [(spec.treatment.stage, *key, "", folder_of(*key)) for key, spec in banks.items()]
        attacks = {**self.attacks(), **self.audits(), **self.of_datasets()}
        found += [("attacks", *key, folder) for key, folder in attacks.items()]
        return found + [
            (PATIENTS_FOLDER, *key, patients_folder(folder))
            for key, folder in attacks.items()
            if PATIENTS in FAMILIES[key[2]].tables.values()
        ]

    # --- stages -------------------------------------------------------------------------------------------------------

    def outcome(self, stage: str, datasets: Iterable[str] | None = None) -> list[str]:
        """Return the last files of a stage, of some datasets or all."""
        if stage == "raw":
            return self.per_dataset("results/raw/{dataset}/manifest.json", datasets)
        if stage == "preprocessed":
            return self.per_dataset("results/preprocessed/{dataset}/dataset.json", datasets)
        if stage == "attacks":
            return self.tables_of_attacks(datasets)
        used = [f"{use_folder(*key)}/utility.csv" for key in self.banks(datasets, stage)]
        return list(dict.fromkeys(used)) + self.per_derived("bank.json", datasets, stage)

    def stages(self) -> list[tuple[str, str]]:
        """Return every (stage, dataset) with an outcome."""
        stages = ("raw", "preprocessed", *STAGES, "attacks")
        return [(stage, name) for stage in stages for name in self.datasets if self.outcome(stage, [name])]

    # --- what a job needs, by its wildcards --------------------------------------------------------------------------

    def files_of_bank(self, wildcards: Wildcards) -> list[str]:
        """Return the files of the bank of K replicates that is attacked or measured."""
        return bank_files(wildcards.dataset, wildcards.treatment)

    def measured(self, kind: Kind) -> Callable[[Wildcards], list[str]]:
        """Return an input function: the files of the bank whose use is measured, or of all banks of a stage."""

        def files(wildcards: Wildcards) -> list[str]:
            return [file for key in self.banks([wildcards.dataset], wildcards.stage) for file in bank_files(*key)]

        return files if kind.joint else self.files_of_bank

    def attacked(self, family: Family) -> Callable[[Wildcards], list[str]]:
        """Return an input function: the files of the bank that a family attacks, or of all banks of a stage."""

        def files(wildcards: Wildcards) -> list[str]:
            banks = self.banks([wildcards.dataset], wildcards.stage)
            faced = [key for key, spec in banks.items() if family in self.families(wildcards.dataset, spec)]
            return [file for key in faced for file in bank_files(*key)]

        return files if family.joint else self.files_of_bank

    def base_model(self, family: Family) -> Callable[[Wildcards], list[str]]:
        """Return an input function: the files of the language model before any patient, where attackers know it."""
        return lambda wildcards: bank_files(wildcards.dataset, LANGUAGE_BASE) if family.base else []

    def base_of_language(self, wildcards: Wildcards) -> list[str]:
        """Return the files of the language model that a dataset's fine-tunings begin with."""
        return bank_files(wildcards.dataset, LANGUAGE_BASE)

    def tuned_to_forget(self, wildcards: Wildcards) -> list[str]:
        """Return the files of the language models that are asked to forget: all weights, after the most epochs."""
        epochs = self.config["datasets"][wildcards.dataset]["language"]["epochs"]
        return bank_files(wildcards.dataset, Spec("lm", {"tuning": "full", "epoch": max(epochs)}).name)

    def tuned(self) -> list[str]:
        """Return the files that a fine-tuning of a language model writes: a bank an epoch, alike for all datasets."""
        sections = (section.get("language") for section in self.config["datasets"].values())
        epochs = next((section["epochs"] for section in sections if section), [1])
        folders = [f"results/language/{{dataset}}/lm-{{tuning}}-epoch{epoch}" for epoch in epochs]
        return [f"{folder}/{file}" for folder in folders for file in (*BANK_FILES, KINDS["language_model"].outputs)]

    def reference_of_bank(self, wildcards: Wildcards) -> list[str]:
        """Return the files of what a bank is compared with: of classifiers the baseline of the same network.

        A language model is compared with the base before its fine-tuning. There are none for a baseline or that base,
        and for models of other kinds.
        """
        if not hasattr(wildcards, "treatment"):
            return []
        spec = spec_of(wildcards.treatment)
        if spec.kind == "language_model" and spec.word != LANGUAGE_BASE:
            return bank_files(wildcards.dataset, LANGUAGE_BASE)
        if spec.word == "baseline" or spec.kind != "classifier":
            return []
        model = network_of(spec, self.config["datasets"][wildcards.dataset])
        return bank_files(wildcards.dataset, Spec("baseline", {"model": model}).name)

    @reads("base_of", model_key)
    def base_of(self, section: str) -> Callable[[Wildcards], list[str]]:
        """Return an input function: the files of the baseline that a section of the dataset builds on."""

        def files(wildcards: Wildcards) -> list[str]:
            model = self.config["datasets"][wildcards.dataset][section]["model"]
            return bank_files(wildcards.dataset, Spec("baseline", {"model": model}).name)

        return files

    def unlearned_by(self, word: str, file: str) -> Callable[[Wildcards], list[str]]:
        """Return an input function: a file of every method's bank for a request, retraining's first.

        Args:
            word: `unlearned` or `unlearned-personal`.
        """

        def files(wildcards: Wildcards) -> list[str]:
            banks = {key: spec for key, spec in self.derived([wildcards.dataset]).items() if spec.word == word}
            order = sorted(banks, key=lambda key: banks[key].parts["method"] != "retrain")
            return [f"{folder_of(*key)}/{file}" for key in order]

        return files

    def personal_banks(self, wildcards: Wildcards) -> list[str]:
        """Return the files of a variant's bank and, for all weights, of the banks that forgot beats of its models."""
        keys = [(wildcards.dataset, f"personalized-{wildcards.variant}")]
        if wildcards.variant == "all":
            derived = self.derived([wildcards.dataset]).items()
            keys += [key for key, spec in derived if spec.word == "unlearned-personal"]
        return [f"{folder_of(*key)}/{file}" for key in keys for file in BANK_FILES]

    def shards_of_bank(self, wildcards: Wildcards) -> list[str]:
        """Return the files of a bank's shards."""
        shards = self.config["datasets"][wildcards.dataset]["bank"]["shards"]
        folder = f"shards/{wildcards.stage}/{wildcards.dataset}/{wildcards.treatment}"
        files = bank_file_names(spec_of(wildcards.treatment))
        return [f"{folder}/{shard}-of-{shards}/{file}" for shard in range(shards) for file in files]

    @reads("replicates_of_bank", replicates_keys)
    def replicates_of_bank(self, treatment: str) -> Callable[[Wildcards], int]:
        """Return an input function: how many replicates a bank has."""

        def count(wildcards: Wildcards) -> int:
            section = self.config["datasets"][wildcards.dataset]
            return replicates_of(section, spec_of(treatment.format(**dict(wildcards.items()))))

        return count

    def replicates(self, wildcards: Wildcards) -> int:
        """Return how many replicates the bank of the wildcard `treatment` has."""
        return replicates_of(self.config["datasets"][wildcards.dataset], spec_of(wildcards.treatment))

    @reads("replicates_of_shard", lambda treatment: [*replicates_keys(treatment), f"{SECTION}.bank.shards"])
    def replicates_of_shard(self, treatment: str) -> Callable[[Wildcards], list[int]]:
        """Return an input function: the replicate numbers that one shard trains, every so-many-th of the bank's."""
        count = self.replicates_of_bank(treatment)
        return lambda wildcards: list(range(int(wildcards.shard), count(wildcards), int(wildcards.shards)))

    def treatments_of(self, kind: Kind, sharded: bool = False) -> str:
        """Return the pattern of the names of a kind's banks of K replicates, or of those trained in shards alone."""
        names = {
            name
            for (_, name), spec in self.banks().items()
            if KINDS[spec.kind] is kind and (spec.treatment.sharded or not sharded)
        }
        return _pattern(names)

    def stages_of(self, kind: Kind) -> str:
        """Return the pattern of the stages that make a kind's banks."""
        stages = {spec.treatment.stage for spec in self.banks().values() if KINDS[spec.kind] is kind}
        return _pattern(stages)

    def datasets_of(self, kind: Kind) -> str:
        """Return the pattern of the datasets with banks of a kind: two kinds of one stage are of different datasets."""
        return _pattern({dataset for (dataset, _), spec in self.banks().items() if KINDS[spec.kind] is kind})

    def synthetic_by(self, generator: str) -> str:
        """Return the pattern of the names of the banks that a generator makes."""
        names = {name for (_, name), spec in self.banks().items() if spec.parts.get("generator") == generator}
        return _pattern(names)

    def spec(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return word, parts and model of a generator's bank, which its job is told: it never reads the catalogue."""
        spec = spec_of(wildcards.treatment)
        return {"word": spec.word, "parts": spec.parts, "model": module_of(spec.parts["generator"])}

    def measures_of_generator(self, wildcards: Wildcards) -> list[str]:
        """Return the tables of measures of a generator's bank: its use, and every attack on it."""
        dataset, treatment = wildcards.dataset, wildcards.treatment
        attacks = [folder for (_, name, _), folder in self.attacks([dataset]).items() if name == treatment]
        return [f"{use_folder(dataset, treatment)}/utility.csv", *(f"{folder}/measures.csv" for folder in attacks)]

    def software(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the packages that make a generator's tables, with the SPDX id of their licences."""
        package = GENERATORS[spec_of(wildcards.treatment).parts["generator"]].package
        return {"medpriv": "MIT"} | (LICENCES[package] if package else {})

    def modality(self, dataset: str) -> str:
        """Return what a dataset's records are."""
        return modality_of(self.config["datasets"][dataset]["format"])

    # --- patterns and costs ------------------------------------------------------------------------------------------

    def wildcards(self) -> dict[str, str]:
        """Return the pattern of every wildcard: the values that the config's banks have, and no others."""
        specs = [spec for one in self.specs.values() for spec in one]
        trees = networks(gradients=False)
        baselines = [spec.parts["model"] for spec in specs if spec.word == "baseline"]
        names = {
            "dataset": self.datasets,
            "stage": [spec.treatment.stage for spec in specs if not spec.treatment.origin],
            "treatment": [spec.name for spec in specs if not spec.treatment.origin],
            "network": [model for model in baselines if model not in trees],
            "tree": trees,
        }
        for word in TREATMENTS:
            for spec in (spec for spec in specs if spec.word == word != "baseline"):
                for part, value in spec.parts.items():
                    names.setdefault(part, []).append(f"{value:g}" if isinstance(value, float) else str(value))
        parts = {part for treatment in TREATMENTS.values() for part in treatment.part_names}
        return {name: _pattern(names.get(name, [])) for name in (*names, *parts)}

    def cost_files(self) -> dict[tuple[str, str, str], str]:
        """Return (stage, dataset, name) -> file of what every job took."""
        files = {}
        for dataset in self.datasets:
            shards = self.config["datasets"][dataset]["bank"]["shards"]
            names = {("raw", ""), ("preprocessed", "")}
            for (_, treatment), spec in self.banks([dataset]).items():
                stage = spec.treatment.stage
                if not spec.treatment.sharded:
                    names |= {(stage, job_of(spec))}
                else:
                    names |= {(stage, f"{treatment}/{shard}-of-{shards}") for shard in range(shards)}
                    names |= {(stage, f"{treatment}/gather")}
                names |= {(stage, "utility" if KINDS[spec.kind].joint else f"{treatment}/utility")}
            names |= {(spec.treatment.stage, treatment) for (_, treatment), spec in self.derived([dataset]).items()}
            attacks = {**self.attacks([dataset]), **self.audits([dataset]), **self.of_datasets([dataset])}
            names |= {("attacks", folder.split("/", 3)[3]) for folder in attacks.values()}
            for stage, name in sorted(names):
                files[stage, dataset, name] = f"logs/{stage}/{dataset}{'/' * bool(name)}{name}.cost.json"
        return files


def _pattern(names: Iterable[str]) -> str:
    """Return what a wildcard with these values matches."""
    return "|".join(map(re.escape, sorted(set(names)))) or NO_BANK


def folder_of(dataset: str, treatment: str) -> str:
    """Return the folder of a bank."""
    return f"results/{stage_of(treatment)}/{dataset}/{treatment}"


def use_folder(dataset: str, treatment: str) -> str:
    """Return the folder of the measures of a bank's use: its own, or its stage's where a job measures all of these."""
    folder = folder_of(dataset, treatment)
    return folder.rpartition("/")[0] if kind_of_bank(treatment).joint else folder


def use_tables(kind: Kind) -> dict[str, str]:
    """Return the tables that a job writes which measures the use of a kind's banks, with the wildcards of its rule."""
    folder = "results/{stage}/{dataset}" + ("" if kind.joint else "/{treatment}")
    return {"measures": f"{folder}/utility.csv"} | {table: f"{folder}/{table}.csv" for table in kind.tables}


def package_of(spec: Spec) -> str:
    """Return the package that makes a synthetic table in a job with its other generators; empty for our own."""
    generator = spec.parts.get("generator")
    return GENERATORS[generator].package if generator else ""


def job_of(spec: Spec) -> str:
    """Return the name of the job that makes a bank which has no shards: some make several."""
    if spec.word == "lm":
        return f"lm-{spec.parts['tuning']}"
    return package_of(spec) or spec.name


def bank_file_names(spec: Spec) -> tuple[str, ...]:
    """Return the names of the files of a bank of K replicates."""
    return (*BANK_FILES, KINDS[spec.kind].outputs)


def bank_files(dataset: str, treatment: str) -> list[str]:
    """Return the files of a bank of K replicates."""
    return [f"{folder_of(dataset, treatment)}/{file}" for file in bank_file_names(spec_of(treatment))]


def attack_folder(dataset: str, subject: str, family: str) -> str:
    """Return the folder of an attack family's measures; an attack on the dataset itself has no subject."""
    return "/".join(["results/attacks", dataset, *[subject] * bool(subject), family])


def patients_folder(folder: str) -> str:
    """Return the folder of those tables of an attack that speak of single patients, which are never pushed."""
    return folder.replace("results/attacks/", f"results/{PATIENTS_FOLDER}/", 1)


def place_of(spec: Spec, family: Family) -> str:
    """Return the folder, below a dataset's attacks, of a family's measures of a bank: its own, or its stage's."""
    return spec.treatment.stage if family.joint else spec.name


def table_path(folder: str, table: str) -> str:
    """Return the path of a table of the attack whose measures lie in a folder."""
    family = FAMILIES[folder.rpartition("/")[2]]
    return f"{patients_folder(folder) if family.tables.get(table) == PATIENTS else folder}/{table}.csv"


def tables_of(family: Family) -> dict[str, str]:
    """Return the tables that a family's job writes, with the wildcards of its rule."""
    subject = {BANK: "{stage}" if family.joint else "{treatment}", DATASET: ""}[family.subject]
    folder = attack_folder("{dataset}", subject, family.name)
    return {table: table_path(folder, table) for table in ("measures", *family.tables)}


def replicates_of(section: Mapping[str, Any], spec: Spec) -> int:
    """Return how many replicates a bank has: the dataset's K, or fewer where the treatment asks for fewer."""
    own = section["bank"] if spec.word == "baseline" else section[spec.treatment.section]
    wanted = own["replicates"]
    if generator := spec.parts.get("generator"):
        wanted = own["generators"][package_of(spec) or generator]["replicates"] or wanted
    if tuning := spec.parts.get("tuning"):
        wanted = own["tunings"][tuning]["replicates"] or wanted
    if spec.word == "lm-dp":
        wanted = min(wanted, own["private"]["replicates"])
    if spec.word == "lm-base":
        return 1
    return min(wanted, section["bank"]["replicates"])


def families_on(subject: str) -> list[Family]:
    """Return the attack families on a subject: `bank` (of K replicates) or `dataset`."""
    return [family for family in FAMILIES.values() if family.subject == subject]


def bank_kinds() -> dict[str, Kind]:
    """Return the kinds of banks, by what the names of their rules end in."""
    return {"" if name == "classifier" else f"_{name}": kind for name, kind in KINDS.items()}


def settings_of_others(kind: Kind) -> tuple[str, ...]:
    """Return the subsections of a kind's settings that are other kinds' own."""
    inside = f"{kind.settings}."
    found = (other.settings for other in KINDS.values() if other.settings.startswith(inside))
    return tuple(name.removeprefix(inside) for name in found)


def is_sharded(kind: Kind) -> bool:
    """Return whether any treatment trains a kind's banks in shards."""
    return any(treatment.sharded for treatment in TREATMENTS.values() if KINDS[treatment.kind] is kind)


def looped_rules() -> dict[str, list[str]]:
    """Return the rules that are made in a loop, with the config's keys that their jobs hang on."""
    built = [item for item in TREATMENTS.values() if item.kind == "classifier" and not item.origin]
    models = [key for item in built if "model" not in item.part_names for key in model_key(item.section)]
    found = {}
    for suffix, kind in bank_kinds().items():
        if is_sharded(kind):
            found[f"gather_bank{suffix}"] = ["datasets.{dataset}.bank.shards"]
        found[f"measure_utility{suffix}"] = [
            kind.settings,
            *(f"-{kind.settings}.{name}" for name in settings_of_others(kind)),
            "seed",
            *([] if suffix else models),
        ]
    section = "datasets.{dataset}.synthetic"
    always = ["datasets.{dataset}.bank.replicates", *(f"{section}.{key}" for key in ("replicates", "released")), "seed"]
    for name, generator in own_generators().items():
        own = [f"{section}.generators.{name}", f"{section}.variations"]
        found[f"synthesise_{name}"] = [*own, *[f"{section}.delta"] * generator.guaranteed, *always]
    families = [*families_on(DATASET), *families_on(BANK)]
    return found | {f"attack_{family.name}": [*family.keys, "seed"] for family in families}


def package_generators(package: str) -> list[str]:
    """Return another package's generators, which one job makes."""
    return [name for name, generator in GENERATORS.items() if generator.package == package]


def module_of(generator: str) -> str:
    """Return the module that fits a generator, of its kind's package."""
    return GENERATORS[generator].module or generator


def trainer_of(generator: str) -> str:
    """Return the module whose `train` fits a bank of a generator."""
    return KINDS[GENERATORS[generator].kind].trainer


def generator_files(generator: str) -> list[str]:
    """Return the files of the modules that fit a generator and its bank, from the project's folder."""
    package = KINDS[GENERATORS[generator].kind].generators
    return [f"{name.replace('.', '/')}.py" for name in (f"{package}.{module_of(generator)}", trainer_of(generator))]


def own_generators() -> dict[str, Generator]:
    """Return the generators that are no other package's; each has a rule."""
    return {name: generator for name, generator in GENERATORS.items() if not generator.package}
