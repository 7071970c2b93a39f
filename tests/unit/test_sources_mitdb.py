"""WFDB folders to beats: AAMI classes, windows, cap, split, and one clear error for each kind of bad input."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import wfdb

from medpriv.dataset import TEST, TRAIN
from medpriv.errors import InputError
from medpriv.seeds import generator
from medpriv.simulate.mitdb import simulate
from medpriv.sources.beats import (
    AAMI,
    CLASSES,
    cap_beats,
    cut_beats,
    prepare_signal,
    rate_at,
    span_neighbours,
    split_patients,
)
from medpriv.sources.mitdb import DS1, DS2, local_files, parse, remote_files

REAL = Path(__file__).parents[3] / "shared" / "data" / "physionet" / "mitdb" / "1.0.0"
SETTINGS = {
    "before_s": 0.5,
    "after_s": 0.4,
    "sampling_rate": 120.0,
    "heart_rate": None,
    "neighbour_margin_s": None,
    "leads": 2,
    "beats_per_patient": None,
    "test_beats_per_patient": None,
    "split": "random",
    "test_fraction": 0.3,
}


def add_manifest(folder):
    (folder / "manifest.json").write_text(json.dumps({"source": "local", "licence": "ODC-By 1.0", "files": {}}))
    return folder


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    simulate({"records": 14, "minutes": 1.0}, folder, 7)
    return add_manifest(folder)


@pytest.fixture
def raw(simulated, tmp_path):
    """Return a copy of the simulated folder that a test may damage."""
    return Path(shutil.copytree(simulated, tmp_path / "raw"))


def write_record(
    folder, name, symbols, rate=360, leads=("MLII", "V1"), units="mV", spacing=0.8, comments=("69 M 1 2 x1",)
):
    """Write a record with a beat every `spacing` seconds, a triangle of 1 mV (times the lead's number) at each."""
    marks = np.rint((1 + spacing * np.arange(len(symbols))) * rate).astype(int)
    samples = int(marks[-1] + rate)
    wave = np.zeros(samples)
    half = round(0.03 * rate)
    for mark in marks:
        wave[mark - half : mark + half + 1] += 1 - np.abs(np.arange(-half, half + 1)) / half
    scale = {"mV": 1, "uV": 1000, "V": 0.001}.get(units, 1)
    signal = wave[:, None] * (1 + np.arange(len(leads))) * scale
    gain = 200 / scale
    wfdb.wrsamp(
        name,
        rate,
        [units] * len(leads),
        list(leads),
        d_signal=np.rint(signal * gain).astype(np.int64),
        fmt=["16"] * len(leads),
        adc_gain=[gain] * len(leads),
        baseline=[0] * len(leads),
        comments=list(comments),
        write_dir=str(folder),
    )
    wfdb.wrann(name, "atr", marks, list(symbols), write_dir=str(folder))


@pytest.fixture
def own(tmp_path):
    """Return a folder of four small records under names of their own, without RECORDS."""
    folder = tmp_path / "own"
    folder.mkdir()
    for name in "abcd":
        write_record(folder, name, "NNVNNANNFNNVNNAN")
    return add_manifest(folder)


# --- beats ---------------------------------------------------------------------------------------------------------


def test_classes_are_those_of_aami_ec57():
    groups = {label: {symbol for symbol, group in AAMI.items() if group == label} for label in (*CLASSES, "Q")}
    assert groups["N"] == set("NLReBj") | {"e"}
    assert groups["S"] == set("AaJSn") and groups["V"] == set("VEr") and groups["F"] == {"F"}
    assert groups["Q"] == set("/fQ?")


def test_windows_equal_slices_and_beats_near_the_ends_are_left_out():
    signal = np.random.default_rng(1).normal(size=(1000, 2)).astype(np.float32)
    peaks = np.array([5, 30, 31, 500, 960, 961, 999])
    beats, whole = cut_beats(signal, peaks, 30, 40)
    assert whole.tolist() == [False, True, True, True, True, False, False]
    assert np.array_equal(beats, [signal[peak - 30 : peak + 40].T for peak in peaks[whole]])
    none, whole = cut_beats(signal[:10], np.array([5]), 30, 40)
    assert none.shape == (0, 2, 70) and not whole.any()


def test_preparing_takes_off_the_baseline_and_leaves_the_waves():
    time = np.arange(20 * 360) / 360
    slow, wave = 2 + np.sin(2 * np.pi * 0.05 * time), np.sin(2 * np.pi * 10 * time)
    prepared = prepare_signal((slow + wave)[:, None].astype(np.float32), 360.0, 120.0)[:, 0]
    inner = slice(240, -240)
    assert prepared.dtype == np.float32 and len(prepared) == 20 * 120
    assert np.abs(prepared - wave[::3])[inner].max() < 0.03


def test_resampling_does_not_alias():
    tone = np.sin(2 * np.pi * 100 * np.arange(20 * 360) / 360)[:, None]
    assert np.abs(prepare_signal(tone, 360.0, 120.0)[240:-240]).max() < 0.01


def test_neighbours_span_equals_a_loop_over_beats():
    peaks = np.array([40, 100, 130, 330, 345, 500])
    before, after, margin = 90, 60, 7
    for index, (first, last) in enumerate(span_neighbours(peaks, before, after, margin)):
        seen = np.arange(peaks[index] - before, peaks[index] + after)
        if index > 0:
            seen = seen[seen >= peaks[index - 1] - margin]
        if index < len(peaks) - 1:
            seen = seen[seen <= peaks[index + 1] + margin]
        assert (first, last) == (seen[0] - peaks[index] + before, seen[-1] - peaks[index] + before + 1)


def test_a_median_interval_of_one_second_at_75_beats_a_minute_is_read_as_four_fifths():
    marks = np.array([0, 360, 720, 900, 1260, 1620])  # one early beat moves no median
    assert rate_at(marks, 75) == 450  # 360 samples in 0.8 s
    assert rate_at(marks, 60) == 360


def test_cap_keeps_rare_classes_whole_and_shares_the_rest():
    y = np.array([0] * 500 + [1] * 7 + [2] * 300 + [0] * 20)
    patient = np.array([0] * 807 + [1] * 20)
    kept = cap_beats(y, patient, 100, generator(1, "cap"))
    assert np.bincount(y[kept][patient[kept] == 0]).tolist() == [47, 7, 46]
    assert (patient[kept] == 1).sum() == 20
    assert np.array_equal(kept, np.unique(kept)) and np.array_equal(
        kept, cap_beats(y, patient, 100, generator(1, "cap"))
    )
    assert len(cap_beats(y, patient, None, generator(1, "cap"))) == len(y)


def test_random_split_leaves_every_class_training_patients_when_it_can():
    counts = np.zeros((20, 4), int)
    counts[:, 0] = 100
    counts[3, 1] = counts[5, 1] = counts[7, 2] = 10
    for seed in range(30):
        test = split_patients(counts, 0.3, generator(seed, "split"))
        assert test.sum() == 6 and (counts[~test].sum(axis=0)[:3] > 0).all()


def test_random_split_shares_out_a_class_that_few_patients_have():
    counts = np.full((40, 2), 100)
    counts[:, 1] = 0
    counts[:4, 1] = 50
    shares = [counts[split_patients(counts, 0.3, generator(seed, "split"))][:, 1].sum() / 200 for seed in range(20)]
    assert set(shares) == {0.25}


# --- whole folders -------------------------------------------------------------------------------------------------


def test_parse_gives_whole_beats_of_every_class_patient_by_patient(simulated):
    dataset = parse("mitdb", simulated, SETTINGS, 1)
    assert dataset.x.shape[1:] == (2, 108) and dataset.x.dtype == np.float32
    assert dataset.classes == CLASSES and dataset.features == ("MLII", "V1") and dataset.units == ("mV", "mV")
    assert dataset.sampling_rate == 120.0 and dataset.source == "local"
    assert len(dataset.patients) == 13 and "202" not in dataset.patients  # 14 records, 201 and 202 one patient
    assert (dataset.split == TEST).sum() == round(0.3 * 13)
    training = dataset.x[dataset.rows(TRAIN)]
    assert np.allclose(dataset.centre[:, 0], training.mean(axis=(0, 2)), atol=1e-5)
    assert np.allclose(dataset.scale[:, 0], training.std(axis=(0, 2)), atol=1e-5)
    assert set(dataset.groups) == {"sex", "age"} and set(dataset.groups["sex"]) <= {"F", "M"}
    assert all(site.startswith("recorder ") for site in dataset.sites)


def test_parse_equals_a_plain_loop_over_annotations(simulated):
    dataset = parse("mitdb", simulated, SETTINGS, 1)
    x, y = [], []
    for name in (simulated / "RECORDS").read_text().split():
        record, annotation = wfdb.rdrecord(str(simulated / name)), wfdb.rdann(str(simulated / name), "atr")
        signal = prepare_signal(record.p_signal.astype(np.float32), 360.0, 120.0)
        for mark, symbol in zip(annotation.sample, annotation.symbol, strict=True):
            peak = round(mark / 3)
            if AAMI.get(symbol) in CLASSES and 60 <= peak <= len(signal) - 48:
                x.append(signal[peak - 60 : peak + 48].T)
                y.append(CLASSES.index(AAMI[symbol]))
    assert np.array_equal(dataset.y, y) and np.abs(dataset.x - np.array(x)).max() < 1e-5


def test_same_seed_same_dataset_and_another_seed_another_split(simulated, tmp_path):
    capped = SETTINGS | {"beats_per_patient": 20}
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        parse("mitdb", simulated, capped, seed).save(tmp_path / name)
    one, two, three = ((tmp_path / name / "dataset.safetensors").read_bytes() for name in ("one", "two", "three"))
    assert one == two != three
    assert (tmp_path / "one/dataset.json").read_bytes() == (tmp_path / "two/dataset.json").read_bytes()


def test_caps_favour_rare_classes_in_training_and_leave_the_test_its_natural_shares(simulated):
    whole = parse("mitdb", simulated, SETTINGS, 1)
    capped = parse("mitdb", simulated, SETTINGS | {"beats_per_patient": 20, "test_beats_per_patient": 30}, 1)
    assert np.array_equal(whole.split, capped.split)
    train, test = capped.rows(TRAIN), capped.rows(TEST)
    assert np.bincount(capped.patient[train]).max() == 20 and np.bincount(capped.patient[test]).max() == 30
    ectopic = {
        name: (part.y[part.rows(split)] != 0).mean()
        for name, part, split in (
            ("whole train", whole, TRAIN),
            ("train", capped, TRAIN),
            ("whole test", whole, TEST),
            ("test", capped, TEST),
        )
    }
    assert ectopic["train"] > 1.5 * ectopic["whole train"]
    assert abs(ectopic["test"] - ectopic["whole test"]) < 0.08


def test_an_altered_raw_file_is_refused_before_it_is_parsed(raw):
    manifest = json.loads((raw / "manifest.json").read_text())
    manifest["files"] = {"RECORDS": {"bytes": 1, "sha256": "0" * 64}}
    (raw / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="RECORDS: too long"):
        parse("mitdb", raw, SETTINGS, 1)


def test_paced_records_and_q_beats_are_left_out_and_counted(own):
    write_record(own, "p", "////N//")
    write_record(own, "q", "NNQNVfN?")
    dataset = parse("own", own, SETTINGS, 1)
    assert "p" not in dataset.patients and dataset.notes["paced_records_left_out"] == ["p"]
    assert dataset.notes["beats_left_out"]["class Q"] == 3
    assert (dataset.patient == dataset.patients.index("q")).sum() == 5


def test_amplitudes_are_millivolts_whatever_the_header_unit(own):
    write_record(own, "u", "NNVNNN", units="uV")
    write_record(own, "v", "NNVNNN", units="V")
    dataset = parse("own", own, SETTINGS, 1)
    middle = dataset.notes["r_peak_at_sample"]
    for patient in ("a", "u", "v"):
        height = dataset.x[dataset.patient == dataset.patients.index(patient)][:, :, middle].mean(axis=0)
        assert height == pytest.approx([0.85, 1.7], abs=0.15)


def test_records_of_different_rates_give_aligned_beats(own):
    write_record(own, "e", "NNVNNN", rate=250)
    write_record(own, "f", "NNVNNN", rate=1000)
    dataset = parse("own", own, SETTINGS, 1)
    assert dataset.x.shape[2] == 108
    assert (np.abs(dataset.x[:, 0].argmax(axis=1) - dataset.notes["r_peak_at_sample"]) <= 1).all()


def test_at_one_heart_rate_all_patients_neighbouring_peaks_stand_alike(tmp_path):
    for name, spacing in (("a", 0.6), ("b", 0.8), ("c", 1.0), ("d", 1.3)):
        write_record(tmp_path, name, "NNVNNVNNN", spacing=spacing)
    settings = SETTINGS | {"before_s": 1.2, "after_s": 1.2, "sampling_rate": 100.0, "heart_rate": 75.0}
    dataset = parse("own", add_manifest(tmp_path), settings, 1)
    assert len(np.unique(dataset.patient)) == 4
    between = (dataset.time > 1.1) & (dataset.time < 5.7)  # neither the first beat of a record nor the last
    for peak in (40, 120, 200):  # 0.8 s apart at 75 beats a minute
        assert (np.abs(dataset.x[between, 0, peak - 20 : peak + 20].argmax(axis=1) - 20) <= 1).all()
    slow = dataset.patient == 3
    assert np.allclose(np.diff(dataset.time[slow]), 1.3, atol=0.01)  # time stays as recorded


def test_beyond_the_neighbouring_peaks_there_is_nothing(own):
    settings = SETTINGS | {"before_s": 2.0, "after_s": 1.5}
    whole, cut = (parse("own", own, settings | {"neighbour_margin_s": margin}, 1) for margin in (None, 0.1))
    assert whole.valid is None
    assert (cut.valid == (240 - 96 - 12, 240 + 96 + 12 + 1)).all()  # beats every 0.8 s, 120 Hz, 0.1 s beyond
    first, last = cut.valid[0]
    assert np.array_equal(cut.x[:, :, first:last], whole.x[:, :, first:last])
    assert not cut.x[:, :, :first].any() and not cut.x[:, :, last:].any()
    assert np.abs(whole.x[:, :, :first]).max() > 0.5


def test_a_record_of_one_beat_has_no_heart_rate(own):
    write_record(own, "e", "N")
    parse("own", own, SETTINGS, 1)
    with pytest.raises(InputError, match=r"e\.atr: fewer than two beats"):
        parse("own", own, SETTINGS | {"heart_rate": 75.0}, 1)


def test_beats_closer_than_a_heart_can_beat_have_no_heart_rate(own):
    write_record(own, "e", "N" * 100, spacing=0.02)
    with pytest.raises(InputError, match=r"e\.atr: beats 0\.0194444 s apart \(median\), so no heart rate"):
        parse("own", own, SETTINGS | {"heart_rate": 75.0}, 1)


def test_mlii_comes_first_wherever_it_is_stored(own):
    write_record(own, "s", "NNVNNN", leads=("V5", "MLII"))
    dataset = parse("own", own, SETTINGS, 1)
    assert dataset.features == ("MLII", "V1/V5")
    peak = dataset.x[dataset.patient == dataset.patients.index("s")].max(axis=(0, 2))
    assert peak[0] > 1.5 > peak[1]  # the second stored lead is the taller one


def test_patients_csv_says_whose_a_record_is(own):
    (own / "patients.csv").write_text("record,patient\na,p1\nb,p1\nc,p2\nd,p3\n")
    assert parse("own", own, SETTINGS, 1).patients == ("p1", "p2", "p3")
    assert "patients.csv" in local_files(own)


def test_a_patients_second_record_follows_the_first_in_time(own):
    (own / "patients.csv").write_text("record,patient\na,p1\nb,p1\nc,p2\nd,p3\n")
    dataset = parse("own", own, SETTINGS, 1)
    length = 1 + 0.8 * 15 + 1  # write_record: a beat every 0.8 s from 1 s on, one second after the last of 16
    of_one = np.array([1 + 0.8 * index for index in range(16)])  # every window is whole
    assert np.allclose(dataset.time[dataset.patient == 0], [*of_one, *(length + of_one)], atol=0.01)
    assert np.allclose(dataset.time[dataset.patient == 1], of_one, atol=0.01)


def test_own_records_are_kept_out_of_sight_and_the_publishers_are_not(own, simulated):
    mine, public = parse("mine", add_manifest(own), SETTINGS, 1), parse("mitdb", simulated, SETTINGS, 1)
    assert mine.credentialed and "your own" in mine.licence
    assert not public.credentialed and public.licence == "ODC-By 1.0"


def test_201_and_202_of_someone_else_are_two_patients(own):
    write_record(own, "201", "NNVNNN")
    write_record(own, "202", "NNVNNN")
    assert {"201", "202"} <= set(parse("own", own, SETTINGS, 1).patients)


def test_sex_and_age_are_read_from_either_comment_style(own):
    write_record(own, "g", "NNVNNN", comments=("-1 F 742 654 x1",))
    write_record(own, "h", "NNVNNN", comments=("Age: 83  Sex: F",))
    write_record(own, "i", "NNVNNN", comments=())
    write_record(own, "j", "NNVNNN", comments=("Sex: Mujer", f"Age: {'9' * 5000}"))
    write_record(own, "k", "NNVNNN", comments=("Sex: female",))
    dataset = parse("own", own, SETTINGS, 1)
    found = dict(zip(dataset.patients, zip(dataset.groups["sex"], dataset.groups["age"], strict=True), strict=True))
    assert found["a"] == ("M", "65-79") and found["g"] == ("F", "unknown")
    assert found["h"] == ("F", "80+") and found["i"] == found["j"] == ("unknown", "unknown")
    assert found["k"] == ("F", "unknown")


def test_a_class_that_nobody_has_is_left_out_and_noted(tmp_path):
    for name in "abcd":
        write_record(tmp_path, name, "NNVNNVNN")
    dataset = parse("own", add_manifest(tmp_path), SETTINGS, 1)
    assert dataset.classes == ("N", "V") and dataset.notes["classes_absent"] == ["S", "F"]
    assert set(dataset.y) == {0, 1}


def test_dechazal_split_has_202_beside_201(simulated):
    dataset = parse("mitdb", simulated, SETTINGS | {"split": "dechazal"}, 1)
    for patient, split in zip(dataset.patients, dataset.split, strict=True):
        assert split == (TRAIN if patient in DS1 else TEST)
    assert len(DS1) == 23 and len(DS2) == 21 and not DS1 & DS2 and {"201", "202"} <= DS1


def test_local_files_are_each_records_three_and_the_list(simulated):
    names = (simulated / "RECORDS").read_text().split()
    wanted = {"RECORDS"} | {f"{name}.{ending}" for name in names for ending in ("hea", "dat", "atr")}
    assert set(local_files(simulated)) == wanted


def test_acquired_raw_folders_of_each_source_parse_alike(tmp_path, simulated):
    from medpriv.sources.acquire import acquire_raw

    simulator = {"source": "simulated", "simulated": {"records": 6, "minutes": 1.0}}
    acquire_raw("mitdb", "mitdb", simulator, 1, tmp_path / "one", tmp_path / "scratch")
    acquire_raw(
        "mitdb", "mitdb", {"source": "local", "path": str(tmp_path / "one")}, 1, tmp_path / "two", tmp_path / "scratch"
    )
    one, two = (parse("mitdb", tmp_path / name, SETTINGS, 1) for name in ("one", "two"))
    assert np.array_equal(one.x, two.x) and (one.source, two.source) == ("simulated", "local")
    assert "ODC-By" in two.licence and "ODC-By" not in one.licence


def test_remote_files_are_144_with_their_sha256():
    wanted = remote_files()
    assert len(wanted) == 144 and {Path(name).suffix for name in wanted} == {".hea", ".dat", ".atr"}
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in wanted.values())


# --- bad input -----------------------------------------------------------------------------------------------------


def break_checksum(folder):
    data = bytearray((folder / "208.dat").read_bytes())
    data[3000] ^= 1
    (folder / "208.dat").write_bytes(data)


def cut_short(name, bytes_left_out):
    def damage(folder):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[:-bytes_left_out])

    return damage


def annotate(symbol, sample=5000):
    def damage(folder):
        wfdb.wrann(
            "208",
            "atr",
            np.array([100, sample]),
            ["N", symbol],
            custom_labels=[(45, "Z", "odd")],
            write_dir=str(folder),
        )

    return damage


def rewrite(change):
    def damage(folder):
        record = wfdb.rdrecord(str(folder / "208"), physical=False)
        record.d_signal = change(record.d_signal.copy())
        record.checksum = [int(np.int64(total).astype(np.int16)) for total in record.d_signal.sum(axis=0)]
        record.wrsamp(write_dir=str(folder))

    return damage


def with_gap(samples):
    samples[777, 1] = -2048
    return samples


def with_flat_lead(samples):
    samples[:, 0] = 1024
    return samples


def replace_in_header(old, new):
    def damage(folder):
        header = folder / "208.hea"
        assert old in header.read_text()
        header.write_text(header.read_text().replace(old, new))

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_short("208.dat", 100), r"208\.dat, record 208: truncated: 64700 bytes where the header promises 64800"),
        (lambda folder: (folder / "208.atr").unlink(), r"208\.atr: missing, though record 208 needs it"),
        (lambda folder: (folder / "208.dat").unlink(), r"208\.dat: missing"),
        (lambda folder: (folder / "208.hea").unlink(), r"208\.hea: missing, though RECORDS lists 208"),
        (cut_short("208.atr", 2), r"208\.atr: truncated: the end mark is missing"),
        (annotate("Z"), r"208\.atr, annotation 2: unknown annotation '(Z|45)' at sample 5000"),
        (annotate("V", 10**6), r"208\.atr, annotation 2: at sample 1000000, but the record ends at sample 21599"),
        (annotate("V", 100), r"208\.atr: two beats at sample 100\."),
        (break_checksum, r"208\.hea, lead (MLII|V1): checksum \d+ where the header states \d+"),
        (rewrite(with_gap), r"208\.dat, lead V1: 1 samples without a value, the first at sample 777"),
        (rewrite(with_flat_lead), r"208\.dat, lead MLII: flat"),
        (replace_in_header("mV", "mmHg"), r"208\.hea, lead MLII: unit mmHg, not a voltage"),
        (
            replace_in_header("208.dat", "../208.dat"),
            r"208\.hea, line 2: not a WFDB header: signal file \.\./208\.dat is not beside",
        ),
        (lambda folder: (folder / "208.hea").write_text("nonsense\n"), r"208\.hea, line 1: not a WFDB header"),
        (lambda folder: (folder / "RECORDS").write_text("208\n../100\n"), r"RECORDS, line 2: \.\./100 lies outside"),
        (
            lambda folder: (folder / "RECORDS").write_text("208\n208\n"),
            r"RECORDS, line 2: 208 listed twice, first in line 1",
        ),
        (lambda folder: (folder / "RECORDS").write_text("\n"), r"no WFDB record"),
        (lambda folder: (folder / "RECORDS").write_text("208\n"), r"one patient, who cannot be both"),
        (
            lambda folder: (folder / "patients.csv").write_text("record,patient\n208,x\n"),
            r"no patient for record \d+",
        ),
        (
            lambda folder: (folder / "patients.csv").write_text("record;patient\n"),
            r"patients\.csv, line 1: no column record",
        ),
    ],
)
def test_bad_input_is_one_clear_error(raw, damage, message):
    damage(raw)
    with pytest.raises(InputError, match=message) as caught:
        parse("mitdb", raw, SETTINGS, 1)
    assert caught.value.remedy


def test_an_empty_class_is_one_clear_error(tmp_path):
    for name in ("101", "106", "100"):
        write_record(tmp_path, name, "NNVNNVNN" if name != "100" else "NNFNNVNN")
    with pytest.raises(InputError, match="class F is empty: no training patient"):
        parse("mitdb", add_manifest(tmp_path), SETTINGS | {"split": "dechazal"}, 1)
    for name in ("101", "106", "100"):
        write_record(tmp_path, name, "NNNNNN")
    with pytest.raises(InputError, match="only class N occurs"):
        parse("mitdb", tmp_path, SETTINGS, 1)


def test_a_split_without_test_patients_is_refused(tmp_path):
    for name in ("101", "106"):
        write_record(tmp_path, name, "NNVNNVNN")
    with pytest.raises(InputError, match="no test patient"):
        parse("mitdb", add_manifest(tmp_path), SETTINGS | {"split": "dechazal"}, 1)


def test_dechazal_refuses_records_it_does_not_know(own):
    with pytest.raises(InputError, match="records a, b, c, d are in neither DS1 nor DS2"):
        parse("own", own, SETTINGS | {"split": "dechazal"}, 1)


def test_asking_for_more_leads_than_stored_is_refused(own):
    with pytest.raises(InputError, match=r"a\.hea: 2 leads where 3 are asked for"):
        parse("own", own, SETTINGS | {"leads": 3}, 1)


def test_only_the_leads_asked_for_need_to_be_sound(raw):
    rewrite(with_gap)(raw)  # the second lead
    assert parse("mitdb", raw, SETTINGS | {"leads": 1}, 1).x.shape[1] == 1


def test_local_files_refuses_a_missing_folder_and_an_incomplete_record(raw, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        local_files(tmp_path / "nowhere")
    (raw / "208.atr").unlink()
    with pytest.raises(InputError, match=r"208\.atr: missing"):
        local_files(raw)


# --- the real database ---------------------------------------------------------------------------------------------


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real records in {REAL}")
def test_real_records_give_the_published_counts(tmp_path):
    for file in local_files(REAL):
        (tmp_path / file).symlink_to(REAL / file)
    dataset = parse("mitdb", add_manifest(tmp_path), SETTINGS | {"split": "dechazal"}, 1)
    left_out = dataset.notes["beats_left_out"]
    assert len(dataset.patients) == 43 and dataset.notes["paced_records_left_out"] == ["102", "104", "107", "217"]
    assert left_out["class Q"] == 15
    # 90,125 N, 2,781 S, 7,009 V and 803 F beats in the 44 records without paced beats
    assert len(dataset.y) + left_out["too near an end of the record"] == 90125 + 2781 + 7009 + 803
    assert dataset.features == ("MLII", "V1/V2/V4/V5") and len(dataset.sites) == 10
    assert dict(zip(*np.unique(dataset.groups["sex"], return_counts=True), strict=True)) == {"F": 20, "M": 23}
