"""WFDB records, with beat annotations or without: which files belong to one, its checked signal and annotations.

Knows the file format and nothing of classes or patients (`medpriv.sources.beats`, `medpriv.sources.mitdb`). Decoding is
left to the `wfdb` package; here stand the checks that it does not make, so that a bad file is one clear `InputError`.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from medpriv.errors import InputError

ANNOTATOR = "atr"
BYTES_PER_SAMPLE = {"80": 1, "16": 2, "61": 2, "160": 2, "212": 1.5, "310": 4 / 3, "311": 4 / 3, "24": 3, "32": 4}
MILLIVOLTS_PER = {"mV": 1.0, "uV": 1e-3, "µV": 1e-3, "V": 1e3}


@dataclass(frozen=True)
class Record:
    """One record.

    Attributes:
        name: as in `RECORDS`.
        signal: float32 [samples, leads], millivolts.
        rate: Hz.
        leads: names.
        comments: the header's comment lines, without the #.
        marks: int64 [A], the sample of each annotation.
        symbols: the code of each annotation.
    """

    name: str
    signal: np.ndarray
    rate: float
    leads: tuple[str, ...]
    comments: tuple[str, ...]
    marks: np.ndarray
    symbols: tuple[str, ...]


def record_names(folder: Path) -> list[str]:
    """Return the records of a folder: the lines of `RECORDS` or, without that file, every `.hea`, sorted."""
    listed = folder / "RECORDS"
    if listed.is_file():
        names = [line.strip() for line in listed.read_text(encoding="utf-8").splitlines() if line.strip()]
        for number, name in enumerate(names, 1):
            if _leaves(name):
                raise InputError(
                    f"{name} lies outside the folder",
                    file=listed,
                    place=f"line {number}",
                    remedy="list record names relative to the folder",
                )
    else:
        names = sorted(path.stem for path in folder.glob("*.hea"))
    if not names:
        raise InputError("no WFDB record", file=folder, remedy="give a folder that holds .hea, .dat and .atr files")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{', '.join(twice)} listed twice", file=listed, remedy="list every record once")
    return names


def record_files(folder: Path, name: str) -> list[str]:
    """Return a record's files relative to the folder: header, signals, annotations; all of them exist."""
    files = [*_signal_files(name, _read_header(folder, name)), f"{name}.{ANNOTATOR}"]
    _refuse_missing(folder, name, files)
    return files


def read_patients(folder: Path) -> dict[str, str]:
    """Return record -> patient from `patients.csv` (columns record, patient); empty without that file."""
    file = folder / "patients.csv"
    if not file.is_file():
        return {}
    remedy = "write one line `record,patient` for every record under that header line"
    with file.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.DictReader(stream)
        if not {"record", "patient"} <= set(rows.fieldnames or ()):
            raise InputError("no columns `record` and `patient`", file=file, place="line 1", remedy=remedy)
        patients: dict[str, str] = {}
        for row in rows:
            record, patient = (row["record"] or "").strip(), (row["patient"] or "").strip()
            if not record or not patient or record in patients:
                problem = f"record {record!r} given twice" if record in patients else "an empty cell"
                raise InputError(problem, file=file, place=f"line {rows.line_num}", remedy=remedy)
            patients[record] = patient
    return patients


def read_record(folder: Path, name: str, first: str, leads: int) -> Record:
    """Read `leads` leads of a record: the one called `first` if it is there, then the others as stored.

    Truncated or altered files are refused; so are gaps (NaN), flat lines and units other than volts in those leads.
    """
    header = _read_header(folder, name)
    record_files(folder, name)
    digital = _read_digital(folder, name, header)
    chosen = sorted(range(header.n_sig), key=lambda lead: header.sig_name[lead] != first)[:leads]
    if len(chosen) < leads:
        raise InputError(
            f"{len(chosen)} leads where {leads} are asked for",
            file=folder / f"{name}.hea",
            remedy="lower preprocess.leads, or take the record out of RECORDS",
        )
    for lead in chosen:
        if len(digital) == 0 or digital[:, lead].min() == digital[:, lead].max():
            raise InputError(
                "flat, the same value throughout",
                file=(folder / name).with_name(header.file_name[lead]),
                place=f"lead {header.sig_name[lead]}",
                remedy="take the record out of RECORDS",
            )
    signal = np.stack([_millivolts(folder, name, header, lead, digital[:, lead]) for lead in chosen], axis=1)
    marks, symbols = _read_annotations(folder, name, len(signal))
    names = tuple(header.sig_name[lead] for lead in chosen)
    return Record(name, signal, float(header.fs), names, tuple(header.comments or ()), marks, tuple(symbols))


def read_leads(folder: Path, name: str, leads: Sequence[str]) -> tuple[np.ndarray, float]:
    """Return float32 [samples, leads] in millivolts and the rate in Hz of a record that has no annotations.

    The leads come by name, in the order asked for. Checks are those of `read_record`, but a flat lead is returned.
    """
    header = _read_header(folder, name)
    _refuse_missing(folder, name, _signal_files(name, header))
    if missing := [lead for lead in leads if lead not in header.sig_name]:
        raise InputError(
            f"no lead {', '.join(missing)}",
            file=folder / f"{name}.hea",
            remedy="leave it out of preprocess.leads, or leave the record out",
        )
    digital = _read_digital(folder, name, header)
    chosen = [header.sig_name.index(lead) for lead in leads]
    signal = [_millivolts(folder, name, header, lead, digital[:, lead]) for lead in chosen]
    return np.stack(signal, axis=1), float(header.fs)


def _signal_files(name: str, header) -> list[str]:
    """Return a record's header and signal files, relative to the folder."""
    parent = PurePosixPath(name).parent
    return [f"{name}.hea", *(str(parent / file) for file in dict.fromkeys(header.file_name))]


def _refuse_missing(folder: Path, name: str, files: list[str]) -> None:
    for file in files:
        if not (folder / file).is_file():
            raise InputError(
                f"missing, though record {name} needs it",
                file=folder / file,
                remedy="add the file, or leave the record out",
            )


def _read_digital(folder: Path, name: str, header) -> np.ndarray:
    """Return the stored numbers of all leads, int [samples, leads], after checking sizes and checksums."""
    import wfdb

    _check_sizes(folder, name, header)
    try:
        record = wfdb.rdrecord(str(folder / name), physical=False, return_res=16 if _fits_16_bits(header) else 32)
    except Exception as error:  # the decoder raises whatever its arithmetic runs into
        raise InputError(
            f"cannot be decoded ({error})",
            file=folder / header.file_name[0],
            place=f"record {name}",
            remedy="get the record again",
        ) from error
    _check_checksums(folder / f"{name}.hea", header, record.d_signal)
    return record.d_signal


def _millivolts(folder: Path, name: str, header, lead: int, digital: np.ndarray) -> np.ndarray:
    """Return one lead as float32 [samples] in millivolts."""
    file, place = (folder / name).with_name(header.file_name[lead]), f"lead {header.sig_name[lead]}"
    unit, invalid = header.units[lead], -(1 << (_bits(header.fmt[lead]) - 1))
    if unit not in MILLIVOLTS_PER:
        raise InputError(
            f"unit {unit}, not a voltage", file=folder / f"{name}.hea", place=place, remedy="give the unit as mV"
        )
    if (gaps := np.flatnonzero(digital == invalid)).size:
        raise InputError(
            f"{gaps.size} samples without a value, the first at sample {gaps[0]}",
            file=file,
            place=place,
            remedy="cut the record to its complete part, or leave it out",
        )
    return (digital - np.float32(header.baseline[lead])) * np.float32(MILLIVOLTS_PER[unit] / header.adc_gain[lead])


def _leaves(file: str) -> bool:
    """Return whether a record name would leave its folder (or is an address)."""
    path = PurePosixPath(file)
    return path.is_absolute() or ".." in path.parts or ":" in file or "\\" in file


def _read_header(folder: Path, name: str):
    """Return wfdb's header of a single-segment record."""
    import wfdb

    file = folder / f"{name}.hea"
    if not file.is_file():
        raise InputError(
            f"missing, though RECORDS lists {name}", file=file, remedy="add the file, or take the record out of RECORDS"
        )
    try:
        header = wfdb.rdheader(str(folder / name))
    except Exception as error:  # as above
        raise InputError(f"not a WFDB header ({error})", file=file, remedy="get the file again") from error
    if not getattr(header, "file_name", None) or not header.n_sig:
        raise InputError(
            "no signals in this header (or several segments)",
            file=file,
            remedy="give single-segment records with signals",
        )
    return header


def _bits(form: str) -> int:
    """Return the bits of a sample in a WFDB format, whose lowest value marks a gap."""
    return {"80": 8, "508": 8, "310": 10, "311": 10, "212": 12, "24": 24, "524": 24, "32": 32}.get(form, 16)


def _fits_16_bits(header) -> bool:
    return all(_bits(form) <= 16 for form in header.fmt)


def _check_sizes(folder: Path, name: str, header) -> None:
    """Refuse a signal file that is shorter than its header promises."""
    if not header.sig_len:
        return
    for file in dict.fromkeys(header.file_name):
        mine = [lead for lead in range(header.n_sig) if header.file_name[lead] == file]
        form = header.fmt[mine[0]]
        if form not in BYTES_PER_SAMPLE:
            continue  # compressed: the decoder checks
        samples = header.sig_len * sum((header.samps_per_frame or [1] * header.n_sig)[lead] or 1 for lead in mine)
        offset = (header.byte_offset or [0] * header.n_sig)[mine[0]] or 0
        promised, found = offset + int(samples * BYTES_PER_SAMPLE[form]), (folder / name).with_name(file).stat().st_size
        if found < promised:
            raise InputError(
                f"truncated: {found} bytes where the header promises {promised}",
                file=(folder / name).with_name(file),
                place=f"record {name}",
                remedy="get the file again",
            )


def _check_checksums(file: Path, header, digital: np.ndarray) -> None:
    """Refuse a lead whose 16-bit sum differs from the header's; 0 counts as not given, as some databases write it."""
    for lead, stated in enumerate(header.checksum or ()):
        found = int(digital[:, lead].sum(dtype=np.int64)) & 0xFFFF
        if stated and found != stated & 0xFFFF:
            raise InputError(
                f"checksum {found} where the header states {stated & 0xFFFF}",
                file=file,
                place=f"lead {header.sig_name[lead]}",
                remedy="get the header and the signal file again; one of them was altered",
            )


def _read_annotations(folder: Path, name: str, samples: int) -> tuple[np.ndarray, list[str]]:
    """Return the samples [A] and codes of the annotations; a number stands for a code that WFDB gives no symbol."""
    import wfdb

    file = folder / f"{name}.{ANNOTATOR}"
    if file.read_bytes()[-2:] != b"\0\0":
        raise InputError("truncated: the end mark is missing", file=file, remedy="get the file again")
    try:
        annotation = wfdb.rdann(str(folder / name), ANNOTATOR, return_label_elements=["symbol", "label_store"])
    except Exception as error:  # as above
        raise InputError(f"not a WFDB annotation file ({error})", file=file, remedy="get the file again") from error
    marks = np.asarray(annotation.sample, np.int64)
    if (outside := np.flatnonzero((marks < 0) | (marks >= samples))).size:
        raise InputError(
            f"at sample {marks[outside[0]]}, but the record ends at sample {samples - 1}",
            file=file,
            place=f"annotation {outside[0] + 1}",
            remedy="give the annotations and signals of the same record",
        )
    known = zip(annotation.symbol, annotation.label_store, strict=True)
    return marks, [symbol if isinstance(symbol, str) else str(code) for symbol, code in known]
