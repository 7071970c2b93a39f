"""What every script does around its one call: log, measure, say plainly what is wrong, leave no halves behind.

What a job makes of patients who are not made up, whatever the stage, can be read by nobody but the user who runs it:
files are written with mode 600, and the dataset's folder of the stage has 700.

Scripts import this module before the others: until a job begins, nothing looks for garbage, and what was imported by
then is never looked through, not even when the process ends. It would take a third of a short job that imports torch.
"""

import gc
import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from medpriv.errors import InputError, as_given
from medpriv.files import write_json
from medpriv.workflow.guard import FAILED, follow_head

_LOG = logging.getLogger("medpriv")

_BEGAN = time.perf_counter()
if hasattr(sys.modules["__main__"], "snakemake"):  # a script that Snakemake runs
    gc.disable()


@contextmanager
def job(snakemake: Any) -> Iterator[Any]:
    """Run a script's body as a job; yield Snakemake's params.

    The library's log (epochs and the like) goes to the rule's log file. What the job took goes into a `.cost.json`
    beside it, for the report: wall seconds since its first import, CPU seconds, and the peak of resident memory.

    A job that fails ends with exit code 1 and one message on stderr: an InputError's own text, which is in the log too,
    or for any other error its name and where the log with the traceback is. The same message is left in `FAILED`, for
    the end of the run.
    """
    gc.freeze()
    gc.enable()
    follow_head()
    before = os.umask(0o077) if _of_real_patients(snakemake) else None
    try:
        with _told(snakemake):
            yield snakemake.params
    finally:
        if before is not None:
            os.umask(before)


@contextmanager
def _told(snakemake: Any) -> Iterator[None]:
    log = Path(snakemake.log[0])
    _log_to(log)
    _remove_partial(Path(path) for path in snakemake.output)
    try:
        yield
    except InputError as error:
        error = _as_given(error, snakemake)
        _LOG.error("%s", error)
        _fail(f"{snakemake.rule}: {error}")
    except Exception as error:
        _LOG.exception("%s failed", snakemake.rule)
        _fail(f"{snakemake.rule}: {type(error).__name__}: {error} (traceback in {log})")
    took = {"seconds": time.perf_counter() - _BEGAN, "cpu_seconds": time.process_time(), "peak_mb": _peak_mb()}
    write_json(log.with_suffix(".cost.json"), took)


def _peak_mb() -> float:
    """Return the most resident memory in MiB; `getrusage` would count that of the process which started this one."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def made_up(raw: Mapping[str, Any]) -> bool:
    """Return whether a dataset's section `raw`, as its config has it, is of simulated patients."""
    return raw.get("source", "local" if raw.get("path") else "simulated") == "simulated"


def _of_real_patients(snakemake: Any) -> bool:
    """Return whether a job's dataset isn't simulated; folders that Snakemake made for it are then the user's alone."""
    dataset = getattr(snakemake.wildcards, "dataset", "")
    if not dataset or made_up((snakemake.config["datasets"].get(dataset) or {}).get("raw") or {}):
        return False
    for stage in {Path(*Path(path).parts[:3]) for path in snakemake.output}:
        if stage.name == dataset and stage.is_dir():
            stage.chmod(0o700)
    return True


def _as_given(error: InputError, snakemake: Any) -> InputError:
    """Return the error with the user's own file where it speaks of our copy.

    Where that was copied from is nothing to what a job makes of it, so it is no param: the whole config has it.
    """
    dataset = getattr(snakemake.wildcards, "dataset", "")
    raw = snakemake.config.get("datasets", {}).get(dataset, {}).get("raw") or {}
    return as_given(error, Path("results/raw") / dataset, raw["path"]) if dataset and raw.get("path") else error


def _fail(message: str) -> NoReturn:
    """End this process with a message, and leave it for the end of the run; jobs side by side add a line each."""
    FAILED.parent.mkdir(exist_ok=True)
    with FAILED.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(message, ensure_ascii=False) + "\n")
    sys.exit(message)


def _log_to(file: Path) -> None:
    """Send the library's messages from INFO and everybody's warnings to the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(filename=file, filemode="w", format="%(asctime)s %(message)s", datefmt="%H:%M:%S", force=True)
    _LOG.setLevel(logging.INFO)
    logging.captureWarnings(True)


def _remove_partial(outputs: Iterator[Path]) -> None:
    """Remove what a killed job left beside its outputs (see `medpriv.files.replacing`)."""
    for output in outputs:
        for partial in output.parent.glob(f".{output.name}.*.partial"):
            partial.unlink(missing_ok=True)
