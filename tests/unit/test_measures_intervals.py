"""Intervals against known values and their defining equations."""

import numpy as np
import pytest

from medpriv.measures import intervals


@pytest.mark.parametrize(
    ("successes", "n", "lower", "upper"),
    [(0, 10, 0.0, 0.30850), (1, 10, 0.0025286, 0.44502), (5, 10, 0.18709, 0.81291), (10, 10, 0.69150, 1.0)],
)
def test_clopper_pearson_equals_published_values(successes, n, lower, upper):
    found = intervals.clopper_pearson(successes, n)
    assert found == (pytest.approx(lower, abs=1e-5), pytest.approx(upper, abs=1e-5))


def test_clopper_pearson_equals_scipys():
    from scipy.stats import binomtest

    for successes in range(24):
        exact = binomtest(successes, 23).proportion_ci(method="exact")
        assert intervals.clopper_pearson(successes, 23) == (pytest.approx(exact.low), pytest.approx(exact.high))


def test_newcombes_limits_lie_one_and_96_hundredths_standard_errors_away():
    auc, m, n = 0.8, 16, 20
    extra = (m + n) / 2 - 1
    for limit in intervals.newcombe(auc, m, n):
        spread = limit * (1 - limit) * (1 + extra * ((1 - limit) / (2 - limit) + limit / (1 + limit))) / (m * n)
        assert abs(auc - limit) == pytest.approx(1.959964 * np.sqrt(spread), rel=1e-6)


def test_newcombes_interval_of_a_perfect_auc_is_not_empty_and_narrows_with_n():
    lower, upper = intervals.newcombe(np.array([1.0, 1.0]), np.array([8, 80]), np.array([8, 80]))
    np.testing.assert_array_equal(upper, 1.0)
    assert 0.6 < lower[0] < 0.9 < lower[1] < 1


def test_newcombes_interval_covers_half_19_times_in_20():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2000, 16, 1)), rng.normal(size=(2000, 1, 16))
    lower, upper = intervals.newcombe((a > b).mean(axis=(1, 2)), 16, 16)
    assert 0.93 < ((lower <= 0.5) & (upper >= 0.5)).mean() < 0.98


def test_a_draw_has_as_many_patients_as_the_sample():
    weights = intervals.draw_patients(np.random.default_rng(0), 12, 50)
    assert weights.shape == (50, 12)
    np.testing.assert_array_equal(weights.sum(axis=1), 12)


def test_percentile_interval_skips_draws_without_a_value():
    assert intervals.percentile_interval(np.array([np.nan, 1.0, 1.0])) == (1.0, 1.0)
    assert np.isnan(intervals.percentile_interval(np.full(3, np.nan))).all()


def test_a_collapsed_bootstrap_gives_way_to_the_closed_form_on_patients():
    zero = intervals.rate_interval(0.0, np.zeros(100), patients=10)
    assert zero == (0.0, pytest.approx(0.30850, abs=1e-5))
    assert intervals.auc_interval(1.0, np.ones(100), 8, 8)[0] < 0.9
    assert intervals.rate_interval(0.5, np.linspace(0.4, 0.6, 101), patients=10) == (
        pytest.approx(0.405),
        pytest.approx(0.595),
    )


def test_few_patients_widen_the_interval_to_the_closed_form():
    draws = np.linspace(0.45, 0.55, 101)
    few, more = (intervals.rate_interval(0.5, draws, patients=patients) for patients in (2, 5))
    assert few == tuple(float(limit) for limit in intervals.clopper_pearson(1, 2))
    assert more == intervals.percentile_interval(draws)
    narrow = intervals.auc_interval(0.5, draws, members=20, others=4)
    assert narrow == tuple(float(limit) for limit in intervals.newcombe(0.5, 20, 4))


def test_a_rate_without_a_value_has_no_interval():
    assert np.isnan(intervals.rate_interval(float("nan"), np.full(9, np.nan), patients=0)).all()
