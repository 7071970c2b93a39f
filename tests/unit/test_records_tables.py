"""A table keeps what was found, makes features of it, and finds the way back."""

from dataclasses import replace

import numpy as np
import pytest

from medpriv.records.tables import Column, Table
from medpriv.sources.tabular import measured_by

NAN = np.nan
COLUMNS = (
    Column("age", unit="years", fill=60.0, quasi_identifier=True),
    Column("lactate_last", unit="mmol/l", fill=1.5, measured="lactate_measured"),
    Column("lactate_measured", "binary", levels=("0", "1"), codes=(0.0, 1.0), fill=1.0, known_hours=-3.0),
    Column("pain", "code", levels=("none", "typical", "silent"), codes=(1.0, 2.0, 4.0), fill=2.0),
    Column("ward", "onehot", levels=("a", "b", "rare"), features=("ward=a", "ward=b", "")),
    Column(
        "rhythm", "onehot", levels=("sinus", "af", "paced"), features=("", "rhythm=af", "rhythm=paced"), reference=0
    ),
)
RAW = np.array(
    [
        [63.25, 2.5, 1, 0, 0, 0],
        [NAN, NAN, 0, 2, 1, 1],
        [47.9, NAN, 0, -1, -1, 2],
        [80.0, 1.1, 1, 1, 2, 1],
    ]
)


def table(raw: np.ndarray = RAW, columns: tuple[Column, ...] = COLUMNS) -> Table:
    return Table(columns, raw, np.zeros(8, np.float32), np.ones(8, np.float32))


def faults(**changes) -> list[str]:
    return [f"{fault.place}: {fault.problem}" for fault in replace(table(), **changes).faults()]


def test_features_are_filled_coded_and_one_a_level():
    assert table().features == (
        *("age", "lactate_last", "lactate_measured", "pain", "ward=a", "ward=b", "rhythm=af", "rhythm=paced"),
    )
    assert table().x.dtype == np.float32 and table().units == ("years", "mmol/l", *[""] * 6)
    expected = [
        [63.25, 2.5, 1, 1, 1, 0, 0, 0],
        [60, 1.5, 0, 4, 0, 1, 1, 0],
        [47.9, 1.5, 0, 4, 0, 0, 0, 1],
        [80, 1.1, 1, 2, 0, 0, 1, 0],
    ]
    assert np.array_equal(table().x, np.float32(expected))
    assert not list(table().faults())


def test_the_way_back_knows_every_cell_but_what_was_filled_in_unseen():
    back = table().decode(table().x)
    wanted = RAW.astype(np.float32).astype(float)
    wanted[1, 0] = 60  # no column says that the age was a gap
    wanted[2, 3] = 2
    wanted[3, 4] = -1  # a level without a feature
    assert np.array_equal(back, wanted, equal_nan=True)
    assert np.isnan(back[1:3, 1]).all()
    again = table(back)
    assert np.array_equal(again.x, table().x) and not list(again.faults())


def test_what_a_generator_writes_becomes_the_nearest_level():
    made = np.float32([[63.5, 2.0, 0.7, 2.9, 0.4, 0.3, 0.2, 0.6]])
    assert table().decode(made).tolist() == [[63.5, 2.0, 1.0, 1.0, -1.0, 2.0]]
    whole = np.where(RAW == -1, 0, RAW)
    assert table(whole).decode(made)[0, 4] == 0  # where no ward was ever missing, it is the likeliest


def test_columns_are_an_attack_s_variables():
    read = table()
    assert read.variables == {
        "age": [0],
        "lactate_last": [1],
        "lactate_measured": [2],
        "pain": [3],
        "ward": [4, 5],
        "rhythm": [6, 7],
    }
    assert read.numbers == ["age", "lactate_last"] and read.quasi_identifiers == ("age",)
    assert read.kinds["ward=b"] == "onehot" and read.known_hours == {"lactate_measured": -3.0}
    nameless = replace(COLUMNS[4], features=("", "", ""))
    assert "ward" not in replace(read, columns=(*COLUMNS[:4], nameless, COLUMNS[5])).variables


def test_codes_are_equal_where_values_are_and_years_are_whole():
    raw = np.tile(RAW, (8, 1))
    raw[:, 0] = np.arange(32) + 0.7
    raw[1, 0] = 0.2  # as old as the first, in whole years
    codes = table(raw).codes("age")
    assert codes[0] == codes[1] and len(np.unique(codes)) == 31
    coarse = table(raw).codes("age", coarse=True)
    assert len(np.unique(coarse)) == 10 and (np.diff(coarse[1:]) >= 0).all()
    assert np.array_equal(table(raw).codes("ward", coarse=True), table(raw).codes("ward"))
    values, place = table(raw).values("rhythm")
    assert np.array_equal(values[place], table(raw).x[:, 6:])


def test_bins_are_those_of_the_rows_that_are_known():
    raw = np.tile(RAW, (8, 1))
    raw[:, 0] = np.arange(32)
    medians, place = table(raw).bins("age", np.arange(32) < 16, 4)
    assert medians.ravel().tolist() == [1.5, 5.5, 9.5, 13.5]
    assert place.tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 20


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"raw": np.where(RAW == 47.9, np.inf, RAW)}, "column age, row 2: a value is not a finite number"),
        ({"raw": np.where(RAW == -1, 3, RAW)}, "column pain, row 2: none of its 3 levels"),
        ({"raw": np.where(RAW == -1, 0.5, RAW)}, "column ward, row 2: none of its 3 levels"),
        ({"raw": RAW[:, 1:]}, "raw: [4, 5] for 6 columns"),
        (
            {"columns": (replace(COLUMNS[0], fill=None), *COLUMNS[1:])},
            "column age, row 1: a value is not a finite number",
        ),
        ({"columns": (replace(COLUMNS[0], name="pain"), *COLUMNS[1:])}, "columns: pain stands for two"),
        ({"columns": (replace(COLUMNS[0], measured="x"), *COLUMNS[1:])}, "column age: no column x to tell its gaps"),
        (
            {"columns": (replace(COLUMNS[0], measured="lactate_measured"), *COLUMNS[1:])},
            "column age: a value, though lactate_measured is 0",
        ),
        ({"row_id": np.arange(3)}, "row_id: 3 entries for 4 records"),
    ],
)
def test_cells_that_cannot_be_are_named(changes, message):
    assert message in faults(**changes)


def test_a_count_or_a_flag_tells_whether_a_summary_was_measured():
    names = ("hr_min", "hr_count", "ph_last", "ph_measured", "urine_day2", "age")
    assert measured_by(names) == {"hr_min": "hr_count", "ph_last": "ph_measured"}
