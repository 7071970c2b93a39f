"""Cells: what is a number, and what Python would only take for one."""

import pytest

from medpriv.sources.cells import number_in, whole_in


@pytest.mark.parametrize(
    ("cell", "value"),
    [("12", 12), (" -7.5 ", -7.5), ("+3.", 3), (".5", 0.5), ("1.422e+04", 14220), ("-9", -9), ("1E-2", 0.01)],
)
def test_numbers_are_read(cell, value):
    assert number_in(cell) == value


@pytest.mark.parametrize(
    "cell",
    ["", "1_20", "nan", "inf", "-Infinity", "1e999", "1,5", "1.234,5", "0x10", "１２", "12 kg", "1e", "--1", "?"],
)
def test_what_is_no_number_is_none(cell):
    assert number_in(cell) is None


@pytest.mark.parametrize(("cell", "number"), [("100001", 100001), ("100001.0", 100001), (" 007 ", 7), ("5.", 5)])
def test_ids_are_one_however_they_are_written(cell, number):
    assert whole_in(cell) == number


@pytest.mark.parametrize("cell", ["", "100001.5", "-1", "1e5", "1_0", "A1", "1" * 19])
def test_what_is_no_id_is_none(cell):
    assert whole_in(cell) is None
