"""The config as the rules see it: overlays applied, checked, one value at a time by its dotted key.

Rules ask for values with `setting("datasets.{dataset}.raw")` and its kin below. Each says by `reads`, beside its code,
which keys it looks at; `medpriv.workflow.asked` finds the calls in the rules' text. A job reruns when a value that it
asked for changes: rules ask for what their script uses, and for no more.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, get_args

from medpriv.catalogue.attacks import Family
from medpriv.catalogue.treatments import STRATEGIES, TREATMENTS, spec_of
from medpriv.config.check import check_config
from medpriv.config.dataset import LAYERS, PatientSignalSettings
from medpriv.config.section import section_within
from medpriv.config.synthetic import varied
from medpriv.errors import InputError

DATASET = "datasets.{dataset}"

Keys = Callable[..., list[str]]
Helper = TypeVar("Helper", bound=Callable[..., Any])

READS: dict[str, Keys] = {}  # of each of the rules' helpers: from what it is called with to the keys that it looks at


def reads(name: str, keys: Keys) -> Callable[[Helper], Helper]:
    """Return a decorator that says which keys of the config a helper of the rules looks at.

    A key stands for all below it; `{x}` is any name, a leading `-` takes keys out, the empty one is the whole config.
    """

    def noted(helper: Helper) -> Helper:
        READS[name] = keys
        return helper

    return noted


def _setting_keys(key: str = "", only: tuple[str, ...] = (), without: tuple[str, ...] = ()) -> list[str]:
    return [f"{key}.{name}" for name in only] or [key, *(f"-{key}.{name}" for name in without)]


def model_key(section: str) -> list[str]:
    """Return the key that names the network which a dataset's section builds on; none where treatments' names do."""
    return [] if section == "private" else [f"{DATASET}.{section}.model"]


def replicates_keys(treatment: str) -> list[str]:
    """Return the keys that say how many replicates the banks of a form of names have."""
    word = treatment.partition("-")[0]
    own = [] if word == "baseline" else [f"{DATASET}.{TREATMENTS[word].section}.replicates"]
    own += [f"{DATASET}.language.private.replicates"] if treatment.startswith("lm-dp-") else []
    return [f"{DATASET}.bank.replicates", *own]


def _recipe_keys(section: str) -> list[str]:
    return [*model_key(section), *(f"{DATASET}.baselines.{model}" for model in _models_of(section))]


def _layers_keys(section: str) -> list[str]:
    layers = [f"{DATASET}.baselines.{model}.{name}" for model in _models_of(section) for name in LAYERS[model]]
    return [*model_key(section), *layers]


def _models_of(section: str) -> tuple[str, ...]:
    """Return the networks that a treatment's section may build on."""
    settings = section_within(PatientSignalSettings.model_fields[section].annotation)
    if section == "private":
        return tuple(section_within(settings.model_fields["models"].annotation).model_fields)
    return get_args(settings.model_fields["model"].annotation)


def effective_config(content: Mapping[str, Any], file: str, root: Path, faults: Sequence[str] = ()) -> dict[str, Any]:
    """Return the checked config with defaults filled in.

    A local source's relative path is meant from the project's folder and returned relative to the working directory.

    Args:
        faults: what was found in its files before; told with the check's own.
    """
    config = check_config({**content, "datasets": content.get("datasets") or {}}, file, faults)
    for section in config["datasets"].values():
        path = section["raw"].get("path")
        if path and not Path(path).is_absolute():
            section["raw"]["path"] = os.path.relpath(root / path)
    return config


def local_files(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the files that each dataset reads from a local source (none for other sources): inputs like any other.

    Raises:
        InputError: a file that the format needs is missing or cannot be read; better now than after other datasets
            have run for hours.
    """
    found = {}
    for name, section in config["datasets"].items():
        found[name] = []
        if section["raw"]["source"] == "local":
            path = Path(section["raw"]["path"])
            source = import_module(f"medpriv.sources.{section['format']}")
            folder = path if path.is_dir() else path.parent
            try:
                found[name] = _without_braces([str(folder / file) for file in source.local_files(path)])
            except InputError:
                raise
            except Exception as error:  # whatever a user's file may hold: no traceback of ours
                raise InputError(
                    f"cannot be read ({type(error).__name__}: {error})",
                    file=path,
                    place=f"datasets.{name}.raw.path",
                    remedy=f"give the files of format {section['format']} (docs/data/), readable and as published",
                ) from error
    return found


def _without_braces(files: list[str]) -> list[str]:
    """Return the files; refuse braces, by which Snakemake marks wildcards and which it lets nobody write otherwise."""
    for file in files:
        if "{" in file or "}" in file:
            raise InputError("braces in a path", file=file, remedy="rename the file or its folder without { and }")
    return files


@reads("setting", _setting_keys)
def setting_of(config: Mapping[str, Any]) -> Callable[..., Callable[[Any], Any]]:
    """Return the rules' `setting`: from a dotted key with wildcards in braces to a function of the wildcards.

    Of a section, `setting(key, only=names)` gives these keys alone (with wildcards in braces, too), and
    `setting(key, without=names)` the others.
    """

    def setting(key: str = "", only: tuple[str, ...] = (), without: tuple[str, ...] = ()) -> Callable[[Any], Any]:
        def value(wildcards: Any) -> Any:
            names = dict(wildcards.items())
            found = look_up(config, key.format(**names))
            if only:
                return {name: found[name] for name in (each.format(**names) for each in only)}
            return {name: one for name, one in found.items() if name not in without} if without else found

        return value

    return setting


@reads("recipe_of", _recipe_keys)
def recipe_of(config: Mapping[str, Any], section: str) -> Callable[[Any], dict[str, Any]]:
    """Return a function of the wildcards: the recipe of the baseline network that a dataset's section builds on.

    That network is named by the wildcard `model`, or else by the section.
    """
    return lambda wildcards: _recipe(config, section, wildcards)[1]


@reads("layers_of", _layers_keys)
def layers_of(config: Mapping[str, Any], section: str) -> Callable[[Any], dict[str, Any]]:
    """Return as `recipe_of`, but the network's layers alone: for treatments that train in a way of their own."""

    def value(wildcards: Any) -> dict[str, Any]:
        model, recipe = _recipe(config, section, wildcards)
        return {name: recipe[name] for name in LAYERS[model]}

    return value


def _recipe(config: Mapping[str, Any], section: str, wildcards: Any) -> tuple[str, dict[str, Any]]:
    names = dict(wildcards.items())
    dataset = config["datasets"][names["dataset"]]
    model = names.get("model") or dataset[section]["model"]
    return model, dataset["baselines"][model]


@reads("of_dataset", lambda key, *by_dataset: [key])
def of_dataset(config: Mapping[str, Any], key: str, *by_dataset: str) -> Callable[[Any], dict[str, Any]]:
    """Return a function of the wildcards: a section, and of its mappings by dataset what is said of this one."""

    def value(wildcards: Any) -> dict[str, Any]:
        section, dataset = look_up(config, key), dict(wildcards.items())["dataset"]
        return section | {name: {k: v for k, v in section[name].items() if k == dataset} for name in by_dataset}

    return value


def of_family(config: Mapping[str, Any], family: Family) -> Callable[[Any], dict[str, Any]]:
    """Return a function of the wildcards: the settings of an attack family's job, see `Family.keys`."""

    def value(wildcards: Any) -> dict[str, Any]:
        own, *more = family.keys
        section = of_dataset(config, own.format(**dict(wildcards.items())), *family.by_dataset)(wildcards)
        return section | {key.rpartition(".")[2]: setting_of(config)(key)(wildcards) for key in more}

    return value


@reads("federation_of", lambda key: _setting_keys(key, only=("rounds", "partition", "local", "strategies.{strategy}")))
def federation_of(config: Mapping[str, Any], key: str) -> Callable[[Any], dict[str, Any]]:
    """Return a function of the wildcards: what of the section `federated` the wildcard `strategy` is trained by.

    Clients of `sample_dp` take private steps of its own; patients who are dealt out are in no group.
    """

    def value(wildcards: Any) -> dict[str, Any]:
        names = dict(wildcards.items())
        section, strategy = look_up(config, key.format(**names)), names["strategy"]
        used = {name: section[name] for name in ("rounds", "partition", "local")}
        if strategy == "sample_dp":
            del used["local"]
        if STRATEGIES[strategy].deals:
            used["partition"] = {"least_patients": section["partition"]["least_patients"]}
        return used | {"strategy": section["strategies"][strategy]}

    return value


@reads("private_of", lambda key: _setting_keys(key, only=("models.{model}.{mechanism}", "delta", "engine")))
def private_of(config: Mapping[str, Any], key: str) -> Callable[[Any], dict[str, Any]]:
    """Return a function of the wildcards: a mechanism's section below `private`, with `delta` and `engine`.

    Perturbation takes no steps, so it has no engine.
    """

    def value(wildcards: Any) -> dict[str, Any]:
        names = dict(wildcards.items())
        section = look_up(config, key.format(**names))
        own = section["models"][names["model"]][names["mechanism"]]
        shared = ("delta", "engine") if "steps" in own else ("delta",)
        return own | {name: section[name] for name in shared}

    return value


def synthesis_of(config: Mapping[str, Any], generator: str) -> Callable[[Any], dict[str, Any]]:
    """Return a function of the wildcards: how a generator is fitted, with what the wildcard `treatment` varies."""

    def value(wildcards: Any) -> dict[str, Any]:
        section = config["datasets"][wildcards.dataset]["synthetic"]
        variation = spec_of(wildcards.treatment).parts.get("variation")
        changed = section["variations"].get(generator, {}).get(variation, {})
        recipe = varied(section["generators"][generator], changed)
        return {name: one for name, one in recipe.items() if name != "replicates"}

    return value


@reads("raw_of", lambda key: [key])
def raw_of(config: Mapping[str, Any], key: str) -> Callable[[Any], dict[str, Any]]:
    """Return a function of the wildcards: what of a section `raw` its source uses."""
    uses = {"simulated": "simulated", "local": "path", "remote": "base_url"}

    def value(wildcards: Any) -> dict[str, Any]:
        section = look_up(config, key.format(**dict(wildcards.items())))
        return {name: section[name] for name in ("source", uses[section["source"]])}

    return value


@reads("if_simulated", lambda key: [key])
def if_simulated(config: Mapping[str, Any], key: str) -> Callable[[Any], Any]:
    """Return a function of the wildcards: the value under a key, None where a dataset isn't made here."""

    def value(wildcards: Any) -> Any:
        made = config["datasets"][dict(wildcards.items())["dataset"]]["raw"]["source"] == "simulated"
        return look_up(config, key) if made else None

    return value


def look_up(config: Mapping[str, Any], key: str) -> Any:
    """Return the value under a dotted key; the empty key is the whole config."""
    value: Any = config
    for part in key.split(".") if key else ():
        value = value[part]
    return value
