"""Your own images: a folder of PNG and JPEG files, and one CSV that says whose each is and what it shows.

docs/data/own-images.md shows how to use it. Such a dataset is always treated as credentialed: no report shows a picture
of it. `image_files` decodes pictures, `image_cohort` finds identical ones.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from unicodedata import normalize

import numpy as np

from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.files import read_rows, sha256
from medpriv.records.cohort import Cohort
from medpriv.records.labels import Labels
from medpriv.seeds import generator
from medpriv.sources.image_cohort import first_copies, join_copies, standardised_by
from medpriv.sources.image_files import is_image, is_junk, read_images
from medpriv.sources.manifest import MANIFEST, verify_raw
from medpriv.sources.names import is_gap, plain
from medpriv.sources.own_rows import SIDES, FaultList, check_cells, check_split, given_split, groups_of
from medpriv.sources.tabular import check_classes, stratified_split

LICENCE = "its owner's; not stated"
MOST_CLASSES = 50
_COMMAS = (
    "name its columns under preprocess; write one row a picture, cells separated by commas, names in the first line"
)
Rows = Sequence[tuple[int, dict[str, str]]]  # lines of the CSV, and their cells by column


def local_files(path: Path) -> list[str]:
    """Return a folder's one CSV and all its pictures, relative to it, sorted."""
    path = Path(path)
    if not path.is_dir():
        raise InputError(
            "not a folder" if path.exists() else "no such folder",
            file=path,
            remedy="set raw.path to the folder that holds your pictures and one .csv",
        )
    tables = [each.name for each in sorted(path.iterdir()) if each.suffix.lower() == ".csv" and not is_junk(each)]
    if len(tables) != 1:
        raise InputError(
            f"{len(tables) or 'no'} .csv in it{': ' + ', '.join(tables[:3]) if tables else ''}",
            file=path,
            remedy="put one .csv there, with the columns file, label and patient",
        )
    pictures = [each for each in path.rglob("*") if is_image(each) and each.is_file() and not is_junk(each)]
    if not pictures:
        raise InputError(
            "no .png, .jpg or .jpeg in it", file=path, remedy="put the pictures into the folder or below it"
        )
    return sorted([tables[0], *(each.relative_to(path).as_posix() for each in pictures)])


def parse(name: str, folder: Path, settings: dict, seed: int) -> Dataset:
    """Make the dataset from a raw folder with one CSV and pictures.

    Args:
        name: the dataset's name in the config.
        folder: the raw folder, with its manifest.
        settings: the `preprocess` section: columns `file`, `label`, and `patient`, `site`, `sex`, `age`, `split`, each
            of which may be None; `positive`, `size`, `bits`, `test_fraction`.
        seed: the root seed; it decides a random split, by patient, stratified by site and label of the first image.

    Raises:
        InputError: rows without pictures, pictures without rows, cells or pictures that cannot be used: all faults.
    """
    folder = Path(folder)
    manifest = verify_raw(folder)
    files = local_files(folder)
    table = next(file for file in files if file.lower().endswith(".csv"))
    roles = ("file", "label", "patient", "site", "sex", "age", "split")
    columns = {role: settings[role] for role in roles if settings.get(role) is not None}
    rows = read_rows(folder / table, columns.values(), _COMMAS)
    faults = FaultList(folder)
    cells = {role: [row[column] for _, row in rows] for role, column in columns.items()}
    places = [f"{table}, line {line}" for line, _ in rows]
    pictures = _check_files(cells["file"], places, [file for file in files if file != table], faults)
    check_cells(cells, columns, places, faults)
    if len(set(cells["label"])) > MOST_CLASSES:
        faults.add(f"column {columns['label']}", f"more than {MOST_CLASSES} classes", "name the column with the class")
    faults.refuse()
    x, converted = read_images(folder, pictures, settings["size"], faults, settings["bits"])
    first = first_copies(x)
    owner = cells.get("patient") or join_copies(pictures, first)
    taken = np.ptp(x, axis=(1, 2, 3)) > 0  # a refused square has one level: no copy
    _check_copies(first, taken, owner, cells["label"], places, faults)
    faults.refuse()

    classes = sorted({plain(label) for label in cells["label"]})
    classes = _positive_last(classes, settings["positive"], folder / table)
    y = np.array([classes.index(plain(label)) for label in cells["label"]], np.int64)
    patients, patient = np.unique(owner, return_inverse=True)
    sites, site = np.unique([plain(one) for one in cells.get("site", ["all"] * len(y))], return_inverse=True)
    _, earliest = np.unique(patient, return_index=True)
    if "split" in cells:
        tested = np.array([SIDES[side.casefold()] == TEST for side in cells["split"]])
        remedy = f"keep a patient's rows on one side in column {settings['split']}, or leave preprocess.split empty"
        check_split(tested, patient, places, faults, remedy)
        faults.refuse()
        split = given_split(patient, tested, patients, folder / table, remedy)
    else:
        strata = (site * len(classes) + y)[earliest]
        split = stratified_split(strata, settings["test_fraction"], generator(seed, name, "split"))
    check_classes(y, split[patient] == TEST, classes, folder / table, f"column {settings['label']}")
    return Dataset(
        name,
        Cohort(
            patient=patient.astype(np.int32),
            site=site.astype(np.int32),
            split=split,
            patients=tuple(patients.tolist()),
            sites=tuple(sites.tolist()),
            licence=manifest["licence"],
            source=manifest["source"],
            digest=sha256(folder / MANIFEST),
            groups=groups_of(cells, earliest),
            credentialed=True,
        ),
        standardised_by(x, split[patient] == TRAIN),
        Labels(y, tuple(classes)),
        notes={
            "images": len(y),
            "images_that_copy_another": int(np.sum(first != np.arange(len(first)))),
            "patients_joined_by_identical_images": 0 if "patient" in cells else len(pictures) - len(patients),
        }
        | {f"images_converted: {what}": count for what, count in converted.items()},
    )


def _check_files(named: Sequence[str], places: Sequence[str], there: Sequence[str], faults: FaultList) -> list[str]:
    """Return the picture of each row, relative to the folder; note rows without one, and pictures without a row."""
    held, seen = set(there), {}
    by_case = {normalize("NFC", file).casefold(): file for file in there}
    pictures = []
    for cell, place in zip(named, places, strict=True):
        file = PurePosixPath(cell.replace("\\", "/")).as_posix()
        if file not in held:  # a Mac writes accents as signs of their own, a spreadsheet doesn't
            near = by_case.get(normalize("NFC", file).casefold())
            if near and normalize("NFC", near) == normalize("NFC", file):
                file = near
        pictures.append(file)
        if is_gap(cell):
            faults.add(place, "no file", "name the picture, or take the row out")
        elif file.startswith("/") or ".." in PurePosixPath(file).parts:
            faults.add(place, "a file outside the folder", "name it relative to the folder")
        elif file in seen:
            faults.add(place, f"the same file as {seen[file]}", "keep one row a picture")
        elif not is_image(file):
            faults.add(place, "its file is no .png, .jpg or .jpeg", "save the picture as PNG, or take the row out")
        elif file not in held:
            near = by_case.get(normalize("NFC", file).casefold())
            problem = f"no such picture: {file}" + (f"; there is {near}" if near else "")
            faults.add(place, problem, "add the picture, correct its name, or take the row out")
        seen.setdefault(file, place)
    for file in there:
        if file not in seen:
            faults.add(file, "no row names it", "add a row for it, or take it out of the folder")
    return pictures


def _check_copies(
    first: np.ndarray,
    taken: np.ndarray,
    owner: Sequence[str],
    label: Sequence[str],
    places: Sequence[str],
    faults: FaultList,
) -> None:
    """Note identical pictures of two patients or of two classes: one of the rows is wrong."""
    for index in np.flatnonzero((first != np.arange(len(first))) & taken):
        origin = first[index]
        for values, what in ((owner, "patient"), (label, "class")):
            if values[index] != values[origin]:
                problem = f"the same picture as {places[origin]}, of another {what}"
                faults.add(places[index], problem, "correct one of the two rows, or take it out")


def _positive_last(classes: list[str], positive: str | None, path: Path) -> list[str]:
    """Return the classes with the positive one of two last."""
    if positive is None:
        return classes
    if len(classes) != 2 or plain(positive) not in classes:
        raise InputError(
            "preprocess.positive is not one of two classes", file=path, remedy=f"name one of {', '.join(classes[:10])}"
        )
    return sorted(classes, key=lambda name: name == plain(positive))
