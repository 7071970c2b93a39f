"""The tables become the cohort and the 17 variables of the benchmark, and nothing after the outcome."""

import csv
import gzip
import io
import shutil
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import mimic3_reference as reference
import numpy as np
import pytest
from loopback import publisher
from made_up_datasets import check_the_way_back

from medpriv.dataset import TRAIN
from medpriv.errors import InputError
from medpriv.files import sha256, write_json
from medpriv.sources import mimic3, mimic3_tables
from medpriv.sources.acquire import acquire_raw
from medpriv.sources.mimic3_cohort import check_labels, choose_stays, measure, units
from medpriv.sources.mimic3_items import ITEMS, TEXTS, VARIABLES
from medpriv.sources.mimic3_tables import DEMO_PATIENTS, connect

REAL = Path(__file__).parents[3] / "shared" / "data" / "physionet" / "mimiciii-demo" / "1.4"
needs_demo = pytest.mark.skipif(not REAL.is_dir(), reason="needs ../shared/data (MIMIC-III demo)")
SETTINGS = {"test_fraction": 0.3}
IN = datetime(2150, 1, 1, 12)
CHART = (
    *("row_id", "subject_id", "hadm_id", "icustay_id", "itemid", "charttime", "storetime", "cgid", "value", "valuenum"),
    *("valueuom", "warning", "error", "resultstatus", "stopped"),
)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Return the raw folder of 80 simulated patients."""
    root = tmp_path_factory.mktemp("simulated")
    settings = {"source": "simulated", "simulated": {"patients": 80}}
    acquire_raw("mimic3", "mimic3", settings, 1, root / "raw", root / "scratch")
    return root / "raw"


@pytest.fixture
def raw(simulated, tmp_path):
    """Return a copy of the simulated folder, to be altered."""
    return Path(shutil.copytree(simulated, tmp_path / "raw"))


def admit(folder):
    """Write the folder's files into its manifest as they are now."""
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in sorted(folder.glob("*.csv*"))
    }
    write_json(
        folder / "manifest.json", {"source": "local", "format": "mimic3", "licence": mimic3.LICENCE, "files": files}
    )


def rewrite(folder, table, change):
    """Replace a table by what `change` makes of its rows (header first)."""
    path = folder / f"{table}.csv"
    rows = change(list(csv.reader(io.StringIO(path.read_text()))))
    with path.open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)


class Hospital:
    """A folder of tables written by hand, in which each stay is one change of a plain one."""

    def __init__(self, folder):
        self.folder, self.stays, self.charts, self.labs = folder, [], [], []

    def stay(self, subject, hadm=None, *, start=IN, hours=72.0, born=datetime(2090, 1, 1), wards=(1, 1), **about):
        units = about.get("units", ("MICU", "MICU"))
        death, left = about.get("death", ""), about.get("left", start + timedelta(hours=max(hours, 0) + 24))
        self.stays.append((subject, hadm or subject, start, hours, born, wards, units, death, left))
        return self

    def chart(self, subject, itemid, hour, value, number="", error=""):
        time = IN + timedelta(hours=hour)
        self.charts.append((subject, 1, 1, itemid, time, time, 1, value, number, "", "", error, "", ""))
        return self

    def lab(self, subject, itemid, hour, number):
        self.labs.append((subject, "", itemid, IN + timedelta(hours=hour), number, number, "", ""))
        return self

    def write(self):
        people = {subject: born for subject, _, _, _, born, *_ in self.stays}
        visits = {hadm: (subject, hadm, death, left) for subject, hadm, *_, death, left in self.stays}
        self.table("PATIENTS", ("subject_id", "gender", "dob"), [(who, "F", born) for who, born in people.items()])
        self.table(
            "ADMISSIONS",
            ("subject_id", "hadm_id", "dischtime", "deathtime", "admission_type", "hospital_expire_flag"),
            [(who, hadm, left, death, "URGENT", int(bool(death))) for who, hadm, death, left in visits.values()],
        )
        self.table(
            "ICUSTAYS",
            (
                *("subject_id", "hadm_id", "icustay_id", "first_careunit", "last_careunit", "first_wardid"),
                *("last_wardid", "intime", "outtime"),
            ),
            [
                (who, hadm, number, *units, *wards, start, start + timedelta(hours=hours))
                for number, (who, hadm, start, hours, _, wards, units, _, _) in enumerate(self.stays)
            ],
        )
        self.table("CHARTEVENTS", CHART[1:], self.charts)
        names = ("subject_id", "hadm_id", "itemid", "charttime", "value", "valuenum", "valueuom", "flag")
        self.table("LABEVENTS", names, self.labs)

    def table(self, name, columns, rows):
        with (self.folder / f"{name}.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([columns, *rows])

    def choose(self):
        self.write()
        with connect() as connection:
            return choose_stays(connection, self.folder)

    def measure(self):
        self.write()
        with connect() as connection:
            stays, _ = choose_stays(connection, self.folder)
            columns, notes = measure(connection, self.folder, stays)
        return {name: values.tolist() for name, values in columns.items()}, notes


@pytest.fixture
def hospital(tmp_path):
    return Hospital(tmp_path)


def test_gaps_are_kept_and_features_lead_back_to_the_cells(simulated):
    check_the_way_back(mimic3.parse("mimic3", simulated, SETTINGS, 1))


def test_the_cohort_is_the_benchmarks(hospital):
    young = IN - timedelta(days=17.9 * 365.25)
    hospital.stay(1).stay(2, wards=(1, 2)).stay(3, units=("MICU", "SICU")).stay(4, born=young).stay(5, hours=47.9)
    hospital.stay(6, 60).stay(6, 60, start=IN + timedelta(days=9)).stay(7, hours=48)
    hospital.stay(8, 80, wards=(1, 2)).stay(8, 80, start=IN + timedelta(days=9))  # one left once the moved is gone
    hospital.stay(9, 90).stay(9, 91, start=IN + timedelta(days=99))  # two admissions of one person
    stays, _ = hospital.choose()
    assert [stay.subject for stay in stays] == [1, 7, 8, 9, 9]
    assert stays[2].intime == IN + timedelta(days=9)


def test_steps_of_the_cohort_are_counted(hospital):
    hospital.stay(1).stay(2, wards=(1, 2)).stay(3, born=IN - timedelta(days=6000)).stay(5, hours=47.9)
    hospital.stay(6, 60).stay(6, 60, start=IN + timedelta(days=9))
    _, counts = hospital.choose()
    assert list(counts.values()) == [6, 5, 3, 2, 1, 1]


def test_a_stay_whose_outcome_comes_before_the_window_ends_is_left_out(hospital):
    hospital.stay(1, death=IN + timedelta(hours=47)).stay(2, death=IN + timedelta(hours=49))
    hospital.stay(3, left=IN + timedelta(hours=40)).stay(4, death=IN + timedelta(hours=48))
    stays, counts = hospital.choose()
    assert [(stay.subject, stay.died, stay.outcome_hours) for stay in stays] == [(2, 1, 49)]
    assert list(counts.values())[-2:] == [4, 1]


@pytest.mark.parametrize(("table", "column"), [("PATIENTS", "gender"), ("ADMISSIONS", "hospital_expire_flag")])
def test_an_empty_cell_that_the_cohort_needs_is_named(hospital, table, column):
    hospital.stay(1).stay(2).write()

    def emptied(rows):
        rows[2][rows[0].index(column)] = ""
        return rows

    rewrite(hospital.folder, table, emptied)
    with connect() as connection, pytest.raises(InputError, match=rf"{table}\.csv: column {column}: empty.*Remedy: "):
        choose_stays(connection, hospital.folder)


def test_ages_above_89_are_90(hospital):
    hospital.stay(1, born=datetime(1845, 1, 1)).stay(2, born=datetime(2100, 1, 1))
    stays, _ = hospital.choose()
    assert [stay.age for stay in stays] == [90, pytest.approx(50.0, abs=0.01)]


@pytest.mark.parametrize(
    ("itemid", "charted", "feature", "value"),
    [
        (678, 98.6, "temperature_mean_day1", 37.0),
        (677, 37.2, "temperature_mean_day1", 37.2),
        (676, 98.6, "temperature_mean_day1", 37.0),  # Fahrenheit in a Celsius item
        (226531, 100, "weight_first", 45.359237),
        (3582, 1600, "weight_first", 45.359237),
        (226707, 70, "height_first", 177.8),
        (226730, 178, "height_first", 178),
        (223835, 40, "fio2_mean_day1", 0.4),
        (190, 0.4, "fio2_mean_day1", 0.4),
        (190, 0.209999993443489, "fio2_mean_day1", 0.21),  # room air in single precision
        (646, 0.97, "oxygen_saturation_mean_day1", 97),
        (646, 97, "oxygen_saturation_mean_day1", 97),
    ],
)
def test_units_are_converted(hospital, itemid, charted, feature, value):
    columns, _ = hospital.stay(1).chart(1, itemid, 1, charted, charted).measure()
    assert columns[feature] == [pytest.approx(value, rel=1e-6)]


@pytest.mark.parametrize(
    ("itemid", "word", "feature", "value"),
    [
        (220739, "To Speech", "gcs_eye_min_day1", 3),
        (220739, "None", "gcs_eye_min_day1", 1),
        (454, "6 Obeys Commands", "gcs_motor_min_day1", 6),
        (723, "1.0 ET/Trach", "gcs_verbal_min_day1", 1),
        (223951, "Abnormal >3 Seconds", "capillary_refill_mean_day1", 1),
        (3348, "Brisk", "capillary_refill_mean_day1", 0),
    ],
)
def test_words_are_read_where_there_is_no_number(hospital, itemid, word, feature, value):
    columns, _ = hospital.stay(1).chart(1, itemid, 1, word).measure()
    assert columns[feature] == [value]


def test_what_cannot_be_counts_as_not_measured_and_is_counted(hospital):
    hospital.stay(1).chart(1, 211, 1, 80, 80).chart(1, 211, 2, 0, 0).chart(1, 211, 3, 999, 999)
    columns, notes = hospital.measure()
    assert (columns["heart_rate_min_day1"], columns["heart_rate_count_day1"]) == ([80], [1])
    assert (notes["values_read"]["heart_rate"], notes["values_impossible"]["heart_rate"]) == (3, 2)


def test_rows_charted_in_error_and_of_other_items_are_not_read(hospital):
    hospital.stay(1).chart(1, 211, 1, 80, 80, error=1).chart(1, 51478, 1, 500, 500).chart(1, 614, 1, 2, 2)
    columns, notes = hospital.measure()
    assert sum(notes["values_read"].values()) == 0
    assert np.isnan(columns["heart_rate_mean_day1"]).all() and columns["glucose_count_day1"] == [0]


def test_windows_are_two_days_from_admission_and_nothing_outside(hospital):
    for hour, rate in ((-0.1, 10), (0, 60), (23.99, 70), (24, 80), (47.99, 90), (48, 200)):
        hospital.chart(1, 211, hour, rate, rate)
    columns, _ = hospital.stay(1).measure()
    assert [columns[f"heart_rate_{each}_day1"][0] for each in ("min", "mean", "max", "count")] == [60, 65, 70, 2]
    assert [columns[f"heart_rate_{each}_day2"][0] for each in ("min", "mean", "max", "count")] == [80, 85, 90, 2]


def test_a_measurement_charted_twice_in_a_minute_counts_once(hospital):
    hospital.stay(1).lab(1, 50820, 2, 7.30).chart(1, 780, 2, 7.30, 7.30).chart(1, 1126, 2, 7.30, 7.30).lab(
        1, 50820, 4, 7.40
    )
    columns, _ = hospital.measure()
    assert columns["ph_count_day1"] == [2] and columns["ph_mean_day1"] == [pytest.approx(7.35, abs=1e-6)]


def test_the_first_weight_counts_not_a_later_one(hospital):
    columns, _ = hospital.stay(1).chart(1, 763, 30, 90, 90).chart(1, 763, 3, 80, 80).measure()
    assert (columns["weight_first"], columns["weight_measured"], columns["height_measured"]) == ([80], [1], [0])


def test_a_coma_total_is_the_sum_of_its_parts_where_none_is_charted(hospital):
    for subject in (1, 2):
        hospital.stay(subject).chart(subject, 220739, 1, "", 3).chart(subject, 223901, 1, "", 5)
        hospital.chart(subject, 223900, 1, "", 4).chart(subject, 220739, 2, "", 1)  # at 2 h a part alone
    columns, _ = hospital.chart(2, 198, 5, "15", 15).measure()
    assert columns["gcs_total_mean_day1"] == [12, 15] and columns["gcs_total_count_day1"] == [1, 1]


def test_every_stay_gets_its_own_measurements(hospital):
    later = IN + timedelta(days=30)
    hospital.stay(1, 10).stay(1, 11, start=later).stay(2)
    hospital.chart(1, 211, 1, 60, 60).chart(1, 211, 30 * 24 + 1, 70, 70).chart(2, 211, 1, 80, 80)
    columns, _ = hospital.measure()
    assert columns["heart_rate_mean_day1"] == [60, 70, 80]


def check_against_reference(folder):
    with connect() as connection:
        stays, _ = choose_stays(connection, folder)
        columns, _ = measure(connection, folder, stays)
    slow = reference.summaries(folder, [(stay.subject, stay.intime) for stay in stays])
    assert list(columns) == list(units()) and set(columns) == set(slow)
    for name, values in columns.items():
        np.testing.assert_allclose(values, slow[name], rtol=2e-6, err_msg=name)
    return columns


def test_the_scan_equals_a_slow_reading_row_by_row(simulated):
    check_against_reference(simulated)


def test_the_item_list_is_consistent():
    assert len({item.itemid for item in ITEMS}) == len(ITEMS)
    assert {item.variable for item in ITEMS} == set(VARIABLES) and len(VARIABLES) == 17
    assert {str(item.itemid): item.variable for item in ITEMS} == reference.VARIABLE
    for name, words in TEXTS.items():
        assert all(VARIABLES[name].low <= number <= VARIABLES[name].high for number in words.values())


def test_a_dataset_of_simulated_patients(simulated):
    dataset = mimic3.parse("mimic3", simulated, SETTINGS, 1)
    assert dataset.x.shape[1] == len(dataset.units) == len(dataset.records.columns) == 122
    assert dataset.classes == ("survived", "died") and not dataset.credentialed
    assert set(dataset.groups) == {"sex", "age", "admission"}
    assert len(dataset.y) > len(dataset.patients) > 50
    assert set(dataset.sites) <= {"MICU", "SICU", "CCU", "CSRU", "TSICU"}
    train = dataset.standardised()[dataset.rows(TRAIN)]
    assert np.abs(train.mean(0)).max() < 1e-4 and train.std(0).max() < 1.001
    assert max(dataset.records.known_hours.values()) < 0
    assert dataset.notes["stays_left_after_each_step"]["with a measurement"] == len(dataset.y)


def test_the_split_depends_on_the_seed_and_on_nothing_else(simulated):
    splits = [mimic3.parse("mimic3", simulated, SETTINGS, seed).split for seed in (1, 1, 2)]
    assert np.array_equal(splits[0], splits[1]) and not np.array_equal(splits[0], splits[2])


def test_quoted_capitals_in_headers_and_packed_tables_change_nothing(simulated, raw):
    for path in list(raw.glob("*.csv")):
        header, rest = path.read_text().split("\n", 1)
        quoted = ",".join(f'"{name.upper()}"' for name in header.split(","))  # as in the full database
        packed = gzip.compress(f"{quoted}\n{rest}".encode(), mtime=0)
        path.with_name(f"{path.name}.gz").write_bytes(packed)
        path.unlink()
    admit(raw)
    plain, other = (mimic3.parse("mimic3", folder, SETTINGS, 1) for folder in (simulated, raw))
    assert np.array_equal(plain.x, other.x) and np.array_equal(plain.split, other.split)


def test_real_patients_are_credentialed_unless_they_are_the_demos(raw):
    admit(raw)
    dataset = mimic3.parse("mimic3", raw, SETTINGS, 1)
    assert dataset.credentialed and "Credentialed" in dataset.licence


def test_the_order_of_rows_does_not_matter_beyond_rounding(simulated, raw):
    def shuffle(rows):
        return [rows[0], *(rows[row] for row in np.random.default_rng(1).permutation(range(1, len(rows))))]

    rewrite(raw, "CHARTEVENTS", shuffle)
    admit(raw)
    plain, other = (mimic3.parse("mimic3", folder, SETTINGS, 1) for folder in (simulated, raw))
    np.testing.assert_allclose(plain.x, other.x, rtol=1e-5)


def test_memory_does_not_grow_with_the_table(simulated, raw, monkeypatch):
    header, rows = (raw / "CHARTEVENTS.csv").read_text().split("\n", 1)
    with (raw / "CHARTEVENTS.csv").open("w") as stream:
        stream.write(f"{header}\n")
        stream.writelines([rows] * 50)  # 100 MB; a row charted twice in a minute counts once
    monkeypatch.setattr(mimic3_tables, "MEMORY", "120MB")
    found = []
    for folder in (simulated, raw):
        with connect() as connection:
            stays, _ = choose_stays(connection, folder)
            found.append(measure(connection, folder, stays)[0])
    for name, values in found[0].items():
        np.testing.assert_allclose(found[1][name], values, rtol=1e-6)


def secret_cell(rows, line, column, value):
    rows[line][rows[0].index(column)] = value
    return rows


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        ("CHARTEVENTS", lambda rows: secret_cell(rows, 40, "valuenum", "SECRET"), r"line 41: column valuenum"),
        ("CHARTEVENTS", lambda rows: secret_cell(rows, 40, "charttime", "SECRET"), r"line 41: column charttime"),
        ("CHARTEVENTS", lambda rows: [*rows[:9], rows[9][:-2], *rows[10:]], r"line 10: 13 columns instead of 15"),
        ("LABEVENTS", lambda rows: [*rows[:9], [*rows[9], "SECRET"], *rows[10:]], r"line 10: 10 columns instead of 9"),
        ("ICUSTAYS", lambda rows: [row[:-3] for row in rows], r"line 1: no column intime, outtime"),
        ("PATIENTS", lambda rows: secret_cell(rows, 3, "dob", "SECRET"), r"line 4: column dob"),
        ("D_ITEMS", lambda rows: secret_cell(rows, 1, "label", "Pulse"), r"item 3348 is 'Pulse', not 'Capillary"),
        ("ICUSTAYS", lambda rows: rows[:1], r"no adult stayed 48 hours"),
        ("PATIENTS", lambda rows: secret_cell(rows, 3, "gender", "Male SECRET"), r"line 4: column gender: .* F nor M"),
        ("PATIENTS", lambda rows: secret_cell(rows, 3, "gender", "m"), r"line 4: column gender: a cell is neither F"),
        ("PATIENTS", lambda rows: secret_cell(rows, 3, "subject_id", "3.5"), r"line 4: column subject_id: .* no whole"),
        ("ADMISSIONS", lambda rows: secret_cell(rows, 2, "hospital_expire_flag", "2"), r"line 3: .* neither 0 nor 1"),
        ("ADMISSIONS", lambda rows: secret_cell(rows, 2, "hospital_expire_flag", "-1"), r"line 3: .* neither 0 nor 1"),
        ("ADMISSIONS", lambda rows: secret_cell(rows, 2, "hospital_expire_flag", "0.6"), r"line 3: .* neither 0 nor 1"),
        ("CHARTEVENTS", lambda rows: secret_cell(rows, 40, "valuenum", "1_20"), r"line 41: column valuenum: .* number"),
        ("CHARTEVENTS", lambda rows: secret_cell(rows, 40, "valuenum", "nan"), r"line 41: column valuenum: .* number"),
        ("CHARTEVENTS", lambda rows: secret_cell(rows, 40, "itemid", "210.6"), r"line 41: column itemid: .* whole"),
        ("CHARTEVENTS", lambda rows: secret_cell(rows, 40, "error", "0.6"), r"line 41: column error: .* neither 0"),
        ("PATIENTS", lambda rows: secret_cell(rows, 3, "dob", "infinity"), r"line 4: column dob: a cell is no time"),
        ("PATIENTS", lambda rows: secret_cell(rows, 3, "dob", "290000-01-01"), r"line 4: column dob: .*no time"),
        ("PATIENTS", lambda rows: secret_cell(rows, 3, "dob", "1900-01-01"), r"column dob: born 2\d\d years before"),
        ("PATIENTS", lambda rows: secret_cell(rows, 3, "dob", "2290-01-01"), r"column dob: born -\d+ years before"),
        ("ADMISSIONS", lambda rows: secret_cell(rows, 2, "dischtime", "epoch"), r"line 3: column dischtime: .*no time"),
        ("CHARTEVENTS", lambda rows: secret_cell(rows, 40, "charttime", "0001-01-01"), r"line 41: column charttime"),
        ("PATIENTS", lambda rows: [[*row, row[1]] for row in rows], r"line 1: two columns subject_id"),
        ("PATIENTS", lambda rows: [*rows, rows[4]], r"line 82: subject_id \d+ stands in line 5 already"),
        ("ADMISSIONS", lambda rows: rows[:3] + rows[2:], r"line 4: hadm_id \d+ stands in line 3 already"),
        ("ICUSTAYS", lambda rows: rows + rows[1:], r"icustay_id \d+ stands in line 2 already"),
        (
            "ICUSTAYS",
            lambda rows: secret_cell(rows, 2, "icustay_id", f"{rows[1][3]}.0"),
            r"line 3: .* in line 2 already",
        ),
    ],
)
def test_a_bad_table_is_named_with_its_place_and_shows_no_cell_of_a_patient(raw, table, change, message):
    rewrite(raw, table, change)
    admit(raw)
    with pytest.raises(InputError, match=message + ".*Remedy: ") as error:
        mimic3.parse("mimic3", raw, SETTINGS, 1)
    assert table in str(error.value) and "SECRET" not in str(error.value)


def test_one_stay_under_two_admissions_is_refused(hospital):
    hospital.stay(1).stay(2).write()
    text = (hospital.folder / "ICUSTAYS.csv").read_text().splitlines()
    rows = [text[0], text[1], text[2], text[1].replace("1,1,0", "1,9,0", 1)]
    (hospital.folder / "ICUSTAYS.csv").write_text("\n".join(rows) + "\n")
    with connect() as connection, pytest.raises(InputError, match=r"line 4: icustay_id 0 stands in line 2 already"):
        choose_stays(connection, hospital.folder)


@pytest.mark.parametrize("table", ["PATIENTS", "ICUSTAYS", "CHARTEVENTS", "D_ITEMS"])
def test_a_byte_order_mark_changes_nothing_and_another_encoding_is_refused_with_its_line(simulated, raw, table):
    path = raw / f"{table}.csv"
    content = path.read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + content)
    admit(raw)
    assert np.array_equal(mimic3.parse("mimic3", raw, SETTINGS, 1).x, mimic3.parse("mimic3", simulated, SETTINGS, 1).x)
    lines = content.split(b"\n")
    lines[5] = lines[5].replace(b",", b",\xe9", 1)
    path.write_bytes(b"\n".join(lines))
    admit(raw)
    with pytest.raises(InputError, match=rf"{table}\.csv, line 6: byte 0xe9 is not UTF-8"):
        mimic3.parse("mimic3", raw, SETTINGS, 1)
    path.write_bytes(content.decode().encode("utf-16"))
    admit(raw)
    with pytest.raises(InputError, match=rf"{table}\.csv, line 1: UTF-16"):
        mimic3.parse("mimic3", raw, SETTINGS, 1)


def test_ids_that_a_spreadsheet_has_made_decimal_are_the_same(simulated, raw):
    for table in ("PATIENTS", "ADMISSIONS"):
        rewrite(raw, table, lambda rows: [rows[0], *([row[0], f"{row[1]}.0", *row[2:]] for row in rows[1:])])
    admit(raw)
    assert np.array_equal(mimic3.parse("mimic3", raw, SETTINGS, 1).x, mimic3.parse("mimic3", simulated, SETTINGS, 1).x)


def test_a_packed_table_cut_short_is_named(raw):
    packed = gzip.compress((raw / "CHARTEVENTS.csv").read_bytes())
    (raw / "CHARTEVENTS.csv").unlink()
    (raw / "CHARTEVENTS.csv.gz").write_bytes(packed[: len(packed) // 2])
    admit(raw)
    with pytest.raises(InputError, match=r"CHARTEVENTS\.csv\.gz.*Remedy: get the file again"):
        mimic3.parse("mimic3", raw, SETTINGS, 1)


def test_a_missing_or_doubled_table_is_refused(raw):
    shutil.copy(raw / "PATIENTS.csv", raw / "PATIENTS.csv.gz")
    with pytest.raises(InputError, match=r"PATIENTS.csv and PATIENTS.csv.gz are both there"):
        mimic3.local_files(raw)
    (raw / "PATIENTS.csv.gz").unlink()
    (raw / "PATIENTS.csv").unlink()
    with pytest.raises(InputError, match=r"neither PATIENTS.csv nor PATIENTS.csv.gz is there"):
        mimic3.local_files(raw)


def test_the_publishers_list_names_plain_or_packed_tables():
    assert mimic3.wanted({f"{table}.csv.gz" for table in mimic3.TABLES} | {"NOTEEVENTS.csv.gz"}) == [
        f"{table}.csv.gz" for table in mimic3.TABLES
    ]
    assert "CHARTEVENTS.csv" in mimic3.wanted({"PATIENTS.csv"})  # to be named as missing


def test_nothing_is_left_in_the_folder_for_temporary_files(simulated, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    mimic3.parse("mimic3", simulated, SETTINGS, 1)
    assert list(tmp_path.iterdir()) == []


@needs_demo
def test_the_real_demo_has_the_counts_of_the_data_card(tmp_path):
    acquire_raw("mimic3", "mimic3", {"source": "local", "path": str(REAL)}, 1, tmp_path / "raw", tmp_path / "scratch")
    dataset = mimic3.parse("mimic3", tmp_path / "raw", SETTINGS, 1)
    assert list(dataset.notes["stays_left_after_each_step"].values()) == [136, 126, 115, 114, 57, 57, 57]
    assert (len(dataset.patients), dataset.y.sum()) == (47, 17)
    assert Counter(dataset.sites[site] for site in dataset.site) == {
        "MICU": 28,
        "SICU": 13,
        "CCU": 12,
        "CSRU": 2,
        "TSICU": 2,
    }
    assert sha256(REAL / "PATIENTS.csv") == DEMO_PATIENTS
    assert not dataset.credentialed and dataset.licence == "ODbL 1.0"
    assert dataset.notes["values_impossible"]["respiratory_rate"] == 3


@needs_demo
def test_the_real_demo_scanned_equals_a_slow_reading_row_by_row():
    columns = check_against_reference(REAL)
    medians = {
        name: np.nanmedian(columns[f"{name}_mean_day1"])
        for name in ("heart_rate", "temperature", "fio2", "ph", "oxygen_saturation")
    }
    assert medians == pytest.approx(
        {"heart_rate": 84.2, "temperature": 36.8, "fio2": 0.5, "ph": 7.39, "oxygen_saturation": 97.3}, rel=0.005
    )


@needs_demo
def test_every_table_stands_in_the_publishers_list():
    published = [line.split()[1] for line in (REAL / "SHA256SUMS.txt").read_text().splitlines()]
    assert set(mimic3.wanted(published)) <= set(published)


@needs_demo
def test_a_mirror_of_the_real_demo_gives_the_same_dataset(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    local, remote, mirror = tmp_path / "local", tmp_path / "remote", tmp_path / "mirror"
    acquire_raw("mimic3", "mimic3", {"source": "local", "path": str(REAL)}, 1, local, tmp_path / "scratch")
    mirror.mkdir()
    for file in mimic3.local_files(REAL):
        (mirror / file).symlink_to(REAL / file)
    lines = [f"{sha256(path)} {path.name}\n" for path in sorted(mirror.iterdir())]
    (mirror / "SHA256SUMS.txt").write_text("".join(lines))
    with publisher(mirror) as server:
        acquire_raw("mimic3", "mimic3", {"source": "remote", "base_url": server.url}, 1, remote, tmp_path / "scratch")
    one, other = (mimic3.parse("mimic3", folder, SETTINGS, 1) for folder in (local, remote))
    assert np.array_equal(one.x, other.x) and not other.credentialed


@needs_demo
def test_the_items_labels_are_those_of_the_real_dictionaries():
    with connect() as connection:
        check_labels(connection, REAL)
    real = {row["itemid"]: row["label"] for table in ("D_ITEMS", "D_LABITEMS") for row in reference.read(REAL, table)}
    assert [item.label for item in ITEMS] == [real[str(item.itemid)] for item in ITEMS]


def test_stays_without_their_admission_or_patient_are_left_out_and_counted(simulated, raw):
    whole = mimic3.parse("mimic3", simulated, SETTINGS, 1)
    rewrite(raw, "ADMISSIONS", lambda rows: rows[:1] + rows[2:])
    rewrite(raw, "PATIENTS", lambda rows: rows[:-1])
    admit(raw)
    counted = mimic3.parse("mimic3", raw, SETTINGS, 1).notes
    with (raw / "ICUSTAYS.csv").open() as stream:
        stays = list(csv.DictReader(stream))
    known = {}
    for table, key in (("ADMISSIONS", "hadm_id"), ("PATIENTS", "subject_id")):
        with (raw / f"{table}.csv").open() as stream:
            held = {row[key] for row in csv.DictReader(stream)}
        known[f"ICUSTAYS without {table}"] = sum(stay[key] not in held for stay in stays)
    assert all(known.values()) and counted["rows_left_out"] == known
    assert "rows_left_out" not in whole.notes
