"""WFDB records, with beat annotations or without: which files belong to one, its checked signal and annotations.

Knows nothing of classes or patients (`medpriv.sources.beats`, `medpriv.sources.mitdb`). The parts of a record are read
in `wfdb_header`, `wfdb_signals` and `wfdb_annotations`; a bad file is one clear `InputError`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from medpriv.errors import InputError
from medpriv.files import read_lines, read_rows
from medpriv.sources.names import NO_PATIENT, is_rounded, no_name, spelling
from medpriv.sources.wfdb_annotations import read_annotations
from medpriv.sources.wfdb_header import Header, read_header, unfit_name
from medpriv.sources.wfdb_signals import is_shorter_than_files, read_stored, signals_of

ANNOTATOR = "atr"


@dataclass(frozen=True)
class Record:
    """One record.

    Attributes:
        name: as in `RECORDS`.
        signal: float32 [samples, leads], millivolts.
        rate: Hz, of the signal.
        leads: names, told apart.
        comments: the header's comment lines, without the #.
        marks: int64 [A], the sample of each annotation, in order. Where leads are skewed the signal ends earlier than
            the record, and the last ones may lie beyond it.
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
    if not listed.is_file():
        if names := sorted(path.stem for path in folder.glob("*.hea")):
            return names
        raise InputError("no WFDB record", file=folder, remedy="give a folder that holds .hea, .dat and .atr files")
    names: dict[str, int] = {}
    for number, line in enumerate(read_lines(listed), 1):
        if not line.strip():
            continue
        name = str(PurePosixPath(line.strip()))  # `./100` is 100
        if problem := unfit_name(name):
            raise InputError(
                f"{name[:80]} {problem}",
                file=listed,
                place=f"line {number}",
                remedy="list record names relative to the folder",
            )
        if name in names:
            raise InputError(
                f"{name} listed twice, first in line {names[name]}",
                file=listed,
                place=f"line {number}",
                remedy="list every record once",
            )
        names[name] = number
    if not names:
        raise InputError("no WFDB record", file=listed, remedy="list the records, one a line")
    return list(names)


def shorter_records(folder: Path, names: Iterable[str]) -> dict[str, int]:
    """Return, as a remark, how many records are shorter than their files with no checksum for it; empty for none."""
    count = sum(is_shorter_than_files(read_header(folder, name)) for name in names)
    return {"records_shorter_than_their_files": count} if count else {}


def record_files(folder: Path, name: str) -> list[str]:
    """Return a record's files relative to the folder: header, signals, annotations; all of them exist."""
    files = [*_signal_files(name, read_header(folder, name)), f"{name}.{ANNOTATOR}"]
    _refuse_missing(folder, name, files)
    return files


def read_patients(folder: Path) -> dict[str, str]:
    """Return record -> patient from `patients.csv` (columns record, patient); empty without that file."""
    file = folder / "patients.csv"
    if not file.is_file():
        return {}
    remedy = "write one line `record,patient` for every record under that header line"
    patients: dict[str, str] = {}
    spelt: dict[object, str] = {}
    for line, row in read_rows(file, ("record", "patient"), remedy):
        record, patient = row["record"] and str(PurePosixPath(row["record"])), row["patient"]
        problem = None
        if not record or no_name(patient, NO_PATIENT):
            problem = f"{patient!r} is no patient" if record and patient else "an empty cell"
        elif is_rounded(patient):
            problem = f"{patient} is an id of which a spreadsheet has kept the first digits alone"
        elif record in patients:
            problem = f"record {record!r} given twice"
        elif (first := spelt.setdefault(spelling(patient), patient)) != patient:
            problem = f"patient {patient} is written {first} above; as they stand they are two patients"
        if problem:
            raise InputError(problem, file=file, place=f"line {line}", remedy=remedy)
        patients[record] = patient
    return patients


def read_record(folder: Path, name: str, first: str, leads: int) -> Record:
    """Read `leads` leads of a record: the one called `first` if it is there, then the others as stored.

    Truncated or altered files are refused; so are gaps, flat lines and units other than volts in those leads. Leads of
    several samples a frame keep them all, skewed ones are shifted back, and annotations on a clock of their own are
    brought to the signal's.
    """
    header = read_header(folder, name)
    _refuse_missing(folder, name, [*_signal_files(name, header), f"{name}.{ANNOTATOR}"])
    stored = read_stored(header)
    chosen = sorted(range(len(stored)), key=lambda lead: header.leads[lead].described != first)[:leads]
    if len(chosen) < leads:
        raise InputError(
            f"{len(chosen)} leads where {leads} are asked for",
            file=header.file,
            remedy="lower preprocess.leads, or take the record out of RECORDS",
        )
    for lead in chosen:
        if len(stored[lead]) == 0 or stored[lead].min() == stored[lead].max():
            raise InputError(
                "flat, the same value throughout",
                file=header.file.with_name(header.leads[lead].file),
                place=f"lead {header.leads[lead].name}",
                remedy="take the record out of RECORDS",
            )
    signal, rate, samples = signals_of(header, stored, chosen)
    marks, symbols = _marks_of(folder / f"{name}.{ANNOTATOR}", header.rate, rate, samples)
    return Record(
        name, signal, rate, tuple(header.leads[lead].name for lead in chosen), header.comments, marks, symbols
    )


def read_leads(folder: Path, name: str, leads: Sequence[str]) -> tuple[np.ndarray, float]:
    """Return float32 [samples, leads] in millivolts and the rate in Hz of a record that has no annotations.

    The leads come by name, in the order asked for. Checks are those of `read_record`, but a flat lead is returned.
    """
    header = read_header(folder, name)
    _refuse_missing(folder, name, _signal_files(name, header))
    stated = [lead.described for lead in header.leads]
    if unclear := [lead for lead in leads if stated.count(lead) != 1]:
        raise InputError(
            f"{'several leads' if unclear[0] in stated else 'no lead'} {', '.join(unclear)}",
            file=header.file,
            remedy="leave it out of preprocess.leads, or leave the record out",
        )
    signal, rate, _ = signals_of(header, read_stored(header), [stated.index(lead) for lead in leads])
    return signal, rate


def _marks_of(file: Path, frame_rate: float, rate: float, samples: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the annotations' samples int64 [A] in a signal of `samples` at `rate` Hz, and their codes, in order."""
    annotations = read_annotations(file)
    ticks, clock = annotations.ticks, annotations.clock or frame_rate
    end = samples * (clock / rate)
    if (outside := np.flatnonzero((ticks < 0) | (ticks >= end))).size:
        on = "" if annotations.clock is None else f" of a clock of {clock:g} Hz"
        raise InputError(
            f"at sample {ticks[outside[0]]}{on}, but the record ends at sample {int(np.ceil(end)) - 1}",
            file=file,
            place=f"annotation {outside[0] + 1}",
            remedy="give the annotations and signals of the same record, on the clock that one of the two states",
        )
    marks = np.minimum(np.rint(ticks * (rate / clock)).astype(np.int64), samples - 1)
    order = np.argsort(marks, kind="stable")
    return marks[order], tuple(annotations.symbols[index] for index in order)


def _signal_files(name: str, header: Header) -> list[str]:
    """Return a record's header and signal files, relative to the folder."""
    parent = PurePosixPath(name).parent
    return [f"{name}.hea", *(str(parent / file) for file in dict.fromkeys(lead.file for lead in header.leads))]


def _refuse_missing(folder: Path, name: str, files: list[str]) -> None:
    for file in files:
        if not (folder / file).is_file():
            raise InputError(
                f"missing, though record {name} needs it",
                file=folder / file,
                remedy="add the file, or leave the record out",
            )
