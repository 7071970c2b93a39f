"""Intervals of replicates that share patients hold the truth; margins are those of two one-sided tests."""

import numpy as np
import pytest
from scipy.stats import norm, ttest_1samp

from medpriv.measures import resampled, roc
from medpriv.measures.resampled import Summary


def one(scores: np.ndarray) -> list[np.ndarray]:
    return [np.column_stack([-scores, scores])]


def test_the_error_of_an_accuracy_is_the_binomial_one_by_patient():
    y = np.zeros(50, int)
    scores = [np.column_stack([np.arange(50) % 5 > 0, np.full(50, 0.5)])]  # 4 of 5 are right
    figure = resampled.accuracy(scores, [y], [np.arange(50)], 60)
    found = resampled.summarise(figure, 0.0)
    assert (found.value, found.patients) == (0.8, 50)
    assert found.error == pytest.approx(np.sqrt(0.8 * 0.2 / 49))
    twice = resampled.accuracy([np.repeat(scores[0], 2, axis=0)], [np.repeat(y, 2)], [np.repeat(np.arange(50), 2)], 60)
    assert resampled.summarise(twice, 0.0).error == pytest.approx(found.error)  # more records of the same people


def test_the_error_of_an_auroc_is_that_of_delong():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 90)
    scores = rng.normal(size=90) + y
    figure = resampled.auroc(one(scores), [y], [np.arange(90)], 90)
    assert figure.values[0] == pytest.approx(roc.auc(scores, y == 1))
    above = (scores[y == 1][:, None] > scores[y == 0]).astype(float)
    delong = above.mean(axis=1).var(ddof=1) / (y == 1).sum() + above.mean(axis=0).var(ddof=1) / (y == 0).sum()
    assert resampled.summarise(figure, 0.0).error == pytest.approx(np.sqrt(delong), rel=0.02)


def test_an_auroc_of_three_classes_is_the_mean_of_each_against_the_rest():
    rng = np.random.default_rng(2)
    y = rng.integers(0, 3, 60)
    scores = rng.normal(size=(60, 3))
    expected = np.mean([roc.auc(scores[:, c], y == c) for c in range(3)])
    assert resampled.auroc([scores], [y], [np.arange(60)], 60).values[0] == pytest.approx(expected)
    y[y == 2] = 1  # a class that nobody has is left out
    expected = np.mean([roc.auc(scores[:, c], y == c) for c in (0, 1)])
    assert resampled.auroc([scores], [y], [np.arange(60)], 60).values[0] == pytest.approx(expected)
    assert np.isnan(resampled.auroc([scores[:5]], [np.ones(5, int)], [np.arange(5)], 60).value)


def test_a_class_that_was_never_learnt_ranks_nobody():
    y = np.arange(10) % 2
    scores = np.column_stack([np.full(10, 1.0), np.full(10, -np.inf)])
    assert resampled.auroc([scores], [y], [np.arange(10)], 10).value == 0.5


def test_half_of_the_patients_are_common_to_two_halves():
    rng = np.random.default_rng(3)
    members = np.array([np.isin(np.arange(400), rng.permutation(400)[:200]) for _ in range(8)])
    assert resampled.common_share(members) == pytest.approx(0.5, abs=0.03)
    assert resampled.common_share(members[:1]) == 0
    assert resampled.common_share(np.repeat(members[:1], 2, axis=0)) == pytest.approx(1)


def test_two_one_sided_tests_and_the_margins_they_can_prove():
    found = Summary(0.01, 0.018, 1e6, 303)  # the example: 303 rows, a tenth of them discordant
    expected = norm.sf((0.05 - 0.01) / 0.018)
    assert found.equivalence_p(0.05) == pytest.approx(expected, abs=1e-5)
    lower, upper = found.limits(0.9)
    assert max(-lower, upper) == pytest.approx(found.proved_margin())
    assert found.equivalence_p(found.proved_margin()) == pytest.approx(0.05, abs=1e-4)
    largest = Summary(0.0204, 0.018, 1e6, 303)  # that passes at 0.05
    assert largest.proved_margin() == pytest.approx(0.05, abs=1e-4)
    drawn = np.random.default_rng(4).normal(0, 0.018, 20000)
    passed = np.mean([Summary(value, 0.018, 1e6, 303).proved_margin() <= found.provable_margin() for value in drawn])
    assert passed == pytest.approx(resampled.POWER, abs=0.01)


def test_a_table_that_differs_by_more_than_the_margin_is_called_equal_in_at_most_5_percent():
    rng = np.random.default_rng(5)
    called = 0
    for _ in range(1000):
        apart = rng.choice([-1, 0, 1], p=(0.1, 0.85, 0.05), size=(1, 300))  # truly -0.05
        figure = resampled.Figure(apart.mean(axis=1), (apart - apart.mean()) / 300, np.ones((1, 300), bool))
        called += resampled.summarise(figure, 0.0, difference=True).equivalence_p(0.05) < 0.05
    assert 20 <= called <= 70


def test_without_a_discordant_patient_the_interval_is_not_empty_and_few_prove_little():
    def margin(patients: int) -> float:
        none = np.zeros((1, patients))
        figure = resampled.Figure(np.zeros(1), none, np.ones((1, patients), bool))
        return resampled.summarise(figure, 0.0, difference=True).proved_margin()

    assert margin(10) > 0.1
    assert 0.005 < margin(300) < 0.02
    nobody = resampled.summarise(resampled.Figure(np.zeros(1), np.zeros((1, 1)), np.ones((1, 1), bool)), 0.0, True)
    assert nobody.limits() == (-1.0, 1.0)
    assert np.isnan(nobody.equivalence_p(0.05))


def test_replicates_with_nothing_in_common_are_an_ordinary_sample():
    rng = np.random.default_rng(6)
    values = rng.normal(0.1, 0.05, 12)
    figure = resampled.Figure(values, np.zeros((12, 1000)), np.ones((12, 1000), bool))
    found = resampled.summarise(figure, 0.0)
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    assert found.limits() == pytest.approx(tuple(expected), abs=1e-9)
    assert resampled.summarise(figure, 0.5).error > 3 * found.error  # Nadeau and Bengio: 1 / J + 1 in place of 1 / J


@pytest.mark.parametrize("replicates", [3, 8])
def test_the_interval_holds_the_truth(replicates: int):
    """Training halves of one pool, patients tested by several replicates; the truth is known by construction."""
    rng, pool, test = np.random.default_rng(replicates), 80, 60
    held = []
    for _ in range(250):
        worth, hard = rng.normal(0, 0.35, pool), rng.normal(0, 0.3, pool + test)  # of a patient as trainer, as tested
        members = np.array([np.isin(np.arange(pool), rng.permutation(pool)[: pool // 2]) for _ in range(replicates)])
        values, parts = [], np.zeros((replicates, pool + test))
        for row, own in enumerate(members):
            asked = np.append(~own, np.ones(test, bool))
            apart = worth[own].mean() + rng.normal(0, 0.03) + hard[asked] + rng.normal(0, 0.3, asked.sum())
            values.append(apart.mean())
            parts[row, asked] = (apart - apart.mean()) / asked.sum()
        figure = resampled.Figure(np.array(values), parts, parts != 0)
        found = resampled.summarise(figure, resampled.common_share(members))
        lower, upper = found.limits()
        held.append(lower <= 0 <= upper)
    assert np.mean(held) >= 0.92
