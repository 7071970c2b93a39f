"""Simulated stays are written as the challenge's, look like them on paper, and are as hard to tell."""

import tarfile

import numpy as np
import pytest

from medpriv.dataset import TRAIN
from medpriv.seeds import generator
from medpriv.simulate.cinc2012 import FIRST_STAY, draw_stay, simulate
from medpriv.sources import cinc2012
from medpriv.sources.acquire import acquire_raw
from medpriv.sources.cinc2012_files import HEADER, NAMES, read_set

SETTINGS = {"sets": ["a"], "test_fraction": 0.3}


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    settings = {"source": "simulated", "simulated": {"stays": 800}}
    acquire_raw("cinc2012", "cinc2012", settings, 1, folder / "raw", folder / "scratch")
    return folder / "raw"


@pytest.fixture(scope="module")
def dataset(raw):
    return cinc2012.parse("cinc2012", raw, SETTINGS, 1)


def test_same_seed_same_bytes_and_a_stay_does_not_depend_on_how_many_there_are(tmp_path):
    for name in ("one", "again"):
        simulate({"stays": 100}, tmp_path / name, 1)
    simulate({"stays": 101}, tmp_path / "more", 1)
    for file in ("set-a.tar.gz", "Outcomes-a.txt"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "again" / file).read_bytes()
    text, outcome = draw_stay(FIRST_STAY, generator(1, "stay", FIRST_STAY))
    with tarfile.open(tmp_path / "more" / "set-a.tar.gz") as tar:
        assert tar.extractfile(f"set-a/{FIRST_STAY}.txt").read() == text
    assert (tmp_path / "more" / "Outcomes-a.txt").read_text().splitlines()[1] == outcome


def test_a_stay_begins_with_its_descriptors_and_goes_on_in_the_order_of_time(raw):
    with tarfile.open(raw / "set-a.tar.gz") as tar:
        members = tar.getmembers()
        text = tar.extractfile(members[1]).read()
    assert members[0].isdir() and members[0].name == "set-a" and len(members) == 801
    assert {(member.uid, member.mtime, member.uname) for member in members} == {(0, 0, "")}
    lines = text.removeprefix(HEADER).decode().splitlines()
    assert [line.split(",")[1] for line in lines[:6]] == ["RecordID", "Age", "Gender", "Height", "ICUType", "Weight"]
    times = [line.split(",")[0] for line in lines[6:]]
    assert times == sorted(times) and len(lines) > 100


def test_survival_agrees_with_the_outcome(raw):
    for line in (raw / "Outcomes-a.txt").read_text().splitlines()[1:]:
        _, _, _, stay, survival, died = map(int, line.split(","))
        assert stay >= 2 and (2 <= survival <= stay if died else survival == -1 or survival > stay)


def test_mortality_units_and_lengths_are_like_the_real_ones(raw, dataset):
    assert dataset.y.mean() == pytest.approx(0.14, abs=0.03)
    assert np.bincount(dataset.site) / 800 == pytest.approx([0.144, 0.219, 0.370, 0.267], abs=0.05)
    readings = read_set(raw, "a")
    assert len(readings.value) / 800 == pytest.approx(440, abs=60)
    assert set(NAMES) == {NAMES[index] for index in np.unique(readings.name)}


@pytest.mark.parametrize(
    ("feature", "share"),  # of stays without a value, as in the real set
    [
        ("resp_rate_last", 0.72),
        ("sao2_last", 0.55),
        ("albumin_last", 0.60),
        ("lactate_last", 0.45),
        ("troponin_t_last", 0.78),
        ("pao2_last", 0.24),
        ("weight", 0.07),
    ],
)
def test_what_is_not_measured_in_the_real_set_is_not_measured_here(dataset, feature, share):
    assert dataset.notes["missing_cells"][feature] / 800 == pytest.approx(share, abs=0.06)


def test_the_sicker_are_measured_more_often(dataset):
    count = dataset.x[:, dataset.features.index("bun_count")]
    assert count[dataset.y == 1].mean() > count[dataset.y == 0].mean() + 0.3


def test_a_network_learns_it_as_well_as_the_real_set_and_no_better(dataset):
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    x, train = dataset.standardised(), dataset.rows(TRAIN)
    model = LogisticRegression(C=0.01, max_iter=1000).fit(x[train], dataset.y[train])
    assert 0.74 < roc_auc_score(dataset.y[~train], model.predict_proba(x[~train])[:, 1]) < 0.92
