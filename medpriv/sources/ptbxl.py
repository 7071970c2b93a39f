"""PTB-XL: which of five diagnostic superclasses does a ten-second twelve-lead ECG belong to?

`parse` takes the records of one superclass, cuts them into pieces, splits by patient. The publisher's tables are read
in `medpriv.sources.ptbxl_tables`, WFDB files in `wfdb_records`, arithmetic on signals is in `beats`, simulated records
in `medpriv.simulate.ptbxl`. What is left out, and why, is in `docs/data/ptbxl.md`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.files import sha256
from medpriv.records.cohort import Cohort
from medpriv.records.labels import Labels
from medpriv.records.signals import Signals
from medpriv.seeds import generator
from medpriv.sources.beats import BASELINE_HZ, prepare_signal, present_classes, split_patients
from medpriv.sources.manifest import MANIFEST, verify_raw
from medpriv.sources.ptbxl_tables import CLASSES, DATABASE, RECORD, STATEMENTS, Row, read_tables
from medpriv.sources.wfdb_records import read_leads, shorter_records

LICENCE = "CC BY 4.0"
LICENCE_FILE = "LICENSE.txt"
BASE_URL = "https://physionet.org/files/ptb-xl/1.0.3/"
CHECKSUMS = "SHA256SUMS.txt"


@dataclass(frozen=True)
class _Record:
    """One record: its line of the table, its pieces float32 [pieces, L, samples], its length in seconds."""

    row: Row
    pieces: np.ndarray
    length: float


def local_files(folder: Path) -> list[str]:
    """Return the dataset's files in a folder, relative to it, sorted; it may hold only a part of the records."""
    folder = Path(folder)
    endings = (".hea", ".dat")
    names = [row.name for row in read_tables(folder) if any((folder / f"{row.name}{end}").is_file() for end in endings)]
    if not names:
        raise _no_record(folder)
    found = [f"{name}{ending}" for name in names for ending in endings]
    if missing := [file for file in found if not (folder / file).is_file()]:
        raise InputError(
            "missing, though the record's other file is there",
            file=folder / missing[0],
            remedy="add the file, or remove the other one",
        )
    tables = [DATABASE, STATEMENTS, *([LICENCE_FILE] if (folder / LICENCE_FILE).is_file() else [])]
    return sorted([*found, *tables])


def wanted(published: Collection[str]) -> list[str]:
    """Return which of the publisher's files belong to the dataset: the records at 100 Hz and the tables."""
    records = [file for file in published if file.endswith((".hea", ".dat")) and RECORD.fullmatch(file[:-4])]
    return sorted([*records, DATABASE, STATEMENTS, LICENCE_FILE])


def parse(name: str, folder: Path, settings: dict, seed: int) -> Dataset:
    """Return the dataset in a raw folder.

    Args:
        name: the dataset's name in the config.
        folder: raw files with their `manifest.json`.
        settings: the `preprocess` section: leads, seconds, sampling_rate, split, test_folds, test_fraction.
        seed: root seed; it decides a `random` split.

    Raises:
        InputError: a file is damaged or missing, a cell is not as it should be, a class cannot be trained.
    """
    folder = Path(folder)
    manifest = verify_raw(folder)
    rows, left_out = _choose_records(folder)
    records, blank = _read_records(folder, rows, settings)
    rows = [record.row for record in records]
    counts = np.array([len(record.pieces) for record in records])
    x = np.concatenate([record.pieces for record in records])

    patients = sorted({row.patient for row in rows}, key=int)
    position = {patient: index for index, patient in enumerate(patients)}
    owner = np.array([position[row.patient] for row in rows])
    label = np.array([CLASSES.index(row.superclasses[0]) for row in rows])
    if settings["split"] == "random":
        split = _split_at_random(owner, label, settings["test_fraction"], folder, generator(seed, name, "split"))
    else:
        split = _split_by_fold(rows, owner, settings["test_folds"], folder)
    present = present_classes(label, split[owner] == TRAIN, CLASSES, folder)
    second = np.concatenate([np.arange(count) for count in counts]) * (x.shape[2] / settings["sampling_rate"])
    sites = sorted({row.site for row in rows})
    patient = np.repeat(owner, counts)
    training = x[split[patient] == TRAIN]
    first = {row.patient: row.groups for row in sorted(rows, key=lambda row: row.taken, reverse=True)}
    return Dataset(
        name,
        Cohort(
            patient=patient.astype(np.int32),
            site=np.repeat([sites.index(row.site) for row in rows], counts).astype(np.int32),
            split=split,
            patients=tuple(patients),
            sites=tuple(sites),
            licence=manifest["licence"],
            source=manifest["source"],
            digest=sha256(folder / MANIFEST),
            groups={key: tuple(first[person][key] for person in patients) for key in ("sex", "age")},
        ),
        Signals(
            x,
            leads=tuple(settings["leads"]),
            rate=float(settings["sampling_rate"]),
            centre=training.mean(axis=(0, 2), dtype=np.float64).astype(np.float32)[:, None],
            scale=training.std(axis=(0, 2), dtype=np.float64).astype(np.float32)[:, None],
            time=(np.repeat(_starts(records), counts) + second).astype(np.float32),
        ),
        Labels(
            np.repeat(np.searchsorted(present, label), counts).astype(np.int64),
            tuple(CLASSES[index] for index in present),
        ),
        notes={
            "records": len(records),
            "records_by_class": {CLASSES[index]: int((label == index).sum()) for index in present},
            "records_left_out": left_out | {"a blank lead": blank},
            "classes_absent": [superclass for index, superclass in enumerate(CLASSES) if index not in present],
            "high_pass_hz": BASELINE_HZ,
        }
        | shorter_records(folder, (row.name for row in rows)),
    )


def _choose_records(folder: Path) -> tuple[list[Row], dict[str, int]]:
    """Return the records that are there and have one superclass, and how many others the table lists, by reason."""
    listed = read_tables(folder)
    here = [row for row in listed if (folder / f"{row.name}.hea").is_file()]
    if not here:
        raise _no_record(folder)
    rows = [row for row in here if len(row.superclasses) == 1]
    if not rows:
        raise InputError("no record has one superclass alone", file=folder / DATABASE, remedy="add records")
    return rows, {
        "no files": len(listed) - len(here),
        "no diagnostic statement": sum(not row.superclasses for row in here),
        "several superclasses": sum(len(row.superclasses) > 1 for row in here),
    }


def _read_records(folder: Path, rows: list[Row], settings: dict) -> tuple[list[_Record], int]:
    """Return the records cut into pieces, without those in which a lead is blank, and how many those are."""
    samples = round(settings["seconds"] * settings["sampling_rate"])
    records = []
    for row in rows:
        signal, rate = read_leads(folder, row.name, settings["leads"])
        length = len(signal) / rate
        if length < settings["seconds"]:
            raise InputError(
                f"{length:g} seconds, shorter than a piece ({len(signal)} samples at {rate:g} Hz)",
                file=folder / f"{row.name}.hea",
                remedy="lower preprocess.seconds, or leave the record out",
            )
        if not (signal == signal[0]).all(axis=0).any():
            signal = prepare_signal(signal, rate, settings["sampling_rate"])
            records.append(_Record(row, cut_pieces(signal, samples), length))
    if not records:
        raise InputError("every record has a blank lead", file=folder, remedy="add records, or leave the lead out")
    return records, len(rows) - len(records)


def cut_pieces(signal: np.ndarray, samples: int) -> np.ndarray:
    """Return float32 [pieces, L, samples]: a signal [T, L] cut without gaps; what is left at its end is dropped."""
    whole = len(signal) // samples
    return signal[: whole * samples].reshape(whole, samples, -1).transpose(0, 2, 1)


def _starts(records: list[_Record]) -> np.ndarray:
    """Return when each record begins, seconds [R], if a patient's records, by date, follow each other without a gap."""
    starts, ends = np.empty(len(records)), dict.fromkeys((record.row.patient for record in records), 0.0)
    for index in sorted(range(len(records)), key=lambda index: records[index].row.taken):
        starts[index] = ends[records[index].row.patient]
        ends[records[index].row.patient] += records[index].length
    return starts


def _split_by_fold(rows: list[Row], owner: np.ndarray, test_folds: list[int], folder: Path) -> np.ndarray:
    """Return uint8 [P]: `TEST` for the patients whose records are in the test folds."""
    tested = np.isin([row.fold for row in rows], test_folds)
    records, held_out = np.bincount(owner), np.bincount(owner, weights=tested)
    if (torn := np.flatnonzero((held_out > 0) & (held_out < records))).size:
        patient = rows[int(np.flatnonzero(owner == torn[0])[0])].patient
        raise InputError(
            f"patient {patient} has records in test folds and in others",
            file=folder / DATABASE,
            place="column strat_fold",
            remedy="get the publisher's table, whose folds keep patients whole, or set preprocess.split to random",
        )
    if tested.all() or not tested.any():
        raise InputError(
            f"no {'training' if tested.all() else 'test'} record: folds {', '.join(map(str, test_folds))} are held out",
            file=folder / DATABASE,
            place="column strat_fold",
            remedy="change preprocess.test_folds, or set preprocess.split to random",
        )
    return np.where(held_out > 0, TEST, TRAIN).astype(np.uint8)


def _split_at_random(
    owner: np.ndarray, label: np.ndarray, test_fraction: float, folder: Path, rng: np.random.Generator
) -> np.ndarray:
    """Return uint8 [P], `TEST` or `TRAIN`, classes divided as evenly as they can be."""
    counts = np.zeros((owner.max() + 1, len(CLASSES)), np.int64)
    np.add.at(counts, (owner, label), 1)
    if len(counts) < 2:
        raise InputError(
            "one patient, who cannot be both trained on and tested", file=folder, remedy="add records of others"
        )
    return np.where(split_patients(counts, test_fraction, rng), TEST, TRAIN).astype(np.uint8)


def _no_record(folder: Path) -> InputError:
    return InputError(
        f"none of the records that {DATABASE} lists is here",
        file=folder / "records100",
        remedy="give the publisher's folder, or a part of it, with records100/00000/00001_lr.hea and .dat and so on",
    )
