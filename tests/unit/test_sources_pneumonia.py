"""Kermany's folders and PneumoniaMNIST: patients, copies, splits, conversions, and one error for each bad input."""

import shutil

import numpy as np
import pytest
from made_up_pictures import add_manifest, bomb, kermany_folder, levels, save
from PIL import Image, ImageFile
from pydantic import ValidationError

from medpriv.config.pneumonia import PneumoniaSettings, PreprocessPneumonia
from medpriv.dataset import TEST, Dataset
from medpriv.errors import InputError
from medpriv.sources import image_files
from medpriv.sources.acquire import acquire_raw
from medpriv.sources.image_cohort import first_copies, join_copies, standardised_by
from medpriv.sources.pneumonia import local_files, parse, remote_files

SETTINGS = PreprocessPneumonia().model_dump()


def read(folder, **changes):
    return parse("p", folder, SETTINGS | changes, 1)


@pytest.fixture
def folder(tmp_path):
    return kermany_folder(tmp_path / "raw")


@pytest.fixture
def arrays(tmp_path):
    """Return a function that writes PneumoniaMNIST's file with these arrays changed."""

    def write(size=28, **changes):
        rng = np.random.default_rng(0)
        held = {}
        for part, count in (("train", 40), ("val", 10), ("test", 20)):
            held[f"{part}_images"] = rng.integers(0, 256, (count, size, size), dtype=np.uint8)
            held[f"{part}_labels"] = (np.arange(count) % 2).astype(np.uint8)[:, None]
        name = "pneumoniamnist.npz" if size == 28 else f"pneumoniamnist_{size}.npz"
        (tmp_path / "raw").mkdir(exist_ok=True)
        held = {name: value for name, value in (held | changes).items() if value is not None}
        np.savez_compressed(tmp_path / "raw" / name, **held)
        return add_manifest(tmp_path / "raw")

    return write


def test_all_images_of_a_patient_are_on_one_side_though_the_publishers_parts_tear_them(folder):
    dataset = read(folder)
    assert len(dataset.y) == 24 and len(dataset.patients) == 12
    assert dataset.notes["patients_in_both_publishers_parts"] == 12
    assert dataset.x.shape == (24, 1, 28, 28) and dataset.x.dtype == np.uint8
    assert dataset.classes == ("normal", "pneumonia") and not dataset.credentialed
    assert {person for person in dataset.patients if person.startswith("IM-")} == {
        f"IM-{number:04d}" for number in range(1, 13, 2)
    }
    assert 0 < (dataset.split == TEST).sum() < 12


def test_a_split_of_the_publisher_that_tears_patients_is_refused_with_their_number(folder):
    with pytest.raises(InputError, match=r"12 patients have images in the training and in the test part \(IM-0001"):
        read(folder, split="publisher")
    shutil.rmtree(folder / "test")
    with pytest.raises(InputError, match="leaves no test image"):
        read(folder, split="publisher")


def test_causes_are_a_group_or_the_classes(folder):
    assert set(read(folder).groups["cause"]) == {"normal", "bacteria", "virus"}
    assert read(folder, classes=3, test_fraction=0.5).classes == ("normal", "bacteria", "virus")


def test_a_patient_with_images_of_two_causes_is_one_patient(folder):
    save(folder / "train" / "PNEUMONIA" / "person2_virus_99.jpeg", levels("more"))
    dataset = read(folder)
    assert len(dataset.patients) == 12
    assert dataset.groups["cause"][dataset.patients.index("person2")] == "several"


def test_patients_who_share_an_identical_image_are_one(folder):
    shutil.copy(folder / "train/NORMAL/IM-0001-0001.jpeg", folder / "test/NORMAL/IM-0003-0009.jpeg")
    dataset = read(folder)
    assert len(dataset.patients) == 11 and dataset.notes["patients_joined_by_identical_images"] == 1
    assert dataset.notes["images_that_copy_another"] == 1
    assert dataset.notes["copies_by_publishers_parts"] == {"test and train": 1}


def test_copies_are_joined_as_far_as_they_reach():
    first = np.array([0, 1, 0, 1, 4, 3])
    assert join_copies(["a", "b", "b", "c", "d", "d"], np.array([0, 1, 0, 1, 4, 5])) == ["a", "a", "a", "a", "d", "d"]
    x = np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1)[[0, 1, 0, 1, 2, 1]]
    assert first_copies(x).tolist() == [0, 1, 0, 1, 4, 1] != first.tolist()


def test_other_forms_of_names_and_of_the_archive_are_read(folder, tmp_path):
    shutil.move(folder / "train", tmp_path / "other" / "chest_xray" / "train")
    other = add_manifest(tmp_path / "other")
    save(other / "chest_xray/train/NORMAL/NORMAL2-IM-0001-0001-0002.JPG", levels(1))
    save(other / "chest_xray/train/PNEUMONIA/VIRUS-1980593-0001.jpeg", levels(2))
    (other / "chest_xray/train/NORMAL/._IM-0001-0001.jpeg").write_bytes(b"\0\5\26\7")
    (other / "chest_xray/train/NORMAL/.DS_Store").write_bytes(b"\0")
    dataset = read(other)
    assert {"NORMAL2-IM-0001", "1980593", "IM-0001"} <= set(dataset.patients) and len(dataset.y) == 14


def test_standardising_uses_the_training_images_alone():
    x = np.random.default_rng(0).integers(0, 256, (2300, 1, 4, 4), dtype=np.uint8)
    training = np.arange(2300) < 2100
    records = standardised_by(x, training)
    assert records.centre.item() == pytest.approx(x[training].mean(), rel=1e-6)
    assert records.scale.item() == pytest.approx(x[training].std(), rel=1e-6)


# --- PneumoniaMNIST -------------------------------------------------------------------------------------------------


def test_each_image_of_pneumoniamnist_is_a_patient_and_its_parts_are_joined_and_split_anew(arrays):
    dataset = read(arrays())
    assert len(dataset.y) == len(dataset.patients) == 70 and "no: each image" in dataset.notes["patients_known"]
    assert (dataset.split == TEST).sum() in (20, 21, 22)
    assert dataset.notes["images_by_publishers_part"] == {"train": 40, "val": 10, "test": 20}
    kept = read(arrays(), split="publisher")
    assert [kept.patients[index].split("-")[0] for index in np.flatnonzero(kept.split == TEST)] == ["test"] * 20


def test_identical_images_of_pneumoniamnist_are_one_patient(arrays):
    images = np.random.default_rng(5).integers(0, 256, (40, 28, 28), dtype=np.uint8)
    images[7] = images[3]
    dataset = read(arrays(train_images=images, val_images=images[[20, 21, *range(8)]]))
    assert dataset.notes["images_that_copy_another"] == 11 and len(dataset.patients) == 59
    assert dataset.notes["copies_by_publishers_parts"] == {"train": 1, "train and val": 10}
    assert dataset.notes["copies_of_another_class"] == 0
    assert dataset.patient[3] == dataset.patient[7] == dataset.patient[45]


def test_images_of_64_pixels_are_in_a_file_of_their_own(arrays):
    assert read(arrays(size=64), size=64).x.shape[-1] == 64
    with pytest.raises(InputError, match=r"no pneumoniamnist.npz.*change preprocess.size"):
        read(arrays(size=64))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"val_labels": None}, "no array val_labels"),
        ({"test_labels": np.zeros((19, 1), np.uint8)}, "array test_labels.* for 20 images"),
        ({"test_labels": np.full((20, 1), 2, np.uint8)}, "neither 0"),
        ({"train_images": np.zeros((40, 28, 28))}, "array train_images: float64"),
        ({"train_images": np.zeros((40, 28, 28, 3), np.uint8)}, "instead of uint8"),
        ({"train_images": np.array([None] * 40)}, "not a whole .npz"),
        ({f"{part}_labels": np.zeros((n, 1), np.uint8) for part, n in (("train", 40), ("val", 10), ("test", 20))},
         "one class only"),
    ],
)  # fmt: skip
def test_array_files_that_are_not_as_they_should_be(arrays, changes, problem):
    with pytest.raises(InputError, match=problem):
        read(arrays(**changes))


def test_an_array_file_that_unpacks_to_too_much_is_refused_before_it_is_read(arrays, monkeypatch):
    folder = arrays()
    monkeypatch.setattr("medpriv.sources.pneumonia.MOST_BYTES", 1000)
    with pytest.raises(InputError, match="once unpacked"):
        read(folder)


def test_bacteria_and_viruses_are_not_told_apart_in_pneumoniamnist(arrays):
    with pytest.raises(InputError, match="doesn't tell bacteria from viruses"):
        read(arrays(), classes=3)


def test_what_is_no_layout_or_two(folder, tmp_path):
    empty = tmp_path / "empty"
    (empty / "train" / "NORMAL").mkdir(parents=True)
    with pytest.raises(InputError, match="hold no picture"):
        local_files(empty)
    with pytest.raises(InputError, match=r"neither pneumoniamnist\.npz nor train/NORMAL"):
        local_files(tmp_path / "nothing")
    (folder / "pneumoniamnist.npz").write_bytes(b"")
    with pytest.raises(InputError, match="two layouts"):
        local_files(folder)


# --- pictures ---------------------------------------------------------------------------------------------------------


def square(array):
    """Return what a slow, separate reading makes of grey levels: the middle square, resized."""
    height, width = array.shape
    edge = min(height, width)
    middle = array[(height - edge) // 2 :, (width - edge) // 2 :][:edge, :edge]
    return np.asarray(Image.fromarray(middle).resize((28, 28), Image.Resampling.BICUBIC))


def test_conversions_are_those_that_the_page_states(tmp_path):
    grey = levels("grey", 40, 30)
    red = np.stack([grey, np.zeros_like(grey), np.zeros_like(grey)], axis=-1)
    alpha = np.where(np.arange(40) < 20, 0, 255).astype(np.uint8)[None].repeat(30, axis=0)
    palette = Image.fromarray(grey).convert("RGB").quantize(256)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees to the right
    save(tmp_path / "grey.png", grey)
    save(tmp_path / "deep.PNG", grey.astype(np.uint16) * 257)
    save(tmp_path / "colours.png", np.repeat(grey[..., None], 3, axis=-1))
    save(tmp_path / "red.png", red)
    save(tmp_path / "alpha.png", np.stack([grey, alpha], axis=-1))
    save(tmp_path / "palette.png", palette)
    save(tmp_path / "turned.png", Image.fromarray(grey), exif=exif)
    names = ["grey.png", "deep.PNG", "colours.png", "red.png", "alpha.png", "palette.png", "turned.png"]
    faults = image_files.FaultList(tmp_path)
    x, converted = image_files.read_images(tmp_path, names, 28, faults)
    faults.refuse()
    for index, name in enumerate(names[:3]):
        assert np.array_equal(x[index, 0], square(grey)), name
    assert np.abs(x[3, 0].astype(int) - square(np.rint(0.299 * grey).astype(np.uint8))).max() <= 1
    assert np.array_equal(x[4, 0], square(np.where(alpha > 0, grey, 0).astype(np.uint8)))
    assert np.abs(x[5, 0].astype(int) - square(grey)).max() <= 3
    assert np.array_equal(x[6, 0], square(np.rot90(grey, -1)))
    assert converted == {
        "16 bits": 1, "colours": 2, "palette": 1, "transparency": 1, "turned by EXIF": 1,
    }  # fmt: skip


def test_levels_of_twelve_bits_are_not_read_as_black(tmp_path):
    save(tmp_path / "deep.png", levels("deep").astype(np.uint16) * 16)
    faults = image_files.FaultList(tmp_path)
    image_files.read_images(tmp_path, ["deep.png"], 28, faults)
    with pytest.raises(InputError, match=r"no level above \d+ of 65535.*set preprocess.bits to 12"):
        faults.refuse()
    faults = image_files.FaultList(tmp_path)
    x, _ = image_files.read_images(tmp_path, ["deep.png"], 28, faults, bits=12)
    faults.refuse()
    assert x.max() > 200
    image_files.read_images(tmp_path, ["deep.png"], 28, faults, bits=10)
    with pytest.raises(InputError, match="which 10 bits don't hold"):
        faults.refuse()


BAD = {
    "no picture": (b"a label that somebody saved as .jpeg", "neither a PNG nor a JPEG"),
    "nothing": (b"", "empty, 0 bytes"),
    "zeros": (b"\0" * 500, "neither a PNG nor a JPEG"),
    "bomb": (bomb(30_000, 30_000), "more than 50,000,000"),
    "smaller bomb": (bomb(8_000, 8_000), "8000 x 8000 pixels by its header"),
    "tiny": (bomb(3, 400), "too few for an X-ray"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_sound_picture_is_refused_with_the_file(folder, kind):
    content, problem = BAD[kind]
    (folder / "train/NORMAL/IM-0001-0001.jpeg").write_bytes(content)
    with pytest.raises(InputError, match=problem) as caught:
        read(folder)
    assert caught.value.file.endswith("train/NORMAL/IM-0001-0001.jpeg")


def test_a_bomb_is_refused_before_anything_is_decoded(folder, monkeypatch):
    (folder / "train/NORMAL/IM-0001-0001.jpeg").write_bytes(bomb(8_000, 8_000))
    decoded = []
    load = ImageFile.ImageFile.load
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: decoded.append(image.size) or load(image))
    with pytest.raises(InputError, match="8000 x 8000"):
        read(folder)
    assert (8_000, 8_000) not in decoded and len(decoded) >= 23


@pytest.mark.parametrize("ending", ["jpeg", "png"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_picture_cut_short_is_refused(folder, ending, share):
    whole = save(folder / f"train/NORMAL/IM-0001-0005.{ending}", levels("cut", 60, 60))
    whole.write_bytes(whole.read_bytes()[: int(share * whole.stat().st_size)])
    with pytest.raises(InputError, match="damaged or cut short"):
        read(folder)


def test_a_damaged_png_is_refused_by_its_checksums(folder):
    path = save(folder / "train/NORMAL/IM-0001-0005.png", levels("damaged", 60, 60))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged or cut short"):
        read(folder)


def test_a_blank_picture_and_several_in_one_file_are_refused(folder):
    save(folder / "train/NORMAL/IM-0001-0005.png", np.full((20, 20), 7, np.uint8))
    with pytest.raises(InputError, match="blank"):
        read(folder)
    frames = [Image.fromarray(levels(index)) for index in range(3)]
    frames[0].save(folder / "train/NORMAL/IM-0001-0005.png", "PNG", save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match="3 pictures in one file"):
        read(folder)


def test_all_faults_of_a_folder_come_in_one_message(folder):
    for number in range(1, 9):
        (folder / f"train/NORMAL/picture{number}.jpeg").write_bytes(b"")
    with pytest.raises(InputError, match=r"16 faults: .*tells no patient.*; and 11 more.*Remedy: name it as") as caught:
        read(folder)
    assert len(str(caught.value)) < 1500
    (folder / "test/NORMAL/readme.txt").write_text("x")
    with pytest.raises(InputError, match=r"no \.jpeg"):
        local_files(folder)


def test_a_name_that_contradicts_its_folder_is_refused(folder):
    save(folder / "train/NORMAL/person7_virus_3.jpeg", levels(1))
    with pytest.raises(InputError, match="its name says virus, its folder NORMAL"):
        read(folder)


def test_one_class_alone_is_refused(folder):
    for part in ("train", "test"):
        shutil.rmtree(folder / part / "PNEUMONIA")
    with pytest.raises(InputError, match="one class only"):
        read(folder)


# --- sources ----------------------------------------------------------------------------------------------------------


def test_simulated_files_go_the_whole_way(tmp_path):
    settings = PneumoniaSettings(raw={"simulated": {"images": 40}}).model_dump()
    acquire_raw("pneumonia", "p", settings["raw"], 1, tmp_path / "raw", tmp_path / "scratch")
    dataset = read(tmp_path / "raw")
    dataset.save(tmp_path / "dataset")
    again = Dataset.load(tmp_path / "dataset")
    assert again.source == "simulated" and np.array_equal(again.x, dataset.x) and len(again.y) == 40


def test_a_remote_source_is_one_file_with_the_publishers_md5():
    assert remote_files() == {"pneumoniamnist.npz": "md5:28209eda62fecd6e6a2d98b1501bb15f"}


def test_a_refused_folder_leaves_nothing(folder, tmp_path):
    (folder / "train/NORMAL/notes.txt").write_text("x")
    with pytest.raises(InputError):
        raw = {"source": "local", "path": str(folder)}
        acquire_raw("pneumonia", "p", raw, None, tmp_path / "results", tmp_path / "scratch")
    assert not (tmp_path / "results").exists() and not list((tmp_path / "scratch").rglob("*.jpeg"))


def test_settings_refuse_other_sizes():
    with pytest.raises(ValidationError, match="28 or 64"):
        PreprocessPneumonia(size=32)
