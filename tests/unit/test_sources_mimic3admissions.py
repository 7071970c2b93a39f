"""The published table: with its leaks any model is right about everybody, without them none knows anything."""

import csv
from pathlib import Path

import numpy as np
import pytest
from made_up_banks import training_spec

from medpriv.bank.draw import Draw
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
    [levels] = [column.levels for column in dataset.records.columns if column.name == feature]
    return [levels[code] for code in codes]


def test_only_two_tables_are_needed(simulated):
    assert {path.name for path in simulated.glob("*.csv")} == {"ADMISSIONS.csv", "PATIENTS.csv"}


def test_honest_columns_are_all_without_the_three_leaks(simulated):
    every, honest = parse(simulated), parse(simulated, HONEST)
    assert len(every.features) == len(every.units) == 14
    assert set(every.features) - set(honest.features) == set(mimic3admissions.LEAKS)
    assert honest.x.tolist() == every.x[:, [every.features.index(name) for name in honest.features]].tolist()
    assert list(honest.records.quasi_identifiers) == [
        name for name in every.records.quasi_identifiers if name != "discharge_month"
    ]


def test_codes_keep_every_text(simulated):
    dataset, rows = parse(simulated), read_csv(simulated / "ADMISSIONS.csv")
    assert texts(dataset, "diagnosis") == [row["diagnosis"] for row in rows]
    assert texts(dataset, "religion") == [row["religion"] for row in rows]
    assert texts(dataset, "admission_month") == [row["admittime"][:7] for row in rows]
    assert texts(dataset, "discharge_month") == [row["dischtime"][:7] for row in rows]
    assert dataset.records.row_id.tolist() == [int(row["row_id"]) for row in rows]


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
    times = parse(simulated).records.known_hours
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


def changed(simulated, folder, table, change):
    """Return a raw folder in which `change` has made other rows of a table's (header first)."""
    for name in ("ADMISSIONS.csv", "PATIENTS.csv"):
        (folder / name).write_bytes((simulated / name).read_bytes())
    with (simulated / f"{table}.csv").open() as stream:
        rows = change(list(csv.reader(stream)))
    with (folder / f"{table}.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return add_manifest(folder)


def add_manifest(folder):
    files = {name: folder / name for name in ("ADMISSIONS.csv", "PATIENTS.csv")}
    about = {name: {"bytes": file.stat().st_size, "sha256": sha256(file)} for name, file in files.items()}
    write_json(folder / "manifest.json", {"source": "local", "licence": "", "files": about})
    return folder


def with_cell(column, cell, row=4):
    """Return the change of one cell."""

    def change(rows):
        rows[row][rows[0].index(column)] = cell
        return rows

    return change


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        ("ADMISSIONS", with_cell("dischtime", ""), r"row_id 4: no dischtime"),
        ("PATIENTS", with_cell("gender", ""), r"row_id \d+: no gender"),
        ("PATIENTS", with_cell("gender", "Female"), r"line 5: column gender: a cell is neither F nor M"),
        ("ADMISSIONS", with_cell("hospital_expire_flag", "2"), r"line 5: column hospital_expire_flag: .*0 nor 1"),
        ("ADMISSIONS", with_cell("hospital_expire_flag", "-1"), r"line 5: column hospital_expire_flag: .*0 nor 1"),
        ("ADMISSIONS", with_cell("has_chartevents_data", "0.6"), r"line 5: column has_chartevents_data: .*0 nor 1"),
        ("ADMISSIONS", with_cell("edregtime", "290000-01-01"), r"line 5: column edregtime: a cell is no time"),
        ("PATIENTS", with_cell("dob", "1900-01-01"), r"subject_id \d+, column dob: born 2\d\d years before"),
        ("ADMISSIONS", with_cell("row_id", "1_0"), r"line 5: column row_id: a cell is no whole number"),
        ("ADMISSIONS", with_cell("row_id", "3.0"), r"line 5: row_id 3 stands in line 4 already"),
        ("ADMISSIONS", lambda rows: [*rows, rows[7]], r"hadm_id \d+ stands in line 8 already"),
        ("ADMISSIONS", lambda rows: rows + rows[1:], r"hadm_id \d+ stands in line \d+ already"),
        ("PATIENTS", lambda rows: rows[:3] + rows[2:], r"line 4: subject_id \d+ stands in line 3 already"),
    ],
)
def test_a_cell_that_must_not_be_and_a_row_twice_are_named(simulated, tmp_path, table, change, message):
    folder = changed(simulated, tmp_path, table, change)
    with pytest.raises(InputError, match=rf"{table}\.csv, .*{message}.*Remedy: "):
        parse(folder)


def test_a_byte_order_mark_changes_nothing_and_another_encoding_is_refused_with_its_line(simulated, tmp_path):
    folder = changed(simulated, tmp_path, "PATIENTS", lambda rows: rows)
    for name in ("ADMISSIONS.csv", "PATIENTS.csv"):
        (folder / name).write_text("\ufeff" + (simulated / name).read_text())
    assert np.array_equal(parse(add_manifest(folder)).x, parse(simulated).x)
    lines = (simulated / "ADMISSIONS.csv").read_bytes().split(b"\n")
    lines[6] = lines[6].replace(b"E", b"\xc9", 1)
    (folder / "ADMISSIONS.csv").write_bytes(b"\n".join(lines))
    with pytest.raises(InputError, match=r"ADMISSIONS\.csv, line 7: byte 0xc9 is not UTF-8.*Remedy: save it as UTF-8"):
        parse(add_manifest(folder))


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
        bank = baseline.train(dataset, training_spec("baseline-mlp", "mlp", recipe), Draw(range(8), 8, 1))
        test = dataset.rows(TEST)
        scores = bank.logits[:, test, 1] - bank.logits[:, test, 0]
        found[settings["columns"]] = np.mean([roc_auc_score(dataset.y[test], score) for score in scores])
    assert found["all"] > 0.97 and 0.35 < found["honest"] < 0.65


@needs_demo
def test_the_real_rows_join_back_as_the_research_found(real):
    dataset = parse(real)
    assert len(set(dataset.records.row_id.tolist())) == 129

    def alone(*features):
        cells = list(zip(*(dataset.x[:, dataset.features.index(name)] for name in features), strict=True))
        return sum(cells.count(cell) == 1 for cell in cells)

    assert alone("admission_month", "discharge_month") == 113
    assert alone("admission_month", "discharge_month", "diagnosis") == 129
    demographics = ("marital_status", "ethnicity", "religion", "language", "insurance")
    classes = np.unique(dataset.x[:, [dataset.features.index(name) for name in demographics]], axis=0)
    assert len(classes) == 55 and alone(*demographics) == 31
    assert not dataset.credentialed


def test_admissions_without_their_patient_are_left_out_and_counted(simulated, tmp_path):
    assert "rows_left_out" not in parse(simulated).notes
    gone = {}

    def without_first(rows):
        gone["subject"] = rows[1][rows[0].index("subject_id")]
        return [rows[0], *rows[2:]]

    dataset = parse(changed(simulated, tmp_path, "PATIENTS", without_first))
    with (tmp_path / "ADMISSIONS.csv").open() as stream:
        lost = sum(row["subject_id"] == gone["subject"] for row in csv.DictReader(stream))
    assert lost and dataset.notes["rows_left_out"] == {"ADMISSIONS without PATIENTS": lost}
    assert dataset.notes["admissions"] == len(parse(simulated).y) - lost
