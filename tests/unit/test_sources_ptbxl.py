"""PTB-XL's tables and records: superclasses, folds, pieces, and one clear error for each kind of bad input."""

import csv
import json
import shutil
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import wfdb
from loopback import publisher
from pydantic import ValidationError

from medpriv.config.ptbxl import PreprocessPtbxl
from medpriv.dataset import TEST, TRAIN
from medpriv.errors import InputError
from medpriv.files import sha256
from medpriv.simulate.dipole import LEADS
from medpriv.simulate.ptbxl import COLUMNS, simulate
from medpriv.sources.acquire import acquire_raw
from medpriv.sources.beats import prepare_signal
from medpriv.sources.ptbxl import cut_pieces, local_files, parse, wanted
from medpriv.sources.ptbxl_tables import CLASSES, read_tables

REAL = Path(__file__).parents[3] / "shared" / "data" / "physionet" / "ptb-xl" / "1.0.3"
SETTINGS = PreprocessPtbxl().model_dump()


def add_manifest(folder):
    (folder / "manifest.json").write_text(json.dumps({"source": "local", "licence": "CC BY 4.0", "files": {}}))
    return folder


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    simulate({"patients": 40}, folder, 7)
    return add_manifest(folder)


@pytest.fixture
def raw(simulated, tmp_path):
    """Return a copy of the simulated folder that a test may damage."""
    return Path(shutil.copytree(simulated, tmp_path / "raw"))


STATEMENTS = """,description,diagnostic,form,rhythm,diagnostic_class
NORM,,1.0,,,NORM
IMI,,1.0,,,MI
AMI,,1,,,MI
NDT,,1.0,1.0,,STTC
LVH,,1.0,,,HYP
QWAVE,,,1.0,,
SR,,,,1.0,
"""


def line(ecg_id, **cells):
    """Return a line of the table, which `cells` may change."""
    name = f"records100/00000/{ecg_id:05d}_lr"
    codes = "{'NORM': 100.0, 'SR': 0.0}" if ecg_id % 2 else "{'IMI': 50.0, 'QWAVE': 0.0}"
    usual = {
        "ecg_id": ecg_id,
        "patient_id": f"{ecg_id}.0",
        "age": "56.0",
        "sex": "1",
        "site": "0.0",
        "recording_date": "1990-05-06 07:08:09",
        "scp_codes": codes,
        "strat_fold": 9 if ecg_id > 4 else ecg_id,
        "filename_lr": name,
    }
    return usual | cells


def write_folder(folder, lines, seconds=10, rate=100):
    """Write tables and records: lead l of record n swings by n mV, l + 1 times a second, around 0.5 mV."""
    folder.mkdir(exist_ok=True)
    with (folder / "ptbxl_database.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(lines)
    (folder / "scp_statements.csv").write_text(STATEMENTS)
    (folder / "records100/00000").mkdir(parents=True, exist_ok=True)
    time = np.arange(seconds * rate) / rate
    signal = np.sin(2 * np.pi * (1 + np.arange(12)) * time[:, None])
    for cells in lines:
        number = int(cells["ecg_id"])
        wfdb.wrsamp(
            f"{number:05d}_lr",
            rate,
            ["mV"] * 12,
            list(LEADS),
            d_signal=np.rint(1000 * (0.5 + signal * number)).astype(np.int64),
            fmt=["16"] * 12,
            adc_gain=[1000.0] * 12,
            baseline=[0] * 12,
            write_dir=str(folder / "records100/00000"),
        )
    return add_manifest(folder)


# --- tables --------------------------------------------------------------------------------------------------------


def test_superclasses_are_those_of_all_diagnostic_statements_whatever_their_likelihood(tmp_path):
    codes = {
        1: ("{'NORM': 100.0, 'SR': 0.0}", ("NORM",)),
        2: ("{'IMI': 15.0, 'AMI': 100.0}", ("MI",)),
        3: ("{'LVH': 100.0, 'NDT': 0.0, 'QWAVE': 0.0}", ("STTC", "HYP")),  # 0: not known, and a statement all the same
        4: ("{'QWAVE': 100.0, 'SR': 0.0}", ()),
        5: ("{}", ()),
        6: ("{'IMI': 35}", ("MI",)),
    }
    folder = write_folder(tmp_path / "raw", [line(number, scp_codes=text) for number, (text, _) in codes.items()])
    found = [row.superclasses for row in read_tables(folder)]
    assert found == [superclasses for _, superclasses in codes.values()]


def test_cells_are_read_as_the_publisher_codes_them(tmp_path):
    changes = [{"sex": "0", "age": "300.0"}, {"sex": "", "age": "", "site": ""}, {"age": "39.0"}, {"age": "40.0"}]
    folder = write_folder(tmp_path / "raw", [line(1 + index, **change) for index, change in enumerate(changes)])
    rows = read_tables(folder)
    assert [row.groups["sex"] for row in rows] == ["M", "unknown", "F", "F"]
    assert [row.groups["age"] for row in rows] == ["65+", "unknown", "<40", "40-64"]
    assert [row.site for row in rows] == ["0", "unknown", "0", "0"]
    assert rows[0].patient == "1" and rows[0].fold == 1 and rows[0].taken == datetime(1990, 5, 6, 7, 8, 9)


# --- whole folders -------------------------------------------------------------------------------------------------


def test_parse_keeps_exactly_the_records_of_one_superclass(simulated):
    dataset = parse("ptbxl", simulated, SETTINGS, 1)
    rows = read_tables(simulated)
    kept = [row for row in rows if len(row.superclasses) == 1]
    left_out = dataset.notes["records_left_out"]
    assert 0 < len(kept) < len(rows) == len(kept) + sum(left_out.values())
    assert left_out["several superclasses"] == sum(len(row.superclasses) > 1 for row in rows) > 0
    assert [dataset.classes[label] for label in dataset.y] == [row.superclasses[0] for row in kept]
    assert [dataset.patients[index] for index in dataset.patient] == [row.patient for row in kept]
    assert [dataset.sites[index] for index in dataset.site] == [row.site for row in kept]
    assert dataset.x.shape == (len(kept), 12, 1000) and dataset.x.dtype == np.float32
    assert dataset.features == LEADS and set(dataset.units) == {"mV"} and dataset.sampling_rate == 100.0
    assert dataset.classes == CLASSES and dataset.source == "local" and not dataset.credentialed
    training = dataset.x[dataset.rows(TRAIN)]
    assert np.allclose(dataset.centre[:, 0], training.mean(axis=(0, 2)), atol=1e-5)
    assert np.allclose(dataset.scale[:, 0], training.std(axis=(0, 2)), atol=1e-5)


def test_signals_equal_those_that_wfdb_reads(simulated):
    dataset = parse("ptbxl", simulated, SETTINGS | {"leads": ["V2", "I"]}, 1)
    kept = [row for row in read_tables(simulated) if len(row.superclasses) == 1]
    assert dataset.features == ("V2", "I")
    for index in (0, 5, len(kept) - 1):
        record = wfdb.rdrecord(str(simulated / kept[index].name))
        signal = record.p_signal[:, [record.sig_name.index("V2"), record.sig_name.index("I")]]
        assert np.abs(dataset.x[index].T - prepare_signal(signal, 100.0, 100.0)).max() < 1e-5


def test_pieces_cut_a_record_without_gap_and_share_its_label_and_patient(simulated):
    whole = parse("ptbxl", simulated, SETTINGS, 1)
    cut = parse("ptbxl", simulated, SETTINGS | {"seconds": 3.0}, 1)
    assert len(cut.x) == 3 * len(whole.x) and cut.x.shape[2] == 300  # the tenth second is left over
    joined = cut.x.reshape(len(whole.x), 3, 12, 300).transpose(0, 2, 1, 3).reshape(len(whole.x), 12, 900)
    assert np.array_equal(joined, whole.x[:, :, :900])
    assert np.array_equal(cut.y, np.repeat(whole.y, 3)) and np.array_equal(cut.patient, np.repeat(whole.patient, 3))
    assert np.array_equal(cut.time, np.repeat(whole.time, 3) + np.tile([0, 3, 6], len(whole.x)))


def test_cutting_gives_known_pieces():
    pieces = cut_pieces(np.arange(14).reshape(7, 2), 3)
    assert pieces.tolist() == [[[0, 2, 4], [1, 3, 5]], [[6, 8, 10], [7, 9, 11]]]


def test_records_are_resampled_to_the_rate_asked_for(tmp_path):
    lines = [line(number) for number in range(1, 7)]
    fine = parse("p", write_folder(tmp_path / "fine", lines, rate=500), SETTINGS, 1)
    coarse = parse("p", write_folder(tmp_path / "coarse", lines), SETTINGS, 1)
    slow = parse("p", tmp_path / "coarse", SETTINGS | {"sampling_rate": 50.0}, 1)
    inner = slice(200, 800)
    assert np.abs(fine.x - coarse.x)[:, :, inner].max() < 0.05 * np.abs(coarse.x).max()
    assert slow.x.shape[2] == 500 and slow.sampling_rate == 50.0
    assert np.abs(slow.x[:, :6] - coarse.x[:, :6, ::2])[:, :, 100:400].max() < 0.05 * np.abs(coarse.x).max()


def test_time_runs_on_over_a_patients_records_in_the_order_of_their_dates(tmp_path):
    lines = [line(number) for number in range(1, 9)]
    lines[0] |= {"patient_id": "3.0", "recording_date": "1991-01-01 00:00:00", "strat_fold": 3, "age": "70.0"}
    lines[6] |= {"patient_id": "3.0", "recording_date": "1990-09-09 00:00:00", "strat_fold": 3}
    dataset = parse("p", write_folder(tmp_path / "raw", lines), SETTINGS | {"seconds": 5.0}, 1)
    assert dataset.time.dtype == np.float32 and len(dataset.patients) == 6
    his = dataset.patient == dataset.patients.index("3")
    assert dataset.time[his].tolist() == [20, 25, 0, 5, 10, 15]  # records 1, 3 and 7 of 1991, May and September 1990
    assert (dataset.time[~his].reshape(-1, 2) == [0, 5]).all()
    assert dataset.groups["age"][dataset.patients.index("3")] == "40-64"  # as at the first record


def test_the_publishers_folds_decide_the_split(simulated):
    rows = read_tables(simulated)
    for folds in ([9, 10], [1]):
        dataset = parse("ptbxl", simulated, SETTINGS | {"test_folds": folds}, 1)
        fold = {row.patient: row.fold for row in rows}
        assert all(
            (split == TEST) == (fold[patient] in folds)
            for patient, split in zip(dataset.patients, dataset.split, strict=True)
        )
        assert 0 < (dataset.split == TEST).sum() < len(dataset.split)


def test_a_random_split_is_by_patient_and_seed(simulated):
    random = SETTINGS | {"split": "random", "test_fraction": 0.25}
    one, two, three = (parse("ptbxl", simulated, random, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.split, two.split) and not np.array_equal(one.split, three.split)
    assert (one.split == TEST).sum() == round(0.25 * len(one.patients))
    assert np.array_equal(one.x, three.x)


def test_a_record_with_a_blank_lead_is_left_out_and_counted(raw):
    name = next(row.name for row in read_tables(raw) if row.superclasses == ("NORM",))
    before = parse("ptbxl", raw, SETTINGS, 1)
    rewrite_record(raw / name, lambda samples: samples.__setitem__((slice(None), 6), 17))  # V1
    after = parse("ptbxl", raw, SETTINGS, 1)
    assert len(after.x) == len(before.x) - 1 and after.notes["records_left_out"]["a blank lead"] == 1
    assert len(parse("ptbxl", raw, SETTINGS | {"leads": ["II"]}, 1).x) == len(before.x)


def test_a_part_of_the_records_is_enough(raw):
    names = [row.name for row in read_tables(raw)]
    for name in names[30:]:
        for ending in (".hea", ".dat"):
            (raw / f"{name}{ending}").unlink()
    dataset = parse("ptbxl", raw, SETTINGS, 1)
    assert dataset.notes["records_left_out"]["no files"] == len(names) - 30
    assert set(local_files(raw)) == {
        "ptbxl_database.csv",
        "scp_statements.csv",
        *(f"{name}{ending}" for name in names[:30] for ending in (".hea", ".dat")),
    }


def test_same_seed_same_bytes(simulated, tmp_path):
    for name in ("one", "two"):
        parse("ptbxl", simulated, SETTINGS | {"split": "random"}, 1).save(tmp_path / name)
    for file in ("dataset.safetensors", "dataset.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


# --- sources -------------------------------------------------------------------------------------------------------


def test_of_the_publishers_files_the_tables_and_the_records_at_100_hz_are_wanted():
    published = [
        "LICENSE.txt",
        "RECORDS",
        "example_physionet.py",
        "ptbxl_database.csv",
        "records100/00000/00001_lr.dat",
        "records100/00000/00001_lr.hea",
        "records100/00000/00001_lr.hea.bak",
        "records500/00000/00001_hr.dat",
        "scp_statements.csv",
    ]
    assert wanted(published) == [published[index] for index in (0, 3, 4, 5, 8)]


def test_the_three_sources_give_the_same_dataset(raw, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (raw / "manifest.json").unlink()
    (raw / "LICENSE.txt").write_text("CC BY 4.0")
    (raw / "records500").mkdir()
    (raw / "records500/00001_hr.dat").write_text("not asked for")
    files = sorted(path for path in raw.rglob("*") if path.is_file())
    listed = "".join(f"{sha256(path)} {path.relative_to(raw).as_posix()}\n" for path in files)
    with publisher(raw) as server:
        (raw / "SHA256SUMS.txt").write_text(listed)
        remote = {"source": "remote", "base_url": server.url}
        acquire_raw("ptbxl", "ptbxl", remote, 1, tmp_path / "remote", tmp_path / "scratch")
        assert "records500/00001_hr.dat" not in server.requests
    local = {"source": "local", "path": str(raw)}
    acquire_raw("ptbxl", "ptbxl", local, 1, tmp_path / "local", tmp_path / "scratch")
    one, two = (parse("ptbxl", tmp_path / name, SETTINGS, 1) for name in ("remote", "local"))
    assert np.array_equal(one.x, two.x) and (one.source, two.source) == ("remote", "local")
    assert one.licence == two.licence == "CC BY 4.0" and (tmp_path / "remote" / "LICENSE.txt").is_file()
    simulator = {"source": "simulated", "simulated": {"patients": 20}}
    acquire_raw("ptbxl", "ptbxl", simulator, 1, tmp_path / "simulated", tmp_path / "scratch")
    assert parse("ptbxl", tmp_path / "simulated", SETTINGS, 1).source == "simulated"


# --- bad input -----------------------------------------------------------------------------------------------------


def rewrite_record(path, change):
    record = wfdb.rdrecord(str(path), physical=False)
    change(record.d_signal)
    record.checksum = [int(total) & 0xFFFF for total in record.d_signal.sum(axis=0)]
    record.init_value = record.d_signal[0].tolist()
    record.wrsamp(write_dir=str(path.parent))


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"scp_codes": "{'NORM': 1"}, r"line 3, column scp_codes: .*not of the form"),
        ({"scp_codes": "__import__('os').getcwd()"}, r"column scp_codes: .*not of the form"),
        ({"scp_codes": "['NORM']"}, r"column scp_codes: .*not of the form"),
        ({"scp_codes": "{'NORM': 'yes'}"}, r"column scp_codes: .*not of the form"),
        ({"scp_codes": "{[]: 1}"}, r"column scp_codes: .*not of the form"),
        ({"scp_codes": "[" * 900 + "]" * 900}, r"column scp_codes: .*not of the form"),
        ({"scp_codes": "{'NORM': 100.0" + " " * 5000 + "}"}, r"column scp_codes: .*not of the form"),
        ({"scp_codes": "{'XYZ': 100.0}"}, r"column scp_codes: .*statement XYZ is not in scp_statements\.csv"),
        ({"filename_lr": "../../etc/passwd"}, r"column filename_lr: '\.\./\.\./etc/passwd': not a path"),
        (
            {"filename_lr": "records100/00000/00001_lr"},
            r"ptbxl_database\.csv, line 3: records100/00000/00001_lr listed twice, first in line 2",
        ),
        ({"patient_id": ""}, r"column patient_id: '': no patient"),
        ({"patient_id": "Smith"}, r"column patient_id: 'Smith': not a number"),
        ({"patient_id": "2.5"}, r"line 3, column patient_id: '2.5': not a whole number"),
        ({"site": "0.5"}, r"line 3, column site: '0.5': not a whole number"),
        ({"sex": "2"}, r"column sex: '2': neither 0 \(male\) nor 1 \(female\)"),
        ({"age": "301"}, r"column age: '301': no age"),
        ({"strat_fold": "11"}, r"column strat_fold: '11': not a fold"),
        ({"strat_fold": ""}, r"column strat_fold: '': not a fold"),
        ({"recording_date": "yesterday"}, r"column recording_date: 'yesterday': not a date"),
    ],
)
def test_a_bad_cell_is_one_clear_error(tmp_path, cells, message):
    folder = write_folder(tmp_path / "raw", [line(1), line(2, **cells), line(5), line(6)], seconds=1)
    with pytest.raises(InputError, match=message) as caught:
        parse("p", folder, SETTINGS, 1)
    assert caught.value.remedy and len(str(caught.value)) < 500


def empty_the_folder(folder):
    shutil.rmtree(folder / "records100")


def cut_short(folder):
    path = folder / "records100/00000/00002_lr.dat"
    path.write_bytes(path.read_bytes()[:-100])


def alter(folder):
    path = folder / "records100/00000/00002_lr.dat"
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes(content)


def leave_a_gap(folder):
    rewrite_record(folder / "records100/00000/00002_lr", lambda samples: samples.__setitem__((7, 0), -32768))


def replace(file, old, new):
    def damage(folder):
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new))

    return damage


def in_bytes(file, change):
    def damage(folder):
        (folder / file).write_bytes(change((folder / file).read_bytes()))

    return damage


HEADER = "records100/00000/00002_lr.hea"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (empty_the_folder, r"records100: none of the records that ptbxl_database\.csv lists is here"),
        (cut_short, r"00002_lr\.dat, record 00002_lr: truncated: 23900 bytes"),
        (alter, r"00002_lr\.hea, lead \w+: checksum \d+ where the header states \d+"),
        (leave_a_gap, r"00002_lr\.dat, lead I: 1 samples without a value, the first at sample 7"),
        (lambda folder: (folder / HEADER).with_suffix(".dat").unlink(), r"00002_lr\.dat: missing"),
        (lambda folder: (folder / HEADER).write_text("nonsense\n"), r"00002_lr\.hea, line 1: not a WFDB header"),
        (replace(HEADER, "mV", "mmHg"), r"00002_lr\.hea, lead I: unit mmHg, not a voltage"),
        (replace(HEADER, " V6", " V9"), r"00002_lr\.hea: no lead V6"),
        (lambda folder: (folder / "scp_statements.csv").unlink(), r"scp_statements\.csv: the file is missing"),
        (replace("scp_statements.csv", ",HYP", ",XYZ"), r"scp_statements\.csv, line 6.*unknown superclass 'XYZ'"),
        (replace("scp_statements.csv", ",1.0,", ",yes,"), r"csv, line \d, column diagnostic: 'yes' is neither 1"),
        (
            in_bytes("scp_statements.csv", lambda content: content + content.splitlines()[1]),
            r"scp_statements\.csv, line \d+: statement '\w+' twice",
        ),
        (
            in_bytes("ptbxl_database.csv", lambda content: content.replace(b"NORM", b"N\xd6RM", 1)),
            r"ptbxl_database\.csv, line \d: byte 0xd6 is not UTF-8",
        ),
        (
            in_bytes("ptbxl_database.csv", lambda content: content + b'7,"open'),
            r"ptbxl_database\.csv, row that begins at line 8: not a CSV table",
        ),
        (replace(HEADER, " V6", " V5"), r"00002_lr\.hea: several leads V5, V6"),
        (replace("ptbxl_database.csv", "strat_fold", "fold"), r"ptbxl_database\.csv, line 1: no column strat_fold"),
        (replace("ptbxl_database.csv", ",9,records", ",1,records"), r"no test record: folds 9, 10 are held out"),
        (replace("ptbxl_database.csv", "6.0,56", "1.0,56"), r"patient 1 has records in test folds and in others"),
        (replace("ptbxl_database.csv", "'NORM'", "'IMI'"), r"only class MI occurs"),
        (replace("ptbxl_database.csv", "{'NORM': 100.0, ", "{"), r"only class MI occurs"),
    ],
)
def test_a_bad_folder_is_one_clear_error(tmp_path, damage, message):
    folder = write_folder(tmp_path / "raw", [line(number) for number in range(1, 7)])
    damage(folder)
    with pytest.raises(InputError, match=message) as caught:
        parse("p", folder, SETTINGS, 1)
    assert caught.value.remedy


def test_a_class_of_test_patients_alone_is_refused(tmp_path):
    lines = [line(number) for number in range(1, 7)]
    lines[5]["scp_codes"] = "{'LVH': 100.0}"
    with pytest.raises(InputError, match="class HYP is empty: no training patient"):
        parse("p", write_folder(tmp_path / "raw", lines), SETTINGS, 1)


def test_a_record_shorter_than_a_piece_is_refused(tmp_path):
    folder = write_folder(tmp_path / "raw", [line(number) for number in range(1, 7)], seconds=4)
    with pytest.raises(InputError, match=r"00001_lr\.hea: 4 seconds, shorter than a piece"):
        parse("p", folder, SETTINGS, 1)
    assert parse("p", folder, SETTINGS | {"seconds": 2.0}, 1).x.shape == (12, 12, 200)


def test_local_files_refuses_half_a_record_and_a_folder_that_is_not_the_publishers(raw, tmp_path):
    name = read_tables(raw)[3].name
    (raw / f"{name}.hea").unlink()
    with pytest.raises(InputError, match=rf"{name}\.hea: missing, though the record's other file is there"):
        local_files(raw)
    with pytest.raises(InputError, match=r"scp_statements\.csv: the file is missing"):
        local_files(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "settings",
    [
        {"leads": []},
        {"leads": ["I", "I"]},
        {"leads": ["V9"]},
        {"test_folds": [0]},
        {"test_folds": [9, 9]},
        {"test_folds": list(range(1, 11))},
        {"seconds": 11},
        {"sampling_rate": 200},
    ],
)
def test_settings_that_no_record_can_meet_are_refused(settings):
    with pytest.raises(ValidationError):
        PreprocessPtbxl(**settings)


# --- the real database ---------------------------------------------------------------------------------------------


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real records in {REAL}")
def test_real_records_give_the_published_counts(tmp_path):
    rows = read_tables(REAL)
    counts = {superclass: sum(superclass in row.superclasses for row in rows) for superclass in CLASSES}
    assert counts == {"NORM": 297, "MI": 73, "STTC": 96, "CD": 78, "HYP": 40}
    assert sum(not row.superclasses for row in rows) == 12 and len({row.patient for row in rows}) == 466
    single = [row for row in rows if len(row.superclasses) == 1]
    kept = {superclass: sum(row.superclasses == (superclass,) for row in single) for superclass in CLASSES}
    assert kept == {"NORM": 290, "MI": 31, "STTC": 51, "CD": 37, "HYP": 6}
    assert len({row.patient for row in single}) == 395 and {row.site for row in rows} == {"0", "1", "2", "3"}
    files = local_files(REAL)
    assert len(files) == 2 * 500 + 3
    for file in (file for file in files if not file.startswith("records100") or Path(file).name < "00061"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).symlink_to(REAL / file)
    dataset = parse("ptbxl", add_manifest(tmp_path), SETTINGS | {"leads": ["II", "V2"], "test_folds": [4]}, 1)
    assert dataset.notes["records_left_out"]["no files"] == 440
    assert dataset.notes["records"] == sum(row.name[-8:-3] <= "00060" for row in single)
    first = wfdb.rdrecord(str(REAL / "records100/00000/00001_lr")).p_signal[:, [1, 7]]
    assert np.abs(dataset.x[0].T - prepare_signal(first, 100.0, 100.0)).max() < 1e-5
