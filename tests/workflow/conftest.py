"""The real pipeline on config/tiny.yaml, run once a session in a copy of the project; tests take copies of that."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from project import Project, fresh_copy

from medpriv.workflow.dvc import whole_plan
from medpriv.workflow.plan import Job

# Notes which of the project's files each process imported, when it ends, and the timers of Snakemake's head process.
TRACE = """
import atexit, os, sys, threading
timers = []
class Timer(threading.Timer):
    def start(self):
        timers.append(self)
        super().start()
threading.Timer = Timer
def note():
    if "snakemake" in sys.argv[0]:
        with open(os.path.join(os.path.dirname(__file__), "timers"), "a") as stream:
            stream.write(f"{len(timers)}\\n")
    found = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    files = {file for module, file in found.items() if file and module.partition(".")[0] == "medpriv"}
    # From the package's own place, not from this process's: a clone may lie anywhere and be named anything.
    root = os.path.dirname(os.path.dirname(found["medpriv"])) if files else ""
    ours = sorted(os.path.relpath(file, root) for file in files)
    rule = getattr(getattr(sys.modules["__main__"], "snakemake", None), "rule", "")  # of a job
    name = f"job.{rule}.py" if rule else os.path.basename(sys.argv[0]) if sys.argv else ""
    with open(os.path.join(os.path.dirname(__file__), f"{os.getpid()}.{name}.txt"), "w") as stream:
        stream.write("\\n".join(ours))
atexit.register(note)
"""


@pytest.fixture(scope="session")
def traced(finished: Project) -> Path:
    """The folder in which the processes of `finished` noted what they imported."""
    return finished.folder.with_name("trace")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished, versioned run in a git repository, made by the first of pytest's processes that asks for it.

    Read only, for the others may be copying it: take `scratch` to change something, or to run a program in it.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "trace").exists():
            _finish(folder)
        assert (folder / "done").exists(), "the run failed; the test that began it shows how"
    return Project(folder / "project")


def _finish(folder: Path) -> None:
    """Make the finished run."""
    (folder / "trace").mkdir()
    (folder / "trace/sitecustomize.py").write_text(TRACE)
    project = fresh_copy(folder / "project")
    project("git", "init", "--quiet", "--initial-branch=main")
    project("git", "add", "--all")
    project("git", "commit", "--quiet", "--message", "Start")
    project.environment["PYTHONPATH"] = str(folder / "trace")
    project.run()
    del project.environment["PYTHONPATH"]
    project("git", "add", "--all")
    project("git", "commit", "--quiet", "--message", "First run")
    (folder / "done").touch()


@pytest.fixture(scope="session")
def jobs(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> list[Job]:
    """Every job of the finished run."""
    return whole_plan(finished.copy(tmp_path_factory.mktemp("planned") / "project").folder)


@pytest.fixture
def scratch(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished run to change."""
    return finished.copy(tmp_path / "project")


@pytest.fixture
def fresh(tmp_path: Path) -> Callable[[str], Project]:
    """Makes copies of the project that have not run yet, and are no git repositories."""
    return lambda name: fresh_copy(tmp_path / name)
