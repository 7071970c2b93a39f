"""Snakemake's plan as data: which jobs there are, what they read and write, and why each would run.

Snakemake's command line is its public face, so the plan is read from what a dry run prints in its plain form.
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medpriv.workflow.environment import surroundings

# As in profiles/default, which is left out here since it changes the form of what is printed.
JUDGEMENT = ("--rerun-incomplete", "--max-checksum-file-size", "2TB", "--workflow-profile", "none")


@dataclass(frozen=True)
class Job:
    """One job of a plan: its rule, wildcards as text (`dataset=heart, model=mlp`), files, and Snakemake's reason."""

    rule: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    wildcards: str = ""
    reason: str = ""


def parse_plan(text: str) -> list[Job]:
    """Return the jobs that a dry run lists."""
    jobs = []
    for block in re.split(r"^(?:local)?rule ", text, flags=re.MULTILINE)[1:]:
        rule, _, body = block.partition(":\n")
        fields = dict(re.findall(r"^    (input|output|wildcards|reason): (.*?) *$", body, flags=re.MULTILINE))
        inputs, outputs = (
            tuple(sorted(filter(None, fields.get(name, "").split(", ")))) for name in ("input", "output")
        )
        jobs.append(Job(rule, inputs, outputs, fields.get("wildcards", ""), fields.get("reason", "")))
    return jobs


def jobs_of(dag: Any) -> list[Job]:
    """Return the jobs of a plan that a process of Snakemake's holds, those that are up to date included."""
    return [
        Job(job.rule.name, *(tuple(sorted(map(str, files))) for files in (job.input, job.output))) for job in dag.jobs
    ]


def dry_run(root: Path, *arguments: str) -> list[Job]:
    """Return the jobs that would run in the root's default run; all of them if `--forceall` is among the arguments."""
    return parse_plan(snakemake([sys.executable, "-m", "snakemake", "--dry-run", *arguments], root))


def snakemake(command: Sequence[str], folder: Path) -> str:
    """Run a Snakemake command and return what it prints.

    Raises:
        RuntimeError: it failed; with what it said, apart from what it always says.
    """
    command = [*command, *JUDGEMENT]
    done = subprocess.run(command, cwd=folder, env=surroundings(folder), text=True, capture_output=True)
    if done.returncode:
        said = f"{done.stdout}{done.stderr}".rpartition("Building DAG of jobs...")[2].splitlines()
        told = [line for line in said if not line.startswith(("Using workflow specific profile", "Config file "))]
        raise RuntimeError("\n".join(told).strip())
    return done.stdout + done.stderr
