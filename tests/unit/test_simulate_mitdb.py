"""Simulated WFDB records: read back by wfdb, the same for the same seed, ECG-like."""

import hashlib

import numpy as np
import pytest
import wfdb

from medpriv.seeds import generator
from medpriv.simulate import mitdb
from medpriv.simulate.ecg import Waves, draw_intervals, draw_noise, integrate_waves
from medpriv.sources.mitdb import PUBLISHED

SETTINGS = {"records": 8, "minutes": 1.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated")
    mitdb.simulate(SETTINGS, folder, 7)
    return folder


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_a_record_is_three_files_and_records_lists_them(folder):
    names = (folder / "RECORDS").read_text().split()
    assert len(names) == 8 and names == sorted(names)
    assert {path.name for path in folder.iterdir()} == {
        "RECORDS",
        *(f"{name}.{ending}" for name in names for ending in ("hea", "dat", "atr")),
    }


def test_same_seed_same_bytes_and_another_seed_others(folder, tmp_path):
    mitdb.simulate(SETTINGS, tmp_path / "again", 7)
    mitdb.simulate(SETTINGS, tmp_path / "other", 8)
    assert digests(tmp_path / "again") == digests(folder)
    other = digests(tmp_path / "other")
    assert all(other[name] != digest for name, digest in digests(folder).items() if name != "RECORDS")


def test_a_record_does_not_depend_on_which_others_are_made(folder, tmp_path):
    mitdb.simulate({"records": 4, "minutes": 1.0}, tmp_path, 7)
    all_eight = digests(folder)
    assert all(all_eight[name] == digest for name, digest in digests(tmp_path).items() if name != "RECORDS")


def test_wfdb_reads_back_header_samples_and_annotations(tmp_path, monkeypatch):
    written = {}
    wrsamp, wrann = wfdb.Record.wrsamp, wfdb.wrann

    def keep_samples(record, **options):
        written["samples"] = record.d_signal.copy()
        wrsamp(record, **options)

    def keep_annotations(name, extension, sample, symbol, **options):
        written["marks"], written["symbols"] = list(sample), list(symbol)
        wrann(name, extension, sample, symbol, **options)

    monkeypatch.setattr(wfdb.Record, "wrsamp", keep_samples)
    monkeypatch.setattr(wfdb, "wrann", keep_annotations)
    mitdb._write_record("208", 0.5, tmp_path, 3)
    record = wfdb.rdrecord(str(tmp_path / "208"), physical=False)
    annotation = wfdb.rdann(str(tmp_path / "208"), "atr")
    assert np.array_equal(record.d_signal, written["samples"])
    assert annotation.sample.tolist() == written["marks"] and annotation.symbol == written["symbols"]
    assert (record.fs, record.sig_name, record.fmt) == (360, ["MLII", "V1"], ["212", "212"])
    assert (record.adc_gain, record.baseline, record.adc_res) == ([200.0] * 2, [1024] * 2, [11] * 2)
    assert record.d_signal.min() >= 0 and record.d_signal.max() <= 2047
    assert record.checksum == [int(np.int64(total).astype(np.int16)) for total in record.d_signal.sum(axis=0)]
    assert record.comments[0].split()[1] in ("F", "M") and 18 <= int(record.comments[0].split()[0]) <= 90


def test_the_names_are_the_publishers():
    assert set(mitdb.RECORDS) == PUBLISHED and len(PUBLISHED) == 48


def test_arrhythmias_are_spread_as_in_the_real_database(tmp_path):
    def count(name):
        person = mitdb.draw_person(mitdb.RECORDS[name][-1], False, generator(1, name))
        _, symbols, _ = mitdb.draw_rhythm(name, person, 1800, generator(2, name))
        return {symbol: symbols.count(symbol) for symbol in set(symbols)}

    assert count("115").keys() == {"N"}
    assert 0.28 < count("208")["V"] / sum(count("208").values()) < 0.40
    assert 0.70 < count("232")["A"] / sum(count("232").values()) < 0.85
    assert count("213")["F"] > 200
    assert {"/", "f", "V"} <= count("217").keys()


def test_201_and_202_are_one_patient_and_no_other_two(tmp_path):
    people = {}
    for name in ("200", "201", "202"):
        mitdb._write_record(name, 0.5, tmp_path, 3)
        people[name] = wfdb.rdheader(str(tmp_path / name)).comments[:2]
    assert people["201"][1] == people["202"][1]
    assert people["201"][0].split()[:2] == people["202"][0].split()[:2]

    def average(name):
        record, annotation = wfdb.rdrecord(str(tmp_path / name)), wfdb.rdann(str(tmp_path / name), "atr")
        peaks = annotation.sample[[symbol == "N" for symbol in annotation.symbol]]
        peaks = peaks[(peaks > 40) & (peaks < record.sig_len - 40)]
        return np.mean([record.p_signal[peak - 30 : peak + 30].ravel() for peak in peaks], axis=0)

    alike = np.corrcoef(average("201"), average("202"))[0, 1]
    assert alike > 0.99 > np.corrcoef(average("200"), average("202"))[0, 1]


def test_ventricular_beats_have_a_full_compensatory_pause_and_supraventricular_ones_do_not():
    person = mitdb.draw_person("N", False, generator(1, "p"))

    def two_intervals_around(name, symbol):
        peaks, symbols, _ = mitdb.draw_rhythm(name, person, 3600, generator(3, name))
        lone = [
            beat
            for beat in range(2, len(symbols) - 2)
            if symbols[beat] == symbol and set(symbols[beat - 2 : beat] + symbols[beat + 1 : beat + 3]) == {"N"}
        ]
        return np.mean([peaks[beat + 1] - peaks[beat - 1] for beat in lone]) / np.median(np.diff(peaks))

    assert two_intervals_around("119", "V") == pytest.approx(2.0, abs=0.04)
    assert two_intervals_around("220", "A") < 1.9


def test_ectopic_beats_come_early():
    person = mitdb.draw_person("N", False, generator(1, "p"))
    peaks, symbols, before = mitdb.draw_rhythm("223", person, 1800, generator(4, "223"))
    kinds = np.array(symbols)
    usual = np.median(before[kinds == "N"])
    assert np.allclose(np.diff(peaks), before[1:])
    assert before[kinds == "V"].mean() < 0.85 * usual and before[kinds == "A"].mean() < 0.9 * usual


def test_tachogram_has_the_asked_mean_deviation_and_two_spectral_peaks():
    intervals = draw_intervals(3600, 0.8, 0.04, False, generator(1, "rr"))
    assert intervals.mean() == pytest.approx(0.8, rel=0.01) and intervals.std() == pytest.approx(0.04, rel=0.1)
    power = np.abs(np.fft.rfft(intervals - intervals.mean())) ** 2
    frequency = np.fft.rfftfreq(len(intervals), 0.8)
    near = (np.abs(frequency - 0.1) < 0.03) | (np.abs(frequency - 0.25) < 0.03)
    assert power[near].sum() > 0.9 * power.sum()


def test_integration_equals_a_plain_loop_over_samples():
    peaks = np.array([0.5, 1.1])
    waves = Waves(np.array([[[1.0], [0.2]], [[0.8], [-0.3]]]), np.array([[0.0, 0.2]] * 2), np.array([[0.01, 0.05]] * 2))
    rate, samples = 360.0, 600
    slow, z = np.zeros(samples), 0.0
    for n in range(samples):
        drive = 0.0
        for beat in range(2):
            for wave in range(2):
                width, away = waves.width[beat, wave], n / rate - peaks[beat] - waves.centre[beat, wave]
                drive -= waves.amplitude[beat, wave, 0] * away / width**2 * np.exp(-0.5 * (away / width) ** 2)
        z = z * np.exp(-1 / rate) + drive * (1 - np.exp(-1 / rate))
        slow[n] = z
    fast = integrate_waves(peaks, waves, samples, rate)[:, 0]
    assert np.abs(fast - slow).max() < 2e-3  # the tails beyond 4.5 widths
    assert fast[180] == pytest.approx(1.0, abs=0.05) and np.abs(fast - slow).mean() < 2e-4


def test_noise_grows_with_its_level():
    quiet, loud = (draw_noise(20000, 2, 360.0, level, generator(1, "noise")) for level in (0.5, 1.0))
    assert quiet.shape == (20000, 2) and np.allclose(2 * quiet, loud) and 0.03 < loud.std() < 0.3
