"""The annotations of a WFDB record: when they stand, on which clock, and their codes.

Format: annot(5) of the WFDB Applications Guide (physionet.org/physiotools/wag/annot-5.htm), the MIT format. A file may
state a clock of its own and codes of its own in notes at its beginning; both are taken as stated.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medpriv.errors import InputError

# The symbol of each code from 0 on; a dot stands for a code without one.
SYMBOLS = ' NLRaVFJASEj/Q~.|.sT*D"=pB^t+u?![]en@xf()r'
_NOTE, _SKIP, _AUX = 22, 59, 63  # between the last two: fields that nothing here needs
_CLOCK = re.compile(r"## time resolution:?\s*(.*)", re.IGNORECASE)
_RATE = re.compile(r"\d{1,12}(?:\.\d{0,12})?(?:[eE][-+]?\d)?", re.ASCII)
_BEGIN, _END = "## annotation type definitions", "## end of definitions"
_DEFINITION = re.compile(r"(\d{1,2})\s+(\S+)\s*.*", re.ASCII)


@dataclass(frozen=True)
class Annotations:
    """The annotations of a file in stored order, without those of code 0 and the notes about the file, at tick 0.

    Attributes:
        ticks: int64 [A], times on the clock.
        clock: ticks a second; None where the file states none, so that ticks are the record's frames.
        symbols: a number stands for a code without a symbol.
    """

    ticks: np.ndarray
    clock: float | None
    symbols: tuple[str, ...]


def read_annotations(file: Path) -> Annotations:
    """Return the annotations of a file in the MIT format."""
    ticks, codes, notes = _decode(file)
    clock = _clock_of(file, notes)
    own = _definitions_of(file, [note for code, note in zip(codes, notes, strict=True) if code == _NOTE])
    marking = [index for index, code in enumerate(codes) if code and (code != _NOTE or ticks[index])]
    return Annotations(
        ticks=np.array([ticks[index] for index in marking], np.int64),
        clock=clock,
        symbols=tuple(own.get(codes[index], _symbol(codes[index])) for index in marking),
    )


def _decode(file: Path) -> tuple[list[int], list[int], list[str]]:
    """Return the time, code and note of each annotation up to the end mark, a word of 0."""
    words = np.frombuffer(file.read_bytes()[: file.stat().st_size // 2 * 2], "<u2")
    ticks: list[int] = []
    codes: list[int] = []
    notes: list[str] = []
    now, position = 0, 0
    while position < len(words) and words[position]:
        code, value = int(words[position]) >> 10, int(words[position]) & 0x3FF
        size = 1
        if code == _SKIP:  # four more bytes, the high word first: a step in time, which may lead back
            size = 3
            if position + size <= len(words):
                step = int(words[position + 1]) << 16 | int(words[position + 2])
                now += step - (1 << 32) if step >> 31 else step
        elif code < _SKIP:
            now += value
            ticks.append(now)
            codes.append(code)
            notes.append("")
        elif not ticks:
            raise InputError(
                f"not a WFDB annotation file (byte {2 * position}: a field of an annotation before the first one)",
                file=file,
                remedy="get the file again",
            )
        elif code == _AUX:
            letters = value & 0xFF
            size = 1 + (letters + 1) // 2
            notes[-1] = words[position + 1 : position + size].tobytes()[:letters].decode("latin-1")
        position += size
    if position >= len(words):
        raise InputError("truncated: the end mark is missing", file=file, remedy="get the file again")
    return ticks, codes, notes


def _clock_of(file: Path, notes: list[str]) -> float | None:
    """Return the ticks a second that the file states in a note, None if it states none."""
    clocks = set()
    for number, note in enumerate(notes, 1):
        if not (found := _CLOCK.match(note.strip("\0 "))):
            continue
        stated = found[1].strip("\0 ")
        clock = float(stated) if _RATE.fullmatch(stated) else 0.0
        if not 0 < clock < math.inf:
            raise InputError(
                f"time resolution {stated!r} is not a number of ticks a second",
                file=file,
                place=f"annotation {number}",
                remedy="get the file again",
            )
        clocks.add(clock)
    if len(clocks) > 1:
        raise InputError(
            f"several time resolutions: {', '.join(f'{clock:g}' for clock in sorted(clocks))}",
            file=file,
            remedy="write all annotations on one clock",
        )
    return clocks.pop() if clocks else None


def _definitions_of(file: Path, notes: list[str]) -> dict[int, str]:
    """Return the symbols that a file defines itself, one a note `code symbol description` between two marks."""
    own: dict[int, str] = {}
    defining = False
    for note in (note.strip("\0 ") for note in notes):
        if note in (_BEGIN, _END):
            defining = note == _BEGIN
        elif defining:
            found = _DEFINITION.fullmatch(note)
            if not found or not 0 < int(found[1]) < _SKIP:
                raise InputError(
                    f"{note[:80]!r} defines no annotation code",
                    file=file,
                    place=f"notes after {_BEGIN!r}",
                    remedy="get the file again",
                )
            own[int(found[1])] = found[2]
    return own


def _symbol(code: int) -> str:
    symbol = SYMBOLS[code] if code < len(SYMBOLS) else "."
    return str(code) if symbol == "." else symbol
