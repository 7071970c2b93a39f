"""Children's chest X-rays: does one show pneumonia? Kermany's JPEG folders, or MedMNIST's array file of them.

Which of the two layouts is there is read from the files. The folders name the patient in each file's name; the array
file names nobody, so each of its images is a patient of its own. Identical images are found by their pixels, and those
who share one are taken for one patient, so that no image is on both sides of a split. Files are decoded one by one
(`medpriv.sources.image_files`). docs/data/pneumonia.md is the data card.
"""

import re
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.files import sha256
from medpriv.records.cohort import Cohort
from medpriv.records.labels import Labels
from medpriv.seeds import generator
from medpriv.sources.image_cohort import first_copies, join_copies, standardised_by
from medpriv.sources.image_files import is_image, is_junk, read_images
from medpriv.sources.manifest import MANIFEST, verify_raw
from medpriv.sources.own_rows import FaultList, given_split, torn
from medpriv.sources.tabular import check_classes, stratified_split

LICENCE = "CC BY 4.0"
BASE_URL = "https://zenodo.org/records/10519652/files/"
ARRAYS = {28: "pneumoniamnist.npz", 64: "pneumoniamnist_64.npz"}  # by edge, pixels
_MD5 = "28209eda62fecd6e6a2d98b1501bb15f"  # of the file of 28 pixels, as the medmnist package states it
PARTS = ("train", "val", "test")
FOLDERS = ("NORMAL", "PNEUMONIA")
ROOTS = (".", "chest_xray", "ChestXRay2017/chest_xray")  # where the publisher's archives have their parts
CLASSES = {2: ("normal", "pneumonia"), 3: ("normal", "bacteria", "virus")}
MOST_BYTES = 256 * 2**20  # unpacked, of an array file; that of 64 pixels has 24 million
# The forms of a file's name: those most copies have, and the one that the publisher describes.
_NAMES = (
    re.compile(r"(?P<patient>person\d+)_(?P<cause>bacteria|virus)_\d+", re.IGNORECASE | re.ASCII),
    re.compile(r"(?P<patient>(NORMAL2-)?IM-\d+)-\d+(-\d+)?", re.IGNORECASE | re.ASCII),
    re.compile(r"(?P<cause>NORMAL|BACTERIA|VIRUS)-(?P<patient>\d+)-\d+", re.IGNORECASE | re.ASCII),
)
_PUBLISHERS = "give the publisher's folder (docs/data/pneumonia.md says which files it has)"


@dataclass(frozen=True)
class _Taken:
    """What a layout yields.

    Attributes:
        x: uint8 [N, 1, size, size].
        label: int [N], index into the classes.
        owner: the patient's name, one an image.
        part: the publisher's part, one an image.
        cause: normal, bacteria or virus, one an image; None where nobody says.
        notes: what is worth stating.
    """

    x: np.ndarray
    label: np.ndarray
    owner: list[str]
    part: np.ndarray
    cause: list[str] | None
    notes: dict[str, object]


def local_files(folder: Path) -> list[str]:
    """Return the dataset's files in a folder, relative to it, sorted: of one layout.

    Raises:
        InputError: there is neither layout, or both; a class's folder holds what is no picture.
    """
    folder = Path(folder)
    arrays = sorted(name for name in ARRAYS.values() if (folder / name).is_file())
    root = next(
        (root for root in ROOTS if any((folder / root / part / name).is_dir() for part in PARTS for name in FOLDERS)),
        None,
    )
    if arrays and root is not None:
        raise InputError(
            f"two layouts: {arrays[0]} and folders of pictures",
            file=folder,
            remedy="put one of them elsewhere, for they are of the same patients",
        )
    if arrays:
        return arrays
    if root is None:
        raise InputError(f"neither {ARRAYS[28]} nor train/NORMAL and so on", file=folder, remedy=_PUBLISHERS)
    faults, files = FaultList(folder), []
    for part in PARTS:
        for name in FOLDERS:
            place = folder / root / part / name
            for path in sorted(place.iterdir()) if place.is_dir() else ():
                relative = path.relative_to(folder).as_posix()
                if path.is_file() and is_image(path) and not is_junk(path):
                    files.append(relative)
                elif not is_junk(path):
                    faults.add(relative, "no .jpeg, .jpg or .png", "take it out of the folder")
    faults.refuse()
    if not files:
        raise InputError("its folders hold no picture", file=folder / root, remedy=_PUBLISHERS)
    return sorted(files)


def remote_files() -> dict[str, str]:
    """Return the checksum of the one file that a remote source downloads."""
    return {ARRAYS[28]: f"md5:{_MD5}"}


def parse(name: str, folder: Path, settings: dict, seed: int) -> Dataset:
    """Make the dataset from a raw folder.

    Args:
        name: the dataset's name in the config.
        folder: raw files with their `manifest.json`.
        settings: the `preprocess` section: size, classes, split, test_fraction.
        seed: root seed; it decides a `random` split, by patient, stratified by class.

    Raises:
        InputError: files that are no sound pictures or say no patient (all of them at once), an array file that is
            not as it should be, a patient on both sides of the publisher's split, a class that cannot be trained.
    """
    folder = Path(folder)
    manifest = verify_raw(folder)
    files = local_files(folder)
    taken = (_read_arrays if files[0] in ARRAYS.values() else _read_folders)(folder, files, settings)
    first = first_copies(taken.x)
    owner = join_copies(taken.owner, first)
    patients, patient = np.unique(owner, return_inverse=True)
    tested = taken.part == "test"
    if settings["split"] == "publisher":
        split = given_split(patient, tested, patients, folder, "set preprocess.split to random, which is by patient")
    else:
        strata = np.zeros(len(patients), np.int64)
        np.maximum.at(strata, patient, taken.label)
        split = stratified_split(strata, settings["test_fraction"], generator(seed, name, "split"))
    classes = CLASSES[settings["classes"]]
    present = np.unique(taken.label)
    y = np.searchsorted(present, taken.label).astype(np.int64)
    present = tuple(classes[index] for index in present)
    check_classes(y, split[patient] == TEST, present, folder, "classes")
    return Dataset(
        name,
        Cohort(
            patient=patient.astype(np.int32),
            site=np.zeros(len(y), np.int32),
            split=split,
            patients=tuple(patients.tolist()),
            sites=("Guangzhou",),
            licence=manifest["licence"],
            source=manifest["source"],
            digest=sha256(folder / MANIFEST),
            groups={"cause": _by_patient(taken.cause, patient)} if taken.cause else {},
        ),
        standardised_by(taken.x, split[patient] == TRAIN),
        Labels(y, present),
        notes=taken.notes
        | {
            "images": len(y),
            "images_by_class": {one: int(np.sum(y == index)) for index, one in enumerate(present)},
            "images_by_publishers_part": {part: int(np.sum(taken.part == part)) for part in PARTS},
            "patients_in_both_publishers_parts": len(torn(patient, tested)),
        }
        | _about_copies(taken, first, len(set(taken.owner)) - len(patients)),
    )


def _about_copies(taken: _Taken, first: np.ndarray, joined: int) -> dict[str, object]:
    """Return the notes on identical images."""
    copies = np.flatnonzero(first != np.arange(len(first)))
    origin = first[copies]
    pairs = Counter(" and ".join(sorted({*pair})) for pair in zip(taken.part[copies], taken.part[origin], strict=True))
    return {
        "images_that_copy_another": len(copies),
        "copies_by_publishers_parts": dict(sorted(pairs.items())),
        "copies_of_another_class": int(np.sum(taken.label[copies] != taken.label[origin])),
        "patients_joined_by_identical_images": joined,
    }


def _by_patient(cause: Sequence[str], patient: np.ndarray) -> tuple[str, ...]:
    """Return the cause of each patient's pneumonia, `several` where images differ."""
    found: list[set[str]] = [set() for _ in range(patient.max() + 1)]
    for index, one in zip(patient, cause, strict=True):
        found[index].add(one)
    return tuple(next(iter(causes)) if len(causes) == 1 else "several" for causes in found)


# --- folders of pictures ----------------------------------------------------------------------------------------------


def _read_folders(folder: Path, files: Sequence[str], settings: dict) -> _Taken:
    """Return the pictures of Kermany's folders."""
    faults = FaultList(folder)
    named = [_read_name(file, faults) for file in files]
    x, converted = read_images(folder, files, settings["size"], faults)
    faults.refuse()
    causes = [cause for _, cause in named]
    classes = CLASSES[settings["classes"]]
    label = [int(cause != "normal") if len(classes) == 2 else classes.index(cause) for cause in causes]
    return _Taken(
        x,
        np.array(label),
        owner=[patient for patient, _ in named],
        part=np.array([file.split("/")[-3] for file in files]),
        cause=causes,
        notes={"layout": "folders of pictures", "images_converted": converted},
    )


def _read_name(file: str, faults: FaultList) -> tuple[str, str]:
    """Return the patient and the cause that a file's name and folder tell."""
    stem, kind = Path(file).stem, file.split("/")[-2]
    match = next((match for form in _NAMES if (match := form.fullmatch(stem))), None)
    if not match:
        remedy = "name it as the publisher does, person7_virus_1.jpeg or IM-0007-0001.jpeg, or remove it"
        faults.add(file, "its name tells no patient", remedy)
        return "", "normal"
    cause = (match.groupdict().get("cause") or "normal").lower()
    if (cause == "normal") != (kind == "NORMAL"):
        faults.add(
            file, f"its name says {cause}, its folder {kind}", "move it to the other folder, or correct its name"
        )
    return match["patient"].upper().replace("PERSON", "person"), cause


# --- MedMNIST's array file --------------------------------------------------------------------------------------------


def _read_arrays(folder: Path, files: Sequence[str], settings: dict) -> _Taken:
    """Return the images of `pneumoniamnist.npz`, whoever they are of."""
    wanted, size = ARRAYS[settings["size"]], settings["size"]
    if wanted not in files:
        raise InputError(
            f"no {wanted}, the images of {size} x {size} pixels",
            file=folder,
            remedy=f"get {BASE_URL}{wanted}, or change preprocess.size",
        )
    path = folder / wanted
    if settings["classes"] == 3:
        raise InputError(
            "it doesn't tell bacteria from viruses",
            file=path,
            remedy="set preprocess.classes to 2, or give the folders of pictures",
        )
    arrays = _open_arrays(path)
    x, label, part, owner = [], [], [], []
    for one in PARTS:
        images, labels = _check_part(path, one, arrays, size)
        x.append(images[:, None])
        label.append(labels)
        part += [one] * len(labels)
        owner += [f"{one}-{number:04d}" for number in range(len(labels))]
    notes = {"layout": "MedMNIST", "patients_known": "no: each image is taken for a patient, identical ones for one"}
    return _Taken(np.concatenate(x), np.concatenate(label), owner, np.array(part), None, notes)


def _open_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the six arrays of a file, once its index has shown that they are of a bearable size."""
    remedy = f"get the file again from {BASE_URL}{path.name}"
    wanted = [f"{part}_{what}" for part in PARTS for what in ("images", "labels")]
    try:
        with zipfile.ZipFile(path) as archive:
            if (unpacked := sum(member.file_size for member in archive.infolist())) > MOST_BYTES:
                raise InputError(
                    f"{unpacked:,} bytes once unpacked, more than {MOST_BYTES:,}", file=path, remedy=remedy
                )
            held = {name.removesuffix(".npy") for name in archive.namelist()}
        if missing := [name for name in wanted if name not in held]:
            raise InputError(f"no array {', '.join(missing)}", file=path, remedy=remedy)
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in wanted}
    except InputError:
        raise
    except Exception as error:  # whatever zipfile and NumPy make of damaged bytes
        words = " ".join(str(error).split())[:80] or type(error).__name__
        raise InputError(f"not a whole .npz file ({words})", file=path, remedy=remedy) from None


def _check_part(path: Path, part: str, arrays: dict[str, np.ndarray], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images uint8 [n, size, size] and labels int [n] of a part, or refuse them."""
    images, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"]

    def refuse(what: str, problem: str) -> InputError:
        remedy = f"get the file again from {BASE_URL}{path.name}"
        return InputError(problem, file=path, place=f"array {part}_{what}", remedy=remedy)

    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (size, size):
        raise refuse("images", f"{images.dtype} {list(images.shape)} instead of uint8 [images, {size}, {size}]")
    if labels.size != len(images) or labels.dtype.kind not in "iu":
        raise refuse("labels", f"{labels.dtype} {list(labels.shape)} for {len(images)} images")
    labels = labels.reshape(-1).astype(np.int64)
    if not np.isin(labels, (0, 1)).all():
        raise refuse("labels", "a label that is neither 0 (normal) nor 1 (pneumonia)")
    return images, labels
