"""The manifest of a raw folder: what each of its files must be.

`medpriv.sources.acquire` writes it last, so that a folder without one is not complete; every parser begins by checking
the folder against it.
"""

from pathlib import Path

from medpriv.errors import InputError
from medpriv.files import read_json, sha256

MANIFEST = "manifest.json"


def verify_raw(folder: Path) -> dict:
    """Return the manifest of a raw folder after checking every file's size and SHA-256 against it.

    Raises:
        InputError: there is no manifest, or a file is missing, truncated or altered.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise InputError("there is no manifest, so the raw files are not complete", file=path, remedy=_again(folder))
    manifest = read_json(path)
    for name, expected in manifest["files"].items():
        file = Path(folder) / name
        if not file.is_file():
            raise InputError("the file is missing", file=file, remedy=_again(folder))
        if (size := file.stat().st_size) != expected["bytes"]:
            word = "truncated" if size < expected["bytes"] else "too long"
            raise InputError(f"{word}: {size} bytes of {expected['bytes']}", file=file, remedy=_again(folder))
        if (found := sha256(file)) != expected["sha256"]:
            raise InputError(
                f"altered: its SHA-256 is {found}, the manifest's {expected['sha256']}",
                file=file,
                remedy=_again(folder),
            )
    return manifest


def _again(folder: Path) -> str:
    return f"delete {folder} and run again: the raw stage then brings its files in afresh"
