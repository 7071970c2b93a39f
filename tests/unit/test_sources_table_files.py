"""A table may come from any program; what its cells say does not depend on it, and what is unclear is refused."""

import gzip
from pathlib import Path

import duckdb
import numpy as np
import pandas
import pytest

from medpriv.errors import InputError
from medpriv.leakage import check_leakage
from medpriv.sources import starter, table
from medpriv.sources.acquire import acquire_raw
from medpriv.sources.names import is_gap
from medpriv.sources.table_file import read_table
from medpriv.sources.tabular import centre_and_scale

SETTINGS = {"label": "died", "patient": "pid", "site": "ward", "groups": [], "categorical": ["sex"], "ignore": []}
SETTINGS |= {"test_fraction": 0.3}
LIMITS = {"auc": 0.95, "duplicates": 0.01, "allow": []}


def frame(patients: int = 40, rows: int = 2) -> pandas.DataFrame:
    """Return made-up patients of several rows; their ids and wards are text that looks like numbers and gaps."""
    rng = np.random.default_rng(3)
    patient = np.repeat(np.arange(patients), rows)
    return pandas.DataFrame(
        {
            "pid": [f"{one:03d}" for one in patient],
            "ward": np.array(["01", "2"])[patient % 2],
            "sex": np.array(["F", "M"])[rng.integers(2, size=patients)][patient],
            "age": rng.integers(20, 90, size=len(patient)),
            "lactate": rng.normal(2, 1, size=len(patient)).round(4),
            "died": patient % 3 // 2,
        }
    )


@pytest.fixture
def parse(tmp_path):
    """Return a call that takes a file's bytes, or a frame written as CSV, through the raw stage and the parser."""

    def call(content, name="mine.csv", **changes):
        file = tmp_path / name
        if isinstance(content, pandas.DataFrame):
            content = content.to_csv(index=False).encode()
        file.write_bytes(content)
        acquire_raw("table", "mine", {"source": "local", "path": str(file)}, 1, tmp_path / "raw", tmp_path / "scratch")
        return table.parse("mine", tmp_path / "raw", SETTINGS | changes, 1)

    return call


def refused(parse, content, **changes) -> str:
    with pytest.raises(InputError) as caught:
        parse(content, **changes)
    return str(caught.value)


def same(one, other) -> bool:
    texts = [(each.features, each.patients, each.sites, each.classes) for each in (one, other)]
    return texts[0] == texts[1] and np.array_equal(one.x, other.x) and np.array_equal(one.y, other.y)


def test_separators_decimal_commas_and_encodings_change_nothing(parse):
    plain = parse(frame())
    assert plain.patients[:2] == ("000", "001") and plain.sites == ("01", "2")  # text stays text
    comma = frame().to_csv(index=False, sep=";", decimal=",")
    assert same(parse(comma.encode()), plain)
    assert same(parse(("sep=;\r\n" + comma.replace("\n", "\r\n")).encode("utf-8-sig")), plain)
    assert same(parse(frame().to_csv(index=False, sep="\t").encode(), name="mine.TSV"), plain)
    assert same(parse(gzip.compress(comma.encode()), name="mine.CSV.gz"), plain)
    assert same(parse(comma.replace("\n", "\r").encode()), plain)
    assert same(parse(comma.replace("\n", "\n\n").encode()), plain)


def test_parquet_holds_the_same_table(parse, tmp_path):
    held = frame()
    held.loc[3, "lactate"] = np.nan
    with duckdb.connect() as database:
        database.register("held", held)
        database.execute(f"COPY held TO '{tmp_path / 'mine.parquet'}' (FORMAT parquet)")
    content = (tmp_path / "mine.parquet").read_bytes()
    text = refused(parse, content[:-50], name="mine.parquet")
    assert "mine.parquet: not a Parquet table" in text


def test_columns_of_parquet_are_called_as_in_the_file(parse, tmp_path):
    with duckdb.connect() as database:
        database.register("held", frame().assign(agX=7 * frame().lactate))
        query = "SELECT {'a': 1, 'b': [1, 2]} AS parts, * FROM held"  # parts have names, too
        database.execute(f"COPY ({query}) TO '{tmp_path / 'mine.parquet'}' (FORMAT parquet)")
    content = (tmp_path / "mine.parquet").read_bytes().replace(b"agX", b"AGE")  # DuckDB itself writes no such file
    assert parse(content, name="mine.parquet", ignore=["parts"]).features[:3] == ("age", "lactate", "AGE")
    assert "columns named twice: age" in refused(parse, content.replace(b"AGE", b"age"), name="mine.parquet")


def test_a_comma_before_decimals_or_thousands_is_not_guessed(parse):
    text = frame().to_csv(index=False, sep="\t")
    whole = frame().assign(lactate=[f"{value},{value}" for value in range(100, 180)])  # 100,100
    assert "before decimals or before thousands" in refused(parse, whole.to_csv(index=False, sep="\t").encode())
    mixed = text.replace("\t0\n", "\t0\n", 1).replace(text.split("\n")[1].split("\t")[4], "1,234", 1)
    assert "row 1, column lactate: a number with a comma, though in row" in refused(parse, mixed.encode())
    quoted = frame().assign(lactate="1,5").to_csv(index=False)
    assert "write decimals with a point (or save the table with semicolons" in refused(parse, quoted.encode())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("pid;age\n1;2\n".encode("utf-16"), "line 1: UTF-16, not UTF-8"),
        ("pid;sex\n1;f\n2;wéiblich\n".encode("latin-1"), "line 3: byte 0xe9 is not UTF-8"),
        (b"PK\x03\x04 and so on", "not a CSV table but a spreadsheet"),
        (gzip.compress(b"pid,age\n1,2\n", mtime=0), "not a CSV table but gzip.*ending .gz"),
        (b"pid:age\n1:2\n", "one column only: neither `,` nor `;` nor a tab"),
        (b"pid|age\n1|2\n", r"separated by `\|`"),
        (b"sep=|\npid|age\n1|2\n", r"line 1: separator '\|'"),
        (b'pid,note\n1,"open\n2,x\n3,y\n', "the row that begins at line 2: a quote opens here"),
        (
            b"pid,age\n1,2,3\n2,3\n3,4,5\n",
            r"2 lines do not fit the header.*\n.*line 2: 3 columns.*\n.*line 4: 3 columns",
        ),
        (b"sep=,\npid,age\n1,2\n2,3,5\n", "line 4: 3 columns instead of 2"),
        (b"pid,age\n1,5,3\n2,6,5\n", "each row has 3 columns, the header 2: a data frame's row names"),
        (b"", "the table has no rows"),
        (b"pid,age\n\n", "the table has no rows"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_its_line(tmp_path, content, message):
    (tmp_path / "mine.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"mine\.csv.*" + message):
        read_table(tmp_path / "mine.csv")


def test_a_spreadsheet_is_refused_with_what_to_save(tmp_path):
    (tmp_path / "mine.xlsx").write_bytes(b"PK")
    with pytest.raises(InputError, match="save the sheet as CSV UTF-8"):
        table.local_files(tmp_path / "mine.xlsx")
    with pytest.raises(InputError, match="no such file"):
        table.local_files(tmp_path / "mine.csv")


@pytest.mark.parametrize(
    "word", ["", "?", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", r"\N", "<NA>", "."]
)
def test_words_for_a_gap_are_gaps_in_features_and_refused_where_none_may_be(parse, word):
    assert is_gap(word)
    held = frame().astype(object)
    held.loc[4, ["sex", "lactate"]] = word
    held.loc[5, "sex"] = word
    dataset = parse(held)
    assert dataset.notes["missing_cells"] == {"age": 0, "lactate": 1, "sex": 2}
    assert dataset.features == ("age", "lactate", "sex=F", "sex=M") and not dataset.x[4, 2:].any()
    for column in ("died", "pid", "ward"):
        held = frame().astype(object)
        held.loc[[6, 8], column] = word
        expected = f"row 7, column {column} (and 1 further row): a missing value that must not be"
        assert expected in refused(parse, held)


@pytest.mark.parametrize(("column", "word"), [("pid", "Unknown"), ("pid", "-"), ("ward", "none"), ("ward", "—")])
def test_no_patient_or_site_is_called_nobody(parse, column, word):
    held = frame().astype(object)
    held.loc[6, column] = word
    assert f"row 7, column {column}: a missing value that must not be" in refused(parse, held)
    held = (
        frame().astype(object).assign(ward=np.repeat(["unknown", "B"], 40), died=held["died"].map({0: "none", 1: "-"}))
    )
    dataset = parse(held)  # such a ward, and such outcomes, there may be
    assert dataset.sites == ("B", "unknown") and dataset.classes == ("-", "none")


@pytest.mark.parametrize(
    ("column", "one", "other"),
    [
        ("died", "1", "1.0"),
        ("died", "yes", "Yes"),
        ("died", "1", "True"),
        ("pid", "100", "100.0"),
        ("pid", "7", "007"),
        ("pid", "100000", "1e+05"),
        ("ward", "A,b", "A;b"),
        ("ward", "Süd", "Su\u0308d"),
        ("sex", "1", "01"),
        ("sex", "F", "\ufeffF"),
    ],
)
def test_one_name_in_two_spellings_is_refused_with_both_rows(parse, column, one, other):
    held = frame().astype(object)
    held.loc[2:, column] = held.loc[2:, column].map(lambda value: one if value == held.loc[10, column] else value)
    held.loc[10, column] = one
    held.loc[11, column] = other
    text = refused(parse, held)
    first = int((held[column] == one).to_numpy().argmax()) + 1
    assert f"row 12, column {column}" in text and "another spelling of the" in text and f"in row {first}" in text


def test_words_for_yes_and_no_are_told_from_other_codes(parse):
    coded = frame().assign(died=np.array(["0", "1", "N"])[np.arange(80) // 2 % 3])
    assert "another spelling of the yes or no in row 1" in refused(parse, coded)
    assert parse(frame().assign(died=np.array(["N", "F", "0"])[np.arange(80) // 2 % 3])).classes == ("0", "F", "N")
    assert parse(frame().assign(died=frame().died.map({0: "false", 1: "true"}))).classes == ("false", "true")


def test_ids_that_a_spreadsheet_rounded_are_refused(parse):
    long = frame().assign(pid=[f"{1.234e15 + row // 2 * 1e10:.2E}" for row in range(80)])
    text = refused(parse, long, groups=[])
    assert "row 1, column pid (and 79 further rows): an id of which a spreadsheet" in text
    assert "kept the first digits alone" in text
    assert len(parse(frame().replace({"pid": {"007": "1e+05"}})).patients) == 40  # as R writes 100000


@pytest.mark.parametrize(("least", "merged"), [(9 * 10**17, True), (2**53, True), (2**53 - 80, False), (4711, False)])
def test_ids_that_a_float_column_of_parquet_rounds_are_refused(parse, tmp_path, least, merged):
    held = frame().assign(pid=[float(least + row // 2) for row in range(80)])
    with duckdb.connect() as database:
        database.register("held", held)
        database.execute(f"COPY held TO '{tmp_path / 'mine.parquet'}' (FORMAT parquet)")
    content = (tmp_path / "mine.parquet").read_bytes()
    if merged:
        text = refused(parse, content, name="mine.parquet", groups=[])
        assert "column pid" in text and "a column of floating-point numbers" in text and "Remedy: take the ids" in text
    else:
        assert len(parse(content, name="mine.parquet").patients) == 40


def test_a_header_that_differs_by_what_nobody_sees_is_told_so(parse):
    text = refused(parse, frame().rename(columns={"pid": "\ufeffpid"}).to_csv(index=False).encode("utf-8-sig"))
    assert "line 1: no column pid (preprocess.patient). Remedy: the header has it with a character" in text


@pytest.mark.parametrize("cell", ["1_20", "0x1A", "inf", "1e99", "12 ", "１２", "1,5", "1 000", "1e", "٣", "1e400"])
def test_numbers_are_those_of_plain_digits(parse, cell):
    held = frame().astype({"lactate": object})
    held.loc[3, "lactate"] = cell
    if cell == "12 ":
        assert parse(held).x[3, 1] == 12
    else:
        assert "row 4, column lactate: not a number" in refused(parse, held)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda held: held.reset_index(names=""), "line 1, column 1: it has no name: the index of a data frame"),
        (lambda held: held.reset_index(names="Unnamed: 0"), "line 1, column 1: it has no name"),
        (lambda held: held.assign(**{"": ""}), "line 1, column 7: it has neither a name nor cells"),
        (lambda held: held.reset_index(names="number"), "column number: it numbers the rows"),
        (lambda held: held.assign(stay_id=np.arange(900, 980)[::-1]), "column stay_id: an id by its name"),
        (lambda held: held.assign(country=7), "column country: no two rows differ in it"),
        (lambda held: held.assign(sex="F"), "column sex: no two rows differ in it"),
        (lambda held: held.assign(country="NA"), "column country: no two rows differ in it"),
        (lambda held: held.assign(icu=[1, None] * 40), "column icu: one number and gaps, which would get that number"),
        (lambda held: held.assign(sex=None), "column sex: no two rows differ in it"),
        (lambda held: held.assign(died=1), "column died: one class only"),
        (
            lambda held: held.assign(died=held.lactate),
            r"column died: \d+ numbers in 80 rows: a measurement, not classes",
        ),
        (lambda held: held.assign(died=held.age), r"column died: \d+ numbers in 80 rows: a measurement, not classes"),
        (lambda held: held.assign(died=[f"word{row}" for row in range(80)]), "column died: 80 classes, of 50 at most"),
        (lambda held: pandas.concat([held] * 2).assign(sex=[f"{i}s" for i in range(160)]), "column sex: 160 levels"),
        (lambda held: held.assign(**{"sex=F": held.lactate}), None),
        (lambda held: held.assign(**{"a,b": held.lactate, "a;b": held.age}), "two features of a;b would have one name"),
    ],
)
def test_columns_that_mean_something_else_are_refused(parse, change, message):
    if message is None:  # "=" becomes ":" in a name, so this is another feature than the level F of sex
        assert "sex:F" in parse(change(frame())).features
    else:
        with pytest.raises(InputError, match=message):
            parse(change(frame()))


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("code", [f"P-{row:04d}" for row in range(80)]),  # another one in every row
        ("who", [f"P-{row // 2:04d}" for row in range(240)]),  # more than a category may have
        ("patient_id", [f"P-{row // 2:04d}" for row in range(80)]),  # its name says so
    ],
)
def test_a_forgotten_patient_in_words_is_offered_as_the_patient_first(parse, name, ids):
    held = frame(len(ids) // 2).assign(**{name: ids}).drop(columns="pid")
    text = refused(parse, held, patient=None)
    assert f"column {name}: " in text and "categorical" not in text
    assert "Remedy: if it says who it is, name it under preprocess.patient; if not, under preprocess.ignore" in text
    aside = refused(parse, held.assign(pid=frame(len(ids) // 2).pid))
    assert aside.endswith("Remedy: name it under preprocess.ignore"), "the patient is known here"
    assert parse(held, patient=name).patients[0] == "P-0000"


def test_all_faults_of_a_table_come_at_once(parse):
    held = frame().astype(object).assign(note="free text", unit=1)
    held.loc[3, "died"] = "NA"
    held.loc[4, "age"] = "old"
    text = refused(parse, held, ignore=["notes"], site="wrad")
    assert text.startswith("mine.csv: 5 faults. Remedy: correct each"), "the owner's file, not the raw copy"
    assert len(text) < 1000
    assert "- line 1: no column wrad (preprocess.site); did you mean ward?" in text
    assert "- line 1: no column notes (preprocess.ignore); did you mean note?" in text
    assert "- row 4, column died: a missing value that must not be" in text
    assert "- row 5, column age: not a number" in text
    assert "- column unit: no two rows differ in it" in text


def test_the_header_of_a_second_file_is_named(parse):
    text = frame().to_csv(index=False)
    assert "- row 81: the header again; remove it" in refused(parse, (text + text).encode())


def test_a_long_list_of_faults_is_cut(parse):
    text = refused(parse, frame().assign(**{f"c{index:02d}": "x" for index in range(30)}))
    assert "row 1, column c00 (and 79 further rows); row 1, column c01" in text and text.count("not a number") == 1
    assert "column c09" in text and "column c10" not in text and "; and 20 more: not a number" in text


def test_a_forgotten_patient_is_found_by_its_values(parse):
    shuffled = frame().assign(subject=np.random.default_rng(5).permutation(10**6)[np.repeat(np.arange(40), 2)])
    without = shuffled.drop(columns="pid")
    for ignore in ([], ["subject"]):
        dataset = parse(without, patient=None, ignore=ignore)
        with pytest.raises(
            InputError, match=r"subject is probably the patients' id, but 40 of its 40 (.|\n)*allow: \[sub"
        ):
            check_leakage(dataset, LIMITS)
        assert check_leakage(dataset, LIMITS | {"allow": ["subject"]})[0]["name"] == "subject"
    unnamed = without.rename(columns={"subject": "x"})  # its sex says who repeats, whatever it is called
    assert list(parse(unnamed, patient=None).notes["ids"]) == ["x"]
    assert "ids" not in parse(shuffled.drop(columns="pid"), patient="subject").notes


@pytest.mark.parametrize("seed", range(20))
def test_honest_whole_numbers_are_no_ids(parse, seed):
    rng = np.random.default_rng(seed)
    held = frame(200, 1).drop(columns="pid").assign(age=rng.integers(20, 90, 200), los=rng.geometric(0.03, 200))
    held = held.assign(decade=held.age // 10 * 10, born=2000 - held.age, zip=rng.integers(100, 150, 200))
    assert "ids" not in parse(held, patient=None).notes


def test_an_id_of_stays_is_not_taken_for_the_patients(parse):
    held = frame(60, 1).drop(columns="pid").assign(person=np.repeat(np.arange(30), 2), stay=np.arange(60) + 700)
    held["sex"] = np.repeat(np.array(["F", "M"])[np.random.default_rng(1).integers(2, size=30)], 2)
    held = pandas.concat([held, held.assign(lactate=held.lactate + 1)]).sort_values("stay")
    assert parse(held, patient="stay").notes["ids"] == {"person": {"values": 30, "repeated": 30}}
    assert "ids" not in parse(held, patient="person").notes


def test_a_table_without_a_header_is_told_so(parse):
    text = refused(parse, frame().to_csv(index=False, header=False).encode())
    assert "line 1: no names of columns but 5 numbers, 1 word or code as in the rows below: there is no header" in text
    years = frame().assign(**{str(year): frame().lactate + year for year in range(2010, 2020)})
    assert parse(years).features[2:4] == ("2010", "2011")


def test_a_record_in_place_of_the_header_is_one_fault_that_shows_no_cell(tmp_path):
    """By the settings, whose names it lacks, and by itself for `make config`."""
    line = ["P00001", "Ulm", "07.11.2021", "46", "weiblich", "36,8", "ja"]
    rows = [
        f"P0{i // 2:04};{['Ulm', 'Bonn'][i % 2]};0{1 + i % 9}.11.2021;{40 + i % 31};weiblich;36,{i % 10};ja"
        for i in range(60)
    ]
    file = tmp_path / "mine.csv"
    file.write_text("\n".join([";".join(line), *rows]) + "\n")
    settings = SETTINGS | {"label": "Tod", "patient": "Kennung", "site": "Klinik", "categorical": ["Geschlecht"]}
    acquire_raw("table", "mine", {"source": "local", "path": str(file)}, 1, tmp_path / "raw", tmp_path / "scratch")
    for read in (lambda: table.parse("mine", tmp_path / "raw", settings, 1), lambda: starter.starter(file, "mine")):
        with pytest.raises(InputError) as caught:
            read()
        said = caught.value
        assert (
            said.problem
            == "no names of columns but 2 numbers, 1 date, 4 words or codes as in the rows below: there is no header"
        )
        assert (said.place, said.remedy) == ("line 1", "put a line with the columns' names first")
        assert not any(cell in str(said) for cell in line)


def test_names_that_may_be_a_record_are_not_listed(parse):
    """A line of words alone that holds none of the settings' names, and single names that look like cells."""
    held = frame().rename(
        columns=dict(zip(frame().columns, ["Meier", "Anna", "Ulm", "Husten", "Fieber", "Tod"], strict=True))
    )
    text = refused(parse, held.to_csv(index=False).encode())
    assert "put a line with the names first" in text and not any(name in text for name in held.columns)
    one = frame().rename(columns={"lactate": "4711"})
    text = refused(parse, one.to_csv(index=False).encode(), ignore=["zzz"])
    assert "no column zzz (preprocess.ignore)" in text and "name one of pid" in text and "4711" not in text


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_few_rows_are_refused_in_words(parse, rows):
    refused(parse, frame().iloc[:rows])


def test_names_become_keys_that_can_be_told_apart(parse):
    held = frame().assign(**{"sex, at birth": frame().sex, "level": np.repeat(np.arange(40) % 2, 2)})
    dataset = parse(held, groups=["sex, at birth", "level"], ignore=["sex, at birth"])
    assert list(dataset.groups) == ["sex; at birth", "level (column)"]


def test_a_table_may_hold_words_or_numbers_alone(parse):
    assert parse(frame(), ignore=["age", "lactate"]).features == ("sex=F", "sex=M")
    assert parse(frame(), ignore=["sex"], categorical=[]).features == ("age", "lactate")
    text = refused(parse, frame(), ignore=["sex", "age", "lactate"], categorical=[])
    assert "no column is left to learn from. Remedy: shorten preprocess.ignore" in text


def test_one_hot_columns_are_scaled_like_numbers(parse):
    dataset = parse(frame())
    train = dataset.rows(0)
    centre, scale = centre_and_scale(dataset.x.astype(np.float64), train)
    assert dataset.centre == pytest.approx(centre) and dataset.scale == pytest.approx(scale)


def test_values_are_those_that_pandas_reads(tmp_path):
    values = np.random.default_rng(0).normal(size=500) * 10.0 ** np.random.default_rng(1).integers(-9, 9, 500)
    pandas.DataFrame({"a": values, "b": 1}).to_csv(tmp_path / "mine.csv", index=False)
    column = read_table(Path(tmp_path / "mine.csv")).columns[0]
    assert np.array_equal(np.array(column.texts, dtype=float)[column.code], values)


@pytest.mark.parametrize(
    ("cell", "problem", "remedy"),
    [
        ("{}%", "a number with a percent sign", "write it without percent signs"),
        ("{} mg/l", "a number with its unit", "write it without the unit, the same in all rows"),
        ("<{}", "a limit (such as < before a number), not a number", "as a number with a comma"),
        ("ca. {}", "not a number", "write it in digits 0 to 9 with a comma"),
    ],
)
def test_what_stands_beside_a_number_is_told_with_the_tables_own_decimal_sign(parse, cell, problem, remedy):
    held = frame().assign(crp=[f"{value:.2f}".replace(".", ",") for value in frame().lactate])
    some = held.assign(lactate=[cell.format(value) if row % 9 == 0 else value for row, value in enumerate(held.crp)])
    text = refused(parse, some.to_csv(index=False, sep=";").encode())
    assert f"row 1, column lactate (and 8 further rows): {problem}" in text and remedy in text


@pytest.mark.parametrize(("cell", "said"), [("{}%", "a percent sign"), ("{} mg/l", "its unit")])
def test_a_whole_column_of_numbers_with_units_is_no_column_of_words(parse, cell, said):
    held = frame(80).assign(lactate=[cell.format(value) for value in frame(80).lactate])
    assert f"column lactate (and 159 further rows): a number with {said}" in refused(parse, held)


def test_moments_with_a_time_zone_are_dates_wherever_the_table_is_read(parse, tmp_path, monkeypatch):
    held = frame()
    held["seen"] = pandas.to_datetime("2024-03-01 23:30") + pandas.to_timedelta(held.age, unit="D")
    found = []
    for zone in ("UTC", "Pacific/Auckland"):
        monkeypatch.setenv("TZ", zone)
        with duckdb.connect() as database:
            database.execute("SET TimeZone = 'UTC'")
            query = "SELECT * REPLACE (seen::TIMESTAMPTZ AS seen) FROM held"
            database.execute(f"COPY ({query}) TO '{tmp_path / 'moments.parquet'}' (FORMAT parquet)")
        dataset = parse((tmp_path / "moments.parquet").read_bytes(), name="mine.parquet", dates=["seen"])
        found.append(dataset.records.aside[:, 0])
    assert np.array_equal(*found) and len(set(found[0])) == held.age.nunique()


def test_a_row_of_units_below_the_header_is_told_as_such(parse):
    head, rest = frame().to_csv(index=False).split("\n", 1)
    text = refused(parse, f"{head}\n,,,years,mmol/l,\n{rest}".encode())
    assert "row 1: words where all further rows have numbers: probably units" in text
    assert "words where" not in refused(parse, f"{head}\n1,2,F,40,high,1\n{rest}".encode())
