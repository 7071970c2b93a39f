"""UCI's files become the dataset that docs/data/heart.md describes, and bad ones one clear error."""

import json
from pathlib import Path

import numpy as np
import pytest

from medpriv.dataset import TEST, TRAIN
from medpriv.errors import InputError
from medpriv.files import sha256
from medpriv.sources import heart
from medpriv.sources.acquire import acquire_raw

REAL = Path(__file__).parents[3] / "shared" / "data" / "uci" / "heart-disease"
SETTINGS = {"test_fraction": 0.3}
LINE = "63,1,4,140,260,0,1,112,1,3,2,0,7,2"


@pytest.fixture
def raw(tmp_path):
    """Return a call that makes a raw folder of simulated patients, then puts other lines into a hospital's file."""

    def call(cleveland=60, va=40, **lines):
        folder = tmp_path / "raw"
        settings = {"source": "simulated", "simulated": {"patients": {"cleveland": cleveland, "va": va}}}
        acquire_raw("heart", "heart", settings, 1, folder, tmp_path / "scratch")
        for hospital, text in lines.items():
            replace(folder, hospital, text)
        return folder

    return call


def replace(folder, hospital, text):
    file = folder / heart.file_name(hospital)
    file.write_text(text)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][file.name] = {"bytes": file.stat().st_size, "sha256": sha256(file)}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def only(raw, lines):
    """Return a raw folder of one hospital with these lines."""
    folder = raw(va=0)
    replace(folder, "cleveland", "\n".join(lines))
    return folder


def test_thirteen_features_one_row_a_patient(raw):
    dataset = heart.parse("heart", raw(), SETTINGS, 1)
    assert dataset.x.shape == (100, 13) and len(dataset.units) == len(dataset.features) == 13
    assert (dataset.patients[0], dataset.patients[60]) == ("cleveland-0001", "va-0001")
    assert np.array_equal(dataset.patient, np.arange(100))
    assert [dataset.sites[site] for site in dataset.site[[0, 60]]] == ["cleveland", "va"]
    assert set(dataset.groups) == {"sex", "age"}


def test_values_units_and_label_are_those_of_the_line(raw):
    folder = raw()
    line = (folder / "processed.cleveland.data").read_text().splitlines()[7].split(",")
    dataset = heart.parse("heart", folder, SETTINGS, 1)
    assert dataset.x[7].tolist() == pytest.approx([float(cell) for cell in line[:-1]])
    assert dataset.y[7] == (int(line[-1]) > 0)
    assert dataset.groups["sex"][7] == ("M" if line[1] == "1.0" else "F")


def test_the_split_is_stratified_by_hospital_and_label(raw):
    dataset = heart.parse("heart", raw(), SETTINGS, 1)
    for site in (0, 1):
        for label in (0, 1):
            cell = (dataset.site == site) & (dataset.y == label)
            assert abs(np.sum(cell & dataset.rows(TEST)) - 0.3 * np.sum(cell)) < 1


def test_the_split_depends_on_the_seed_and_on_nothing_else(raw):
    folder = raw()
    split = heart.parse("heart", folder, SETTINGS, 1).split
    assert np.array_equal(heart.parse("heart", folder, SETTINGS, 1).split, split)
    assert not np.array_equal(heart.parse("heart", folder, SETTINGS, 2).split, split)


def test_imputation_and_scaling_know_only_training_rows(raw):
    folder = raw()
    before = heart.parse("heart", folder, SETTINGS, 1)
    file = folder / "processed.cleveland.data"
    lines = [line.split(",") for line in file.read_text().splitlines()]
    for row in np.flatnonzero(before.rows(TEST)[:60]):
        lines[row][4] = "999"
    replace(folder, "cleveland", "\n".join(map(",".join, lines)))
    after = heart.parse("heart", folder, SETTINGS, 1)
    assert np.sum(after.x[:, 4] == 999) > 10
    assert np.array_equal(before.centre, after.centre) and np.array_equal(before.scale, after.scale)
    assert before.notes["imputed_with"] == after.notes["imputed_with"]
    train = after.standardised()[after.rows(TRAIN)]
    assert train.mean(axis=0) == pytest.approx(np.zeros(13), abs=1e-5)
    assert train.std(axis=0) == pytest.approx(np.ones(13), abs=1e-4)


def test_a_zero_pressure_or_cholesterol_is_a_missing_value(raw):
    folder = only(raw, ["63,1,4,0,0,0,1,112,1,0,2,0,7,2", LINE])
    table = heart.read_rows(folder / "processed.cleveland.data")
    assert np.isnan(table[0, [3, 4]]).all() and np.isnan(table).sum() == 2


def test_a_column_that_never_varies_keeps_scale_one(raw):
    lines = [LINE[:-1] + str(row % 2) for row in range(10)]
    assert heart.parse("heart", only(raw, lines), SETTINGS, 1).scale.tolist() == [1] * 13


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (LINE + ",1", r"line 2: 15 columns instead of 14"),
        (LINE.removesuffix(",2"), r"line 2: 13 columns instead of 14"),
        (LINE.replace("260", "2b0"), r"line 2, column 5 \(chol\): '2b0' is not a number"),
        (LINE.replace("260", "nan"), r"line 2, column 5 \(chol\): 'nan' is not a number"),
        (LINE.replace("260", ""), r"line 2, column 5 \(chol\): '' is not a number"),
        (LINE[:-1] + "5", r"line 2, column 14 \(num\): unknown label 5"),
        (LINE[:-1] + "?", r"line 2, column 14 \(num\): a missing value that must not be"),
        (LINE.replace("63,1,4", "63,1,9"), r"line 2, column 3 \(cp\): unknown code 9"),
    ],
)
def test_a_bad_line_is_named_with_its_place_and_remedy(raw, line, message):
    folder = raw()
    replace(folder, "va", f"{LINE}\n{line}\n{LINE}\n")
    with pytest.raises(InputError, match=r"processed\.va\.data, " + message + ".*Remedy: "):
        heart.parse("heart", folder, SETTINGS, 1)


def test_an_empty_file_is_named(raw):
    folder = raw()
    replace(folder, "va", "\n")
    with pytest.raises(InputError, match=r"processed\.va\.data: the file is empty"):
        heart.parse("heart", folder, SETTINGS, 1)


def test_an_empty_class_is_named(raw):
    with pytest.raises(InputError, match="no training record of class no_disease"):
        heart.parse("heart", only(raw, [LINE] * 10), SETTINGS, 1)


def test_a_column_that_nobody_measured_is_named(raw):
    lines = [LINE[:-1] + str(row % 2) for row in range(10)]
    with pytest.raises(InputError, match=r"column chol: no training patient has a value"):
        heart.parse("heart", only(raw, [line.replace("260", "?") for line in lines]), SETTINGS, 1)


def test_the_dataset_saves_and_loads_unchanged(raw, tmp_path):
    dataset = heart.parse("heart", raw(), SETTINGS, 1)
    dataset.save(tmp_path / "saved")
    loaded = type(dataset).load(tmp_path / "saved")
    assert np.array_equal(loaded.x, dataset.x) and loaded.notes == dataset.notes and loaded.groups == dataset.groups


@pytest.mark.skipif(not REAL.is_dir(), reason="needs ../shared/data (UCI heart disease)")
def test_the_real_files_have_the_counts_of_the_data_card(tmp_path):
    acquire_raw("heart", "heart", {"source": "local", "path": str(REAL)}, 1, tmp_path / "raw", tmp_path / "scratch")
    dataset = heart.parse("heart", tmp_path / "raw", SETTINGS, 1)
    assert dataset.notes["patients_by_hospital"] == {"cleveland": 303, "hungarian": 294, "switzerland": 123, "va": 200}
    assert np.bincount(dataset.y).tolist() == [411, 509]
    assert dataset.notes["missing_cells"] == {
        "age": 0,
        "sex": 0,
        "cp": 0,
        "trestbps": 60,
        "chol": 202,
        "fbs": 90,
        "restecg": 2,
        "thalach": 55,
        "exang": 55,
        "oldpeak": 62,
        "slope": 309,
        "ca": 611,
        "thal": 486,
    }
    assert {name: sha256(REAL / name) for name in heart.remote_files()} == heart.remote_files()
