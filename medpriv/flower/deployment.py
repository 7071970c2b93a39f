"""The two ends of a federation.

`open_federation` is the server's end: a SuperLink behind its gate, the hospitals' keys made known, a run begun as soon
as all hospitals are connected. `serve_hospital` is a hospital's: a SuperNode, and the answers to what it brings. The
Flower processes they start end with them.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
from flwr.app import RecordDict

from medpriv.flower.certificates import make_secret, read_file, read_public_key
from medpriv.flower.exchange import Exchange
from medpriv.flower.processes import Child, Children, DeploymentError, free_port
from medpriv.flower.runtime import Door, answer_next, connected, hospital_tasks, is_up, open_run, register_hospital

START = 60.0  # seconds that a Flower process has to come up
PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds before a SuperNode is started again: half of the first, and the longest

_LOG = logging.getLogger(__name__)


@contextmanager
def open_federation(
    folder: Path | str,
    hospitals: Mapping[str, Path | str],
    *,
    certificates: Path | str,
    host: str = "127.0.0.1",
    port: int = 8000,
    patience: float = 600.0,
    deadline: float = 600.0,
    least: int = 1,
) -> Iterator[Exchange]:
    """Run the server's end and yield the exchange with the hospitals, once all are connected.

    Args:
        folder: for the SuperLink's log and files.
        hospitals: name -> the file of the hospital's public key.
        certificates: the folder of `authority.pem`, `server.pem` and `server.key`.
        host, port: where hospitals reach the SuperLink; 0.0.0.0 for all interfaces.
        patience: seconds to wait until all hospitals are connected.
        deadline, least: see `Exchange`.

    Raises:
        InputError: a file is missing or not what it should be.
        DeploymentError: the SuperLink did not come up, or ended; or hospitals did not connect.
    """
    folder, certificates = Path(folder).resolve(), Path(certificates).resolve()
    keys = {name: read_public_key(path) for name, path in hospitals.items()}
    for name in ("authority.pem", "server.pem", "server.key"):
        read_file(certificates / name, "make it: `python -m medpriv.flower authority` and `... certificate`")
    secret = _fresh_secret(folder)
    with Children() as children:
        superlink = children.start(
            "superlink",
            "medpriv.flower.launch",
            _superlink_arguments(certificates, secret, host, port),
            folder,
        )
        door = Door(f"127.0.0.1:{port}", secret, certificates / "authority.pem")
        superlink.wait_until(lambda: is_up(door), START, "come up")
        try:
            nodes = {name: register_hospital(door, name, key) for name, key in keys.items()}
            _LOG.info("the SuperLink is up; waiting for %s", ", ".join(nodes))
            _await_hospitals(superlink, door, nodes, patience)
            with open_run(door, superlink.has_ended) as grid:
                yield Exchange(grid, nodes, deadline, least)
        except httpx.HTTPError as error:
            superlink.check()
            raise DeploymentError(f"the SuperLink does not do what it is asked: {error}\n{superlink.tail()}") from error


def serve_hospital(
    folder: Path | str,
    answer: Callable[[int, RecordDict], RecordDict],
    *,
    server: str,
    authority: Path | str,
    key: Path | str,
) -> None:
    """Take part in a server's runs until interrupted.

    A SuperNode that ends is started again after a pause that grows to a minute: the server may not be up yet, may not
    have been told of this hospital's key yet, or begins another run.

    Args:
        folder: for the SuperNode's log and files.
        answer: see `medpriv.flower.runtime.answer_next`.
        server: host:port of the SuperLink.
        authority: the file of the authority's certificate.
        key: the file of this hospital's private key.

    Raises:
        InputError: a file is missing.
    """
    folder, authority, key = (Path(path).resolve() for path in (folder, authority, key))
    read_file(authority, "ask the federation's server for authority.pem")
    read_file(key, "make it: `python -m medpriv.flower key`")
    arguments = ["--superlink", server, "--root-certificates", str(authority)]
    arguments += ["--auth-supernode-private-key", str(key), "--isolation", "process"]
    pause = PAUSE
    while True:
        start = time.monotonic()
        try:
            _serve(folder, answer, arguments)
        except DeploymentError as error:
            pause = PAUSE if time.monotonic() - start > LONGEST_PAUSE else min(LONGEST_PAUSE, 2 * pause)
            _LOG.warning("%s\nIt is started again in %g s.", error, pause)
            time.sleep(pause)


def _serve(folder: Path, answer: Callable[[int, RecordDict], RecordDict], arguments: list[str]) -> None:
    """Run one SuperNode and answer what it brings, until it ends (a DeploymentError)."""
    secret, port = _fresh_secret(folder), free_port()
    arguments = [*arguments, "--superexec-auth-secret-file", str(secret), "--port", str(port)]
    with Children() as children:
        supernode = children.start("supernode", "medpriv.flower.launch", _launched("supernode", arguments), folder)
        door = Door(f"127.0.0.1:{port}", secret)
        supernode.wait_until(lambda: is_up(door), START, "come up")
        with hospital_tasks(door) as tasks:
            while True:
                supernode.check()
                try:
                    answer_next(tasks, answer)
                except httpx.HTTPError as error:  # the SuperNode has ended, or the run has
                    time.sleep(1)
                    supernode.check()
                    _LOG.warning("an answer was not taken: %s", error)


def _launched(what: str, arguments: list[str]) -> list[str]:
    """Return the arguments of `medpriv.flower.launch`."""
    return [what, str(os.getpid()), *arguments]


def _superlink_arguments(certificates: Path, secret: Path, host: str, port: int) -> list[str]:
    files = {"ca-certfile": "authority.pem", "certfile": "server.pem", "keyfile": "server.key"}
    arguments = [part for name, file in files.items() for part in (f"--ssl-{name}", str(certificates / file))]
    arguments += ["--enable-supernode-auth", "--disable-runtime-dependency-installation", "--isolation", "process"]
    arguments += ["--superexec-auth-secret-file", str(secret), "--host", host, "--port", str(port)]
    return _launched("superlink", arguments)


def _fresh_secret(folder: Path) -> Path:
    """Return the file of a new secret between this process and the Flower process it starts."""
    path = folder / "secret"
    path.unlink(missing_ok=True)
    return make_secret(path)


def _await_hospitals(superlink: Child, door: Door, nodes: Mapping[str, int], patience: float) -> None:
    """Return when all hospitals are connected."""
    end = time.monotonic() + patience
    while missing := [name for name, node in nodes.items() if node not in connected(door)]:
        superlink.check()
        if time.monotonic() > end:
            raise DeploymentError(
                f"{', '.join(missing)} did not connect within {patience:g} s; is the hospital's command running, does "
                "it reach this server's port, and is its key the one named here?"
            )
        time.sleep(0.5)
