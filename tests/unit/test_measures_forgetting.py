"""Epsilon, points and divergence against closed forms."""

import numpy as np
import pytest
from scipy import stats

from medpriv.measures.forgetting import divergence, epsilon_ceiling, forgetting_epsilon, forgetting_points


def test_models_that_are_wholly_apart_reach_the_ceiling():
    unlearned, never = np.linspace(4, 5, 16), np.linspace(-5, -4, 16)
    assert forgetting_epsilon(unlearned, never, 0.0) == pytest.approx(np.log(15))
    assert forgetting_epsilon(never, unlearned, 0.0) == pytest.approx(np.log(15))
    assert epsilon_ceiling(16, 16, 0.0) == pytest.approx(np.log(15))
    assert epsilon_ceiling(8, 32, 0.01) == pytest.approx(np.log(1 - 0.01 - 1 / 8) + np.log(32))
    assert epsilon_ceiling(32, 8, 0.01) == epsilon_ceiling(8, 32, 0.01)


def test_models_that_differ_in_spread_alone_are_found_by_the_ratio():
    rng = np.random.default_rng(0)
    narrow, wide = rng.normal(0, 0.1, 40), np.concatenate([rng.normal(-5, 1, 20), rng.normal(5, 1, 20)])
    assert forgetting_epsilon(narrow, wide, 0.0) > 2


def test_equal_models_show_little_and_more_models_show_less():
    found = {
        models: np.mean(
            [
                forgetting_epsilon(rng.normal(size=models), rng.normal(size=models), 0.0)
                for rng in map(np.random.default_rng, range(20))
            ]
        )
        for models in (16, 256)
    }
    assert found[256] < found[16] < 1
    assert found[256] < 0.4


def test_too_few_models_have_no_epsilon():
    assert np.isnan(forgetting_epsilon(np.arange(7.0), np.arange(30.0), 0.0))
    assert np.isnan(epsilon_ceiling(7, 30, 0.0))
    assert np.isnan(forgetting_points(np.array([np.nan]))[0])


def test_points_halve_with_each_bin():
    np.testing.assert_allclose(forgetting_points(np.array([0, 0.49, 0.5, 1.2, 2.5])), [1, 1, 0.5, 0.25, 2 / 2**6])
    assert forgetting_points(np.array([1e9]))[0] == 2 / 2**13


def test_divergence_is_the_mean_relative_entropy_of_the_records():
    rng = np.random.default_rng(0)
    reference, other = rng.normal(0, 3, (2, 5, 4)), rng.normal(0, 3, (3, 5, 4))

    def softmax(logits):
        return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)

    found = divergence(reference, other)
    for a in range(2):
        for b in range(3):
            expected = stats.entropy(softmax(reference[a]), softmax(other[b]), axis=-1).mean()
            assert found[a, b] == pytest.approx(expected)
    np.testing.assert_allclose(np.diag(divergence(reference, reference + 7)), 0, atol=1e-12)
