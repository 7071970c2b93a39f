"""Challenge folders to records: labels, one length, split, sources, and one clear error for each kind of bad input."""

import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from loopback import publisher
from scipy.io import savemat

from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.files import sha256
from medpriv.simulate.cinc2017 import simulate
from medpriv.sources.acquire import acquire_raw
from medpriv.sources.beats import prepare_signal
from medpriv.sources.cinc2017 import CHECKSUMS, CLASSES, local_files, parse, read_record, wanted

REAL = Path(__file__).parents[3] / "shared" / "data" / "physionet" / "challenge-2017" / "1.0.0"
SETTINGS = {"seconds": 30.0, "sampling_rate": 300.0, "filter": False, "records_per_class": None, "test_fraction": 0.25}
SIMULATED = {"records": 40, "shortest_s": 9.0, "longest_s": 40.0}


def add_manifest(folder):
    (folder / "manifest.json").write_text(json.dumps({"source": "local", "licence": "ODC-By 1.0", "files": {}}))
    return folder


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    simulate(SIMULATED, folder, 7)
    return add_manifest(folder)


@pytest.fixture
def raw(simulated, tmp_path):
    """Return a copy of the simulated folder that a test may damage."""
    return Path(shutil.copytree(simulated, tmp_path / "raw"))


@pytest.fixture
def theirs(raw):
    """Return the publisher's layout of single files: records in training/A00, the last labels at the top."""
    (raw / "manifest.json").unlink()
    (raw / "training").mkdir()
    (raw / "training2017").rename(raw / "training" / "A00")
    for name in ("RECORDS", "REFERENCE.csv"):
        (raw / "training" / "A00" / name).rename(raw / "training" / name)
    list_checksums(raw)
    return raw


def list_checksums(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != CHECKSUMS)
    lines = [f"{sha256(path)} {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / CHECKSUMS).write_text("".join(lines))


def labels_of(folder):
    return dict(line.split(",") for line in (folder / "REFERENCE-v3.csv").read_text().split())


# --- the dataset ---------------------------------------------------------------------------------------------------


def test_every_record_is_one_patient_with_its_label(simulated):
    dataset = parse("cinc2017", simulated, SETTINGS, 1)
    labels = labels_of(simulated)
    assert dataset.patients == tuple(labels) and dataset.patient.tolist() == list(range(40))
    assert [dataset.classes[index] for index in dataset.y] == list(labels.values())
    assert dataset.classes == CLASSES and dataset.features == ("I",) and dataset.units == ("mV",)
    assert dataset.x.shape == (40, 1, 9000) and dataset.x.dtype == np.float32
    assert dataset.sampling_rate == 300.0 and dataset.source == "local" and not dataset.credentialed
    assert dataset.notes["labels"] == "REFERENCE-v3.csv" and dataset.notes["high_pass_hz"] is None


def test_short_records_stand_in_the_middle_of_zeros_and_long_ones_lose_their_end(simulated):
    dataset = parse("cinc2017", simulated, SETTINGS, 1)
    cut = padded = 0
    for row, name in enumerate(dataset.patients):
        raw, _ = read_record(simulated, f"training2017/{name}")
        first, end = dataset.valid[row]
        missing = max(9000 - len(raw), 0)
        assert (first, end) == (missing // 2, 9000 - (missing - missing // 2))
        assert np.array_equal(dataset.x[row, 0, first:end], raw[: end - first])
        assert not dataset.x[row, 0, :first].any() and not dataset.x[row, 0, end:].any()
        cut += len(raw) > 9000
        padded += len(raw) < 9000
    assert cut == dataset.notes["records_cut"] > 0 and padded == dataset.notes["records_padded"] > 0
    assert dataset.valid.dtype == np.int32 and cut + padded < 40


def test_centre_and_scale_are_of_the_training_signals_without_their_padding(simulated):
    dataset = parse("cinc2017", simulated, SETTINGS, 1)
    training = [dataset.x[row, 0, slice(*dataset.valid[row])] for row in np.flatnonzero(dataset.rows(TRAIN))]
    signal = np.concatenate(training).astype(float)
    assert dataset.centre.shape == dataset.scale.shape == (1, 1)
    assert dataset.centre.item() == pytest.approx(signal.mean(), abs=1e-6)
    assert dataset.scale.item() == pytest.approx(signal.std(), rel=1e-5)


def test_another_rate_keeps_the_waves_and_the_padding_in_place(simulated):
    whole = parse("cinc2017", simulated, SETTINGS, 1)
    coarse = parse("cinc2017", simulated, SETTINGS | {"sampling_rate": 100.0}, 1)
    assert coarse.x.shape == (40, 1, 3000) and np.array_equal(coarse.split, whole.split)
    assert np.abs(coarse.valid * 3 - whole.valid).max() <= 4
    row = int(np.argmax(np.diff(whole.valid, axis=1)[:, 0] == 9000))
    smooth = np.convolve(whole.x[row, 0], np.ones(3) / 3, "same")[300:8700:3]
    assert np.corrcoef(coarse.x[row, 0, 100:2900], smooth)[0, 1] > 0.99


def test_the_filter_is_the_one_of_the_other_ecg_formats(simulated):
    dataset = parse("cinc2017", simulated, SETTINGS | {"filter": True}, 1)
    raw, rate = read_record(simulated, "training2017/A00001")
    expected = prepare_signal(raw[:, None], rate, 300.0)[:9000, 0]
    assert np.array_equal(dataset.x[0, 0, slice(*dataset.valid[0])], expected)
    assert dataset.notes["high_pass_hz"] == 0.5


def test_the_split_holds_out_its_share_of_each_class_and_at_least_one(simulated):
    for seed in range(5):
        dataset = parse("cinc2017", simulated, SETTINGS | {"test_fraction": 0.1}, seed)
        tested = np.bincount(dataset.y[dataset.rows(TEST)], minlength=4)
        assert tested.tolist() == [max(round(0.1 * count), 1) for count in np.bincount(dataset.y)]


def test_the_cap_thins_training_classes_and_leaves_the_test_alone(simulated):
    whole = parse("cinc2017", simulated, SETTINGS, 1)
    capped = parse("cinc2017", simulated, SETTINGS | {"records_per_class": 3}, 1)
    assert np.bincount(capped.y[capped.rows(TRAIN)]).max() == 3

    def tested(dataset):
        return [name for name, split in zip(dataset.patients, dataset.split, strict=True) if split == TEST]

    assert tested(capped) == tested(whole) and set(capped.patients) < set(whole.patients)
    assert capped.notes["records_left_out"] == {"over the cap a class": 40 - len(capped.patients)}
    row = whole.patients.index(capped.patients[-1])
    assert np.array_equal(capped.x[-1], whole.x[row]) and capped.y[-1] == whole.y[row]


def test_same_seed_same_dataset_and_another_seed_another_split(simulated, tmp_path):
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        parse("cinc2017", simulated, SETTINGS | {"records_per_class": 6}, seed).save(tmp_path / name)
    one, two, three = ((tmp_path / name / "dataset.safetensors").read_bytes() for name in ("one", "two", "three"))
    assert one == two != three
    again = Dataset.load(tmp_path / "one")
    assert again.valid.shape == (len(again.x), 2) and again.time is None


def test_the_last_version_of_the_labels_is_used_where_it_is_there(raw):
    older = raw / "training2017" / "REFERENCE.csv"
    older.write_text(older.read_text().replace("~", "O"))
    assert parse("cinc2017", raw, SETTINGS, 1).classes == CLASSES
    (raw / "REFERENCE-v3.csv").unlink()
    dataset = parse("cinc2017", raw, SETTINGS, 1)
    assert dataset.notes["labels"] == "training2017/REFERENCE.csv"
    assert dataset.classes == ("N", "A", "O") and dataset.notes["classes_absent"] == ["~"]


def test_a_header_with_another_gain_baseline_and_unit_gives_millivolts(raw):
    header = raw / "training2017" / "A00001.hea"
    expected, _ = read_record(raw, "training2017/A00001")
    header.write_text(header.read_text().replace("1000/mV", "0.5(40)/uV"))
    found, _ = read_record(raw, "training2017/A00001")
    assert np.allclose(found, (expected * 1000 - 40) / 500, atol=1e-6)


# --- where the files come from -------------------------------------------------------------------------------------


def test_a_part_of_the_records_is_enough(raw):
    for path in sorted((raw / "training2017").glob("A0003*")) + sorted((raw / "training2017").glob("A0004*")):
        path.unlink()
    (raw / "SUBSET.txt").write_text("A00001\n")
    files = local_files(raw)
    assert len(files) == 2 * 29 + 2 and {"REFERENCE-v3.csv", "training2017/RECORDS"} < set(files)
    dataset = parse("cinc2017", raw, SETTINGS, 1)
    assert len(dataset.patients) == 29 and dataset.notes["records_listed"] == 40


def test_every_layout_gives_the_same_dataset(simulated, theirs, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(simulated / "training2017", bare)
    expected = parse("cinc2017", simulated, SETTINGS, 1)
    for folder in (theirs, bare):
        found = parse("cinc2017", add_manifest(folder), SETTINGS, 1)
        assert np.array_equal(found.x, expected.x) and found.patients == expected.patients
        assert np.array_equal(found.y, expected.y)


def test_copies_of_records_in_other_folders_are_not_taken(theirs):
    shutil.copytree(theirs / "training" / "A00", theirs / "validation")
    list_checksums(theirs)
    published = [line.split()[1] for line in (theirs / CHECKSUMS).read_text().splitlines()]
    assert not any("validation" in file for file in [*local_files(theirs), *wanted(published)])


def test_acquired_raw_folders_of_each_source_parse_alike(theirs, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def acquire(name, settings):
        acquire_raw("cinc2017", "cinc2017", settings, 1, tmp_path / name, tmp_path / "scratch")
        return parse("cinc2017", tmp_path / name, SETTINGS, 1)

    local = acquire("local", {"source": "local", "path": str(theirs)})
    with publisher(theirs) as server:
        remote = acquire("remote", {"source": "remote", "base_url": server.url})
        assert len(server.requests[CHECKSUMS]) == 1
    made = acquire("made", {"source": "simulated", "simulated": SIMULATED})
    assert np.array_equal(local.x, remote.x) and np.array_equal(local.y, remote.y)
    assert (local.source, remote.source, made.source) == ("local", "remote", "simulated")
    assert "ODC-By" in remote.licence and "ODC-By" not in made.licence
    assert sorted(path.name for path in (tmp_path / "remote").iterdir()) == [
        "REFERENCE-v3.csv",
        "manifest.json",
        "training",
    ]


def drop_from_list(name):
    def damage(folder):
        lines = (folder / CHECKSUMS).read_text().splitlines(keepends=True)
        (folder / CHECKSUMS).write_text("".join(line for line in lines if name not in line))

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "training/A00/A00007.mat").write_bytes(b"x"), r"A00007\.mat: wrong SHA-256"),
        (lambda folder: (folder / "training/A00/A00007.mat").unlink(), r"A00007\.mat: the server has no such file"),
        (lambda folder: (folder / CHECKSUMS).unlink(), r"SHA256SUMS\.txt: the server has no such file"),
        (drop_from_list("A00007.mat"), r"SHA256SUMS\.txt: training/A00/A00007\.mat not listed"),
        (drop_from_list("REFERENCE-v3"), r"SHA256SUMS\.txt: REFERENCE-v3\.csv not listed"),
        (drop_from_list(".mat"), r"training/A00/A00001\.mat and 39 more not listed"),
        (drop_from_list("A0"), r"SHA256SUMS\.txt: no record of the challenge"),
    ],
)
def test_a_faulty_mirror_is_one_clear_error_and_leaves_no_raw_folder(theirs, tmp_path, monkeypatch, damage, message):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    damage(theirs)
    with publisher(theirs) as server, pytest.raises(InputError, match=message) as caught:
        settings = {"source": "remote", "base_url": server.url}
        acquire_raw("cinc2017", "cinc2017", settings, 1, tmp_path / "in", tmp_path / "scratch")
    assert caught.value.remedy and not (tmp_path / "in").exists()


# --- bad input -----------------------------------------------------------------------------------------------------

RECORD = "training2017/A00007"


def rewrite(change):
    def damage(folder):
        file = folder / f"{RECORD}.mat"
        file.write_bytes(change(file.read_bytes()))

    return damage


def replace_in(name, old, new):
    def damage(folder):
        text = (folder / name).read_bytes().decode()
        assert old in text
        (folder / name).write_bytes(text.replace(old, new).encode())

    return damage


def cut_in_two(folder):
    """Store the record as two samples a frame at half the rate, its length unstated: the same signal."""
    header = folder / f"{RECORD}.hea"
    first, second = header.read_text().splitlines()[:2]
    name, signals, rate = first.split()[:3]
    header.write_text(f"{name} {signals} {int(rate) / 2:g} 0\n{second.replace('16+24', '16x2+24')}\n")


@pytest.mark.parametrize(
    "change",
    [
        cut_in_two,
        replace_in(f"{RECORD}.hea", " 300 ", " 3e2 "),
        lambda folder: (folder / "REFERENCE-v3.csv").write_bytes(
            b"\xef\xbb\xbf" + (folder / "REFERENCE-v3.csv").read_bytes().replace(b"\n", b"\r\n")
        ),
        lambda folder: (folder / f"{RECORD}.hea").write_bytes(
            b"\xef\xbb\xbf# M\xfcller\r\n" + (folder / f"{RECORD}.hea").read_bytes()
        ),
    ],
)
def test_the_same_record_told_otherwise_is_the_same_dataset(raw, change):
    before = parse("cinc2017", raw, SETTINGS, 1)
    change(raw)
    assert np.array_equal(parse("cinc2017", raw, SETTINGS, 1).x, before.x)


def test_a_skewed_record_begins_later(raw):
    before, _ = read_record(raw, RECORD)
    replace_in(f"{RECORD}.hea", "16+24", "16:30+24")(raw)
    assert np.array_equal(read_record(raw, RECORD)[0], before[30:])


def remove(name):
    return lambda folder: (folder / name).unlink()


def save_as_version_5(folder):
    savemat(folder / f"{RECORD}.mat", {"val": np.zeros((1, 3000), np.int16)})


def with_gap(content):
    return content[: 24 + 2 * 777] + struct.pack("<h", -32768) + content[24 + 2 * 778 :]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (rewrite(lambda content: content[:-2]), r"A00007\.mat: truncated: \d+ bytes for \d+ samples"),
        (rewrite(lambda content: content[:10]), r"A00007\.mat: truncated: 10 bytes"),
        (rewrite(lambda content: content + b"\0\0"), r"A00007\.mat: too long"),
        (
            rewrite(lambda content: content[:8] + struct.pack("<i", 5) + content[12:]),
            r"A00007\.mat: 5 samples where the header file states \d+",
        ),
        (rewrite(lambda content: b"\0\0\0\0" + content[4:]), r"A00007\.mat: not a MATLAB v4 file"),
        (rewrite(lambda content: content.replace(b"val\0", b"var\0")), r"A00007\.mat: not a MATLAB v4 file"),
        (replace_in(f"{RECORD}.hea", " 300 ", " 0.0001 "), r"A00007\.hea, line 1 and lead ECG: 0\.0001 samples a sec"),
        (replace_in(f"{RECORD}.hea", " 300 ", " 1e7 "), r"A00007\.hea.* samples a second"),
        (replace_in(f"{RECORD}.hea", "16+24", "16x7+24"), r"A00007\.mat: \d+ samples where the header file states \d+"),
        (
            lambda folder: (folder / "REFERENCE-v3.csv").write_bytes(b"A00001,N\nA\xf1,N\n"),
            r"v3\.csv, line 2: byte 0xf1 is not UTF-8",
        ),
        (
            lambda folder: (folder / "training2017/RECORDS").write_bytes(b"A00001\nA\xf1\n"),
            r"RECORDS, line 2: byte 0xf1 is not UTF-8",
        ),
        (save_as_version_5, r"A00007\.mat: not a MATLAB v4 file"),
        (rewrite(with_gap), r"A00007\.mat, lead ECG: 1 samples without a value, the first at sample 777"),
        (replace_in(f"{RECORD}.hea", " 0 0 ECG", " 77 0 ECG"), r"checksum \d+ where the header states 77"),
        (replace_in(f"{RECORD}.hea", "/mV", "/mmHg"), r"A00007\.hea, lead ECG: unit mmHg, not a voltage"),
        (replace_in(f"{RECORD}.hea", "1000/", "0/"), r"A00007\.hea, line 2: the gain is 0"),
        (replace_in(f"{RECORD}.hea", "1000/", "nan/"), r"A00007\.hea, line 2: .*'nan/mV' is not a gain"),
        (
            replace_in(f"{RECORD}.hea", "A00007.mat", "../A1.mat"),
            r"A00007\.hea, line 2: .*signal file \.\./A1\.mat is not beside",
        ),
        (
            replace_in(f"{RECORD}.hea", "A00007 1", "A00008 1"),
            r"A00007\.hea, line 1: not the header of a record A00007",
        ),
        (lambda folder: (folder / f"{RECORD}.hea").write_text(""), r"A00007\.hea: not a WFDB header: empty"),
        (replace_in("REFERENCE-v3.csv", "A00007,", "A00007,X"), r"v3\.csv, line 7: unknown label 'X.' of 'A00007'"),
        (replace_in("REFERENCE-v3.csv", "A00007,", "A00006,"), r"v3\.csv, line 7: record A00006 given twice"),
        (replace_in("REFERENCE-v3.csv", "A00007,", "A00041,"), r"label without a record: A00041 is not in RECORDS"),
        (
            lambda folder: (folder / "REFERENCE-v3.csv").write_text("A00001,N\nA00002,A\n"),
            r"v3\.csv: no label for record A00003 and 37 more",
        ),
    ],
)
def test_bad_input_is_one_clear_error(raw, damage, message):
    damage(raw)
    with pytest.raises(InputError, match=message) as caught:
        parse("cinc2017", raw, SETTINGS, 1)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove(f"{RECORD}.mat"), r"A00007\.mat: missing, though the record's other file is there"),
        (remove(f"{RECORD}.hea"), r"A00007\.hea: missing, though the record's other file is there"),
        (
            lambda folder: [remove("REFERENCE-v3.csv")(folder), remove("training2017/REFERENCE.csv")(folder)],
            r"REFERENCE-v3\.csv: missing, and no REFERENCE\.csv either",
        ),
        (lambda folder: shutil.rmtree(folder / "training2017"), "no record of the challenge"),
        (shutil.rmtree, "no such folder"),
    ],
)
def test_an_incomplete_local_folder_is_refused(raw, damage, message):
    damage(raw)
    with pytest.raises(InputError, match=message):
        local_files(raw)


def test_a_class_that_cannot_be_split_is_refused(raw):
    file = raw / "REFERENCE-v3.csv"
    names = list(labels_of(raw))
    file.write_text("".join(f"{name},{'A' if name == 'A00005' else 'N'}\n" for name in names))
    with pytest.raises(InputError, match="class A has one record"):
        parse("cinc2017", raw, SETTINGS, 1)
    file.write_text("".join(f"{name},N\n" for name in names))
    with pytest.raises(InputError, match="only class N occurs"):
        parse("cinc2017", raw, SETTINGS, 1)


def test_an_altered_raw_file_is_refused_before_it_is_parsed(raw):
    manifest = json.loads((raw / "manifest.json").read_text())
    manifest["files"] = {f"{RECORD}.mat": {"bytes": 1, "sha256": "0" * 64}}
    (raw / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"A00007\.mat: too long"):
        parse("cinc2017", raw, SETTINGS, 1)


def test_no_mat_file_reaches_a_general_reader(raw, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("scipy was asked to open a .mat file")

    monkeypatch.setattr("scipy.io.loadmat", refuse)
    save_as_version_5(raw)
    with pytest.raises(InputError, match="other versions of MAT are not opened"):
        read_record(raw, RECORD)


# --- the real records ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real records in {REAL}")
def test_real_records_give_the_published_counts(tmp_path):
    for file in local_files(REAL):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).symlink_to(REAL / file)
    dataset = parse("cinc2017", add_manifest(tmp_path), SETTINGS | {"test_fraction": 0.1}, 1)
    assert dataset.notes["records_by_class"] == {"N": 887, "A": 155, "O": 416, "~": 42}
    assert dataset.notes["records_listed"] == 8528 and dataset.notes["labels"] == "REFERENCE-v3.csv"
    assert np.bincount(dataset.y[dataset.rows(TEST)]).tolist() == [89, 16, 42, 4]
    assert dataset.x.shape == (1500, 1, 9000) and 0.15 < dataset.scale.item() < 0.35  # millivolts
    assert (np.diff(dataset.valid, axis=1) == 9000).sum() == 1500 - dataset.notes["records_padded"]


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real records in {REAL}")
def test_a_real_record_equals_wfdb():
    import wfdb

    for name in ("A00001", "A01500"):
        signal, rate = read_record(REAL, f"training2017/{name}")
        record = wfdb.rdrecord(str(REAL / "training2017" / name))
        assert rate == record.fs and np.allclose(signal, record.p_signal[:, 0], atol=1e-6)
