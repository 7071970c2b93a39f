"""Files: whole or not at all, and the same content is the same bytes."""

import numpy as np
import pytest

from medpriv.files import format_value, read_csv, read_tensors, replacing, sha256, write_csv, write_json, write_tensors


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "table.csv"
    target.write_text("old")
    with pytest.raises(RuntimeError), replacing(target) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_json_does_not_depend_on_insertion_order(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": [1, 2]})
    write_json(tmp_path / "b.json", {"a": [1, 2], "b": 1})
    assert sha256(tmp_path / "a.json") == sha256(tmp_path / "b.json")


def test_json_refuses_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"value": float("nan")})


@pytest.mark.parametrize(
    ("value", "text"),
    [(1 / 3, "0.333333"), (1.0, "1"), (np.float32(0.5), "0.5"), (float("nan"), ""), (None, ""), (7, "7"), ("a", "a")],
)
def test_cells_have_one_fixed_text(value, text):
    assert format_value(value) == text


def test_csv_keeps_cells_with_commas_and_quotes(tmp_path):
    rows = [{"name": 'a,"b"', "value": 1}]
    write_csv(tmp_path / "t.csv", ["name", "value"], rows)
    assert read_csv(tmp_path / "t.csv") == [{"name": 'a,"b"', "value": "1"}]


def test_tensors_come_back_equal_and_do_not_depend_on_order(tmp_path):
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3).T, np.array([1, 2], dtype=np.int64)
    write_tensors(tmp_path / "1", {"a": a, "b": b})
    write_tensors(tmp_path / "2", {"b": b, "a": a})
    assert sha256(tmp_path / "1") == sha256(tmp_path / "2")
    back = read_tensors(tmp_path / "1")
    np.testing.assert_array_equal(back["a"], a)
    np.testing.assert_array_equal(back["b"], b)
