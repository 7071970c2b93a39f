"""Locks of a run, and jobs that end with their head."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from medpriv.workflow.guard import HEAD, STARTER, identity, lock

FOLLOW = """
import time
from medpriv.workflow.guard import follow_head
follow_head()
print("on", flush=True)
time.sleep(60)
"""


def test_the_identity_of_a_process_is_its_own_and_ends_with_it() -> None:
    process = subprocess.Popen(["sleep", "60"])
    assert identity(process.pid) == identity(process.pid) != identity(os.getpid())
    process.kill()
    process.wait()
    assert identity(process.pid) == ""


def test_a_lock_is_exclusive_or_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    held = lock("a.lock")
    others = "import fcntl, os; fcntl.flock(os.open('.medpriv/a.lock', os.O_RDWR), fcntl.LOCK_SH | fcntl.LOCK_NB)"
    assert subprocess.run([sys.executable, "-c", others], capture_output=True).returncode != 0
    os.close(held)
    lock("a.lock", shared=True)
    assert subprocess.run([sys.executable, "-c", others], capture_output=True).returncode == 0


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are told apart by /proc")
def test_a_job_ends_soon_after_its_head_is_killed(tmp_path: Path) -> None:
    head = subprocess.Popen(["sleep", "60"])
    environment = {**os.environ, HEAD: identity(head.pid), "PYTHONPATH": str(Path(__file__).parents[2])}
    job = subprocess.Popen([sys.executable, "-c", FOLLOW], cwd=tmp_path, env=environment, stdout=subprocess.PIPE)
    assert job.stdout.readline() == b"on\n"
    head.kill()
    head.wait()
    assert job.wait(timeout=50) == 1  # it would sleep for a minute, and end with 0


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are told apart by /proc")
def test_a_job_whose_head_is_gone_already_does_not_start(tmp_path: Path) -> None:
    head = subprocess.Popen(["true"])
    environment = {**os.environ, HEAD: f"{head.pid}:0", "PYTHONPATH": str(Path(__file__).parents[2])}
    head.wait()
    job = subprocess.run([sys.executable, "-c", FOLLOW], cwd=tmp_path, env=environment, capture_output=True, timeout=20)
    assert (job.returncode, job.stdout) == (1, b"")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are told apart by /proc")
def test_a_head_ends_soon_after_its_starter_is_killed_and_names_it_to_nobody(tmp_path: Path) -> None:
    follow = FOLLOW.replace("follow_head", "follow_starter").replace(
        "print(", f"import os; assert '{STARTER}' not in os.environ; print("
    )
    starter = subprocess.Popen(["sleep", "60"])
    environment = {**os.environ, STARTER: identity(starter.pid), "PYTHONPATH": str(Path(__file__).parents[2])}
    head = subprocess.Popen([sys.executable, "-c", follow], cwd=tmp_path, env=environment, stdout=subprocess.PIPE)
    assert head.stdout.readline() == b"on\n"
    starter.kill()
    starter.wait()
    assert head.wait(timeout=50) == 1
