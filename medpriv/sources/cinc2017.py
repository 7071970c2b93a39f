"""PhysioNet/CinC Challenge 2017: is the rhythm of a short ECG normal, atrial fibrillation, another, or is it noise?

`parse` reads the labels, splits, and brings every record to one length. Each record is `<name>.hea` and `<name>.mat`, a
MATLAB v4 file of one int16 row, which `medpriv.sources.wfdb_signals` reads like any signal file with bytes before its
samples; any other kind of header or `.mat` file is refused unopened. Arithmetic shared with other ECG formats is in
`medpriv.sources.beats`, simulated records in `medpriv.simulate.cinc2017`. What the choices are, and why, is in
`docs/data/cinc2017.md`.
"""

import struct
from collections.abc import Collection
from pathlib import Path, PurePosixPath

import numpy as np
from scipy.signal import resample_poly

from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.files import read_lines, sha256
from medpriv.records.cohort import Cohort
from medpriv.records.labels import Labels
from medpriv.records.signals import Signals
from medpriv.seeds import generator
from medpriv.sources.beats import BASELINE_HZ, prepare_signal, resampling
from medpriv.sources.manifest import MANIFEST, verify_raw
from medpriv.sources.wfdb_header import Header, Lead, read_header
from medpriv.sources.wfdb_signals import read_stored, signals_of

LICENCE = "Open Data Commons Attribution License v1.0 (ODC-By 1.0)"
BASE_URL = "https://physionet.org/files/challenge-2017/1.0.0/"
CHECKSUMS = "SHA256SUMS.txt"
CLASSES = ("N", "A", "O", "~")  # normal sinus rhythm, atrial fibrillation, other rhythm, too noisy to tell
LABELS, OLDER_LABELS = "REFERENCE-v3.csv", "REFERENCE.csv"
# Where records lie: in the publisher's training2017.zip, as the publisher's single files, or bare.
LAYOUTS = ("training2017/", "training/A0?/", "")
MAT_HEADER = struct.Struct("<5i4s")  # MATLAB v4: type, rows, columns, imaginary, bytes of the name, name
MAT_INT16 = 30  # type of a little-endian int16 matrix


def local_files(folder: Path) -> list[str]:
    """Return the files of a local folder that belong to the dataset; it may hold a part of the records only."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError("no such folder", file=folder, remedy="set raw.path to the challenge's folder")
    records = find_records(_listing(folder), folder)
    files = [f"{path}{ending}" for path in records.values() for ending in (".hea", ".mat")]
    for file in files:
        if not (folder / file).is_file():
            raise InputError(
                "missing, though the record's other file is there",
                file=folder / file,
                remedy="add the file, or remove the other one",
            )
    listed = _beside(folder, "RECORDS")
    return sorted([*files, _label_file(folder), *([listed] if listed else [])])


def wanted(published: Collection[str]) -> list[str]:
    """Return which of the publisher's files belong to the dataset: both files of each record, and the labels."""
    records = find_records(published, CHECKSUMS)
    return [LABELS, *(f"{path}{ending}" for path in records.values() for ending in (".hea", ".mat"))]


def find_records(files: Collection[str], place: Path | str) -> dict[str, str]:
    """Return each record's path without ending, by name, sorted: of the first layout that occurs among the files."""
    paths = [PurePosixPath(file) for file in files]
    for layout in LAYOUTS:
        fits = f"{layout}A[0-9][0-9][0-9][0-9][0-9].*"
        found = {
            path.stem: str(path.with_suffix(""))
            for path in paths
            if path.suffix in (".hea", ".mat") and len(path.parts) == fits.count("/") + 1 and path.match(fits)
        }
        if found:
            return dict(sorted(found.items()))
    raise InputError(
        "no record of the challenge",
        file=place,
        remedy="give the folder that holds training2017/ (A00001.hea, A00001.mat, ...) and REFERENCE-v3.csv",
    )


def parse(name: str, folder: Path, settings: dict, seed: int) -> Dataset:
    """Return the dataset in a raw folder: one record of each patient, float32 [N, 1, samples] in millivolts.

    Args:
        name: the dataset's name in the config.
        folder: raw files with their `manifest.json`.
        settings: the `preprocess` section: seconds, sampling_rate, filter, records_per_class, test_fraction.
        seed: root seed; it decides the split, stratified by class, and which records a cap keeps.

    Raises:
        InputError: a file is damaged or missing, a label is missing or unknown, a class cannot be split.
    """
    folder = Path(folder)
    manifest = verify_raw(folder)
    records = find_records(_listing(folder), folder)
    labels_file = _label_file(folder)
    y, listed = _labels_of(folder, labels_file, list(records))
    present = np.unique(y)
    counts = np.bincount(y, minlength=len(CLASSES))
    split = _split(y, settings["test_fraction"], folder / labels_file, generator(seed, name, "split"))
    kept = _keep(y, split, settings["records_per_class"], generator(seed, name, "records"))
    names = [list(records)[index] for index in kept]
    x, valid, seconds = _read_windows(folder, [records[record] for record in names], settings)
    centre, scale = _centre_and_scale(x[split[kept] == TRAIN], valid[split[kept] == TRAIN])
    return Dataset(
        name,
        Cohort(
            patient=np.arange(len(x), dtype=np.int32),
            site=np.zeros(len(x), np.int32),
            split=split[kept],
            patients=tuple(names),
            sites=("AliveCor",),
            licence=manifest["licence"],
            source=manifest["source"],
            digest=sha256(folder / MANIFEST),
        ),
        Signals(x, ("I",), float(settings["sampling_rate"]), centre, scale, valid=valid),
        Labels(np.searchsorted(present, y[kept]).astype(np.int64), tuple(CLASSES[index] for index in present)),
        notes={
            "labels": labels_file,
            "records_listed": listed,
            "records_by_class": {label: int(count) for label, count in zip(CLASSES, counts, strict=True)},
            "records_left_out": {"over the cap a class": len(y) - len(kept)},
            "classes_absent": [label for label, count in zip(CLASSES, counts, strict=True) if not count],
            "records_cut": int((seconds > settings["seconds"]).sum()),
            "records_padded": int((np.diff(valid, axis=1) < x.shape[2]).sum()),
            "high_pass_hz": BASELINE_HZ if settings["filter"] else None,
        },
    )


def read_record(folder: Path, path: str) -> tuple[np.ndarray, float]:
    """Return a record's signal, float32 [samples] in millivolts, and its rate in Hz."""
    header = read_header(folder, path)
    lead = _only_lead(header, PurePosixPath(path).name)
    _check_mat(header.file.with_suffix(".mat"), header.frames and header.frames * lead.samples)
    signal, rate, _ = signals_of(header, read_stored(header), [0])
    return signal[:, 0], rate


def _listing(folder: Path) -> list[str]:
    """Return the files of a folder that a record could be, in any layout, relative to it."""
    return [path.relative_to(folder).as_posix() for layout in LAYOUTS for path in folder.glob(f"{layout}A0*")]


def _beside(folder: Path, name: str) -> str | None:
    """Return the path, relative to the folder, of a list that lies at its top or in its folder of records."""
    paths = (name, f"training2017/{name}", f"training/{name}")
    return next((path for path in paths if (folder / path).is_file()), None)


def _label_file(folder: Path) -> str:
    """Return the path of the labels: the publisher's third and last version, else the older one."""
    if found := _beside(folder, LABELS) or _beside(folder, OLDER_LABELS):
        return found
    raise InputError(
        "missing, and no REFERENCE.csv either", file=folder / LABELS, remedy="add the publisher's list of labels"
    )


def _labels_of(folder: Path, labels_file: str, names: list[str]) -> tuple[np.ndarray, int]:
    """Return the classes int64 [N] of the records named, and how many labels the list holds in all."""
    file = folder / labels_file
    labels = _read_labels(file)
    if listed := _beside(folder, "RECORDS"):
        records = {PurePosixPath(line.strip()).name for line in read_lines(folder / listed)}
        if strange := sorted(set(labels) - records):
            raise InputError(
                f"label without a record: {strange[0]} is not in RECORDS",
                file=file,
                remedy="give the labels and RECORDS of the same version of the data",
            )
    if missing := [name for name in names if name not in labels]:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(f"no label for record {missing[0]}{more}", file=file, remedy="add a line for every record")
    return np.array([labels[name] for name in names], np.int64), len(labels)


def _read_labels(file: Path) -> dict[str, int]:
    """Return the class of each record of a list of lines `A00001,N`."""
    labels: dict[str, int] = {}
    for number, line in enumerate(read_lines(file), 1):
        record, _, label = (part.strip() for part in line.partition(","))
        if not record and not label:
            continue
        if label not in CLASSES or record in labels:
            problem = f"record {record} given twice" if record in labels else f"unknown label {label!r} of {record!r}"
            raise InputError(
                problem,
                file=file,
                place=f"line {number}",
                remedy=f"write `record,label` once a record, with one of the labels {' '.join(CLASSES)}",
            )
        labels[record] = CLASSES.index(label)
    return labels


def _split(y: np.ndarray, test_fraction: float, file: Path, rng: np.random.Generator) -> np.ndarray:
    """Return uint8 [N]: of each class its share, but one record at least, is `TEST`, and one at least is `TRAIN`."""
    split = np.full(len(y), TRAIN, np.uint8)
    present, counts = np.unique(y, return_counts=True)
    if len(present) == 1 or counts.min() == 1:
        least = CLASSES[present[counts.argmin()]]
        raise InputError(
            f"only class {least} occurs" if len(present) == 1 else f"class {least} has one record",
            file=file,
            remedy="add records: there must be two classes, and two records of each to train and to test",
        )
    for label, count in zip(present, counts, strict=True):
        tested = min(max(round(test_fraction * count), 1), count - 1)
        split[rng.permutation(np.flatnonzero(y == label))[:tested]] = TEST
    return split


def _keep(y: np.ndarray, split: np.ndarray, most: int | None, rng: np.random.Generator) -> np.ndarray:
    """Return the indices to keep, sorted: at most `most` training records of each class, and all test records."""
    kept = [np.flatnonzero(split == TEST)]
    for label in np.unique(y):
        kept.append(rng.permutation(np.flatnonzero((y == label) & (split == TRAIN)))[:most])
    return np.sort(np.concatenate(kept))


def _read_windows(folder: Path, paths: list[str], settings: dict) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the records at one rate and length: x float32 [N, 1, samples], valid int32 [N, 2], seconds [N].

    As in the work on smooth attacks, a longer record keeps its first samples and a shorter one stands in the middle
    of zeros, the odd one behind it.
    """
    target = settings["sampling_rate"]
    samples = round(settings["seconds"] * target)
    x = np.zeros((len(paths), 1, samples), np.float32)
    valid, seconds = np.empty((len(paths), 2), np.int32), np.empty(len(paths))
    for index, path in enumerate(paths):
        signal, rate = read_record(folder, path)
        seconds[index] = len(signal) / rate
        up, down = resampling(rate, target)
        if settings["filter"]:
            signal = prepare_signal(signal[:, None], rate, target)[:, 0]
        elif up != down:
            signal = resample_poly(signal, up, down, padtype="line")
        signal = signal[:samples]
        first = (samples - len(signal)) // 2
        valid[index] = first, first + len(signal)
        x[index, 0, first : first + len(signal)] = signal
    return x, valid, seconds


def _centre_and_scale(x: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of what is signal, float32 [1, 1] each; x [N, 1, samples], valid [N, 2]."""
    position = np.arange(x.shape[2])
    signal = x[:, 0][(position >= valid[:, :1]) & (position < valid[:, 1:])]
    centre, scale = signal.mean(dtype=np.float64), signal.std(dtype=np.float64)
    return np.full((1, 1), centre, np.float32), np.full((1, 1), scale, np.float32)


def _only_lead(header: Header, name: str) -> Lead:
    """Return the lead of a header of one signal in the publisher's form; any other header is refused."""

    def refuse(problem: str, place: str) -> InputError:
        return InputError(problem, file=header.file, place=place, remedy="get the header again")

    lead = header.leads[0]
    if header.name != name or len(header.leads) > 1:
        raise refuse(f"not the header of a record {name} of one signal", "line 1")
    if (lead.file, lead.form, lead.offset) != (f"{name}.mat", "16", MAT_HEADER.size):
        raise refuse(f"not a 16-bit signal in {name}.mat after {MAT_HEADER.size} bytes of its header", "line 2")
    if lead.gain == 0:  # the format's default of 200 would be a guess: the publisher always gives it
        raise refuse("the gain is 0 or missing", "line 2")
    return lead


def _check_mat(file: Path, samples: int | None) -> None:
    """Refuse all but a MATLAB v4 file of one int16 row `val` and nothing else, `samples` long if they are known."""
    content = file.read_bytes()
    remedy = "get the file again"
    if len(content) < MAT_HEADER.size:
        raise InputError(f"truncated: {len(content)} bytes", file=file, remedy=remedy)
    kind, rows, columns, imaginary, letters, variable = MAT_HEADER.unpack_from(content)
    if (kind, rows, imaginary, letters, variable) != (MAT_INT16, 1, 0, 4, b"val\0"):
        raise InputError(
            "not a MATLAB v4 file with one row `val` of 16-bit samples",
            file=file,
            remedy="get the publisher's own file; other versions of MAT are not opened",
        )
    if samples is not None and columns != samples:
        raise InputError(f"{columns} samples where the header file states {samples}", file=file, remedy=remedy)
    if (promised := MAT_HEADER.size + 2 * columns) != len(content):
        word = "truncated" if len(content) < promised else "too long"
        raise InputError(f"{word}: {len(content)} bytes for {columns} samples", file=file, remedy=remedy)
