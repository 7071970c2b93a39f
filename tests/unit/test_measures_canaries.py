"""Exposure in bits and exact equivalents, against brute force and known curves."""

import numpy as np
import pytest

from medpriv.measures.canaries import exact_equivalents, expected_bits, exposure_bits, ranks


def test_exposure_equals_sorting_all_candidates():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(7, 16))
    slow = [np.log2(16) - np.log2(1 + sorted(row, reverse=True).index(row[0])) for row in scores]
    assert np.allclose(exposure_bits(ranks(scores[:, 0], scores[:, 1:]), 16), slow)
    assert exposure_bits(ranks(np.array(5.0), scores[0]), 17) == pytest.approx(np.log2(17))


def test_ties_lie_in_the_middle_and_missing_candidates_do_not_count():
    assert ranks(np.array([1.0]), np.array([[1.0, 1.0, 2.0, 0.0, np.nan]])).tolist() == [3.0]


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_expected_exposure_is_the_mean_over_all_ranks(size):
    assert expected_bits(size) == pytest.approx(exposure_bits(np.arange(1, size + 1), size).mean())
    assert expected_bits(10**6) == pytest.approx(1 / np.log(2), abs=1e-4)


def test_exact_copies_are_worth_themselves_and_nothing_is_worth_nothing():
    counts, gains = np.array([1, 2, 4, 8]), np.array([[0.5, 1.2, 2.0, 2.4]])
    for count, gain in zip(counts, gains[0], strict=True):
        assert exact_equivalents(counts, gains, np.array([gain]), np.ones(4)) == pytest.approx(count)
    assert exact_equivalents(counts, gains, np.array([-0.1]), np.ones(4)) == pytest.approx(0)
    assert exact_equivalents(counts, gains, np.array([9.0]), np.ones(4)) == pytest.approx(8)


def test_equivalents_are_straight_in_the_logarithm_and_rise_where_the_gains_do_not():
    counts = np.array([1, 3])
    # log(1 + n): 0, log 2, log 4; half-way between 1 and 3 copies is log 2 + log 2 / 2
    assert exact_equivalents(counts, np.array([[1.0, 2.0]]), np.array([1.5]), np.ones(2)) == pytest.approx(
        2 * np.sqrt(2) - 1
    )
    # 2.0 and 1.0 pool to 1.5, reached by one copy first
    assert exact_equivalents(counts, np.array([[2.0, 1.0]]), np.array([1.5]), np.ones(2)) == pytest.approx(1)
    assert np.isnan(exact_equivalents(counts, np.array([[np.nan, 1.0]]), np.array([1.5]), np.ones(2))).all()
