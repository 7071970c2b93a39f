"""The header of a WFDB record: what it states about the record and its leads, checked and with nothing guessed.

Format: header(5) of the WFDB Applications Guide (Moody; physionet.org/physiotools/wag/header-5.htm). A line that does
not follow it is refused, where a lenient reader would put the format's default (250 Hz, gain 200) in the place of a
number that it could not read. Samples are read in `medpriv.sources.wfdb_signals`.
"""

import codecs
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path, PurePosixPath

from medpriv.errors import InputError
from medpriv.files import SAVE_AS_UTF_8

DEFAULT_RATE = 250.0  # that of the format, where a header leaves it out
MOST_SAMPLES_A_FRAME = 100_000
MOST_BYTES = 200  # of a name, to which an ending comes; file systems take 255

_NUMBER = r"[-+]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][-+]?\d{1,3})?"
_WHOLE = re.compile(r"[-+]?\d{1,12}", re.ASCII)
_RECORD_LINE = re.compile(
    rf"(?P<name>[^\s/]+)(?P<segments>/\d+)?\s+(?P<leads>\d{{1,6}})"
    rf"(?:\s+(?P<rate>{_NUMBER})(?:/{_NUMBER}(?:\({_NUMBER}\))?)?(?:\s+(?P<frames>\d{{1,12}})(?:\s.*)?)?)?",
    re.ASCII,
)
_FORMAT = re.compile(
    r"(?P<form>\d{1,4})(?:x(?P<samples>\d{1,6}))?(?::(?P<skew>\d{1,9}))?(?:\+(?P<offset>\d{1,12}))?", re.ASCII
)
_GAIN = re.compile(rf"(?P<gain>{_NUMBER})(?:\((?P<baseline>[-+]?\d{{1,12}})\))?(?:/(?P<unit>\S+))?", re.ASCII)
# The fields between the gain and the description, each of which may be the last one of its line.
_NUMBERS = ("ADC resolution", "ADC zero", "initial value", "checksum", "block size")


@dataclass(frozen=True)
class Lead:
    """What a header states about one signal.

    Attributes:
        file: name of its file, which lies beside the header.
        form: the code of its storage format, as `212`.
        samples: samples a frame.
        skew: how many frames later than the others it is stored.
        offset: bytes (samples in a compressed file) before the first sample.
        gain: stored units a physical unit; 0 where the header does not give it.
        baseline: stored value of 0 physical units.
        unit: physical unit.
        initial: value before the first sample, which format 8 needs.
        checksum: 16-bit sum of the stored samples; None where the header does not give it.
        described: the description, empty without one.
        name: the description, told apart from the other leads'.
    """

    file: str
    form: str
    samples: int
    skew: int
    offset: int | None
    gain: float
    baseline: int
    unit: str
    initial: int
    checksum: int | None
    described: str
    name: str


@dataclass(frozen=True)
class Header:
    """A header of one segment.

    Attributes:
        file: the header's own file.
        name: as in its first line.
        rate: frames a second.
        frames: frames in the record; None where the header does not give them.
        leads: in stored order.
        comments: comment lines, without the #.
    """

    file: Path
    name: str
    rate: float
    frames: int | None
    leads: tuple[Lead, ...]
    comments: tuple[str, ...]


def read_header(folder: Path, name: str) -> Header:
    """Return the header `name`.hea of a single-segment record."""
    file = folder / f"{name}.hea"
    if not file.is_file():
        raise InputError(
            f"missing, though RECORDS lists {name}", file=file, remedy="add the file, or take the record out of RECORDS"
        )
    lines, comments = _read_lines(file)
    if not lines:
        raise _fault(file, "", "empty")
    place, first = lines[0]
    found = _RECORD_LINE.fullmatch(first)
    if not found:
        raise _fault(file, place, f"{first[:80]!r} is not `name signals rate samples`")
    if found["segments"] or not int(found["leads"]):
        raise InputError(
            "no signals in this header (or several segments)",
            file=file,
            place=place,
            remedy="give single-segment records with signals",
        )
    if len(lines) - 1 != int(found["leads"]):
        raise _fault(file, place, f"{found['leads']} signals, but {len(lines) - 1} lines of signals follow")
    rate = float(found["rate"] or DEFAULT_RATE)
    if not 0 < rate < math.inf:
        raise InputError(f"rate {found['rate']} Hz", file=file, place=place, remedy="write the rate in hertz")
    described = [_read_lead(file, place, line) for place, line in lines[1:]]
    names = distinct_names([lead["described"] for lead in described])
    leads = tuple(Lead(**fields, name=name) for fields, name in zip(described, names, strict=True))
    # 0 frames stands for a length that is not given, as the format has it.
    return Header(file, found["name"], rate, int(found["frames"] or 0) or None, leads, comments)


def distinct_names(names: list[str]) -> list[str]:
    """Return the names, with the position from 1 behind those that are empty or occur twice: `lead 1`, `ECG 2`."""
    told, used = [], set(names)
    for position, name in enumerate(names, 1):
        if not name or names.count(name) > 1:
            name = f"{name or 'lead'} {position}"
            while name in used:
                name = f"{name} {position}"
            used.add(name)
        told.append(name)
    return told


def unfit_name(file: str) -> str | None:
    """Return why a name cannot be that of a record or a file in its folder; None if it can."""
    path = PurePosixPath(file)
    if not path.parts or path.is_absolute() or ".." in path.parts or ":" in file or "\\" in file:
        return "lies outside the folder"
    return "is longer than a name may be" if any(len(part.encode()) > MOST_BYTES for part in path.parts) else None


def _read_lines(file: Path) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    """Return the place and text of each line that is not empty, and the comments.

    Comments are people's free text, in whatever encoding it was written; nothing else may be other than UTF-8.
    """
    content = file.read_bytes().removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines, comments = [], []
    for number, raw in enumerate(content.split(b"\n"), 1):
        line, place = raw.strip(), f"line {number}"
        if line.startswith(b"#"):
            comments.append(line.decode("utf-8", errors="replace").strip(" \t#"))
        elif line:
            try:
                lines.append((place, line.decode("utf-8")))
            except UnicodeDecodeError as error:
                problem = f"byte 0x{line[error.start]:02x} is not UTF-8"
                raise InputError(problem, file=file, place=place, remedy=SAVE_AS_UTF_8) from None
            if b"\0" in line:
                raise _fault(file, place, "a zero byte")
    return lines, tuple(comments)


def _read_lead(file: Path, place: str, line: str) -> dict:
    """Return the fields of a line `file format gain resolution zero initial checksum block description`."""
    cells = line.split(None, 8)
    if len(cells) < 2 or not (form := _FORMAT.fullmatch(cells[1])):
        raise _fault(file, place, f"{line[:80]!r} is not `file format gain ...`")
    if "/" in cells[0] or unfit_name(cells[0]):
        raise _fault(file, place, f"signal file {cells[0][:80]} is not beside the header")
    gain = _GAIN.fullmatch(cells[2]) if len(cells) > 2 else None
    if len(cells) > 2 and not gain:
        raise _fault(file, place, f"{cells[2][:80]!r} is not a gain such as 200(0)/mV")
    numbers = {}
    for what, cell in zip(_NUMBERS, cells[3:8], strict=False):
        if not _WHOLE.fullmatch(cell):
            raise _fault(file, place, f"{what} {cell[:80]!r} is not a whole number")
        numbers[what] = int(cell)
    samples = int(form["samples"] or 1)
    if not 0 < samples <= MOST_SAMPLES_A_FRAME:
        raise _fault(file, place, f"{samples} samples a frame")
    size = float(gain["gain"]) if gain else 0.0
    if not math.isfinite(size) or (gain and not size and Decimal(gain["gain"])):  # 1e-400: 0 says that it isn't given
        raise _fault(file, place, f"gain {gain['gain']}")
    stated = gain["baseline"] if gain else None
    return {
        "file": cells[0],
        "form": form["form"],
        "samples": samples,
        "skew": int(form["skew"] or 0),
        "offset": None if form["offset"] is None else int(form["offset"]),
        "gain": size,
        "baseline": numbers.get("ADC zero", 0) if stated is None else int(stated),
        "unit": (gain["unit"] if gain else None) or "mV",
        "initial": numbers.get("initial value", 0),
        "checksum": numbers.get("checksum"),
        "described": cells[8].strip() if len(cells) > 8 else "",
    }


def _fault(file: Path, place: str, problem: str) -> InputError:
    return InputError(f"not a WFDB header: {problem}", file=file, place=place, remedy="get the file again")
