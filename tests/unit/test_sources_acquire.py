"""Raw folders: whole or not there, checked by their manifest, the same bytes for the same seed."""

import json
import socket
from pathlib import Path

import pytest
from loopback import publisher

from medpriv.errors import InputError
from medpriv.files import sha256
from medpriv.simulate import heart as simulator
from medpriv.sources import heart
from medpriv.sources.acquire import acquire_raw
from medpriv.sources.manifest import verify_raw

SIMULATED = {"source": "simulated", "simulated": {"patients": {"cleveland": 30, "va": 20}}}
ALL = dict.fromkeys(heart.HOSPITALS, 10)


@pytest.fixture
def here(tmp_path):
    """Return a call that acquires `heart` into `tmp_path/results/raw/heart`."""

    def call(settings, seed=1):
        acquire_raw("heart", "heart", settings, seed, tmp_path / "results" / "raw" / "heart", tmp_path / "scratch")
        return tmp_path / "results" / "raw" / "heart"

    return call


@pytest.fixture
def theirs(tmp_path):
    """Return a folder as a user may have it: UCI's four files and something else."""
    folder = tmp_path / "theirs"
    simulator.simulate({"patients": ALL}, folder, 5)
    (folder / "Index").write_text("not asked for\n")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_simulated_files_have_a_manifest_that_verifies(here, tmp_path):
    folder = here(SIMULATED)
    manifest = verify_raw(folder)
    assert manifest["source"] == "simulated" and manifest["format"] == "heart"
    assert sorted(manifest["files"]) == ["processed.cleveland.data", "processed.va.data"]
    for name, entry in manifest["files"].items():
        assert entry == {"bytes": (folder / name).stat().st_size, "sha256": sha256(folder / name)}
    assert list((tmp_path / "scratch").iterdir()) == []


def test_same_seed_same_bytes_and_another_seed_others(here):
    first = contents(here(SIMULATED))
    assert contents(here(SIMULATED)) == first
    assert contents(here(SIMULATED, seed=2)) != first


def test_what_does_not_belong_is_removed(here):
    folder = here(SIMULATED)
    (folder / "stale.data").write_text("old")
    assert "stale.data" not in contents(here(SIMULATED))


def test_no_source_but_remote_opens_a_connection(here, theirs, monkeypatch):
    def refuse(*_):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    here(SIMULATED)
    here({"source": "local", "path": str(theirs)})


def test_a_local_folder_is_copied_and_its_path_not_recorded(here, theirs):
    folder = here({"source": "local", "path": str(theirs)})
    assert sorted(contents(folder)) == sorted(["manifest.json", *heart.remote_files()])
    assert str(theirs) not in (folder / "manifest.json").read_text()
    for name in heart.remote_files():
        assert (folder / name).read_bytes() == (theirs / name).read_bytes()


def test_a_local_file_that_is_missing_is_named_and_the_old_raw_folder_kept(here, theirs):
    before = contents(here(SIMULATED))
    (theirs / "processed.va.data").unlink()
    with pytest.raises(InputError, match=r"processed\.va\.data: the file is missing"):
        here({"source": "local", "path": str(theirs)})
    assert contents(theirs.parent / "results" / "raw" / "heart") == before


def test_a_local_folder_that_is_not_there_is_named(here):
    with pytest.raises(InputError, match="nowhere: no such folder"):
        here({"source": "local", "path": "nowhere"})


def test_a_link_that_leaves_its_folder_is_refused(here, theirs, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("private")
    (theirs / "processed.va.data").unlink()
    (theirs / "processed.va.data").symlink_to(secret)
    with pytest.raises(InputError, match="a link that leaves its folder"):
        here({"source": "local", "path": str(theirs)})


def test_a_link_within_its_folder_is_followed(here, theirs):
    (theirs / "processed.va.data").rename(theirs / "va")
    (theirs / "processed.va.data").symlink_to("va")
    folder = here({"source": "local", "path": str(theirs)})
    assert not (folder / "processed.va.data").is_symlink()


def test_a_mirror_gives_what_the_local_folder_gives(here, theirs, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(heart, "_SHA256", {h: sha256(theirs / heart.file_name(h)) for h in heart.HOSPITALS})
    local = contents(here({"source": "local", "path": str(theirs)}))
    with publisher(theirs) as server:
        remote = contents(here({"source": "remote", "base_url": server.url}))
    assert json.loads(remote.pop("manifest.json")) == json.loads(local.pop("manifest.json")) | {"source": "remote"}
    assert remote == local


def test_files_already_downloaded_outlive_a_failed_run(here, theirs, monkeypatch, tmp_path):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(heart, "_SHA256", {h: sha256(theirs / heart.file_name(h)) for h in heart.HOSPITALS})
    with publisher(theirs) as server:
        server.faults["processed.va.data"] = [404]
        with pytest.raises(InputError, match="404"):
            here({"source": "remote", "base_url": server.url})
        assert not (tmp_path / "results" / "raw" / "heart").exists()
        stale = tmp_path / "scratch" / "heart-remote" / "files" / "tmp1234"
        stale.write_text("what a killed run left")
        verify_raw(folder := here({"source": "remote", "base_url": server.url}))
        assert len(server.requests["processed.cleveland.data"]) == 1
        assert "tmp1234" not in contents(folder)


def test_a_run_killed_while_moving_in_leaves_no_manifest(here, monkeypatch):
    folder = here(SIMULATED)

    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", die)
    with pytest.raises(KeyboardInterrupt):
        here(SIMULATED)
    monkeypatch.undo()
    assert not (folder / "manifest.json").exists()
    verify_raw(here(SIMULATED))


def test_a_copy_that_fails_leaves_nothing_behind(here, theirs, tmp_path, monkeypatch):
    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr("medpriv.sources.acquire.sha256", full)
    for settings in ({"source": "local", "path": str(theirs)}, SIMULATED):
        with pytest.raises(OSError, match="no space left"):
            here(settings)
        assert list((tmp_path / "scratch").iterdir()) == [] and not (tmp_path / "results").exists()
