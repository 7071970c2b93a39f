"""Start a run: what `make report` does around Snakemake.

    python -m medpriv.workflow.run [--overlay config/open.yaml] [--target names] [arguments for snakemake]

A run waits for one that is still busy in the same folder, cancels what a killed run left on Slurm, clears the lock that
it left, versions what it finished but did not bring into DVC, and then starts Snakemake. An overlay's run lives in a
folder of its own, `runs/<overlay's name>`, beside the default run in the root; it goes again if no job began there, as
after a refusal. What failed, or where the page is, is said last, where it is seen.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from medpriv.errors import InputError
from medpriv.files import read_json, write_text
from medpriv.sources.manifest import MANIFEST
from medpriv.workflow import slurm
from medpriv.workflow.environment import surroundings
from medpriv.workflow.guard import FAILED, FOLDER, OVERLAY, STARTER, UNVERSIONED, identity, lock
from medpriv.workflow.killed import ended_without_a_word, killed
from medpriv.workflow.overlay import read_config
from medpriv.workflow.targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]
PAGE = Path("results/report/index.html")
RAW = Path("results/raw")
SNAKEMAKES = Path(".snakemake")
LOGS, LOG = SNAKEMAKES / "log", "*.snakemake.log"
AGAIN = "What was finished is kept: the same command goes on from there."
SHOW_CURSOR = "\x1b[?25h"  # a killed progress bar leaves it hidden


def prepared(arguments: list[str]) -> tuple[list[str], Path]:
    """Return the Snakemake command for the arguments of this module, and the run's folder (made if missing).

    Where parts of the run are asked for, one that fails does not stop the others; where the report is, nothing else is
    started, since the report can't come any more. A config file that can't be read ends the process with one message.
    """
    parser = argparse.ArgumentParser(description="Run the workflow.", allow_abbrev=False)
    parser.add_argument("--overlay", type=Path, help="config laid over config.yaml; the run gets its own folder")
    parser.add_argument("--target", nargs="+", default=[], help="parts of the run: rules, files, <stage>-<dataset>")
    options, rest = parser.parse_known_args(arguments)
    overlay: list[str] = []
    folder = ROOT
    if options.overlay and options.overlay.resolve() != ROOT / "config.yaml":
        if not options.overlay.is_file():
            found = "a folder, not a config" if options.overlay.is_dir() else "no such file"
            sys.exit(f"{options.overlay}: {found}. Remedy: name one of config/*.yaml, or write an overlay there")
        folder = ROOT / "runs" / options.overlay.stem
        overlay = ["--configfile", str(options.overlay.resolve())]
    try:
        for file in [Path(os.path.relpath(ROOT / "config.yaml")), *([options.overlay] if overlay else [])]:
            read_config(file)
    except InputError as error:
        sys.exit(str(error))
    folder.mkdir(parents=True, exist_ok=True)
    if overlay:
        _claim(folder, options.overlay.resolve())
    os.environ[TARGETS] = " ".join(options.target)
    parts = [*options.target, "--keep-going"] if options.target else []
    command = [sys.executable, "-m", "snakemake", *overlay, "--snakefile", str(ROOT / "Snakefile"), *parts, *rest]
    return command, folder


def _claim(folder: Path, overlay: Path) -> None:
    """Refuse an overlay of the same name as another one whose results lie in its folder; an overlay may be moved."""
    note = folder / OVERLAY
    owner = Path(note.read_text(encoding="utf-8")) if note.exists() else overlay
    if owner != overlay and owner.exists():
        sys.exit(
            f"{overlay}: {folder} holds the results of {owner}, which has the same name. "
            "Remedy: name one of the two differently"
        )
    write_text(note, str(overlay))


def main(arguments: list[str]) -> int:
    """Take the locks, run Snakemake, and return its exit code."""
    start = Path.cwd()
    command, folder = prepared(arguments)
    os.chdir(folder)
    held = lock("run.lock", wait_message=f"Another run is busy in {folder}; waiting for it to end.")
    if not os.fstat(held).st_nlink:  # the run that was waited for has removed its folder, and the lock with it
        os.close(held)
        os.chdir(start)
        return main(arguments)
    try:
        code = _locked(command, folder, held)
        if _ends_in_page(command) and not code:
            print(f"The page: {os.path.relpath(folder / PAGE, start)}")
    finally:
        remove_unused(folder)
        os.close(held)
    return code


def _locked(command: list[str], folder: Path, held: int) -> int:
    """Clear what a killed run left, run Snakemake in the run's folder, say what failed, and return the exit code."""
    slurm.cancel()  # before the wait: jobs on Slurm outlive a killed head
    os.close(lock("jobs.lock", wait_message="Jobs of a killed run are still ending; waiting for them."))
    environment = surroundings(folder)
    if "SNAKEMAKE_PROFILE" in os.environ:
        print("SNAKEMAKE_PROFILE is left aside: this workflow has its own profiles.", file=sys.stderr)
    for script in (SNAKEMAKES / "scripts").glob("tmp*"):  # Snakemake's copies for jobs that were killed
        script.unlink()
    if any((SNAKEMAKES / "locks").glob("*")):
        subprocess.run(
            [*command, "--unlock"], capture_output=True, env=environment
        )  # a fault is told by the run itself
    if UNVERSIONED.exists() and "DVC_STAGE" not in os.environ:
        subprocess.run([sys.executable, "-m", "medpriv.workflow.dvc", "commit"])
    FAILED.unlink(missing_ok=True)
    names = slurm.named() if str(ROOT / "profiles/slurm") in command and shutil.which("squeue") else []
    stop = signal.SIGINT if "--profile" in command and not names else signal.SIGKILL
    before = set(LOGS.glob(LOG))
    try:
        code = supervised([*command, *names], environment | {STARTER: identity(os.getpid())}, held, stop)
    finally:
        slurm.cancel()
    if code == 0:
        slurm.complete()
    logs = sorted(set(LOGS.glob(LOG)) - before)
    if code and (failed := failures(code, "".join(log.read_text("utf-8", "replace") for log in logs))):
        said = ["", "The run stopped, since this failed:", *failed, AGAIN, *unused_copies()]
        print("\n".join(said), file=sys.stderr)
    return code


def _ends_in_page(command: list[str]) -> bool:
    """Return whether a command is the whole run: no target, no dry run, nothing but how many jobs run, and where."""
    settings = command[command.index("--snakefile") + 2 :]
    return set(settings[::2]) <= {"--cores", "--profile"}


def remove_unused(folder: Path) -> None:
    """Remove an overlay's folder in which no job has begun: nothing stays of a run that was refused."""
    if folder != ROOT and {path.name for path in folder.iterdir()} <= {FOLDER.name, SNAKEMAKES.name}:
        os.chdir(ROOT)
        shutil.rmtree(folder)
        with contextlib.suppress(OSError):  # other runs lie there
            folder.parent.rmdir()


def supervised(command: list[str], environment: dict[str, str], held: int, stop: signal.Signals) -> int:
    """Run a command to its end and return its exit code; the lock `held` is its own, too.

    Ctrl-C reaches this process alone, for head and jobs would answer it with a traceback each. They get the signal
    `stop` instead: to be killed spoils nothing, but the head of somebody's own cluster profile has to cancel its jobs.
    """
    head = subprocess.Popen(command, env=environment, pass_fds=(held,), process_group=0)
    try:
        return head.wait()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.killpg(head.pid, stop)
        head.wait()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print(SHOW_CURSOR if sys.stderr.isatty() else "", file=sys.stderr)
        raise


def failures(code: int = 1, log: str = "") -> list[str]:
    """Return why the last run stopped, each message once: what its jobs said, and who ended without a word.

    Args:
        code: how Snakemake ended, minus the signal if it was killed.
        log: its log.
    """
    lines = FAILED.read_text(encoding="utf-8").splitlines() if FAILED.exists() else []
    told = [json.loads(line) for line in lines]
    silent = [f"Snakemake itself {killed(-code)}"] if code < 0 else ended_without_a_word(log, told)
    return list(dict.fromkeys([*told, *silent]))


def unused_copies() -> list[str]:
    """Return a line for each dataset of real patients whose raw files are here though nothing could be made of them."""
    lines = []
    for manifest in sorted(RAW.glob(f"*/{MANIFEST}")):
        name = manifest.parent.name
        made_of = Path("results/preprocessed") / name / "dataset.json"
        if read_json(manifest)["source"] != "simulated" and not made_of.exists():
            copy = os.path.relpath(manifest.parent.resolve(), ROOT)
            lines.append(
                f"The copy of {name}'s raw files stays in {copy}, readable by you alone; delete it if it has no use."
            )
    return lines


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except InputError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print(f"\nStopped. {AGAIN}", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
