"""Simulated patients look like UCI's on paper, share its gaps and are as hard to classify."""

import numpy as np
import pytest

from medpriv.simulate.heart import LABELS, simulate
from medpriv.sources import heart
from medpriv.sources.acquire import acquire_raw

PATIENTS = {"cleveland": 303, "hungarian": 294, "switzerland": 123, "va": 200}
MANY = dict.fromkeys(PATIENTS, 3000)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Return 3000 patients a hospital: the text cells, [patients, 14]."""
    folder = tmp_path_factory.mktemp("many")
    simulate({"patients": MANY}, folder, 1)
    return {
        hospital: np.array([line.split(",") for line in (folder / heart.file_name(hospital)).read_text().splitlines()])
        for hospital in MANY
    }


def test_same_seed_same_bytes_and_hospitals_do_not_depend_on_each_other(tmp_path):
    simulate({"patients": PATIENTS}, tmp_path / "all", 1)
    simulate({"patients": {"va": 200}}, tmp_path / "one", 1)
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["processed.va.data"]
    name = "processed.va.data"
    assert (tmp_path / "all" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()


def test_files_have_each_hospitals_own_number_style(many):
    assert all("." in cell for cell in many["cleveland"][0, :-1] if cell != "?")
    assert many["cleveland"][0, -1] in "01234"
    assert all(cell.isdigit() for cell in many["va"][:, 0])
    assert any(cell.startswith(".") for cell in many["switzerland"][:, 9])
    assert not any(cell.startswith("0.") for cell in many["switzerland"][:, 9])


def test_label_shares_are_each_hospitals_own(many):
    for hospital, cells in many.items():
        shares = np.bincount(cells[:, -1].astype(int), minlength=5) / 3000
        assert shares == pytest.approx(LABELS[hospital], abs=0.03)


@pytest.mark.parametrize(
    ("hospital", "column", "share"),  # of missing cells (a 0 in chol counts), as in the real files
    [
        ("cleveland", "ca", 4 / 303),
        ("hungarian", "chol", 23 / 294),
        ("hungarian", "slope", 190 / 294),
        ("hungarian", "ca", 291 / 294),
        ("hungarian", "thal", 266 / 294),
        ("switzerland", "chol", 1.0),
        ("switzerland", "fbs", 75 / 123),
        ("switzerland", "ca", 118 / 123),
        ("va", "trestbps", 57 / 200),
        ("va", "chol", 56 / 200),
        ("va", "thalach", 53 / 200),
        ("va", "slope", 102 / 200),
        ("va", "thal", 166 / 200),
    ],
)
def test_gaps_are_where_the_hospital_has_them(many, hospital, column, share):
    cells = many[hospital][:, heart.COLUMNS.index(column)]
    absent = np.isin(cells, ["?", "0", "0.0"] if column in heart.ZERO_IS_MISSING else ["?"])
    assert absent.mean() == pytest.approx(share, abs=0.03)


def test_logistic_regression_learns_it_as_well_as_the_real_files_and_no_better(tmp_path):
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    scores = []
    for seed in range(5):
        settings = {"source": "simulated", "simulated": {"patients": PATIENTS}}
        acquire_raw("heart", "heart", settings, seed, tmp_path / "raw", tmp_path / "scratch")
        dataset = heart.parse("heart", tmp_path / "raw", {"test_fraction": 0.3}, seed)
        x, train = dataset.standardised(), dataset.rows(0)
        model = LogisticRegression().fit(x[train], dataset.y[train])
        scores.append(roc_auc_score(dataset.y[~train], model.predict_proba(x[~train])[:, 1]))
    assert 0.80 < np.mean(scores) < 0.90
