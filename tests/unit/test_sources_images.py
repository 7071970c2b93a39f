"""Your own images: what the CSV's columns say, and one error for all faults of the folder."""

import shutil
import struct
import zlib

import numpy as np
import pytest
from made_up_pictures import bomb, levels, own_folder, read_own_rows, save, write_rows
from PIL import Image
from pydantic import ValidationError

from medpriv.config.check import check_config
from medpriv.config.images import PreprocessImages
from medpriv.dataset import TEST
from medpriv.errors import InputError
from medpriv.sources.acquire import acquire_raw
from medpriv.sources.image_files import read_images
from medpriv.sources.images import local_files, parse
from medpriv.sources.own_rows import FaultList

SETTINGS = PreprocessImages().model_dump()


def read(folder, **changes):
    return parse("mine", folder, SETTINGS | changes, 1)


@pytest.fixture
def folder(tmp_path):
    return own_folder(tmp_path / "mine")


def change_row(folder, index, **cells):
    rows = read_own_rows(folder)
    rows[index] |= cells
    write_rows(folder, rows)


def test_a_folder_with_a_csv_is_a_credentialed_dataset_split_by_patient(folder):
    dataset = read(folder)
    assert dataset.credentialed and dataset.source == "local"
    assert len(dataset.y) == 20 and dataset.patients == tuple(f"P{number}" for number in range(10))
    assert dataset.classes == ("ill", "well") and dataset.sites == ("all",)
    assert (dataset.split == TEST).sum() == 3
    assert dataset.labels.positive == "well" and read(folder, positive="ill").labels.positive == "ill"


def test_optional_columns_are_sites_groups_and_a_given_split(tmp_path):
    folder = own_folder(
        tmp_path / "mine",
        ward=lambda number: "AB"[number % 3 == 0],
        sex=lambda number: "FM"[number % 2],
        years=lambda number: 10 * number,
        part=lambda number: "test" if number in (2, 3) else "val" if number == 4 else "train",
    )
    dataset = read(folder, site="ward", sex="sex", age="years", split="part")
    assert dataset.sites == ("A", "B") and dataset.groups["sex"][:2] == ("F", "M")
    assert dataset.groups["age"][:3] == ("<18", "<18", "18-39") and dataset.groups["age"][7] == "65+"
    assert np.flatnonzero(dataset.split == TEST).tolist() == [2, 3]
    change_row(folder, 0, part="test")
    with pytest.raises(
        InputError, match=r"line 2: test, but labels\.csv, line 3, of the same patient, is training"
    ) as caught:
        read(folder, split="part")
    assert "P0" not in str(caught.value)


def test_without_patients_each_image_is_one_and_identical_images_are_one(folder):
    shutil.copy(folder / "pictures/0-0.png", folder / "pictures/2-0.png")
    dataset = read(folder, patient=None)
    assert len(dataset.patients) == 19 and dataset.notes["patients_joined_by_identical_images"] == 1


def test_two_copies_of_a_patient_stay_and_are_counted(folder):
    shutil.copy(folder / "pictures/0-0.png", folder / "pictures/0-1.png")
    assert read(folder).notes["images_that_copy_another"] == 1


def test_a_label_without_a_file_and_a_file_without_a_label_come_in_one_message(folder):
    (folder / "pictures/3-1.png").unlink()
    save(folder / "pictures/forgotten.JPG", levels("forgotten"))
    with pytest.raises(InputError, match="2 faults") as caught:
        read(folder)
    text = str(caught.value)
    assert "labels.csv, line 9: no such picture: pictures/3-1.png" in text
    assert "pictures/forgotten.JPG: no row names it" in text and "add a row for it" in text


FAULTS = {
    "no file": ({"file": ""}, "line 2: no file"),
    "outside": ({"file": "../secret.png"}, "a file outside the folder"),
    "absolute": ({"file": "/etc/x.png"}, "a file outside the folder"),
    "twice": ({"file": "pictures/1-0.png"}, "line 4: the same file as labels.csv, line 2"),
    "ending": ({"file": "pictures/0-0.dcm"}, "its file is no .png"),
    "case": ({"file": "Pictures/0-0.png"}, "there is pictures/0-0.png"),
    "no label": ({"label": "unknown"}, "line 2, column label: no label"),
    "no patient": ({"patient": "n/a"}, "line 2, column patient: no patient"),
    "spelling": ({"label": "Well"}, "column label: 1 name in two spellings"),
    "patients": ({"patient": "p 01"}, "column patient: 1 name in two spellings"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_faults_of_rows_are_told_with_the_line(folder, kind):
    cells, problem = FAULTS[kind]
    change_row(folder, 0, **cells)
    with pytest.raises(InputError, match=problem.replace(".", r"\.")):
        read(folder)


def test_backslashes_of_windows_and_a_leading_dot_name_the_same_file(folder):
    change_row(folder, 0, file="pictures\\0-0.png")
    change_row(folder, 1, file="./pictures/0-1.png")
    assert len(read(folder).y) == 20


def test_a_doubled_row_is_refused(folder):
    rows = read_own_rows(folder)
    write_rows(folder, [*rows, rows[0]])
    with pytest.raises(InputError, match=r"the same file as labels\.csv, line 2"):
        read(folder)


def test_one_picture_of_two_patients_or_two_classes_is_refused(folder):
    shutil.copy(folder / "pictures/0-0.png", folder / "pictures/3-0.png")
    with pytest.raises(InputError, match=r"of another patient.*of another class"):
        read(folder)


def test_bad_pictures_are_refused_with_their_file_and_no_cell_of_another(folder):
    (folder / "pictures/1-0.png").write_bytes(b"text")
    (folder / "pictures/1-1.png").write_bytes(bomb(30_000, 30_000))
    with pytest.raises(InputError, match=r"2 faults: pictures/1-0.png: neither.*pictures/1-1.png: more than"):
        read(folder)


def test_columns_that_are_not_there_and_classes_that_are_one(folder):
    with pytest.raises(InputError, match="no column ward"):
        read(folder, site="ward")
    with pytest.raises(InputError, match="not one of two classes"):
        read(folder, positive="dead")
    rows = read_own_rows(folder)
    write_rows(folder, [row | {"label": "well"} for row in rows])
    with pytest.raises(InputError, match="one class only"):
        read(folder)


@pytest.mark.parametrize(
    ("cells", "settings", "problem"),
    [
        ({"years": lambda number: 200}, {"age": "years"}, "no age in years"),
        ({"part": lambda number: "fold 1"}, {"split": "part"}, "neither train, val nor test"),
        ({"ward": lambda number: "-"}, {"site": "ward"}, "no site"),
    ],
)
def test_optional_columns_are_checked(tmp_path, cells, settings, problem):
    with pytest.raises(InputError, match=problem):
        read(own_folder(tmp_path / "mine", **cells), **settings)


def test_a_patient_of_two_sexes_is_refused(tmp_path):
    folder = own_folder(tmp_path / "mine", sex=lambda number: "F")
    change_row(folder, 0, sex="M")
    with pytest.raises(InputError, match="1 patient of two values"):
        read(folder, sex="sex")


def test_local_files_are_the_csv_and_the_pictures_without_what_systems_leave(folder):
    (folder / "pictures/._0-0.png").write_bytes(b"\0")
    (folder / "__MACOSX").mkdir()
    save(folder / "__MACOSX/0-0.png", levels(0))
    (folder / "readme.txt").write_text("x")
    files = local_files(folder)
    assert len(files) == 21 and files[0] == "labels.csv"
    (folder / "old.CSV").write_text("file,label\n")
    with pytest.raises(InputError, match=r"2 \.csv in it: labels\.csv, old\.CSV"):
        local_files(folder)
    with pytest.raises(InputError, match="not a folder"):
        local_files(folder / "labels.csv")
    (folder / "old.CSV").unlink()
    shutil.rmtree(folder / "pictures")
    with pytest.raises(InputError, match=r"no \.png"):
        local_files(folder.rename(folder.with_name("empty")))


def test_the_whole_way_and_its_config(folder, tmp_path):
    section = {"format": "images", "raw": {"path": str(folder)}}
    checked = check_config({"datasets": {"mine": section}})["datasets"]["mine"]
    assert checked["baselines"]["cnn2d"] and checked["preprocess"] == SETTINGS
    acquire_raw("images", "mine", checked["raw"], None, tmp_path / "raw", tmp_path / "scratch")
    assert len(read(tmp_path / "raw").y) == 20
    with pytest.raises(ValidationError, match="give each column one of"):
        PreprocessImages(site="label")


def test_refused_files_are_no_copies_of_one_another(folder):
    for name in ("0-0", "2-0"):
        (folder / f"pictures/{name}.png").write_bytes(b"")
    with pytest.raises(InputError, match="2 faults") as caught:
        read(folder)
    assert "the same picture" not in str(caught.value)


def test_dark_films_are_refused_though_one_bears_a_bright_marker(tmp_path):
    rng = np.random.default_rng(0)
    for index in range(4):
        film = rng.integers(0, 4000, (40, 40)).astype(np.uint16)
        film[0, 0] = 65535 if index == 0 else film[0, 0]
        Image.fromarray(film).save(tmp_path / f"{index}.png")
    faults = FaultList(tmp_path)
    read_images(tmp_path, [f"{index}.png" for index in range(4)], 28, faults)
    ((_, problem, remedy),) = faults.found
    assert "all but black" in problem
    assert "preprocess.bits to 12" in remedy


def test_pictures_of_16_bits_with_colours_and_several_in_one_file_are_refused(tmp_path):
    header = struct.pack(">IIBBBBB", 30, 30, 16, 2, 0, 0, 0)
    rows = np.random.default_rng(0).integers(0, 256, (30, 181), dtype=np.uint8)
    rows[:, 0] = 0  # no filter
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b""))
    told = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
    (tmp_path / "deep.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(told))
    one, other = (Image.fromarray(rows[:, 1:31] + np.uint8(k)) for k in (0, 1))
    one.save(tmp_path / "two.jpg", format="MPO", save_all=True, append_images=[other])
    faults = FaultList(tmp_path)
    read_images(tmp_path, ["deep.png", "two.jpg"], 28, faults)
    assert [remedy for _, _, remedy in faults.found] == ["save it as 16-bit grey", "save it as one JPEG or PNG"]
