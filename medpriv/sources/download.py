"""Downloading a publisher's files: checksums, resume, retries and progress.

pooch decides what is missing and checks each file's SHA-256; the transfer below it is ours, because pooch's own does
not resume: what has arrived stays in a `.part` file and the rest is asked for by an HTTP Range. User and password,
where a server wants them, are found in `medpriv.sources.credentials`. `published_checksums` brings the list in which a
publisher itself states the SHA-256 of its files.
"""

import logging
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from medpriv.errors import InputError
from medpriv.sources.credentials import how_to_sign_in, sign_in

TIMEOUTS_S = (10, 60)  # to connect, and between two pieces of data
PIECE = 8192  # bytes; what a cut connection can lose
_TRY_LATER = {408, 425, 429, 500, 502, 503, 504}
_log = logging.getLogger(__name__)
Show = Callable[[str, int, int | None], None]


def download(
    files: Mapping[str, str],
    base_url: str,
    folder: Path,
    parts: Path,
    *,
    attempts: int = 5,
    first_wait_s: float = 1.0,
) -> None:
    """Bring files from `base_url` into `folder`; those already there with the right checksum are left as they are.

    Args:
        files: SHA-256 (64 hex digits) by path relative to `base_url` and to `folder`; or `md5:` and 32 hex digits, of
            publishers who state no other.
        base_url: the publisher's address or a mirror's, http or https, without credentials.
        folder: where the files go; only files with the right checksum appear there.
        parts: where unfinished downloads wait for the next attempt or run.
        attempts: tries a file when the connection fails or the server asks to come later.
        first_wait_s: pause before the second try; each later one is twice as long.

    Raises:
        InputError: a bad address, a file that the server lacks or refuses, a wrong checksum, no more attempts left.
    """
    import pooch
    import requests

    _check_address(base_url)
    pooch.get_logger().setLevel(logging.WARNING)  # it would add a line a file to ours
    registry = {name: digest if ":" in digest else f"sha256:{digest}" for name, digest in files.items()}
    stock = pooch.create(path=folder, base_url=base_url.rstrip("/") + "/", registry=registry, retry_if_failed=0)
    with requests.Session() as session, _progress(len(files)) as show:
        sign_in(session, base_url)
        for name in sorted(files):
            part = Path(parts) / f"{name}.part"
            part.parent.mkdir(parents=True, exist_ok=True)
            transfer = partial(
                _transfer, session=session, part=part, attempts=attempts, first_wait_s=first_wait_s, show=show
            )
            resumed = part.exists()
            try:
                stock.fetch(name, downloader=transfer)
            except InputError:
                raise
            except ValueError as error:  # pooch: the checksum is wrong, and the file is gone again
                if not resumed:
                    raise _wrong_checksum(stock.get_url(name), error) from None
                _log.warning("%s: joined from two versions of the file; starting it over", name)
                try:
                    stock.fetch(name, downloader=transfer)
                except InputError:
                    raise
                except ValueError as again:
                    raise _wrong_checksum(stock.get_url(name), again) from None


def published_checksums(
    base_url: str, name: str, part: Path, *, attempts: int = 5, first_wait_s: float = 1.0
) -> dict[str, str]:
    """Return the SHA-256 by path of a publisher's own list (the output of `sha256sum`), brought from `base_url`.

    The list is as trustworthy as its server: it tells a truncated or damaged file from a whole one, not an honest
    publisher from a dishonest one.

    Args:
        base_url: as in `download`.
        name: the list's path relative to `base_url`.
        part: where the list waits while it arrives; it is brought afresh every time and removed again.
        attempts, first_wait_s: as in `download`.

    Raises:
        InputError: a bad address, no such list, or a line that is no checksum and path within the folder.
    """
    import requests

    _check_address(base_url)
    url = base_url.rstrip("/") + "/" + name
    part.parent.mkdir(parents=True, exist_ok=True)
    part.unlink(missing_ok=True)
    arrived = part.with_name(f"{part.name}.whole")
    with requests.Session() as session, _progress(1) as show:
        sign_in(session, base_url)
        _transfer(
            url, str(arrived), None, session=session, part=part, attempts=attempts, first_wait_s=first_wait_s, show=show
        )
    lines = arrived.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    arrived.unlink()
    return dict(_read_checksum(url, number, line) for number, line in enumerate(lines, 1) if line.strip())


def _read_checksum(url: str, number: int, line: str) -> tuple[str, str]:
    """Return path and SHA-256 of one line of a list of checksums."""
    found = re.fullmatch(r"([0-9a-fA-F]{64}) [ *]?(?:\./)?(\S.*)", line.rstrip())
    if not found or PurePosixPath(found[2]).is_absolute() or ".." in PurePosixPath(found[2]).parts:
        raise InputError(
            "not a SHA-256 and a file of this folder",
            file=url,
            place=f"line {number}",
            remedy="run again in case the list was cut off; else use the publisher or another mirror (raw.base_url)",
        )
    return found[2], found[1].lower()


def _check_address(base_url: str) -> None:
    address = urlsplit(base_url)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise InputError(
            "not an http or https address", file=base_url, remedy="set raw.base_url to the mirror's address"
        )
    if address.username or address.password:
        raise InputError(
            "credentials stand in the address",
            file=f"{address.scheme}://{address.hostname}",
            remedy="remove them from raw.base_url and " + how_to_sign_in(f"{address.scheme}://{address.hostname}"),
        )


def _wrong_checksum(url: str, error: ValueError) -> InputError:
    digests = re.findall(r"\b(?:[0-9a-f]{64}|[0-9a-f]{32})\b", str(error))
    detail = f": it is {digests[-1]}, not {digests[0]}" if len(digests) == 2 else ""
    return InputError(
        f"wrong {'MD5' if digests and len(digests[0]) == 32 else 'SHA-256'}{detail}; the file was not kept",
        file=url,
        remedy="the server holds another or a truncated version: use the publisher or another mirror (raw.base_url)",
    )


def _transfer(
    url: str, output: str, _stock: object, *, session, part: Path, attempts: int, first_wait_s: float, show: Show
) -> None:
    """Bring one file into `output` (pooch's downloader protocol), by way of `part`, in several attempts if need be."""
    trouble = ""
    for attempt in range(attempts):
        if trouble:
            pause = first_wait_s * 2 ** (attempt - 1)
            _log.warning("%s: %s; trying again in %g s", url, trouble, pause)
            time.sleep(pause)
        trouble = _receive(session, url, part, show)
        if not trouble:
            part.replace(output)
            return
    raise InputError(
        f"{trouble} ({attempts} attempts)",
        file=url,
        remedy="check the network and raw.base_url, and run again: what has arrived is kept and the download resumes",
    )


def _receive(session, url: str, part: Path, show: Show) -> str:
    """Append to `part` what it lacks; return why another attempt is worth while, or "" when it is complete."""
    from requests import exceptions

    held = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # ranges count the bytes of the file itself
    if held:
        headers["Range"] = f"bytes={held}-"
    try:
        with session.get(url, headers=headers, stream=True, timeout=TIMEOUTS_S) as reply:
            if reply.status_code == 416:  # nothing beyond what we hold: all there, or the file has shrunk
                if reply.headers.get("Content-Range") == f"bytes */{held}":
                    return ""
                part.unlink(missing_ok=True)
                return "the server's file is shorter than what has arrived"
            if reply.status_code in _TRY_LATER:
                return f"the server answered {reply.status_code}"
            _refuse(reply.status_code, url)
            resumed = reply.status_code == 206
            if resumed and not reply.headers.get("Content-Range", "").startswith(f"bytes {held}-"):
                part.unlink(missing_ok=True)
                return "the server sent another range than the one asked for"
            received = held if resumed else 0  # a server that ignores Range sends the whole file
            length = reply.headers.get("Content-Length")
            total = received + int(length) if length and length.isdigit() else None
            with part.open("ab" if resumed else "wb") as stream:
                for piece in reply.iter_content(PIECE):
                    stream.write(piece)
                    received += len(piece)
                    show(url, received, total)
        return ""
    except exceptions.SSLError as error:
        raise InputError(
            f"no trusted connection: {error}", file=url, remedy="check raw.base_url and this machine's certificates"
        ) from None
    except (exceptions.ConnectionError, exceptions.ChunkedEncodingError, exceptions.Timeout) as error:
        return f"the connection failed ({type(error).__name__})"
    except exceptions.RequestException as error:
        raise InputError(f"the request failed: {error}", file=url, remedy="check raw.base_url") from None


def _refuse(status: int, url: str) -> None:
    """Raise for an answer that another attempt will not change."""
    if status == 404:
        raise InputError(
            "the server has no such file (404)",
            file=url,
            remedy="check raw.base_url: it must be the address under which the publisher's files lie",
        )
    if status in (401, 403):
        raise InputError(
            f"the server refuses access ({status})",
            file=url,
            remedy=how_to_sign_in(url),
        )
    if status not in (200, 206):
        raise InputError(f"the server answered {status}", file=url, remedy="check raw.base_url, or use a mirror")


@contextmanager
def _progress(files: int) -> Iterator[Show]:
    """Yield the function that shows how far a file is: a bar on a terminal, one log line a file elsewhere."""
    if not sys.stderr.isatty():

        def log(url: str, received: int, total: int | None) -> None:
            if received == total:
                _log.info("%s: %d bytes", url, received)

        yield log
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.fields[at]}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task, seen = bars.add_task("", at="", total=None), []

        def draw(url: str, received: int, total: int | None) -> None:
            if url not in seen:
                seen.append(url)
                bars.reset(task)  # speed is the file's own
            at = f"{len(seen)}/{files} {url.rsplit('/', 1)[-1]}"
            bars.update(task, at=at, completed=received, total=total)

        yield draw
