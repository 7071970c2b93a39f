"""How much of a whole run is not computing: imports, Snakemake, DVC, idle cores.

    python benchmarks/workflow_overhead.py [--overlay config/tiny.yaml] [--cores 2]

Clones the project's last commit into a temporary folder, makes the report there twice, and prints where the first run's
core-seconds went. Imports are timed inside the jobs (outermost imports only); the rest of a job's wall time, as it
measured itself, counts as computing. DVC is timed on a commit of its own after the run.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Times the outermost imports of every process, and notes the sum when the process ends.
CLOCK = """
import atexit, builtins, os, sys, time
inner, spent, depth = builtins.__import__, 0.0, 0
def clocked(*arguments, **options):
    global spent, depth
    depth += 1
    start = time.perf_counter()
    try:
        return inner(*arguments, **options)
    finally:
        depth -= 1
        if not depth:
            spent += time.perf_counter() - start
def note():
    with open(os.path.join(os.path.dirname(__file__), f"{os.getpid()}.txt"), "w") as stream:
        stream.write(f"{sys.argv[0]}\\t{spent}")
builtins.__import__ = clocked
atexit.register(note)
"""


def timed(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    """Run a command and return its seconds; stop with its output if it fails."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--overlay", help="measure another config than the default (its run is not versioned)")
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    overlay = ["--overlay", options.overlay] if options.overlay else []
    run = [sys.executable, "-m", "medpriv.workflow.run", *overlay, "--cores", str(options.cores)]
    with tempfile.TemporaryDirectory() as scratch:
        project, clock = Path(scratch, "project"), Path(scratch, "clock")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(project)], check=True)
        clock.mkdir()
        (clock / "sitecustomize.py").write_text(CLOCK)
        first = timed(run, project, {**os.environ, "PYTHONPATH": str(clock)})
        notes = [note.read_text().split("\t") for note in clock.glob("*.txt")]
        imports = sum(float(spent) for program, spent in notes if ".snakemake/scripts/" in program)
        second = timed(run, project, dict(os.environ))
        dvc = (
            0.0
            if overlay
            else timed([sys.executable, "-m", "medpriv.workflow.dvc", "commit"], project, dict(os.environ))
        )
        jobs = [json.loads(file.read_text())["seconds"] for file in project.rglob("logs/**/*.cost.json")]
    total = first * options.cores
    computing = sum(jobs) - imports
    parts = {
        "computing": computing,
        "imports within jobs": imports,
        "DVC, one core busy": dvc * options.cores,
        "Snakemake, and cores with nothing to do": total - sum(jobs) - dvc * options.cores,
    }
    print(f"first run {first:.1f} s on {options.cores} cores, {len(jobs)} jobs; second run {second:.1f} s")
    for name, seconds in parts.items():
        print(f"  {name:40s} {seconds:7.1f} core-seconds {seconds / total:6.1%}")
    print(f"not computing: {1 - computing / total:.1%}")


if __name__ == "__main__":
    main()
