"""Belief propagation and the fit against the whole joint distribution of small domains."""

import numpy as np
import pytest
from scipy.optimize import minimize

from medpriv.seeds import generator
from medpriv.synthesis import junction_tree
from medpriv.synthesis.junction_tree import Measured, Model, build_tree, calibrate, fit, pair_marginals, sample

SIZES = (3, 2, 4, 3, 2, 2)
SETS = {
    "a tree": [(0, 1), (1, 2), (1, 3), (3, 4), (4, 5)],
    "a cycle": [(0, 1), (1, 2), (2, 3), (0, 3), (3, 4), (5,)],
    "triples": [(0, 1, 2), (1, 2, 3), (3, 4), (4, 5)],
    "nothing shared": [(0,), (1,), (2, 3), (4,), (5,)],
}


def joint_of(tree: junction_tree.Tree, theta: list[np.ndarray]) -> np.ndarray:
    """Return the joint distribution by brute force."""
    total = np.zeros(tree.sizes)
    for clique, each in zip(tree.cliques, theta, strict=True):
        total = total + each.reshape([size if place in clique else 1 for place, size in enumerate(tree.sizes)])
    return np.exp(total) / np.exp(total).sum()


def marginal_of(joint: np.ndarray, columns: tuple[int, ...]) -> np.ndarray:
    return joint.sum(axis=tuple(place for place in range(joint.ndim) if place not in columns))


def random_model(sets: list[tuple[int, ...]], seed: int = 0) -> Model:
    tree, rng = build_tree(sets, SIZES), generator(seed, "theta")
    theta = [2 * rng.standard_normal(tree.shape(place)) for place in range(len(tree.cliques))]
    return Model(tree, tuple(theta), tuple(calibrate(tree, theta)))


@pytest.mark.parametrize("sets", SETS.values(), ids=SETS)
def test_beliefs_and_pairs_are_the_joint_distribution_s(sets):
    model = random_model(sets)
    joint = joint_of(model.tree, list(model.theta))
    for clique, belief in zip(model.tree.cliques, model.beliefs, strict=True):
        np.testing.assert_allclose(belief, marginal_of(joint, clique), atol=1e-14)
    ends, pairs = np.cumsum((0, *SIZES)), pair_marginals(model)
    for one in range(6):
        for other in range(one + 1, 6):
            block = pairs[ends[one] : ends[one + 1], ends[other] : ends[other + 1]]
            np.testing.assert_allclose(block, marginal_of(joint, (one, other)), atol=1e-14)
        own = pairs[ends[one] : ends[one + 1], ends[one] : ends[one + 1]]
        np.testing.assert_allclose(own, np.diag(marginal_of(joint, (one,))), atol=1e-14)
    np.testing.assert_allclose(pairs, pairs.T, atol=1e-14)


@pytest.mark.parametrize("sets", SETS.values(), ids=SETS)
def test_every_set_lies_in_a_clique_and_every_column_s_cliques_hang_together(sets):
    tree = build_tree(sets, SIZES)
    for columns in sets:
        assert set(columns) <= set(tree.cliques[tree.home(columns)])
    for column in range(6):
        holding = [place for place, clique in enumerate(tree.cliques) if column in clique]
        tops = [place for place in holding if column not in tree.separators[place]]
        assert len(tops) == 1


@pytest.mark.parametrize("sets", SETS.values(), ids=SETS)
def test_rows_drawn_have_the_joint_distribution(sets):
    model = random_model(sets, 1)
    joint, n = joint_of(model.tree, list(model.theta)), 60_000
    drawn = sample(model, n, generator(3))
    found = np.zeros(SIZES)
    np.add.at(found, tuple(drawn.T), 1)
    expected = n * joint
    statistic = ((found - expected) ** 2 / np.maximum(expected, 1e-9))[expected > 5].sum()
    cells = (expected > 5).sum()
    assert statistic < cells + 5 * np.sqrt(2 * cells)
    assert found[expected < 1e-6].sum() == 0


@pytest.mark.parametrize("sets", SETS.values(), ids=SETS)
def test_a_fit_to_exact_marginals_finds_the_model_of_greatest_entropy(sets):
    truth = random_model(sets, 2)
    joint = joint_of(truth.tree, list(truth.theta))
    measured = [Measured(columns, 500 * marginal_of(joint, columns), 1.0) for columns in truth.tree.cliques]
    model = fit(truth.tree, measured, 500, 4000)
    np.testing.assert_allclose(joint_of(model.tree, list(model.theta)), joint, atol=2e-3)


def test_a_fit_to_noisy_counts_reaches_the_least_loss_over_all_joint_distributions():
    sizes, sets, rng = (2, 3, 2), [(0, 1), (1, 2), (0,)], generator(0, "noisy")
    measured = []
    for place, columns in enumerate(sets):
        shape = tuple(sizes[column] for column in columns)
        measured.append(
            Measured(columns, 100 / np.prod(shape) + 12 * rng.standard_normal(shape), (6.0, 12.0, 9.0)[place])
        )

    def loss(joint: np.ndarray) -> float:
        away = [(100 * marginal_of(joint, each.columns) - each.counts) / each.sigma for each in measured]
        return sum(float(np.square(each).sum()) for each in away) / 2

    def of_softmax(theta: np.ndarray) -> float:
        joint = np.exp(theta - theta.max()).reshape(sizes)
        return loss(joint / joint.sum())

    least = min(minimize(of_softmax, rng.standard_normal(12), method="BFGS").fun for _ in range(4))
    model = fit(build_tree(sets, sizes), measured, 100, 3000)
    assert loss(joint_of(model.tree, list(model.theta))) == pytest.approx(least, rel=1e-3)


def test_a_fit_goes_on_from_another_tree_s():
    sizes, rng = (3, 3, 3), generator(0, "warm")
    pairs = [(0, 1), (1, 2), (0, 2)]
    measured = [Measured(pair, 20 + 5 * rng.standard_normal((3, 3)), 5.0) for pair in pairs]
    before = fit(build_tree(pairs[:2], sizes), measured[:2], 180, 500)
    after = fit(build_tree(pairs, sizes), measured, 180, 0, before)
    for columns in pairs[:2]:
        np.testing.assert_allclose(after.marginal(columns), before.marginal(columns), atol=1e-12)


def test_a_set_measured_twice_counts_as_its_weighted_mean():
    tree = build_tree([(0, 1)], (2, 2))
    one, other = np.array([[10.0, 20], [30, 40]]), np.array([[40.0, 30], [20, 10]])
    twice = fit(tree, [Measured((0, 1), one, 2.0), Measured((0, 1), other, 4.0)], 100, 500)
    mean = (one * 4 + other) / 5
    np.testing.assert_allclose(100 * twice.beliefs[0], mean, atol=1e-3)
