"""Your own CSV becomes a dataset as the settings say, and what cannot be used is one clear error."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from made_up_datasets import check_the_way_back

from medpriv.config.check import check_config
from medpriv.config.table import PreprocessTable
from medpriv.dataset import TEST, TRAIN
from medpriv.errors import InputError
from medpriv.records.tables import Column
from medpriv.sources import table
from medpriv.sources.acquire import acquire_raw
from medpriv.sources.table_columns import category
from medpriv.sources.table_file import column_of
from medpriv.sources.table_roles import ROLES

SETTINGS = {
    "label": "outcome",
    "patient": "id",
    "site": "ward",
    "groups": ["sex"],
    "categorical": ["sex", "drug"],
    "ignore": ["note"],
    "test_fraction": 0.3,
}
HEADER = "id,ward,sex,age,drug,lactate,note,outcome"


def lines(patients=40, rows=2):
    """Return a table of patients with several rows each; lactate is missing in every fifth row."""
    rng = np.random.default_rng(1)
    return [HEADER] + [
        f"p{patient},{'AB'[patient % 2]},{'FM'[patient // 2 % 2]},{rng.integers(20, 90)},"
        f"{['none', 'x', 'y'][rng.integers(3)]},{'' if (patient + row) % 5 == 0 else rng.normal():.4},"
        f'"free, text",{[2, 10, 9][patient % 3]}'
        for patient in range(patients)
        for row in range(rows)
    ]


@pytest.fixture
def parse(tmp_path):
    """Return a call that takes lines through the raw stage and the parser."""

    def call(text=None, **changes):
        file = tmp_path / "mine.csv"
        file.write_text("\n".join(text or lines()) + "\n", encoding="utf-8")
        acquire_raw("table", "mine", {"source": "local", "path": str(file)}, 1, tmp_path / "raw", tmp_path / "scratch")
        return table.parse("mine", tmp_path / "raw", SETTINGS | changes, 1)

    return call


def test_gaps_are_kept_and_features_lead_back_to_the_cells(parse):
    check_the_way_back(parse())


def test_columns_become_what_the_settings_say(parse):
    dataset = parse()
    assert dataset.features == ("age", "lactate", "sex=F", "sex=M", "drug=none", "drug=x", "drug=y")
    assert dataset.classes == ("2", "9", "10") and dataset.sites == ("A", "B")
    assert dataset.x.shape == (80, 7) and len(dataset.patients) == 40
    assert dataset.groups["sex"][dataset.patients.index("p3")] == "M"
    assert dataset.credentialed


def test_the_positive_class_is_the_last_one_or_the_one_that_is_named(parse):
    text = [
        lines()[0],
        *(f"{line.rsplit(',', 1)[0]},{'ja' if line.endswith(',2') else 'nein'}" for line in lines()[1:]),
    ]
    plain, other = parse(text), parse(text, positive="ja")
    assert plain.labels.positive == "nein" and other.labels.positive == "ja"
    assert np.array_equal(plain.y, 1 - other.y)
    with pytest.raises(InputError, match=r"no class yes \(preprocess\.positive\)"):
        parse(text, positive="yes")
    with pytest.raises(InputError, match="3 classes in the label's column, where it is of two"):
        parse(positive="2")


def test_what_is_no_class_is_not_counted_as_one(parse):
    """A gap, a word for unknown, a repeated header, one class alone: each is the label's only fault."""
    text = [one[: one.rindex(",")] + f",{'no' if place % 3 else 'yes'}" for place, one in enumerate(lines()[1:])]
    text = [HEADER, *text]
    for last, told in (("", "a missing value"), ("Unbekannt", "a word for unknown")):
        with pytest.raises(InputError) as caught:
            parse([*text[:-1], text[-1].rsplit(",", 1)[0] + f",{last}"], positive="yes")
        assert caught.value.problem.startswith(told) and caught.value.place == "row 80, column outcome"
    for changed, told in (
        ([*text, HEADER], "the header again"),
        ([one.replace(",yes", ",no") for one in text], "one class"),
    ):
        with pytest.raises(InputError, match=told) as caught:
            parse(changed, positive="yes")
        assert "preprocess.positive" not in str(caught.value)


def test_a_rare_third_class_is_told_with_the_positive_one_and_a_table_of_two_patients_by_its_cause(parse):
    text = [one[: one.rindex(",")] + f",{'no' if place % 3 else 'yes'}" for place, one in enumerate(lines()[1:])]
    with pytest.raises(InputError) as caught:
        parse([HEADER, text[0].replace(",yes", ",moved"), *text[1:]], positive="yes")
    assert "the class of row 1, 1 row of 1 person: no test record has this class" in str(caught.value)
    assert "3 classes in the label's column" in str(caught.value) and "moved" not in str(caught.value)
    two = [f"p{place % 2},{one.split(',', 1)[1]}" for place, one in enumerate(text)]
    with pytest.raises(InputError, match="2 patients in the whole table") as caught:
        parse([HEADER, *two], groups=[], test_fraction=0.01)
    assert "name under preprocess.patient the column that tells people apart" in str(caught.value)


def test_rows_of_a_patient_are_in_one_split_of_the_share_asked_for(parse):
    dataset = parse()
    assert np.sum(dataset.split == TEST) == 12
    assert np.array_equal(np.bincount(dataset.patient), np.full(40, 2))
    assert len(set(dataset.patient[dataset.rows(TRAIN)]) & set(dataset.patient[dataset.rows(TEST)])) == 0


def test_patients_with_rows_of_several_sites_are_counted(parse):
    text = lines()
    assert "patients_of_several_sites" not in parse(text).notes
    for line in (2, 6):  # the second row of p0 and of p2
        text[line] = text[line].replace(",A,", ",C,")
    assert parse(text).notes["patients_of_several_sites"] == 2


def test_one_hot_columns_say_which_level_a_row_has(parse):
    dataset = parse()
    row = lines()[1].split(",")
    drug = dict(zip(dataset.features, dataset.x[0], strict=True))
    assert drug[f"drug={row[4]}"] == 1 and sum(drug[f"drug={level}"] for level in ("none", "x", "y")) == 1


def test_imputation_knows_training_rows_only(parse):
    dataset = parse()
    lactate = np.array([line.split(",")[5] for line in lines()[1:]])
    gaps = lactate == ""
    median = np.median(lactate[~gaps & dataset.rows(TRAIN)].astype(float))
    assert dataset.x[gaps, 1] == pytest.approx(np.full(gaps.sum(), median))
    assert dataset.notes["missing_cells"]["lactate"] == gaps.sum()


def test_without_patient_and_site_columns_each_row_is_a_patient_of_one_site(parse):
    dataset = parse(patient=None, site=None, ignore=["note", "id", "ward"])
    assert len(dataset.patients) == 80 and dataset.sites == ("all",)
    assert dataset.patients[0] == "row-00001"


def test_a_missing_category_and_one_unseen_in_training_are_rows_of_zeros():
    levels, code = category(column_of("drug", ["a", "b", "", "c"]), [])
    drug = Column("drug", "onehot", levels=tuple(levels), features=("drug=a", "drug=b", ""))
    columns = drug.encode(code)
    assert levels == ["a", "b", "c"] and drug.made == ("drug=a", "drug=b")
    assert columns.tolist() == [[1, 0], [0, 1], [0, 0], [0, 0]]
    assert columns.dtype == np.float32  # an array, not lists: memory grows with rows times levels, 4 bytes each


def test_cells_of_a_level_that_no_training_row_has_are_counted(parse):
    dataset = parse()
    assert dataset.notes["cells_of_levels_unseen_in_training"] == 0
    test = int(np.flatnonzero(dataset.rows(TEST))[0])
    text = lines()
    cells = text[1 + test].split(",")
    text[1 + test] = ",".join([*cells[:4], "rare", *cells[5:]])
    assert parse(text).notes["cells_of_levels_unseen_in_training"] == 1


def test_groups_of_a_measurement_are_refused(parse):
    text = [f"{line},{line.split(',')[0] if number else 'many'}x" for number, line in enumerate(lines(patients=101))]
    with pytest.raises(InputError, match=r"column manyx: 101 groups, of 100 at most"):
        parse(text, groups=["manyx"], ignore=["note", "manyx"])


def test_names_fit_into_a_measures_group(parse):
    text = [line.replace(",B,", ',"B, C=1",') for line in lines()]
    assert parse(text).sites == ("A", "B; C:1")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("p1,B", "p1,B,B", r"line 4: 9 columns instead of 8"),
        ("p1,B,F,", "p1,B,F,x", r"row 3, column age: not a number"),
        ("p1,B,F,", "p1,B,F,1e", r"row 3, column age: not a number"),
        ("p1,B", ",B", r"row 3, column id: a missing value that must not be"),
        ("p1,B,F", "p1,B,M", r"row 4, column sex: another value than in row 3 of the same patient"),
        ("outcome", "outcom", r"line 1: no column outcome \(preprocess.label\). Remedy: did you mean outcom\?"),
        ("note", "age", r"(.|\n)*line 1: columns named twice: age"),
        ('"free', '"fr"ee', r"the row that begins at line 2: not a CSV table"),
    ],
)
def test_a_bad_table_is_refused_with_its_place(parse, old, new, message):
    with pytest.raises(InputError, match=r"mine\.csv.*" + message):
        parse("\n".join(lines()).replace(old, new, 1).split("\n"))


def test_a_table_without_rows_is_refused(parse):
    with pytest.raises(InputError, match="the table has no rows"):
        parse([HEADER])


def test_a_class_too_rare_to_be_split_is_named(parse):
    text = lines()
    text[1], text[2] = (line.rsplit(",", 1)[0] + ",77" for line in text[1:3])
    with pytest.raises(InputError, match="the class of row 1, 2 rows of 1 person: no test record has this class"):
        parse(text)


def test_a_path_that_is_no_csv_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"not a \.csv or \.parquet file"):
        acquire_raw("table", "mine", {"source": "local", "path": str(tmp_path)}, 1, tmp_path / "raw", tmp_path / "s")


def test_the_config_refuses_a_column_with_two_roles():
    section = {"format": "table", "raw": {"path": "mine.csv"}, "preprocess": {"label": "sex", "categorical": ["sex"]}}
    with pytest.raises(InputError, match=r"give each column one of .*: sex"):
        check_config({"datasets": {"mine": section}})


def test_the_config_fills_in_what_parse_needs():
    section = {"format": "table", "raw": {"path": "mine.csv"}, "preprocess": {"label": "outcome"}}
    checked = check_config({"datasets": {"mine": section}})["datasets"]["mine"]
    assert set(checked["preprocess"]) == {*SETTINGS, *ROLES, *KNOWN, "leakage", "positive", "missing_codes"}
    assert checked["raw"] == {"source": "local", "path": "mine.csv"}


def test_the_example_in_the_docs_passes_the_check():
    text = (Path(__file__).parents[2] / "docs" / "data" / "own-table.md").read_text()
    *parts, attacks = (yaml.safe_load(part.split("```")[0]) for part in text.split("```yaml\n")[1:])
    short, long = (check_config(part | attacks) for part in parts)
    assert set(short["attacks"]["linkage"]["sets"]["icu"]) == {"neighbour", "insurer"}
    assert short["datasets"]["icu"]["preprocess"] == long["datasets"]["icu"]["preprocess"]


# What is publicly known of columns.

KNOWN = {
    "ranges": {"age": [18, 100], "lactate": [-30, 30]},
    "decimals": {"age": 0},
    "levels": {"sex": ["M", "F", "X"], "drug": ["none", "x", "y"]},
}


def test_ranges_decimals_and_levels_are_those_declared(parse):
    columns = {column.name: column for column in parse(**KNOWN).records.columns}
    assert (columns["age"].lower, columns["age"].upper, columns["age"].decimals) == (18, 100, 0)
    assert (columns["lactate"].lower, columns["lactate"].decimals) == (-30, None)
    assert columns["sex"].levels == ("F", "M", "X")
    assert columns["sex"].features == ("sex=F", "sex=M", "")  # no training row has an X
    assert all(columns[name].declared for name in ("sex", "drug"))


def test_without_them_nothing_is_taken_from_the_rows(parse):
    for column in parse().records.columns:
        assert (column.lower, column.upper, column.decimals, column.declared) == (None, None, None, False)


def test_a_level_beyond_those_declared_is_a_fault_with_its_row(parse):
    with pytest.raises(InputError, match=r"row \d+, column sex .*a level that preprocess.levels doesn't name"):
        parse(levels={"sex": ["M", "X"]})


def test_cells_beyond_a_range_are_counted_and_many_of_them_refused(parse):
    ages = parse().records.raw[:, 0]
    few, many = (float(np.quantile(ages, share, method="lower")) for share in (0.85, 0.5))
    counted = parse(ranges={"age": [0, few], "lactate": [-30, 30]})
    assert counted.notes["cells_beyond_ranges"] == {"age": int(np.sum(ages > few))}
    assert np.array_equal(counted.records.raw[:, 0], ages)  # what is real stays as it is
    assert "cells_beyond_ranges" not in parse(ranges={"age": [0, 200]}).notes
    problem = rf"column age: {int(np.sum(ages > many))} of 80 values lie beyond its range, 0 to {many:g}"
    with pytest.raises(InputError, match=problem + r".*correct preprocess\.ranges"):
        parse(ranges={"age": [0, many]})


def test_a_range_of_no_column_is_a_fault(parse):
    with pytest.raises(InputError, match=r"no column agee \(preprocess.ranges\).*did you mean age\?"):
        parse(ranges={"agee": [0, 100]})


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ({"ranges": {"age": [100, 18]}}, "ranges.age: write"),
        ({"decimals": {"age": 0}}, "decimals: give age a range"),
        ({"levels": {"ward": ["A", "B"]}}, "levels: name ward under categorical"),
        ({"levels": {"sex": ["M", "M"]}}, "a level stands twice in sex"),
        ({"ranges": {"sex": [0, 1]}}, "ranges: only columns that are numbers"),
    ],
)
def test_what_is_known_is_checked_before_the_table_is_read(known, told):
    with pytest.raises(ValueError, match=told):
        PreprocessTable(**SETTINGS | known)
