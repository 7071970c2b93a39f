"""Reading and writing small files so that the same content is the same bytes, and nothing half-written stays.

Arrays are safetensors, tables CSV, the rest JSON. Whoever writes goes through `replacing`: the file appears whole
or not at all.
"""

import csv
import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np


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
    """Write arrays as safetensors (names sorted by the format itself, no metadata)."""
    from safetensors.numpy import save

    ordered = {name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}
    with replacing(path) as partial:
        partial.write_bytes(save(ordered))


def read_tensors(path: Path | str) -> dict[str, np.ndarray]:
    """Read every array of a safetensors file."""
    from safetensors.numpy import load_file

    return load_file(path)


def sha256(path: Path | str) -> str:
    """Return the SHA-256 of a file as 64 hex digits."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
