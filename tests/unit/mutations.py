"""Damage to small input files, drawn at random but seeded, and what a reader may do with it: read it, or refuse it.

A reader passes if it raises nothing but an `InputError` that names a file and a remedy, comes to an end, and leaves
nothing behind that was not there. `KEEPING` lists the changes that must not change what is read.
"""

import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from medpriv.errors import InputError

LIMIT_S = 30  # of one case, which lasts well under a second; only a hang reaches it
NUMBERS = "0 -1 1 2 7 0.0001 1e3 1e308 -9 nan inf 1_0 999999999999 01 1.0 100.5 1e-300".split()  # noqa: SIM905
WORDS = ["", " ", "NULL", "NaN", "None", "N/A", "é", "\u4e2d", "x" * 300, '"', "'", "=", "#", "..", "/", "0x10", "~"]
ENCODINGS = ("utf-16", "utf-16-le", "utf-32", "cp1252", "cp037")


class Hang(BaseException):
    """A reader came to no end. No `except Exception` may take it for an error of the input."""


def cases(quick: int) -> int:
    """Return how many cases to try: `quick`, or what the environment says for a long run."""
    return int(os.environ.get("MEDPRIV_FUZZ_CASES", quick))


def flip_bytes(content: bytes, rng: np.random.Generator) -> bytes:
    """Replace one to four bytes by others."""
    changed = bytearray(content)
    for position in rng.integers(0, len(content), rng.integers(1, 5)):
        changed[position] = rng.integers(256)
    return bytes(changed)


def flip_early_bytes(content: bytes, rng: np.random.Generator) -> bytes:
    """Replace bytes among the first hundred, where headers stand."""
    return flip_bytes(content[:100], rng) + content[100:]


def cut(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut the end off, or everything."""
    return content[: rng.integers(0, len(content))]


def cut_a_little(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: -int(rng.integers(1, 5))]


def append(content: bytes, rng: np.random.Generator) -> bytes:
    return content + rng.bytes(int(rng.integers(1, 20)))


def insert_bytes(content: bytes, rng: np.random.Generator) -> bytes:
    position = int(rng.integers(0, len(content)))
    return content[:position] + rng.bytes(int(rng.integers(1, 9))) + content[position:]


def drop_line(content: bytes, rng: np.random.Generator) -> bytes:
    lines = content.splitlines(keepends=True)
    del lines[int(rng.integers(0, len(lines)))]
    return b"".join(lines)


def double_line(content: bytes, rng: np.random.Generator) -> bytes:
    lines = content.splitlines(keepends=True)
    position = int(rng.integers(0, len(lines)))
    return b"".join([*lines[: position + 1], *lines[position:]])


def swap_lines(content: bytes, rng: np.random.Generator) -> bytes:
    lines = content.splitlines(keepends=True)
    one, other = rng.integers(0, len(lines), 2)
    lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def encode(content: bytes, rng: np.random.Generator) -> bytes:
    """Write the text in another encoding, with a letter in it that is not ASCII."""
    text = content.decode("latin-1")
    position = int(rng.integers(0, len(text)))
    text = f"{text[:position]}\xe9{text[position:]}"
    return text.encode(str(rng.choice(ENCODINGS)), errors="replace")


def zero_byte(content: bytes, rng: np.random.Generator) -> bytes:
    position = int(rng.integers(0, len(content)))
    return content[:position] + b"\0" + content[position:]


def replace_number(content: bytes, rng: np.random.Generator) -> bytes:
    """Put another number in the place of one."""
    return _replace(rb"-?\d+(?:\.\d+)?", str(rng.choice(NUMBERS)), content, rng)


def replace_word(content: bytes, rng: np.random.Generator) -> bytes:
    """Put something else in the place of a cell or a word."""
    return _replace(rb"[^\s,;:=/()]+", str(rng.choice(WORDS)), content, rng)


def change_separator(content: bytes, rng: np.random.Generator) -> bytes:
    """Put another separator in the place of a comma, a blank or a colon."""
    return _replace(rb"[,;:=\t ]", str(rng.choice([",", ";", "\t", " ", "", ",,", "\n"])), content, rng)


def mark(content: bytes, rng: np.random.Generator) -> bytes:
    """Put a byte order mark before the text."""
    return b"\xef\xbb\xbf" + content


def carriage_returns(content: bytes, rng: np.random.Generator) -> bytes:
    """End lines with CR LF."""
    return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


BYTES = (flip_bytes, flip_early_bytes, cut, cut_a_little, append, insert_bytes)
TEXT = (drop_line, double_line, swap_lines, encode, zero_byte, replace_number, replace_word, change_separator)
KEEPING = (mark, carriage_returns)


def is_text(content: bytes) -> bool:
    """Return whether a file is text, so that its lines and numbers can be changed."""
    try:
        return "\0" not in content.decode("utf-8")
    except UnicodeDecodeError:
        return False


def damaged_copy(source: Path, target: Path, rng: np.random.Generator, files: list[str]) -> tuple[str, bool]:
    """Copy a folder and damage one of the files; return what was done, and whether it must not matter."""
    shutil.copytree(source, target)
    name = files[int(rng.integers(0, len(files)))]
    content = (target / name).read_bytes()
    # Numbers and lines are where meaning is lost in silence, so most damage to text is done to them.
    known = (*BYTES, *TEXT, *TEXT, *KEEPING) if is_text(content) else BYTES
    change = known[int(rng.integers(0, len(known)))] if content else append
    (target / name).write_bytes(change(content, rng))
    return f"{change.__name__} in {name}", change in KEEPING


def outcome(read: Callable[[], object]) -> object:
    """Return what a reader returns, or the `InputError` that it raises, which must say where and what to do."""
    with _time_limit():
        try:
            return read()
        except InputError as error:
            assert error.file and error.problem and error.remedy, error
            assert len(str(error)) < 2000, "an error that nobody can read"
            return error


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder with its bytes, to see that nothing was left or changed."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _replace(pattern: bytes, new: str, content: bytes, rng: np.random.Generator) -> bytes:
    found = list(re.finditer(pattern, content))
    if not found:
        return content
    place = found[int(rng.integers(0, len(found)))]
    return content[: place.start()] + new.encode() + content[place.end() :]


@contextmanager
def _time_limit() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hang(f"no end after {LIMIT_S} s")

    former = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)
