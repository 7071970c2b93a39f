"""Start a run: what `make report` does before Snakemake takes over.

    python -m medpriv.workflow.run [--overlay config/open.yaml] [arguments for snakemake]

A run waits for one that is still busy in the same folder, clears the lock that a killed run left, versions what that
run finished but did not bring into DVC, and then becomes Snakemake. An overlay's run lives in a folder of its own,
`runs/<overlay's name>`, beside the default run in the root.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from medpriv.workflow.guard import UNVERSIONED, lock

ROOT = Path(__file__).resolve().parents[2]


def prepared(arguments: list[str]) -> tuple[list[str], Path]:
    """Return the Snakemake command for the arguments of this module, and the run's folder (made if missing)."""
    parser = argparse.ArgumentParser(description="Run the workflow.", allow_abbrev=False)
    parser.add_argument("--overlay", type=Path, help="config laid over config.yaml; the run gets its own folder")
    options, rest = parser.parse_known_args(arguments)
    overlay: list[str] = []
    folder = ROOT
    if options.overlay and options.overlay.resolve() != ROOT / "config.yaml":
        if not options.overlay.is_file():
            sys.exit(f"{options.overlay}: no such file. Remedy: name one of config/*.yaml, or write an overlay there")
        folder = ROOT / "runs" / options.overlay.stem
        overlay = ["--configfile", str(options.overlay.resolve())]
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "snakemake", *overlay, "--snakefile", str(ROOT / "Snakefile"), *rest]
    return command, folder


def main(arguments: list[str]) -> None:
    """Take the locks and replace this process by Snakemake."""
    command, folder = prepared(arguments)
    os.chdir(folder)
    held = lock("run.lock", wait_message=f"Another run is busy in {folder}; waiting for it to end.")
    os.close(lock("jobs.lock", wait_message="Jobs of a killed run are still ending; waiting for them."))
    if any(Path(".snakemake/locks").glob("*")):
        subprocess.run([*command, "--unlock"], check=True, capture_output=True)
    if UNVERSIONED.exists() and "DVC_STAGE" not in os.environ:
        subprocess.run([sys.executable, "-m", "medpriv.workflow.dvc", "commit"])
    os.set_inheritable(held, True)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
