"""Certificates and keys, the SuperLink's gate, child processes, and the server's job file."""

import asyncio
import os
import socket
import ssl
import stat
import sys
import threading
import time

import pytest

pytest.importorskip("flwr", reason="Flower is not installed")

from medpriv.errors import InputError
from medpriv.flower.__main__ import main
from medpriv.flower.certificates import (
    make_authority,
    make_hospital_key,
    make_secret,
    make_server_certificate,
    read_public_key,
)
from medpriv.flower.job import Job, read_job
from medpriv.flower.launch import Gate, is_local
from medpriv.flower.processes import Child, Children, DeploymentError, free_port


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """A folder with an authority and a server's certificate."""
    folder = tmp_path_factory.mktemp("tls")
    make_authority(folder)
    make_server_certificate(folder, ["server.example", "192.0.2.7"])
    return folder


def shake_hands(tls, authority, name) -> str:
    """Connect by TLS to a server with the certificate of `tls`, trusting an authority; return the peer's subject."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls / "server.pem", tls / "server.key")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            with listener.accept()[0] as connection:
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    return  # refused by the other side

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            trusting = ssl.create_default_context(cafile=authority)
            plain = socket.create_connection(listener.getsockname())
            with plain, trusting.wrap_socket(plain, server_hostname=name) as connection:
                return connection.getpeercert()["subject"][0][0][1]
        finally:
            thread.join()


@pytest.mark.parametrize("name", ["server.example", "192.0.2.7", "localhost", "127.0.0.1"])
def test_the_authority_vouches_for_the_servers_names(tls, name):
    assert shake_hands(tls, tls / "authority.pem", name) == "server.example"


def test_another_authority_or_another_name_is_refused(tls, tmp_path):
    make_authority(tmp_path)
    for authority, name in ((tmp_path, "server.example"), (tls, "other.example")):
        with pytest.raises(ssl.SSLCertVerificationError):
            shake_hands(tls, authority / "authority.pem", name)


def test_private_halves_are_for_their_owner_and_never_overwritten(tls, tmp_path):
    key = make_hospital_key(tmp_path, "north")
    secret = make_secret(tmp_path / "secret")
    for path in (tls / "authority.key", tls / "server.key", key, secret):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = key.read_bytes()
    with pytest.raises(InputError, match="exists already"):
        make_hospital_key(tmp_path, "north")
    assert key.read_bytes() == before


@pytest.mark.parametrize(
    ("make", "elsewhere", "left"),
    [
        (make_authority, "authority.key", "authority.pem"),
        (lambda folder: make_server_certificate(folder, ["server.example"]), "server.key", "server.pem"),
        (lambda folder: make_hospital_key(folder, "north"), "north.key", "north.pub"),
    ],
)
def test_no_private_half_is_written_beside_a_public_one_of_another_key(make, elsewhere, left, tmp_path):
    make_authority(tmp_path)
    if make is not make_authority:
        make(tmp_path)
    (tmp_path / elsewhere).rename(tmp_path / "off-line")
    with pytest.raises(InputError, match=rf"{left}: exists already"):
        make(tmp_path)
    assert not (tmp_path / elsewhere).exists()


def test_a_private_key_is_not_taken_for_a_public_one(tmp_path):
    key = make_hospital_key(tmp_path, "north")
    assert read_public_key(key.with_suffix(".pub")).startswith(b"-----BEGIN PUBLIC KEY-----")
    with pytest.raises(InputError, match="not a hospital's public key"):
        read_public_key(key)
    with pytest.raises(InputError, match="No such file"):
        read_public_key(tmp_path / "south.pub")


def through_gate(path: str, client) -> int:
    """Return the status of a request by a peer; what is behind the gate answers 200."""
    answers = []

    async def behind(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(event):
        answers.append(event)

    asyncio.run(Gate(behind)({"type": "http", "path": path, "client": client}, None, send))
    return answers[0]["status"]


@pytest.mark.parametrize("path", ["/v1/control/start-run", "/v1/control/register-node", "/v1/runtime/acquire-task"])
def test_only_this_machine_reaches_control_and_runtime(path):
    for client in (("192.0.2.9", 5), ("2001:db8::1", 5), None, ("unknown", 5)):
        assert through_gate(path, client) == 403
    for client in (("127.0.0.1", 5), ("::1", 5)):
        assert through_gate(path, client) == 200


@pytest.mark.parametrize("path", ["/docs", "/", "/v1/fleet/../control/start-run", "/V1/fleet/x", "/health"])
def test_other_paths_are_shut_too(path):
    assert through_gate(path, ("192.0.2.9", 5)) == 403


@pytest.mark.parametrize("path", ["/v1/fleet/pull-messages", "/v1/fleet/activate-node"])
def test_hospitals_reach_the_fleet_interface(path):
    assert through_gate(path, ("192.0.2.9", 5)) == 200


def test_flowers_own_interfaces_are_where_the_gate_expects_them():
    from flwr.superlink.routers.control import router as control
    from flwr.superlink.routers.fleet.router import router as fleet

    assert (control.prefix, fleet.prefix) == ("/v1/control", "/v1/fleet")
    assert is_local(("127.0.0.9", 1)) and not is_local(("10.0.0.1", 1))


def script(folder, text: str) -> None:
    """Write a module `played` that a child can run."""
    (folder / "played.py").write_text(text)


@pytest.fixture
def played(tmp_path, monkeypatch):
    """Return a call that starts a child process with a program of its own."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def start(children: Children, text: str) -> Child:
        script(tmp_path, text)
        return children.start("player", "played", [], tmp_path / "home")

    return start


def test_a_process_that_ends_is_reported_with_the_end_of_its_log(played):
    with Children() as children, pytest.raises(DeploymentError, match=r"exit code 3.\nThe end of .*\n.*the reason"):
        child = played(children, "import sys; print('the reason', flush=True); sys.exit(3)")
        child.wait_until(lambda: False, 20, "come up")


def test_a_process_that_takes_too_long_is_reported(played):
    with Children() as children, pytest.raises(DeploymentError, match=r"took longer than 0.3 s to come up"):
        played(children, "import time; time.sleep(60)").wait_until(lambda: False, 0.3, "come up")


def test_nothing_is_left_of_processes_not_even_of_their_own_children(played, tmp_path):
    text = f"""
import pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path({str(tmp_path / "pid")!r}).write_text(str(child.pid))
time.sleep(60)
"""
    with Children() as children:
        child = played(children, text)
        child.wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), 20, "start its child")
    grandchild = int((tmp_path / "pid").read_text())
    assert child.process.returncode is not None
    deadline = time.monotonic() + 5
    while is_running(grandchild) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(grandchild)


def is_running(pid: int) -> bool:
    """Return whether a process runs (one that has ended and waits for its parent to notice does not)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat_file = f"/proc/{pid}/stat"
    return not (sys.platform == "linux" and open(stat_file).read().rpartition(")")[2].split()[0] == "Z")  # noqa: PTH123


def test_a_childs_environment_has_no_telemetry_and_its_own_folder(played, tmp_path, monkeypatch):
    monkeypatch.setenv("FLWR_OIDC_ENABLED", "1")
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")  # with it anybody could say to be on this machine
    told = "import os; print({k: v for k, v in os.environ.items() if 'FLWR' in k or 'IPS' in k}, flush=True)"
    with Children() as children:
        child = played(children, told)
        child.process.wait(20)
        said = child.log.read_text()
    assert "'FLWR_TELEMETRY_ENABLED': '0'" in said and "OIDC" not in said
    assert f"'FLWR_HOME': '{tmp_path / 'home' / 'flower'}'" in said
    assert "'FORWARDED_ALLOW_IPS': '127.0.0.1'" in said


def test_free_ports_are_free():
    with socket.socket() as held:
        held.bind(("127.0.0.1", free_port()))


def test_a_job_is_read_with_its_paths_beside_it(tmp_path):
    (tmp_path / "job.yaml").write_text(
        "dataset: heart\nhospitals: {north: keys/north.pub, south: keys/south.pub}\n"
        "federated: {strategy: {scaffold: {server_rate: 0.5}}, rounds: 3}\n"
    )
    job = read_job(tmp_path / "job.yaml")
    assert job.hospitals["north"] == str(tmp_path / "keys" / "north.pub")
    assert job.certificates == str(tmp_path / "certificates")
    assert job.federated.strategy.scaffold.server_rate == 0.5 and job.seed is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("dataset: heart", "hospitals"),
        ("dataset: heart\nhospitals: {a: a.pub, b: b.pub}", "one of `federated` and `split`"),
        ("dataset: heart\nhospitals: {a: a.pub, b: b.pub}\nsplit: {}\nfederated: {}", "one of `federated` and `split`"),
        ("dataset: heart\nhospitals: {a: a.pub, b: b.pub}\nfederated: {strategy: {local: {}}}", "name one strategy"),
        ("dataset: heart\nhospitals: {a: a.pub, b: b.pub}\nsplit: {}\npasword: x", "pasword"),
        ("dataset: heart\nhospitals: {a: a.pub, b: b.pub}\nsplit: {}\nhost: 192.0.2.7", "host"),
        ("dataset: heart\nhospitals: {a: a.pub, b: b.pub}\nsplit: {}\nleast_hospitals: 3", "3 of 2 hospitals"),
        ("dataset: heart\nhospitals: {a: a.pub, b: b.pub}\nsplit: {variant: noise}", "noise has the settings"),
        (
            "dataset: heart\nhospitals: {a: a.pub, b: b.pub}\nfederated: {strategy: {secure: {threshold: 3}}}",
            "threshold of 3 for 2 clients",
        ),
        ("dataset: heart\nhospitals: {a: a.pub, b: b.pub}\nsplit: {}\nrecipe: {hiden: [3]}", "hiden"),
        ("dataset: [", "line 1: .*the \\[ in column 10 is not closed"),
        ("", "an empty file, where keys are expected"),
        ("dataset: 3\nhospitals: {a: a.pub}\nport: x", "(?s)3 faults.*dataset: .*hospitals: .*port: "),
    ],
)
def test_a_job_that_can_not_be_run_is_refused_before_anything_starts(text, problem, tmp_path):
    (tmp_path / "job.yaml").write_text(text)
    with pytest.raises(InputError, match=problem):
        read_job(tmp_path / "job.yaml")


def test_defaults_of_a_job_keep_batches_secret_and_layers_at_the_hospitals():
    job = Job(dataset="heart", hospitals={"a": "a.pub", "b": "b.pub"}, split={})
    assert job.seed is None and not job.split.reveal and job.split.variant == "ushaped"
    assert (job.model, job.recipe) == ("mlp", {"hidden": [64, 32]})


def test_commands_make_the_files_and_say_what_goes_where(tmp_path, capsys):
    main(["authority", str(tmp_path)])
    main(["certificate", str(tmp_path), "server.example"])
    main(["key", str(tmp_path), "north"])
    said = capsys.readouterr().out
    assert "keep authority.key to yourself" in said and "give that to the server" in said
    private = [(tmp_path / name).read_text() for name in ("authority.key", "server.key", "north.key")]
    assert not any(line in said for text in private for line in text.splitlines()[1:-1])
    with pytest.raises(SystemExit, match="exists already"):
        main(["key", str(tmp_path), "north"])


def test_a_hospital_without_data_or_key_is_told_so(tmp_path):
    told = ["--server", "localhost:1", "--authority", str(tmp_path / "a.pem"), "--key", str(tmp_path / "a.key")]
    with pytest.raises(SystemExit, match="no preprocessed dataset"):
        main(["hospital", str(tmp_path), *told])
