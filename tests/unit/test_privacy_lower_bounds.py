"""Lower bounds on epsilon: the published figure, exact sums, closed forms of one canary, and honest mechanisms."""

from math import comb

import numpy as np
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import binom, norm

from medpriv.privacy.lower_bounds import (
    _one_run_refuses,
    accuracy_mu,
    clopper_pearson_upper,
    count_correct,
    gaussian_delta,
    gaussian_epsilon,
    gaussian_mu,
    one_run_epsilon,
    one_run_mu,
    one_run_p_value,
    plan_guesses,
    threshold_epsilon,
    threshold_mu,
)


def test_a_thousand_right_guesses_give_the_published_5_8():
    bound = one_run_epsilon(1000, 1000, 1000, delta=0, alpha=0.05)
    q = 0.05 ** (1 / 1000)
    assert bound == pytest.approx(np.log(q / (1 - q)), abs=1e-9)
    assert round(bound, 1) == 5.8


@pytest.mark.parametrize(("m", "r", "v", "epsilon", "delta"), [(20, 12, 10, 0.7, 0.01), (9, 9, 9, 2.0, 0.001)])
def test_the_p_value_is_the_sum_written_out(m, r, v, epsilon, delta):
    q = np.exp(epsilon) / (1 + np.exp(epsilon))
    mass = [comb(r, k) * q**k * (1 - q) ** (r - k) for k in range(r + 1)]
    steepest = max(sum(mass[v - i : v]) / i for i in range(1, v + 1))
    assert one_run_p_value(m, r, v, epsilon, delta) == pytest.approx(sum(mass[v:]) + 2 * m * delta * steepest)


def test_delta_costs_and_chance_proves_nothing():
    assert one_run_epsilon(400, 100, 95, 1e-4, 0.05) < one_run_epsilon(400, 100, 95, 0, 0.05)
    assert one_run_epsilon(400, 100, 50, 0, 0.05) == 0
    assert one_run_mu(400, 100, 50, 0.05) == 0


def test_the_bound_is_where_the_p_value_meets_alpha():
    bound = one_run_epsilon(300, 120, 100, 1e-5, 0.05)
    assert one_run_p_value(300, 120, 100, bound, 1e-5) == pytest.approx(0.05, abs=1e-9)


def test_impossible_counts_are_refused():
    for bound in (lambda: one_run_epsilon(10, 5, 6, 0, 0.05), lambda: one_run_mu(4, 5, 5, 0.05)):
        with pytest.raises(ValueError, match="can't be"):
            bound()


@pytest.mark.parametrize("mu", [0.3, 1.0, 2.5])
def test_one_canary_under_gaussian_dp_is_guessed_with_probability_phi_of_half_mu(mu):
    exact = norm.cdf(mu / 2)
    assert not _one_run_refuses(1, 1, 1, np.array([mu]), exact * 0.9999)[0]
    assert _one_run_refuses(1, 1, 1, np.array([mu]), exact * 1.0001)[0]


@pytest.mark.parametrize("mu", [0.2, 1.0, 2.0])
@pytest.mark.parametrize(("m", "v"), [(5, 4), (40, 30), (300, 200), (300, 300)])
def test_independent_gaussian_scores_are_never_refused_at_their_own_probability(mu, m, v):
    exact = binom.sf(v - 1, m, norm.cdf(mu / 2))
    assert not _one_run_refuses(m, m, v, np.array([mu]), exact)[0]


def test_the_largest_probability_not_refused_is_that_of_a_direct_search():
    # Three canaries, three guesses, two or more right: search all distributions (p_0, .., p_3) on a grid.
    mu = 0.8
    p1, p2, p3 = (axis.ravel() for axis in np.meshgrid(*[np.linspace(0, 1, 81)] * 3, indexing="ij"))
    p = np.stack([1 - p1 - p2 - p3, p1, p2, p3])[:, p1 + p2 + p3 <= 1]
    allowed = np.ones(p.shape[1], dtype=bool)
    for j in (1, 2, 3):
        right = sum(p[i] * i / 3 for i in range(j, 4))
        wrong = sum(p[i - 1] * (3 - i + 1) / 3 for i in range(j, 4))
        allowed &= right <= ndtr(ndtri(wrong) + mu) + 1e-12
    found = (p[2] + p[3])[allowed].max()
    alphas = np.linspace(0.01, 0.99, 981)
    largest = max(alpha for alpha in alphas if not _one_run_refuses(3, 3, 2, np.array([mu]), alpha)[0])
    assert found <= largest <= found + 2 / 80


def test_bounds_of_a_gaussian_mechanism_fail_at_most_as_often_as_stated():
    mu, delta, canaries, runs = 1.0, 1e-3, 200, 200
    rng = np.random.default_rng(0)
    exceeded = {"one-run": 0, "gaussian": 0, "accuracy": 0, "threshold": 0, "threshold gaussian": 0}
    for _ in range(runs):
        inside = rng.random(canaries) < 0.5
        scores = rng.normal(size=canaries) + mu * inside
        correct = count_correct(scores, inside, 60)
        exceeded["one-run"] += one_run_epsilon(canaries, 60, correct, delta, 0.05) > gaussian_epsilon(mu, delta)
        exceeded["gaussian"] += one_run_mu(canaries, 60, correct, 0.05) > mu
        decided = scores > mu / 2
        exceeded["accuracy"] += accuracy_mu(canaries, (decided == inside).sum(), 0.05) > mu
        counts = (decided & ~inside).sum(), (~inside).sum(), (~decided & inside).sum(), inside.sum()
        exceeded["threshold"] += threshold_epsilon(*counts, delta, 0.05) > gaussian_epsilon(mu, delta)
        exceeded["threshold gaussian"] += threshold_mu(*counts, 0.05) > mu
    allowed = binom.ppf(0.999, runs, 0.05)
    assert max(exceeded.values()) <= allowed, exceeded


def test_twice_the_gaussian_mechanism_s_mu_is_seen():
    mu, canaries = gaussian_mu(3, 1e-4), 1600
    rng = np.random.default_rng(1)
    inside = rng.random(canaries) < 0.5
    scores = rng.normal(size=canaries) + 2 * mu * inside
    assert gaussian_epsilon(one_run_mu(canaries, 192, count_correct(scores, inside, 192), 0.05), 1e-4) > 3
    decided = scores > mu
    counts = (decided & ~inside).sum(), (~inside).sum(), (~decided & inside).sum(), inside.sum()
    assert gaussian_epsilon(threshold_mu(*counts, 0.05), 1e-4) > 5


def test_clopper_pearson_s_one_sided_limit_by_its_definition():
    limit = clopper_pearson_upper(3, 50, 0.05)
    assert binom.cdf(3, 50, limit) == pytest.approx(0.05)
    assert clopper_pearson_upper(0, 20, 0.05) == pytest.approx(1 - 0.05 ** (1 / 20))
    assert clopper_pearson_upper(7, 7, 0.05) == clopper_pearson_upper(0, 0, 0.05) == 1


def test_a_perfect_test_s_bound_in_closed_form():
    limit = 1 - 0.025 ** (1 / 100)
    assert threshold_epsilon(0, 100, 0, 100, 0.0, 0.05) == pytest.approx(np.log((1 - limit) / limit))
    assert threshold_mu(0, 100, 0, 100, 0.05) == pytest.approx(-2 * norm.ppf(limit))
    assert threshold_epsilon(50, 100, 50, 100, 0.0, 0.05) == threshold_mu(50, 100, 50, 100, 0.05) == 0


def test_the_accuracy_s_bound_by_its_definition():
    bound = accuracy_mu(400, 260, 0.05)
    assert binom.sf(259, 400, norm.cdf(bound / 2)) == pytest.approx(0.05)
    assert accuracy_mu(400, 200, 0.05) == accuracy_mu(400, 10, 0.05) == 0
    assert accuracy_mu(400, 400, 0.05) == pytest.approx(2 * norm.ppf(0.05 ** (1 / 400)))


def test_a_worse_than_chance_test_is_not_turned_round():
    assert threshold_epsilon(99, 100, 99, 100, 0.0, 0.05) == threshold_mu(99, 100, 99, 100, 0.05) == 0


def test_gaussian_dp_s_curve_is_its_hockey_stick_and_turns_back():
    mu, epsilon = 1.3, 2.0
    z = np.linspace(-12, 12, 400_001)
    density = norm.pdf(z, mu) - np.exp(epsilon) * norm.pdf(z)
    assert gaussian_delta(mu, epsilon) == pytest.approx(np.maximum(density, 0).sum() * (z[1] - z[0]), rel=1e-6)
    assert gaussian_epsilon(mu, gaussian_delta(mu, epsilon)) == pytest.approx(epsilon, abs=1e-9)
    assert gaussian_mu(gaussian_epsilon(mu, 1e-5), 1e-5) == pytest.approx(mu, abs=1e-9)


@pytest.mark.parametrize("delta", [1e-2, 3e-4, 1e-6])
@pytest.mark.parametrize("epsilon", [0.01, 0.5, 8.0, 63.0, 64.0, 100.0, 1000.0, 1e4])
def test_gaussian_dp_s_mu_keeps_an_epsilon_however_large(epsilon: float, delta: float):
    mu = gaussian_mu(epsilon, delta)
    assert gaussian_delta(mu, epsilon) == pytest.approx(delta, rel=1e-8)
    assert gaussian_epsilon(mu, delta) == pytest.approx(epsilon, rel=1e-9)


def test_large_epsilons_have_the_mu_of_the_closed_form_s_limit():
    assert gaussian_mu(64.0, 3e-4) == pytest.approx(8.46, abs=0.01)
    for epsilon in (1e8, 1e12, 1e20):  # delta is Phi(mu / 2 - eps / mu), the rest below phi / mu
        a = norm.ppf(1e-6)
        assert gaussian_mu(epsilon, 1e-6) == pytest.approx(a + np.sqrt(a * a + 2 * epsilon), rel=1e-6)


def test_guesses_are_planned_few_for_rare_certainty_and_stay_within_the_canaries():
    def bound(canaries: int, guesses: int, correct: int) -> float:
        return one_run_epsilon(canaries, guesses, correct, 1e-4, 0.05)

    for mu in (0.1, 1.0, 6.0):
        guesses = plan_guesses(400, mu, bound)
        assert guesses % 2 == 0
        assert 2 <= guesses <= 400
    assert plan_guesses(400, 6.0, bound) == 400  # every guess is right
    assert plan_guesses(400, 1.5, bound) < 200


def test_correct_guesses_are_counted_at_both_ends():
    scores = np.array([0.9, 0.8, 0.5, 0.4, 0.2, 0.1])
    inside = np.array([True, False, True, False, True, False])
    assert count_correct(scores, inside, 2) == 2
    assert count_correct(scores, inside, 4) == 2
    assert count_correct(scores, inside, 6) == 4
