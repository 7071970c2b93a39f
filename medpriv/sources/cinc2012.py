"""PhysioNet/CinC Challenge 2012: does a patient die in hospital, told from the first 48 hours in intensive care?

Sets a, b and c hold 4,000 stays each; every stay is one patient's, in one of four kinds of intensive care unit, which
are the sites. Files are read in `medpriv.sources.cinc2012_files`, summarised in `cinc2012_features`; the simulator
(`medpriv.simulate.cinc2012`) writes the same files. docs/data/cinc2012.md is the data card.
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.files import sha256
from medpriv.records.cohort import Cohort
from medpriv.records.labels import Labels
from medpriv.seeds import generator
from medpriv.sources.age import age_band
from medpriv.sources.cinc2012_features import dictionary, summarise
from medpriv.sources.cinc2012_files import (
    DESCRIPTORS,
    NAMES,
    SETS,
    UNITS,
    Readings,
    archive_name,
    descriptor,
    outcomes_name,
    read_outcomes,
    read_set,
)
from medpriv.sources.manifest import MANIFEST, verify_raw
from medpriv.sources.tabular import check_classes, make_table, measured_by, stratified_split

LICENCE = "Open Data Commons Attribution License v1.0 (ODC-By 1.0)"
BASE_URL = "https://physionet.org/files/challenge-2012/1.0.0/"
CHECKSUMS = "SHA256SUMS.txt"
CLASSES = ("survived", "died")
AGE_BANDS = (45, 65, 80)
SEXES = {0.0: "F", 1.0: "M"}


def local_files(folder: Path) -> list[str]:
    """Return the files of the sets that a local folder holds: outcomes, and the archive or else the unpacked stays."""
    folder = Path(folder)
    files = []
    for letter in SETS:
        outcomes, archive, unpacked = outcomes_name(letter), archive_name(letter), f"set-{letter}"
        if (folder / archive).is_file():
            files.append(archive)
        elif (folder / unpacked).is_dir():
            files += [f"{unpacked}/{path.name}" for path in (folder / unpacked).glob("*.txt")]
        else:
            continue
        if not (folder / outcomes).is_file():
            raise InputError("the file is missing", file=folder / outcomes, remedy="add the outcomes of that set")
        files.append(outcomes)
    if not files:
        raise InputError(
            "no set of the challenge",
            file=folder,
            remedy="give the folder that holds set-a.tar.gz (or set-a/) and Outcomes-a.txt",
        )
    return sorted(files)


def wanted(published: Collection[str]) -> list[str]:
    """Return which of the publisher's files belong to the dataset: set a, and those of b and c that a mirror has."""
    sets = [[archive_name(letter), outcomes_name(letter)] for letter in SETS]
    return [name for files in sets if files is sets[0] or set(files) <= set(published) for name in files]


def parse(name: str, folder: Path, settings: dict, seed: int) -> Dataset:
    """Return the dataset in a raw folder: one stay a row, 78 features of its 48 hours.

    Gaps get the training stays' median; centre and scale are the training stays' mean and standard deviation.

    Args:
        name: the dataset's name in the config.
        folder: raw files with their `manifest.json`.
        settings: the `preprocess` section: `sets`, `test_fraction`.
        seed: the root seed; it decides the split, stratified by unit and outcome.

    Raises:
        InputError: a file is damaged or missing, a line cannot be used, a stay has no outcome, a class cannot be split.
    """
    folder = Path(folder)
    manifest = verify_raw(folder)
    parts = [_read(folder, letter) for letter in settings["sets"]]
    tables = [summarise(readings) for readings, _ in parts]
    stays = tuple(stay for readings, _ in parts for stay in readings.stays)
    if len(set(stays)) < len(stays):
        raise InputError("a stay is in two sets", file=folder, remedy="get the publisher's files again")
    y = np.concatenate([deaths for _, deaths in parts])
    unit, age, sex = (
        np.concatenate([descriptor(readings, what) for readings, _ in parts]) for what in ("ICUType", "Age", "Gender")
    )
    left_out = _total([readings.left_out for readings, _ in parts])
    site = (unit - 1).astype(np.int32)
    split = stratified_split(site * len(CLASSES) + y, settings["test_fraction"], generator(seed, name, "split"))
    check_classes(y, split == TEST, CLASSES, folder, "In-hospital_death")
    columns = {name: np.concatenate([table.columns[name] for table in tables]) for name in tables[0].columns}
    table, gaps = make_table(
        columns,
        tables[0].kinds,
        tables[0].units,
        split == TRAIN,
        folder,
        quasi_identifiers=("age", "male"),
        measured=measured_by(columns),
        dictionary=dictionary(),
    )
    return Dataset(
        name,
        Cohort(
            patient=np.arange(len(y), dtype=np.int32),
            site=site,
            split=split,
            patients=stays,
            sites=UNITS,
            licence=manifest["licence"],
            source=manifest["source"],
            digest=sha256(folder / MANIFEST),
            groups={
                "sex": tuple(SEXES.get(value, "unknown") for value in sex.tolist()),
                "age": tuple(age_band(value, AGE_BANDS) for value in age.tolist()),
            },
        ),
        table,
        Labels(y, CLASSES),
        notes={
            "sets": list(settings["sets"]),
            "stays_by_unit": {name: int((site == index).sum()) for index, name in enumerate(UNITS)},
            "stays_without_measurements": sum(_unmeasured(readings) for readings, _ in parts),
            "implausible_values": _total([table.implausible for table in tables]),
        }
        | ({"lines_left_out": left_out} if left_out else {})
        | gaps,
    )


def _read(folder: Path, letter: str) -> tuple[Readings, np.ndarray]:
    """Return a set's readings and whether each stay ended in death, int64 [S]."""
    readings, file = read_set(folder, letter), folder / outcomes_name(letter)
    deaths = read_outcomes(file)
    if missing := [stay for stay in readings.stays if int(stay) not in deaths]:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(f"no outcome of stay {missing[0]}{more}", file=file, remedy="add a line for every stay")
    return readings, np.array([deaths[int(stay)] for stay in readings.stays], np.int64)


def _unmeasured(readings: Readings) -> int:
    """Return how many stays have descriptors alone."""
    measured = ~np.isin(readings.name, [NAMES.index(name) for name in DESCRIPTORS])
    return len(readings.stays) - len(np.unique(readings.stay[measured]))


def _total(counts: list[dict[str, int]]) -> dict[str, int]:
    """Return the counts of all sets together."""
    names = sorted({name for each in counts for name in each})
    return {name: sum(each.get(name, 0) for each in counts) for name in names}
