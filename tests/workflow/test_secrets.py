"""A password opens a publisher's door in a whole run, up to the report, and is found nowhere else.

The run downloads simulated tables, which count as credentialed, from a server that wants user and password. Then the
marker that is in both is looked for in all that the run wrote and printed, DVC's mirror included, and in the process
list as it was during the run. tests/unit/test_credentials.py looks at the library alone.
"""

import base64
import json
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml
from project import Project

from medpriv.files import sha256
from medpriv.simulate.mimic3admissions import simulate

MARK = secrets.token_hex(8)
USER, PASSWORD = f"user-{MARK}", f"pässword-{MARK}@/:%"
LOGIN = base64.b64encode(f"{USER}:{PASSWORD}".encode())
MARKERS = (MARK.encode(), LOGIN, base64.b64encode(PASSWORD.encode()))


class ProcessList:
    """The command lines of all processes that were there at some time."""

    def __init__(self) -> None:
        self.lines: set[bytes] = set()

    def look(self) -> None:
        """Add the command lines of now."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                self.lines.add(path.read_bytes())
            except OSError:  # it has ended
                continue

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look every few milliseconds."""
        over = threading.Event()

        def keep_looking() -> None:
            while not over.wait(0.02):
                self.look()

        thread = threading.Thread(target=keep_looking)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


class _Guarded(SimpleHTTPRequestHandler):
    """Gives a folder's files to those who know the password, and looks who is there while they ask."""

    def do_GET(self) -> None:
        self.server.processes.look()
        right = self.headers.get("Authorization", "").encode() == b"Basic " + LOGIN
        self.server.answers.append(right)
        if right:
            super().do_GET()
        else:
            self.send_error(401)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def publisher(folder: Path, processes: ProcessList) -> Iterator[ThreadingHTTPServer]:
    """Serve a folder to whoever gives user and password."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Guarded, directory=folder)) as server:
        server.processes, server.answers = processes, []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def publish(folder: Path) -> None:
    """Write simulated tables and the publisher's list of their checksums."""
    simulate({"patients": 120}, folder, 1)
    lines = [f"{sha256(path)} {path.name}\n" for path in sorted(folder.iterdir())]
    (folder / "SHA256SUMS.txt").write_text("".join(lines))


def marked_files(folder: Path) -> list[str]:
    """Return the files below a folder that hold the user, the password, or what is sent of them."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in files if any(marker in path.read_bytes() for marker in MARKERS)]


def marked(lines: set[bytes]) -> list[bytes]:
    """Return the command lines that hold one of them."""
    return [line for line in list(lines) if any(marker in line for marker in MARKERS)]


def test_the_search_finds_a_marker_in_files_and_on_command_lines(tmp_path: Path) -> None:
    for name, text in (("log", f"https://{USER}@host/"), ("header", LOGIN.decode()), ("clean", "https://host/")):
        (tmp_path / name).write_text(text)
    assert {Path(file).name for file in marked_files(tmp_path)} == {"log", "header"}
    processes = ProcessList()
    child = subprocess.Popen([sys.executable, "-c", "input()", PASSWORD], stdin=subprocess.PIPE)
    with processes.watched():
        while not marked(processes.lines) and child.poll() is None:
            pass
    child.communicate(b"\n")
    assert marked(processes.lines)


def test_a_run_with_a_password_leaves_it_nowhere(fresh: Callable[[str], Project], tmp_path: Path) -> None:
    project = fresh("project")
    project.environment |= {"PHYSIONET_USER": USER, "PHYSIONET_PASSWORD": PASSWORD, "NETRC": os.devnull}
    project.environment |= dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1")
    # The loopback server is to be the publisher that the password belongs to.
    project.append("medpriv/sources/credentials.py", 'ACCOUNTS["127.0.0.1"] = ACCOUNTS["physionet.org"]\n')
    publish(tmp_path / "published")
    processes = ProcessList()
    with publisher(tmp_path / "published", processes) as server:
        config = yaml.safe_load((project.folder / "config.yaml").read_text(encoding="utf-8"))
        raw = {"source": "remote", "base_url": f"http://127.0.0.1:{server.server_port}/"}
        project.set("datasets", {"admissions": config["datasets"]["admissions"] | {"raw": raw}})
        project("git", "init", "--quiet")
        with processes.watched():
            said = project.run()
    assert server.answers == [True] * 3  # two tables and the list
    about = json.loads((project.folder / "results/preprocessed/admissions/dataset.json").read_text())
    assert about["source"] == "remote" and about["credentialed"]
    versioned = yaml.safe_load((project.folder / "dvc.lock").read_text())["stages"]
    assert {"raw-admissions", "preprocessed-admissions", "report"} <= set(versioned)

    assert not any(marker.decode() in said for marker in MARKERS)
    assert marked_files(project.folder) == []
    for place in ("config.yaml", "dvc.yaml", "results/report/index.html", "logs/raw/admissions.log", ".snakemake/log"):
        assert (project.folder / place).exists()
    assert any(b"fetch_raw" in line for line in processes.lines)  # the job that downloads was seen
    assert any(b"dvc\0commit" in line for line in processes.lines)
    assert marked(processes.lines) == []
