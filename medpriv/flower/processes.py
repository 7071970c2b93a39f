"""Child processes of a deployment: started with their logs, watched, and ended whatever happens."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

TAIL = 20  # lines of a log that an error quotes
PATIENCE = 10.0  # seconds between asking a process to end and killing it

ENVIRONMENT = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "FORWARDED_ALLOW_IPS": "127.0.0.1",  # whose word Uvicorn takes for who asks: the gate of the SuperLink rests on it
    "OMP_NUM_THREADS": "1",
}


class DeploymentError(RuntimeError):
    """A part of a federation failed: a process ended, or hospitals did not answer."""


class Child:
    """A running process in a group of its own.

    Attributes:
        name: for messages.
        log: the file that holds its output.
        process: the process.
    """

    def __init__(self, name: str, module: str, arguments: Sequence[str], home: Path) -> None:
        """Run `python -m module arguments` with Flower's files, and its log, under `home`."""
        self.name, self.log = name, home / f"{name}.log"
        home.mkdir(parents=True, exist_ok=True)
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("FLWR_")}
        with self.log.open("ab") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=inherited | ENVIRONMENT | {"FLWR_HOME": str(home / "flower")},
                start_new_session=True,
            )

    def has_ended(self) -> bool:
        """Return whether the process has ended."""
        return self.process.poll() is not None

    def check(self) -> None:
        """Raise if the process has ended."""
        if (code := self.process.poll()) is not None:
            raise DeploymentError(f"{self.name} ended with exit code {code}.\n{self.tail()}")

    def tail(self) -> str:
        """Return the last lines of the log, with its path."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL:]
        return "\n".join((f"The end of {self.log}:", *(f"  {line}" for line in lines)))

    def wait_until(self, ready: Callable[[], bool], seconds: float, what: str) -> None:
        """Return when `ready` is true; raise when the process ends or the time is over."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise DeploymentError(f"{self.name} took longer than {seconds:g} s to {what}.\n{self.tail()}")
            time.sleep(0.1)

    def kill(self) -> None:
        """End the process and its group at once."""
        self._signal(signal.SIGKILL)
        self.process.wait()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


class Children:
    """Processes that end with a `with` block, the last started first; entering gives the empty collection."""

    def __init__(self) -> None:
        self._running: list[Child] = []

    def __enter__(self) -> "Children":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for child in reversed(self._running):
            child._signal(signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE
        for child in reversed(self._running):
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, deadline - time.monotonic()))
            child.kill()  # the whole group, even where its leader has ended

    def start(self, name: str, module: str, arguments: Sequence[str], home: Path) -> Child:
        """Start a process; see `Child`."""
        child = Child(name, module, arguments, home)
        self._running.append(child)
        return child


def free_port() -> int:
    """Return a port of the loopback interface that is free now."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]
