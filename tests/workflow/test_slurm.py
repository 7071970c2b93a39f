"""The same run through profiles/slurm on a real one-node Slurm, stopped and killed on the way."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from project import ROOT, Project

from medpriv.workflow.run import AGAIN


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A Slurm that answers: one that runs already, or one started here and stopped at the end."""
    if shutil.which("sbatch") is None or shutil.which("slurmctld") is None:
        pytest.skip("slurmctld and slurm-client are not installed")
    if os.geteuid() != 0:
        pytest.skip("only root can start a Slurm")
    if "UP" in subprocess.run(["scontrol", "ping"], text=True, capture_output=True).stdout:
        yield
        return
    script = ROOT / "tools/slurm-single-node.sh"
    try:
        started = subprocess.run([script], text=True, capture_output=True)
        assert started.returncode == 0, started.stdout + started.stderr
        yield
    finally:
        subprocess.run([script, "stop"], check=True)


def queued() -> list[str]:
    """Return the names of jobs of this project that wait, run or are ending."""
    names = subprocess.run(["squeue", "--me", "--noheader", "--format=%j"], text=True, capture_output=True, check=True)
    return [name for name in names.stdout.split() if name.startswith("medpriv-")]


def stopped(project: Project, profile: str, by: signal.Signals) -> tuple[int, str]:
    """Start a run, end it by a signal as soon as a job of it is queued; return its exit code and what it said."""
    run = subprocess.Popen(
        [sys.executable, "-m", "medpriv.workflow.run", "--profile", profile],
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while run.poll() is None and not queued():
        time.sleep(0.1)
    run.send_signal(by)
    said = run.communicate(timeout=120)[1]  # the head holds the pipe, too: it has ended then
    return run.returncode, said


@pytest.mark.usefixtures("cluster")
def test_a_run_on_slurm_that_was_stopped_and_killed_has_the_same_bytes(
    fresh: Callable[[str], Project], finished: Project
) -> None:
    """One small dataset with one bank in two shards: every rule but evasion, six jobs deep."""
    project = fresh("slurm")
    project.keep_one_bank()
    project.set("datasets.heart.bank.shards", 2)
    profile = str(project.folder / "profiles/slurm")

    code, said = stopped(project, profile, signal.SIGINT)
    assert code == 130 and said.splitlines()[-1] == f"Stopped. {AGAIN}" and "Traceback" not in said, said
    assert queued() == []

    assert stopped(project, profile, signal.SIGKILL)[0] == -signal.SIGKILL
    assert len(queued()) == 1  # nobody was left to cancel it

    said = project.run("--profile", profile)
    assert "Cancelling 1 of this run's jobs on Slurm." in said and "SLURM jobid" in said
    assert queued() == []
    mine = {name: digest for name, digest in project.digests().items() if not name.startswith("report/")}
    theirs = finished.digests()
    assert mine and all(theirs[name] == digest for name, digest in mine.items())
