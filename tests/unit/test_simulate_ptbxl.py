"""Simulated PTB-XL: the publisher's layout, same seed same bytes, leads that obey Einthoven, disease that shows."""

import csv
import hashlib

import numpy as np
import pytest
import wfdb

from medpriv.seeds import generator
from medpriv.simulate.dipole import (
    CENTRE,
    DOWER,
    HEALTHY,
    LATE,
    LEADS,
    QRS,
    ST,
    WIDTH,
    Heart,
    P,
    Q,
    R,
    S,
    T,
    block,
    draw_heart,
    hypertrophy,
    infarct,
    ischaemia,
    twelve_leads,
)
from medpriv.simulate.ptbxl import CODES, FOLDS, SUPERCLASSES, draw_person, draw_signal, simulate
from medpriv.sources.ptbxl_tables import CLASSES, read_tables


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated")
    simulate({"patients": 30}, folder, 7)
    return folder


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def table(folder):
    with (folder / "ptbxl_database.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def usual():
    return Heart(HEALTHY, CENTRE, WIDTH)


def in_leads(heart):
    """Return each wave's millivolts in the twelve leads, [W, 12]."""
    return twelve_leads(heart.vector @ DOWER.T)


def drawn(disease, code, severity):
    """Return the usual heart with a disease whose statement is `code`."""
    for seed in range(100):
        heart, found = disease(usual(), severity, generator(seed, "disease"))
        if found == code:
            return heart
    raise AssertionError(f"{code} never drawn")


# --- files ---------------------------------------------------------------------------------------------------------


def test_a_record_is_two_files_and_the_table_lists_them(folder):
    rows = table(folder)
    names = {row["filename_lr"] for row in rows}
    assert names == {f"records100/00000/{number:05d}_lr" for number in range(1, len(rows) + 1)}
    assert digests(folder).keys() == {
        "ptbxl_database.csv",
        "scp_statements.csv",
        *(f"{name}{ending}" for name in names for ending in (".hea", ".dat")),
    }
    assert list(rows[0])[:4] == ["ecg_id", "patient_id", "age", "sex"] and len(rows[0]) == 28


def test_same_seed_same_bytes_and_another_seed_others(folder, tmp_path):
    simulate({"patients": 30}, tmp_path / "again", 7)
    simulate({"patients": 30}, tmp_path / "other", 8)
    assert digests(tmp_path / "again") == digests(folder)
    other = digests(tmp_path / "other")
    assert all(other.get(name) != digest for name, digest in digests(folder).items() if name != "scp_statements.csv")


def test_a_record_does_not_depend_on_how_many_patients_follow(folder, tmp_path):
    simulate({"patients": 20}, tmp_path, 7)
    fewer, more = digests(tmp_path), digests(folder)
    assert all(more[name] == digest for name, digest in fewer.items() if name != "ptbxl_database.csv")
    assert table(folder)[: len(table(tmp_path))] == table(tmp_path)


def test_wfdb_reads_back_twelve_leads_at_100_hz_as_the_publisher_writes_them(folder):
    record = wfdb.rdrecord(str(folder / "records100/00000/00004_lr"), physical=False)
    assert (record.fs, record.sig_len, tuple(record.sig_name)) == (100, 1000, LEADS)
    assert set(record.fmt) == {"16"} and set(record.adc_gain) == {1000.0} and set(record.baseline) == {0}
    assert record.checksum == [int(total) & 0xFFFF for total in record.d_signal.sum(axis=0)]
    first, second, third, avr, avl, avf = record.d_signal[:, :6].T
    for found, wanted in (
        (third, second - first),
        (avr, -(first + second) / 2),
        (avl, first - second / 2),
        (avf, second - first / 2),
    ):
        assert np.abs(found - wanted).max() <= 2  # microvolts, of rounding


def test_superclasses_folds_and_patients_are_mixed_as_said():
    assert {superclass: SUPERCLASSES.count(superclass) for superclass in CLASSES} == {
        "NORM": 11,
        "MI": 4,
        "STTC": 4,
        "CD": 4,
        "HYP": 2,
    }
    people = [draw_person(number, generator(1, number)) for number in range(250)]
    folds = np.array([person.cells["strat_fold"] for person in people])
    healthy = np.array([SUPERCLASSES[number % len(SUPERCLASSES)] == "NORM" for number in range(250)])
    assert sorted(FOLDS) == list(range(1, 11)) and np.bincount(folds[healthy], minlength=11)[1:].tolist() == [11] * 10
    assert np.bincount(folds, minlength=11)[1:].tolist() == [25] * 10
    records = np.array([len(person.recorded) for person in people])
    assert 1.02 < records.mean() < 1.25 and all(sorted(person.recorded) == list(person.recorded) for person in people)


def test_some_records_have_two_superclasses_and_some_none(folder, tmp_path):
    counts = np.zeros(4, int)
    superclass = {code: kind for code, (_, _, kind) in CODES.items()}
    for number in range(400):
        statements = draw_person(number, generator(1, number)).statements
        counts[len({superclass[code] for code in statements} - {""})] += 1
    assert 0.01 < counts[0] / 400 < 0.06 and 0.70 < counts[1] / 400 < 0.88 and counts[3] == 0
    assert {row.fold for row in read_tables(folder)} <= set(range(1, 11))


def test_two_records_of_a_patient_are_more_alike_than_those_of_two_patients():
    def spreads(number, record):
        person = draw_person(number, generator(1, number))
        spread = draw_signal(person, False, generator(1, number, record)).std(axis=0)
        return np.log(spread)

    people = [number for number in range(40) if SUPERCLASSES[number % 25] == "NORM"]
    first, second = (np.array([spreads(number, record) for number in people]) for record in (0, 1))
    own = np.linalg.norm(first - second, axis=1)
    others = np.linalg.norm(first - np.roll(second, 1, axis=0), axis=1)
    assert np.median(own) < 0.6 * np.median(others)


# --- the model -----------------------------------------------------------------------------------------------------


def test_turning_keeps_lengths_and_turns_the_axis_by_the_degrees_given():
    heart = draw_heart(generator(1, "heart"))
    turned = heart.turned(30.0, -20.0)
    assert np.allclose(np.linalg.norm(turned.vector, axis=1), np.linalg.norm(heart.vector, axis=1))
    left = Heart(np.eye(3)[:1], CENTRE[:1], WIDTH[:1])
    assert np.allclose(left.turned(90.0, 0.0).vector, [[0, 1, 0]])  # left becomes down
    assert np.allclose(left.turned(0.0, 90.0).vector, [[0, 0, 1]])  # left becomes back


def test_a_healthy_heart_has_the_leads_of_a_healthy_heart():
    leads = dict(zip(LEADS, in_leads(usual()).T, strict=True))
    assert leads["II"][P] > 0 and leads["II"][R] > 0.7 and leads["V5"][R] > 1 and leads["AVR"][R] < -0.5
    assert leads["V1"][Q] > 0.1 and leads["V1"][S] < -0.4 and leads["V2"][S] < -0.7  # r S in front
    assert (leads["V4"][T] > 0.1).all() and (leads["II"][T] > 0.1).all()


@pytest.mark.parametrize("code, lead, opposite", [("IMI", "AVF", "AVL"), ("ASMI", "V2", "V6"), ("LMI", "I", "AVR")])
def test_an_infarct_shows_as_q_waves_in_the_leads_that_look_at_it(code, lead, opposite):
    before, after = in_leads(usual()), in_leads(drawn(infarct, code, 1.0))
    at, away = LEADS.index(lead), LEADS.index(opposite)
    assert after[Q, at] < before[Q, at] - 0.3 and after[R, at] < before[R, at]
    assert after[ST, at] > before[ST, at] and (after[T, at] < before[T, at]).all()
    assert after[Q, at] < after[Q, away]


def test_ischaemia_lowers_st_or_turns_t_over():
    v5 = LEADS.index("V5")
    assert in_leads(drawn(ischaemia, "ISC_", 1.0))[ST, v5] < -0.1
    assert (in_leads(drawn(ischaemia, "NDT", 1.0))[T, v5] < -0.05).all()
    assert (in_leads(drawn(ischaemia, "NDT", 0.3))[T, v5] > 0.05).all()


def test_blocks_widen_qrs_turn_the_axis_or_delay_the_ventricles():
    before = in_leads(usual())
    right, left, fascicle = (in_leads(drawn(block, code, 1.0)) for code in ("CRBBB", "CLBBB", "LAFB"))
    assert right[LATE, LEADS.index("V1")] > 0.4 and right[LATE, LEADS.index("I")] < -0.15  # R' and a late S
    assert left[LATE, LEADS.index("V6")] > 0.3 and left[T, LEADS.index("V6")].mean() < 0
    assert (
        fascicle[R, LEADS.index("I")] > 0.2 and fascicle[R, LEADS.index("AVF")] < -0.2 < before[R, LEADS.index("AVF")]
    )
    for code, factor in (("CLBBB", 1.8), ("IVCD", 1.7)):
        heart = drawn(block, code, 1.0)
        assert np.allclose(heart.width[QRS], factor * WIDTH[QRS]) and np.allclose(heart.width[T], WIDTH[T])
    assert drawn(block, "1AVB", 1.0).centre[P] == pytest.approx(CENTRE[P] - 0.14)


def test_hypertrophy_makes_voltages_tall_and_turns_t_against_them():
    before, after = in_leads(usual()), in_leads(drawn(hypertrophy, "LVH", 1.0))

    def sokolow(leads):
        return leads[R, LEADS.index("V5")] - leads[S, LEADS.index("V1")]

    assert sokolow(after) > 1.8 * sokolow(before) and sokolow(after) > 3.5  # the limit of Sokolow and Lyon, mV
    assert (after[T, LEADS.index("V6")] < 0).all()
    assert in_leads(drawn(hypertrophy, "RVH", 1.0))[R, LEADS.index("V1")] > 0


@pytest.mark.parametrize("disease", [infarct, ischaemia, block, hypertrophy])
def test_a_disease_of_no_severity_changes_nothing_and_more_of_it_changes_more(disease):
    def change(severity):
        heart, _ = disease(usual(), severity, generator(3, "disease"))
        parts = zip((heart.vector, heart.centre, heart.width), (HEALTHY, CENTRE, WIDTH), strict=True)
        return sum(np.abs(now - then).sum() for now, then in parts)

    none, half, full = change(0.0), change(0.5), change(1.0)
    assert none == 0 < half < full
