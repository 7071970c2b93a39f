"""Leaks are found and named, honest tables pass, and nothing is overridden but by name."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from admissions_table import DEMO, admissions_dataset
from made_up_datasets import put_together, with_changes

from medpriv.config.leakage import LeakageSettings
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.leakage import LUCK, check_leakage, column_auc
from medpriv.records.tables import Column, Table
from medpriv.seeds import generator
from medpriv.sources import heart
from medpriv.sources.acquire import acquire_raw

SETTINGS = LeakageSettings().model_dump()
REAL_HEART = Path(__file__).parents[3] / "shared" / "data" / "uci" / "heart-disease"


def table(patients: int = 200, seed: int = 0, **columns) -> Dataset:
    """Return four honest columns, the first informative, then the columns asked for: functions of (y, rng)."""
    rng = generator(seed, "leaky")
    y = rng.integers(2, size=patients)
    y[:2] = 0, 1  # both classes are among the training patients
    x = rng.normal(size=(patients, 4))
    x[:, 0] += y
    x = np.column_stack([x, *(make(y, rng) for make in columns.values())]).astype(np.float32)
    names = ("a", "b", "c", "d", *columns)
    return put_together(
        name="leaky",
        x=x,
        y=y,
        patient=np.arange(patients, dtype=np.int32),
        site=np.zeros(patients, np.int32),
        split=np.where(np.arange(patients) % 3 == 2, TEST, TRAIN).astype(np.uint8),
        centre=x.mean(0),
        scale=np.ones(x.shape[1], np.float32),
        patients=tuple(f"p{index}" for index in range(patients)),
        sites=("here",),
        classes=("survived", "died"),
        features=names,
        units=("",) * len(names),
        licence="none",
        source="simulated",
        digest="0" * 64,
    )


def found(dataset: Dataset, **settings) -> set[tuple[str, str]]:
    """Return (check, name) of all findings, those that would stop the run included."""
    allow = [*dataset.features, *dataset.records.variables, "patients", "duplicates"]
    return {(item["check"], item["name"]) for item in check_leakage(dataset, SETTINGS | {"allow": allow} | settings)}


def test_an_honest_table_passes_at_any_size():
    for patients in (6, 12, 30, 400):
        for seed in range(40):
            assert check_leakage(table(patients, seed), SETTINGS) == []


def test_a_column_equal_to_the_outcome_is_found_under_any_coding():
    assert found(table(leak=lambda y, rng: y)) == {("equal", "leak")}
    assert found(table(5000, leak=lambda y, rng: 7.5 - 3 * y)) == {("equal", "leak")}


def test_a_code_that_only_one_class_has_is_found_though_the_codes_have_no_order():
    dataset = table(place=lambda y, rng: np.where(y == 1, 4, rng.choice([0, 1, 2, 3, 5, 6, 7, 8], len(y))))
    assert found(dataset) == {("equal", "place")}
    assert found(table(place=lambda y, rng: rng.choice([0, 2, 4, 6], len(y)) + y)) == {("auc", "place")}


def test_a_number_that_all_but_tells_the_outcome_is_found_in_either_direction():
    assert found(table(level=lambda y, rng: 5 * y + rng.normal(size=len(y)))) == {("auc", "level")}
    assert found(table(level=lambda y, rng: -5 * y + rng.normal(size=len(y)))) == {("auc", "level")}
    assert found(table(level=lambda y, rng: y + rng.normal(size=len(y)))) == set()


def test_a_number_that_tells_by_its_distance_is_found():
    dataset = table(600, far=lambda y, rng: (1 + 5 * y) * rng.choice([-1, 1], len(y)) + rng.normal(size=len(y)) / 2)
    assert found(dataset) == {("auc", "far")}


def test_chance_does_not_stop_a_few_patients():
    many = {f"n{index}": lambda y, rng: rng.integers(2, size=len(y)) for index in range(100)}
    tables = [table(18, seed, **many) for seed in range(20)]

    def told_by_luck(one: Dataset) -> bool:
        x, y = one.x[one.rows(TRAIN)], one.y[one.rows(TRAIN)]
        return any(np.array_equal(column, y) or np.array_equal(column, 1 - y) for column in x.T[4:])

    assert any(told_by_luck(one) for one in tables)
    assert all(found(one) == set() for one in tables)


def with_column(dataset: Dataset, cells: np.ndarray, levels: int = 0) -> Dataset:
    """Return a dataset with one column more: numbers with NaN for gaps, or places of levels with -1 for them."""
    names = tuple(f"v{level}" for level in range(levels))
    column = Column("more", fill=0.0)
    if levels:
        column = Column("more", "onehot", levels=names, features=tuple(f"more={name}" for name in names))
    table, size = dataset.records, max(levels, 1)
    centre, scale = np.zeros(4 + size, np.float32), np.ones(4 + size, np.float32)
    raw = np.column_stack([table.raw, np.asarray(cells, float)])
    return replace(dataset, records=Table((*table.columns, column), raw, centre, scale))


def test_a_category_whose_levels_tell_the_outcome_only_together_is_found():
    dataset, rng = table(600), generator(0, "levels")
    codes = 2 * rng.integers(12, size=600) + dataset.y  # even levels survived, odd ones died, in any order
    assert found(with_column(dataset, rng.permutation(24)[codes], 24)) == {("auc", "more")}
    kept = check_leakage(with_column(dataset, codes, 24), SETTINGS | {"allow": ["more"]})
    assert [(item["name"], item["allowed"]) for item in kept] == [("more", True)] and kept[0]["value"] > 0.99
    mixed = np.where(rng.random(600) < 0.3, rng.integers(24, size=600), codes)
    assert found(with_column(dataset, mixed, 24)) == set()  # tells a part, as what doctors see before may


def test_gaps_that_tell_the_outcome_are_found_in_categories_and_numbers():
    dataset, rng = table(600), generator(0, "gaps")
    for died in (0, 1):
        there = dataset.y == died
        assert found(with_column(dataset, np.where(there, rng.integers(8, size=600), -1), 8)) == {("gaps", "more")}
        assert found(with_column(dataset, np.where(there, rng.normal(size=600), np.nan))) == {("gaps", "more")}
        nearly = there ^ (rng.random(600) < 0.02)
        assert found(with_column(dataset, np.where(nearly, rng.normal(size=600), np.nan))) == {("gaps", "more")}
        part = there & (rng.random(600) < 0.5)  # asked of one class, but only of a half: no limit is passed
        assert found(with_column(dataset, np.where(part, rng.normal(size=600), np.nan))) == set()
    with pytest.raises(InputError, match=r"whether more is filled in tells the outcome by itself, .* AUC of 1\.000"):
        check_leakage(with_column(dataset, np.where(dataset.y == 1, 1.0, np.nan)), SETTINGS)


def test_a_number_that_tells_together_with_its_gaps_is_found():
    dataset, rng = table(900), generator(0, "both")
    gap = (dataset.y == 0) & (rng.random(900) < 0.5)
    far = np.where(
        dataset.y == 1, rng.normal(size=900), 9 + rng.normal(size=900) * np.where(rng.random(900) < 0.5, 1, 3)
    )
    cells = np.where(gap, np.nan, far)
    assert found(with_column(dataset, cells)) == {("auc", "more")}


def test_one_of_several_classes_is_told_by_a_category_or_by_gaps():
    dataset, rng = table(900), generator(0, "several")
    y = np.arange(900) % 3
    dataset = with_changes(dataset, y=y, classes=("x", "y", "z"), split=np.where(np.arange(900) < 300, TEST, TRAIN))
    told = np.where(y == 2, rng.integers(10, size=900), 10 + rng.integers(10, size=900))
    assert found(with_column(dataset, told, 20)) == {("auc", "more")}
    assert found(with_column(dataset, np.where(y == 1, np.nan, rng.normal(size=900)))) == {("gaps", "more")}


def test_shuffled_outcomes_raise_no_alarm_with_many_levels_and_few_patients():
    highest = []
    for patients in (12, 60, 200):
        for levels in (2, 8, 100):
            for seed in range(20):
                rng = generator(seed, "shuffled", patients, levels)
                y, codes = rng.permutation(np.arange(patients) % 5 == 0), rng.integers(-1, levels, size=patients)
                owner = np.arange(patients) // (1 + seed % 3)  # of one, two or three rows
                value, lower, _ = column_auc(codes[owner] * 1.0, y[owner], owner, coded=True)
                assert not (value > SETTINGS["auc"] and lower > LUCK)
                highest += [value] if patients == 200 else []
        dataset, gaps = table(patients, 1), generator(1, "gaps", patients).random(patients) < 0.5
        assert (
            found(with_column(dataset, codes, 100)) == found(with_column(dataset, np.where(gaps, np.nan, 1))) == set()
        )
    assert np.median(highest) < 0.6  # levels' rates are those of other patients, so that many levels fit no better


def test_what_is_known_after_the_outcome_is_found():
    dataset = with_changes(table(), known_hours={"a": -24, "b": 0, "c": 3})
    assert found(dataset) == {("time", "b"), ("time", "c")}
    with pytest.raises(InputError, match=r"b is known only at the outcome\n  - c is known only 3 hours after"):
        check_leakage(dataset, SETTINGS)


def test_a_patient_in_both_splits_is_found():
    dataset = table()
    names = list(dataset.patients)
    names[2] = " P0"  # patient 2 is a test patient, patient 0 is not
    dataset = with_changes(dataset, patients=tuple(names))
    assert found(dataset) == {("patients", "patients")}
    with pytest.raises(InputError, match=r"1 of 199 stand in both splits \(p0\)"):
        check_leakage(dataset, SETTINGS)
    with pytest.raises(InputError, match=r"1 of 199 stand in both splits\n"):
        check_leakage(with_changes(dataset, credentialed=True), SETTINGS)


def test_copied_records_stop_the_run_if_they_are_more_than_a_few():
    dataset = table()
    test, train = np.flatnonzero(dataset.rows(TEST)), np.flatnonzero(dataset.rows(TRAIN))

    def copied(count: int) -> Dataset:
        x, y = dataset.x.copy(), dataset.y.copy()
        x[test[:count]], y[test[:count]] = x[train[:count]], y[train[:count]]
        return with_changes(dataset, x=x, y=y)

    one = check_leakage(copied(1), SETTINGS)
    assert [(item["name"], item["stops"], item["value"], item["n"]) for item in one] == [
        ("duplicates", False, 1 / len(test), len(test))
    ]
    with pytest.raises(InputError, match="10 of 66 test records equal a training record"):
        check_leakage(copied(10), SETTINGS)
    assert check_leakage(copied(10), SETTINGS | {"allow": ["duplicates"]})[0]["allowed"]


def test_the_refusal_names_every_finding_and_how_to_override_it():
    dataset = table(leak=lambda y, rng: y, late=lambda y, rng: 9 * y + rng.normal(size=len(y)))
    with pytest.raises(InputError) as error:
        check_leakage(dataset, SETTINGS)
    text = str(error.value)
    assert "dataset leaky, preprocess.leakage: leakage, 2 findings" in text
    assert "- leak has a value that all training rows of survived have" in text
    assert "- late alone tells the outcome with an AUC of 1.000" in text
    assert "preprocess.leakage.allow: [leak, late]" in text
    with pytest.raises(InputError, match="1 finding:"):
        check_leakage(dataset, SETTINGS | {"allow": ["leak"]})
    kept = check_leakage(dataset, SETTINGS | {"allow": ["leak", "late"]})
    assert [(item["name"], item["allowed"]) for item in kept] == [("leak", True), ("late", True)]
    assert json.loads(json.dumps(kept, allow_nan=False)) == kept


def test_a_name_that_is_no_column_is_refused():
    with pytest.raises(InputError, match=r"no column lek.*did you mean leak\?"):
        check_leakage(table(leak=lambda y, rng: y), SETTINGS | {"allow": ["lek"]})


def test_test_rows_are_not_looked_at():
    dataset = table(leak=lambda y, rng: rng.integers(2, size=len(y)))
    x = dataset.x.copy()
    x[dataset.rows(TEST), 4] = dataset.y[dataset.rows(TEST)]
    assert found(with_changes(dataset, x=x)) == set()


def test_the_limit_counts_patients_not_records():
    y = np.repeat([0, 1, 0, 1], 50)
    assert column_auc(y * 1.0, y, np.arange(200))[1:] == (pytest.approx(0.9804, abs=0.0001), 200)
    value, lower, patients = column_auc(y * 1.0, y, np.repeat(np.arange(4), 50))
    assert (value, patients) == (1, 4) and lower < 0.6


def test_random_codes_with_a_value_a_row_tell_nothing():
    values = generator(0, "codes").permutation(300)
    y = np.arange(300) % 3 // 2
    assert column_auc(values, y, np.arange(300), coded=True)[0] < 0.6


def test_several_classes_are_each_set_against_the_others():
    dataset = table(300, seen=lambda y, rng: np.arange(len(y)) % 3 == 1)
    split = np.where(np.arange(300) < 100, TEST, TRAIN).astype(np.uint8)
    dataset = with_changes(dataset, y=np.arange(300) % 3, classes=("x", "y", "z"), split=split)
    assert found(dataset) == {("equal", "seen")}


@pytest.mark.skipif(not DEMO.is_dir(), reason="needs ../shared/data (MIMIC-III demo)")
def test_the_first_seed_s_table_leaks_by_the_time_of_death_and_the_place_of_discharge():
    assert found(admissions_dataset()) == {("equal", "deathtime_flag"), ("equal", "discharge_location")}


@pytest.mark.skipif(not REAL_HEART.is_dir(), reason="needs ../shared/data (UCI heart disease)")
def test_the_real_heart_table_passes(tmp_path):
    raw = {"source": "local", "path": str(REAL_HEART)}
    acquire_raw("heart", "heart", raw, 1, tmp_path / "raw", tmp_path / "scratch")
    for seed in range(5):
        dataset = heart.parse("heart", tmp_path / "raw", {"test_fraction": 0.3}, seed)
        assert not [item for item in check_leakage(dataset, SETTINGS) if item["stops"]]
