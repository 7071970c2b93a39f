"""Downloads over a loopback server: what arrives is right, what is wrong is refused, what is cut resumes."""

import hashlib
import logging
from pathlib import Path

import numpy as np
import pytest
from loopback import publisher

from medpriv.errors import InputError
from medpriv.files import sha256
from medpriv.sources import download as module
from medpriv.sources.download import download, published_checksums

MITDB = Path(__file__).parents[3] / "shared" / "data" / "physionet" / "mitdb" / "1.0.0"
HEART = Path(__file__).parents[3] / "shared" / "data" / "uci" / "heart-disease"
SIZE = 200_000


@pytest.fixture(autouse=True)
def _no_proxy_for_loopback(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server(tmp_path):
    """Serve `a.dat` and `sub/b.dat`."""
    root = tmp_path / "published"
    (root / "sub").mkdir(parents=True)
    rng = np.random.default_rng(1)
    (root / "a.dat").write_bytes(rng.bytes(SIZE))
    (root / "sub" / "b.dat").write_bytes(rng.bytes(1000))
    with publisher(root) as running:
        yield running


@pytest.fixture
def bring(server, tmp_path):
    """Return a call that downloads the files named (all, if none is) without long pauses."""

    def call(*names, attempts=3, base_url=None, **wrong):
        names = names or ("a.dat", "sub/b.dat")
        files = {name: wrong.get("digest") or sha256(server.folder / name) for name in names}
        download(
            files, base_url or server.url, tmp_path / "in", tmp_path / "parts", attempts=attempts, first_wait_s=0.001
        )

    return call


def same(server, tmp_path, name):
    return (tmp_path / "in" / name).read_bytes() == (server.folder / name).read_bytes()


def test_files_arrive_in_the_publishers_layout(server, bring, tmp_path):
    bring()
    assert same(server, tmp_path, "a.dat") and same(server, tmp_path, "sub/b.dat")


def test_a_publishers_md5_is_checked_where_it_states_no_other(server, bring, tmp_path):
    right = hashlib.md5((server.folder / "a.dat").read_bytes()).hexdigest()
    bring("a.dat", digest=f"md5:{right}")
    assert same(server, tmp_path, "a.dat")
    (tmp_path / "in" / "a.dat").unlink()
    with pytest.raises(InputError, match=f"wrong MD5: it is {right}, not {'0' * 32}"):
        bring("a.dat", digest="md5:" + "0" * 32)
    assert not (tmp_path / "in" / "a.dat").exists()


def test_files_already_there_are_not_asked_for_again(server, bring):
    bring()
    bring()
    assert len(server.requests["a.dat"]) == 1


def test_a_file_altered_on_disk_is_brought_again(server, bring, tmp_path):
    bring()
    (tmp_path / "in" / "a.dat").write_bytes(b"something else")
    bring()
    assert same(server, tmp_path, "a.dat")


def test_a_missing_file_is_refused_at_once_with_its_address(server, bring, tmp_path):
    server.faults["a.dat"] = [404]
    with pytest.raises(InputError, match=r"no such file \(404\).*raw.base_url") as error:
        bring("a.dat")
    assert error.value.file == server.url + "a.dat"
    assert len(server.requests["a.dat"]) == 1


def test_a_wrong_checksum_is_refused_and_the_file_not_kept(bring, tmp_path):
    with pytest.raises(InputError, match=r"wrong SHA-256: it is [0-9a-f]{64}, not 0{64}"):
        bring("a.dat", digest="0" * 64)
    assert [path for folder in ("in", "parts") for path in (tmp_path / folder).rglob("*.*")] == []


def test_a_truncated_file_is_refused_and_not_kept(server, bring, tmp_path):
    server.faults["a.dat"] = ["truncated"]
    with pytest.raises(InputError, match="truncated version"):
        bring("a.dat")
    assert not (tmp_path / "in" / "a.dat").exists()


def test_a_cut_connection_is_resumed_by_range(server, bring, tmp_path):
    server.faults["a.dat"] = ["cut"]
    bring("a.dat")
    first, second = server.requests["a.dat"]
    assert first is None
    held = int(second.removeprefix("bytes=").removesuffix("-"))
    assert SIZE // 2 - module.PIECE < held <= SIZE // 2
    assert same(server, tmp_path, "a.dat")


def test_when_attempts_are_used_up_the_next_run_resumes(server, bring, tmp_path):
    server.faults["a.dat"] = ["cut", "cut"]
    with pytest.raises(InputError, match=r"connection failed.*2 attempts.*resumes"):
        bring("a.dat", attempts=2)
    held = (tmp_path / "parts" / "a.dat.part").stat().st_size
    assert held > SIZE // 2
    bring("a.dat")
    assert server.requests["a.dat"][-1] == f"bytes={held}-"
    assert same(server, tmp_path, "a.dat")
    assert not (tmp_path / "parts" / "a.dat.part").exists()


def test_a_server_without_range_support_is_read_from_the_start(server, bring, tmp_path):
    server.faults["a.dat"] = ["cut", "whole"]
    bring("a.dat")
    assert server.requests["a.dat"][1] is not None
    assert same(server, tmp_path, "a.dat")


def test_a_part_that_was_complete_needs_no_more_bytes(server, bring, tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.dat.part").write_bytes((server.folder / "a.dat").read_bytes())
    bring("a.dat")
    assert same(server, tmp_path, "a.dat")
    assert server.requests["a.dat"] == [f"bytes={SIZE}-"]


@pytest.mark.parametrize("size", [1000, SIZE + 1])
def test_a_part_of_another_version_is_started_over(server, bring, tmp_path, size):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.dat.part").write_bytes(b"x" * size)
    bring("a.dat")
    assert same(server, tmp_path, "a.dat")


def test_a_busy_server_is_tried_again_with_growing_pauses(server, bring, tmp_path, monkeypatch):
    pauses = []
    monkeypatch.setattr(module.time, "sleep", pauses.append)
    server.faults["a.dat"] = [503, 500, 429]
    bring("a.dat", attempts=4)
    assert pauses == [0.001, 0.002, 0.004]
    assert same(server, tmp_path, "a.dat")


def test_a_server_that_is_not_there_is_one_clear_error(bring):
    with pytest.raises(InputError, match=r"connection failed.*3 attempts.*Remedy: check the network"):
        bring("a.dat", base_url="http://127.0.0.1:9/")


def test_credentials_come_from_netrc_and_reach_no_log(server, bring, tmp_path, monkeypatch, caplog):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password verysecret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.faults["a.dat"] = ["cut", 401]
    with caplog.at_level(logging.DEBUG), pytest.raises(InputError, match="refuses access") as error:
        bring("a.dat")
    assert all(header.startswith("Basic ") for header in server.authorizations)
    for text in (caplog.text, str(error.value)):
        assert "verysecret" not in text and "somebody" not in text and "Basic" not in text


def test_credentials_in_the_address_are_refused_without_repeating_them(bring):
    with pytest.raises(InputError, match="netrc") as error:
        bring(base_url="https://somebody:verysecret@example.org/")
    assert "verysecret" not in str(error.value)


@pytest.mark.parametrize("address", ["ftp://example.org/", "example.org/files", "file:///etc"])
def test_an_address_that_is_not_http_is_refused(bring, address):
    with pytest.raises(InputError, match="not an http or https address"):
        bring(base_url=address)


def test_each_file_is_logged_where_there_is_no_terminal(bring, caplog):
    with caplog.at_level(logging.INFO, logger="medpriv"):
        bring()
    assert f"a.dat: {SIZE} bytes" in caplog.text


def publish(server, text):
    (server.folder / "SHA256SUMS.txt").write_text(text)


def listed(server, tmp_path):
    return published_checksums(server.url, "SHA256SUMS.txt", tmp_path / "parts" / "list", first_wait_s=0.001)


def test_a_publishers_list_gives_checksums_by_path_in_every_form_of_sha256sum(server, tmp_path):
    one, two, three = "a" * 64, "B" * 64, "0" * 64
    publish(server, f"{one} a.dat\n{two}  sub/b.dat\n{three} *./sub/c d.dat\n\n")
    assert listed(server, tmp_path) == {"a.dat": one, "sub/b.dat": two.lower(), "sub/c d.dat": three}


def test_a_publishers_list_is_brought_afresh_every_time(server, tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "list").write_text("what a killed run left")
    for digest in ("a" * 64, "b" * 64):
        publish(server, f"{digest} a.dat\n")
        assert listed(server, tmp_path) == {"a.dat": digest}
    assert list((tmp_path / "parts").iterdir()) == []


@pytest.mark.parametrize("line", ["no checksum", "a" * 63 + " a.dat", "a" * 64, "a" * 64 + " ../b", "a" * 64 + " /b"])
def test_a_line_that_is_no_checksum_of_a_file_within_is_refused(server, tmp_path, line):
    publish(server, "a" * 64 + f" a.dat\n{line}\n")
    with pytest.raises(InputError, match=r"SHA256SUMS\.txt, line 2: not a SHA-256 and a file of this folder"):
        listed(server, tmp_path)


def test_a_publishers_list_that_is_cut_off_is_refused_and_one_that_is_not_there_named(server, tmp_path):
    publish(server, "a" * 64 + " a.dat\n")
    server.faults["SHA256SUMS.txt"] = ["truncated", 404]
    with pytest.raises(InputError, match=r"line 1: not a SHA-256"):
        listed(server, tmp_path)
    with pytest.raises(InputError, match=r"SHA256SUMS\.txt: the server has no such file"):
        listed(server, tmp_path)


@pytest.mark.skipif(not MITDB.is_dir(), reason="needs ../shared/data (open MIT-BIH records)")
def test_real_records_resume_and_match_the_publishers_checksums(tmp_path, monkeypatch):
    published = dict(reversed(line.split()) for line in (MITDB / "SHA256SUMS.txt").read_text().splitlines())
    files = {name: published[name] for name in ("100.hea", "100.dat", "100.atr", "201.dat")}
    with publisher(MITDB) as server:
        server.faults["100.dat"] = ["cut", 503]
        server.faults["201.dat"] = ["cut", "whole"]
        download(files, server.url, tmp_path / "in", tmp_path / "parts", first_wait_s=0.001)
        assert server.requests["100.dat"][1].startswith("bytes=")
    assert {name: sha256(tmp_path / "in" / name) for name in files} == files


@pytest.mark.skipif(not HEART.is_dir(), reason="needs ../shared/data (UCI heart disease)")
def test_real_hospital_files_match_the_checksums_shipped(tmp_path):
    from medpriv.sources.heart import remote_files

    with publisher(HEART) as server:
        download(remote_files(), server.url, tmp_path / "in", tmp_path / "parts")
