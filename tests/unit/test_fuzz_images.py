"""Damaged pictures, their CSV and MedMNIST's array file: read rightly or refused in one sentence, never anything else.

`MEDPRIV_FUZZ_CASES=250 python -m pytest tests/unit/test_fuzz_images.py` tries 750 cases in all.
"""

import shutil
import tracemalloc
from functools import partial
from importlib import import_module

import numpy as np
import pytest
from made_up_pictures import kermany_folder, levels, own_folder, save
from mutations import cases, contents, damaged_copy, outcome
from PIL import Image

from medpriv.config.images import PreprocessImages
from medpriv.config.pneumonia import PreprocessPneumonia
from medpriv.errors import InputError
from medpriv.seeds import generator
from medpriv.sources.acquire import acquire_raw

MOST_BYTES = 60_000_000  # of one case, whose pictures take a few thousand; what Pillow itself holds is not counted


def write_folders(folder):
    kermany_folder(folder, 10)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "turned"
    save(folder / "train/NORMAL/IM-0051-0001.jpeg", levels("turned"), exif=exif)
    save(folder / "train/NORMAL/IM-0050-0001.png", levels("deep").astype(np.uint16) * 256)
    save(folder / "train/PNEUMONIA/person50_virus_1.png", np.stack([levels("colours")] * 3, axis=-1))


def write_arrays(folder):
    folder.mkdir()
    x = np.stack([levels(index, 28, 28) for index in range(40)])
    y = np.arange(40)[:, None] % 2
    parts = {"train": slice(0, 20), "val": slice(20, 26), "test": slice(26, 40)}
    held = {f"{part}_images": x[rows] for part, rows in parts.items()}
    np.savez_compressed(folder / "pneumoniamnist.npz", **held, **{f"{part}_labels": y[r] for part, r in parts.items()})


SMALL = {"test_fraction": 0.4}
KINDS = {
    "folders": ("pneumonia", write_folders, PreprocessPneumonia().model_dump() | SMALL),
    "arrays": ("pneumonia", write_arrays, PreprocessPneumonia().model_dump() | SMALL),
    "own": ("images", partial(own_folder, patients=8), PreprocessImages().model_dump() | SMALL),
}


def read(kind, source, work):
    """Bring a folder in, parse it and save the dataset, as the workflow's two jobs do."""
    form, _, settings = KINDS[kind]
    acquire_raw(form, form, {"source": "local", "path": str(source)}, 1, work / "raw", work / "scratch")
    dataset = import_module(f"medpriv.sources.{form}").parse(form, work / "raw", settings, 1)
    dataset.save(work / "dataset")
    return dataset


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_pictures_are_read_rightly_or_refused_in_one_sentence(tmp_path, kind):
    sound = tmp_path / "sound"
    KINDS[kind][1](sound)
    (sound / "manifest.json").unlink(missing_ok=True)
    whole = read(kind, sound, tmp_path / "work")
    files = sorted(contents(sound))
    weighted = [*files, *[name for name in files if name.endswith((".csv", "51-0001.jpeg"))] * 10]
    refused = 0
    for case in range(cases(25)):
        damaged, work = tmp_path / "damaged", tmp_path / f"work {case}"
        done, harmless = damaged_copy(sound, damaged, generator(0, "fuzz", kind, case), weighted)
        before = contents(damaged)
        tracemalloc.start()
        try:
            found = outcome(partial(read, kind, damaged, work))
            assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
            check(found, whole, harmless, done)
        except BaseException as error:
            error.add_note(f"{kind}, case {case}: {done}")
            raise
        finally:
            tracemalloc.stop()
        assert contents(damaged) == before, f"case {case}: {done} changed the user's files"
        if isinstance(found, InputError):
            refused += 1
            assert not (work / "dataset").exists(), f"case {case}: {done} left half a dataset"
        shutil.rmtree(damaged)
        shutil.rmtree(work, ignore_errors=True)
    assert refused > cases(25) / 4


def check(found, whole, harmless, done):
    """Refuse an outcome that changes the meaning of the data in silence."""
    if isinstance(found, InputError):
        assert not harmless, f"a sound file is refused: {found}"
        return
    assert found.y.min() >= 0 and found.y.max() < len(found.classes) and all(found.classes)
    # A PNG and a .npz hold checksums; a JPEG holds none, so that flipped bytes may be another picture.
    if harmless or done.endswith((".png", ".npz")):
        assert np.array_equal(found.x, whole.x) and np.array_equal(found.y, whole.y)
        assert np.array_equal(found.patient, whole.patient)
