"""The environment of Snakemake and of its jobs."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from medpriv.workflow.environment import FIXED, fix_environment, surroundings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "SNAKEMAKE_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_all_is_left_as_it_is_where_nothing_is_amiss(tmp_path: Path) -> None:
    assert surroundings(tmp_path) == dict(os.environ)


def test_another_workflows_profile_is_left_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "theirs")
    assert "SNAKEMAKE_PROFILE" not in surroundings(tmp_path)


def test_a_cache_that_cannot_be_written_moves_below_the_run(tmp_path: Path, home: Path) -> None:
    (home / ".cache").write_text("a file, so that not even root can make a folder of it")
    changed = surroundings(tmp_path)
    assert changed["XDG_CACHE_HOME"] == str(tmp_path / ".medpriv/cache") and "XDG_CONFIG_HOME" not in changed


def test_without_a_home_settings_move_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/dev/null/none")
    changed = surroundings(tmp_path)
    assert changed["XDG_CACHE_HOME"] == str(tmp_path / ".medpriv/cache")
    assert changed["XDG_CONFIG_HOME"] == str(tmp_path / ".medpriv/config")


@pytest.mark.parametrize("place", ["with a blank", "it's", "a&b"])
def test_a_python_in_any_folder_can_be_pasted_into_a_shell_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    python = tmp_path / place / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(os, "environ", dict(os.environ))
    fix_environment(tmp_path)
    assert sys.executable == "python" and shutil.which("python", path=os.environ["PATH"]) == str(python)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the variables are glibc's")
def test_a_job_uses_memory_of_arrays_again() -> None:
    count = """
import numpy, resource
def pages(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
before = pages()
for _ in range(20): numpy.ones(40 * 2**20, numpy.uint8).sum()
print(pages() - before)
"""
    free = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    free["NUMPY_MADVISE_HUGEPAGE"] = "0"  # else the count hangs on what huge pages the machine has left
    faults = [
        int(subprocess.run([sys.executable, "-c", count], env=env, check=True, capture_output=True).stdout)
        for env in (free, free | FIXED)
    ]
    assert faults[1] < faults[0] / 4, faults


def test_a_python_with_a_plain_path_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    monkeypatch.setattr(os, "environ", dict(os.environ))
    fix_environment(tmp_path)
    assert sys.executable == "/usr/bin/python3"
