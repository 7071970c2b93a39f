"""The jobs of a run on Slurm: named after their run, and cancelled when nothing waits for them any more.

Snakemake's Slurm plugin leaves jobs behind: after Ctrl-C it cancels what it has submitted, then submits what it had in
hand; and a head that is killed cancels nothing. They would write beside the next run's jobs. So the jobs of a run
bear a name of their own, whose token stands in `.medpriv/slurm` until the run is complete: every end of a run cancels
by that name, and so does the next start.
"""

import hashlib
import subprocess
import sys
import time
import uuid
from pathlib import Path

from medpriv.errors import InputError
from medpriv.files import write_text
from medpriv.workflow.guard import FOLDER

TOKEN = FOLDER / "slurm"
_POLL_S = 1.0


def named() -> list[str]:
    """Give the jobs of the run in the working directory a new name; return the arguments that tell Snakemake."""
    write_text(TOKEN, uuid.uuid4().hex)
    return ["--slurm-jobname-prefix", _name()]


def cancel() -> None:
    """Cancel the jobs of the last run in the working directory, if any, and wait until none of them runs any more.

    Raises:
        InputError: Slurm does not answer.
    """
    if not TOKEN.exists():
        return
    told = False
    while jobs := _queued(_name()):
        if not told:
            print(f"Cancelling {len(jobs)} of this run's jobs on Slurm.", file=sys.stderr, flush=True)
            told = True
        subprocess.run(["scancel", "--quiet", *jobs])


def complete() -> None:
    """Forget the name: no job bears it any more."""
    TOKEN.unlink(missing_ok=True)


def _name() -> str:
    """Return what the names of the jobs begin with. The folder is part of it: a copy of it has no jobs."""
    return "medpriv-" + hashlib.sha256(f"{Path.cwd()} {TOKEN.read_text()}".encode()).hexdigest()[:16]


def _queued(name: str) -> list[str]:
    """Return the numbers of the user's jobs of that name that wait, run or are ending."""
    time.sleep(_POLL_S)  # what a killed sbatch had sent needs a moment to be queued
    try:
        asked = subprocess.run(["squeue", "--me", "--noheader", "--format=%i %j"], text=True, capture_output=True)
        fault = asked.stderr.strip() if asked.returncode else ""
    except FileNotFoundError:
        fault = "it is not on the PATH"
    if fault:
        raise InputError(
            f"jobs of the last run in {Path.cwd()} may still be on Slurm, which does not answer ({fault})",
            file="squeue",
            remedy="the same command where and when squeue answers: it cancels them and goes on; "
            f"or, if none is left there, remove {TOKEN}",
        )
    jobs = [line.split(maxsplit=1) for line in asked.stdout.splitlines()]
    return [number for number, job in jobs if job.startswith(name)]
