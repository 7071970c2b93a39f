"""Gaps and counts of a synthetic table agree, whatever the generator wrote."""

import numpy as np
import pytest
from made_up_generators import COLUMNS, table_dataset

from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.measures.clinical_rules import cells_by_name, rules_of
from medpriv.synthesis.consistency import made_consistent
from medpriv.synthesis.schema import LABEL, Counted, Field, Schema, cells_of
from medpriv.treatments.synthetic import train

NAN = np.nan
SCHEMA = Schema(
    (Field("low"), Field("high"), Field("kind", ("a", "b")), Field("count", (), 0, 9, 0), Field(LABEL, ("no", "yes"))),
    (Counted(3, 0.0, (0, 1, 2)),),
)


def mended(rows: list[list[float]], schema: Schema = SCHEMA) -> tuple[np.ndarray, int]:
    return made_consistent(np.array(rows, float), schema, np.random.default_rng(0))


def test_where_the_count_is_0_values_become_gaps_and_elsewhere_gaps_become_values_of_one_other_row() -> None:
    made, changed = mended([[1, 2, 0, 3, 1], [5, NAN, 1, 0, 0], [NAN, 7, -1, 2, 1], [NAN, NAN, -1, 0, 0]])
    expected = [[1, 2, 0, 3, 1], [NAN, NAN, -1, 0, 0], [1, 7, 0, 2, 1], [NAN, NAN, -1, 0, 0]]
    assert np.array_equal(made, expected, equal_nan=True)
    assert changed == 4


def test_gaps_of_a_row_are_filled_from_the_same_row() -> None:
    donors = [[place, 10 * place, place % 2, 1, 0] for place in range(1, 40)]
    made, _ = mended([*donors, *[[NAN, NAN, -1, 1, 0]] * 200])
    filled = made[len(donors) :]
    assert np.array_equal(filled[:, 1], 10 * filled[:, 0]) and np.array_equal(filled[:, 2], filled[:, 0] % 2)
    assert len(np.unique(filled[:, 0])) > 30


def test_without_a_row_that_has_all_values_nobody_was_measured() -> None:
    made, changed = mended([[NAN, NAN, -1, 4, 1], [NAN, 3, -1, 2, 0]])
    assert np.array_equal(made, [[NAN, NAN, -1, 0, 1], [NAN, NAN, -1, 0, 0]], equal_nan=True)
    assert changed == 3


def test_a_row_whose_count_is_left_out_stays() -> None:
    rows = [[1, NAN, 0, NAN, 1], [1, 2, 0, 3, 1]]
    made, changed = mended(rows)
    assert np.array_equal(made, rows, equal_nan=True) and not changed


def test_a_flag_counts_by_its_code_not_by_its_place() -> None:
    flag = Field("flag", ("yes", "no"))
    schema = Schema((Field("value"), flag, Field(LABEL, ("no", "yes"))), (Counted(1, 1.0, (0,)),))
    made, _ = mended([[4, 0, 0], [5, 1, 0], [NAN, 0, 1]], schema)
    assert np.array_equal(made, [[4, 0, 0], [NAN, 1, 0], [4, 0, 1]], equal_nan=True)


def test_a_schema_knows_which_column_tells_the_gaps_of_which() -> None:
    assert Schema.of(table_dataset()).counted == (Counted(5, 0.0, (4,)),)


def test_real_rows_break_nothing_and_stay_as_they_are() -> None:
    dataset = table_dataset()
    cells = cells_of(dataset, np.arange(len(dataset.y)))
    made, changed = made_consistent(cells, Schema.of(dataset), np.random.default_rng(0))
    assert np.array_equal(made, cells, equal_nan=True) and not changed


@pytest.mark.parametrize("generator", ["marginals", "copula"])
def test_no_bank_of_generators_holds_a_value_beside_a_count_of_0_nor_a_gap_beside_another(generator: str) -> None:
    dataset = table_dataset(train=80, test=40)
    made = TrainingSpec(f"synthetic-{generator}", "synthetic", {"generator": generator}, generator, {}, {"released": 3})
    bank = train(dataset, made, Draw(range(2), 2, 1))
    raw = bank.outputs.arrays["raw"]
    assert np.array_equal(np.isnan(raw[:, 4]), raw[:, 5] == 0)
    assert 0.3 < (raw[:, 5] == 0).mean() / 0.3 < 2
    rule = next(rule for rule in rules_of(COLUMNS) if rule.on_gaps)
    assert not rule.judge(cells_by_name(COLUMNS, raw))[1].any()
    assert 0 < bank.metadata["made_consistent"] < 0.2


def test_a_copy_of_rows_is_no_other_for_it() -> None:
    dataset = table_dataset(train=80, test=40)
    made = TrainingSpec(
        "synthetic-bootstrap", "synthetic", {"generator": "bootstrap"}, "bootstrap", {}, {"released": 1}
    )
    bank = train(dataset, made, Draw(range(2), 2, 1))
    assert bank.metadata == {"made_consistent": 0.0}
    rows = {row.tobytes() for row in np.nan_to_num(cells_of(dataset, np.arange(120))[:, :-1], nan=-9)}
    assert {row.tobytes() for row in np.nan_to_num(bank.outputs.arrays["raw"], nan=-9)} <= rows
