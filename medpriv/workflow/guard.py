"""Two runs never write into the same folder, even if the first one was killed without warning.

`make report` starts Snakemake, its head process, and holds `.medpriv/run.lock` with it as long as either lives; the
head ends itself soon after its starter is gone. Each job holds `.medpriv/jobs.lock` together
with the other jobs, and ends itself soon after its head is gone. A new run first takes both locks, so it starts only
when no job of a killed run can write any more. The kernel frees the locks of a dead process; no file needs cleaning up.
"""

import fcntl
import os
import threading
import time
from pathlib import Path

FOLDER = Path(".medpriv")
# Stands while finished results are not in DVC yet: a run that is killed in the act leaves it to the next one.
UNVERSIONED = FOLDER / "unversioned"
# The config file that an overlay's folder belongs to.
OVERLAY = FOLDER / "overlay"
# What jobs that failed said of it, one message a line: for the end of the run, where it is seen.
FAILED = FOLDER / "failed"
HEAD = "MEDPRIV_HEAD"
STARTER = "MEDPRIV_STARTER"
_POLL_S = 0.5


def identity(process: int) -> str:
    """Return a name for a running process that no later process with the same number shares; empty if it is gone."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    state, *rest = text.rpartition(")")[2].split()
    return "" if state in "ZX" else f"{process}:{rest[18]}"  # field 22 of proc(5): start time


def lock(name: str, *, shared: bool = False, wait_message: str = "") -> int:
    """Take a lock in the working directory's `.medpriv/` and return its descriptor; say so once if it must wait."""
    FOLDER.mkdir(exist_ok=True)
    descriptor = os.open(FOLDER / name, os.O_RDWR | os.O_CREAT, 0o644)
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        if wait_message:
            print(wait_message, flush=True)
        fcntl.flock(descriptor, kind)
    return descriptor


def follow_starter() -> None:
    """End this process, a run's head, when the process that started it is gone; without such a one nothing happens.

    The name is taken out of the environment: a job on another machine must not look for it there.
    """
    if starter := os.environ.pop(STARTER, ""):
        threading.Thread(target=_watch, args=(starter,), daemon=True).start()


def follow_head() -> None:
    """Hold the jobs' lock for the rest of this process, and end it when the head named in the environment is gone.

    The head is looked at after the lock is taken too: a new run may have had it in between.
    Without a head in the environment (a script run by hand) nothing happens.
    """
    head = os.environ.get(HEAD, "")
    if not head:
        return
    lock("jobs.lock", shared=True)
    _end_if_gone(head)
    threading.Thread(target=_watch, args=(head,), daemon=True).start()


def _watch(process: str) -> None:
    while True:
        time.sleep(_POLL_S)
        _end_if_gone(process)


def _end_if_gone(process: str) -> None:
    if identity(int(process.partition(":")[0])) != process:
        os._exit(1)
