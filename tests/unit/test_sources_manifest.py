"""A raw folder is used only if every file is what its manifest says."""

from pathlib import Path

import pytest

from medpriv.errors import InputError, as_given
from medpriv.files import sha256, write_json
from medpriv.sources.manifest import verify_raw

RAW = Path("results/raw/own")


@pytest.fixture
def folder(tmp_path):
    """Make a raw folder with one file in a subfolder."""
    file = tmp_path / "sub" / "a.dat"
    file.parent.mkdir()
    file.write_bytes(b"1234567890abcdef")
    entry = {"bytes": 16, "sha256": sha256(file)}
    write_json(tmp_path / "manifest.json", {"source": "local", "licence": "none", "files": {"sub/a.dat": entry}})
    return tmp_path


def test_a_whole_folder_gives_its_manifest(folder):
    assert verify_raw(folder)["source"] == "local"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:-10]), "truncated: "),
        (lambda file: file.write_bytes(file.read_bytes() + b"\n"), "too long: "),
        (lambda file: file.write_bytes(file.read_bytes().replace(b"1", b"2", 1)), "altered: "),
        (lambda file: file.unlink(), "the file is missing"),
    ],
)
def test_a_raw_file_that_changed_is_named(folder, change, message):
    file = folder / "sub" / "a.dat"
    change(file)
    with pytest.raises(InputError, match=message + r".*Remedy: delete") as error:
        verify_raw(folder)
    assert error.value.file == str(file)


def test_a_folder_without_manifest_is_not_complete(folder):
    (folder / "manifest.json").unlink()
    with pytest.raises(InputError, match="there is no manifest"):
        verify_raw(folder)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"files": 3}', '{"source": 1, "licence": "", "files": {}}', "\xe9"]
)
def test_a_damaged_manifest_is_named(folder, text):
    (folder / "manifest.json").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=r"manifest\.json: damaged.*Remedy: delete"):
        verify_raw(folder)


@pytest.mark.parametrize(
    ("given", "file", "named"),
    [
        ("/data/x.csv", "results/raw/own/x.csv", "/data/x.csv (copied to results/raw/own/x.csv)"),
        ("../mimic", "results/raw/own/a/b.csv", "../mimic/a/b.csv (copied to results/raw/own/a/b.csv)"),
        ("../mimic", "results/raw/own", "../mimic (copied to results/raw/own)"),
        ("../mimic", "config", "config"),
    ],
)
def test_a_fault_of_a_copy_names_the_users_own_file(given, file, named):
    error = as_given(InputError("no number", file=file, place="row 3, column age", remedy="r"), RAW, given)
    assert str(error) == f"{named}, row 3, column age: no number. Remedy: r"
