"""Reading and writing small files so that the same content is the same bytes, and nothing half-written stays.

Arrays are safetensors, tables CSV, the rest JSON. Whoever writes goes through `replacing`: the file appears whole
or not at all. Whoever reads a text file that a user gave goes through `open_text`, `read_text`, `read_lines` or
`read_rows`: one encoding, no byte order mark, and a fault is an `InputError` with its line.
"""

import codecs
import csv
import gzip
import hashlib
import json
import math
import os
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from medpriv.errors import InputError

# NumPy's name of each type and the one in safetensors, in the order of the format's own list.
_CODES = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "int16": "I16",
    "uint16": "U16",
    "float16": "F16",
    "int32": "I32",
    "uint32": "U32",
    "float32": "F32",
    "float64": "F64",
    "int64": "I64",
    "uint64": "U64",
}
_DTYPES = tuple(_CODES)

SAVE_AS_UTF_8 = "save it as UTF-8 (in a spreadsheet: CSV UTF-8)"


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it replaces `path` in one step, on failure it is removed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text with LF line ends."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path | str, content: object) -> None:
    """Write JSON with sorted keys, two-space indents and a final newline."""
    write_text(path, json.dumps(content, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path | str) -> dict:
    """Read a JSON object."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


@contextmanager
def open_text(path: Path | str) -> Iterator[Iterator[str]]:
    """Yield the lines of a UTF-8 text file, or of one in a `.gz`, with their line ends, as the csv module wants them.

    A byte order mark is dropped. Line ends may be LF, CR LF or CR. Nothing is held in memory but a line.

    Raises:
        InputError: the file is missing, is cut short (gzip), is not UTF-8, or has zero bytes; with the line.
    """
    path = Path(path)
    try:
        opener = gzip.open if path.suffix.lower() == ".gz" else open
        with opener(path, "rt", encoding="utf-8-sig", newline="") as stream:
            yield _lines(path, stream)
    except OSError as error:
        if error.filename is None or Path(error.filename) != path:  # not of this file
            raise
        raise InputError(
            f"cannot be read ({error.strerror})", file=path, remedy="give a file that exists and can be read"
        ) from None


def _lines(path: Path, stream: Iterator[str]) -> Iterator[str]:
    """Yield the lines of a stream; what its decoders raise becomes an error with the line."""
    number = 0
    try:
        for number, line in enumerate(stream, 1):
            if "\0" in line:
                raise InputError(
                    "a zero byte, so not a text in UTF-8 (UTF-16?)",
                    file=path,
                    place=f"line {number}",
                    remedy=SAVE_AS_UTF_8,
                )
            yield line
    except UnicodeDecodeError:
        line, problem = _undecodable(path)
        raise InputError(problem, file=path, place=f"line {line}", remedy=SAVE_AS_UTF_8) from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        if not number and isinstance(error, gzip.BadGzipFile):
            raise InputError(
                "not a gzip file, though its name ends in .gz", file=path, remedy="take .gz off its name"
            ) from None
        raise InputError(
            f"not a whole gzip file ({error})",
            file=path,
            place=f"after line {number}",
            remedy="get the file again",
        ) from None


def _undecodable(path: Path) -> tuple[int, str]:
    """Return the line of the first byte that is not UTF-8, from 1, and what stands there.

    The position in a decoder's own error counts from some block of the file, so lines are decoded here one by one.
    """
    before = 0
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as stream:
        for raw in stream:
            if before == 0 and raw.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                return 1, f"UTF-{32 if raw.startswith(codecs.BOM_UTF32_LE) else 16}, not UTF-8"
            try:
                raw.decode("utf-8")
            except UnicodeDecodeError as error:
                return before + 1 + _line_ends(raw[: error.start]), f"byte 0x{raw[error.start]:02x} is not UTF-8"
            before += _line_ends(raw)
    raise AssertionError(f"{path} changed while it was read")


def _line_ends(raw: bytes) -> int:
    return raw.count(b"\n") + raw.replace(b"\r\n", b"\n").count(b"\r")


def read_text(path: Path | str) -> str:
    """Return a UTF-8 text file's content with LF line ends; errors as of `open_text`."""
    with open_text(path) as lines:
        return "".join(lines).replace("\r\n", "\n").replace("\r", "\n")


def read_lines(path: Path | str) -> list[str]:
    """Return the lines of a UTF-8 text file without their ends; errors as of `open_text`."""
    with open_text(path) as lines:
        return [line.rstrip("\r\n") for line in lines]


def read_rows(path: Path | str, columns: Collection[str], remedy: str) -> list[tuple[int, dict[str, str]]]:
    """Return each row of a UTF-8 CSV file: the line it begins at, and its cells, stripped, in the columns asked for.

    The first line names the columns. Lines without any character are passed over.

    Args:
        path: the file.
        columns: names that the header must hold, each once; other columns are not looked at.
        remedy: what an error tells the user to do.

    Raises:
        InputError: a column is missing or there twice, a row has other cells than the header, a quote stays open.
    """
    with open_text(path) as lines:
        reader = csv.reader(lines, strict=True)
        rows, line = [], 1
        header: list[str] | None = None
        try:
            for cells in reader:
                if header is None:
                    header = _header_of(path, [cell.strip() for cell in cells], columns, remedy)
                elif cells and len(cells) != len(header):
                    raise InputError(
                        f"{len(cells)} cells where the header names {len(header)} columns",
                        file=path,
                        place=f"line {line}",
                        remedy=remedy,
                    )
                elif cells:
                    rows.append((line, {name: cells[header.index(name)].strip() for name in columns}))
                line = reader.line_num + 1
        except csv.Error as error:
            raise InputError(
                f"not a CSV table ({error})", file=path, place=f"row that begins at line {line}", remedy=remedy
            ) from None
    if header is None:
        raise InputError("empty", file=path, remedy=remedy)
    return rows


def _header_of(path: Path | str, header: list[str], columns: Collection[str], remedy: str) -> list[str]:
    for column in columns:
        if (count := header.count(column)) != 1:
            name = f"column {column}" if column else "column without a name"
            problem = f"no {name}" if not count else f"{name} {count} times"
            raise InputError(problem, file=path, place="line 1", remedy=remedy)
    return header


def format_value(value: object) -> str:
    """Return the fixed text of a table cell: floats with six significant digits, None and NaN empty."""
    if value is None:
        return ""
    if isinstance(value, float | np.floating):
        return "" if math.isnan(value) else f"{float(value):.6g}"
    return str(value)


def write_csv(path: Path | str, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows as CSV with LF line ends and the cell format of `format_value`; a missing key is an error."""
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([format_value(row[column]) for column in columns] for row in rows)


def read_csv(path: Path | str) -> list[dict[str, str]]:
    """Read a CSV with a header line; every cell is text."""
    with Path(path).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write_tensors(path: Path | str, tensors: Mapping[str, np.ndarray]) -> None:
    """Write arrays as safetensors, without metadata."""
    arrays = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    layout = {name: (value.dtype, value.shape) for name, value in arrays.items()}
    write_tensors_in_parts(path, layout, lambda name: (arrays[name],))


def write_tensors_in_parts(
    path: Path | str,
    layout: Mapping[str, tuple[np.dtype, tuple[int, ...]]],
    parts: Callable[[str], Iterable[np.ndarray]],
) -> None:
    """Write arrays as safetensors, without metadata, holding no more than a part of one at a time.

    The bytes are those of `safetensors.numpy.save`: wide types first, then by name.

    Args:
        layout: each array's type and shape.
        parts: given a name, yields the array's pieces, cut along its first axis.

    Raises:
        ValueError: the pieces don't add up to the array.
    """
    order = sorted(layout, key=lambda name: (-_DTYPES.index(layout[name][0].name), name.encode()))
    header, end = {}, 0
    for name in order:
        dtype, shape = layout[name]
        start, end = end, end + math.prod(shape) * dtype.itemsize
        header[name] = {"dtype": _CODES[dtype.name], "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with replacing(path) as partial, partial.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for name in order:
            dtype = layout[name][0]
            written = sum(
                stream.write(np.ascontiguousarray(part, dtype.newbyteorder("<")).tobytes()) for part in parts(name)
            )
            if written != header[name]["data_offsets"][1] - header[name]["data_offsets"][0]:
                raise ValueError(f"{path}: the pieces of {name} are {written} bytes")


def read_tensors(path: Path | str) -> dict[str, np.ndarray]:
    """Read every array of a safetensors file."""
    from safetensors.numpy import load_file

    return load_file(path)


def read_layout(path: Path | str) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
    """Return the type and shape of every array of a safetensors file, by name."""
    from safetensors import safe_open

    dtypes = {code: np.dtype(name) for name, code in _CODES.items()}
    with safe_open(path, framework="numpy") as arrays:
        slices = {name: arrays.get_slice(name) for name in arrays.keys()}  # noqa: SIM118
        return {name: (dtypes[part.get_dtype()], tuple(part.get_shape())) for name, part in slices.items()}


def sha256(path: Path | str) -> str:
    """Return the SHA-256 of a file as 64 hex digits."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
