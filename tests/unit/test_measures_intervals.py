"""Intervals against known values and their defining equations."""

import numpy as np
import pytest

from medpriv.measures import intervals
from medpriv.measures.bootstrap import difference_interval


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
    assert intervals.rate_interval(0.5, np.linspace(0.4, 0.6, 101), patients=intervals.FEW) == (
        pytest.approx(0.405),
        pytest.approx(0.595),
    )
    rounded = 1 - 1e-16 * np.arange(100)  # equal draws, summed in different orders
    assert intervals.rate_interval(1.0, rounded, patients=50)[0] == pytest.approx(0.9289, abs=1e-4)


def test_few_patients_widen_the_interval_to_the_closed_form():
    draws = np.linspace(0.45, 0.55, 101)
    few, more = (intervals.rate_interval(0.5, draws, patients=patients) for patients in (2, intervals.FEW))
    assert few == tuple(float(limit) for limit in intervals.clopper_pearson(1, 2))
    assert more == intervals.percentile_interval(draws)
    narrow = intervals.auc_interval(0.5, draws, members=20, others=4)
    assert narrow == tuple(float(limit) for limit in intervals.newcombe(0.5, 20, 4))


def test_a_rate_of_some_patients_is_worth_as_many_records_as_its_draws_say():
    draws = 0.8 + 0.02 * np.random.default_rng(0).standard_normal(4000)
    lower, upper = intervals.rate_interval(0.8, draws, patients=12)
    size = 0.8 * 0.2 / draws.var() * (1.959964 / 2.200985) ** 2 * 11 / 12  # Student's t of 11 degrees of freedom
    np.testing.assert_allclose((lower, upper), intervals.clopper_pearson(0.8 * size, size), atol=1e-6)
    at_most = intervals.rate_interval(0.8, 10 * (draws - 0.8) + 0.8, patients=12)  # no fewer records than patients
    assert at_most[0] <= intervals.clopper_pearson(0.8 * 12, 12)[0] <= lower


def test_no_interval_jumps_where_patients_cease_to_be_few():
    draws = 0.8 + 0.03 * np.random.default_rng(0).standard_normal(4000)
    for interval, sizes in (
        (intervals.rate_interval, (29,)),
        (intervals.auc_interval, (29, 29)),
        (intervals.stretched_interval, (29,)),
        (intervals.deviation_interval, (29,)),
    ):
        below, above = interval(0.8, draws, *sizes), interval(0.8, draws, *(size + 1 for size in sizes))
        assert np.ptp(above) < np.ptp(below) < 1.15 * np.ptp(above)


def test_patients_of_unequal_size_count_as_fewer():
    found = intervals.effective_patients([[5, 5, 5, 0], [0, 0, 0, 0], [98, 1, 1, 0]])
    np.testing.assert_allclose(found, [3, 0, 10000 / (98**2 + 2)])


def test_a_difference_on_few_patients_has_students_limits():
    from scipy.stats import t

    rng = np.random.default_rng(0)
    x = rng.normal(0.1, 0.05, 6)
    draws = intervals.draw_patients(rng, 6, 20000) @ x / 6
    found = intervals.stretched_interval(x.mean(), draws, 6)
    expected = t.interval(0.95, 5, x.mean(), x.std(ddof=1) / np.sqrt(6))
    np.testing.assert_allclose(found, expected, atol=0.15 * np.ptp(expected))
    assert intervals.stretched_interval(x.mean(), draws, intervals.FEW) == intervals.percentile_interval(draws)
    assert intervals.stretched_interval(0.9, np.array([0.5, 1.2]), 6)[1] == 1.0
    assert intervals.stretched_interval(0.1, np.full(9, 0.1), 40, 1) == (-1.0, 1.0)  # one patient on one side


def test_a_crossed_difference_says_how_few_patients_it_rests_on():
    drawn = np.concatenate([[0.1], np.linspace(0.05, 0.15, 101)])
    assert difference_interval(drawn) == (0.1, *intervals.percentile_interval(drawn[1:]))
    assert difference_interval(drawn, patients=6) == (0.1, *intervals.stretched_interval(0.1, drawn[1:], 6))


def test_a_mean_over_classes_is_no_better_known_than_the_class_that_few_patients_hold():
    draws = np.linspace(0.49, 0.51, 101)
    known, unknown = (0.5, 0.48, 0.52), (0.5, 0.01, 0.99)
    lower, upper = intervals.class_mean_interval(0.5, draws, 100, [known, unknown])
    assert lower == pytest.approx(0.5 - np.hypot(0.02, 0.49) / 2) and upper == pytest.approx(1 - lower)
    both = intervals.class_mean_interval(0.5, draws, 100, [known, known])
    assert np.ptp(both) == pytest.approx(0.04 / np.sqrt(2))
    together = intervals.class_mean_interval(0.5, np.linspace(0.4, 0.6, 101), 100, [known, known])
    assert together == intervals.percentile_interval(np.linspace(0.4, 0.6, 101))


def test_the_interval_of_a_mean_absolute_deviation_holds_its_value_and_a_true_zero():
    rng = np.random.default_rng(0)
    patients, held = 60, []
    for _ in range(100):  # the mean absolute deviation of ten means that are truly 0
        noise = rng.normal(0, 0.5, (patients, 10))
        draws = np.abs(intervals.draw_patients(rng, patients, 400) @ noise / patients).mean(axis=1)
        value = np.abs(noise.mean(axis=0)).mean()
        assert intervals.percentile_interval(draws)[0] > 0
        lower, upper = intervals.deviation_interval(value, draws, patients)
        assert lower <= value <= upper
        held.append(lower == 0)
    assert np.mean(held) >= 0.93
    assert intervals.deviation_interval(0.2, np.full(9, 0.2), 1) == (0.0, 1.0)


def test_a_rate_without_a_value_has_no_interval():
    nothing = np.full(9, np.nan)
    assert np.isnan(intervals.rate_interval(np.nan, nothing, patients=0)).all()
    assert np.isnan(intervals.rate_interval(np.nan, np.linspace(0, 1, 9), patients=40)).all()
    assert np.isnan(intervals.auc_interval(np.nan, nothing, 3, 0)).all()
    assert np.isnan(intervals.stretched_interval(np.nan, nothing, 1)).all()
    assert np.isnan(intervals.deviation_interval(np.nan, nothing, 1)).all()


def test_limits_of_a_few_draws_hold_the_value_all_the_same():
    draws = np.array([0.4, 0.41, 0.42])
    assert intervals.rate_interval(0.5, draws, 1000) == (pytest.approx(0.4005), 0.5)
    assert intervals.auc_interval(0.3, draws, 500, 500) == (0.3, pytest.approx(0.4195))
    assert intervals.stretched_interval(0.5, draws, 1000)[1] == 0.5
    assert np.isnan(intervals.rate_interval(np.nan, draws, 1000)).all()


def test_a_figure_without_bounds_has_no_interval_on_one_patient() -> None:
    draws = np.array([1.5, 1.6, 1.4])
    assert np.isnan(intervals.stretched_interval(1.5, draws, 1, bounds=(1.0, np.inf))).all()
    assert intervals.stretched_interval(0.2, draws - 1.3, 1) == (-1.0, 1.0)
