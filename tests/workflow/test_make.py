"""The Makefile and the setup of its environment, with a made-up Python that installs nothing."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project import ROOT

# A Python of any version: what it is asked for its version and place is made up, the rest is noted and done.
PYTHON = """#!/bin/sh
here=$(cd "$(dirname "$0")/.." && pwd)
case "$*" in
-c*) exec {real} -c "import sys; sys.version_info = (3, {minor}, 0); sys.prefix = '$here'; exec(sys.argv[1])" "$2" ;;
-V) echo "Python 3.{minor}.0" && exit ;;
"-m venv --clear "*) rm -rf "$4" && mkdir -p "$4/bin" && cp "$0" "$4/bin/python" && touch "$4/pyvenv.cfg" ;;
esac
echo "3.{minor} $*" >>{log}
"""


class Folder:
    """A project's folder of what `make setup` needs, and a PATH with made-up Pythons."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder.parent / "log"
        for name in ("envs", "tools"):
            (folder / name).mkdir(parents=True)
        for name in ("Makefile", "tools/make-venv.sh", "envs/requirements.lock", "envs/peers.lock"):
            shutil.copy2(ROOT / name, folder / name)
        self.bin = folder.parent / "bin"
        self.bin.mkdir()
        for tool in (
            "sh",
            "cat",
            "echo",
            "sha256sum",
            "cut",
            "tr",
            "grep",
            "paste",
            "tail",
            "rm",
            "mkdir",
            "cp",
            "touch",
            "dirname",
            "awk",
            "env",
        ):
            (self.bin / tool).symlink_to(shutil.which(tool))

    def python(self, name: str, minor: int) -> None:
        """Put a Python of a version on the PATH, in place of one of that name."""
        file = self.bin / name
        file.write_text(PYTHON.format(real=sys.executable, minor=minor, log=self.log))
        file.chmod(0o755)

    def make(self, *arguments: str, at: Path | None = None) -> tuple[int, str]:
        """Return exit code and output of make."""
        done = subprocess.run(
            [shutil.which("make"), *arguments],
            cwd=at or self.folder,
            env={"PATH": str(self.bin)},
            text=True,
            capture_output=True,
        )
        return done.returncode, done.stdout + done.stderr

    def noted(self) -> list[str]:
        """Return what Pythons were told to do since the last call."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines


@pytest.fixture(params=["plain", "with a blank"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    return Folder(tmp_path / request.param)


def test_setup_is_done_once(folder: Folder) -> None:
    folder.python("python3", 11)
    code, output = folder.make("setup")
    assert code == 0, output
    noted = folder.noted()
    assert noted[0].startswith("3.11 -m venv") and sum("-m pip" in line for line in noted) == 3
    (stamp,) = (folder.folder / ".venv").glob(".installed-*")
    assert stamp.read_text() == f"3 11 {folder.folder}/.venv\n"
    assert folder.make("setup")[0] == 0 and folder.noted() == []
    (folder.folder / "envs/peers.lock").write_text("other==1\n")
    assert folder.make("setup")[0] == 0
    assert not any("venv" in line for line in folder.noted())


def test_a_moved_environment_is_made_anew(folder: Folder) -> None:
    folder.python("python3", 12)
    folder.make("setup")
    moved = folder.folder.with_name("moved elsewhere")
    folder.folder.rename(moved)
    folder.noted()
    assert folder.make("setup", at=moved)[0] == 0
    assert any("-m venv --clear" in line for line in folder.noted())
    assert folder.make("setup", at=moved)[0] == 0 and folder.noted() == []


def test_an_old_python_is_refused_and_a_newer_one_is_found_beside_it(folder: Folder) -> None:
    folder.python("python3", 10)
    code, output = folder.make("setup")
    assert code != 0 and "No Python 3.11 or newer on the PATH (python3 is Python 3.10.0). Remedy:" in output
    assert not (folder.folder / ".venv").exists()
    folder.python("python3.12", 12)
    assert folder.make("setup")[0] == 0
    assert folder.noted()[0].startswith("3.12 -m venv")


def test_a_python_newer_than_the_tested_ones_is_taken_with_a_word_where_there_is_no_other(folder: Folder) -> None:
    folder.python("python3", 14)
    code, output = folder.make("setup")
    assert code == 0 and "Python 3.14.0 is untested: Python 3.11, 3.12 and 3.13 are." in output
    assert folder.noted()[0].startswith("3.14 -m venv")
    folder.python("python3.12", 12)
    code, output = folder.make("setup", "VENV=other")
    assert code == 0 and "untested" not in output
    assert folder.noted()[0].startswith("3.12 -m venv")


def test_what_an_old_python_set_up_is_made_anew_by_a_new_one(folder: Folder) -> None:
    folder.python("python3", 10)
    environment = folder.folder / ".venv"
    subprocess.run([folder.bin / "python3", "-m", "venv", "--clear", environment], check=True)
    shutil.copy(folder.bin / "python3", environment / "bin/python3")  # make puts it first on the PATH
    folder.python("python3", 11)
    folder.noted()
    code, output = folder.make("setup")
    assert code == 0, output
    assert folder.noted()[0].startswith("3.11 -m venv --clear")


def test_a_folder_that_is_no_environment_is_left_alone(folder: Folder) -> None:
    folder.python("python3", 11)
    (folder.folder / "mine").mkdir()
    (folder.folder / "mine/kept").touch()
    code, output = folder.make("setup", "VENV=mine")
    assert code != 0 and "not a virtual environment. Remedy:" in output
    assert (folder.folder / "mine/kept").exists()


def test_config_and_target_reach_the_run_whatever_they_hold(folder: Folder) -> None:
    folder.python("python3", 11)
    folder.make("setup")
    folder.noted()
    config = 'config/it\'s my $(table) "ü".yaml'
    assert folder.make("report", "CONFIG=" + config.replace("$", "$$"), "TARGET=raw-a raw-b", "CORES=1")[0] == 0
    assert folder.noted() == [f"3.11 -m medpriv.workflow.run --overlay {config} --target raw-a raw-b --cores 1"]
    assert folder.make("why", "CONFIG=config/my table.yaml")[0] == 0
    assert folder.noted() == ["3.11 -m medpriv.workflow.why --overlay config/my table.yaml"]


def test_dvc_gets_its_arguments_and_none_of_makes_own(folder: Folder) -> None:
    folder.python("python3", 11)
    folder.make("setup")
    folder.noted()
    assert folder.make("dvc", "ARGS=exp run -S 'config.yaml:a.b=[1, 2]'", "CONFIG=x.yaml")[0] == 0
    assert folder.noted() == ["3.11 -m dvc exp run -S config.yaml:a.b=[1, 2]"]


def test_slurm_is_looked_for_first(folder: Folder) -> None:
    folder.python("python3", 11)
    folder.make("setup")
    folder.noted()
    code, output = folder.make("slurm")
    assert code != 0 and "Slurm's sbatch is not on the PATH. Remedy:" in output and "profiles/slurm" in output
    assert folder.noted() == [] and "Traceback" not in output


def test_another_folders_makefile_is_refused(folder: Folder, tmp_path: Path) -> None:
    code, output = folder.make("-f", str(folder.folder / "Makefile"), "report", at=tmp_path)
    assert code != 0 and "Remedy: `make -C" in output
    assert not (tmp_path / ".venv").exists()


def test_blanks_in_the_environments_folder_are_refused(folder: Folder) -> None:
    code, output = folder.make("setup", "VENV=my env")
    assert code != 0 and "can't handle blanks" in output


def test_a_variable_in_small_letters_is_refused_before_it_starts_another_run(folder: Folder) -> None:
    code, output = folder.make("report", "config=config/mine.yaml")
    assert code != 0 and "config=...: no variable of this project. Remedy: write it in capital letters" in output
    assert folder.noted() == []


def test_an_environment_that_is_a_link_is_left_alone(folder: Folder, tmp_path: Path) -> None:
    folder.python("python3", 11)
    (tmp_path / "another").mkdir()
    (tmp_path / "another/kept").touch()
    (folder.folder / ".venv").symlink_to(tmp_path / "another")
    code, output = folder.make("setup")
    assert code != 0 and ".venv is a link" in output and (tmp_path / "another/kept").exists()


def test_help_lists_every_command(folder: Folder) -> None:
    code, output = folder.make("help")
    assert code == 0
    named = {line.split()[1] for line in output.splitlines() if line.startswith("  make ")}
    commands = (ROOT / "Makefile").read_text().partition(".PHONY: help ")[2].partition("\n")[0].split()
    assert named == {"help", *commands}
