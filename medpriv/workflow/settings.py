"""The config as the rules see it: overlays applied, checked, one value at a time by its dotted key.

Rules ask for values with `setting("datasets.{dataset}.raw")`; the mirror in `medpriv.workflow.dvc` finds these keys in
the rules' text and tells DVC about them, so that a key is written once.
"""

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from medpriv.config.check import check_config


def effective_config(content: Mapping[str, Any], file: str, root: Path) -> dict[str, Any]:
    """Return the checked config with defaults filled in.

    A local source's path is meant from the project's folder and returned relative to the working directory.
    """
    config = check_config({**content, "datasets": content.get("datasets") or {}}, file)
    for section in config["datasets"].values():
        if section["raw"].get("path"):
            section["raw"]["path"] = os.path.relpath(root / section["raw"]["path"])
    return config


def local_files(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the files that each dataset reads from a local source (none for other sources): inputs like any other.

    Raises:
        InputError: a file that the format needs is missing; better now than after other datasets have run for hours.
    """
    found = {}
    for name, section in config["datasets"].items():
        found[name] = []
        if section["raw"]["source"] == "local":
            path = Path(section["raw"]["path"])
            source = import_module(f"medpriv.sources.{section['format']}")
            folder = path if path.is_dir() else path.parent
            found[name] = [str(folder / file) for file in source.local_files(path)]
    return found


def setting_of(config: Mapping[str, Any]) -> Callable[..., Callable[[Any], Any]]:
    """Return the rules' `setting`: from a dotted key with wildcards in braces to a function of the wildcards."""

    def setting(key: str = "") -> Callable[[Any], Any]:
        return lambda wildcards: look_up(config, key.format(**dict(wildcards.items())))

    return setting


def look_up(config: Mapping[str, Any], key: str) -> Any:
    """Return the value under a dotted key; the empty key is the whole config."""
    value: Any = config
    for part in key.split(".") if key else ():
        value = value[part]
    return value
