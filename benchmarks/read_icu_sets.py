"""Time reading the Challenge 2012's set a, beside plain Python and pandas, and preprocessing it and the eICU demo.

Run: `python benchmarks/read_icu_sets.py [rounds]`. It needs the open sets in `../shared/data`. All read the same
archive, none unpacks it to disk, and all must find the same lines. Prints a Markdown table: medians of interleaved
rounds, one thread; processor seconds stand beside wall seconds, which a busy machine stretches.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import csv
import io
import statistics
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from medpriv.sources import cinc2012, eicu
from medpriv.sources.acquire import acquire_raw
from medpriv.sources.cinc2012_features import summarise
from medpriv.sources.cinc2012_files import NAMES, read_set

DATA = Path(__file__).parents[2] / "shared" / "data" / "physionet"
SETS, DEMO = DATA / "challenge-2012" / "1.0.0", DATA / "eicu-crd-demo" / "2.0.1"
PLACES = {name: index for index, name in enumerate(NAMES)}


def main() -> None:
    """Print the table."""
    if not (SETS.is_dir() and DEMO.is_dir()):
        print("needs the open sets in ../shared/data; skipped")
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    readings = read_set(SETS, "a")
    expected = float(readings.value.sum()), len(readings.value)
    with tempfile.TemporaryDirectory() as scratch:
        raw = {name: _acquire(name, folder, Path(scratch)) for name, folder in (("cinc2012", SETS), ("eicu", DEMO))}
        readers: dict[str, Callable[[], tuple[float, int]]] = {
            "lines of set a: columns of bytes (ours)": _ours,
            "lines of set a: csv module, a line at a time": _with_csv,
            "lines of set a: pandas, a file at a time": _with_pandas,
        }
        jobs: dict[str, Callable[[], object]] = readers | {
            "78 features of set a from its lines": lambda: summarise(readings),
            "all of `parse`, cinc2012 set a": lambda: cinc2012.parse(
                "cinc2012", raw["cinc2012"], {"sets": ["a"], "test_fraction": 0.3}, 1
            ),
            "all of `parse`, eicu": lambda: eicu.parse("eicu", raw["eicu"], {"test_fraction": 0.3}, 1),
        }
        wall: dict[str, list[float]] = {name: [] for name in jobs}
        processor: dict[str, list[float]] = {name: [] for name in jobs}
        for _ in range(rounds):
            for name, job in jobs.items():
                began, used = time.perf_counter(), time.process_time()
                found = job()
                wall[name].append(time.perf_counter() - began)
                processor[name].append(time.process_time() - used)
                if name in readers and not (np.isclose(found[0], expected[0]) and found[1] == expected[1]):
                    raise SystemExit(f"{name}: other lines were read")
    print(f"{expected[1]:,} lines; rounds: {rounds}\n\n| work | seconds | processor seconds |\n| --- | --- | --- |")
    for name in jobs:
        print(f"| {name} | {statistics.median(wall[name]):.2f} | {statistics.median(processor[name]):.2f} |")


def _acquire(name: str, folder: Path, scratch: Path) -> Path:
    """Return a raw folder of a real set."""
    acquire_raw(name, name, {"source": "local", "path": str(folder)}, 1, scratch / name, scratch / "work")
    return scratch / name


def _ours() -> tuple[float, int]:
    readings = read_set(SETS, "a")
    return float(readings.value.sum()), len(readings.value)


def _with_csv() -> tuple[float, int]:
    stays, minutes, names, values = [], [], [], []
    for number, text in enumerate(_texts()):
        for clock, name, value in csv.reader(text.decode().splitlines()[1:]):
            stays.append(number)
            minutes.append(60 * int(clock[:2]) + int(clock[3:]))
            names.append(PLACES[name])
            values.append(float(value))
    arrays = [np.array(held) for held in (stays, minutes, names, values)]
    return float(arrays[-1].sum()), len(arrays[-1])


def _with_pandas() -> tuple[float, int]:
    frames = [pd.read_csv(io.BytesIO(text)).assign(stay=number) for number, text in enumerate(_texts())]
    table = pd.concat(frames, ignore_index=True)
    clock = table["Time"].str.split(":", expand=True).astype(int)
    table["minute"] = 60 * clock[0] + clock[1]
    table["name"] = table["Parameter"].map(PLACES)
    return float(table["Value"].sum()), len(table)


def _texts() -> list[bytes]:
    with tarfile.open(SETS / "set-a.tar.gz") as tar:
        return [tar.extractfile(member).read() for member in tar if member.isfile()]


if __name__ == "__main__":
    main()
