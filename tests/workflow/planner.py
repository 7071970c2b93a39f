"""Snakemake's plans, each by a fork of one process that has imported it, which takes as long as the plan itself.

That process knows nothing of medpriv: a plan imports that of the project's copy that it is for.
"""

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path


def snakemake(arguments: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Return what `python -m snakemake <arguments>` prints in a folder; fail with that if it fails."""
    with tempfile.NamedTemporaryFile() as said:
        process = _process()
        process.stdin.write(json.dumps([arguments, str(folder), environment, said.name]) + "\n")
        process.stdin.flush()
        code = process.stdout.readline().strip()
        text = Path(said.name).read_text(encoding="utf-8")
    assert code == "0", text
    return text


@cache
def _process() -> subprocess.Popen:
    """Return the process; it ends with this one, whose pipe it reads."""
    return subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _serve() -> None:
    from snakemake.cli import main

    for line in sys.stdin:
        arguments, folder, environment, said = json.loads(line)
        if not (child := os.fork()):
            file = os.open(said, os.O_WRONLY)
            os.dup2(file, 1)
            os.dup2(file, 2)
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(environment)
            sys.path[0] = folder
            main(arguments)
            sys.exit()
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    _serve()
