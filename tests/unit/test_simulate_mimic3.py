"""Simulated tables look like MIMIC-III's, and are as hard to learn from as real stays."""

import csv
from collections import Counter
from datetime import datetime
from pathlib import Path

import mimic3_reference as reference
import numpy as np
import pytest

from medpriv.simulate.mimic3 import simulate
from medpriv.simulate.mimic3admissions import simulate as simulate_admissions
from medpriv.sources import mimic3
from medpriv.sources.acquire import acquire_raw

REAL = Path(__file__).parents[3] / "shared" / "data" / "physionet" / "mimiciii-demo" / "1.4"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    simulate({"patients": 300}, folder, 1)
    return folder


def rows(folder, table):
    return list(reference.read(folder, table))


def test_same_seed_same_bytes_and_a_patient_does_not_depend_on_the_others(tmp_path):
    for name, patients in (("ten", 10), ("again", 10), ("twelve", 12)):
        (tmp_path / name).mkdir()
        simulate({"patients": patients}, tmp_path / name, 1)
    for path in (tmp_path / "ten").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()
        assert (tmp_path / "twelve" / path.name).read_bytes().startswith(path.read_bytes())


def test_another_seed_makes_other_patients(tmp_path):
    for seed in (1, 2):
        (tmp_path / str(seed)).mkdir()
        simulate_admissions({"patients": 10}, tmp_path / str(seed), seed)
    assert (tmp_path / "1" / "ADMISSIONS.csv").read_bytes() != (tmp_path / "2" / "ADMISSIONS.csv").read_bytes()


def test_the_admissions_are_the_same_without_the_charts(folder, tmp_path):
    simulate_admissions({"patients": 300}, tmp_path, 1)
    for table in ("PATIENTS.csv", "ADMISSIONS.csv"):
        assert (tmp_path / table).read_bytes() == (folder / table).read_bytes()


@pytest.mark.skipif(not REAL.is_dir(), reason="needs ../shared/data (MIMIC-III demo)")
def test_columns_are_the_publishers(folder):
    for path in folder.iterdir():
        published = next(row.keys() for row in reference.read(REAL, path.stem))
        with path.open() as stream:
            assert next(csv.reader(stream)) == list(published), path.name


def test_records_belong_together(folder):
    people = {row["subject_id"]: row for row in rows(folder, "PATIENTS")}
    visits = {row["hadm_id"]: row for row in rows(folder, "ADMISSIONS")}
    for visit in visits.values():
        assert (visit["deathtime"] != "") == (visit["hospital_expire_flag"] == "1")
        assert (visit["discharge_location"] == "DEAD/EXPIRED") == (visit["deathtime"] != "")
        assert visit["admittime"] < visit["dischtime"] and visit["subject_id"] in people
    for stay in rows(folder, "ICUSTAYS"):
        visit = visits[stay["hadm_id"]]
        assert visit["subject_id"] == stay["subject_id"]
        assert visit["admittime"] <= stay["intime"] < stay["outtime"] <= visit["dischtime"]
    by_stay = {row["icustay_id"]: row for row in rows(folder, "ICUSTAYS")}
    for row in rows(folder, "CHARTEVENTS"):
        assert row["charttime"] <= by_stay[row["icustay_id"]]["outtime"]


def test_nobody_comes_back_after_death_and_admissions_do_not_overlap(folder):
    last = {}
    for row in rows(folder, "ADMISSIONS"):
        before = last.get(row["subject_id"])
        assert before is None or (before["deathtime"] == "" and before["dischtime"] < row["admittime"])
        last[row["subject_id"]] = row
    assert Counter(row["subject_id"] for row in rows(folder, "ADMISSIONS")).most_common(1)[0][1] > 1


def test_there_is_something_to_leave_out_and_to_put_right(folder):
    stays, people = rows(folder, "ICUSTAYS"), rows(folder, "PATIENTS")
    assert any(row["first_careunit"] != row["last_careunit"] for row in stays)
    assert any(float(row["los"]) < 2 for row in stays)
    assert any(datetime.fromisoformat(row["dob"]).year < 1900 for row in people)
    assert {row["dbsource"] for row in stays} == {"carevue", "metavision"}


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    """Return the default datasets of three seeds."""
    root = tmp_path_factory.mktemp("datasets")
    settings = {"source": "simulated", "simulated": {"patients": 460}}
    made = []
    for seed in range(3):
        acquire_raw("mimic3", "mimic3", settings, seed, root / "raw", root / "scratch")
        made.append(mimic3.parse("mimic3", root / "raw", {"test_fraction": 0.3}, seed))
    return made


def test_about_400_stays_of_whom_an_eighth_dies(datasets):
    assert all(370 < len(dataset.y) < 430 for dataset in datasets)
    assert 0.10 < np.mean(np.concatenate([dataset.y for dataset in datasets])) < 0.17


def test_the_sick_are_measured_more(datasets):
    for dataset in datasets:
        counts = dataset.x[:, dataset.features.index("ph_count_day1")]
        assert counts[dataset.y == 1].mean() > 1.5 * counts[dataset.y == 0].mean()


def test_models_learn_it_as_well_as_real_stays_and_no_better(datasets):
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    scores = []
    for dataset in datasets:
        x, train = dataset.standardised(), dataset.rows(0)
        model = LogisticRegression(C=0.01, max_iter=500).fit(x[train], dataset.y[train])
        scores.append(roc_auc_score(dataset.y[~train], model.predict_proba(x[~train])[:, 1]))
    assert 0.76 < np.mean(scores) < 0.90
