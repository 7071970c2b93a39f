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
        InputError: there is no manifest, it is damaged, or a file is missing, truncated or altered.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise InputError("there is no manifest, so the raw files are not complete", file=path, remedy=_again(folder))
    manifest = _read(path)
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


def _read(path: Path) -> dict:
    """Return what a manifest says; it says it as `medpriv.sources.acquire` writes it, or it is damaged."""
    try:
        manifest = read_json(path)
        whole = isinstance(manifest["source"], str) and isinstance(manifest["licence"], str)
        for name, about in manifest["files"].items():
            whole &= isinstance(about["bytes"], int) and isinstance(about["sha256"], str)
            (path.parent / name).is_file()  # no name that the file system refuses
    except (ValueError, LookupError, TypeError, AttributeError, OSError, RecursionError):
        whole = False
    if not whole:
        raise InputError("damaged", file=path, remedy=_again(path.parent))
    return manifest


def _again(folder: Path) -> str:
    return f"delete {folder} and run again: the raw stage then brings its files in afresh"
