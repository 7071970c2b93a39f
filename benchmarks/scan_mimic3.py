"""Time the scan of MIMIC-III's event tables, beside pandas and plain Python, and see what memory a large copy takes.

Run: `python benchmarks/scan_mimic3.py [copies]` (default 10; 100 needs 9 GB of disk for a while). It needs the
open demo in `../shared/data`. A copy has its own patients, so the cohort grows with the rows. Prints Markdown tables;
medians of interleaved rounds, one thread, each in a fresh process.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import csv
import gzip
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from medpriv.sources.mimic3_cohort import choose_stays, measure
from medpriv.sources.mimic3_items import ITEMS
from medpriv.sources.mimic3_tables import connect, scan

REAL = Path(__file__).parents[2] / "shared" / "data" / "physionet" / "mimiciii-demo" / "1.4"
TABLES = ("PATIENTS", "ADMISSIONS", "ICUSTAYS", "CHARTEVENTS", "LABEVENTS")
IDS = ("subject_id", "hadm_id", "icustay_id")
WANTED = {item.itemid for item in ITEMS}
COLUMNS = ["subject_id", "itemid", "charttime", "value", "valuenum", "error"]
ROUNDS = 5


def main() -> None:
    """Print the tables."""
    if not REAL.is_dir():
        print("needs the open MIMIC-III demo in ../shared/data; skipped")
        return
    copies = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    jobs: dict[str, Callable[[Path], int]] = {
        "cohort and 17 variables by window, both event tables (DuckDB)": summarise,
        "rows of the 17 variables in CHARTEVENTS: DuckDB": with_duckdb,
        "rows of the 17 variables in CHARTEVENTS: pandas, pieces of 100,000 rows": with_pandas,
        "rows of the 17 variables in CHARTEVENTS: csv module": with_csv,
    }
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    peaks: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(ROUNDS):
        for name, job in jobs.items():
            took, peak, _ = _alone(job, REAL)
            seconds[name].append(took)
            peaks[name].append(peak)
    print(f"The demo: 758,355 rows of CHARTEVENTS, packed; rounds: {ROUNDS}\n")
    print("| work | seconds, median | least | most | peak memory, MB |\n| --- | --- | --- | --- | --- |")
    for name, values in seconds.items():
        least, most = min(values), max(values)
        print(f"| {name} | {statistics.median(values):.2f} | {least:.2f} | {most:.2f} | {max(peaks[name]):.0f} |")
    with tempfile.TemporaryDirectory() as scratch:
        size = replicate(copies, Path(scratch))
        took, peak, stays = _alone(summarise, Path(scratch))
    print(f"\n{copies} copies ({size / 1e9:.1f} GB, plain): {stays:,} stays, {took:.0f} s, peak memory {peak:.0f} MB")


def summarise(folder: Path) -> int:
    """Return how many stays the cohort has, after all that the preprocessing reads of the tables."""
    with connect() as connection:
        stays, _ = choose_stays(connection, folder)
        measure(connection, folder, stays)
    return len(stays)


def with_duckdb(folder: Path) -> int:
    """Return how many rows DuckDB finds, all cells that count converted."""
    types = dict(zip(COLUMNS, ("INTEGER", "INTEGER", "TIMESTAMP", "VARCHAR", "DOUBLE", "INTEGER"), strict=True))
    items = ", ".join(map(str, WANTED))
    query = f"SELECT count(*), {', '.join(f'max({name})' for name in types)} FROM scanned WHERE itemid IN ({items})"
    with connect() as connection:
        return scan(connection, folder / "CHARTEVENTS.csv.gz", types, query).fetchone()[0]


def with_pandas(folder: Path) -> int:
    """Return how many rows pandas finds."""
    import pandas

    file = folder / "CHARTEVENTS.csv.gz"
    pieces = pandas.read_csv(file, usecols=COLUMNS, chunksize=100_000, dtype={"value": str}, parse_dates=["charttime"])
    return sum(int(piece["itemid"].isin(WANTED).sum()) for piece in pieces)


def with_csv(folder: Path) -> int:
    """Return how many rows Python finds."""
    with gzip.open(folder / "CHARTEVENTS.csv.gz", "rt", newline="") as stream:
        reader = csv.reader(stream)
        item = next(reader).index("itemid")
        return sum(int(row[item]) in WANTED for row in reader)


def replicate(copies: int, folder: Path) -> int:
    """Write the tables `copies` times over, each time with other patients' numbers; return their size in bytes."""
    with connect() as connection:
        for table in TABLES:
            source = next(REAL.glob(f"{table}.csv*"))
            with gzip.open(source, "rt") if source.suffix == ".gz" else source.open() as stream:
                names = next(csv.reader(stream))
            columns = "{" + ", ".join(f"'{name}': 'VARCHAR'" for name in names) + "}"
            shifted = ", ".join(f"{name}::INTEGER + copy * 1000000 AS {name}" for name in names if name in IDS)
            connection.execute(
                f"COPY (SELECT * EXCLUDE (copy) REPLACE ({shifted}) "
                f"FROM read_csv('{source}', header = true, auto_detect = false, delim = ',', quote = '\"', "
                f"escape = '\"', columns = {columns}), (SELECT unnest(range({copies})) AS copy)) "
                f"TO '{folder / table}.csv' (HEADER, DELIMITER ',')"
            )
    return sum(path.stat().st_size for path in folder.iterdir())


def _alone(job: Callable[[Path], int], folder: Path) -> tuple[float, float, int]:
    """Return seconds, peak memory in MB and result of a job in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (job, folder))


def _measured(job: Callable[[Path], int], folder: Path) -> tuple[float, float, int]:
    start = time.perf_counter()
    result = job(folder)
    took = time.perf_counter() - start
    return took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, result


if __name__ == "__main__":
    main()
