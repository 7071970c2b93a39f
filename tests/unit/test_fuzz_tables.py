"""Damaged tables, manifests and configs: read rightly or refused in one message, never anything else.

`MEDPRIV_FUZZ_CASES=250 python -m pytest tests/unit/test_fuzz_tables.py` tries so many cases of every kind.
"""

import csv
import gzip
import io
import shutil
import tarfile
import warnings
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from mutations import append, cases, contents, cut, damaged_copy, drop_line, encode, flip_bytes, outcome, replace_number
from mutations import replace_word as other_word

from medpriv.config.check import check_config
from medpriv.dataset import Dataset
from medpriv.errors import InputError
from medpriv.seeds import generator
from medpriv.simulate import cinc2012, eicu, heart, mimic3, mimic3admissions
from medpriv.sources.acquire import acquire_raw
from medpriv.sources.manifest import verify_raw
from medpriv.workflow.overlay import read_config

ROOT = Path(__file__).parents[2]
OWN = {"label": "died", "patient": "pid", "site": "ward", "groups": ["sex"], "categorical": ["sex"], "ignore": []}


def write_own_table(folder):
    rng = np.random.default_rng(1)
    folder.mkdir()
    rows = [
        f"P{row // 2:03d},{'AB'[row // 2 % 2]},{'FM'[row // 4 % 2]},{rng.integers(20, 90)},{rng.normal():.3f},{row % 2}"
        for row in range(60)
    ]
    (folder / "own.csv").write_text("\n".join(["pid,ward,sex,age,lactate,died", *rows]) + "\n")


def unpacked(simulate, settings, folder):
    """Write simulated files without gzip or tar, so that their text can be damaged."""
    folder.mkdir()
    simulate(settings, folder, 7)
    for path in list(folder.iterdir()):
        if path.name.endswith(".tar.gz"):
            with tarfile.open(path) as tar:
                tar.extractall(folder, filter="data")
        elif path.suffix == ".gz":
            path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        if path.suffix == ".gz":
            path.unlink()


def packed(simulate, settings, folder):
    folder.mkdir()
    simulate(settings, folder, 7)


SPLIT = {"test_fraction": 0.3}
HEART = {"patients": {"cleveland": 30, "hungarian": 30, "switzerland": 40, "va": 60}}
# Format, how its files are written, its settings, how many cases are quick.
KINDS = {
    "own table": ("table", write_own_table, OWN | SPLIT, 20),
    "heart": ("heart", partial(packed, heart.simulate, HEART), SPLIT | {"protocol": "medpriv"}, 20),
    "heart flamby": ("heart", partial(packed, heart.simulate, HEART), SPLIT | {"protocol": "flamby"}, 8),
    "admissions": (
        "mimic3admissions",
        partial(packed, mimic3admissions.simulate, {"patients": 60}),
        SPLIT | {"columns": "all"},
        10,
    ),
    "mimic3": ("mimic3", partial(packed, mimic3.simulate, {"patients": 60}), SPLIT, 3),
    "eicu": ("eicu", partial(unpacked, eicu.simulate, {"stays": 150, "hospitals": 2}), SPLIT, 6),
    "eicu packed": ("eicu", partial(packed, eicu.simulate, {"stays": 150, "hospitals": 2}), SPLIT, 3),
    "cinc2012": ("cinc2012", partial(unpacked, cinc2012.simulate, {"stays": 100}), SPLIT | {"sets": ["a"]}, 6),
    "cinc2012 packed": ("cinc2012", partial(packed, cinc2012.simulate, {"stays": 100}), SPLIT | {"sets": ["a"]}, 4),
}
# Tables in which each row stands for somebody or something that is there once.
ONCE = ("PATIENTS", "ADMISSIONS", "ICUSTAYS", "patient.csv", "hospital", "apache", "vitalAperiodic", "Outcomes-a")
# What Python, NumPy or DuckDB would take for a number; the last is a gap in a table of one's own.
NO_NUMBERS = ("1_0", "inf", "-Infinity", "0x10", "\uff11\uff12", "1e999", "nan")


@pytest.fixture(scope="module", params=KINDS)
def sound(request, tmp_path_factory):
    """Return a kind, a folder of its sound files and the dataset that is made of them."""
    folder = tmp_path_factory.mktemp("sound")
    KINDS[request.param][1](folder / "files")
    return request.param, folder / "files", read(request.param, folder / "files", folder / "work")


def read(kind, source, work):
    """Bring files in, parse them and save the dataset, as the workflow's two jobs do."""
    form, _, settings, _ = KINDS[kind]
    path = source / "own.csv" if form == "table" else source
    acquire_raw(form, form, {"source": "local", "path": str(path)}, 1, work / "raw", work / "scratch")
    dataset = import_module(f"medpriv.sources.{form}").parse(form, work / "raw", settings, 1)
    dataset.save(work / "dataset")
    return dataset


def read_damaged(kind, damaged, work, done):
    """Return a dataset or an error; nothing is half-written, the user's files are as they were."""
    before = contents(damaged)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # arithmetic on what is no number
            found = outcome(partial(read, kind, damaged, work))
    except BaseException as error:
        error.add_note(f"{kind}: {done}")
        raise
    assert contents(damaged) == before, f"{done} changed the user's files"
    if isinstance(found, InputError):
        assert not (work / "dataset").exists(), f"{done} left half a dataset"
        assert not list(work.rglob("*.partial")), f"{done} left half a file"
    shutil.rmtree(damaged)
    shutil.rmtree(work, ignore_errors=True)
    return found


def same(one: Dataset, other: Dataset) -> bool:
    arrays = all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("x", "y", "patient", "site"))
    return arrays and (one.patients, one.sites, one.groups) == (other.patients, other.sites, other.groups)


def test_damaged_tables_are_read_rightly_or_refused_in_one_message(sound, tmp_path):
    kind, folder, whole = sound
    files, refused = sorted(contents(folder)), 0
    for case in range(cases(KINDS[kind][-1])):
        rng = generator(0, "fuzz", kind, case)
        done, harmless = damaged_copy(folder, tmp_path / "damaged", rng, files)
        found = read_damaged(kind, tmp_path / "damaged", tmp_path / "work", f"case {case}: {done}")
        if isinstance(found, InputError):
            refused += 1
            assert not harmless, f"case {case}: {done}: a sound file is refused: {found}"
            continue
        name = done.rpartition(" in ")[2]
        if harmless or (done.startswith("double_line") and name.startswith(ONCE)):
            assert same(found, whole), f"case {case}: {done} changed the meaning in silence"
        assert not done.startswith(encode.__name__), f"case {case}: {done} was read in silence"
    assert refused > 0


@pytest.mark.parametrize("sound", [kind for kind in KINDS if "packed" not in kind], indirect=True)
def test_a_cell_that_is_no_number_is_not_read_as_one(sound, tmp_path):
    kind, folder, whole = sound
    for case in range(cases(KINDS[kind][-1])):
        rng = generator(0, "no number", kind, case)
        name = str(rng.choice(sorted(contents(folder))))
        shutil.copytree(folder, tmp_path / "damaged")
        rows = list(csv.reader(io.StringIO((folder / name).read_text())))
        numbers = [
            (row, place)
            for row in range(0 if kind.startswith("heart") else 1, len(rows))
            for place, cell in enumerate(rows[row])
            if cell and cell.replace(".", "", 1).lstrip("-").isdigit()
        ]
        row, place = numbers[int(rng.integers(len(numbers)))]
        rows[row][place] = str(rng.choice(NO_NUMBERS[:-1] if kind == "own table" else NO_NUMBERS))
        with (tmp_path / "damaged" / name).open("w", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows(rows)
        done = f"case {case}: {rows[row][place]} in {name}, row {row}, column {place}"
        found = read_damaged(kind, tmp_path / "damaged", tmp_path / "work", done)
        assert isinstance(found, InputError) or same(found, whole), f"{done} was read in silence"


def test_a_damaged_manifest_is_refused(tmp_path):
    write_own_table(tmp_path / "files")
    read("own table", tmp_path / "files", tmp_path / "work")
    manifest = tmp_path / "work" / "raw" / "manifest.json"
    content = manifest.read_bytes()
    for case in range(cases(40)):
        rng = generator(0, "manifest", case)
        change = (flip_bytes, cut, append, encode, replace_number, other_word)[case % 6]
        manifest.write_bytes(change(content, rng))
        found = outcome(partial(verify_raw, tmp_path / "work" / "raw"))
        assert isinstance(found, InputError | dict), f"case {case}: {change.__name__}"


def insert_bracket(content: bytes, rng: np.random.Generator) -> bytes:
    """Put a bracket or a quote somewhere."""
    place = int(rng.integers(0, len(content)))
    return content[:place] + rng.choice([b"[", b"]", b"{", b"}", b"'", b'"']) + content[place:]


def test_a_damaged_config_is_checked_or_refused(tmp_path):
    text, file = (ROOT / "config.yaml").read_bytes(), tmp_path / "config.yaml"
    for case in range(cases(25)):
        rng = generator(0, "config", case)
        change = (replace_number, other_word, insert_bracket, flip_bytes, drop_line, cut)[case % 6]
        file.write_bytes(change(change(text, rng) or text, rng))
        found = outcome(lambda: check_config(read_config(file)))
        assert isinstance(found, InputError | dict), f"case {case}: {change.__name__}"
