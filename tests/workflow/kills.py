"""Kill -9 at a random moment, resume, compare: as a function for tests, and as a command for more of it.

python tests/workflow/kills.py [how often, default 10] [seed]
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from project import Project, fresh_copy

LONGEST_S = 15.0


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


def killed_and_resumed(project: Project, rng: random.Random) -> str:
    """Start a run, kill its head or its jobs at a random moment, resume to the end; say what was hit."""
    victim = rng.choice(("head", "job"))
    moment = rng.uniform(1.0, LONGEST_S)
    head = subprocess.Popen(
        [sys.executable, "-m", "medpriv.workflow.run"],
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + moment
    while head.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    hit = [head.pid] if victim == "head" else jobs_of(head.pid)
    for process in hit if head.poll() is None else ():
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            hit.remove(process)
    if victim == "head":
        head.wait()
    project.run() if victim == "head" else _finish(project, head)
    return f"{victim} after {moment:.1f} s ({len(hit)} processes)"


def _finish(project: Project, head: subprocess.Popen) -> None:
    """Let a run that lost a job end by itself, then run again."""
    head.wait()
    project.run()


def main(times: int, seed: int) -> None:
    """Compare as many killed and resumed runs with an undisturbed one."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = fresh_copy(Path(folder, "undisturbed"))
        undisturbed.run()
        for number in range(times):
            project = fresh_copy(Path(folder, str(number)))
            told = killed_and_resumed(project, rng)
            same = project.digests() == undisturbed.digests()
            print(f"{number + 1:3d} {told}: {'same bytes' if same else 'DIFFERENT'}", flush=True)
            if not same:
                sys.exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
