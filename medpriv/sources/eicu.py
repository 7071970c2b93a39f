"""eICU Collaborative Research Database, the open demo: does a patient of one of 186 hospitals die in hospital?

Predicted after the first 24 hours in the unit, of those still there; hospitals are the sites, and a person's stays are
one patient's. Tables are read in `medpriv.sources.eicu_tables`, features made in `eicu_features`; the simulator
(`medpriv.simulate.eicu`) writes the same tables. docs/data/eicu.md is the data card and says what was kept out.
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from medpriv.dataset import TEST, TRAIN, Dataset, plain_name
from medpriv.files import sha256
from medpriv.records.cohort import Cohort
from medpriv.records.labels import Labels
from medpriv.seeds import generator
from medpriv.sources.age import age_band
from medpriv.sources.eicu_features import PATIENT, Features, age_of, dictionary
from medpriv.sources.eicu_tables import (
    OUTCOMES,
    TABLES,
    WINDOW,
    Stay,
    given_twice,
    id_in,
    read_cohort,
    read_rows,
    table_path,
)
from medpriv.sources.manifest import MANIFEST, verify_raw
from medpriv.sources.tabular import check_classes, make_table, measured_by, stratified_split

LICENCE = "Open Data Commons Open Database License v1.0 (ODbL 1.0)"
LICENCE_OF_THE_REST = "PhysioNet Credentialed Health Data License 1.5.0"
BASE_URL = "https://physionet.org/files/eicu-crd-demo/2.0.1/"
CHECKSUMS = "SHA256SUMS.txt"
CLASSES = ("survived", "died")
AGE_BANDS = (45, 65, 80)
AT_ADMISSION = ("age", "male", "weight", "hours_before_unit", "later_unit_stay")
SEXES = {"Male": "M", "Female": "F"}


def local_files(folder: Path) -> list[str]:
    """Return the tables of a local folder that are read; those that tell outcomes alone are not even copied."""
    return sorted(table_path(folder, table).name for table in TABLES)


def wanted(published: Collection[str]) -> list[str]:
    """Return which of the publisher's files belong to the dataset."""
    return [f"{table}.csv.gz" for table in TABLES]


def parse(name: str, folder: Path, settings: dict, seed: int) -> Dataset:
    """Return the dataset in a raw folder: one unit stay of 24 hours or more a row.

    Gaps get the training stays' median; centre and scale are the training stays' mean and standard deviation.

    Args:
        name: the dataset's name in the config.
        folder: raw files with their `manifest.json`.
        settings: the `preprocess` section: `test_fraction`.
        seed: the root seed; it decides the split, by person, stratified by hospital and outcome.

    Raises:
        InputError: a table is damaged or missing, a cell cannot be used, or a class cannot be split.
    """
    folder = Path(folder)
    manifest = verify_raw(folder)
    cohort = read_cohort(folder, PATIENT)
    stays, regions = cohort.stays, _regions(folder)
    features = Features(folder, stays)
    persons, first, owner = np.unique([stay.person for stay in stays], return_index=True, return_inverse=True)
    sites, site = np.unique([stay.hospital for stay in stays], return_inverse=True)
    y = np.array([stay.died for stay in stays], np.int64)
    died = np.bincount(owner, weights=y) > 0  # of any of their stays
    split = stratified_split(site[first] * 2 + died, settings["test_fraction"], generator(seed, name, "split"))
    train = split[owner] == TRAIN
    check_classes(y, split[owner] == TEST, CLASSES, table_path(folder, "patient"), "hospitaldischargestatus")
    table, gaps = make_table(
        features.columns,
        features.kinds,
        features.units,
        train,
        folder,
        quasi_identifiers=("age", "male"),
        known_hours=_times(tuple(features.columns), min(stay.outcome_hours for stay in stays)),
        measured=measured_by(features.columns),
        dictionary=dictionary(),
    )
    credentialed = manifest["source"] != "simulated" and not cohort.demo
    return Dataset(
        name,
        Cohort(
            patient=owner.astype(np.int32),
            site=site.astype(np.int32),
            split=split,
            patients=tuple(persons.tolist()),
            sites=tuple(f"hospital-{number}" for number in sites.tolist()),
            licence=LICENCE_OF_THE_REST if credentialed else manifest["licence"],
            source=manifest["source"],
            digest=sha256(folder / MANIFEST),
            groups=_groups([stays[index] for index in first], regions, folder),
            credentialed=credentialed,
        ),
        table,
        Labels(y, CLASSES),
        notes={
            "stays_left_out": cohort.left_out,
            "columns_kept_out": {held: list(columns) for held, columns in OUTCOMES.items()},
        }
        | gaps,
    )


def _times(features: tuple[str, ...], outcome_hours: float) -> dict[str, float]:
    """Return when each feature is known, hours relative to the earliest outcome in the cohort: always before it."""
    return {name: (0 if name in AT_ADMISSION else WINDOW / 60) - outcome_hours for name in features}


def _regions(folder: Path) -> dict[str, str]:
    """Return each hospital's part of the country."""
    path, regions = table_path(folder, "hospital"), {}
    for line, (cell, region) in read_rows(path, "hospital", ("hospitalid", "region")):
        number = id_in(cell, path, line, "hospitalid")
        if number in regions:
            raise given_twice(path, line, "hospitalid", number)
        regions[number] = plain_name(region.strip()) or "unknown"
    return regions


def _groups(stays: list[Stay], regions: dict[str, str], folder: Path) -> dict[str, tuple[str, ...]]:
    """Return sex, age band, ethnicity and region of the persons whose first stays these are."""
    path = table_path(folder, "patient")
    ages = [age_of(stay, path) for stay in stays]
    return {
        "sex": tuple(SEXES.get(stay.cells["gender"], "unknown") for stay in stays),
        "age": tuple(age_band(age, AGE_BANDS) for age in ages),
        "ethnicity": tuple(plain_name(stay.cells["ethnicity"].strip()) or "unknown" for stay in stays),
        "region": tuple(regions.get(stay.hospital, "unknown") for stay in stays),
    }
