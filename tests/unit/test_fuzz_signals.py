"""Damaged records, lists and tables of the ECG formats: read rightly or refused in one sentence, never anything else.

`MEDPRIV_FUZZ_CASES=250 python -m pytest tests/unit/test_fuzz_signals.py` tries 1,000 cases in all.
"""

import shutil
import warnings
from functools import partial
from importlib import import_module

import numpy as np
import pytest
from made_up_records import annotate, wave, write_record
from mutations import cases, contents, damaged_copy, outcome

from medpriv.config.mitdb import PreprocessMitdb
from medpriv.config.ptbxl import PreprocessPtbxl
from medpriv.dataset import Dataset
from medpriv.errors import InputError
from medpriv.seeds import generator
from medpriv.simulate import cinc2017, mitdb, ptbxl
from medpriv.sources.acquire import acquire_raw


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
