"""A password opens the publisher's door and is found nowhere else: no file, log, error, manifest or process list."""

import base64
import logging
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import loopback
import pytest
import requests
from pydantic import ValidationError

from medpriv.config.check import check_config
from medpriv.config.mimic3 import RawMimic3
from medpriv.errors import InputError
from medpriv.files import sha256
from medpriv.sources import credentials
from medpriv.sources.acquire import acquire_raw
from medpriv.sources.credentials import Account, sign_in

USER, SECRET = "marker-user-7f3a", "marker-pässword-91c2"
ENCODED = base64.b64encode(f"{USER}:{SECRET}".encode()).decode()
MARKERS = (USER, SECRET, ENCODED)
ROOT = Path(__file__).parents[2]


class _GuardedHandler(loopback._Handler):
    """Answers as PhysioNet does: 403 to what doesn't call itself Wget, 401 to who gives no password."""

    def do_GET(self) -> None:
        self.server.seen.append((self.headers.get("Host").split(":")[0], self.headers.get("Authorization")))
        self.server.processes |= command_lines()
        if self.server.redirect:
            self._answer(302, b"", {"Location": self.server.redirect + self.path.lstrip("/")})
        elif self.server.guarded and not self.headers.get("User-Agent", "").startswith("Wget/"):
            self._answer(403, b"")
        elif self.server.guarded and self.headers.get("Authorization") != f"Basic {ENCODED}":
            self._answer(401, b"", {"WWW-Authenticate": 'Basic realm="PhysioNet"'})
        else:
            super().do_GET()


def command_lines() -> set[str]:
    """Return the command lines of all processes there are."""
    lines = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it has ended
            continue
    return lines


@contextmanager
def guard(folder, *, guarded=True, redirect=""):
    """Run a server that wants a password, or sends everybody elsewhere."""
    with loopback.Publisher(folder) as server:
        server.RequestHandlerClass = _GuardedHandler
        server.guarded, server.redirect, server.seen, server.processes = guarded, redirect, [], set()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def published(tmp_path_factory):
    """Return a folder of simulated tables with the publisher's list of checksums."""
    from medpriv.simulate.mimic3admissions import simulate

    folder = tmp_path_factory.mktemp("published")
    simulate({"patients": 5}, folder, 1)
    lines = [f"{sha256(path)} {path.name}\n" for path in sorted(folder.iterdir())]
    (folder / "SHA256SUMS.txt").write_text("".join(lines))
    return folder


@pytest.fixture
def account(monkeypatch):
    """Let the loopback server be the publisher whose password the environment may hold; neither is set."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("NETRC", os.devnull)
    for name in ("PHYSIONET_USER", "PHYSIONET_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(credentials.ACCOUNTS, "127.0.0.1", credentials.ACCOUNTS["physionet.org"])


@pytest.fixture
def password(account, monkeypatch):
    monkeypatch.setenv("PHYSIONET_USER", USER)
    monkeypatch.setenv("PHYSIONET_PASSWORD", SECRET)


def settings(server):
    return {"source": "remote", "base_url": server.url}


def acquire(server, tmp_path):
    acquire_raw("mimic3admissions", "table", settings(server), 1, tmp_path / "raw", tmp_path / "scratch")


def assert_no_marker(*texts):
    for text in texts:
        for marker in MARKERS:
            assert marker not in text
            assert marker.encode().hex() not in text


def assert_no_marker_in_files(folder, *beside):
    files = [path for path in Path(folder).rglob("*") if path.is_file() and path not in beside]
    assert files
    assert_no_marker(*(path.read_bytes().decode(errors="replace") for path in files))


def test_the_environments_password_opens_the_door_and_is_written_nowhere(published, password, tmp_path, caplog):
    with guard(published) as server, caplog.at_level(logging.DEBUG):
        acquire(server, tmp_path)
    assert {authorization for _, authorization in server.seen} == {f"Basic {ENCODED}"}
    assert {path.name for path in (tmp_path / "raw").iterdir()} == {"ADMISSIONS.csv", "PATIENTS.csv", "manifest.json"}
    assert_no_marker(caplog.text)
    assert_no_marker_in_files(tmp_path)


def test_without_a_password_the_error_says_where_to_put_it(published, account, tmp_path):
    with guard(published) as server, pytest.raises(InputError, match=r"refuses access \(401\).*PHYSIONET_USER"):
        acquire(server, tmp_path)


def test_a_wrong_password_is_refused_without_repeating_it(published, password, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("PHYSIONET_PASSWORD", SECRET + "x")
    with guard(published) as server, caplog.at_level(logging.DEBUG), pytest.raises(InputError) as error:
        acquire(server, tmp_path)
    assert "401" in str(error.value)
    assert_no_marker(str(error.value), repr(error.value), caplog.text)


CHILD = """
import logging, sys
from pathlib import Path
from medpriv.sources import credentials
from medpriv.sources.acquire import acquire_raw
logging.basicConfig(level=logging.DEBUG)
credentials.ACCOUNTS["127.0.0.1"] = credentials.ACCOUNTS["physionet.org"]
work = Path(sys.argv[2])
settings = {"source": "remote", "base_url": sys.argv[1]}
acquire_raw("mimic3admissions", "table", settings, 1, work / "raw", work / "scratch")
"""


@pytest.mark.parametrize("kept_in", ["environment", "netrc"])
def test_another_process_downloads_and_the_process_list_shows_nothing(published, account, tmp_path, kept_in):
    netrc = tmp_path / "netrc"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PHYSIONET")}
    environment |= {"PYTHONPATH": str(ROOT), "NETRC": str(netrc)}
    secret = SECRET if kept_in == "environment" else "marker-password-netrc"  # requests reads netrc as it stands
    if kept_in == "environment":
        environment |= {"PHYSIONET_USER": USER, "PHYSIONET_PASSWORD": SECRET}
        netrc.write_text("")
    else:
        netrc.write_text(f"machine 127.0.0.1 login {USER} password {secret}\n")
    with guard(published) as server:
        if kept_in == "netrc":
            server.RequestHandlerClass = _accepting(f"{USER}:{secret}")
        child = subprocess.run(
            [sys.executable, "-c", CHILD, server.url, str(tmp_path / "work")],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert child.returncode == 0, child.stderr
    assert "urllib3" in child.stderr  # the log was as loud as it gets
    assert any(server.url in line for line in server.processes)  # the child's own line was looked at
    texts = (child.stdout, child.stderr, *server.processes)
    assert_no_marker(*texts)
    assert not any(secret in text for text in texts)
    assert_no_marker_in_files(tmp_path, netrc)
    assert (tmp_path / "work" / "raw" / "manifest.json").is_file()


def _accepting(user_and_password):
    """Return a handler that accepts this user and password alone."""
    expected = "Basic " + base64.b64encode(user_and_password.encode()).decode()

    class Handler(_GuardedHandler):
        def do_GET(self) -> None:
            self.server.processes |= command_lines()
            if self.headers.get("Authorization") == expected:
                loopback._Handler.do_GET(self)
            else:
                self._answer(401, b"")

    return Handler


def test_a_redirect_to_another_host_does_not_carry_the_password(published, password, tmp_path):
    with guard(published, guarded=False) as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        with guard(published, redirect=elsewhere) as server:
            acquire(server, tmp_path)
    assert {authorization for _, authorization in server.seen} == {f"Basic {ENCODED}"}
    assert other.seen and set(other.seen) == {("localhost", None)}


def test_a_mirror_at_another_host_is_not_told_the_password(published, password, tmp_path):
    with guard(published, guarded=False) as server:
        mirror = {"source": "remote", "base_url": server.url.replace("127.0.0.1", "localhost")}
        acquire_raw("mimic3admissions", "table", mirror, 1, tmp_path / "raw", tmp_path / "scratch")
    assert server.seen and set(server.seen) == {("localhost", None)}


def test_physionet_is_told_the_password_over_https_alone(monkeypatch):
    monkeypatch.setenv("PHYSIONET_USER", USER)
    monkeypatch.setenv("PHYSIONET_PASSWORD", SECRET)
    session = requests.Session()
    with pytest.raises(InputError, match="unencrypted") as error:
        sign_in(session, "http://physionet.org/files/mimiciii/1.4/")
    assert session.auth is None
    assert_no_marker(str(error.value))
    sign_in(session, "https://physionet.org/files/mimiciii/1.4/")
    assert session.auth == (USER.encode(), SECRET.encode()) and session.headers["User-Agent"].startswith("Wget/")
    for address in ("https://physionet.org.example.com/", "https://example.org/physionet.org/"):
        other = requests.Session()
        sign_in(other, address)
        assert other.auth is None and "Wget" not in other.headers["User-Agent"]


@pytest.mark.parametrize("address", ["http://physionet.org/files/", "http://mirror.example.org/files/"])
def test_a_password_in_netrc_is_not_sent_unencrypted_either(account, monkeypatch, tmp_path, address):
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {urlsplit(address).hostname} login {USER} password marker-password-netrc\n")
    sign_in(requests.Session(), address)  # netrc is empty: nothing would be sent
    monkeypatch.setenv("NETRC", str(netrc))
    with pytest.raises(InputError, match="unencrypted") as error:
        sign_in(requests.Session(), address)
    assert_no_marker(str(error.value))
    sign_in(requests.Session(), address.replace("http:", "https:"))


@pytest.mark.parametrize(("name", "value"), [("PHYSIONET_USER", USER), ("PHYSIONET_PASSWORD", SECRET)])
def test_half_a_login_is_refused_by_the_names_of_the_variables(account, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=f"{name} is set") as error:
        sign_in(requests.Session(), "https://physionet.org/")
    assert_no_marker(str(error.value))


def test_an_account_names_variables_and_holds_no_password():
    assert all(isinstance(account, Account) for account in credentials.ACCOUNTS.values())
    assert credentials.ACCOUNTS["physionet.org"].password == "PHYSIONET_PASSWORD"


@pytest.mark.parametrize("key", ["user", "password", "token"])
def test_the_config_has_no_place_for_a_password(key):
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        RawMimic3(source="remote", **{key: "anything"})
    assert set(RawMimic3.model_fields) == {"source", "path", "base_url", "simulated"}


def test_a_config_with_a_password_in_an_address_is_refused_without_repeating_it():
    raw = {"source": "remote", "base_url": f"https://{USER}:{SECRET}@physionet.org/files/mimiciii/1.4/"}
    with pytest.raises(InputError, match=r"datasets\.icu\.raw: user or password stands in `base_url`") as error:
        check_config({"datasets": {"icu": {"format": "mimic3", "raw": raw}}})
    assert_no_marker(str(error.value))
