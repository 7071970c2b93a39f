"""A small HTTP server on the loopback interface that misbehaves on demand, for tests of `remote` sources."""

import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Publisher(ThreadingHTTPServer):
    """Serves the files of a folder.

    Attributes:
        faults: per file the answers to its next requests: a status, "cut" (the connection dies half-way), "whole" (the
            Range is ignored) or "truncated" (half the file, as if it were all); afterwards it is served properly.
        requests: per file the Range header of each request, None where there was none.
        authorizations: the Authorization header of each request.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.faults: dict[str, list] = defaultdict(list)
        self.requests: dict[str, list] = defaultdict(list)
        self.authorizations: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        name = self.path.lstrip("/")
        wanted = self.headers.get("Range")
        self.server.requests[name].append(wanted)
        self.server.authorizations.append(self.headers.get("Authorization"))
        fault = self.server.faults[name].pop(0) if self.server.faults[name] else None
        file = self.server.folder / name
        if isinstance(fault, int) or not file.is_file():
            self._answer(fault or 404, b"")
            return
        content = file.read_bytes()
        if fault == "truncated":
            content = content[: len(content) // 2]
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and fault != "whole" else 0
        if start >= len(content) > 0:
            self._answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            return
        headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        self._answer(206 if start else 200, content[start:], headers, cut=fault == "cut")

    def _answer(self, status: int, body: bytes, headers: dict | None = None, cut: bool = False) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = cut


@contextmanager
def publisher(folder: Path) -> Iterator[Publisher]:
    """Run a `Publisher` of the folder in a thread of its own."""
    with Publisher(folder) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
