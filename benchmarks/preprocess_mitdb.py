"""Time the preprocessing of 48 records, and its beat cutting beside a plain Python loop over beats.

Run: `python benchmarks/preprocess_mitdb.py`. It uses the real records in `../shared/data` if they are there, else
simulated ones of the same length. Prints a Markdown table; medians of interleaved rounds, one thread.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from medpriv.files import write_json
from medpriv.simulate.mitdb import simulate
from medpriv.sources.beats import cut_beats, prepare_signal
from medpriv.sources.mitdb import FIRST_LEAD, local_files, parse
from medpriv.sources.wfdb_records import read_record, record_names

REAL = Path(__file__).parents[2] / "shared" / "data" / "physionet" / "mitdb" / "1.0.0"
SETTINGS = {
    "before_s": 1.0,
    "after_s": 0.6,
    "sampling_rate": 120.0,
    "heart_rate": None,
    "neighbour_margin_s": None,
    "leads": 2,
    "beats_per_patient": 150,
    "test_beats_per_patient": None,
    "split": "random",
    "test_fraction": 0.3,
}
ROUNDS = 5


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as scratch:
        raw = Path(scratch)
        if REAL.is_dir():
            for file in local_files(REAL):
                (raw / file).symlink_to(REAL / file)
        else:
            simulate({"records": 48, "minutes": 650000 / 360 / 60}, raw, 1)
        write_json(raw / "manifest.json", {"source": "local", "licence": "", "files": {}})
        names = record_names(raw)
        records = [read_record(raw, name, FIRST_LEAD, 2) for name in names]
        prepared = [prepare_signal(record.signal, record.rate, 120.0) for record in records]
        peaks = [np.rint(record.marks / 3).astype(np.int64) for record in records]
        steps: dict[str, Callable[[], object]] = {
            "all of `parse`, 48 records": lambda: parse("mitdb", raw, SETTINGS, 1),
            "reading and checking": lambda: [read_record(raw, name, FIRST_LEAD, 2) for name in names],
            "resampling and high-pass": lambda: [prepare_signal(item.signal, item.rate, 120.0) for item in records],
            "cutting beats, strided view": lambda: [
                cut_beats(signal, marks, 120, 72) for signal, marks in zip(prepared, peaks, strict=True)
            ],
            "cutting beats, Python loop": lambda: [
                _cut_in_a_loop(signal, marks, 120, 72) for signal, marks in zip(prepared, peaks, strict=True)
            ],
        }
        seconds: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(ROUNDS):
            for name, step in steps.items():
                start = time.perf_counter()
                step()
                seconds[name].append(time.perf_counter() - start)
        beats = sum(len(marks) for marks in peaks)
    print(
        f"{'Real' if REAL.is_dir() else 'Simulated'} records: {len(names)}, annotations: {beats:,}; rounds: {ROUNDS}\n"
    )
    print("| step | seconds, median | least | most |\n| --- | --- | --- | --- |")
    for name, values in seconds.items():
        print(f"| {name} | {statistics.median(values):.3f} | {min(values):.3f} | {max(values):.3f} |")


def _cut_in_a_loop(signal: np.ndarray, peaks: np.ndarray, before: int, after: int) -> np.ndarray:
    """Return what `cut_beats` returns, beat by beat."""
    inside = [peak for peak in peaks if peak >= before and peak + after <= len(signal)]
    return np.stack([signal[peak - before : peak + after].T for peak in inside])


if __name__ == "__main__":
    main()
