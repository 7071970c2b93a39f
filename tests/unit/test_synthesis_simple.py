"""Simple generators: tables come back in their form, each replicate from its own rows and randomness alone."""

from functools import partial

import numpy as np
import pytest
from scipy import stats
from synthetic_tables import SCHEMA, table

from medpriv.config.synthetic_simple import CartSettings, OutlierCopiesSettings
from medpriv.errors import InputError
from medpriv.synthesis import bootstrap, cart, copula, marginals, outlier_copies
from medpriv.synthesis.schema import LABEL, Field, Schema
from medpriv.synthesis.tables import Encoding, gaps_of

SETTINGS = {
    bootstrap: {},
    marginals: {},
    copula: {},
    cart: CartSettings().model_dump(),
    outlier_copies: OutlierCopiesSettings().model_dump(),
}
GENERATORS = [pytest.param(module, id=module.__name__.rpartition(".")[2]) for module in SETTINGS]
LEARNING = [pytest.param(module, id=module.__name__.rpartition(".")[2]) for module in (copula, cart, outlier_copies)]


def made(module, tables, rows=None, schema=SCHEMA, seeds=None):
    """Return the tables that a generator makes of these, 5 n rows each unless told."""
    rngs = [np.random.default_rng(seed) for seed in seeds or range(len(tables))]
    rows = rows or [5 * len(cells) for cells in tables]
    synthesis = module.synthesise(tables, schema, SETTINGS[module], rngs, rows)
    assert all(np.isfinite(cost) and cost >= 0 for cost in synthesis.costs.values())
    return synthesis.samples


@pytest.mark.parametrize("module", GENERATORS)
def test_gaps_levels_ranges_and_decimals_come_back(module):
    cells = table(1)
    (drawn,) = made(module, [cells], [1000])
    assert drawn.shape == (1000, len(SCHEMA)) and drawn.dtype == np.float64
    age, _, dose, lab, pain, ward, label = drawn.T
    assert np.isnan(drawn).any(axis=0).tolist() == [False, False, False, True, False, False, False]
    assert np.allclose(gaps_of(drawn, SCHEMA).mean(axis=0), gaps_of(cells, SCHEMA).mean(axis=0), atol=0.06)
    assert np.array_equal(age, np.round(age)) and age.min() >= 0 and age.max() <= 110
    assert np.array_equal(dose, np.round(dose, 1)) and dose.min() >= 0 and dose.max() <= 5
    assert np.array_equal(np.round(lab, 2), lab, equal_nan=True)  # as many decimals as the table has
    assert set(pain) == {-1, 0, 1, 2}  # the level that no row has is never written
    assert set(ward) == {0} and set(label) == {0, 1}


@pytest.mark.parametrize("module", GENERATORS)
def test_marginals_are_the_tables(module):
    cells = table(1, 400)
    (drawn,) = made(module, [cells], [2000])
    for place, field in enumerate(SCHEMA.fields):
        true, own = (each[~gaps_of(each, SCHEMA)[:, place], place] for each in (cells, drawn))
        if field.number:
            assert stats.ks_2samp(true, own).statistic < 0.12
        else:
            assert np.abs(np.bincount(true.astype(int), minlength=4) / len(true)
                          - np.bincount(own.astype(int), minlength=4) / len(own)).max() < 0.08  # fmt: skip


@pytest.mark.parametrize("module", GENERATORS)
def test_a_replicate_has_the_same_bytes_whoever_stands_beside_it(module):
    tables = [table(seed, 60 + 10 * seed) for seed in range(3)]
    together = made(module, tables)
    for place, cells in enumerate(tables):
        (alone,) = made(module, [cells], seeds=[place])
        assert alone.tobytes() == together[place].tobytes()
        (other,) = made(module, [cells], seeds=[place + 10])
        assert other.tobytes() != alone.tobytes()


def associations(cells):
    """Return how age, lab, pain and lab's gaps go with the label."""
    label = cells[:, -1]
    gaps = gaps_of(cells, SCHEMA)
    pairs = [(cells[~gaps[:, place], place], label[~gaps[:, place]]) for place in (0, 3, 4)]
    return np.array([np.corrcoef(*pair)[0, 1] for pair in [*pairs, (gaps[:, 3], label)]])


@pytest.mark.parametrize("module", LEARNING)
def test_what_goes_together_stays_together(module):
    cells = table(2, 600)
    (drawn,) = made(module, [cells], [3000])
    assert np.abs(associations(drawn) - associations(cells)).max() < 0.12


def test_independent_marginals_keep_nothing_together_and_write_no_single_rows_number():
    cells = table(2, 600)
    cells[0, 3] = 77.77
    (drawn,) = made(marginals, [cells], [3000])
    assert np.abs(associations(drawn)).max() < 0.06
    assert 77.77 not in drawn[:, 3] and np.nanmax(drawn[:, 3]) < 0.5 * 77.77


def test_bootstrap_draws_true_rows_as_often_as_chance_says():
    cells = table(3)
    (drawn,) = made(bootstrap, [cells], [len(cells)])
    found = (drawn[:, None] == cells) | (np.isnan(drawn[:, None]) & np.isnan(cells))
    assert found.all(axis=2).any(axis=1).all()
    assert abs(found.all(axis=2).any(axis=0).mean() - (1 - np.exp(-1))) < 0.1


def test_the_latent_correlation_of_a_copula_is_found_again_through_cuts_and_gaps():
    rng, rows = np.random.default_rng(5), 20_000
    latent = rng.multivariate_normal(np.zeros(3), [[1, 0.6, -0.7], [0.6, 1, -0.2], [-0.7, -0.2, 1]], rows)
    codes = [latent[:, 0], (latent[:, 1] > 0.8).astype(float), np.digitize(latent[:, 2], [-0.5, 1.0]).astype(float)]
    known = rng.random((rows, 3)) < 0.8
    scores, hermite = np.zeros((rows, 3)), np.zeros((3, 3))
    for place, code in enumerate(codes):
        own = known[:, place]
        scores[own, place], hermite[place] = copula.conditional_means(code[own])
    found = copula.correlations(scores, known, hermite)
    assert np.abs(found - [[1, 0.6, -0.7], [0.6, 1, -0.2], [-0.7, -0.2, 1]]).max() < 0.03
    assert np.linalg.eigvalsh(found).min() > 0


def test_levels_without_an_order_go_with_the_label_all_the_same():
    rng = np.random.default_rng(4)
    level = rng.integers(3, size=900)
    label = rng.random(900) < np.array([0.5, 0.9, 0.1])[level]
    schema = Schema((Field("kind", ("a", "b", "c")), Field(LABEL, ("no", "yes"))))
    (drawn,) = made(copula, [np.column_stack([level, label]).astype(float)], [6000], schema)
    shares = [drawn[drawn[:, 0] == one, 1].mean() for one in range(3)]
    assert np.abs(np.subtract(shares, [0.5, 0.9, 0.1])).max() < 0.07


def test_conditional_means_are_those_of_the_cut_normal():
    draws = np.random.default_rng(6).standard_normal(400_000)
    code = np.digitize(draws, [-1.0, 0.3])
    means, hermite = copula.conditional_means(code)
    assert np.allclose([means[code == one][0] for one in range(3)], [draws[code == one].mean() for one in range(3)],
                       atol=0.01)  # fmt: skip
    powers = [draws, draws**2 - 1, draws**3 - 3 * draws]
    assert np.allclose(hermite, [(means * power).mean() for power in powers], atol=0.02)


def test_a_leaf_gives_the_values_of_its_own_rows_alone():
    true = np.repeat([[0.0], [1.0]], 20, axis=0).astype(np.float32)
    target = np.concatenate([np.arange(20.0), 100 + np.arange(20.0)])
    drawn, nodes = cart._leaf_draws(true, target, true, True, 13, np.random.default_rng(0))
    assert nodes == 3 and (drawn[:20] < 50).all() and (drawn[20:] > 50).all() and len(set(drawn)) > 15


def test_leaves_hold_as_many_rows_as_are_asked_for():
    rng = np.random.default_rng(0)
    true, target = rng.standard_normal((150, 3)).astype(np.float32), rng.standard_normal(150)
    _, nodes = cart._leaf_draws(true, target, true, True, 50, rng)
    assert nodes == 3  # what is left is too small to be split again
    _, nodes = cart._leaf_draws(true, target, true, True, 51, rng)
    assert nodes == 1


def test_the_copier_copies_the_odd_ones_and_distances_hardly_move():
    cells = table(7, 200)
    (plain,), (drawn,) = made(copula, [cells], [200]), made(outlier_copies, [cells], [200])
    encoding = Encoding.of(cells, SCHEMA)
    features, own, other = (encoding.features(each) for each in (cells, drawn, plain))
    odd = outlier_copies.outliers(cells, SCHEMA, 10)
    near = np.linalg.norm(features[:, None] - own, axis=2).min(axis=1)
    assert near[odd].max() < 0.3 and np.median(np.delete(near, odd)) > 0.3
    closest, usual = (np.linalg.norm(each[:, None] - features, axis=2).min(axis=1) for each in (own, other))
    assert closest.mean() > 0.9 * usual.mean() and np.median(closest) > 0.9 * np.median(usual)


def test_outliers_are_those_far_from_their_neighbours():
    cells = table(8, 80)
    cells[17, [0, 2, 3]] = [110, 5, 60]
    assert outlier_copies.outliers(cells, SCHEMA, 1) == 17


@pytest.mark.parametrize("module", GENERATORS)
def test_constant_columns_and_columns_of_gaps_come_back_as_they_are(module):
    cells = table(9, 40)
    cells[:, 0], cells[:, 3], cells[:, 4] = 60, np.nan, -1
    (drawn,) = made(module, [cells])
    assert set(drawn[:, 0]) == {60} and np.isnan(drawn[:, 3]).all() and set(drawn[:, 4]) == {-1}


@pytest.mark.parametrize("module", GENERATORS)
def test_a_level_seen_once_and_a_label_of_one_class_are_learnt(module):
    cells = table(9, 40)
    cells[:, -1], cells[3, 4] = 1, 3
    (drawn,) = made(module, [cells])
    assert set(drawn[:, -1]) == {1} and set(drawn[:, 4]) <= {-1, 0, 1, 2, 3}


@pytest.mark.parametrize("module", GENERATORS)
def test_two_rows_are_enough_to_run(module):
    (drawn,) = made(module, [table(9, 2)], [6])
    assert drawn.shape == (6, len(SCHEMA))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda cells: cells[:1], "1 rows"),
        (lambda cells: cells[:, :-1], "6\\] where there are 7 columns"),
        (lambda cells: np.where(np.arange(7) == 0, np.inf, cells), "column age, row 0: a value is not a finite"),
        (lambda cells: np.where(np.arange(7) == 4, 4, cells), "column pain, row 0: none of its 4 levels"),
        (lambda cells: np.where(np.arange(7) == 6, -1, cells), "column outcome, row 0: a row has none"),
    ],
)
@pytest.mark.parametrize("module", [pytest.param(module, id=module.__name__) for module in list(SETTINGS)[1:]])
def test_bad_tables_are_refused_with_the_place(module, spoil, told):
    good = table(1, 30)
    with pytest.raises(InputError, match=f"replicate 1: .*{told}"):
        made(module, [good, spoil(good)])


def test_a_copy_of_one_row_is_a_copy():
    (drawn,) = made(bootstrap, [table(1, 1)], [3])
    assert len(np.unique(drawn, axis=0)) == 1


@pytest.mark.parametrize("module", [partial(marginals.synthesise), partial(cart.synthesise)])
def test_a_table_of_a_label_and_one_column_works(module):
    schema = Schema((Field("only"), Field(LABEL, ("a", "b", "c"))))
    cells = np.column_stack([np.arange(30.0), np.arange(30) % 3])
    drawn = module([cells], schema, {"min_leaf": 5}, [np.random.default_rng(0)], [90]).samples[0]
    assert set(drawn[:, 1]) == {0, 1, 2}
