"""Files: whole or not at all, and the same content is the same bytes."""

import codecs
import csv
import gzip

import numpy as np
import pytest
from safetensors.numpy import save

from medpriv.errors import InputError
from medpriv.files import (
    format_value,
    open_text,
    read_csv,
    read_layout,
    read_lines,
    read_rows,
    read_tensors,
    read_text,
    replacing,
    sha256,
    write_csv,
    write_json,
    write_tensors,
    write_tensors_in_parts,
)


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


TYPES = (
    "bool",
    "uint8",
    "int8",
    "int16",
    "uint16",
    "float16",
    "int32",
    "uint32",
    "float32",
    "float64",
    "int64",
    "uint64",
)


def test_tensors_written_in_parts_are_the_formats_own_bytes(tmp_path):
    rng = np.random.default_rng(0)
    shapes = [(4, 3), (2,), (5, 0), (3, 2, 2)]
    tensors = {f'{dtype[:2]}."é{place}': 9 * rng.normal(size=shapes[place % 4]) for place, dtype in enumerate(TYPES)}
    tensors = {name: value.astype(dtype) for dtype, (name, value) in zip(TYPES, tensors.items(), strict=True)}
    layout = {name: (value.dtype, value.shape) for name, value in tensors.items()}
    write_tensors_in_parts(tmp_path / "file", layout, lambda name: (tensors[name][k : k + 1] for k in range(5)))
    assert (tmp_path / "file").read_bytes() == save(tensors)
    assert read_layout(tmp_path / "file") == layout


def test_pieces_that_do_not_add_up_leave_no_file(tmp_path):
    value = np.zeros((3, 2), np.float32)
    with pytest.raises(ValueError, match="the pieces of a are 16 bytes"):
        write_tensors_in_parts(tmp_path / "file", {"a": (value.dtype, value.shape)}, lambda name: [value[:2]])
    assert not list(tmp_path.iterdir())


# --- text files of users -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_byte_order_mark_line_ends_and_gzip_make_no_difference(tmp_path, end, mark, name):
    content = mark + f"Zürich{end}{end}b\u2028c{end}".encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert read_text(tmp_path / name) == "Zürich\n\nb\u2028c\n"
    assert read_lines(tmp_path / name) == ["Zürich", "", "b\u2028c"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("before", [0, 1, 3000])
@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_a_byte_of_another_encoding_is_refused_with_its_line(tmp_path, end, before, name):
    content = ("sound ü" + end).encode() * before + "Zürich".encode("cp1252") + end.encode() + b"sound"
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    message = rf"{name}, line {before + 1}: byte 0xfc is not UTF-8\. Remedy: save it as UTF-8"
    with pytest.raises(InputError, match=message):
        read_text(tmp_path / name)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_and_32_are_named(tmp_path, encoding):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n", encoding=encoding)
    named = "UTF-32" if encoding == "utf-32" else "UTF-16"
    with pytest.raises(InputError, match=rf"a\.csv, line 1: .*{named}"):
        read_text(tmp_path / "a.csv")


def test_a_text_that_ends_within_a_character_is_refused(tmp_path):
    (tmp_path / "a.txt").write_bytes("one\ntwo ü".encode()[:-1])
    with pytest.raises(InputError, match="line 2: byte 0xc3 is not UTF-8"):
        read_text(tmp_path / "a.txt")


def test_a_missing_file_a_folder_and_a_cut_gzip_are_input_errors(tmp_path):
    whole = gzip.compress(bytes(np.random.default_rng(1).integers(32, 127, 9000, np.uint8)))
    (tmp_path / "cut.gz").write_bytes(whole[:-500])
    (tmp_path / "no.gz").write_bytes(b"plain text\n")
    for name, problem in (
        ("none.txt", "cannot be read"),
        ("", "cannot be read"),
        ("cut.gz", "not a whole gzip"),
        ("no.gz", "not a gzip file, though its name ends in .gz. Remedy: take .gz off its name"),
    ):
        with pytest.raises(InputError, match=problem):
            read_text(tmp_path / name)


def test_an_error_of_the_caller_passes_through(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(FileNotFoundError), open_text(tmp_path / "a.txt"):
        (tmp_path / "b.txt").read_text()


def test_lines_serve_the_csv_module(tmp_path):
    (tmp_path / "a.csv").write_bytes(b'a,b\r\n"x\r\ny",2\r\n')
    with open_text(tmp_path / "a.csv") as lines:
        assert list(csv.reader(lines)) == [["a", "b"], ["x\r\ny", "2"]]


def test_rows_come_with_the_line_they_begin_at(tmp_path):
    (tmp_path / "a.csv").write_bytes(codecs.BOM_UTF8 + b'id, b ,c\n1," x\ny ",3\n\n2,,\n')
    rows = read_rows(tmp_path / "a.csv", ("b", "id"), "")
    assert rows == [(2, {"b": "x\ny", "id": "1"}), (5, {"b": "", "id": "2"})]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("a,c\n", "line 1: no column b"),
        ("a,b,b\n", "line 1: column b 2 times"),
        ("a,b\n1,2\n1\n", "line 3: 1 cells where the header names 2 columns"),
        ("a,b\n1,2,3\n", "line 2: 3 cells"),
        ('a,b\n1,"2\n3,4\n5,6\n', "row that begins at line 2: not a CSV table"),
        ('a,b\n1,"2"x\n', "row that begins at line 2: not a CSV table"),
        ("a,b\n1," + "x" * 140_000, "row that begins at line 2: not a CSV table"),
    ],
)
def test_a_table_that_is_not_whole_is_refused_with_its_line(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_rows(tmp_path / "a.csv", ("a", "b"), "write it anew")
    assert caught.value.remedy == "write it anew"
