"""MIT-BIH Arrhythmia Database, or any folder of WFDB records with beat annotations, as a dataset of heart beats.

`parse` reads the raw folder, maps annotations to AAMI classes, cuts beats, splits by patient. Decoding and file checks
are in `medpriv.sources.wfdb_records`, the arithmetic on beats in `medpriv.sources.beats`, simulated records in
`medpriv.simulate.mitdb`. What is left out, and why, is in `docs/data/mitdb.md`.
"""

import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.files import sha256
from medpriv.records.cohort import Cohort
from medpriv.records.labels import Labels
from medpriv.records.signals import Signals
from medpriv.seeds import generator
from medpriv.sources.age import age_band
from medpriv.sources.beats import (
    AAMI,
    BASELINE_HZ,
    CLASSES,
    NOT_BEATS,
    PACED,
    cap_beats,
    cut_beats,
    prepare_signal,
    present_classes,
    rate_at,
    resampling,
    span_neighbours,
    split_patients,
)
from medpriv.sources.manifest import verify_raw
from medpriv.sources.wfdb_header import distinct_names
from medpriv.sources.wfdb_records import (
    ANNOTATOR,
    Record,
    read_patients,
    read_record,
    record_files,
    record_names,
    shorter_records,
)

AGE_BANDS = (50, 65, 80)
LICENCE = "Open Data Commons Attribution License v1.0 (ODC-By 1.0)"
BASE_URL = "https://physionet.org/files/mitdb/1.0.0/"
OWN_LICENCE = "your own records; access as you have agreed with their patients"
FIRST_LEAD = "MLII"  # taken first wherever a record has it: in record 114 it is stored second
INTERVALS = 0.1, 10.0  # seconds between beats, beyond which no heart beats
# de Chazal et al. 2004, IEEE Trans Biomed Eng 51:1196, Table II; 202 is moved to DS1, where its patient's 201 is.
DS1 = frozenset("101 106 108 109 112 114 115 116 118 119 122 124 201 202 203 205 207 208 209 215 220 223 230".split())  # noqa: SIM905
DS2 = frozenset("100 103 105 111 113 117 121 123 200 210 212 213 214 219 221 222 228 231 232 233 234".split())  # noqa: SIM905
PUBLISHED = DS1 | DS2 | {"102", "104", "107", "217"}


@dataclass(frozen=True)
class _Beats:
    """All usable beats of a folder.

    Attributes:
        x: float32 [B, L, window].
        valid: int32 [B, 2], the part of each window that was kept; the rest of x is 0.
        y, record: int64 [B], class, and index into `names`.
        second: float64 [B], the R peak's time in its record; `lengths` of the records in seconds.
    """

    x: np.ndarray
    valid: np.ndarray
    y: np.ndarray
    record: np.ndarray
    second: np.ndarray
    lengths: list[float]
    names: list[str]
    leads: list[tuple[str, ...]]
    about: list[dict[str, str]]
    paced: list[str]
    left_out: dict[str, int]


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
        settings: the `preprocess` section: before_s, after_s, sampling_rate, heart_rate,
            neighbour_margin_s, leads, beats_per_patient, test_beats_per_patient, split, test_fraction.
        seed: root seed.

    Raises:
        InputError: a file is damaged or missing, an annotation is unknown, a class cannot be trained.
    """
    manifest = verify_raw(folder)
    names = record_names(folder)
    people = _patients_of(folder, names)
    beats = _read_beats(folder, names, settings)
    owners = [people[record] for record in beats.names]
    patients = sorted({owners[record] for record in np.unique(beats.record)})
    patient = np.array([patients.index(owner) if owner in patients else -1 for owner in owners])[beats.record]
    counts = np.zeros((len(patients), len(CLASSES)), np.int64)
    np.add.at(counts, (patient, beats.y), 1)
    if settings["split"] == "random":
        split = _split_at_random(counts, settings["test_fraction"], folder, generator(seed, name, "split"))
    else:
        split = _split_as_dechazal(beats.names, people, patients, folder)
    present = present_classes(beats.y, split[patient] == TRAIN, CLASSES, folder)
    kept = _keep(beats.y, patient, split, settings, generator(seed, name, "beats"))
    x, y, record, patient = beats.x[kept], beats.y[kept], beats.record[kept], patient[kept]
    time = beats.second[kept] + _starts(owners, beats.lengths)[record]
    public = manifest["source"] != "local" or set(names) <= PUBLISHED
    training = x[(split == TRAIN)[patient]]
    places = [about["site"] for about in beats.about]
    sites = sorted({places[index] for index in np.unique(record)})
    first = dict(reversed(list(zip(owners, beats.about, strict=True))))  # the first record of a patient wins
    return Dataset(
        name,
        Cohort(
            patient=patient.astype(np.int32),
            site=np.array([sites.index(places[index]) for index in record], np.int32),
            split=split,
            patients=tuple(patients),
            sites=tuple(sites),
            licence=manifest["licence"] if public else OWN_LICENCE,
            source=manifest["source"],
            digest=sha256(folder / "manifest.json"),
            groups={key: tuple(first[person][key] for person in patients) for key in ("sex", "age")},
            credentialed=not public,
        ),
        Signals(
            x,
            leads=tuple(distinct_names(["/".join(sorted(set(leads))) for leads in zip(*beats.leads, strict=True)])),
            rate=float(settings["sampling_rate"]),
            centre=training.mean(axis=(0, 2), dtype=np.float64).astype(np.float32)[:, None],
            scale=training.std(axis=(0, 2), dtype=np.float64).astype(np.float32)[:, None],
            time=time.astype(np.float32),
            valid=None if settings["neighbour_margin_s"] is None else beats.valid[kept],
        ),
        Labels(np.searchsorted(present, y).astype(np.int64), tuple(CLASSES[index] for index in present)),
        notes={
            "records": len(beats.names),
            "paced_records_left_out": beats.paced,
            "beats_left_out": beats.left_out | {"over the cap a patient": len(beats.y) - len(kept)},
            "classes_absent": [label for index, label in enumerate(CLASSES) if index not in present],
            "high_pass_hz": BASELINE_HZ,
            "heart_rate": settings["heart_rate"],
            "r_peak_at_sample": round(settings["before_s"] * settings["sampling_rate"]),
        }
        | shorter_records(folder, beats.names),
    )


def _starts(owners: list[str], lengths: list[float]) -> np.ndarray:
    """Return when each record begins, seconds [R], if a patient's records follow each other without a gap."""
    ends = dict.fromkeys(owners, 0.0)
    starts = []
    for owner, length in zip(owners, lengths, strict=True):
        starts.append(ends[owner])
        ends[owner] += length
    return np.array(starts)


def _read_beats(folder: Path, names: list[str], settings: dict) -> _Beats:
    """Read the records one by one and cut their beats; records with paced beats are left out."""
    left_out = {"class Q": 0, "too near an end of the record": 0}
    used, paced, windows, spans, labels, seconds, owners, leads, about = [], [], [], [], [], [], [], [], []
    lengths = []
    for name in names:
        record = read_record(folder, name, FIRST_LEAD, settings["leads"])
        codes = _aami_classes(folder, record)
        if PACED in record.symbols:
            paced.append(name)
            continue
        x, valid, y, second = _cut_record(folder, record, codes, settings, left_out)
        windows.append(x)
        spans.append(valid)
        labels.append(y)
        seconds.append(second)
        lengths.append(len(record.signal) / record.rate)
        owners.append(np.full(len(y), len(used)))
        used.append(name)
        leads.append(record.leads)
        about.append(_describe(record.comments))
    if not sum(len(y) for y in labels):
        raise InputError(
            "no usable beat", file=folder, remedy="give records with beat annotations that are not of paced patients"
        )
    x, valid, y, owner, second = (np.concatenate(parts) for parts in (windows, spans, labels, owners, seconds))
    return _Beats(x, valid, y, owner, second, lengths, used, leads, about, paced, left_out)


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


def _aami_classes(folder: Path, record: Record) -> np.ndarray:
    """Return the AAMI class of each annotation, empty text for those that mark no beat."""
    for index, symbol in enumerate(record.symbols):
        if symbol not in AAMI and symbol not in NOT_BEATS:
            raise InputError(
                f"unknown annotation {symbol!r} at sample {record.marks[index]}",
                file=folder / f"{record.name}.{ANNOTATOR}",
                place=f"annotation {index + 1}",
                remedy="use the beat codes of WFDB (N L R B e j A a J S n V E r F / f Q ?)",
            )
    classes = np.array([AAMI.get(symbol, "") for symbol in record.symbols], str)
    beats = record.marks[classes != ""]
    if (twice := np.flatnonzero(np.diff(beats) == 0)).size:
        raise InputError(
            f"two beats at sample {beats[twice[0]]}",
            file=folder / f"{record.name}.{ANNOTATOR}",
            remedy="annotate every beat once, not once a lead",
        )
    return classes


def _cut_record(
    folder: Path, record: Record, codes: np.ndarray, settings: dict, left_out: dict[str, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return a record's beats float32 [B, L, window], what of each window is signal int32 [B, 2], classes int64 [B] and
    R peaks in seconds [B]; count the beats that are left out.
    """
    target, beat = settings["sampling_rate"], codes != ""
    marks, codes, rate = record.marks[beat], codes[beat], record.rate
    if settings["heart_rate"] is not None:
        if len(marks) < 2:
            raise InputError(
                "fewer than two beats, so no heart rate",
                file=folder / f"{record.name}.{ANNOTATOR}",
                remedy="leave the record out, or leave preprocess.heart_rate empty",
            )
        interval = float(np.median(np.diff(marks))) / record.rate
        if not INTERVALS[0] <= interval <= INTERVALS[1]:
            raise InputError(
                f"beats {interval:g} s apart (median), so no heart rate",
                file=folder / f"{record.name}.{ANNOTATOR}",
                remedy="give annotations of every beat, on the clock that their file or the header states",
            )
        rate = rate_at(marks, settings["heart_rate"])
    signal = prepare_signal(record.signal, rate, target)
    up, down = resampling(rate, target)
    peaks = np.rint(marks * (up / down)).astype(np.int64)
    before, after = round(settings["before_s"] * target), round(settings["after_s"] * target)
    used = np.isin(codes, CLASSES)
    left_out["class Q"] += int((codes == "Q").sum())
    beats, whole = cut_beats(signal, peaks[used], before, after)
    left_out["too near an end of the record"] += int((~whole).sum())
    valid = np.full((len(beats), 2), (0, before + after), np.int32)
    if (margin := settings["neighbour_margin_s"]) is not None:
        valid = span_neighbours(peaks, before, after, round(margin * target))[used][whole]  # beats of class Q are seen
        sample = np.arange(before + after)
        beats = beats * ((valid[:, :1] <= sample) & (sample < valid[:, 1:]))[:, None]
    classes = np.array([CLASSES.index(code) for code in codes[used][whole]], np.int64)
    return beats, valid, classes, marks[used][whole] / record.rate


def _describe(comments: tuple[str, ...]) -> dict[str, str]:
    """Return sex, age band and site (the serial number of the recorder) from a header's comment lines.

    MIT-BIH writes `69 M 1085 1629 x1`: age, sex, tape, recorder, playback speed. Other databases write `Age: 69`.
    """
    text = "\n".join(comments)
    own = re.search(r"^\s*(-?\d{1,3}) ([MF]) (\S+) (\S+) x\d", text, re.MULTILINE)
    age = own[1] if own else (found := re.search(r"\bage:?\s*(\d{1,3})\b", text, re.IGNORECASE)) and found[1]
    sex = (
        own[2]
        if own
        else (found := re.search(r"\bsex:?\s*(female|male|[MF])\b", text, re.IGNORECASE)) and found[1][0].upper()
    )
    site = "one site" if not own else f"recorder {own[4]}" if own[4].isdigit() else "recorder unknown"
    return {"sex": sex or "unknown", "age": age_band(int(age) if age else None, AGE_BANDS), "site": site}


def _keep(
    y: np.ndarray, patient: np.ndarray, split: np.ndarray, settings: dict, rng: np.random.Generator
) -> np.ndarray:
    """Return the indices of the beats to keep, sorted: rare classes favoured in training, never in the test."""
    training = np.flatnonzero(split[patient] == TRAIN)
    test = np.flatnonzero(split[patient] == TEST)
    learnt = cap_beats(y[training], patient[training], settings["beats_per_patient"], rng)
    # One label for all: their own classes keep their natural shares, which accuracy and PPV depend on.
    judged = cap_beats(np.zeros(len(test), np.int64), patient[test], settings["test_beats_per_patient"], rng)
    return np.sort(np.concatenate([training[learnt], test[judged]]))


def _split_at_random(counts: np.ndarray, test_fraction: float, folder: Path, rng: np.random.Generator) -> np.ndarray:
    """Return uint8 [P], TRAIN or TEST."""
    if len(counts) < 2:
        raise InputError(
            "one patient, who cannot be both trained on and tested",
            file=folder,
            remedy="add records of other patients, or tell them apart in patients.csv",
        )
    return np.where(split_patients(counts, test_fraction, rng), TEST, TRAIN).astype(np.uint8)


def _split_as_dechazal(names: list[str], people: dict[str, str], patients: list[str], folder: Path) -> np.ndarray:
    """Return uint8 [P], TRAIN for patients with a record in DS1, else TEST."""
    if unknown := [name for name in names if name not in PUBLISHED]:
        raise InputError(
            f"records {', '.join(unknown)} are in neither DS1 nor DS2",
            file=folder,
            remedy="set preprocess.split to random",
        )
    training = {people[name] for name in names if name in DS1}
    split = np.array([TRAIN if patient in training else TEST for patient in patients], np.uint8)
    for label, kind in ((TRAIN, "training"), (TEST, "test")):
        if label not in split:
            raise InputError(
                f"no {kind} patient: all records are of the other half of the de Chazal split",
                file=folder,
                remedy="add records of both halves, or set preprocess.split to random",
            )
    return split
