"""What a spreadsheet has around a table is refused by its line: titles above, totals and notes below."""

import gzip
from pathlib import Path

import pytest
from test_sources_table_files import SETTINGS, frame

from medpriv.errors import InputError
from medpriv.sources import starter, table
from medpriv.sources.acquire import acquire_raw

ROWS = frame().to_csv(index=False)
SUMS = frame().sum(numeric_only=True)


def refusals(folder: Path, text: str, name: str = "mine.csv") -> list[InputError]:
    """Return the errors of a run and of `make config`."""
    file = folder / name
    file.write_text(text)
    acquire_raw("table", "mine", {"source": "local", "path": str(file)}, 1, folder / "raw", folder / "scratch")
    errors = []
    for read in (lambda: table.parse("mine", folder / "raw", SETTINGS, 1), lambda: starter.starter(file, "mine")):
        with pytest.raises(InputError) as caught:
            read()
        errors.append(caught.value)
    return errors


@pytest.mark.parametrize(
    ("text", "name", "place", "header"),
    [
        ("ICU stays 2024\n" + ROWS, "a.csv", "line 1", 2),
        ("ICU stays 2024\n\n" + ROWS, "a.csv", "line 1", 3),
        ("Table 1, ICU stays, 2024\n" + ROWS, "a.csv", "line 1", 2),
        ("ICU stays 2024,,,,,\n,,,,,\n" + ROWS, "a.csv", "line 1", 3),
        ("ICU stays 2024\nof all wards, as of May\n" + ROWS.replace(",", ";"), "a.csv", "lines 1 to 2", 3),
        ("ICU stays, 2024\n" + ROWS.replace(",", "\t"), "a.tsv", "line 1", 2),
        ("Died\nsex,died\nF,1\nM,0\nF,0\n", "a.csv", "line 1", 2),
    ],
)
def test_a_title_above_the_header_is_named_with_the_line_of_the_header(tmp_path, text, name, place, header):
    for error in refusals(tmp_path, text, name):
        assert error.place == place and f"which seem to stand in line {header}: a title" in error.problem
        assert error.remedy == f"remove all lines above line {header}"


GERMAN = ROWS.replace(",", ";").replace(".", ",")  # decimal commas, which separate nothing


@pytest.mark.parametrize(
    ("title", "place", "header"),
    [
        ("ICU register 2023\n", "line 1", 2),
        ("ICU register\n", "line 1", 2),
        ("ICU register 2023;;;;;\n", "line 1", 2),
        ("Ages, laboratory, outcome, 2023\n", "line 1", 2),
        ("ICU register\n\nas of 2023\n", "lines 1 to 3", 4),
    ],
)
def test_decimal_commas_do_not_move_the_header(tmp_path, title, place, header):
    for error in refusals(tmp_path, title + GERMAN):
        assert (error.place, error.remedy) == (place, f"remove all lines above line {header}")


@pytest.mark.parametrize("text", [ROWS, GERMAN])
def test_bars_between_cells_and_open_quotes_are_no_title(tmp_path, text):
    between = ";" if text == GERMAN else ","
    for error in refusals(tmp_path, text.replace(between, "|")):
        assert error.place == "line 1" and "separated by `|`" in error.problem
    for error in refusals(tmp_path, text.replace("\n011", '\n"011', 1)):
        assert error.place.startswith("the row that begins at line") and "never closed" in error.problem


@pytest.mark.parametrize("text", [ROWS, GERMAN])
def test_a_gzip_that_was_cut_is_no_title(tmp_path, text):
    file = tmp_path / "mine.csv.gz"
    file.write_bytes(gzip.compress(text.encode())[:-200])
    with pytest.raises(InputError, match="not a whole gzip file") as caught:
        starter.starter(file, "mine")
    assert caught.value.remedy == "get the file again"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("Total,,,4000,160.1,20", "a total or a mean"),
        ("Summe:,,,4000,160.1,20", "a total or a mean"),
        (",,mean,50,2.0,0.25", "a total or a mean"),
        (f",,,{SUMS.age},{SUMS.lactate:.4f},{SUMS.died}", "the columns' sums or means"),
        (f",,,{SUMS.age / 80:.2f},{SUMS.lactate / 80:.4f},{SUMS.died / 80:.4f}", "the columns' sums or means"),
        ("Source: hospital A,,,,,", "a note below the table"),
        (",,,,,", "a row without a value"),
    ],
)
def test_a_last_row_that_is_no_record_is_the_only_fault(tmp_path, row, said):
    for error in refusals(tmp_path, f"{ROWS}{row}\n"):
        assert (error.place, error.problem) == ("row 81, the last one", f"{said}, no record")
        assert error.remedy == "remove it from the table"


def test_all_rows_below_the_last_record_are_named_beside_other_faults(tmp_path):
    text = ROWS.replace("F", "f", 3) + "Total,,,4000,160.1,20\nSource: hospital A,,,,,\n"
    parsed, suggested = (str(error) for error in refusals(tmp_path, text))
    assert "3 faults" in parsed and "another spelling" in parsed
    for said in (parsed, suggested):
        assert "row 81: a total or a mean" in said and "row 82, the last one: a note below" in said


@pytest.mark.parametrize(("below", "lines"), [("Total,,,4000\n", [82]), ("\nSource: A\nas of 2024\n", [83, 84])])
def test_short_last_lines_are_taken_for_what_stands_below_a_table(tmp_path, below, lines):
    for error in refusals(tmp_path, ROWS + below):
        assert all(f"line {line}" in str(error) for line in lines)
        assert error.remedy.startswith("if it is a total or a note below the table, remove it; if not, give every line")


def test_a_sound_table_loses_no_row(tmp_path):
    last = "041,2,F,,,1\n"  # a record with gaps
    file = tmp_path / "mine.csv"
    file.write_text(ROWS + last)
    acquire_raw("table", "mine", {"source": "local", "path": str(file)}, 1, tmp_path / "raw", tmp_path / "scratch")
    assert len(table.parse("mine", tmp_path / "raw", SETTINGS, 1).y) == 81


def test_a_header_without_one_name_is_not_taken_for_a_title(tmp_path):
    for error in refusals(tmp_path, ",sex,died\n1,F,1\n2,M,0\n3,F,0\n"):
        assert "it has no name: the index of a data frame" in str(error)
