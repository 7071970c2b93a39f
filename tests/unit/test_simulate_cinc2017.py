"""Simulated challenge records: read back by wfdb and scipy, the same for the same seed, each class as it should be."""

import re

import numpy as np
import pytest
import wfdb
from scipy.io import loadmat
from scipy.signal import find_peaks

from medpriv.files import sha256
from medpriv.seeds import generator
from medpriv.simulate import cinc2017
from medpriv.simulate.cinc2017 import (
    RATE,
    SHARES,
    Rhythm,
    draw_atrial_waves,
    draw_heart,
    draw_labels,
    draw_motion,
    draw_peaks,
    draw_rhythm,
)
from medpriv.sources.cinc2017 import read_record

SETTINGS = {"records": 24, "shortest_s": 9.0, "longest_s": 20.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated")
    cinc2017.simulate(SETTINGS, folder, 7)
    return folder


def digests(folder):
    return {path.name: sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def test_files_are_the_publishers(folder):
    names = [f"A{number:05d}" for number in range(1, 25)]
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        "REFERENCE-v3.csv",
        "training2017/RECORDS",
        "training2017/REFERENCE.csv",
        *(f"training2017/{name}.{ending}" for name in names for ending in ("hea", "mat")),
    }
    assert (folder / "training2017" / "RECORDS").read_text().split() == names
    for line in (folder / "REFERENCE-v3.csv").read_bytes().splitlines(keepends=True):
        assert re.fullmatch(rb"A000\d\d,[NAO~]\n", line)
    for line in (folder / "training2017" / "REFERENCE.csv").read_bytes().splitlines(keepends=True):
        assert re.fullmatch(rb"A000\d\d,[NAO~]\r\n", line)
    header = (folder / "training2017" / "A00001.hea").read_bytes()
    date = rb"\d\d:\d\d:\d\d \d\d?/\d\d/2000"
    assert re.fullmatch(rb"A00001 1 300 \d+ %s \r\nA00001\.mat 16\+24 1000/mV 16 0 -?\d+ 0 0 ECG \r\n" % date, header)


def test_wfdb_and_scipy_read_back_the_samples_that_the_parser_reads(folder):
    for name in ("A00001", "A00017"):
        path = str(folder / "training2017" / name)
        record, matrix = wfdb.rdrecord(path, physical=False), loadmat(f"{path}.mat")["val"]
        assert matrix.dtype == np.int16 and np.array_equal(record.d_signal[:, 0], matrix[0])
        assert (record.fs, record.units, record.adc_gain, record.baseline) == (300, ["mV"], [1000.0], [0])
        assert record.init_value == [matrix[0, 0]] and record.sig_name == ["ECG"]
        signal, rate = read_record(folder, f"training2017/{name}")
        assert rate == 300 and np.allclose(signal, wfdb.rdrecord(path).p_signal[:, 0], atol=1e-6)


def test_same_seed_same_bytes_and_another_seed_others(folder, tmp_path):
    cinc2017.simulate(SETTINGS, tmp_path / "again", 7)
    cinc2017.simulate(SETTINGS, tmp_path / "other", 8)
    assert digests(tmp_path / "again") == digests(folder)
    other = digests(tmp_path / "other")
    assert all(other[name] != digest for name, digest in digests(folder).items() if name.endswith(".mat"))


def test_label_shares_are_the_published_ones_and_no_class_is_too_small():
    many = draw_labels(8528, generator(1, "labels"))
    assert {label: many.count(label) for label in SHARES} == SHARES
    few = draw_labels(60, generator(1, "labels"))
    assert len(few) == 60 and min(few.count(label) for label in SHARES) >= 4
    assert few != sorted(few)


def test_lengths_keep_their_bounds_and_most_are_30_seconds(folder):
    lengths = [wfdb.rdheader(str(path.with_suffix(""))).sig_len / 300 for path in folder.rglob("*.hea")]
    assert min(lengths) >= 9 and max(lengths) == 20
    drawn = np.array([cinc2017.draw_length("N", generator(1, index)) for index in range(500)])
    assert 0.65 < (drawn == 30).mean() < 0.8 and 0.08 < (drawn == 60).mean() < 0.18 and drawn.min() >= 9


def test_fibrillation_is_irregular_and_has_f_waves_instead_of_p():
    spread, correlation = {"A": [], "N": []}, []
    for index in range(60):
        rng = generator(1, "rhythm", index)
        for label, values in spread.items():
            intervals = np.diff(draw_peaks(draw_rhythm(label, rng), 0.2, 60, rng)[0])
            values.append(intervals.std() / intervals.mean())
            if label == "A":
                correlation.append(np.corrcoef(intervals[1:], intervals[:-1])[0, 1])
    assert np.median(spread["A"]) > 2 * np.median(spread["N"])
    assert max(spread["N"]) > min(spread["A"])  # the classes overlap
    assert abs(np.mean(correlation)) < 0.05  # each interval by itself


def test_p_waves_are_there_in_sinus_rhythm_and_not_in_fibrillation():
    def before_the_peaks(rhythm):
        """Return the largest deviation of the mean beat 240 to 120 ms before R from a straight line, mV."""
        heights = []
        for index in range(12):
            rng = generator(3, "p", index)
            heart = draw_heart(rhythm, round(60 * RATE), rng)
            peaks, _ = find_peaks(np.abs(np.gradient(heart)), distance=120, height=np.abs(np.gradient(heart)).max() / 2)
            beats = np.mean([heart[peak - 72 : peak - 36] for peak in peaks if peak > 72], axis=0)
            line = np.linspace(beats[0], beats[-1], len(beats))
            heights.append(np.abs(beats - line).max())
        return np.median(heights)

    sinus, none = Rhythm(0.9, 0.02), Rhythm(0.9, 0.02, irregular=True)
    assert before_the_peaks(sinus) > 3 * before_the_peaks(none)


def test_f_waves_have_their_frequency_and_flutter_waves_are_steadier():
    def spectrum(fibrillating):
        waves = draw_atrial_waves(0.1, 5.0, fibrillating, 60 * 300, generator(1, "waves"))
        power = np.abs(np.fft.rfft(waves)) ** 2
        return np.fft.rfftfreq(len(waves), 1 / RATE), power / power.sum()

    frequency, steady = spectrum(False)
    _, wandering = spectrum(True)
    assert frequency[steady.argmax()] == pytest.approx(5.0, abs=0.1)
    assert (frequency * wandering)[frequency < 8].sum() / wandering[frequency < 8].sum() == pytest.approx(5.0, abs=0.6)
    near = np.abs(frequency - 5) < 0.1
    assert steady[near].sum() > 2 * wandering[near].sum()


def test_ectopic_beats_come_early_and_ventricular_ones_pause_in_full():
    for symbol, total in (("V", 2.0), ("A", 2 - 0.75 * 0.25)):
        rhythm = Rhythm(0.9, 0.001, ectopic=(symbol, 0.1))
        peaks, symbols, before = draw_peaks(rhythm, 0.25, 600, generator(1, symbol))
        premature = np.flatnonzero(np.array(symbols) == symbol)[1:-1]
        lone = premature[np.diff(premature, append=10**6) > 2]
        assert 30 < len(premature) < 110 and np.allclose(np.diff(peaks), before[1:])
        assert before[premature].mean() == pytest.approx(0.75 * 0.9, abs=0.02)
        assert np.mean(peaks[lone + 1] - peaks[lone - 1]) / 0.9 == pytest.approx(total, abs=0.05)


def test_motion_fills_its_share_of_the_time_at_its_level():
    quiet, busy = (draw_motion(18000, share, 0.5, generator(1, "motion")) for share in (0.2, 1.0))
    assert busy[600:].std() == pytest.approx(0.5, rel=0.1)
    assert 0.1 < (np.abs(quiet) > 0.1).mean() / (np.abs(busy) > 0.1).mean() < 0.4


def test_noise_records_are_larger_and_rougher_than_the_others(tmp_path):
    cinc2017.simulate({"records": 120, "shortest_s": 9.0, "longest_s": 10.0}, tmp_path, 3)
    labels = dict(line.split(",") for line in (tmp_path / "REFERENCE-v3.csv").read_text().split())
    height = {
        label: np.median(
            [read_record(tmp_path, f"training2017/{name}")[0].std() for name in labels if labels[name] == label]
        )
        for label in SHARES
    }
    assert height["~"] > 1.5 * max(height["N"], height["A"], height["O"])
    assert max(height.values()) < 1.5 and min(height.values()) > 0.1  # millivolts
