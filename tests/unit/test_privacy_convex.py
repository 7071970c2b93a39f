"""Output and objective perturbation: sensitivity on neighbours, exact densities in one dimension, noise, limits."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_banks import training_spec
from made_up_datasets import put_together, with_changes
from scipy.stats import gamma, kstest, norm

from medpriv.bank import engine
from medpriv.bank.draw import Draw
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.models.catalogue import build_network
from medpriv.privacy.convex import (
    CONSTANT,
    TOLERANCE,
    _draw,
    _gaussian_delta,
    as_network,
    bounded_records,
    calibrate,
    minimise,
    objective_delta,
    release,
    train_convex,
)

RECIPE = {"l2": 0.02}


def toy_dataset(patients: int = 60, records: int = 2, features: int = 5, **changed: object) -> Dataset:
    """Return a table whose first feature carries the class."""
    rng = np.random.default_rng(0)
    n = patients * records
    y = rng.integers(2, size=n)
    x = rng.normal(size=(n, features)) * 3 + 1
    x[:, 0] += 6 * y
    held = {
        "name": "toy",
        "x": x.astype(np.float32),
        "y": y,
        "patient": np.repeat(np.arange(patients, dtype=np.int32), records),
        "site": np.zeros(n, np.int32),
        "split": np.where(np.arange(patients) % 4 == 3, TEST, TRAIN).astype(np.uint8),
        "centre": x.mean(0).astype(np.float32),
        "scale": x.std(0).astype(np.float32),
        "patients": tuple(f"p{index}" for index in range(patients)),
        "sites": ("here",),
        "classes": ("healthy", "ill"),
        "features": tuple("uvwxyz"[:features]),
        "units": ("",) * features,
        "licence": "none",
        "source": "simulated",
        "digest": "0" * 64,
    }
    return put_together(**{**held, **changed})


def random_problem(n: int, d: int, case: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of norm at most 1 and signs, for one replicate."""
    rng = np.random.default_rng(case)
    x = rng.normal(size=(1, n, d))
    x /= np.maximum(np.linalg.norm(x, axis=2, keepdims=True), 1)
    return x, np.where(rng.random((1, n)) < 0.5 + 0.3 * np.sign(x[..., 0]), 1.0, -1.0)


def sgn(value: np.ndarray) -> np.ndarray:
    return np.where(value > 0, 1.0, -1.0)


# The minimum and its sensitivity.


def test_without_noise_it_is_scikit_learn_s_logistic_regression():
    from sklearn.linear_model import LogisticRegression

    x, signs = random_problem(200, 6, 0)
    w = minimise(x, signs, 0.7, np.zeros((1, 6)))
    peer = LogisticRegression(C=1 / 0.7, fit_intercept=False, tol=1e-10, max_iter=10_000).fit(x[0], signs[0])
    np.testing.assert_allclose(w, peer.coef_, atol=1e-6)


@pytest.mark.parametrize("l2", [1e-3, 0.1, 10.0])
def test_the_minimum_has_no_gradient_with_a_linear_term_in_any_stack(l2):
    problems = [random_problem(64, 4, case) for case in range(3)]
    x, signs = (np.concatenate(parts) for parts in zip(*problems, strict=True))
    linear = np.random.default_rng(9).normal(size=(3, 4)) * 5
    w = minimise(x, signs, l2, linear)
    margin = signs * np.einsum("knd,kd->kn", x, w)
    wrong = np.exp(-np.logaddexp(0, margin))
    gradient = -np.einsum("kn,knd->kd", signs * wrong, x) + l2 * w + linear
    assert np.linalg.norm(gradient, axis=1).max() <= 1.01 * TOLERANCE
    alone = np.concatenate([minimise(x[[k]], signs[[k]], l2, linear[[k]]) for k in range(3)])
    np.testing.assert_array_equal(w, alone)


@pytest.mark.parametrize("l2", [0.05, 1.0])
def test_one_patient_moves_the_minimum_by_less_than_the_sensitivity(l2):
    none, moved = np.zeros((1, 3)), []
    for case in range(200):
        x, signs = random_problem(int(np.random.default_rng(case).integers(0, 12)), 3, case)
        extra, sign = random_problem(1, 3, 1000 + case)
        extra /= np.linalg.norm(extra)
        with_one = minimise(np.concatenate([x, extra], 1), np.concatenate([signs, sign], 1), l2, none)
        moved.append(np.linalg.norm(with_one - minimise(x, signs, l2, none)))
    assert max(moved) <= 1 / l2
    assert max(moved) > 0.2 / l2


# The guarantee itself, in one dimension, where densities are known.


def density(w: np.ndarray, x: np.ndarray, signs: np.ndarray, perturbation, law) -> np.ndarray:
    """Return the density of objective perturbation's exact minimum at w [n], by change of variables from b's."""
    wrong = 1 / (1 + np.exp(signs * x * w[:, None]))
    b = (signs * x * wrong).sum(1) - perturbation.l2 * w
    return law(b) * ((x**2 * wrong * (1 - wrong)).sum(1) + perturbation.l2)


@pytest.mark.parametrize("l2", [0.3, 5.0])
@pytest.mark.parametrize("epsilon", [0.5, 3.0])
@pytest.mark.parametrize("delta", [0.0, 1e-3])
def test_objective_perturbation_keeps_its_promise_exactly_in_one_dimension(epsilon, delta, l2):
    made = calibrate("objective", epsilon, delta, l2)
    law = norm(scale=made.linear).pdf if delta else lambda b: np.exp(-np.abs(b) / made.linear) / (2 * made.linear)
    reach = 8 * made.linear + 10 if delta else 40 * made.linear + 10
    w = np.linspace(-reach / made.l2, reach / made.l2, 400_001)
    most = 0.0
    for x in ([], [1.0, -0.5], [1.0] * 5):
        for extra, sign in ((1.0, 1.0), (1.0, -1.0), (0.3, 1.0)):
            before = density(w, np.array(x), sgn(np.array(x)), made, law)
            after = density(w, np.array([*x, extra]), np.append(sgn(np.array(x)), sign), made, law)
            width = w[1] - w[0]
            assert before.sum() * width == pytest.approx(1, abs=1e-3)
            for p, q in ((before, after), (after, before)):
                most = max(most, np.maximum(p - np.exp(epsilon) * q, 0).sum() * width)
    assert most <= max(delta, 1e-9)
    if delta:  # what was promised is not given away either: the noise could not be far smaller
        loose = replace(made, linear=made.linear / 2)
        law = norm(scale=loose.linear).pdf
        p, q = (density(w, np.array(x), np.array(x), loose, law) for x in ([1.0], [1.0, 1.0]))
        assert (
            max(np.maximum(q - np.exp(epsilon) * p, 0).sum(), np.maximum(p - np.exp(epsilon) * q, 0).sum())
            * (w[1] - w[0])
            > delta
        )


def test_the_bound_on_the_privacy_loss_is_its_integral():
    sigma, epsilon = 1.7, 0.9
    z = np.linspace(-12, 12, 400_001)
    gain = np.maximum(1 - np.exp(epsilon - np.abs(z) / sigma - 1 / (2 * sigma**2)), 0)
    assert objective_delta(sigma, epsilon) == pytest.approx((norm.pdf(z) * gain).sum() * (z[1] - z[0]), rel=1e-6)
    assert objective_delta(0.4, 0.5) == pytest.approx(
        (norm.pdf(z) * np.maximum(1 - np.exp(0.5 - np.abs(z) / 0.4 - 1 / 0.32), 0)).sum() * (z[1] - z[0]), rel=1e-6
    )


def test_the_gaussian_is_calibrated_by_its_exact_curve():
    made = calibrate("output", 1.0, 1e-5, 4.0)
    assert _gaussian_delta(made.output * 4.0, 1.0) == pytest.approx(1e-5, rel=1e-5)
    z = np.linspace(-60, 60, 400_001)
    sigma = made.output * 4.0
    gain = np.maximum(norm.pdf(z, 1, sigma) - np.e * norm.pdf(z, 0, sigma), 0).sum() * (z[1] - z[0])
    assert gain == pytest.approx(1e-5, rel=1e-4)


def test_pure_noise_is_scaled_to_the_sensitivity():
    assert calibrate("output", 0.7, 0.0, 4.0).output == pytest.approx(1 / (0.7 * 4.0))
    made = calibrate("objective", 0.7, 0.0, 4.0)
    assert made.linear == pytest.approx(1 / (0.99 * 0.7 - np.log1p(0.25 / 4.0)))
    assert made.output == pytest.approx(2 * TOLERANCE / 4.0 / (0.01 * 0.7))


def test_lambda_is_raised_where_the_jacobians_would_eat_the_budget():
    made = calibrate("objective", 0.5, 1e-4, 1e-6)
    assert np.log1p(0.25 / made.l2) == pytest.approx(0.99 * 0.5 / 2)
    assert calibrate("objective", 0.5, 1e-4, 30.0).l2 == 30.0


# The noise.


@pytest.mark.parametrize("dimension", [1, 7])
def test_pure_noise_has_gamma_norms_and_uniform_directions(dimension):
    rng = np.random.default_rng(3)
    drawn = np.stack([_draw(rng, dimension, 2.5, 0.0) for _ in range(3000)])
    norms = np.linalg.norm(drawn, axis=1)
    assert kstest(norms, gamma(dimension, scale=2.5).cdf).pvalue > 0.01
    if dimension > 1:
        np.testing.assert_allclose((drawn / norms[:, None]).mean(0), 0, atol=0.03)


def test_gaussian_noise_is_gaussian():
    rng = np.random.default_rng(4)
    drawn = np.stack([_draw(rng, 3, 0.5, 1e-5) for _ in range(3000)])
    assert kstest(drawn.ravel(), norm(scale=0.5).cdf).pvalue > 0.01


def test_noise_vanishes_as_epsilon_grows():
    x, signs = random_problem(80, 3, 1)
    exact = minimise(x, signs, 2.0, np.zeros((1, 3)))
    for mechanism in ("output", "objective"):
        for delta in (0.0, 1e-5):
            found = release(x, signs, calibrate(mechanism, 1e5, delta, 2.0), [np.random.default_rng(0)])
            np.testing.assert_allclose(found, exact, atol=1e-3)
            far = release(x, signs, calibrate(mechanism, 0.1, delta, 2.0), [np.random.default_rng(0)])
            assert np.linalg.norm(far - exact) > 0.1


def test_rows_that_break_the_assumption_are_refused():
    x, signs = random_problem(10, 3, 1)
    with pytest.raises(ValueError, match="norm 2"):
        release(2 * x / np.linalg.norm(x, axis=2).max(), signs, calibrate("output", 1, 0, 1), [None])


# As banks.


def test_records_have_norm_at_most_1_and_weights_read_the_network_s_features():
    x = np.random.default_rng(0).normal(size=(50, 9)).astype(np.float32) * np.linspace(0.1, 4, 50)[:, None]
    records = bounded_records(x)
    assert np.linalg.norm(records, axis=1).max() <= 1 + 1e-12
    assert (records[:, -1] == CONSTANT).all()
    unclipped = np.linalg.norm(x, axis=1) <= 3
    assert 0 < unclipped.sum() < 50
    w = np.random.default_rng(1).normal(size=(2, 10))
    network = build_network("logistic", (9,), 2, {})
    z = engine.logits(network, as_network(w, 9), x)[..., 1]
    np.testing.assert_allclose(z[:, unclipped], w @ records[unclipped].T, atol=1e-5)


def fit(dataset, mechanism, epsilon, delta, draw):
    spec = training_spec(f"dp-{mechanism}-logistic-eps{epsilon:g}", "logistic", {}, RECIPE)
    return train_convex(dataset, spec, delta, draw)


@pytest.mark.parametrize("mechanism", ["output", "objective"])
def test_with_much_budget_a_bank_is_the_plain_fit_on_its_members_one_record_each(mechanism):
    dataset = toy_dataset(records=1)
    parameters, _ = fit(dataset, mechanism, 1e6, 1e-3, Draw([0, 2], 4, 7))
    members = Draw(range(4), 4, 7).members(dataset)[[0, 2]][:, dataset.patient]
    records, signs = bounded_records(dataset.standardised()), np.where(dataset.y == 1, 1.0, -1.0)
    for k in range(2):
        rows = np.flatnonzero(members[k])
        fitted = minimise(records[None, rows], signs[None, rows], 0.02 * len(rows), np.zeros((1, 6)))
        expected = as_network(fitted, 5)
        for name, value in expected.items():
            np.testing.assert_allclose(parameters[name][k], value[0], atol=5e-3)


@pytest.mark.parametrize("mechanism", ["output", "objective"])
@pytest.mark.parametrize("delta", [0.0, 1e-3])
def test_a_bank_is_the_same_in_shards_and_says_what_it_guarantees(mechanism, delta):
    dataset = toy_dataset()
    whole, facts = fit(dataset, mechanism, 2.0, delta, Draw(range(5), 5, 1))
    for some in ([0], [1, 2], [3, 4]):
        part, _ = fit(dataset, mechanism, 2.0, delta, Draw(some, 5, 1))
        for name, value in part.items():
            assert value.dtype == np.float32
            np.testing.assert_array_equal(value, whole[name][some])
    assert (facts["epsilon"], facts["delta"], facts["unit"]) == (2.0, delta, "patient")
    assert facts["adjacency"] == "zero-out, n public"
    assert len(np.unique(whole["output.bias"])) == 5


def test_a_patient_with_many_records_counts_once():
    crowd = toy_dataset(records=1)
    repeated = np.concatenate([np.arange(60), np.full(200, 0)])
    dataset = with_changes(
        crowd,
        x=crowd.x[repeated],
        y=crowd.y[repeated],
        patient=crowd.patient[repeated],
        site=crowd.site[repeated],
    )
    for mechanism in ("output", "objective"):
        one, many = (fit(data, mechanism, 1e6, 1e-3, Draw([0], 2, 3))[0] for data in (crowd, dataset))
        for name, value in one.items():
            np.testing.assert_allclose(many[name], value, atol=1e-3)


def test_other_datasets_are_refused():
    whole = toy_dataset()
    dataset = with_changes(whole, classes=("a", "b", "c"), y=np.arange(len(whole.y)) % 3)
    with pytest.raises(InputError, match="no table of two classes"):
        fit(dataset, "output", 1.0, 1e-3, Draw([0], 2, 1))
