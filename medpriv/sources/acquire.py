"""Bringing a dataset's raw files in, whatever their source, in the publisher's own layout.

Everything is built in a scratch folder and moved in at once, with `manifest.json` (what each file must be) inside, so
that a raw folder is either whole or not there. The formats know their files (`medpriv.sources.<format>`) and how to
simulate them (`medpriv.simulate.<format>`); only a `remote` source opens a connection (`medpriv.sources.download`).

A format states the SHA-256 of its remote files in one of two ways:
- `remote_files() -> dict[str, str]`: they ship with it, SHA-256 by path (`md5:...` if nobody states that).
- `CHECKSUMS`, the path of the publisher's own list of checksums, and `wanted(published: Collection[str]) -> list[str]`,
  which of the paths listed belong to the dataset (and any other that it cannot do without): for publishers of many
  files whose checksums nobody could ship. Such a download is checked for damage, not for the publisher's honesty.
"""

import shutil
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType

from medpriv.errors import InputError
from medpriv.files import sha256, write_json
from medpriv.seeds import derive_seed
from medpriv.sources.download import download, published_checksums
from medpriv.sources.manifest import MANIFEST

SIMULATED_LICENCE = "simulated by medpriv, of no real patient"


def acquire_raw(format: str, name: str, settings: Mapping, seed: int | None, destination: Path, scratch: Path) -> None:
    """Bring the raw files of one dataset into `destination`, which then holds them, their manifest and nothing else.

    Args:
        format: the dataset's format, the name of its module.
        name: the dataset's name in the config.
        settings: its `raw` section: `source`, and `simulated`, `path` or `base_url` as the source needs.
        seed: the root seed of a simulated source; of no other.
        destination: the raw folder; replaced in one step once everything is right, untouched before.
        scratch: a folder on the same file system, outside `results/`; keeps unfinished downloads between runs.

    Raises:
        InputError: a file is missing, leaves its folder, or cannot be downloaded.
    """
    work = Path(scratch) / f"{name}-{settings['source']}"
    build = work / "files"
    try:
        write_json(build / MANIFEST, _build(format, name, settings, seed, build, work / "parts"))
        _move_in(build, Path(destination))
    except BaseException:
        if settings["source"] != "remote":  # of a download, what has come is kept
            shutil.rmtree(work, ignore_errors=True)
        raise
    shutil.rmtree(work)


def _build(format: str, name: str, settings: Mapping, seed: int | None, build: Path, parts: Path) -> dict[str, object]:
    """Bring the files into `build` and return their manifest; arguments as of `acquire_raw`."""
    module, source = import_module(f"medpriv.sources.{format}"), settings["source"]
    if source == "simulated":
        _empty(build)
        simulator = import_module(f"medpriv.simulate.{format}")
        simulator.simulate(settings["simulated"], build, derive_seed(seed, name, "raw"))
        files = sorted(path.relative_to(build).as_posix() for path in build.rglob("*") if path.is_file())
    elif source == "local":
        _empty(build)
        files = _copy(Path(settings["path"]), module.local_files, build)
    else:
        base_url = settings["base_url"] or module.BASE_URL
        expected = _remote_checksums(module, base_url, parts)
        download(expected, base_url, build, parts)
        files = sorted(expected)
        _keep_only(build, set(files))
    return {
        "source": source,
        "format": format,
        "licence": SIMULATED_LICENCE if source == "simulated" else module.LICENCE,
        "files": {file: {"bytes": (build / file).stat().st_size, "sha256": sha256(build / file)} for file in files},
    }


def _empty(folder: Path) -> None:
    """Leave an empty folder, whatever a killed run has left in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _copy(path: Path, local_files: Callable[[Path], list[str]], build: Path) -> list[str]:
    """Copy the files that the format wants of a local folder (or file); a link that points out of it is refused."""
    if not path.exists():
        raise InputError("no such folder", file=path, remedy="set raw.path to where the publisher's files lie")
    files = local_files(path)
    root = (path if path.is_dir() else path.parent).resolve()
    for name in files:
        file = (root / name).resolve()
        if not file.is_relative_to(root):
            raise InputError(
                "a link that leaves its folder", file=root / name, remedy="put the file itself into the folder"
            )
        (build / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, build / name)
    return sorted(files)


def _remote_checksums(module: ModuleType, base_url: str, parts: Path) -> dict[str, str]:
    """Return the SHA-256 by path of a format's remote files: those shipped, or those of the publisher's own list."""
    if not hasattr(module, "CHECKSUMS"):
        return module.remote_files()
    published = published_checksums(base_url, module.CHECKSUMS, parts / module.CHECKSUMS)
    wanted = module.wanted(published)
    if missing := sorted(set(wanted) - set(published)):
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(
            f"{missing[0]}{more} not listed",
            file=base_url.rstrip("/") + "/" + module.CHECKSUMS,
            remedy="check raw.base_url: it must be the address of the publisher's folder or a whole mirror of it",
        )
    return {name: published[name] for name in wanted}


def _keep_only(folder: Path, files: set[str]) -> None:
    """Remove what a killed or earlier run has left beside the files wanted."""
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in files:
            path.unlink()


def _move_in(build: Path, destination: Path) -> None:
    """Put the finished folder in place of the old one; a kill in between leaves no manifest behind."""
    (destination / MANIFEST).unlink(missing_ok=True)
    if destination.exists():
        shutil.rmtree(destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    build.rename(destination)
