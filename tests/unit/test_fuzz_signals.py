"""Damaged records, lists and tables of the ECG formats: read rightly or refused in one sentence, never anything else.

`MEDPRIV_FUZZ_CASES=250 python -m pytest tests/unit/test_fuzz_signals.py` tries 1,000 cases in all.
"""

import shutil
import warnings
from functools import partial
from importlib import import_module

import numpy as np
import pytest
from made_up_records import PLAIN, annotate, beats, note, skip, wave, write_record
from mutations import cases, contents, damaged_copy, outcome

from medpriv.config.mitdb import PreprocessMitdb
from medpriv.config.ptbxl import PreprocessPtbxl
from medpriv.dataset import Dataset
from medpriv.errors import InputError
from medpriv.seeds import generator
from medpriv.simulate import cinc2017, mitdb, ptbxl
from medpriv.sources.acquire import acquire_raw
from medpriv.sources.mitdb import parse

CODES = {"N": 1, "V": 5}


def simulate_mitdb(folder):
    mitdb.simulate({"records": 5, "minutes": 0.5}, folder, 7)
    names = (folder / "RECORDS").read_text().split()
    (folder / "patients.csv").write_text("record,patient\n" + "".join(f"{name},P{name}\n" for name in names))


def write_odd_records(folder):
    """Write records of two samples a frame, a skewed lead, annotations on a clock of their own, comments."""
    folder.mkdir()
    for index, name in enumerate("abcd"):
        leads = {"MLII": (wave(3000 + index)[index:].reshape(-1, 2), 0), "V1": (wave(1500)[:, None], 7)}
        write_record(folder, leads, rate=125, name=name)
        with (folder / f"{name}.hea").open("a") as header:
            header.write(f"# Age: {40 + 10 * index} Sex: F\n")
        annotate(folder, np.arange(300, 11_000, 700), list("NNVNNVNN" * 2), name=name, fs=1000)


def retell(folder, marks, symbols, rng):
    """Write four records of 250 Hz in one of the many ways that say the same of them; return which.

    `marks` [A] are samples, multiples of 4.
    """
    width = int(rng.integers(1, 3))  # samples a frame, at 125 or 250 frames a second
    skew = int(rng.integers(0, 30))
    form = str(rng.choice(list(PLAIN)))
    clock = rng.choice([0, 125, 250, 1000])  # 0: not stated, so frames
    length = rng.choice(["stated", "0", ""])
    named = bool(rng.integers(2))
    for index, name in enumerate("abcd"):
        whole = np.stack([wave(3000 + 7 * index)[7 * index :], wave(3000, 200)], axis=1)
        lead_in, lead_out = (np.repeat(whole[[edge]], skew * width, axis=0) for edge in (0, -1))
        late = np.concatenate([lead_in[:, 1], whole[:, 1]])
        first = np.concatenate([whole[:, 0], lead_out[:, 0]])
        leads = {"MLII": (first.reshape(-1, width), 0), "V1" if named else "": (late.reshape(-1, width), skew)}
        frames = len(first) // width if length == "stated" else length
        write_record(folder, leads, rate=250 // width, name=name, form=form, line=f"{name} 2 {250 // width} {frames}")
        ticks = marks * (clock or 250 // width) // 250
        start = note(f"## time resolution: {clock}") if clock else b""
        now, content = 0, start
        for place in rng.permutation(len(marks)):
            content += skip(int(ticks[place]) - now) + beats(0, code=CODES[symbols[place]])
            now = int(ticks[place])
        (folder / f"{name}.atr").write_bytes(content + b"\0\0")
        header = folder / f"{name}.hea"
        text = header.read_bytes() + b"# Age: 60 Sex: F M\xfcller\n"
        mark, end = rng.choice([b"", b"\xef\xbb\xbf"]), rng.choice([b"\n", b"\r\n"])
        header.write_bytes(mark + text.replace(b"\n", end))
    (folder / "RECORDS").write_bytes(rng.choice([b"", b"\xef\xbb\xbf"]) + b"a\r\n./b\nc\n\nd")
    return f"{width=} {skew=} {form=} {clock=} {length=} {named=}"


FORMATS = {
    "simulated mitdb": ("mitdb", simulate_mitdb, PreprocessMitdb().model_dump() | {"leads": 2}),
    "odd records": (
        "mitdb",
        write_odd_records,
        PreprocessMitdb().model_dump() | {"leads": 2, "heart_rate": 75.0, "neighbour_margin_s": 0.1},
    ),
    "cinc2017": (
        "cinc2017",
        lambda folder: cinc2017.simulate({"records": 12, "shortest_s": 3.0, "longest_s": 5.0}, folder, 7),
        {"seconds": 4.0, "sampling_rate": 100.0, "filter": True, "records_per_class": None, "test_fraction": 0.3},
    ),
    "ptbxl": (
        "ptbxl",
        lambda folder: ptbxl.simulate({"patients": 10}, folder, 7),
        PreprocessPtbxl().model_dump() | {"leads": ["I", "V2"], "seconds": 5.0, "split": "random"},
    ),
}


def read(kind, source, work):
    """Bring a folder in, parse it and save the dataset, as the workflow's two jobs do."""
    form, _, settings = FORMATS[kind]
    acquire_raw(form, form, {"source": "local", "path": str(source)}, 1, work / "raw", work / "scratch")
    dataset = import_module(f"medpriv.sources.{form}").parse(form, work / "raw", settings, 1)
    dataset.save(work / "dataset")
    return dataset


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_input_is_read_rightly_or_refused_in_one_sentence(tmp_path, kind):
    sound = tmp_path / "sound"
    FORMATS[kind][1](sound)
    whole = read(kind, sound, tmp_path / "work")
    files = sorted(contents(sound))
    # As often one of the lists and tables as one of the many records.
    weighted = [*files, *[name for name in files if not name.endswith((".dat", ".mat"))] * 3]
    refused = 0
    for case in range(cases(25)):
        rng = generator(0, "fuzz", kind, case)
        damaged, work = tmp_path / "damaged", tmp_path / f"work {case}"
        done, harmless = damaged_copy(sound, damaged, rng, weighted)
        before = contents(damaged)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", RuntimeWarning)  # arithmetic on what is no number
                found = outcome(partial(read, kind, damaged, work))
            check(found, whole, harmless, done)
        except BaseException as error:
            error.add_note(f"{kind}, case {case}: {done}")
            raise
        assert contents(damaged) == before, f"case {case}: {done} changed the user's files"
        if isinstance(found, InputError):
            refused += 1
            assert not (work / "dataset").exists(), f"case {case}: {done} left half a dataset"
            assert not list(work.rglob("*.partial")), f"case {case}: {done} left half a file"
        shutil.rmtree(damaged)
        shutil.rmtree(work, ignore_errors=True)
    assert refused > cases(25) / 4


def test_a_record_told_in_any_way_is_the_same_record(tmp_path):
    marks, symbols = np.arange(100, 2900, 152), list("NNVN" * 5)[:19]
    settings = FORMATS["odd records"][2] | {"heart_rate": None}
    whole = None
    for case in range(cases(12)):
        folder = tmp_path / str(case)
        folder.mkdir()
        how = retell(folder, marks, symbols, generator(0, "retell", case))
        (folder / "manifest.json").write_text('{"source": "local", "licence": "", "files": {}}')
        found = parse("m", folder, settings, 1)
        whole = whole or found
        for name in ("x", "y", "patient", "time", "valid"):
            assert np.array_equal(getattr(found, name), getattr(whole, name)), f"case {case}: {name} by {how}"
        shutil.rmtree(folder)
    assert whole.x.shape[0] > 60 and whole.features[0] == "MLII"


def check(found: object, whole: Dataset, harmless: bool, done: str) -> None:
    """Refuse an outcome that changes the meaning of the data in silence."""
    if isinstance(found, InputError):
        assert not harmless, f"a sound file is refused: {found}"
        return
    assert np.isfinite(found.x).all() and found.y.min() >= 0 and found.y.max() < len(found.classes)
    assert len(set(found.features)) == len(found.features) and all(found.features)
    # Every signal file but the challenge's has a checksum in its header.
    if harmless or done.endswith(".dat"):
        assert np.array_equal(found.x, whole.x) and np.array_equal(found.y, whole.y)
        assert np.array_equal(found.patient, whole.patient)
