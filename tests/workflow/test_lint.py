"""The linters of the workflow are content."""

import subprocess
import sys
from pathlib import Path

import pytest
from project import ROOT, clean_environment

BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [
        ["snakemake", "--lint"],
        ["snakefmt", "--check", "Snakefile", "rules"],
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
    ],
    ids=" ".join,
)
def test_linters_find_nothing(command: list[str]) -> None:
    program = [str(BIN / command[0]), *command[1:]]
    done = subprocess.run(program, cwd=ROOT, env=clean_environment(), text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
