"""The published table: with its leaks any model is right about everybody, without them none knows anything."""

import csv
from pathlib import Path

import numpy as np
import pytest

from medpriv.dataset import TEST
from medpriv.errors import InputError
from medpriv.files import read_csv, sha256, write_json
from medpriv.sources import mimic3admissions
from medpriv.sources.acquire import acquire_raw

REAL = Path(__file__).parents[3] / "shared" / "data" / "physionet" / "mimiciii-demo" / "1.4"
needs_demo = pytest.mark.skipif(not REAL.is_dir(), reason="needs ../shared/data (MIMIC-III demo)")
ALL = {"columns": "all", "test_fraction": 0.3}
HONEST = {"columns": "honest", "test_fraction": 0.3}


def acquire(root, settings):
    acquire_raw("mimic3admissions", "table", settings, 1, root / "raw", root / "scratch")
    return root / "raw"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    return acquire(tmp_path_factory.mktemp("simulated"), {"source": "simulated", "simulated": {"patients": 120}})


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    return acquire(tmp_path_factory.mktemp("real"), {"source": "local", "path": str(REAL)})


def parse(folder, settings=ALL, seed=1):
    return mimic3admissions.parse("table", folder, settings, seed)


def texts(dataset, feature):
    """Return a coded column's texts."""
    codes = dataset.x[:, dataset.features.index(feature)].astype(int)
    return [dataset.notes["levels"][feature][code] for code in codes]


def test_only_two_tables_are_needed(simulated):
    assert {path.name for path in simulated.glob("*.csv")} == {"ADMISSIONS.csv", "PATIENTS.csv"}


def test_honest_columns_are_all_without_the_three_leaks(simulated):
    every, honest = parse(simulated), parse(simulated, HONEST)
    assert len(every.features) == len(every.units) == 14
    assert set(every.features) - set(honest.features) == set(mimic3admissions.LEAKS)
    assert honest.x.tolist() == every.x[:, [every.features.index(name) for name in honest.features]].tolist()
    assert honest.notes["quasi_identifiers"] == [
        name for name in every.notes["quasi_identifiers"] if name != "discharge_month"
    ]


def test_codes_keep_every_text(simulated):
    dataset, rows = parse(simulated), read_csv(simulated / "ADMISSIONS.csv")
    assert texts(dataset, "diagnosis") == [row["diagnosis"] for row in rows]
    assert texts(dataset, "religion") == [row["religion"] for row in rows]
    assert texts(dataset, "admission_month") == [row["admittime"][:7] for row in rows]
    assert texts(dataset, "discharge_month") == [row["dischtime"][:7] for row in rows]
    assert dataset.notes["row_id"] == [int(row["row_id"]) for row in rows]


def test_texts_are_grouped_as_the_work_did(simulated):
    dataset, rows = parse(simulated), read_csv(simulated / "ADMISSIONS.csv")
    assert texts(dataset, "marital_status") == [
        "married" if row["marital_status"] == "MARRIED" else "not married" for row in rows
    ]
    assert texts(dataset, "insurance") == ["private" if row["insurance"] == "Private" else "public" for row in rows]
    places = dict(zip((row["discharge_location"] for row in rows), texts(dataset, "discharge_location"), strict=True))
    assert places["DEAD/EXPIRED"] == "deceased" and places["HOME HEALTH CARE"] == "home"
    assert places["SNF"] == places["REHAB/DISTINCT PART HOSP"] == "facility" and places["HOSPICE-HOME"] == "hospice"


def test_the_leaks_are_known_at_the_outcome_and_the_rest_before(simulated):
    times = parse(simulated).notes["times"]
    assert {name for name, hours in times.items() if hours >= 0} == set(mimic3admissions.LEAKS)
    dataset = parse(simulated)
    flag = dataset.x[:, dataset.features.index("deathtime_flag")]
    assert np.array_equal(flag, dataset.y)


def test_the_split_is_by_patient_and_imputation_knows_only_training_rows(simulated):
    dataset, rows = parse(simulated), read_csv(simulated / "ADMISSIONS.csv")
    assert len(dataset.patients) < len(dataset.y) == len(rows)
    assert [dataset.patients[owner] for owner in dataset.patient] == [row["subject_id"] for row in rows]
    column = dataset.x[:, dataset.features.index("ed_minutes")]
    gaps = np.array([not row["edregtime"] for row in rows])
    test = dataset.rows(TEST)
    assert gaps.sum() == dataset.notes["missing_cells"]["ed_minutes"]
    assert np.all(column[gaps] == np.median(column[~gaps & ~test]))


def test_a_missing_cell_that_must_not_be_is_named(simulated, tmp_path):
    with (simulated / "ADMISSIONS.csv").open() as stream:
        rows = list(csv.reader(stream))
    rows[4][rows[0].index("dischtime")] = ""
    with (tmp_path / "ADMISSIONS.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    (tmp_path / "PATIENTS.csv").write_bytes((simulated / "PATIENTS.csv").read_bytes())
    files = {name: tmp_path / name for name in ("ADMISSIONS.csv", "PATIENTS.csv")}
    about = {name: {"bytes": file.stat().st_size, "sha256": sha256(file)} for name, file in files.items()}
    write_json(tmp_path / "manifest.json", {"source": "local", "licence": "", "files": about})
    with pytest.raises(InputError, match=r"ADMISSIONS\.csv, row_id 4: no dischtime.*Remedy: "):
        parse(tmp_path)


def cross_validated(dataset, model, repeats=5):
    """Return the mean AUC of repeated five-fold cross-validation that keeps patients whole."""
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scores = []
    for repeat in range(repeats):
        probability = np.zeros(len(dataset.y))
        folds = StratifiedGroupKFold(5, shuffle=True, random_state=repeat)
        for train, test in folds.split(dataset.x, dataset.y, dataset.patient):
            fitted = make_pipeline(StandardScaler(), model()).fit(dataset.x[train], dataset.y[train])
            probability[test] = fitted.predict_proba(dataset.x[test])[:, 1]
        scores.append(roc_auc_score(dataset.y, probability))
    return np.mean(scores)


def models():
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    return {
        "logistic": LogisticRegression,
        "forest": lambda: RandomForestClassifier(50, random_state=0),
        "mlp": lambda: MLPClassifier((64, 32), batch_size=32, max_iter=50, random_state=0),
    }


@needs_demo
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model", ["logistic", "forest", "mlp"])
def test_real_admissions_are_foretold_with_the_leaks_and_not_without(real, model):
    leaky, honest = parse(real), parse(real, HONEST)
    assert (len(leaky.y), leaky.y.sum(), len(leaky.patients)) == (129, 40, 100)
    assert cross_validated(leaky, models()[model], repeats=1) > 0.995
    assert 0.38 < cross_validated(honest, models()[model], repeats=3 if model != "mlp" else 2) < 0.62


@needs_demo
def test_a_bank_on_the_real_admissions_shows_the_same(real):
    from sklearn.metrics import roc_auc_score

    from medpriv.treatments import baseline

    recipe = {"hidden": [64, 32], "epochs": 100, "batch_size": 32, "learning_rate": 0.003}
    recipe |= {"weight_decay": 0.0, "balance": 0.0}
    found = {}
    for settings in (ALL, HONEST):
        dataset = parse(real, settings)
        bank = baseline.train(dataset, "baseline-mlp", "mlp", recipe, range(8), 8, 1)
        test = dataset.rows(TEST)
        scores = bank.logits[:, test, 1] - bank.logits[:, test, 0]
        found[settings["columns"]] = np.mean([roc_auc_score(dataset.y[test], score) for score in scores])
    assert found["all"] > 0.97 and 0.35 < found["honest"] < 0.65


@needs_demo
def test_the_real_rows_join_back_as_the_research_found(real):
    dataset = parse(real)
    assert len(set(dataset.notes["row_id"])) == 129

    def alone(*features):
        cells = list(zip(*(dataset.x[:, dataset.features.index(name)] for name in features), strict=True))
        return sum(cells.count(cell) == 1 for cell in cells)

    assert alone("admission_month", "discharge_month") == 113
    assert alone("admission_month", "discharge_month", "diagnosis") == 129
    demographics = ("marital_status", "ethnicity", "religion", "language", "insurance")
    classes = np.unique(dataset.x[:, [dataset.features.index(name) for name in demographics]], axis=0)
    assert len(classes) == 55 and alone(*demographics) == 31
    assert not dataset.credentialed
