"""WFDB records against the wfdb package's own reading, and where that takes its defaults for the file's word."""

import json
import re

import numpy as np
import pytest
import wfdb
from made_up_records import annotate, beats, checksum, note, skip, wave, write_record
from wfdb.io.annotation import ann_label_table

from medpriv.errors import InputError
from medpriv.sources import mitdb
from medpriv.sources.beats import resampling
from medpriv.sources.wfdb_annotations import SYMBOLS, read_annotations
from medpriv.sources.wfdb_header import distinct_names, read_header
from medpriv.sources.wfdb_records import read_leads, read_patients, read_record, record_names, shorter_records
from medpriv.sources.wfdb_signals import BITS, read_stored

SETTINGS = {
    "before_s": 0.3,
    "after_s": 0.4,
    "sampling_rate": 100.0,
    "heart_rate": None,
    "neighbour_margin_s": None,
    "leads": 1,
    "beats_per_patient": None,
    "test_beats_per_patient": None,
    "split": "random",
    "test_fraction": 0.3,
}


# --- samples -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", [1500, 1501, 1502, 1503])
@pytest.mark.parametrize("form", ["80", "212", "16", "24", "32", "508", "516", "524"])
def test_what_the_wfdb_package_writes_is_read(tmp_path, form, frames):
    rng = np.random.default_rng(frames)
    top = 1 << (min(BITS[form], 31) - 1)
    samples = rng.integers(-top + 1, top, (frames, 3))
    record = wfdb.Record(
        record_name="r",
        n_sig=3,
        fs=250,
        sig_len=frames,
        d_signal=samples,
        fmt=[form] * 3,
        adc_gain=[200.0] * 3,
        baseline=[0] * 3,
        units=["mV"] * 3,
        sig_name=["I", "II", "III"],
        file_name=["r.dat"] * 3,
        adc_res=[BITS[form]] * 3,
        adc_zero=[0] * 3,
        init_value=samples[0].tolist(),
        checksum=[checksum(lead) for lead in samples.T],
        block_size=[0] * 3,
    )
    record.wrsamp(write_dir=str(tmp_path))
    assert np.array_equal(np.stack(read_stored(read_header(tmp_path, "r")), axis=1), samples)


@pytest.mark.parametrize("frames", [1500, 1501, 1502, 1503])
@pytest.mark.parametrize("form", ["8", "80", "212", "310", "311", "16", "160", "24", "32"])
def test_any_bytes_are_read_as_the_wfdb_package_reads_them(tmp_path, form, frames):
    content = np.random.default_rng(frames).integers(0, 256, 1503 * 3 * 4 + 9, np.uint8)
    if form == "311":
        content[9 + 3 :: 4] &= 0x3F  # the format leaves these bits unused, and the package reads one of them
    (tmp_path / "r.dat").write_bytes(content.tobytes())
    lines = [f"r.dat {form}x{samples}+9" for samples in (1, 2)]
    (tmp_path / "r.hea").write_text("\n".join([f"r 2 250 {frames}", *lines]))
    theirs = wfdb.rdrecord(str(tmp_path / "r"), physical=False, smooth_frames=False, return_res=64).e_d_signal
    for one, other in zip(read_stored(read_header(tmp_path, "r")), theirs, strict=True):
        assert np.array_equal(one, other)


def test_format_61_has_the_high_byte_first(tmp_path):  # the package cannot read it
    samples = wave(2000)
    (tmp_path / "r.dat").write_bytes(samples.astype(">i2").tobytes())
    (tmp_path / "r.hea").write_text(f"r 1 250 2000\nr.dat 61 200/mV 16 0 0 {checksum(samples)}\n")
    assert np.array_equal(read_stored(read_header(tmp_path, "r"))[0], samples)


def test_format_8_sums_differences_from_the_initial_value(tmp_path):
    samples = np.cumsum(np.random.default_rng(1).integers(-127, 128, (1500, 2)), axis=0) + np.array([1000, -7])
    differences = np.diff(samples, axis=0, prepend=[[1000, -7]]).astype(np.int8)
    (tmp_path / "r.dat").write_bytes(differences.tobytes())
    lines = [
        f"r.dat 8 200/mV 16 0 {start} {checksum(lead)} 0 {start}"
        for start, lead in zip((1000, -7), samples.T, strict=True)
    ]
    (tmp_path / "r.hea").write_text("\n".join(["r 2 250 1500", *lines]))
    assert np.array_equal(np.stack(read_stored(read_header(tmp_path, "r")), axis=1), samples)
    assert np.array_equal(wfdb.rdrecord(str(tmp_path / "r"), physical=False, return_res=32).d_signal, samples)


def test_several_samples_a_frame_are_all_kept_and_leads_come_to_the_highest_rate(tmp_path):
    fast, slow = wave(4000, 500), wave(2000, 250)
    write_record(tmp_path, {"I": (fast.reshape(-1, 2), 0), "II": (slow.reshape(-1, 1), 0)}, rate=250)
    annotate(tmp_path, [100, 1200])
    record = read_record(tmp_path, "r", "I", 2)
    assert record.rate == 500 and record.signal.shape == (4000, 2)
    assert np.allclose(record.signal[:, 0], fast / 200)
    assert np.abs(record.signal[100:-100, 1] - wave(4000, 500)[100:-100] / 200).max() < 0.03
    assert record.marks.tolist() == [200, 2400]
    only, rate = read_leads(tmp_path, "r", ["II"])
    assert rate == 250 and np.allclose(only[:, 0], slow / 200)


def test_a_gap_within_a_frame_is_found(tmp_path):
    samples = wave(4000)
    samples[777] = -32768
    write_record(tmp_path, {"I": (samples.reshape(-1, 2), 0)}, rate=125)
    annotate(tmp_path, [100])
    with pytest.raises(InputError, match=r"r\.dat, lead I: 1 samples without a value, the first at sample 777"):
        read_record(tmp_path, "r", "I", 1)


@pytest.mark.parametrize("width", [1, 2])
def test_skewed_leads_are_shifted_back_after_the_checksum_and_the_ends_cut(tmp_path, width):
    whole = wave(2010 * width).reshape(-1, width)
    write_record(tmp_path, {"I": (whole[10:], 0), "II": (whole[:-10], 10)})
    annotate(tmp_path, [100, 1995])
    record = read_record(tmp_path, "r", "I", 2)
    assert np.array_equal(record.signal[:, 0], record.signal[:, 1])
    assert len(record.signal) == 1990 * width and record.marks.tolist() == [100 * width, 1995 * width]
    assert len(read_record(tmp_path, "r", "I", 1).signal) == 2000 * width


@pytest.mark.parametrize("line", ["r 1 250 0", "r 1 250", "r 1"])
def test_a_length_of_0_or_none_is_that_of_the_file(tmp_path, line):
    write_record(tmp_path, {"I": (wave(2000)[:, None], 0)}, line=line)
    assert read_leads(tmp_path, "r", ["I"])[0].shape == (2000, 1)
    (tmp_path / "r.dat").write_bytes((tmp_path / "r.dat").read_bytes()[:-1])
    with pytest.raises(InputError, match=r"r\.dat, record r: truncated: 3999 bytes end within a frame of 2"):
        read_leads(tmp_path, "r", ["I"])


def test_the_rate_may_have_an_exponent_and_counters(tmp_path):
    write_record(tmp_path, {"I": (wave(2000)[:, None], 0)}, line="r 1 2.5e2/360(12.5) 2000 09:49:17 5/05/2020")
    assert read_leads(tmp_path, "r", ["I"])[1] == 250.0


@pytest.mark.parametrize("unit", ["uV", "µV", "μV"])
def test_a_microvolt_is_one_in_every_spelling(tmp_path, unit):
    write_record(tmp_path, {"I": (wave(2000)[:, None], 0)}, signs=f"0.2(0)/{unit} 12 0")
    assert np.allclose(read_leads(tmp_path, "r", ["I"])[0][:, 0], wave(2000) / 200, atol=1e-6)


def test_leads_without_names_or_with_equal_ones_are_told_apart(tmp_path):
    assert distinct_names(["ECG", "", "ECG", "II", "ECG 1"]) == ["ECG 1 1", "lead 2", "ECG 3", "II", "ECG 1"]
    signal = wave(2000)[:, None]
    write_record(tmp_path, {"ECG": (signal, 0), "ECG ": (signal + 1, 0), "": (signal + 2, 0)})
    annotate(tmp_path, [100])
    assert read_record(tmp_path, "r", "ECG", 3).leads == ("ECG 1", "ECG 2", "lead 3")
    with pytest.raises(InputError, match=r"r\.hea: several leads ECG"):
        read_leads(tmp_path, "r", ["ECG"])


def test_records_whose_leads_change_places_have_features_told_apart(tmp_path):
    for name, leads in (("a", "V1 V2"), ("b", "V2 V1"), ("c", "V1 V2")):
        write_record(tmp_path, {lead: (wave(4000 + k)[k:, None], 0) for k, lead in enumerate(leads.split())}, name=name)
        annotate(tmp_path, np.arange(200, 3800, 180), list("NNVNN" * 4), name=name)
    (tmp_path / "manifest.json").write_text(json.dumps({"source": "local", "licence": "", "files": {}}))
    assert mitdb.parse("own", tmp_path, SETTINGS | {"leads": 2}, 1).features == ("V1/V2 1", "V1/V2 2")


def test_a_baseline_of_its_own_size_is_taken_as_stated(tmp_path):
    stored = wave(2000) + (1 << 25)
    write_record(tmp_path, {"I": (stored[:, None], 0)}, form="32", signs=f"200({1 << 25})/mV 24 0")
    assert np.allclose(read_leads(tmp_path, "r", ["I"])[0][:, 0], wave(2000) / 200, atol=1e-6)


def test_leads_of_different_formats_stand_side_by_side(tmp_path):
    for name, lead, form in (("a", "I", "212"), ("b", "V1", "16")):
        stored = wave(2000 + len(lead))[len(lead) :, None].astype(np.int16)
        about = {"fmt": [form], "adc_gain": [200], "baseline": [0], "write_dir": str(tmp_path)}
        wfdb.wrsamp(name, 250, ["mV"], [lead], d_signal=stored, **about)
    one, other = ((tmp_path / f"{name}.hea").read_text().splitlines()[1] for name in "ab")
    (tmp_path / "r.hea").write_text(f"r 2 250 2000\n{one}\n{other}\n")
    found, _ = read_leads(tmp_path, "r", ["V1", "I"])
    whole = np.stack([wave(2002)[2:], wave(2001)[1:]], axis=1)
    assert np.allclose(found, whole / 200, atol=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("r 1 250", "r 1 0", r"r\.hea, line 1: rate 0 Hz"),
        ("r 1 250", "r 1 -250", "line 1: rate -250 Hz"),
        ("r 1 250", "r 1 nan", "line 1: not a WFDB header"),
        ("r 1 250", "r 1 250,5", "line 1: not a WFDB header"),
        ("r 1 250", "r 1 1e999", "line 1: (rate|not a WFDB header)"),
        ("r 1 250", "r 1 0.0001", "line 1 and lead I: 0.0001 samples a second"),
        ("r 1 250", "r 1 1e9", r"line 1 and lead I: 1e\+09 samples a second"),
        ("r 1 250 2000", "r 1 250 20.5", "line 1: not a WFDB header"),
        ("r 1 250 2000", "r 1 250 100", "lead I: checksum"),
        ("r 1 250 2000", "r 1 2500 2000", "2000 frames at 2500 a second, less than a second"),
        ("r 1 250 2000", "r 1 250 " + "9" * 12, "truncated: 4000 bytes where the header promises"),
        ("r 1 250 2000", "r 1 250 " + "9" * 5000, "line 1: not a WFDB header"),
        ("r 1 250", "r 2 250", "line 1: not a WFDB header: 2 signals, but 1 lines"),
        ("r 1 250", "r 0 250", "line 1: no signals"),
        ("r 1 250", "r/2 1 250", r"line 1: no signals in this header \(or several segments\)"),
        (" 16 ", " 17 ", "lead I: format 17 is not known"),
        (" 16 ", " 16x0 ", "line 2: not a WFDB header: 0 samples a frame"),
        (" 16 ", " 16:1999 ", "1 frames at 250 a second, less than a second"),
        (" 16 ", " 16+9 ", "truncated: 4000 bytes where the header promises 4009"),
        (" 16 ", " 516 ", "cannot be decoded"),
        ("200(0)/mV", "200,5(0)/mV", r"line 2: .*'200,5\(0\)/mV' is not a gain"),
        ("200(0)/mV", "1e-300(0)/mV", "gives voltages beyond all numbers"),
        ("200(0)/mV", "1e-400(0)/mV", "line 2: .*gain 1e-400"),  # which is 0 to a computer, and 0 says: not given
        ("200(0)/mV", "٢٠٠(0)/mV", "line 2: .*is not a gain"),
        ("200(0)/mV", "200(999999999999)/mV", "lead I: baseline 999999999999, far from all samples"),
        ("r 1 250", "r 1 ٢٥٠", "line 1: not a WFDB header"),
        ("200(0)/mV", "200(0)/NU", "lead I: unit NU, not a voltage"),
        (" 12 0 0 ", " 12 zero 0 ", "line 2: .*ADC zero 'zero' is not a whole number"),
        ("r.dat", "../r.dat", "line 2: .*not beside the header"),
        ("r.dat", ".", "line 2: .*not beside the header"),
        ("r.dat", "x" * 300, "line 2: .*not beside the header"),
        ("r.dat", "missing.dat", r"missing\.dat: missing, though record r needs it"),
    ],
)
def test_a_header_that_states_nonsense_is_refused_by_line(tmp_path, old, new, message):
    write_record(tmp_path, {"I": (wave(2000)[:, None], 0)})
    text = (tmp_path / "r.hea").read_text()
    assert old in text
    (tmp_path / "r.hea").write_text(text.replace(old, new))
    with pytest.raises(InputError, match=message) as caught:
        read_leads(tmp_path, "r", ["I"])
    assert caught.value.remedy


def test_leads_of_one_file_must_be_stored_alike(tmp_path):
    write_record(tmp_path, {"I": (wave(2000)[:, None], 0), "II": (wave(2000)[:, None], 0)})
    text = (tmp_path / "r.hea").read_text()
    (tmp_path / "r.hea").write_text(text[::-1].replace(" 61 ", " 212 ", 1)[::-1])
    with pytest.raises(InputError, match=r"r\.hea: the leads in r\.dat do not follow one another, or differ in format"):
        read_leads(tmp_path, "r", ["I"])


def test_comments_may_be_in_any_encoding_but_nothing_else(tmp_path):
    write_record(tmp_path, {"I": (wave(2000)[:, None], 0)})
    header = tmp_path / "r.hea"
    plain = header.read_bytes()
    header.write_bytes(b"\xef\xbb\xbf# M\xfcller\r\n\r\n" + plain.replace(b"\n", b"\r\n") + b"# Age: 60 Sex: F")
    assert read_leads(tmp_path, "r", ["I"])[0].shape == (2000, 1)
    assert read_header(tmp_path, "r").comments == ("M\ufffdller", "Age: 60 Sex: F")
    header.write_bytes(plain.replace(b"/mV", b"/\xb5V"))
    with pytest.raises(InputError, match=r"r\.hea, line 2: byte 0xb5 is not UTF-8"):
        read_leads(tmp_path, "r", ["I"])


def test_a_rate_of_many_digits_takes_no_endless_filter():
    assert resampling(360.0, 120.0) == (1, 3) and resampling(360.0001, 100.0) == (5, 18)
    up, down = resampling(99_999.997, 100.0)
    assert down <= 10**6 and up / down == pytest.approx(100.0 / 99_999.997, rel=1e-6)


# --- annotations ---------------------------------------------------------------------------------------------------


def test_symbols_are_those_of_the_wfdb_package():
    table = {int(row.label_store): row.symbol for row in ann_label_table.itertuples()}
    assert {code: symbol for code, symbol in enumerate(SYMBOLS) if symbol != "."} == table


def test_annotations_are_those_that_the_wfdb_package_reads(tmp_path):
    rng = np.random.default_rng(3)
    symbols = rng.choice(list('NLRaVFJASEj/Q~|sT*D"=pB^t+u?![]en@xf()r'), 400).tolist()
    ticks = np.cumsum(rng.choice([1, 30, 900, 1023, 1024, 70_000], 400))
    notes = [str(note) for note in rng.choice(["", "(N", "odd", "x" * 200], 400)]
    extra = {"subtype": rng.integers(-9, 9, 400), "chan": rng.integers(0, 3, 400), "num": rng.integers(0, 9, 400)}
    annotate(tmp_path, ticks, symbols, aux_note=notes, **extra)
    mine, theirs = read_annotations(tmp_path / "r.atr"), wfdb.rdann(str(tmp_path / "r"), "atr")
    assert np.array_equal(mine.ticks, theirs.sample) and list(mine.symbols) == theirs.symbol == symbols
    assert mine.clock is None


@pytest.mark.parametrize("clock", [125, 250, 1000, 360.5])
def test_annotations_on_a_clock_of_their_own_stand_at_their_time(tmp_path, clock):
    write_record(tmp_path, {"I": (wave(2000)[:, None], 0)})
    seconds = np.array([0.4, 2.0, 7.992])
    annotate(tmp_path, np.rint(seconds * clock).astype(int), fs=clock)
    record = read_record(tmp_path, "r", "I", 1)
    assert (np.abs(record.marks / 250 - seconds) <= 0.5 / min(clock, 250) + 1e-9).all()
    annotate(tmp_path, [100, int(8 * clock)], fs=clock)
    with pytest.raises(InputError, match=rf"r\.atr, annotation 2: at sample \d+ of a clock of {clock:g} Hz, but"):
        read_record(tmp_path, "r", "I", 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (note("## time resolution: 0"), "annotation 1: time resolution '0' is not a number of ticks"),
        (note("## time resolution: fast"), "time resolution 'fast'"),
        (note("## time resolution: 125") + note("## time resolution: 250"), "several time resolutions: 125, 250"),
        (note("## annotation type definitions") + note("no code"), "'no code' defines no annotation code"),
        (beats(1) + skip(-50) + beats(1), "annotation 2: at sample -48, but the record ends at sample 1999"),
        (beats(1) + skip(1 << 30), "annotation 2: at sample"),
        ((60 << 10).to_bytes(2, "little") + beats(1), "byte 0: a field of an annotation before the first one"),
    ],
)
def test_annotations_that_state_nonsense_are_refused(tmp_path, content, message):
    write_record(tmp_path, {"I": (wave(2000)[:, None], 0)})
    (tmp_path / "r.atr").write_bytes(content + beats(5) + b"\0\0")
    with pytest.raises(InputError, match=rf"r\.atr.*{message}") as caught:
        read_record(tmp_path, "r", "I", 1)
    assert caught.value.remedy


def test_any_other_note_at_the_beginning_is_passed_over(tmp_path):
    write_record(tmp_path, {"I": (wave(2000)[:, None], 0)})
    start = note("## by hand") + note("## time resolution: 125") + note("## time resolution: 125")
    own = note("## annotation type definitions") + note("42 V one") + note("## end of definitions")
    (tmp_path / "r.atr").write_bytes(start + own + beats(50) + (42 << 10 | 9).to_bytes(2, "little") + b"\0\0")
    record = read_record(tmp_path, "r", "I", 1)
    assert record.marks.tolist() == [100, 118] and record.symbols == ("N", "V")


def test_annotations_come_in_the_order_of_time_and_end_at_the_end_mark(tmp_path):
    write_record(tmp_path, {"I": (wave(2000)[:, None], 0)})
    content = beats(500) + skip(-400) + (5 << 10 | 0).to_bytes(2, "little") + beats(700) + b"\0\0"
    (tmp_path / "r.atr").write_bytes(content + beats(7, 7))
    record = read_record(tmp_path, "r", "I", 1)
    assert record.marks.tolist() == [100, 500, 800] and record.symbols == ("V", "N", "N")
    for end in range(1, len(content)):
        (tmp_path / "r.atr").write_bytes(content[:-end])
        with pytest.raises(InputError, match="truncated: the end mark is missing"):
            read_record(tmp_path, "r", "I", 1)


# --- lists ---------------------------------------------------------------------------------------------------------


def test_lists_may_begin_with_a_byte_order_mark_and_end_lines_as_they_like(tmp_path):
    (tmp_path / "RECORDS").write_bytes(b"\xef\xbb\xbfr1\r\n\r\nr2\r\n")
    assert record_names(tmp_path) == ["r1", "r2"]
    (tmp_path / "RECORDS").write_bytes(b"r1\nr2\n\n caf\xe9\n")
    with pytest.raises(InputError, match=r"RECORDS, line 4: byte 0xe9 is not UTF-8"):
        record_names(tmp_path)
    (tmp_path / "RECORDS").write_bytes(b"r1\n\nr1\n")
    with pytest.raises(InputError, match=r"RECORDS, line 3: r1 listed twice, first in line 1"):
        record_names(tmp_path)
    (tmp_path / "RECORDS").write_bytes(b"r1\n./r1\n")
    with pytest.raises(InputError, match=r"RECORDS, line 2: r1 listed twice"):
        record_names(tmp_path)
    (tmp_path / "RECORDS").write_text(f"r1\n{'x' * 300}\n")
    with pytest.raises(InputError, match=r"RECORDS, line 2: x+ is longer than a name may be"):
        record_names(tmp_path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,P\nb,N/A\n", "line 3: 'N/A' is no patient"),
        ("a,100\nb,7\nc,100.0\n", "line 4: patient 100.0 is written 100 above"),
        ("a,007\nb,7\n", "line 3: patient 7 is written 007 above"),
        ("a,P1\nb,p1\n", "line 3: patient p1 is written P1 above"),
        ("a,Unknown\nb,unknown\n", "line 2: 'Unknown' is no patient"),
        ("a,1.23E+15\nb,1.23E+15\n", r"line 2: 1\.23E\+15 is an id of which a spreadsheet has kept the first"),
        ("a,P\na,Q\n", "line 3: record 'a' given twice"),
        ("a,P\nb,\n", "line 3: an empty cell"),
        ("a,P\nb\n", "line 3: 1 cells where the header names 2 columns"),
        ("a,P\u00e9\n", "line 2: byte 0xe9 is not UTF-8"),
    ],
)
def test_patients_that_cannot_be_told_are_refused_with_their_line(tmp_path, rows, message):
    (tmp_path / "patients.csv").write_bytes(f"record,patient\n{rows}".encode("latin-1"))
    with pytest.raises(InputError, match=rf"patients\.csv, {message}"):
        read_patients(tmp_path)
    (tmp_path / "patients.csv").write_bytes(b"\xef\xbb\xbfrecord;patient\na;P\n")
    with pytest.raises(InputError, match=r"patients\.csv, line 1: no column record"):
        read_patients(tmp_path)


@pytest.mark.parametrize("form", ["16", "61", "32"])
def test_a_record_that_ends_before_its_file_is_noted_unless_a_checksum_vouches_for_it(tmp_path, form):
    samples = wave(1000)[:, None]
    write_record(tmp_path, {"a": (samples, 0), "b": (samples[::-1], 0)}, form=form)
    whole = (tmp_path / "r.hea").read_text()
    assert shorter_records(tmp_path, ["r"]) == {}
    (tmp_path / "r.hea").write_text(whole.replace("250 1000", "250 900"))  # checksums are there, and will be compared
    assert shorter_records(tmp_path, ["r"]) == {}
    bare = "\n".join(re.sub(r"^(r\.dat \S+ \S+ 12 0).*", r"\1", line) for line in whole.split("\n"))
    (tmp_path / "r.hea").write_text(bare)
    assert shorter_records(tmp_path, ["r"]) == {}
    for frames, found in (("900", {"records_shorter_than_their_files": 1}), ("0", {})):  # 0: not given
        (tmp_path / "r.hea").write_text(bare.replace("250 1000", f"250 {frames}"))
        assert shorter_records(tmp_path, ["r"]) == found
