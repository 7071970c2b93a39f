"""Copies of the project for tests to run in, with config/tiny.yaml as their default config, so that DVC versions it."""

import hashlib
import os
import pickle
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml
from dvc.repo import Repo
from planner import snakemake
from ruamel.yaml import YAML

from medpriv.workflow.plan import JUDGEMENT, Job, parse_plan

ROOT = Path(__file__).resolve().parents[2]
NOT_COPIED = (
    ".git",
    ".venv",
    ".snakemake",
    ".medpriv",
    "results",
    "runs",
    "shards",
    "logs",
    "cache",
    "tmp",
)
# Compiled code is copied: it is taken for what it is by its source's time and size, wherever it lies.
NOT_COPIED += ("*.egg-info", ".*_cache", "dvc.lock")


class Project:
    """A copy of the project in a folder, with ways to run things in it."""

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.environment = {**clean_environment(), **(environment or {})}

    def __call__(self, *command: str, check: bool = True, prefix: tuple[str, ...] = ()) -> str:
        """Run a command and return what it printed; with `check`, fail with that if it fails."""
        done = subprocess.run(
            [*prefix, *command], cwd=self.folder, env=self.environment, text=True, capture_output=True, timeout=3000
        )
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def python(self, *arguments: str, **options: object) -> str:
        """Run the environment's Python."""
        return self(sys.executable, *arguments, **options)

    def run(self, *arguments: str, **options: object) -> str:
        """Run the workflow as `make report` does."""
        return self.python("-m", "medpriv.workflow.run", *arguments, **options)

    def dvc(self, *arguments: str, **options: object) -> str:
        """Run DVC."""
        return self.python("-m", "dvc", *arguments, **options)

    def plan(self) -> list[Job]:
        """Return the jobs that would run now, apart from those that only collect targets."""
        said = snakemake(["--dry-run", *JUDGEMENT], self.folder, self.environment)
        return [job for job in parse_plan(said) if job.outputs]

    def changed_in_dvc(self) -> set[str]:
        """Return the DVC stages that differ from the last run, in dependencies, parameters or outputs."""
        with Repo(str(self.folder)) as repo, patch.object(YAML, "load", _load_once):
            return {name.rpartition(":")[2] for name in repo.status()}  # named from the working directory

    def planned_rules(self) -> set[str]:
        """Return the rules of the jobs that would run now."""
        return {job.rule for job in self.plan()}

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of every result, with measured times and memory left out."""
        return digests(self.folder / "results")

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text that stands once in a file."""
        file = self.folder / path
        content = file.read_text(encoding="utf-8")
        assert content.count(old) == 1, f"{old!r} stands {content.count(old)} times in {path}"
        file.write_text(content.replace(old, new), encoding="utf-8")

    def append(self, path: str, text: str) -> None:
        """Add text to the end of a file."""
        with (self.folder / path).open("a", encoding="utf-8") as stream:
            stream.write(text)

    def set(self, key: str, value: object) -> None:
        """Set a value of config.yaml by its dotted key."""
        file = self.folder / "config.yaml"
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
        section = config
        *parents, last = key.split(".")
        for name in parents:
            section = section[name]
        section[last] = value
        file.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")

    def keep_one_bank(self) -> None:
        """Ask for one small dataset with one bank alone: every stage but those of treatments, six jobs deep."""
        for left_out in ("mitdb", "admissions", "pneumonia", "heart.private", "heart.federated", "heart.split"):
            self.set(f"datasets.{left_out}", None)
        for model in ("mlp", "forest", "boosting"):
            self.set(f"datasets.heart.baselines.{model}", None)

    def copy(self, folder: Path) -> "Project":
        """Return a copy with results, Snakemake's records and modification times."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder)


_load = YAML.load


@cache
def _pickled(kind: str, text: str) -> bytes:
    return pickle.dumps(_load(YAML(typ=kind), text))


def _load_once(reader: YAML, text: str) -> Any:
    """Return a YAML file's content to DVC, which reads the same text for every stage and takes most of its time so."""
    return pickle.loads(_pickled(reader.typ[0], text))


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what a surrounding make, git or run put into it."""
    ours = re.compile(r"MAKE|MFLAGS|GIT_|DVC_|MEDPRIV_|PYTHONPATH|PYTEST_")
    kept = {name: value for name, value in os.environ.items() if not ours.match(name)}
    author = {"NAME": "Test", "EMAIL": "test@example.org"}
    names = {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in author.items()}
    return kept | names | {"VENV": sys.prefix, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def digests(results: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder; of the page without its measured block; not of costs.csv."""
    found = {}
    for path in sorted(results.rglob("*")):
        if path.is_file() and path.name not in ("costs.csv", ".snakemake_timestamp"):
            content = path.read_bytes()
            if path.name == "index.html":
                content, blocks = re.subn(rb"<!-- measured:begin -->.*?<!-- measured:end -->", b"", content, flags=re.S)
                assert blocks == 1
            found[str(path.relative_to(results))] = hashlib.sha256(content).hexdigest()
    return found


def merged(base: dict, overlay: dict) -> dict:
    """Return the base with the overlay laid over it."""
    nested = [key for key in base.keys() & overlay.keys() if isinstance(base[key], dict) and overlay[key] is not None]
    return {**base, **overlay, **{key: merged(base[key], overlay[key]) for key in nested}}


def fresh_copy(folder: Path) -> Project:
    """Return a copy of the project without results, with the tiny config as its default."""
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*NOT_COPIED))
    base, tiny = (
        yaml.safe_load((ROOT / name).read_text(encoding="utf-8")) for name in ("config.yaml", "config/tiny.yaml")
    )
    (folder / "config.yaml").write_text(yaml.safe_dump(merged(base, tiny), sort_keys=False), encoding="utf-8")
    return Project(folder)
