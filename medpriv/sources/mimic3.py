"""MIMIC-III: does a patient die in hospital, seen from the first 48 hours in the intensive care unit?

The open demo of 100 patients and the full, credentialed database take the same way: `mimic3_cohort` chooses the stays
and summarises the 17 variables of Harutyunyan et al. (2019), `mimic3_items` lists their item ids and units,
`mimic3_tables` scans the files. docs/data/mimic3.md is the data card.
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from medpriv.dataset import TRAIN, Dataset, plain_name
from medpriv.errors import InputError
from medpriv.files import sha256
from medpriv.records.cohort import Cohort
from medpriv.records.labels import Labels
from medpriv.seeds import generator
from medpriv.sources.age import age_band
from medpriv.sources.manifest import MANIFEST, verify_raw
from medpriv.sources.mimic3_cohort import (
    AGE_BANDS,
    HOURS,
    JOINS,
    Stay,
    check_labels,
    choose_stays,
    dictionary,
    measure,
    units,
)
from medpriv.sources.mimic3_tables import (
    LICENCES,
    connect,
    is_demo,
    local_tables,
    partnerless,
    published_tables,
    table_path,
)
from medpriv.sources.tabular import check_classes, make_table, stratified_split

LICENCE = "ODbL 1.0 (the demo); PhysioNet Credentialed Health Data License 1.5.0 (the full database)"
BASE_URL = "https://physionet.org/files/mimiciii-demo/1.4/"  # the full database: .../files/mimiciii/1.4/
CHECKSUMS = "SHA256SUMS.txt"
TABLES = ("ADMISSIONS", "CHARTEVENTS", "D_ITEMS", "D_LABITEMS", "ICUSTAYS", "LABEVENTS", "PATIENTS")
CLASSES = ("survived", "died")


def local_files(folder: Path) -> list[str]:
    """Return the files of the seven tables in a local folder; InputError names the first that is not there."""
    return local_tables(folder, TABLES)


def wanted(published: Collection[str]) -> list[str]:
    """Return which of the publisher's files belong to the dataset."""
    return published_tables(published, TABLES)


def parse(name: str, folder: Path, settings: dict, seed: int) -> Dataset:
    """Make the dataset from a raw folder: one record a stay, its patient the person.

    Features: age, sex, and the summaries of `mimic3_cohort.measure`. Gaps get the training rows' median; the features
    that count measurements tell where there were none.

    Args:
        name: the dataset's name in the config.
        folder: the raw folder, with its manifest.
        settings: the `preprocess` section: `test_fraction`.
        seed: the root seed; it decides the split of the patients, stratified by outcome and first care unit.

    Raises:
        InputError: a table is not as it should be, or too few stays of a class are in the cohort.
    """
    folder = Path(folder)
    manifest = verify_raw(folder)
    stays, summaries, notes = _read_stays(folder)
    columns = {"age": [stay.age for stay in stays], "sex": [float(stay.sex == "M") for stay in stays]} | summaries
    y = np.array([stay.died for stay in stays], dtype=np.int64)
    patients, owner = np.unique([stay.subject for stay in stays], return_inverse=True)
    sites, site = np.unique([stay.unit for stay in stays], return_inverse=True)
    split = _split(y, owner, site, settings["test_fraction"], generator(seed, name, "split"))
    train = split[owner] == TRAIN
    check_classes(y, ~train, CLASSES, folder, "stays of 48 hours")
    table, gaps = make_table(
        columns,
        _kinds(tuple(columns)),
        {"age": "years"} | units(),
        train,
        folder,
        quasi_identifiers=("age", "sex"),
        known_hours=_times(tuple(columns), min(stay.outcome_hours for stay in stays)),
        measured=_measured_by(tuple(columns)),
        dictionary=dictionary(),
    )
    by_unit = {str(unit): int(np.sum(site == index)) for index, unit in enumerate(sites)}
    return Dataset(
        name,
        Cohort(
            patient=owner.astype(np.int32),
            site=site.astype(np.int32),
            split=split,
            patients=tuple(str(subject) for subject in patients),
            sites=tuple(plain_name(unit) for unit in sites),
            groups=_groups(stays, owner),
            digest=sha256(folder / MANIFEST),
            **_origin(manifest, folder),
        ),
        table,
        Labels(y, CLASSES),
        notes={"deaths": int(y.sum()), "stays_by_unit": by_unit} | notes | gaps,
    )


def _read_stays(folder: Path) -> tuple[list[Stay], dict[str, np.ndarray], dict[str, object]]:
    """Return the cohort's stays with a measurement, name -> [N] of their summaries, and notes on what was left out."""
    with connect() as connection:
        check_labels(connection, folder)
        stays, counts = choose_stays(connection, folder)
        lost = partnerless(connection, *JOINS)
        if not stays:
            raise InputError(
                f"no adult stayed {HOURS} hours in one unit",
                file=table_path(folder, "ICUSTAYS"),
                remedy="use all of the publisher's tables, or simulate more patients",
            )
        summaries, values = measure(connection, folder, stays)
    stays, summaries, unmeasured = _measured(stays, summaries)
    left = counts | {"with a measurement": counts[list(counts)[-1]] - unmeasured}
    return stays, summaries, {"stays_left_after_each_step": left} | ({"rows_left_out": lost} if lost else {}) | values


def _origin(manifest: dict, folder: Path) -> dict[str, object]:
    """Return where the data came from, under which licence, and whether that is a credentialed one."""
    simulated = manifest["source"] == "simulated"
    demo = simulated or is_demo(folder)
    licence = manifest["licence"] if simulated else LICENCES[demo]
    return {"source": manifest["source"], "licence": licence, "credentialed": not demo}


def _measured(stays: list[Stay], summaries: dict[str, np.ndarray]) -> tuple[list[Stay], dict[str, np.ndarray], int]:
    """Return the stays that have any measurement, their summaries, and how many have none (as the benchmark does)."""
    seen = np.sum([values for name, values in summaries.items() if "_count_" in name], axis=0) > 0
    kept = [stay for stay, any_value in zip(stays, seen, strict=True) if any_value]
    return kept, {name: values[seen] for name, values in summaries.items()}, int(np.sum(~seen))


def _split(
    y: np.ndarray, owner: np.ndarray, site: np.ndarray, test_fraction: float, rng: np.random.Generator
) -> np.ndarray:
    """Return uint8 [P]: patients, not stays, are split, in strata of whether they died and their first unit."""
    _, first = np.unique(owner, return_index=True)
    died = np.zeros(len(first), dtype=np.int64)
    np.maximum.at(died, owner, y)
    return stratified_split(died * (site.max() + 1) + site[first], test_fraction, rng)


def _groups(stays: list[Stay], owner: np.ndarray) -> dict[str, tuple[str, ...]]:
    """Return sex, age band and type of admission of each patient's first stay."""
    _, first = np.unique(owner, return_index=True)
    firsts = [stays[row] for row in first]
    return {
        "sex": tuple(stay.sex for stay in firsts),
        "age": tuple(age_band(stay.age, AGE_BANDS) for stay in firsts),
        "admission": tuple(plain_name(stay.admission_type.lower()) for stay in firsts),
    }


def _kinds(features: tuple[str, ...]) -> dict[str, str]:
    """Return what kind of variable each feature is."""
    binary = {"sex", *(feature for feature in features if feature.endswith("_measured"))}
    return {feature: "binary" if feature in binary else "number" for feature in features}


def _measured_by(features: tuple[str, ...]) -> dict[str, str]:
    """Return of each summary the feature that tells how often, or whether, it was measured."""
    found = {}
    for feature in features:
        variable, _, window = feature.rpartition("_")
        for counter in (f"{variable.rpartition('_')[0]}_count_{window}", f"{variable}_measured"):
            if counter in features and counter != feature:
                found[feature] = counter
    return found


def _times(features: tuple[str, ...], outcome_hours: float) -> dict[str, float]:
    """Return when each feature is known, hours relative to the earliest outcome in the cohort: always before it."""
    known = {feature: 24.0 if feature.endswith("_day1") else float(HOURS) for feature in features}
    known |= {"age": 0.0, "sex": 0.0}
    return {feature: hours - outcome_hours for feature, hours in known.items()}
