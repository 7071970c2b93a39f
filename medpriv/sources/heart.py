"""UCI heart disease: four hospitals' `processed.<hospital>.data`, 13 features and whether coronary disease was found.

Each line is one patient: 14 comma-separated cells in the order of `COLUMNS`, `?` for missing, or -9 as in UCI's files
of all 76 columns. The simulator (`medpriv.simulate.heart`) writes the same files. docs/data/heart.md is the data card.
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.files import read_lines, sha256
from medpriv.records.cohort import Cohort
from medpriv.records.labels import Labels
from medpriv.records.tables import Table
from medpriv.seeds import generator
from medpriv.sources import heart_flamby
from medpriv.sources.age import age_band
from medpriv.sources.cells import number_in
from medpriv.sources.manifest import MANIFEST, verify_raw
from medpriv.sources.tabular import Entry, check_classes, describe_columns, make_table, stratified_split

LICENCE = "CC BY 4.0"
BASE_URL = "https://archive.ics.uci.edu/ml/machine-learning-databases/heart-disease/"
HOSPITALS = ("cleveland", "hungarian", "switzerland", "va")
FEATURES = {  # name: unit; coded columns have none
    "age": "years",
    "sex": "",
    "cp": "",
    "trestbps": "mm Hg",
    "chol": "mg/dl",
    "fbs": "",
    "restecg": "",
    "thalach": "beats/min",
    "exang": "",
    "oldpeak": "mm",
    "slope": "",
    "ca": "vessels",
    "thal": "",
}
CODES = {  # the values that a coded column may hold
    "sex": (0, 1),
    "cp": (1, 2, 3, 4),
    "fbs": (0, 1),
    "restecg": (0, 1, 2),
    "exang": (0, 1),
    "slope": (1, 2, 3),
    "ca": (0, 1, 2, 3),
    "thal": (3, 6, 7),
    "num": (0, 1, 2, 3, 4),
}
# What can be, both ends included, with room around what UCI's files hold (28 to 77, 80 to 200, 85 to 603, 60 to 202,
# -2.6 to 6.2): anything else is a slip, or another file's sign for missing.
BOUNDS = {"age": (15, 110), "trestbps": (30, 300), "chol": (50, 700), "thalach": (30, 250), "oldpeak": (-5, 10)}
DECIMALS = {"oldpeak": 1}  # of other numbers none
MISSING = -9
COLUMNS = (*FEATURES, "num")
NEVER_MISSING = ("age", "sex", "num")
ZERO_IS_MISSING = ("trestbps", "chol")  # no living person has 0: Switzerland's cholesterol is 0 in all 123 rows
CLASSES = ("no_disease", "disease")
AGE_BANDS = (45, 55, 65)

# UCI publishes no checksums: these are of copies whose sizes equal UCI's own index; see docs/data/heart.md.
_SHA256 = {
    "cleveland": "a74b7efa387bc9d108d7d0115d831fe9b414b29ae7124f331b622b4efa0427c8",
    "hungarian": "d1ad108f785768cd3d7e82dc522e6f5a61eea93cccfb3a46ee8076f73fc3d796",
    "switzerland": "834a405ccf5b66ab4056bb77794adc8df0b7125186454c0a1d002d33c6c3b314",
    "va": "e7c93d8d0d2acdadfa4c5e8de768e2191e7f618b952e29623f1f0d5949ff6b8f",
}


def file_name(hospital: str) -> str:
    """Return the publisher's name of a hospital's file."""
    return f"processed.{hospital}.data"


def local_files(folder: Path) -> list[str]:
    """Return the four files of a local folder; InputError names the first that is not there."""
    for hospital in HOSPITALS:
        if not (path := Path(folder) / file_name(hospital)).is_file():
            raise InputError(
                "the file is missing",
                file=path,
                remedy="put UCI's four processed.<hospital>.data files into one folder and name it in raw.path",
            )
    return [file_name(hospital) for hospital in HOSPITALS]


def remote_files() -> dict[str, str]:
    """Return the SHA-256 of each file that a remote source downloads."""
    return {file_name(hospital): digest for hospital, digest in _SHA256.items()}


def parse(name: str, folder: Path, settings: dict, seed: int) -> Dataset:
    """Make the dataset from a raw folder: 13 features, target `num > 0`, one patient a row.

    By the protocol `medpriv` missing cells get the training rows' median (coded columns: their most frequent code), x
    is in physical units, and centre and scale are the training rows' mean and standard deviation. The protocol `flamby`
    is that of `medpriv.sources.heart_flamby`: x is standardised by hospital, so centre is 0 and scale 1; by
    `flamby-pooled` it is in units, and centre and scale are those of all training rows.

    Args:
        name: the dataset's name in the config.
        folder: the raw folder, with its manifest.
        settings: the `preprocess` section: `test_fraction`, `hospitals` (default: all there are), and `protocol`
            (default `medpriv`).
        seed: the root seed; it decides the split, stratified by hospital and label (`flamby` has a split of its own).

    Raises:
        InputError: a file or a cell is not as it should be, or a class has too few patients to be split.
    """
    folder = Path(folder)
    manifest = verify_raw(folder)
    hospitals = _hospitals(manifest["files"], settings.get("hospitals") or (), folder)
    tables = [read_cells(folder / file_name(hospital)) for hospital in hospitals]
    rows = np.concatenate(tables)  # [rows, 14]
    site = np.repeat(np.arange(len(hospitals), dtype=np.int32), [len(table) for table in tables])
    names = np.array(
        [
            f"{hospital}-{row:04d}"
            for hospital, table in zip(hospitals, tables, strict=True)
            for row in range(1, len(table) + 1)
        ]
    )
    protocol = settings.get("protocol", "medpriv")
    if protocol.startswith("flamby"):
        kept, split, table, notes = _by_flamby(rows, site, hospitals, folder, pooled=protocol == "flamby-pooled")
        rows, site, names = rows[kept], site[kept], names[kept]
    else:
        split, table, notes = _by_medpriv(name, rows, site, settings["test_fraction"], seed, folder)
    y = (rows[:, -1] > 0).astype(np.int64)
    check_classes(y, split == TEST, CLASSES, folder, "column 14 (num)")
    by_hospital = {hospital: int(np.sum(site == index)) for index, hospital in enumerate(hospitals)}
    return Dataset(
        name,
        Cohort(
            patient=np.arange(len(y), dtype=np.int32),
            site=site,
            split=split,
            patients=tuple(names.tolist()),
            sites=tuple(hospitals),
            licence=manifest["licence"],
            source=manifest["source"],
            digest=sha256(folder / MANIFEST),
            groups={
                "sex": tuple("M" if sex else "F" for sex in rows[:, COLUMNS.index("sex")]),
                "age": tuple(age_band(age, AGE_BANDS) for age in rows[:, COLUMNS.index("age")]),
            },
        ),
        table,
        Labels(y, CLASSES),
        notes | {"protocol": protocol, "patients_by_hospital": by_hospital},
    )


def _hospitals(files: Collection[str], wanted: Collection[str], folder: Path) -> list[str]:
    """Return the hospitals to read, in UCI's order: those asked for, or all that there are."""
    found = [hospital for hospital in HOSPITALS if file_name(hospital) in files]
    if missing := [hospital for hospital in wanted if hospital not in found]:
        raise InputError(
            f"no patients of {', '.join(missing)}",
            file=folder,
            place="preprocess.hospitals",
            remedy=f"name some of {', '.join(found)}, or have the others simulated (raw.simulated.patients)",
        )
    return [hospital for hospital in found if not wanted or hospital in wanted]


def _by_medpriv(
    name: str, rows: np.ndarray, site: np.ndarray, test_fraction: float, seed: int, folder: Path
) -> tuple[np.ndarray, Table, dict[str, object]]:
    """Return the split, the table and the notes about it: gaps imputed, all patients kept."""
    rows = with_gaps(rows)
    y = (rows[:, -1] > 0).astype(np.int64)
    split = stratified_split(site * len(CLASSES) + y, test_fraction, generator(seed, name, "split"))
    check_classes(y, split == TEST, CLASSES, folder, "column 14 (num)")
    kinds = {column: "binary" if len(codes) == 2 else "code" for column, codes in CODES.items()}
    kinds = {column: kinds.get(column, "number") for column in FEATURES}
    columns = dict(zip(COLUMNS[:-1], rows.T[:-1], strict=True))
    table, notes = make_table(columns, kinds, FEATURES, split == TRAIN, folder, dictionary=dictionary())
    return split, table, notes


def dictionary() -> dict[str, Entry]:
    """Return what UCI's description of the files says of each column, whatever is in them."""
    numbers = {name: Entry(*BOUNDS[name], DECIMALS.get(name, 0), complete=name in NEVER_MISSING) for name in BOUNDS}
    codes = {name: Entry(codes=CODES[name], complete=name in NEVER_MISSING) for name in FEATURES if name in CODES}
    return numbers | codes


def _by_flamby(
    rows: np.ndarray, site: np.ndarray, hospitals: list[str], folder: Path, pooled: bool
) -> tuple[np.ndarray, np.ndarray, Table, dict[str, object]]:
    """Return which rows are kept, bool [rows]; of these the split, the table and the notes about it."""
    made = heart_flamby.prepare(rows, COLUMNS, site, folder)
    features, width = heart_flamby.FEATURES, len(heart_flamby.FEATURES)
    if pooled:
        centre, scale = heart_flamby.mean_and_deviation(made.x[made.split == TRAIN])
        x, units = made.x, FEATURES
        kinds = dict.fromkeys(("sex", "fbs", "exang"), "binary")
        kinds |= {name: f"onehot:{name.partition('=')[0]}" for name in features if "=" in name}
    else:
        centre, scale = np.zeros(width), np.ones(width)
        x, units = made.by_hospital(), dict.fromkeys(features, "standard deviations")
        kinds = {}  # a code has two values at each hospital, and others at the next one: numbers
    kinds = dict.fromkeys(features, "number") | kinds
    described, raw = describe_columns(
        dict(zip(features, x.T, strict=True)), kinds, units, {}, x[made.split == TRAIN].min(axis=0), heart_flamby.FIRST
    )
    fitted = {
        hospital: {"means": means.tolist(), "deviations": deviations.tolist()}
        for hospital, means, deviations in zip(hospitals, made.means, made.deviations, strict=True)
    }
    table = Table(described, raw, centre.astype(np.float32), scale.astype(np.float32))
    return made.kept, made.split, table, {"left_out_for_gaps": int(np.sum(~made.kept)), "hospitals": fitted}


def with_gaps(table: np.ndarray) -> np.ndarray:
    """Return the rows [patients, 14] with NaN for the zeros that stand for missing values."""
    table = table.copy()
    for column in ZERO_IS_MISSING:
        values = table[:, COLUMNS.index(column)]
        values[values == 0] = np.nan
    return table


def read_cells(path: Path) -> np.ndarray:
    """Return float64 [patients, 14] of one hospital's file, NaN for `?` and -9."""
    lines = enumerate(read_lines(path), start=1)
    rows = [_read_line(path, number, line) for number, line in lines if line.strip()]
    if not rows:
        raise InputError("the file is empty", file=path, remedy="get the file again from UCI")
    return np.array(rows)


def _read_line(path: Path, number: int, line: str) -> list[float]:
    """Return the 14 values of one line."""
    cells = [cell.strip() for cell in line.split(",")]
    if len(cells) != len(COLUMNS):
        raise InputError(
            f"{len(cells)} columns instead of {len(COLUMNS)}",
            file=path,
            place=f"line {number}",
            remedy=f"give every line the columns {', '.join(COLUMNS)}",
        )
    return [
        _read_cell(path, number, position, column, cell)
        for position, (column, cell) in enumerate(zip(COLUMNS, cells, strict=True), start=1)
    ]


def _read_cell(path: Path, number: int, position: int, column: str, cell: str) -> float:
    """Return the value of one cell, NaN for a missing one."""

    def refuse(problem: str, remedy: str) -> InputError:
        return InputError(problem, file=path, place=f"line {number}, column {position} ({column})", remedy=remedy)

    value = np.nan if cell == "?" else number_in(cell)
    if value is None:
        raise refuse(f"{cell!r} is not a number", "correct the cell, or write ? for a missing value")
    if cell == "?" or value == MISSING:
        if column in NEVER_MISSING:
            raise refuse("a missing value that must not be", "remove the line, or fill in the value")
        return np.nan
    if column in CODES and value not in CODES[column]:
        kind = "label" if column == "num" else "code"
        raise refuse(f"unknown {kind} {cell}", f"use one of {', '.join(map(str, CODES[column]))}")
    lowest, highest = BOUNDS.get(column, (-np.inf, np.inf))
    if not lowest <= value <= highest and not (column in ZERO_IS_MISSING and value == 0):
        raise refuse(f"{cell} is not from {lowest} to {highest}", "correct the cell, or write ? for a missing value")
    return value
