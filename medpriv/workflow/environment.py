"""The environment of every process of a run, set once by the Snakefile and inherited by the jobs.

Numerical libraries read their thread count when they are imported, so it cannot be left to the jobs themselves.
"""

import os
import shlex
import sys
from pathlib import Path

from medpriv.workflow.guard import FOLDER, HEAD, identity

FIXED = {
    # One thread a job: two jobs side by side beat two threads in one, and the order of sums stays the same.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    # glibc: arrays of less than 64 MiB take memory that was used before; fresh pages cost up to a tenth of a job.
    "MALLOC_MMAP_THRESHOLD_": str(64 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(128 * 2**20),
    # The same bytes every time.
    "PYTHONHASHSEED": "0",
    "SOURCE_DATE_EPOCH": "0",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "MPLBACKEND": "Agg",
    # Nothing phones home.
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "FLWR_TELEMETRY_ENABLED": "0",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


def surroundings(folder: Path) -> dict[str, str]:
    """Return the environment that a command of Snakemake or DVC gets.

    Without `SNAKEMAKE_PROFILE`, which is another workflow's (`make report ARGS="--profile ..."` names one for this).
    Where the home cannot be written, caches lie below `.medpriv/` in the run's folder; without a home, settings too.
    """
    environment = {name: value for name, value in os.environ.items() if name != "SNAKEMAKE_PROFILE"}
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    if not _may_write(cache / "snakemake"):
        environment["XDG_CACHE_HOME"] = str(folder / FOLDER / "cache")
    if not Path("~").expanduser().is_dir():
        environment["XDG_CONFIG_HOME"] = str(folder / FOLDER / "config")
    return environment


def _may_write(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        return False


def fix_environment(root: Path) -> None:
    """Set the variables above, let jobs import the package that lies beside the Snakefile, and name their head."""
    os.environ.update(FIXED)
    others = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != str(root)]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(root), *others])
    os.environ[HEAD] = identity(os.getpid())
    _name_python_plainly()


def _name_python_plainly() -> None:
    """Call a Python in a folder with blanks by its name alone: Snakemake pastes `sys.executable` into shell lines."""
    if shlex.quote(sys.executable) != sys.executable:
        python = Path(sys.executable)
        os.environ["PATH"] = os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)])
        sys.executable = python.name
