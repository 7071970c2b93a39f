"""MST and AIM: what a patient changes, what is paid, the same bytes in any company, and tables that are of use."""

import json
from pathlib import Path

import numpy as np
import pytest
from private_recipes import private_recipe
from scipy.special import ndtr, ndtri
from scipy.stats import ttest_ind

from medpriv.config.synthetic_marginals import AimSettings, MstSettings
from medpriv.errors import InputError
from medpriv.measures.roc import auc
from medpriv.privacy.gaussian_dp import composed, selection_epsilon, selection_mu
from medpriv.privacy.lower_bounds import gaussian_delta, gaussian_epsilon
from medpriv.seeds import generator
from medpriv.synthesis import aim, mst
from medpriv.synthesis.noisy_marginals import Curator, independent_pairs, patient_weights, to_simplex
from medpriv.synthesis.schema import Field, Schema

GENERATORS = {"mst": (mst, MstSettings), "aim": (aim, AimSettings)}
SCHEMA = Schema(
    (
        Field("age", (), 15, 110, 0, complete=True),
        Field("chol", (), 50, 700, 0),
        Field("sex", ("F", "M"), declared=True),
        Field("thal", ("3", "6", "7"), declared=True),
        Field("outcome", ("no", "yes"), declared=True, complete=True),
    )
)


def table(n: int, seed: int = 0) -> np.ndarray:
    """Return cells [n, 5] in which age, sex and thal tell the outcome."""
    rng = generator(seed, "table")
    y = rng.random(n) < 0.4
    age = np.clip(np.rint(45 + 20 * y + 6 * rng.standard_normal(n)), 15, 110)
    chol = np.where(rng.random(n) < 0.3, np.nan, rng.integers(150, 351, n))
    sex = np.where(rng.random(n) < 0.1, -1, rng.random(n) < 0.3 + 0.4 * y)
    thal = np.where(rng.random(n) < 0.8, 2 * y, rng.integers(0, 3, n))
    return np.column_stack([age, chol, sex, thal, y]).astype(float)


def made(name: str, tables, patients=None, seeds=None, rows=None, **settings):
    module, section = GENERATORS[name]
    seeds = range(len(tables)) if seeds is None else seeds
    held = private_recipe(section, **settings)
    rows = [len(cells) for cells in tables] if rows is None else rows
    return module.synthesise(tables, SCHEMA, held, [generator(seed, name) for seed in seeds], rows, patients)


# What is paid.


def test_a_selection_s_mu_is_that_of_its_worst_interval():
    for epsilon in (0.05, 0.5, 2.0, 8.0):
        # Two neighbours' log ratio lies in [t - epsilon, t]; the pair of coins with these two ratios is the worst.
        t = np.linspace(0.001, 0.999, 999) * epsilon
        q = -np.expm1(t - epsilon) / (np.exp(t) - np.exp(t - epsilon))
        mus = ndtri(q * np.exp(t)) - ndtri(q)
        assert selection_mu(epsilon) == pytest.approx(mus.max(), rel=1e-6)
        assert selection_epsilon(selection_mu(epsilon)) == pytest.approx(epsilon)
        # No trade-off curve of such coins lies below the Gaussian's.
        a = np.linspace(0.001, 0.999, 99)
        high = 1 / (1 + np.exp(-epsilon / 2))
        coins = np.maximum.reduce([0 * a, 1 - a * high / (1 - high), (1 - a) * (1 - high) / high])
        assert (coins >= ndtr(-ndtri(a) - selection_mu(epsilon)) - 1e-12).all()


def test_mus_compose_as_one_gaussian():
    assert composed(np.array([0.3, 0.4])) == pytest.approx(0.5)


@pytest.mark.parametrize("name", GENERATORS)
def test_the_budget_is_spent_whole_and_stated(name):
    for epsilon in (0.5, 3.0):
        guarantee = made(name, [table(207)], epsilon=epsilon, delta=1e-3).guarantee
        assert guarantee["epsilon"] == pytest.approx(epsilon, rel=1e-6)
        assert guarantee["epsilon"] <= epsilon * (1 + 1e-6)
        assert gaussian_delta(guarantee["mu"], guarantee["epsilon"]) == pytest.approx(1e-3, rel=1e-4)
        assert (guarantee["mechanism"], guarantee["unit"], guarantee["patients"]) == (name, "patient", 207)
    assert made(name, [table(207)]).guarantee["delta"] == 4e-4  # 1 / (10 n), rounded down


def test_a_curator_gives_no_more_than_is_paid_for():
    curator = Curator(np.zeros((4, 2), int), (2, 2), np.ones(4), 4, 1.0, generator(0))
    curator.measure((0,), 1.3)
    with pytest.raises(ValueError, match="more than what is left"):
        curator.measure((0, 1), 1.3)
    assert len(curator.given) == 1


# What a patient changes.


def test_a_patient_changes_counts_and_differences_by_one_whatever_they_have():
    rng = generator(1)
    codes = rng.integers(0, 3, (60, 3))
    owner = np.concatenate([np.arange(40), np.full(20, 40)])  # the last patient has 20 rows
    weights = patient_weights(owner, 60)
    assert weights.sum() == pytest.approx(41)
    expected = rng.random((9, 9)) * 20
    whole, without = (
        Curator(codes[rows], (3, 3, 3), weights[rows], 41, 1.0, generator(0)) for rows in (slice(None), slice(0, 40))
    )
    for columns in ((0,), (1,), (0, 1), (1, 2)):
        change = whole._counts(columns) - without._counts(columns)
        assert np.abs(change).sum() == pytest.approx(1)
    candidates = [(0,), (0, 1), (1, 2)]
    change = whole._differences(expected, candidates) - without._differences(expected, candidates)
    assert np.abs(change).max() <= 1 + 1e-9


def test_noise_has_the_deviation_paid_for():
    curator = Curator(np.zeros((10, 1), int), (4000,), np.ones(10), 10, 1.0, generator(0))
    counts = curator.measure((0,), 2.0).counts
    assert counts[1:].std() == pytest.approx(2, rel=0.05)
    assert curator.spent == [0.5]


def test_a_choice_follows_the_exponential_mechanism():
    codes = np.repeat([[0, 0], [0, 1], [1, 1]], [3, 2, 1], axis=0)
    expected = np.zeros((4, 4))
    chosen = []
    for seed in range(3000):
        curator = Curator(codes, (2, 2), np.ones(6), 6, 5.0, generator(seed))
        weights, offsets = np.array([1.0, 0.5]), np.array([1.0, 2.0])
        chosen.append(curator.select(expected, [(0,), (0, 1)], selection_mu(1.0), weights, offsets))
    quality = np.array([6 - 1, 0.5 * (6 - 2)])
    probability = np.exp(quality / 2) / np.exp(quality / 2).sum()
    assert np.mean(chosen) == pytest.approx(probability[1], abs=0.03)


# What comes out.


@pytest.mark.parametrize("name", GENERATORS)
def test_a_replicate_has_the_same_bytes_alone_and_in_company(name):
    tables = [table(150 + 20 * k, k) for k in range(3)]
    together = made(name, tables)
    for k in range(3):
        alone = made(name, [tables[k]], seeds=[k])
        assert alone.samples[0].tobytes() == together.samples[k].tobytes()
    other = made(name, [tables[0]], seeds=[9])
    assert other.samples[0].tobytes() != together.samples[0].tobytes()


@pytest.mark.parametrize("name", GENERATORS)
def test_with_much_budget_marginals_gaps_and_dependence_come_back(name):
    cells = table(4000)
    synthetic = made(name, [cells], epsilon=200.0, delta=1e-5, rows=[4000]).samples[0]
    assert synthetic.shape == cells.shape
    assert np.isnan(synthetic[:, 1]).mean() == pytest.approx(0.3, abs=0.03)
    assert (synthetic[:, 2] == -1).mean() == pytest.approx(0.1, abs=0.02)
    assert not np.isnan(synthetic[:, 0]).any()
    assert set(np.unique(synthetic[:, 3])) <= {-1, 0, 1, 2}
    held = synthetic[~np.isnan(synthetic[:, 1]), 1]
    assert 50 <= held.min() <= held.max() <= 700
    assert (held == np.round(held)).all()
    for y in (0, 1):
        real, drawn = (rows[rows[:, 4] == y] for rows in (cells, synthetic))
        assert drawn[:, 0].mean() == pytest.approx(real[:, 0].mean(), abs=2)
        assert (drawn[:, 3] == 2).mean() == pytest.approx((real[:, 3] == 2).mean(), abs=0.04)


@pytest.mark.parametrize("name", GENERATORS)
def test_with_hardly_any_budget_dependence_is_lost(name):
    tables = [table(200, k) for k in range(4)]

    def gap(rows: np.ndarray) -> float:
        """Return how much older the ill are; 0 where all are of one class."""
        ages = [rows[rows[:, 4] == y, 0] for y in (0, 1)]
        return ages[1].mean() - ages[0].mean() if len(ages[0]) and len(ages[1]) else 0.0

    samples = made(name, tables, epsilon=0.01, delta=1e-5, rows=[2000] * 4).samples
    assert abs(np.median([gap(rows) for rows in samples])) < 0.5 * gap(table(2000))


def test_columns_chosen_alone_are_generated():
    synthetic = made("aim", [table(200)], columns=["age", "thal"]).samples[0]
    assert np.isnan(synthetic[:, 1]).all()
    assert (synthetic[:, 2] == -1).all()
    assert not np.isnan(synthetic[:, [0, 4]]).any()


def test_a_table_too_wide_for_aim_is_refused_with_the_limit_and_the_remedy():
    wide = Schema((*(Field(f"v{k}", ("0", "1"), declared=True) for k in range(100)), SCHEMA.fields[-1]))
    cells = np.zeros((200, 101))
    with pytest.raises(InputError, match=r"101 columns .* 32 at most") as refused:
        aim.synthesise([cells], wide, private_recipe(AimSettings), [generator(0)], [10])
    assert "name there the 31 columns" in str(refused.value)
    chosen = private_recipe(AimSettings, columns=["v1", "v2"])
    assert aim.synthesise([cells], wide, chosen, [generator(0)], [10]).samples[0].shape == (10, 101)


def test_a_delta_that_protects_nobody_is_refused():
    with pytest.raises(InputError, match=r"delta 0\.02 is not below 1/n"):
        made("mst", [table(100)], delta=0.02)


def test_several_rows_of_a_patient_change_no_budget():
    cells = table(120)
    owner = np.repeat(np.arange(60), 2)
    synthesis = made("mst", [cells], [owner], delta=1e-3)
    assert synthesis.guarantee["patients"] == 60
    assert gaussian_epsilon(synthesis.guarantee["mu"], 1e-3) <= 1 + 1e-6


# Small parts.


def test_the_nearest_counts_on_the_simplex():
    assert to_simplex(np.array([5.0, -3.0, 1.0]), 6).tolist() == [5, 0, 1]
    found = to_simplex(np.array([8.0, 7.0, -20.0]), 10)
    np.testing.assert_allclose(found, [5.5, 4.5, 0])


def test_counts_of_independent_columns():
    pairs = independent_pairs([np.array([6.0, 4.0]), np.array([5.0, 5.0])])
    np.testing.assert_allclose(pairs[:2, 2:], [[3, 3], [2, 2]])
    np.testing.assert_allclose(pairs[:2, :2], np.diag([6, 4]))


def test_rare_levels_are_merged_and_split_by_their_counts():
    single = mst.Measured((0,), np.array([50.0, 2.0, 1.0, 40.0]), 5.0)
    codes = mst.merge_rare(single)
    assert codes.tolist() == [0, 2, 2, 1]
    split = mst.Split([codes], [np.array([50.0, 3.0, 1.0, 40.0])])
    levels = split(np.full((4000, 1), 2), generator(0))[:, 0]
    assert set(levels.tolist()) == {1, 2}
    assert (levels == 1).mean() == pytest.approx(0.75, abs=0.03)


def test_of_cleveland_mst_makes_tables_of_no_less_use_than_dpmm_s():
    """Kept figures of twenty seeds each, made by `benchmarks/mst_against_dpmm.py` from rows that aren't here."""
    kept = json.loads((Path(__file__).parent / "mst_against_dpmm.json").read_text())["accuracy_and_auc"]
    ours, theirs = (np.array(kept[name]) for name in ("medpriv", "dpmm"))
    assert ours.shape == theirs.shape == (20, 2)
    assert (ttest_ind(ours, theirs).confidence_interval().high > 0).all()


def test_of_207_rows_mst_at_epsilon_1_still_tells_the_outcome_by_age():
    tables = [table(207, seed) for seed in range(20)]
    rows = made("mst", tables, epsilon=1.0, delta=1e-3).samples
    areas = [auc(cells[:, 0], cells[:, 4] == 1) for cells in rows]
    assert np.mean(areas) > 0.8  # 0.86 in all, 0.99 on the tables themselves
