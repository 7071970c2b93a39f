"""What every script does around its one call: log, say plainly what is wrong with the input, leave no halves behind."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medpriv.errors import InputError
from medpriv.workflow.guard import follow_head


@contextmanager
def job(snakemake: Any) -> Iterator[Any]:
    """Run a script's body as a job; yield Snakemake's params.

    The library's log (epochs and the like) goes to the rule's log file. An InputError ends the job with its message
    alone, in the log and on stderr, and exit code 1; any other error with its traceback in both.
    """
    follow_head()
    _log_to(Path(snakemake.log[0]))
    _remove_partial(Path(path) for path in snakemake.output)
    try:
        yield snakemake.params
    except InputError as error:
        logging.getLogger("medpriv").error("%s", error)
        sys.exit(f"{snakemake.rule}: {error}")
    except Exception:
        logging.getLogger("medpriv").exception("%s failed", snakemake.rule)
        raise


def _log_to(file: Path) -> None:
    """Send the library's messages from INFO and everybody's warnings to the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(filename=file, filemode="w", format="%(asctime)s %(message)s", datefmt="%H:%M:%S", force=True)
    logging.getLogger("medpriv").setLevel(logging.INFO)
    logging.captureWarnings(True)


def _remove_partial(outputs: Iterator[Path]) -> None:
    """Remove what a killed job left beside its outputs (see `medpriv.files.replacing`)."""
    for output in outputs:
        for partial in output.parent.glob(f".{output.name}.*.partial"):
            partial.unlink(missing_ok=True)
