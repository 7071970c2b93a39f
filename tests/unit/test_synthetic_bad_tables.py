"""Awkward own tables, and awkward synthetic ones: a clear error, or a stated conversion; never a crash."""

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from made_up_generators import COLUMNS, bank_of_tables, copies, draw_cells, halves, table_dataset

from medpriv.dataset import TRAIN
from medpriv.errors import InputError
from medpriv.measures import classifiers, synthetic_utility, two_sample
from medpriv.release.table import write_table
from medpriv.sources import table
from medpriv.sources.acquire import acquire_raw
from medpriv.synthesis.schema import LABEL, Schema, cells_of

USE = {"replicates": 2, "margin": 0.05, "enough_test_patients": 300}
OWN = {
    "label": LABEL,
    "patient": None,
    "site": None,
    "groups": [],
    "categorical": ["drug"],
    "ignore": [],
    "test_fraction": 0.3,
}


@pytest.fixture(scope="module", autouse=True)
def few_trees():
    with mock.patch.object(classifiers, "TREES", 4), mock.patch.object(two_sample, "TREES", 4):
        yield


def own_rows(n: int = 60) -> list[dict[str, str]]:
    rng = np.random.default_rng(0)
    return [
        {"age": str(40 + row % 37), "dose": f"{rng.normal():.2f}", "drug": "xyz"[row % 3], LABEL: str(row // 2 % 2)}
        for row in range(n)
    ]


def parse(tmp_path, rows: list[dict[str, str]], **changes: object):
    path = tmp_path / "own.csv"
    path.write_text("\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]) + "\n")
    acquire_raw("table", "own", {"source": "local", "path": str(path)}, 1, tmp_path / "raw", tmp_path / "scratch")
    return table.parse("own", tmp_path / "raw", OWN | changes, 1)


def with_column(**values) -> list[dict[str, str]]:
    (name, value), rows = next(iter(values.items())), own_rows()
    return [{**row, name: value(place)} for place, row in enumerate(rows)]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("dose", lambda row: "3", "no two rows differ in it"),  # constant number
        ("drug", lambda row: "x", "no two rows differ in it"),  # constant category
        ("dose", lambda row: "", "no two rows differ in it|no training patient has a value"),  # all missing
        ("dose", lambda row: f"felt {'worse ' * (row % 5)}today, {row}".replace(",", ""), "not a number|free text"),
        ("dose", lambda row: f"2024-01-{1 + row % 28:02d}", "not a number|dates"),
        ("drug", lambda row: f"2024-{1 + row // 28:02d}-{1 + row % 28:02d} {row}", "levels"),  # date, as a category
    ],
)
def test_what_tells_nothing_or_is_no_number_is_refused_by_name(tmp_path, column, value, message):
    rows = with_column(**{column: value})
    if column == "drug" and "levels" in message:
        rows = [{**row, "drug": f"2024-{place:03d}"} for place, row in enumerate(own_rows(140))]
    with pytest.raises(InputError, match=message) as refused:
        parse(tmp_path, rows)
    assert column in str(refused.value)


def test_one_row_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"one class only|no two rows differ"):
        parse(tmp_path, own_rows(1))


def audited(dataset, tables, members):
    found = synthetic_utility.audit(dataset, bank_of_tables(dataset, members, tables), None, USE, 1)
    assert any(row.measure == "tstr_accuracy" and not np.isnan(row.value) for row in found.measures)
    assert not any(np.isinf([row.value, row.lower, row.upper]).any() for row in found.measures)
    return found


def test_a_level_seen_once_and_one_of_test_rows_alone_survive_all_the_way(tmp_path):
    plain = parse(tmp_path / "plain", own_rows()) if (tmp_path / "plain").mkdir() is None else None
    train = np.flatnonzero(plain.rows(TRAIN))
    test = np.flatnonzero(~plain.rows(TRAIN))
    rows = own_rows()
    rows[train[0]]["drug"] = "once"
    rows[test[0]]["drug"] = "unheard"
    (tmp_path / "made").mkdir()
    dataset = parse(tmp_path / "made", rows)
    drug = dataset.records.columns[-1]
    assert drug.levels == ("once", "unheard", "x", "y", "z")
    assert dict(zip(drug.levels, drug.features, strict=True))["unheard"] == ""  # no feature: nobody could learn it
    place = dataset.records.features.index("drug=once")
    assert dataset.x[:, place].sum() == 1
    assert not dataset.x[test[0], [name.startswith("drug=") for name in dataset.features]].any()  # zeros, as a gap
    members = halves(dataset, 2)
    tables = copies(dataset, members)
    tables[0][0, 2], tables[1][:3, 2] = 0, 1  # generators may write both levels, and a gap
    tables[1][4, 2] = -1
    audited(dataset, tables, members)
    schema = Schema.of(dataset)
    assert schema.fields[2].levels == drug.levels
    write_table(tmp_path / "out.csv", schema, tables[1])
    text = (tmp_path / "out.csv").read_text().splitlines()
    assert [line.split(",")[2] for line in text[1:6]] == ["unheard"] * 3 + [text[4].split(",")[2], ""]


def test_constant_and_missing_columns_of_a_synthetic_table_have_stated_figures():
    dataset = table_dataset(train=60, test=40)
    members = halves(dataset, 2)
    tables = copies(dataset, members)
    for made in tables:
        made[:, 0], made[:, 1], made[:, 3], made[:, 5] = 61, np.nan, -1, 1
    found = audited(dataset, tables, members)
    ages = [row for row in found.tables["marginals"].rows if row["column"] == "age"]
    assert sum(row["synthetic"] for row in ages) == 1
    gaps = next(row for row in found.tables["marginals"].rows if row["column"] == "pressure" and row["level"] == "gap")
    assert gaps["synthetic"] == 1
    assert all(
        np.isnan(row["synthetic"])
        for row in found.tables["marginals"].rows
        if row["column"] == "pressure" and row["level"] != "gap"
    )


def test_a_constant_column_of_the_real_table_is_no_obstacle():
    cells = draw_cells(np.random.default_rng(0), 100)
    cells[:, 0], cells[:, 2] = 50, 1
    dataset = table_dataset(train=60, test=40, cells=cells)
    members = halves(dataset, 2)
    found = audited(dataset, copies(dataset, members), members)
    assert {row.group for row in found.measures if row.group.startswith("sex")} == {"sex=M"}


@pytest.mark.parametrize("rows", [1, 2])
def test_replicates_of_one_or_two_rows_are_measured_by_chance_answers(rows: int):
    dataset = table_dataset(train=20, test=30)
    members = np.zeros((2, 50), bool)
    members[0, :rows] = members[1, 5 : 5 + rows] = True
    found = audited(dataset, copies(dataset, members), members)
    figures = {row.measure: row for row in found.measures if not row.group and not row.replicate}
    assert figures["tstr_auroc_difference"].value == 0
    assert np.isnan(figures["c2st_auc"].value)
    if rows == 1:
        assert figures["tstr_auroc"].value == 0.5


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (0, np.inf, "column age: a number that is infinite"),
        (1, 1e39, "column pressure: a number that is infinite"),
        (3, 3.0, "column stage: none of its 3 levels"),
        (3, 0.5, "column stage: none of its 3 levels"),
        (6, -1.0, "column outcome: none of its 2 levels"),
    ],
)
def test_what_the_schema_has_no_place_for_is_refused_with_its_column(place, value, message):
    dataset = table_dataset(train=20, test=20)
    members = halves(dataset, 1)
    tables = copies(dataset, members)
    tables[0][2, place] = value
    with pytest.raises(InputError, match=message):
        synthetic_utility.audit(dataset, bank_of_tables(dataset, members, tables), None, USE, 1)


def test_a_gap_that_no_real_row_has_is_taken_for_the_mean():
    columns = (replace(COLUMNS[0], fill=None), *COLUMNS[1:])
    dataset = table_dataset(train=40, test=40)
    dataset = replace(dataset, records=replace(dataset.records, columns=columns))
    members = halves(dataset, 2)
    tables = copies(dataset, members)
    tables[0][:5, 0] = np.nan
    audited(dataset, tables, members)
    assert not np.isnan(cells_of(dataset, np.arange(80))[:, 0]).any()
