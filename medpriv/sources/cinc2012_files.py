"""The files of the PhysioNet/CinC Challenge 2012: one text of times, parameters and values a stay, and the outcomes.

A set lies in `set-a.tar.gz`, which is read without unpacking anything to disk, or as a folder `set-a/`. All faults of a
set are told in one message. What the values mean and what is made of them is in `medpriv.sources.cinc2012_features`.
"""

import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from medpriv.errors import InputError
from medpriv.files import read_lines as text_lines
from medpriv.sources.cells import whole_in

SETS = ("a", "b", "c")
UNITS = ("CCU", "CSRU", "MICU", "SICU")  # ICUType 1 to 4
DESCRIPTORS = ("RecordID", "Age", "Gender", "Height", "ICUType", "Weight")  # Weight occurs again, measured each day
PARAMETERS = (
    *("Albumin", "ALP", "ALT", "AST", "Bilirubin", "BUN", "Cholesterol", "Creatinine", "DiasABP", "FiO2", "GCS"),
    *("Glucose", "HCO3", "HCT", "HR", "K", "Lactate", "Mg", "MAP", "MechVent", "Na", "NIDiasABP", "NIMAP", "NISysABP"),
    *("PaCO2", "PaO2", "pH", "Platelets", "RespRate", "SaO2", "SysABP", "Temp", "TroponinI", "TroponinT", "Urine"),
    *("WBC", "Weight"),
)
NAMES = (*DESCRIPTORS[:-1], *PARAMETERS)
HEADER = b"Time,Parameter,Value\n"
OUTCOMES_HEADER = "RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death"
LAST_MINUTE = 48 * 60
MOST_LEFT_OUT = (
    0.02  # of a set's lines, of each kind in `Readings.left_out`; with more, something is wrong with the set
)
MOST_SHOWN = 8  # faults spelt out in a message
UTF_8_MARK = b"\xef\xbb\xbf"
LARGEST_FILE, MOST_FILES = 1 << 20, 20_000  # the publisher's largest stay has 24 kB, a set 4,000 stays
WORD = 8  # bytes that are compared at once
VALUE_BYTES = 2 * WORD  # the longest number

_STAY = re.compile(r"\d{1,9}\.txt")
_NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?")
_IN_NUMBERS = np.isin(np.arange(256), list(b"0123456789.+-e\0"))
_ZERO = np.frombuffer(b"0".ljust(VALUE_BYTES, b"\0"), np.uint8)


@dataclass(frozen=True)
class Readings:
    """Every line of a set of S stays, R in all, stay by stay in the order of the files' lines.

    Attributes:
        stays: the S record numbers.
        stay: int32 [R], index into `stays`.
        minute: int32 [R], minutes since admission to the ICU, 0 to 2,880.
        name: int8 [R], index into `NAMES`.
        value: float64 [R].
        left_out: how many lines are not among them, by reason, where any was.
    """

    stays: tuple[str, ...]
    stay: np.ndarray
    minute: np.ndarray
    name: np.ndarray
    value: np.ndarray
    left_out: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """What is wrong, and where: a stay's file, and its line."""

    place: str
    problem: str


def archive_name(letter: str) -> str:
    """Return the publisher's name of a set's archive."""
    return f"set-{letter}.tar.gz"


def outcomes_name(letter: str) -> str:
    """Return the publisher's name of a set's outcomes."""
    return f"Outcomes-{letter}.txt"


def read_set(folder: Path, letter: str) -> Readings:
    """Return every line of a set, from its archive or else its folder.

    Raises:
        InputError: there is neither, the archive is damaged or holds what it should not, lines are not
            `HH:MM,parameter,value` with a parameter of `NAMES` and a time up to 48:00, or a stay's file is another's,
            or doesn't tell age and unit.
    """
    archive, unpacked = folder / archive_name(letter), folder / f"set-{letter}"
    if not (archive.is_file() or unpacked.is_dir()):
        raise InputError(
            "missing, and no folder of that name either",
            file=archive,
            remedy=f"add the publisher's archive, or take set {letter} out of preprocess.sets",
        )
    place = archive if archive.is_file() else unpacked
    read = _read_archive(archive, letter) if archive.is_file() else _read_folder(unpacked)
    texts: dict[str, bytes] = {}
    for stay, text in read:
        if stay in texts:
            raise InputError(f"stay {stay} given twice", file=place, remedy="get the publisher's file again")
        texts[stay] = text
    if not texts:
        raise InputError("no stay in it", file=place, remedy="get the publisher's file again")
    readings, faults = _parse(dict(sorted(texts.items())))
    known = {fault.place for fault in faults}  # of a file that is not read, nothing more is to be said
    refuse(faults + [fault for fault in _wrong_descriptors(readings) if fault.place not in known], place)
    return readings


def _read_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.iterdir():
        if _STAY.fullmatch(path.name):
            yield path.stem, path.read_bytes()


def _read_archive(archive: Path, letter: str) -> Iterator[tuple[str, bytes]]:
    """Yield each stay's record number and text; nothing is written, and links are refused, not followed."""
    remedy = "get the publisher's archive again"
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for count, member in enumerate(tar):
                path = PurePosixPath(member.name)
                if not (member.isfile() or member.isdir()) or path.is_absolute() or ".." in path.parts:
                    raise InputError(
                        "a link, a device or a path out of the archive", file=archive, place=member.name, remedy=remedy
                    )
                if member.size > LARGEST_FILE or count > MOST_FILES:
                    problem = "more files" if count > MOST_FILES else f"{member.size} bytes, more"
                    raise InputError(f"{problem} than a set has", file=archive, place=member.name, remedy=remedy)
                if member.isfile() and path.parent.name == f"set-{letter}" and _STAY.fullmatch(path.name):
                    yield path.stem, tar.extractfile(member).read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise InputError(f"damaged or truncated ({error})", file=archive, remedy=remedy) from None


def read_lines(texts: dict[str, bytes], place: Path) -> Readings:
    """Return the lines of stays' texts, all read at once, as columns of bytes (`place` is named in an error)."""
    readings, faults = _parse(texts)
    refuse(faults, place)
    return readings


def refuse(faults: list[Fault], file: Path) -> None:
    """Raise one InputError of all faults of a file or folder, if there are any."""
    remedy = "get the publisher's file again, or correct the line"
    if len(faults) == 1:
        raise InputError(faults[0].problem, file=file, place=faults[0].place, remedy=remedy)
    if faults:
        shown = [f"{fault.place}: {fault.problem}" for fault in faults[:MOST_SHOWN]]
        more = [f"{len(faults) - MOST_SHOWN} more"] if len(faults) > MOST_SHOWN else []
        raise InputError(f"{len(faults)} faults: " + "; ".join(shown + more), file=file, remedy=remedy)


def descriptor(readings: Readings, name: str) -> np.ndarray:
    """Return what a stay's file says at its beginning of `Age`, `Gender` or `ICUType`, float64 [S], NaN for unknown."""
    held = readings.name == NAMES.index(name)
    value = np.full(len(readings.stays), np.nan)
    value[readings.stay[held]] = readings.value[held]
    return np.where(value < 0, np.nan, value)


def _parse(texts: dict[str, bytes]) -> tuple[Readings, list[Fault]]:
    """Return the lines that are right, and what is wrong with others."""
    faults, bodies = [], []
    for stay, text in texts.items():
        text = text.removeprefix(UTF_8_MARK).replace(b"\r\n", b"\n")
        if not text.startswith(HEADER):
            faults.append(Fault(f"{stay}.txt", "the first line is not Time,Parameter,Value"))
        body = text[len(HEADER) :] if text.startswith(HEADER) else b""
        bodies.append(body if body.endswith(b"\n") or not body else body + b"\n")
    table = _Lines(b"".join(bodies))
    stay = np.repeat(np.arange(len(texts), dtype=np.int32), [body.count(b"\n") for body in bodies])
    minute, timed = table.minutes()
    name, known = table.names()
    value, numeric = table.values()
    right = table.whole & timed & known & numeric
    nameless = table.nameless()
    twice = right & _copies(stay, minute, name, value)

    def fault_of(row: int, problem: str) -> Fault:
        line = row - int(np.searchsorted(stay, stay[row])) + 2  # the header is line 1
        return Fault(f"{list(texts)[stay[row]]}.txt, line {line}", problem)

    left_out = {}
    for reason, rows in (("without a parameter", nameless), ("given twice", twice)):
        count = int(rows.sum())
        if count > MOST_LEFT_OUT * len(rows):
            problem = f"{count} of {len(rows)} lines are {reason}, this one first, and more than {MOST_LEFT_OUT:.0%}"
            faults.append(fault_of(int(np.argmax(rows)), problem))
        elif count:
            left_out[reason] = count
    for row in np.flatnonzero(~right & ~nameless).tolist():
        faults.append(fault_of(row, f"{table.text(row)!r} is not HH:MM,parameter,value of the challenge, up to 48:00"))
    kept = right & ~twice
    return Readings(tuple(texts), stay[kept], minute[kept], name[kept], value[kept], left_out), faults


def _copies(stay: np.ndarray, minute: np.ndarray, name: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return bool [R]: the lines that repeat an earlier one of the same stay, time, parameter and value."""
    key = (stay.astype(np.int64) * (LAST_MINUTE + 1) + minute) * len(NAMES) + name
    order = np.lexsort((value, key))  # stable: the first of equals stays first
    same = (np.diff(key[order]) == 0) & (np.diff(value[order]) == 0)
    copies = np.zeros(len(key), bool)
    copies[order[1:][same]] = True
    return copies


def _wrong_descriptors(readings: Readings) -> list[Fault]:
    """Return the stays whose file is another's, or that tell no age or no unit, an unknown sex, or two of a kind."""
    number, age, unit = (descriptor(readings, name) for name in ("RecordID", "Age", "ICUType"))
    faults = [
        (number != np.array(readings.stays, float), "RecordID is not the file's name"),
        (~((age >= 15) & (age <= 120)), "no Age from 15 to 120"),
        (~np.isin(unit, np.arange(len(UNITS)) + 1), f"no ICUType from 1 to {len(UNITS)}"),
    ]
    sex = readings.name == NAMES.index("Gender")
    strange = readings.stay[sex & ~np.isin(readings.value, (-1, 0, 1))]
    faults.append((np.isin(np.arange(len(readings.stays)), strange), "Gender is none of 0, 1 and -1 for unknown"))
    for name in DESCRIPTORS[:-1]:
        counts = np.bincount(readings.stay[readings.name == NAMES.index(name)], minlength=len(readings.stays))
        faults.append((counts > 1, f"{name} is there twice"))
    return [
        Fault(f"{readings.stays[place]}.txt", problem)
        for wrong, problem in faults
        for place in np.flatnonzero(wrong).tolist()
    ]


class _Lines:
    """Lines `HH:MM,parameter,value` as arrays of bytes: a million are read in about a second.

    Each method returns one column and bool [R]: which of the lines have a right one.
    """

    def __init__(self, text: bytes) -> None:
        padded = text + bytes(VALUE_BYTES)
        self._bytes = np.frombuffer(padded, np.uint8)
        content = self._bytes[: len(text)]
        self._ends = np.flatnonzero(content == ord("\n"))
        self._starts = np.concatenate([[0], self._ends[:-1] + 1]) if len(self._ends) else self._ends
        commas = np.flatnonzero(content == ord(","))
        inside = np.searchsorted(commas, self._starts)
        reached = np.searchsorted(commas, self._ends)
        self.whole = (reached - inside) == 2  # two commas
        held = np.append(commas, [len(text)] * 2)
        self._first = np.where(self.whole, held[np.minimum(inside, len(commas))], self._ends)
        self._second = np.where(self.whole, held[np.minimum(inside + 1, len(commas))], self._ends)

    def nameless(self) -> np.ndarray:
        """Return bool [R]: the lines of three cells whose second is empty or blank."""
        inside = self._words(self._first + 1, self._second, 1)
        return self.whole & np.isin(inside, (0, ord(" "))).all(axis=1) & (self._second - self._first <= WORD)

    def text(self, line: int) -> str:
        """Return a line as text, its beginning if it is long."""
        return self._bytes[self._starts[line] : self._ends[line]][:60].tobytes().decode("ascii", "replace")

    def _words(self, starts: np.ndarray, stops: np.ndarray, words: int) -> np.ndarray:
        """Return the bytes from `starts` to `stops` and zeros behind them, at most 8 x words: uint8 [R, 8 words]."""
        width = WORD * words
        held = np.lib.stride_tricks.sliding_window_view(self._bytes, width)[
            np.minimum(starts, len(self._bytes) - width)
        ]
        held[np.arange(width) >= np.minimum(stops - starts, width)[:, None]] = 0
        return held

    def minutes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the minutes of `HH:MM`, int32 [R]."""
        held = self._words(self._starts, self._first, 1).astype(np.int32)
        digits = held[:, [0, 1, 3, 4]] - ord("0")
        minute = digits @ np.array([600, 60, 10, 1], np.int32)
        right = ((digits >= 0) & (digits <= 9)).all(axis=1) & (held[:, 2] == ord(":")) & (digits[:, 2] < 6)
        return minute, right & (self._first - self._starts == 5) & (minute <= LAST_MINUTE)

    def names(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the place of each parameter in `NAMES`, int8 [R]."""
        known = np.array(NAMES, f"S{2 * WORD}").view("<u8").reshape(len(NAMES), 2)
        found = self._words(self._first + 1, self._second, 2).view("<u8")
        keys, wanted = (words[:, 0] ^ (words[:, 1] * np.uint64(0x9E3779B97F4A7C15)) for words in (known, found))
        order = np.argsort(keys)
        place = order[np.minimum(np.searchsorted(keys[order], wanted), len(NAMES) - 1)]
        right = (known[place] == found).all(axis=1) & (self._second - self._first <= 2 * WORD)
        return place.astype(np.int8), right

    def values(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers float64 [R], which are written as 12, -1, 7.35 or 1.422e+04."""
        held = self._words(self._second + 1, self._ends, VALUE_BYTES // WORD)
        length = self._ends - self._second - 1
        right = _IN_NUMBERS[held].all(axis=1) & (length > 0) & (length <= VALUE_BYTES)
        held[~right] = _ZERO
        cells = held.view(f"S{VALUE_BYTES}")[:, 0]
        try:
            value = cells.astype(np.float64)
        except ValueError:  # at least one is no number: find out which
            right &= [bool(_NUMBER.fullmatch(cell)) for cell in cells.tolist()]
            held[~right] = _ZERO
            value = cells.astype(np.float64)
        return value, right & np.isfinite(value)


def read_outcomes(file: Path) -> dict[int, int]:
    """Return whether each stay ended in death in hospital (1) or not (0), by record number.

    The other columns are scores (SAPS-I, SOFA) and outcomes (length of stay, survival): none of them is used.
    """
    if not file.is_file():
        raise InputError("the file is missing", file=file, remedy="add the publisher's outcomes of that set")
    lines = text_lines(file)
    if not lines or lines[0].strip() != OUTCOMES_HEADER:
        raise InputError(
            f"the first line is not {OUTCOMES_HEADER}",
            file=file,
            place="line 1",
            remedy="get the publisher's file again",
        )
    deaths: dict[int, int] = {}
    faults = []
    for number, line in enumerate(lines[1:], start=2):
        cells = [cell.strip() for cell in line.split(",")]
        stay = whole_in(cells[0])
        if len(cells) == 6 and stay is not None and cells[-1] in ("0", "1") and stay not in deaths:
            deaths[stay] = int(cells[-1])
        elif line.strip():
            problem = f"{line[:60]!r} is not one more stay's six columns, with In-hospital_death 0 or 1"
            faults.append(Fault(f"line {number}", problem))
    refuse(faults, file)
    return deaths
