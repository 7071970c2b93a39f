"""The jobs of a run on Slurm are cancelled, those of others left alone; Slurm's commands are made up here."""

import os
import shutil
from pathlib import Path

import pytest

from medpriv.errors import InputError
from medpriv.workflow import slurm

# The queue is a file of lines `<number> <name>`. A cancelled job is ending when it is looked at for the first time.
SQUEUE = """#!/bin/sh
[ -e {queue} ] || {{ echo "Unable to contact slurm controller" >&2; exit 1; }}
cat {queue}
[ -e {queue}.next ] && mv {queue}.next {queue}
exit 0
"""
SCANCEL = """#!/bin/sh
echo "$@" >>{queue}.cancelled
shift
cp {queue} {queue}.next
for number; do sed -i "/^$number /d" {queue}.next; done
"""


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty queue of a made-up Slurm; the working directory is a run's folder."""
    file = tmp_path / "queue"
    file.touch()
    (tmp_path / "bin").mkdir()
    for name, script in (("squeue", SQUEUE), ("scancel", SCANCEL)):
        command = tmp_path / "bin" / name
        command.write_text(script.format(queue=file))
        command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "_POLL_S", 0)
    (tmp_path / "run/.medpriv").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "run")
    return file


def test_the_runs_jobs_alone_are_cancelled_and_waited_for(queue: Path, capsys: pytest.CaptureFixture[str]) -> None:
    option, name = slurm.named()
    assert option == "--slurm-jobname-prefix"
    others = "7 medpriv-0123456789abcdef_another-run\n8 something else\n"
    queue.write_text(f"5 {name}_id\n6 {name}_id\n{others}")
    slurm.cancel()
    assert queue.read_text() == others
    cancelled = queue.with_name("queue.cancelled")
    assert set(cancelled.read_text().splitlines()) == {"--quiet 5 6"}
    assert capsys.readouterr().err == "Cancelling 2 of this run's jobs on Slurm.\n"
    cancelled.unlink()
    slurm.cancel()
    assert not cancelled.exists() and capsys.readouterr().err == ""


def test_each_run_has_a_name_that_the_plugin_takes(queue: Path) -> None:
    names = {slurm.named()[1] for _ in range(3)}
    assert len(names) == 3 and all(len(name) <= 50 and name.replace("-", "").isalnum() for name in names)


def test_a_copy_of_the_folder_does_not_own_the_jobs(queue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue.write_text(f"5 {slurm.named()[1]}_id\n")
    shutil.copytree(".", "../copy")
    monkeypatch.chdir("../copy")
    slurm.cancel()
    assert not queue.with_name("queue.cancelled").exists()


def test_a_slurm_that_does_not_answer_stops_a_run_only_where_it_may_hold_jobs(
    queue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.unlink()
    slurm.cancel()
    slurm.named()
    with pytest.raises(InputError, match=r"squeue: jobs of .* may still be on Slurm.*Unable to contact.*Remedy: .*"):
        slurm.cancel()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match=r"not on the PATH.*remove \.medpriv/slurm"):
        slurm.cancel()
    slurm.complete()
    slurm.cancel()
