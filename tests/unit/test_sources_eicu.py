"""The eICU demo's tables become the dataset of docs/data/eicu.md, in which nothing tells the outcome but the label."""

import csv
import gzip
import io
import json
from pathlib import Path

import numpy as np
import pytest
from loopback import publisher
from made_up_datasets import check_the_way_back

from medpriv.dataset import TEST, TRAIN
from medpriv.errors import InputError
from medpriv.files import sha256
from medpriv.measures.roc import auc
from medpriv.simulate.eicu import simulate
from medpriv.sources import eicu
from medpriv.sources.acquire import acquire_raw
from medpriv.sources.eicu_features import APACHE, CEILINGS
from medpriv.sources.eicu_tables import KEY, OUTCOMES, TABLES, WINDOW, read_cohort, read_rows

REAL = Path(__file__).parents[3] / "shared" / "data" / "physionet" / "eicu-crd-demo" / "2.0.1"
SETTINGS = {"test_fraction": 0.3}


def read_table(folder, table):
    with gzip.open(folder / f"{table}.csv.gz", "rt", newline="") as stream:
        return list(csv.DictReader(stream))


def write_table(folder, table, rows, source="simulated"):
    """Replace a table and write the manifest anew."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    (folder / f"{table}.csv.gz").write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
    return add_manifest(folder, source)


def add_manifest(folder, source="simulated"):
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in folder.iterdir()
        if ".csv" in path.name
    }
    (folder / "manifest.json").write_text(json.dumps({"source": source, "licence": "ODbL 1.0", "files": files}))
    return folder


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    simulate({"stays": 400, "hospitals": 6}, folder, 3)
    return add_manifest(folder)


@pytest.fixture
def copied(simulated, tmp_path):
    for path in simulated.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.fixture(scope="module")
def dataset(simulated):
    return eicu.parse("eicu", simulated, SETTINGS, 1)


def cohort_of(folder):
    """Return the rows of `patient` that are predicted, in the dataset's order."""
    rows = read_table(folder, "patient")
    ends = ("unitdischargeoffset", "hospitaldischargeoffset")
    kept = [row for row in rows if row["hospitaldischargestatus"] and min(float(row[end]) for end in ends) > WINDOW]
    return sorted(kept, key=lambda row: int(row[KEY]))


def feature(dataset, name):
    return dataset.x[:, dataset.features.index(name)]


# --- nothing tells the outcome -------------------------------------------------------------------------------------


def test_gaps_are_kept_and_features_lead_back_to_the_cells(dataset):
    check_the_way_back(dataset)


def test_no_feature_changes_when_all_that_tells_the_outcome_does(copied, dataset):
    for table, columns in OUTCOMES.items():
        rows = read_table(copied, table)
        for row in rows:
            late = float(row.get("unitdischargeoffset", 0)) > WINDOW
            row |= {column: "7" for column in columns if column != "hospitaldischargestatus"}
            if table == "patient":
                row |= dict.fromkeys(("unitdischargeoffset", "hospitaldischargeoffset"), "5000" if late else "10")
        write_table(copied, table, rows)
    other = eicu.parse("eicu", copied, SETTINGS, 1)
    assert np.array_equal(other.x, dataset.x) and np.array_equal(other.y, dataset.y)


def test_the_features_do_not_depend_on_the_label_but_through_the_training_split(copied, dataset):
    rows = read_table(copied, "patient")
    for row in rows:
        row["hospitaldischargestatus"] = {"Alive": "Expired", "Expired": "Alive", "": ""}[
            row["hospitaldischargestatus"]
        ]
    other = eicu.parse("eicu", write_table(copied, "patient", rows), SETTINGS, 1)
    assert np.array_equal(other.y, 1 - dataset.y)
    complete = [name for name, gaps in dataset.notes["missing_cells"].items() if not gaps]
    assert len(complete) > 40
    for name in complete:
        assert np.array_equal(feature(other, name), feature(dataset, name))


@pytest.mark.parametrize(
    ("table", "offset", "change"),
    [
        ("vitalAperiodic", "observationoffset", {"noninvasivesystolic": "31", "noninvasivemean": "17"}),
        ("treatment", "treatmentoffset", {"treatmentstring": "cardiovascular|shock|vasopressors"}),
        ("admissionDx", "admitdxenteredoffset", {"admitdxpath": "admission diagnosis|All Diagnosis|x|y|z|Sepsis"}),
    ],
)
def test_what_is_written_after_24_hours_changes_nothing_and_before_it_does(copied, dataset, table, offset, change):
    rows = read_table(copied, table)
    assert [row for row in rows if float(row[offset]) >= WINDOW] or table == "admissionDx"
    own = next(iter(rows[0]))  # the rows' ids, each there once
    added = [row | change | {offset: str(WINDOW + 1), own: f"9{row[own]}"} for row in rows[:200]]
    other = eicu.parse("eicu", write_table(copied, table, rows + added), SETTINGS, 1)
    assert np.array_equal(other.x, dataset.x)
    added = [row | {offset: str(WINDOW - 1)} for row in added]
    other = eicu.parse("eicu", write_table(copied, table, rows + added), SETTINGS, 1)
    assert not np.array_equal(other.x, dataset.x)


def test_pressures_before_the_unit_are_not_of_its_first_day(copied, dataset):
    rows = read_table(copied, "vitalAperiodic")
    added = [row | {"observationoffset": "-5", "noninvasivesystolic": "31"} for row in rows[:200]]
    other = eicu.parse("eicu", write_table(copied, "vitalAperiodic", rows + added), SETTINGS, 1)
    assert np.array_equal(other.x, dataset.x)


def test_asking_for_an_outcome_as_a_feature_is_a_mistake(simulated):
    with pytest.raises(ValueError, match="apachePredVar: diedinhospital tell the outcome"):
        next(read_rows(simulated / "apachePredVar.csv.gz", "apachePredVar", (KEY, "diedinhospital")))
    with pytest.raises(ValueError, match="unitdischargestatus"):
        read_cohort(simulated, ("age", "unitdischargestatus"))


def test_every_feature_is_known_before_the_earliest_outcome(simulated, dataset):
    earliest = min(float(row["hospitaldischargeoffset"]) for row in cohort_of(simulated)) / 60
    assert set(dataset.records.known_hours) == set(dataset.features)
    assert dataset.records.known_hours["age"] == -earliest
    assert dataset.records.known_hours["bun_worst"] == 24 - earliest < 0


def test_no_single_feature_is_the_outcome_though_the_kept_out_column_is(simulated, dataset):
    worst = max(abs(auc(dataset.x[:, index], dataset.y == 1) - 0.5) for index in range(dataset.x.shape[1]))
    assert worst < 0.4
    died = {row[KEY]: row["diedinhospital"] == "1" for row in read_table(simulated, "apachePredVar")}
    stays = [(row[KEY], died_in) for row, died_in in zip(cohort_of(simulated), dataset.y, strict=True)]
    assert all(died[key] == bool(label) for key, label in stays if key in died)


def test_the_table_of_outcomes_is_not_even_copied(copied):
    (copied / "apachePatientResult.csv.gz").write_bytes(gzip.compress(b"patientunitstayid,actualhospitalmortality\n"))
    assert eicu.local_files(copied) == sorted(f"{table}.csv.gz" for table in TABLES)
    assert "apachePatientResult.csv.gz" not in eicu.wanted([path.name for path in copied.iterdir()])


# --- cohort, persons, sites ----------------------------------------------------------------------------------------


def test_stays_are_those_still_there_after_24_hours_with_a_known_outcome(simulated, dataset):
    rows, kept = read_table(simulated, "patient"), cohort_of(simulated)
    assert len(dataset.x) == len(kept) < len(rows)
    unknown = sum(not row["hospitaldischargestatus"] for row in rows)
    assert unknown > 0
    assert dataset.notes["stays_left_out"] == {
        "outcome not known": unknown,
        "gone within 24 hours": len(rows) - len(kept) - unknown,
    }
    assert dataset.y.tolist() == [row["hospitaldischargestatus"] == "Expired" for row in kept]


def test_a_person_s_stays_are_one_patient_s_and_lie_in_one_split(simulated, dataset):
    kept = cohort_of(simulated)
    assert [dataset.patients[index] for index in dataset.patient] == [row["uniquepid"] for row in kept]
    assert len(dataset.patients) < len(dataset.x)  # some have several


def test_hospitals_are_the_sites_and_the_split_is_stratified_by_them(simulated, dataset):
    kept = cohort_of(simulated)
    assert [dataset.sites[index] for index in dataset.site] == [f"hospital-{row['hospitalid']}" for row in kept]
    died = np.bincount(dataset.patient, weights=dataset.y) > 0
    _, first = np.unique(dataset.patient, return_index=True)
    for site in range(len(dataset.sites)):
        for label in (False, True):
            cell = (dataset.site[first] == site) & (died == label)
            assert abs(np.sum(dataset.split[cell] == TEST) - 0.3 * cell.sum()) < 1
    assert not np.array_equal(eicu.parse("eicu", simulated, SETTINGS, 2).split, dataset.split)


def test_groups_are_of_the_person_s_first_stay(simulated, dataset):
    kept = {row["uniquepid"]: row for row in reversed(cohort_of(simulated))}
    regions = {row["hospitalid"]: row["region"] or "unknown" for row in read_table(simulated, "hospital")}
    for index, person in enumerate(dataset.patients):
        row = kept[person]
        assert dataset.groups["sex"][index] == {"Male": "M", "Female": "F"}[row["gender"]]
        assert dataset.groups["ethnicity"][index] == row["ethnicity"]
        assert dataset.groups["region"][index] == regions[row["hospitalid"]]
    assert "80+" in dataset.groups["age"] and set(dataset.groups) == {"sex", "age", "ethnicity", "region"}


# --- features ------------------------------------------------------------------------------------------------------


def test_apache_s_values_are_those_of_the_table_with_minus_one_for_missing(simulated, dataset):
    held = {row[KEY]: row for row in read_table(simulated, "apacheApsVar")}
    for place, stay in enumerate(cohort_of(simulated)):
        row = held.get(stay[KEY])
        assert feature(dataset, "apache_scored")[place] == (row is not None)
        for column, (name, _, lowest, highest) in APACHE.items():
            value = float(row[column]) if row else -1
            if lowest <= value <= highest:
                expected = min(value, CEILINGS.get(column, np.inf))
                assert feature(dataset, f"{name}_worst")[place] == pytest.approx(expected)
            elif column in ("ph", "albumin"):
                assert feature(dataset, f"{name}_worst")[place] == np.float32(
                    dataset.notes["imputed_with"][f"{name}_worst"]
                )
                assert feature(dataset, f"{column}_measured")[place] == 0
        if row and row["eyes"] != "-1":
            assert feature(dataset, "gcs_worst")[place] == sum(float(row[name]) for name in ("eyes", "motor", "verbal"))


def test_pressures_are_summarised_over_the_first_day(simulated, dataset):
    rows = read_table(simulated, "vitalAperiodic")
    for place, stay in list(enumerate(cohort_of(simulated)))[:40]:
        own = [row for row in rows if row[KEY] == stay[KEY] and 0 <= float(row["observationoffset"]) < WINDOW]
        own = [
            float(row["noninvasivesystolic"]) for row in sorted(own, key=lambda row: float(row["observationoffset"]))
        ]
        own = [value for value in own if 30 <= value <= 300]
        expected = [min(own), max(own), np.mean(own), own[-1]]
        found = [feature(dataset, f"sbp_{summary}")[place] for summary in ("min", "max", "mean", "last")]
        assert found == pytest.approx(expected, rel=1e-5)


def test_more_than_89_years_are_90_and_an_unknown_age_is_filled_in(copied, dataset):
    rows = read_table(copied, "patient")
    kept = [row[KEY] for row in cohort_of(copied)]
    old, unknown = np.flatnonzero(np.bincount(dataset.patient)[dataset.patient] == 1)[:2]  # the only stays of persons
    for row in rows:
        row["age"] = {kept[old]: "> 89", kept[unknown]: ""}.get(row[KEY], row["age"])
    other = eicu.parse("eicu", write_table(copied, "patient", rows), SETTINGS, 1)
    assert feature(other, "age")[old] == 90 and other.groups["age"][other.patient[old]] == "80+"
    assert feature(other, "age")[unknown] == other.notes["imputed_with"]["age"]
    assert other.groups["age"][other.patient[unknown]] == "unknown"


def test_binary_features_are_0_or_1_and_choices_are_one_hot(dataset):
    kinds = dataset.records.kinds
    assert len(dataset.features) == 78
    for variable in ("unit", "from", "system"):
        columns = dataset.records.variables[variable]
        assert len(columns) >= 5 and (dataset.x[:, columns].sum(axis=1) <= 1).all()
    binary = [index for index, name in enumerate(dataset.features) if kinds[name] == "binary"]
    assert np.isin(dataset.x[:, binary], [0, 1]).all()


def test_imputation_and_scaling_know_only_training_rows(dataset):
    train = dataset.rows(TRAIN)
    standard = dataset.standardised()[train]
    assert standard.mean(axis=0) == pytest.approx(np.zeros(78), abs=1e-4)
    name = "urine_worst"
    measured = (feature(dataset, "urine_measured") == 1) & train
    assert dataset.notes["imputed_with"][name] == np.median(feature(dataset, name)[measured])


# --- files ---------------------------------------------------------------------------------------------------------


def test_unpacked_tables_read_the_same(copied, dataset):
    for path in copied.glob("*.csv.gz"):
        (copied / path.name.removesuffix(".gz")).write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    other = eicu.parse("eicu", add_manifest(copied), SETTINGS, 1)
    assert np.array_equal(other.x, dataset.x)
    assert eicu.local_files(copied) == sorted(f"{table}.csv" for table in TABLES)


def test_stays_that_are_not_the_demo_s_are_credentialed(copied, dataset):
    other = eicu.parse("eicu", add_manifest(copied, "local"), SETTINGS, 1)
    assert other.credentialed and "Credentialed" in other.licence and not dataset.credentialed


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        ("apacheApsVar", {"wbc": "7,5"}, r"apacheApsVar\.csv\.gz, line 2: column wbc: a cell is no number"),
        ("apacheApsVar", {"wbc": "nan"}, r"apacheApsVar\.csv\.gz, line 2: column wbc: a cell is no number"),
        ("vitalAperiodic", {"observationoffset": "x"}, r"line 2: column observationoffset: a cell is no number"),
        ("patient", {"admissionweight": "heavy"}, r"line 2: column admissionweight: a cell is no number"),
        ("patient", {"age": "old"}, r"line 2: column age: a cell is no number"),
        ("patient", {"unitdischargeoffset": "soon"}, r"line 2: column unitdischargeoffset: a cell is no number"),
        ("patient", {"hospitaldischargestatus": "Gone"}, r"line 2: a stay .*unknown discharge status"),
        ("patient", {"uniquepid": ""}, r"patient\.csv\.gz, line 2: .*without a person"),
        ("patient", {"hospitalid": ""}, r"line 2: column hospitalid: a cell is no id"),
        ("patient", {KEY: "1e5"}, r"line 2: column patientunitstayid: a cell is no id"),
        ("patient", {"gender": "F"}, r"line 2: column gender: an unknown word"),
        ("patient", {"gender": "male"}, r"line 2: column gender: an unknown word"),
        ("patient", {"unittype": "Medical"}, r"line 2: column unittype: an unknown word"),
        ("patient", {"admissionweight": "7_5"}, r"line 2: column admissionweight: a cell is no number"),
        ("apacheApsVar", {"vent": "2"}, r"line 2: column vent: a cell is none of 0, 1 and -1"),
        ("apacheApsVar", {"meds": "0.6"}, r"line 2: column meds: a cell is none of 0, 1 and -1"),
        ("apachePredVar", {"diabetes": "-9"}, r"line 2: column diabetes: a cell is none of 0, 1 and -1"),
        ("treatment", {KEY: "100001.5"}, r"line 2: column patientunitstayid: a cell is no id"),
        ("hospital", {"hospitalid": "x"}, r"line 2: column hospitalid: a cell is no id"),
    ],
)
def test_a_bad_cell_is_named_with_its_line_and_never_shown(copied, table, change, message):
    rows = read_table(copied, table)
    kept = {row[KEY] for row in cohort_of(copied)}
    rows.sort(key=lambda row: row.get(KEY) not in kept)
    rows[0] |= change
    with pytest.raises(InputError, match=message + ".*Remedy: "):
        eicu.parse("eicu", write_table(copied, table, rows), SETTINGS, 1)


def test_a_missing_column_a_short_line_and_a_second_row_of_a_stay_are_refused(copied):
    rows = read_table(copied, "patient")
    write_table(copied, "patient", [{key: value for key, value in row.items() if key != "uniquepid"} for row in rows])
    with pytest.raises(InputError, match=r"patient\.csv\.gz, line 1: no column uniquepid"):
        eicu.parse("eicu", copied, SETTINGS, 1)
    write_table(copied, "patient", [*rows, rows[0]])
    with pytest.raises(InputError, match=rf"line {len(rows) + 2}: a second row of patientunitstayid {rows[0][KEY]}"):
        eicu.parse("eicu", copied, SETTINGS, 1)
    (copied / "patient.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2,3\n"))
    with pytest.raises(InputError, match="3 cells instead of 2"):
        list(read_rows(copied / "patient.csv.gz", "patient", ("a",)))


@pytest.mark.parametrize(
    ("table", "key"),
    [("apacheApsVar", KEY), ("apachePredVar", KEY), ("hospital", "hospitalid"), ("vitalAperiodic", "vitalaperiodicid")],
)
def test_a_row_twice_is_refused_where_it_would_count(copied, table, key):
    rows = read_table(copied, table)
    kept = {row[KEY] for row in cohort_of(copied)}
    row = next(row for row in rows if row.get(KEY) in kept or table == "hospital")
    write_table(copied, table, [*rows, row])
    message = rf"{table}\.csv\.gz, line {len(rows) + 2}: a second row of {key} {row[key]}\. Remedy: "
    with pytest.raises(InputError, match=message):
        eicu.parse("eicu", copied, SETTINGS, 1)


@pytest.mark.parametrize("table", TABLES)
def test_ids_that_a_spreadsheet_has_made_decimal_are_the_same(copied, dataset, table):
    rows = read_table(copied, table)
    for row in rows:
        row |= {key: f"{row[key]}.0" for key in (KEY, "hospitalid") if key in row}
    other = eicu.parse("eicu", write_table(copied, table, rows), SETTINGS, 1)
    assert np.array_equal(other.x, dataset.x)
    assert (other.patients, other.sites, other.groups) == (dataset.patients, dataset.sites, dataset.groups)


def test_a_coma_score_beyond_its_scale_is_left_out(copied, dataset):
    rows = read_table(copied, "apacheApsVar")
    for row in rows[::2]:
        row["eyes"] = "9"
    other = eicu.parse("eicu", write_table(copied, "apacheApsVar", rows), SETTINGS, 1)
    assert feature(other, "gcs_worst").max() <= 15
    assert other.notes["missing_cells"]["gcs_worst"] > dataset.notes["missing_cells"]["gcs_worst"]


@pytest.mark.parametrize("table", TABLES)
def test_a_byte_order_mark_changes_nothing_and_another_encoding_is_refused_with_its_line(copied, dataset, table):
    path = copied / f"{table}.csv.gz"
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + content))
    assert np.array_equal(eicu.parse("eicu", add_manifest(copied), SETTINGS, 1).x, dataset.x)
    lines = content.split(b"\n")
    lines[5] = b"\xe9" + lines[5]
    path.write_bytes(gzip.compress(b"\n".join(lines)))
    with pytest.raises(InputError, match=rf"{table}\.csv\.gz, line 6: byte 0xe9 is not UTF-8"):
        eicu.parse("eicu", add_manifest(copied), SETTINGS, 1)


def test_words_that_would_be_keys_of_a_measure_are_made_plain(copied):
    rows = read_table(copied, "patient")
    for row in rows:
        row["ethnicity"] = "Other, mixed=yes"
    assert set(eicu.parse("eicu", write_table(copied, "patient", rows), SETTINGS, 1).groups["ethnicity"]) == {
        "Other; mixed:yes"
    }


@pytest.mark.parametrize("kept", [10, 2000])
def test_a_truncated_table_is_refused(copied, kept):
    path = copied / "vitalAperiodic.csv.gz"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"vitalAperiodic\.csv\.gz, after line \d+: not a whole gzip"):
        eicu.parse("eicu", add_manifest(copied), SETTINGS, 1)


def test_a_missing_table_is_named(copied):
    (copied / "admissionDx.csv.gz").unlink()
    with pytest.raises(InputError, match=r"admissionDx\.csv\.gz: missing"):
        eicu.local_files(copied)


def test_a_remote_mirror_is_checked_against_its_list_of_checksums(simulated, tmp_path):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    for table in TABLES:
        (mirror / f"{table}.csv.gz").write_bytes((simulated / f"{table}.csv.gz").read_bytes())
    sums = [f"{sha256(path)} {path.name}" for path in sorted(mirror.iterdir())]
    (mirror / eicu.CHECKSUMS).write_text("\n".join([*sums, f"{'0' * 64} apachePatientResult.csv.gz"]) + "\n")
    with publisher(mirror) as server:
        settings = {"source": "remote", "base_url": server.url}
        acquire_raw("eicu", "eicu", settings, 1, tmp_path / "raw", tmp_path / "scratch")
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == sorted(
        [*(f"{table}.csv.gz" for table in TABLES), "manifest.json"]
    )


@pytest.mark.skipif(not REAL.is_dir(), reason="needs ../shared/data (eICU demo)")
def test_the_real_demo_has_the_counts_of_the_data_card_and_is_learnt_but_not_perfectly(tmp_path):
    from sklearn.linear_model import LogisticRegression

    acquire_raw("eicu", "eicu", {"source": "local", "path": str(REAL)}, 1, tmp_path / "raw", tmp_path / "scratch")
    dataset = eicu.parse("eicu", tmp_path / "raw", SETTINGS, 1)
    assert np.bincount(dataset.y).tolist() == [1464, 141]
    assert len(dataset.patients) == 1315 and len(dataset.sites) == 186
    assert dataset.notes["stays_left_out"] == {"outcome not known": 28, "gone within 24 hours": 887}
    assert not dataset.credentialed
    x, train = dataset.standardised(), dataset.rows(TRAIN)
    model = LogisticRegression(C=0.01, max_iter=1000).fit(x[train], dataset.y[train])
    assert 0.70 < auc(model.predict_proba(x[~train])[:, 1], dataset.y[~train] == 1) < 0.88
    single = [auc(dataset.x[:, index], dataset.y == 1) for index in range(dataset.x.shape[1])]
    assert max(abs(value - 0.5) for value in single) < 0.25
