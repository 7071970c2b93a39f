"""MIT-BIH Arrhythmia Database, or any folder of WFDB records with beat annotations, as a dataset of heart beats.

`parse` reads the raw folder, maps annotations to AAMI classes, cuts beats, splits by patient. Decoding and file checks
are in `medpriv.sources.wfdb_records`, the arithmetic on beats in `medpriv.sources.beats`, simulated records in
`medpriv.simulate.mitdb`. What is left out, and why, is in `docs/data/mitdb.md`.
"""

import re
from collections import Counter
from importlib.resources import files
from pathlib import Path

import numpy as np

from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.files import read_json, sha256
from medpriv.seeds import generator
from medpriv.sources.beats import (
    AAMI,
    BASELINE_HZ,
    CLASSES,
    NOT_BEATS,
    PACED,
    cap_beats,
    cut_beats,
    prepare_signal,
    resampling,
    split_patients,
)
from medpriv.sources.wfdb_records import ANNOTATOR, Record, read_patients, read_record, record_files, record_names

LICENCE = "Open Data Commons Attribution License v1.0 (ODC-By 1.0)"
BASE_URL = "https://physionet.org/files/mitdb/1.0.0/"
FIRST_LEAD = "MLII"  # taken first wherever a record has it: in record 114 it is stored second
# de Chazal et al. 2004, IEEE Trans Biomed Eng 51:1196, Table II; 202 is moved to DS1, where its patient's 201 is.
DS1 = frozenset(
    map(
        str,
        (
            101,
            106,
            108,
            109,
            112,
            114,
            115,
            116,
            118,
            119,
            122,
            124,
            201,
            202,
            203,
            205,
            207,
            208,
            209,
            215,
            220,
            223,
            230,
        ),
    )
)
DS2 = frozenset(
    map(str, (100, 103, 105, 111, 113, 117, 121, 123, 200, 210, 212, 213, 214, 219, 221, 222, 228, 231, 232, 233, 234))
)
PUBLISHED = DS1 | DS2 | {"102", "104", "107", "217"}


def local_files(folder: Path) -> list[str]:
    """Return the files of a folder of WFDB records that belong to the dataset, relative to it, sorted."""
    if not folder.is_dir():
        raise InputError("no such folder", file=folder, remedy="set raw.path to the folder that holds the records")
    found = [file for name in record_names(folder) for file in record_files(folder, name)]
    return sorted({*found, *(name for name in ("RECORDS", "patients.csv") if (folder / name).is_file())})


def remote_files() -> dict[str, str]:
    """Return the publisher's files, 48 records of three files each, with their SHA-256."""
    lines = files("medpriv.sources").joinpath("mitdb_sha256.txt").read_text(encoding="ascii").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def parse(name: str, folder: Path, settings: dict, seed: int) -> Dataset:
    """Return the dataset in a raw folder.

    Args:
        name: the dataset's name in the config.
        folder: raw files with their `manifest.json`.
        settings: the `preprocess` section: before_s, after_s, sampling_rate, leads, beats_per_patient, split,
            test_fraction.
        seed: root seed.

    Raises:
        InputError: a file is damaged or missing, an annotation is unknown, a class cannot be trained.
    """
    manifest = read_json(folder / "manifest.json")
    names = record_names(folder)
    people = _patients_of(folder, names)
    dropped: Counter[str] = Counter()
    windows, labels, owners, about = [], [], [], {}
    lead_names: list[tuple[str, ...]] = []
    paced = []
    for record_name in names:
        record = read_record(folder, record_name)
        codes = _beat_classes(folder, record)
        if PACED in record.symbols:
            paced.append(record_name)
            continue
        beats, y, leads = _cut_record(record, codes, settings, dropped)
        windows.append(beats)
        labels.append(y)
        owners.append(np.full(len(y), names.index(record_name)))
        lead_names.append(leads)
        about[record_name] = _describe(record.comments)
    if not sum(len(y) for y in labels):
        raise InputError("no beat left", file=folder, remedy="give records with beat annotations, not paced throughout")

    y, owner = np.concatenate(labels), np.concatenate(owners)  # owner: index of the record in `names`
    patients = sorted({people[names[index]] for index in np.unique(owner)})
    patient_of = np.array([patients.index(people[record]) if people[record] in patients else -1 for record in names])
    patient = patient_of[owner]
    kept = cap_beats(y, patient, settings["beats_per_patient"], generator(seed, name, "beats"))
    x = np.concatenate(windows)[kept]
    y, owner, patient = y[kept], owner[kept], patient[kept]

    counts = np.zeros((len(patients), len(CLASSES)), np.int64)
    np.add.at(counts, (patient, y), 1)
    split = _split(names, people, patients, counts, settings, folder, generator(seed, name, "split"))
    present = np.flatnonzero(counts.sum(axis=0))
    if len(present) < 2 or (counts[split == TRAIN].sum(axis=0)[present] == 0).any():
        _refuse_empty_class(folder, counts, split, present)
    sites = sorted({about[names[index]]["site"] for index in np.unique(owner)})
    training = x[(split == TRAIN)[patient]]
    return Dataset(
        name=name,
        x=x,
        y=np.searchsorted(present, y).astype(np.int64),
        patient=patient.astype(np.int32),
        site=np.array([sites.index(about[names[index]]["site"]) for index in owner], np.int32),
        split=split,
        centre=training.mean(axis=(0, 2), dtype=np.float64).astype(np.float32)[:, None],
        scale=training.std(axis=(0, 2), dtype=np.float64).astype(np.float32)[:, None],
        patients=tuple(patients),
        sites=tuple(sites),
        classes=tuple(CLASSES[index] for index in present),
        features=tuple("/".join(sorted(set(column))) for column in zip(*lead_names, strict=True)),
        units=("mV",) * x.shape[1],
        licence=manifest["licence"],
        source=manifest["source"],
        digest=sha256(folder / "manifest.json"),
        sampling_rate=float(settings["sampling_rate"]),
        groups=_groups(names, people, patients, about),
        notes={
            "records": len(names) - len(paced),
            "paced_records_left_out": paced,
            "beats_left_out": {reason: dropped[reason] for reason in sorted(dropped)}
            | {"over the cap a patient": int(sum(len(values) for values in labels) - len(kept))},
            "classes_absent": [label for index, label in enumerate(CLASSES) if index not in present],
            "high_pass_hz": BASELINE_HZ,
            "r_peak_at_sample": round(settings["before_s"] * settings["sampling_rate"]),
        },
    )


def _patients_of(folder: Path, names: list[str]) -> dict[str, str]:
    """Return record -> patient: from `patients.csv`, else the record's name (in the publisher's set, 202 is 201)."""
    people = read_patients(folder)
    if people:
        if missing := [name for name in names if name not in people]:
            raise InputError(
                f"no patient for record {', '.join(missing)}",
                file=folder / "patients.csv",
                remedy="add a line for every record",
            )
        return people
    same = {"202": "201"} if set(names) <= PUBLISHED else {}
    return {name: same.get(name, name) for name in names}


def _beat_classes(folder: Path, record: Record) -> np.ndarray:
    """Return the AAMI class of each annotation, empty text for those that mark no beat."""
    for index, symbol in enumerate(record.symbols):
        if symbol not in AAMI and symbol not in NOT_BEATS:
            raise InputError(
                f"unknown annotation {symbol!r} at sample {record.marks[index]}",
                file=folder / f"{record.name}.{ANNOTATOR}",
                place=f"annotation {index + 1}",
                remedy="use the beat codes of WFDB (N L R B e j A a J S n V E r F / f Q ?)",
            )
    return np.array([AAMI.get(symbol, "") for symbol in record.symbols])


def _cut_record(
    record: Record, codes: np.ndarray, settings: dict, dropped: Counter[str]
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return a record's beats float32 [B, L, window], their classes int64 [B] and the leads; count what is left out."""
    target = settings["sampling_rate"]
    order = sorted(range(len(record.leads)), key=lambda lead: record.leads[lead] != FIRST_LEAD)[: settings["leads"]]
    if len(order) < settings["leads"]:
        raise InputError(
            f"{len(order)} leads where {settings['leads']} are asked for",
            file=f"{record.name}.hea",
            remedy="lower preprocess.leads",
        )
    signal = prepare_signal(record.signal[:, order], record.rate, target)
    up, down = resampling(record.rate, target)
    used = np.isin(codes, CLASSES)
    dropped["class Q"] += int((codes == "Q").sum())
    peaks = np.rint(record.marks[used] * (up / down)).astype(np.int64)
    beats, whole = cut_beats(signal, peaks, round(settings["before_s"] * target), round(settings["after_s"] * target))
    dropped["too near an end of the record"] += int((~whole).sum())
    y = np.array([CLASSES.index(code) for code in codes[used][whole]], np.int64)
    return beats, y, tuple(record.leads[lead] for lead in order)


def _describe(comments: tuple[str, ...]) -> dict[str, str]:
    """Return sex, age band and site (the serial number of the recorder) from a header's comment lines.

    MIT-BIH writes `69 M 1085 1629 x1`: age, sex, tape, recorder, playback speed. Other databases write `Age: 69`.
    """
    text = "\n".join(comments)
    own = re.search(r"^\s*(-?\d+) ([MF]) (\S+) (\S+) x\d", text, re.MULTILINE)
    age = own[1] if own else (found := re.search(r"\bage:?\s*(\d+)", text, re.IGNORECASE)) and found[1]
    sex = own[2] if own else (found := re.search(r"\bsex:?\s*([MF])", text, re.IGNORECASE)) and found[1].upper()
    site = "one site" if not own else f"recorder {own[4]}" if own[4].isdigit() else "recorder unknown"
    return {"sex": sex or "unknown", "age": _age_band(age), "site": site}


def _age_band(age: str | None) -> str:
    if age is None or int(age) < 0:
        return "unknown"
    return next((band for limit, band in ((50, "under 50"), (65, "50-64"), (80, "65-79")) if int(age) < limit), "80+")


def _groups(
    names: list[str], people: dict[str, str], patients: list[str], about: dict[str, dict[str, str]]
) -> dict[str, tuple[str, ...]]:
    """Return sex and age band of each patient, from the first of the patient's records."""
    first = {people[name]: about[name] for name in reversed(names) if name in about}
    return {key: tuple(first[patient][key] for patient in patients) for key in ("sex", "age")}


def _split(
    names: list[str],
    people: dict[str, str],
    patients: list[str],
    counts: np.ndarray,
    settings: dict,
    folder: Path,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return uint8 [P], TRAIN or TEST."""
    if settings["split"] == "random":
        if len(patients) < 2:
            raise InputError(
                "one patient, who cannot be both trained on and tested",
                file=folder,
                remedy="add records of other patients, or tell them apart in patients.csv",
            )
        return np.where(split_patients(counts, settings["test_fraction"], rng), TEST, TRAIN).astype(np.uint8)
    if unknown := [name for name in names if name not in PUBLISHED]:
        raise InputError(
            f"records {', '.join(unknown)} are in neither DS1 nor DS2",
            file=folder,
            remedy="set preprocess.split to random",
        )
    training = {people[name] for name in names if name in DS1}
    return np.array([TRAIN if patient in training else TEST for patient in patients], np.uint8)


def _refuse_empty_class(folder: Path, counts: np.ndarray, split: np.ndarray, present: np.ndarray) -> None:
    """Raise the error for data in which there is nothing to tell apart, or a class that no training patient has."""
    if len(present) < 2:
        problem = f"only class {', '.join(CLASSES[index] for index in present)} occurs"
        remedy = "add records with ectopic beats"
    else:
        empty = [CLASSES[index] for index in present if counts[split == TRAIN, index].sum() == 0]
        problem = f"class {', '.join(empty)} is empty: no training patient has a beat of it"
        remedy = "use another split or seed, or add records"
    raise InputError(problem, file=folder, remedy=remedy)
