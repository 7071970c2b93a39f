"""Codes of tables by public ranges: no row moves them, and the way back stays within what can be."""

from dataclasses import replace

import numpy as np
import pytest

from medpriv.errors import InputError
from medpriv.seeds import generator
from medpriv.synthesis.domain import Domain, bin_edges
from medpriv.synthesis.schema import Field, Schema

AGE = Field("age", (), 15, 110, 0, complete=True)
CHOL = Field("chol", (), 50, 700, 0)
PH = Field("ph", (), 6.5, 8.0)
SEX = Field("sex", ("F", "M"), declared=True)
LABEL = Field("outcome", ("no", "yes"), declared=True, complete=True)
SCHEMA = Schema((AGE, CHOL, PH, SEX, LABEL))


def rows(n: int, seed: int = 0) -> np.ndarray:
    """Return cells [n, 5] with gaps."""
    rng = generator(seed, "rows")
    cells = np.column_stack(
        [
            rng.integers(15, 111, n),
            np.where(rng.random(n) < 0.2, np.nan, rng.integers(50, 701, n)),
            np.where(rng.random(n) < 0.2, np.nan, rng.uniform(6.5, 8, n)),
            rng.integers(-1, 2, n),
            rng.integers(0, 2, n),
        ]
    )
    return cells.astype(float)


def test_an_outlier_moves_no_edge():
    cells = rows(50)
    outlier = np.array([[110, 700, 8.0, 1, 1]])
    domains = [Domain.of(SCHEMA, 8) for _ in range(2)]
    codes = [domain.encode(held) for domain, held in zip(domains, (cells, np.vstack([cells, outlier])), strict=True)]
    for one, other in zip(*(domain.codings for domain in domains), strict=True):
        assert (one.edges is None and other.edges is None) or one.edges.tobytes() == other.edges.tobytes()
    assert codes[0].tobytes() == codes[1][:-1].tobytes()


def test_the_way_back_returns_the_same_codes_within_ranges_and_rounded():
    domain, cells = Domain.of(SCHEMA, 8), rows(3000)
    codes = domain.encode(cells)
    made = domain.decode(codes, generator(1))
    np.testing.assert_array_equal(domain.encode(made), codes)
    np.testing.assert_array_equal(np.isnan(made[:, :3]), np.isnan(cells[:, :3]))
    np.testing.assert_array_equal(made[:, 3:], cells[:, 3:])
    for place, field in enumerate(SCHEMA.fields[:3]):
        held = made[~np.isnan(made[:, place]), place]
        assert field.lower <= held.min()
        assert held.max() <= field.upper
    assert (made[:, 0] == np.round(made[:, 0])).all()
    assert (made[:, 2] != np.round(made[:, 2], 3)).any()


def test_the_way_back_is_uniform_within_a_bin():
    domain = Domain.of(Schema((AGE, LABEL)), 5)
    codes = np.zeros((40_000, 2), int)
    made = domain.decode(codes, generator(2))[:, 0]
    ages, counts = np.unique(made, return_counts=True)
    assert ages.min() == 15
    assert len(ages) in (19, 20)  # 96 ages in 5 bins
    assert counts.min() > 0.85 * 40_000 / len(ages)
    assert counts.max() < 1.15 * 40_000 / len(ages)


@pytest.mark.parametrize(
    ("lower", "upper", "decimals", "bins", "sizes"),
    [(3, 15, 0, 20, [1] * 13), (0, 1, 0, 8, [1, 1]), (0, 9, 0, 4, [3, 2, 3, 2]), (-5, 10, 1, 3, [51, 50, 50])],
)
def test_values_that_can_be_written_are_shared_out_evenly(lower, upper, decimals, bins, sizes):
    edges = bin_edges(lower, upper, decimals, bins)
    values = np.round(np.arange(round((upper - lower) * 10**decimals) + 1) / 10**decimals + lower, decimals)
    assert np.histogram(values, edges)[0].tolist() == sizes


def test_gaps_are_levels_of_the_columns_that_may_have_them():
    domain = Domain.of(SCHEMA, 8)
    assert domain.sizes == (8, 9, 9, 3, 2)
    beyond = np.array([[200, np.nan, np.nan, -1, 0]])
    assert domain.encode(beyond).tolist() == [[7, 8, 8, 2, 0]]


def test_columns_left_out_come_back_as_gaps():
    domain = Domain.of(SCHEMA, 8, ["ph"])
    assert domain.sizes == (9, 2)
    made = domain.decode(domain.encode(rows(20)), generator(0))
    assert np.isnan(made[:, :2]).all()
    assert (made[:, 3] == -1).all()
    with pytest.raises(InputError, match="no column pulse"):
        Domain.of(SCHEMA, 8, ["pulse"])


def test_ranges_and_levels_that_nobody_stated_are_refused_all_at_once():
    schema = Schema((replace(AGE, lower=None), replace(SEX, declared=False), LABEL))
    with pytest.raises(InputError) as refused:
        Domain.of(schema, 8)
    told = str(refused.value)
    assert "no public range of age" in told
    assert "no public list of levels of sex" in told
    assert "preprocess.ranges, preprocess.levels" in told
    Domain.of(Schema((AGE, replace(SEX, declared=False), LABEL)), 8, ["age"])


def test_a_gap_in_a_column_without_gaps_is_refused():
    cells = rows(3)
    cells[1, 0] = np.nan
    with pytest.raises(InputError, match="column age"):
        Domain.of(SCHEMA, 8).encode(cells)


def test_columns_are_named_as_the_table_or_as_the_page_has_them():
    schema = Schema((replace(AGE, name="age:years", own_name="age=years"), SEX, LABEL))
    for name in ("age:years", "age=years"):
        assert [coding.column for coding in Domain.of(schema, 5, [name]).codings] == [0, 2]
    with pytest.raises(InputError, match=r"no column height.*name some of age=years, "):
        Domain.of(schema, 5, ["height"])
