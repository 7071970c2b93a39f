"""Codes for missing values in numbers are told apart from values, and become gaps where they are declared."""

import numpy as np
import pytest

from medpriv.errors import InputError
from medpriv.seeds import generator
from medpriv.sources.table_codes import absurd_values, probable_codes
from medpriv.sources.table_columns import check_label, numbers
from medpriv.sources.table_file import column_of

RNG = generator(0, "codes")
POTASSIUM, AGES = RNG.normal(4, 0.5, size=200).round(1), RNG.integers(0, 99, size=200)


def mixed(values: np.ndarray, *codes: float, rows: int = 5) -> np.ndarray:
    return RNG.permutation(np.concatenate([values, np.repeat(codes, rows)]).astype(float))


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        *((POTASSIUM, (code,)) for code in (-999, 9999, -9, -1, 99, 999.9, -99999)),
        (POTASSIUM, (-8, -9)),
        (POTASSIUM, (-99, 999)),
        (np.arange(2).repeat(50), (-9,)),
        (np.arange(2).repeat(50), (99,)),
        (RNG.normal(0, 5, size=100), (-99,)),
        (AGES, (999, -1)),
        (POTASSIUM, (777, 888)),
        (AGES, (996, 997, 998, 999)),
        (AGES, (-97, -98, -99)),
        (POTASSIUM, (97, 98, 99)),
        (RNG.normal(0, 5, size=100), (-98, -99, 98, 99)),
    ],
)
def test_a_repeated_number_far_from_all_others_is_probably_a_code(values, codes):
    assert probable_codes(mixed(values, *codes)) == dict.fromkeys(codes, 5)
    column = column_of("kalium", mixed(values, *codes).astype(str))
    faults: list = []
    numbers(column, ".", faults)
    assert len(faults) == 1 and "preprocess.missing_codes: {kalium: [" in faults[0].remedy
    assert all(f"{code:g} in 5 rows" in faults[0].problem for code in codes)


@pytest.mark.parametrize(
    "values",
    [
        mixed(AGES, 99),  # an age that may be
        mixed(RNG.gamma(2, 200, size=300).round(), 999),  # within a wide range
        mixed(RNG.integers(-20, 20, size=200), -9),  # among other negative numbers
        mixed(POTASSIUM, -999, rows=2),  # not repeated: a slip, or true
        mixed(np.arange(3).repeat(30), -1),  # a trend: worse, as before, better
        RNG.integers(0, 2, size=100).astype(float),
        np.array([-999.0, -999, -999, 99, 99, 99]),  # nothing beside
        np.full(9, np.nan),
        np.array([94, 95, 96, 97, 98, 99]).repeat(20).astype(float),  # oxygen saturation, which has the same numbers
        np.array([0, 1, 2, 9]).repeat(20).astype(float),  # counts
        np.array([60, 66, 77]).repeat(20).astype(float),  # doses
    ],
)
def test_a_number_that_may_be_a_value_is_none(values):
    assert probable_codes(values) == {}


def test_no_alarm_over_many_measurements():
    drawn = [RNG.lognormal(3, 1.5, size=500).round(), RNG.integers(0, 40, size=500), RNG.poisson(1, size=500)]
    drawn += [RNG.normal(mean, 30, size=500).round() for mean in (-99, 99, 999) for _ in range(20)]
    assert not any(probable_codes(values.astype(float)) for values in drawn)


def test_a_declared_code_is_a_gap_and_an_empty_list_keeps_it():
    cells = mixed(POTASSIUM, -999)
    column, faults = column_of("kalium", cells.astype(str)), []
    assert np.array_equal(np.isnan(numbers(column, ".", faults, [-999])), cells == -999)
    assert np.array_equal(numbers(column, ".", faults, []), cells) and not faults
    numbers(column, ".", faults, [-99])
    assert "no value -99" in faults[0].problem


def test_what_is_left_beside_a_code_must_vary():
    faults: list = []
    numbers(column_of("x", ["1", "-9"] * 9), ".", faults, [-9])
    assert "one number and gaps" in faults[0].problem


@pytest.mark.parametrize(("classes", "fault"), [("0 1 -9", True), ("1 2 99", True), ("0 1 2", False), ("-1 1", False)])
def test_a_class_that_is_a_code_is_refused(classes, fault):
    faults: list = []
    check_label(column_of("died", classes.split() * 30), faults)
    assert bool(faults) == fault and all("probably a code" in one.problem for one in faults)


def test_a_code_in_an_own_table_reaches_the_notes(tmp_path):
    from medpriv.sources import table
    from medpriv.sources.acquire import acquire_raw

    file, rng = tmp_path / "mine.csv", generator(1, "codes")
    lines = [
        f"{rng.choice(['a', 'b', ''])},{-999 if row % 10 == 0 else round(rng.normal(4, 1), 2)},{row % 2}"
        for row in range(90)
    ]
    file.write_text("\n".join(["drug,kalium,died", *lines]) + "\n")
    settings = {"label": "died", "patient": None, "site": None, "groups": [], "categorical": ["drug"], "ignore": []}
    settings |= {"test_fraction": 0.3}
    acquire_raw("table", "mine", {"source": "local", "path": str(file)}, 1, tmp_path / "raw", tmp_path / "scratch")
    with pytest.raises(InputError, match=r"column kalium: -999 in 9 rows"):
        table.parse("mine", tmp_path / "raw", settings, 1)
    found = table.parse("mine", tmp_path / "raw", settings | {"missing_codes": {"kalium": [-999]}}, 1)
    assert found.notes["missing_cells"] == {"kalium": 9, "drug": sum(line.startswith(",") for line in lines)}
    assert found.x[:, 0].min() > 0
    with pytest.raises(InputError, match="drug is no column of numbers"):
        table.parse("mine", tmp_path / "raw", settings | {"missing_codes": {"kalium": [-999], "drug": [1]}}, 1)


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        ("8.238 802 3.393 1.500 640", True),  # as a German spreadsheet shows 8238
        ("8.238 802 3.393 -1.500 NA", True),
        ("8.238 802.000 3.393 1.500", False),  # decimals, of three digits everywhere
        ("8.238 802 3.39 1.5", False),
        ("8.238 8 3.393 1.512", False),  # no number that could stand before them
        ("0.238 802 3.393 1.512", False),
        ("8.238 802 3.393", False),  # too few to tell
        ("1.238 999 3.393 1.512", False),  # a code
    ],
)
def test_a_point_before_thousands_is_not_read_as_decimals(cells, fault):
    faults: list = []
    numbers(column_of("leukocytes", cells.split()), ".", faults)
    assert [one.problem.startswith("a point before three digits") for one in faults] == [True] * fault
    assert not fault or (faults[0].place.startswith("row 1, ") and "without a mark" in faults[0].remedy)


def test_a_value_that_flattens_all_others_is_refused_and_can_be_kept():
    for slip in (["1e37"], ["1250000"], ["-1250000"], ["365", "370"], ["980", "1000"]):
        column = column_of("temperature", [*RNG.normal(37, 0.5, size=400).round(1).astype(str), *slip])
        faults: list = []
        values = numbers(column, ".", faults)
        assert np.array_equal(absurd_values(values), sorted(map(float, slip)))
        assert [one.place.partition(" (")[0] for one in faults] == ["row 401, column temperature"]
        assert "missing_codes: {temperature: []}" in faults[0].remedy and slip[0] not in str(faults)
        faults.clear()
        numbers(column, ".", faults, [])
        assert not faults


def test_numbers_in_two_units_are_refused():
    pressure = RNG.normal(130, 20, size=300).round()
    mixed_up = np.where(np.arange(300) < 60, 10 * pressure, pressure)
    assert np.array_equal(absurd_values(mixed_up), np.unique(10 * pressure[:60]))
    assert not len(absurd_values(np.where(np.arange(300) < 60, 4 * pressure, pressure)))  # two kinds of patients


def test_what_lies_beside_a_declared_code_is_still_looked_at():
    faults: list = []
    numbers(column_of("kalium", mixed(POTASSIUM, -999, 998).astype(str)), ".", faults, [-999])
    assert ["so far from all other values" in one.problem for one in faults] == [True]


def test_no_alarm_over_measurements_with_heavy_tails():
    rng, alarms = generator(0, "tails"), 0
    for _ in range(100):
        drawn = [rng.lognormal(3, 2, size=500), rng.pareto(1.5, size=500), rng.standard_t(2, size=500)]
        drawn += [rng.poisson(0.3, size=500), rng.geometric(0.5, size=500), rng.gamma(0.2, 100, size=500).round(1)]
        drawn += [np.where(rng.random(500) < 0.9, 0, rng.lognormal(5, 1.5, size=500)), rng.integers(0, 3, size=500)]
        alarms += sum(len(absurd_values(values.astype(float))) > 0 for values in drawn)
    assert alarms <= 2
