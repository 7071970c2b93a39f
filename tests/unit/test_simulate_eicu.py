"""Simulated stays are written as the eICU demo's tables, and differ by hospital as real ones do."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from medpriv.dataset import TRAIN
from medpriv.measures.roc import auc
from medpriv.simulate.eicu import TABLES, simulate
from medpriv.sources import eicu
from medpriv.sources.acquire import acquire_raw

REAL = Path(__file__).parents[3] / "shared" / "data" / "physionet" / "eicu-crd-demo" / "2.0.1"


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    settings = {"source": "simulated", "simulated": {"stays": 1500, "hospitals": 12}}
    acquire_raw("eicu", "eicu", settings, 1, folder / "raw", folder / "scratch")
    return folder / "raw"


@pytest.fixture(scope="module")
def dataset(raw):
    return eicu.parse("eicu", raw, {"test_fraction": 0.3}, 1)


def header(folder, table):
    with gzip.open(folder / f"{table}.csv.gz", "rt") as stream:
        return next(csv.reader(stream))


def test_same_seed_same_bytes(tmp_path):
    for name in ("one", "again"):
        simulate({"stays": 150, "hospitals": 3}, tmp_path / name, 1)
    simulate({"stays": 150, "hospitals": 3}, tmp_path / "other", 2)
    for table in TABLES:
        one, again, other = (tmp_path / name / f"{table}.csv.gz" for name in ("one", "again", "other"))
        assert one.read_bytes() == again.read_bytes() != other.read_bytes()


@pytest.mark.skipif(not REAL.is_dir(), reason="needs ../shared/data (eICU demo)")
def test_the_tables_have_the_publisher_s_columns_in_its_order(raw):
    for table in TABLES:
        assert header(raw, table) == header(REAL, table)


def test_stays_hospitals_and_mortality_are_as_asked_for_and_like_the_demo(dataset):
    assert len(dataset.sites) == 12 and len(dataset.x) == pytest.approx(1000, abs=100)
    assert sum(dataset.notes["stays_left_out"].values()) == 1500 - len(dataset.x)
    assert dataset.y.mean() == pytest.approx(0.09, abs=0.03)
    assert 1.05 < len(dataset.x) / len(dataset.patients) < 1.4  # 1.22 in the demo


def test_hospitals_differ_in_size_mortality_and_in_what_they_measure(dataset):
    sizes = np.bincount(dataset.site)
    assert sizes.max() > 2 * sizes.min()
    measured = dataset.x[:, dataset.features.index("wbc_measured")]
    shares = np.array([measured[dataset.site == site].mean() for site in range(12)])
    assert np.ptp(shares[sizes > 40]) > 0.08


@pytest.mark.parametrize(
    ("feature", "share"),  # of stays without a value, as in the demo
    [
        ("urine_worst", 0.52),
        ("wbc_worst", 0.31),
        ("ph_worst", 0.79),
        ("albumin_worst", 0.61),
        ("bilirubin_worst", 0.64),
        ("bun_worst", 0.27),
        ("hr_worst", 0.09),
    ],
)
def test_what_is_not_measured_in_the_demo_is_not_measured_here(dataset, feature, share):
    assert dataset.notes["missing_cells"][feature] / len(dataset.x) == pytest.approx(share, abs=0.08)


def test_it_is_learnt_as_well_as_the_demo_and_no_better(dataset):
    from sklearn.linear_model import LogisticRegression

    x, train = dataset.standardised(), dataset.rows(TRAIN)
    model = LogisticRegression(C=0.01, max_iter=1000).fit(x[train], dataset.y[train])
    assert 0.68 < auc(model.predict_proba(x[~train])[:, 1], dataset.y[~train] == 1) < 0.9
