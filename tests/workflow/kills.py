"""Kill -9 at a random moment, resume, compare: as a function for tests, and as a command for more of it.

python tests/workflow/kills.py [how often, default 10] [seed]
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from project import Project, fresh_copy

LONGEST_S = 8.0
SAID = "said.txt"  # what the killed run said on stderr, in the project's folder


def head_of(run: int) -> list[int]:
    """Return the run's head process, Snakemake; none if it has not started yet."""
    try:
        children = Path(f"/proc/{run}/task/{run}/children").read_text().split()
        return [int(child) for child in children if b"--snakefile" in Path(f"/proc/{child}/cmdline").read_bytes()]
    except OSError:
        return []


def jobs_of(head: int) -> list[int]:
    """Return the processes of the run's jobs: Python processes below the head that run a script."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes()
                environment = (folder / "environ").read_bytes()
            except OSError:
                continue
            if b".snakemake/scripts/" in command and f"MEDPRIV_HEAD={head}:".encode() in environment:
                found.append(int(folder.name))
    return found


def killed_and_resumed(
    project: Project, victim: str, moment: float, *arguments: str, prefix: tuple[str, ...] = ()
) -> str:
    """Start a run, kill it (`run`), its `head` or its jobs (`job`) after a while, resume to the end; say what was hit.

    Args:
        moment: seconds after the start.
        arguments: for both runs.
        prefix: a command that both are run by; it must become the run's process.
    """
    while not (hit := _kill(project, victim, moment, arguments, prefix)):  # it was over: start again, strike earlier
        shutil.rmtree(project.folder / "results")
        moment /= 2
    project.run(*arguments, prefix=prefix)
    return f"{victim} after {moment:.1f} s ({hit} processes)"


def _kill(project: Project, victim: str, moment: float, arguments: tuple[str, ...], prefix: tuple[str, ...]) -> int:
    """Start a run, kill the victim after `moment` seconds, or as soon as there is one; return how many were killed."""
    with (project.folder / SAID).open("wb") as said:
        run = subprocess.Popen(
            [*prefix, sys.executable, "-m", "medpriv.workflow.run", *arguments],
            cwd=project.folder,
            env=project.environment,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
    killed, due = 0, time.monotonic() + moment
    while not killed and run.poll() is None:
        time.sleep(0.02)
        if time.monotonic() >= due:
            heads = head_of(run.pid)
            victims = {"run": [run.pid], "head": heads, "job": [job for head in heads for job in jobs_of(head)]}
            for process in victims[victim]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                    killed += 1
    run.wait()  # a run that lost its head or a job ends by itself
    return killed


def main(times: int, seed: int) -> None:
    """Compare as many killed and resumed runs with an undisturbed one."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = fresh_copy(Path(folder, "undisturbed"))
        undisturbed.run()
        for number in range(times):
            project = fresh_copy(Path(folder, str(number)))
            told = killed_and_resumed(project, rng.choice(("run", "head", "job")), rng.uniform(0.5, LONGEST_S))
            same = project.digests() == undisturbed.digests()
            print(f"{number + 1:3d} {told}: {'same bytes' if same else 'DIFFERENT'}", flush=True)
            if not same:
                sys.exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
