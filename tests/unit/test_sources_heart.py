"""UCI's files become the dataset that docs/data/heart.md describes, and bad ones one clear error."""

import json
from pathlib import Path

import numpy as np
import pytest
from made_up_datasets import check_the_way_back

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


def test_gaps_are_kept_and_features_lead_back_to_the_cells(raw):
    check_the_way_back(heart.parse("heart", raw(), SETTINGS, 1))


def test_thirteen_features_one_row_a_patient(raw):
    dataset = heart.parse("heart", raw(), SETTINGS, 1)
    assert dataset.x.shape == (100, 13) and len(dataset.units) == len(dataset.features) == 13
    assert (dataset.patients[0], dataset.patients[60]) == ("cleveland-0001", "va-0001")
    assert np.array_equal(dataset.patient, np.arange(100))
    assert [dataset.sites[site] for site in dataset.site[[0, 60]]] == ["cleveland", "va"]
    assert set(dataset.groups) == {"sex", "age"}


def test_some_hospitals_alone_are_their_patients_and_no_others(raw):
    whole, one = (heart.parse("heart", raw(), SETTINGS | {"hospitals": names}, 1) for names in (None, ["cleveland"]))
    assert one.sites == ("cleveland",)
    assert one.patients == whole.patients[:60]
    known = ~np.isnan(whole.records.raw[:60]) & (whole.records.raw[:60] >= 0)
    assert np.array_equal(one.x[known], whole.x[:60][known])
    with pytest.raises(InputError, match=r"no patients of hungarian.*name some of cleveland, va"):
        heart.parse("heart", raw(), SETTINGS | {"hospitals": ["hungarian"]}, 1)


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
        lines[row][4] = "699"
    replace(folder, "cleveland", "\n".join(map(",".join, lines)))
    after = heart.parse("heart", folder, SETTINGS, 1)
    assert np.sum(after.x[:, 4] == 699) > 10
    assert np.array_equal(before.centre, after.centre) and np.array_equal(before.scale, after.scale)
    assert before.notes["imputed_with"] == after.notes["imputed_with"]
    train = after.standardised()[after.rows(TRAIN)]
    assert train.mean(axis=0) == pytest.approx(np.zeros(13), abs=1e-5)
    assert train.std(axis=0) == pytest.approx(np.ones(13), abs=1e-4)


def test_a_zero_pressure_or_cholesterol_is_a_missing_value(raw):
    folder = only(raw, ["63,1,4,0,0,0,1,112,1,0,2,0,7,2", LINE])
    table = heart.with_gaps(heart.read_cells(folder / "processed.cleveland.data"))
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
        (LINE.replace("260", "2_60"), r"line 2, column 5 \(chol\): '2_60' is not a number"),
        (LINE.replace("63,1", "-9,1"), r"line 2, column 1 \(age\): a missing value that must not be"),
        (LINE.replace("63,1", "63,-9"), r"line 2, column 2 \(sex\): a missing value that must not be"),
        (LINE.replace("63,1", "-1,1"), r"line 2, column 1 \(age\): -1 is not from 15 to 110"),
        (LINE.replace("63,1", "999,1"), r"line 2, column 1 \(age\): 999 is not from 15 to 110"),
        (LINE.replace("140", "9999"), r"line 2, column 4 \(trestbps\): 9999 is not from 30 to 300"),
        (LINE.replace("260", "-1"), r"line 2, column 5 \(chol\): -1 is not from 50 to 700"),
        (LINE.replace("112", "0"), r"line 2, column 8 \(thalach\): 0 is not from 30 to 250"),
        (LINE.replace("1,3,2", "1,99,2"), r"line 2, column 10 \(oldpeak\): 99 is not from -5 to 10"),
        (LINE.replace("63,1", "63,male"), r"line 2, column 2 \(sex\): 'male' is not a number"),
        (LINE.replace("63,1", "63,2"), r"line 2, column 2 \(sex\): unknown code 2"),
    ],
)
def test_a_bad_line_is_named_with_its_place_and_remedy(raw, line, message):
    folder = raw()
    replace(folder, "va", f"{LINE}\n{line}\n{LINE}\n")
    with pytest.raises(InputError, match=r"processed\.va\.data, " + message + ".*Remedy: "):
        heart.parse("heart", folder, SETTINGS, 1)


def test_minus_nine_is_a_missing_value(raw):
    marked = "63,1,-9,-9.0,-9,-9,-9,-9,-9,-9,-9,-9,-9,2"
    folder = only(raw, [marked, "63,1" + ",?" * 11 + ",2"])
    table = heart.read_cells(folder / "processed.cleveland.data")
    assert np.isnan(table[0]).sum() == 11 and np.array_equal(table[0], table[1], equal_nan=True)


def test_a_byte_order_mark_changes_nothing_and_another_encoding_is_refused_with_its_line(raw):
    folder = raw()
    before = heart.parse("heart", folder, SETTINGS, 1)
    text = (folder / "processed.va.data").read_text()
    replace(folder, "va", "\ufeff" + text)
    assert np.array_equal(heart.parse("heart", folder, SETTINGS, 1).x, before.x)
    (folder / "processed.va.data").write_bytes(text.encode() + b"\xe9\n")
    with pytest.raises(InputError, match=r"processed\.va\.data, line 41: byte 0xe9 is not UTF-8"):
        heart.read_cells(folder / "processed.va.data")


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


FLAMBY = SETTINGS | {"protocol": "flamby"}


@pytest.mark.skipif(not REAL.is_dir(), reason="needs ../shared/data (UCI heart disease)")
def test_the_real_files_have_fed_heart_disease_s_counts(tmp_path):
    acquire_raw("heart", "heart", {"source": "local", "path": str(REAL)}, 1, tmp_path / "raw", tmp_path / "scratch")
    dataset = heart.parse("heart", tmp_path / "raw", FLAMBY, 1)
    train = dataset.rows(TRAIN)
    assert dataset.x.shape == (740, 13) and dataset.notes["left_out_for_gaps"] == 180
    assert np.bincount(dataset.site[train]).tolist() == [199, 172, 30, 85]  # FLamby's README
    assert np.bincount(dataset.site[~train]).tolist() == [104, 89, 16, 45]
    # The split call of its code on these rows gave Cleveland's test patients these lines, among others.
    test = np.array(dataset.patients)[~train]
    assert [name for name in test if name.startswith("cleveland")][:4] == [
        f"cleveland-{n:04d}" for n in (6, 14, 17, 25)
    ]
    chol = dataset.features.index("chol")
    assert (dataset.x[dataset.site == 2, chol] == 0).all()


def test_flamby_s_protocol_drops_gaps_and_standardises_each_hospital_on_its_training_rows(raw):
    dataset = heart.parse("heart", raw(), FLAMBY, 1)
    features = ["age", "sex", "trestbps", "chol", "fbs", "thalach", "exang", "oldpeak"]
    assert list(dataset.features) == [*features, "cp=2", "cp=3", "cp=4", "restecg=1", "restecg=2"]
    assert len(dataset.y) + dataset.notes["left_out_for_gaps"] == 100 and dataset.notes["left_out_for_gaps"] > 0
    for site in (0, 1):
        learnt = dataset.x[(dataset.site == site) & dataset.rows(TRAIN)]
        assert learnt.mean(axis=0) == pytest.approx(np.zeros(13), abs=1e-5)
        varies = learnt.std(axis=0) > 0
        assert learnt[:, varies].std(axis=0, ddof=1) == pytest.approx(np.ones(varies.sum()), abs=1e-4)
    assert np.array_equal(dataset.standardised(), dataset.x)


def test_flamby_s_values_go_back_to_those_of_the_line(raw):
    folder = raw()
    dataset = heart.parse("heart", folder, FLAMBY, 1)
    row = len(dataset.y) - 1
    hospital, line = dataset.patients[row].split("-")
    cells = (folder / f"processed.{hospital}.data").read_text().splitlines()[int(line) - 1].split(",")
    fitted = dataset.notes["hospitals"][hospital]
    back = dataset.x[row] * fitted["deviations"] + fitted["means"]
    cp, restecg = float(cells[2]), float(cells[6])
    expected = [float(cells[index]) for index in (0, 1, 3, 4, 5, 7, 8, 9)]
    expected += [float(hit) for hit in (cp == 2, cp == 3, cp == 4, restecg == 1, restecg == 2)]
    assert back == pytest.approx(expected, abs=1e-4)
    pooled = heart.parse("heart", folder, SETTINGS | {"protocol": "flamby-pooled"}, 1)
    assert pooled.x[row] == pytest.approx(expected) and np.array_equal(pooled.split, dataset.split)
    assert pooled.standardised()[pooled.rows(TRAIN)].std(axis=0, ddof=1) == pytest.approx(np.ones(13), abs=1e-4)
    assert [pooled.records.kinds[name] for name in ("age", "sex", "cp=3")] == ["number", "binary", "onehot"]


def test_flamby_s_split_is_fixed_and_medpriv_s_is_the_default(raw):
    folder = raw()
    first, second = (heart.parse("heart", folder, FLAMBY, seed) for seed in (1, 2))
    assert np.array_equal(first.split, second.split)
    assert heart.parse("heart", folder, SETTINGS, 1).notes["protocol"] == "medpriv"


def test_a_hospital_too_small_for_flamby_s_split_is_named(raw):
    with pytest.raises(InputError, match="a hospital has 2 patients without a gap"):
        heart.parse("heart", only(raw, [LINE, LINE[:-1] + "0", LINE.replace("260", "?")]), FLAMBY, 1)
    folder = raw()
    replace(folder, "va", "\n".join([LINE.replace("260", "?")] * 40))
    with pytest.raises(InputError, match="a hospital has 0 patients without a gap"):
        heart.parse("heart", folder, FLAMBY, 1)


def test_the_kinds_of_the_columns_are_noted(raw):
    kinds = heart.parse("heart", raw(), SETTINGS, 1).records.kinds
    assert (kinds["sex"], kinds["cp"], kinds["age"], kinds["ca"]) == ("binary", "code", "number", "code")
    assert set(kinds) == set(heart.FEATURES)
