"""Certified removal: the convex fit, the bound on random cases against exact fitting anew, and the budget."""

import numpy as np
import pytest
import torch
from made_up_requests import SETTINGS, forget_beats, forget_patients

from medpriv.bank import engine
from medpriv.unlearning.certified import GAMMA, Head, budget, certified, fit, remove


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def random_head(case: int) -> Head:
    """Return a random problem: separable or not, offsets or none, few or many records, one class or several."""
    rng = np.random.default_rng(case)
    n, d, classes = rng.integers(20, 200), rng.integers(2, 12), rng.integers(1, 4)
    x = rng.normal(size=(n, d)) * rng.uniform(0.2, 2)
    margins = x @ rng.normal(size=(d, classes)) + rng.normal(size=(n, classes)) * rng.uniform(0, 3)
    return Head(
        x=x,
        signs=np.where(margins > 0, 1.0, -1.0),
        offsets=rng.normal(size=(n, classes)) * (case % 2),
        l2=10 ** rng.uniform(-1, 1),
        linear=rng.normal(size=(d, classes)) * rng.uniform(0, 2),
    )


@pytest.mark.parametrize("case", range(20))
def test_the_fit_is_the_minimum(case):
    head = random_head(case)
    w = torch.from_numpy(fit(head)).requires_grad_()
    margins = torch.from_numpy(head.signs) * (torch.from_numpy(head.x) @ w + torch.from_numpy(head.offsets))
    loss = torch.nn.functional.softplus(-margins).sum() + head.l2 / 2 * (w * w).sum()
    loss = loss + (torch.from_numpy(head.linear) * w).sum()
    loss.backward()
    assert w.grad.norm() < 1e-6
    np.testing.assert_allclose(head.gradient(w.detach().numpy()), w.grad.numpy(), atol=1e-9)


@pytest.mark.parametrize("case", range(60))
def test_the_residual_stays_under_its_bound_and_the_bound_under_the_paper_s(case):
    head = random_head(case)
    rng = np.random.default_rng(1000 + case)
    rest = head.take(rng.random(len(head.x)) > rng.uniform(0.02, 0.6))
    before, exact = fit(head), fit(rest)
    after, bound = remove(rest, before)
    residual = np.linalg.norm(rest.gradient(after))
    assert residual <= bound
    # L is l2-strongly convex, so the residual bounds the distance to exact fitting anew.
    assert np.linalg.norm(after - exact) <= bound / head.l2
    v = after - before
    spectral, largest = np.linalg.norm(rest.x, 2), np.linalg.norm(rest.x, axis=1).max()
    papers = GAMMA * spectral * np.linalg.norm(v, axis=0) * largest * np.linalg.norm(rest.x @ v, axis=0)
    assert bound <= np.linalg.norm(papers) * (1 + 1e-9)


def test_a_single_record_is_removed_nearly_exactly_by_one_step():
    head = random_head(6)
    rest = head.take(np.arange(len(head.x)) > 0)
    before, exact = fit(head), fit(rest)
    after, _ = remove(rest, before)
    assert np.linalg.norm(after - exact) < 0.1 * np.linalg.norm(before - exact)


def test_the_step_at_the_minimum_is_the_removed_records_pull():
    head = random_head(3)
    removed = np.arange(len(head.x)) < 4
    rest, gone, w = head.take(~removed), head.take(removed), fit(head)
    after, _ = remove(rest, w)
    np.testing.assert_allclose(after - w, rest.newton(w, gone.x.T @ gone.pulls(w)), rtol=1e-5, atol=1e-9)


def test_the_curvature_s_slope_is_the_steepest():
    z = np.linspace(-5, 5, 10001)
    p = 1 / (1 + np.exp(-z))
    assert np.abs(p * (1 - p) * (1 - 2 * p)).max() == pytest.approx(GAMMA)


def test_budget_follows_the_theorem():
    assert budget(2.0, 0.5, 1e-3) == pytest.approx(2.0 * 0.5 / np.sqrt(2 * np.log(1500)))


@pytest.mark.parametrize("make", [forget_patients, forget_beats])
def test_bounds_that_fit_are_certified_and_others_fitted_anew(make):
    request = make("certified")
    settings = SETTINGS["certified"] | {"dimension": 8}
    some = certified(request, settings)
    assert some.certificate["certified_share"] == 1
    assert some.certificate["bound"] <= some.certificate["bound_allowed"]
    assert some.certificate["bound"] <= some.certificate["bound_after_one_step"]
    none = certified(request, settings | {"epsilon": 1e-6, "steps": 1})
    assert none.certificate["certified_share"] == 0
    for name, value in none.parameters.items():  # Newton's steps and fitting anew end at the same head
        np.testing.assert_allclose(some.parameters[name], value, atol=0.02)


def test_the_head_is_the_output_layer_and_reads_the_frozen_features():
    request = forget_patients("certified")
    parameters = certified(request, SETTINGS["certified"]).parameters
    for name, value in parameters.items():
        assert np.array_equal(value, request.start[name]) == (not name.startswith("output."))
    right = engine.logits(request.network, parameters, request.x).argmax(-1) == request.y
    assert np.mean([row[mask].mean() for row, mask in zip(right, request.retain, strict=True)]) > 0.85


def test_a_personal_head_that_forgets_all_its_beats_never_saw_any():
    request = forget_beats("certified", share=1.0)
    parameters = certified(request, SETTINGS["certified"] | {"sigma": 1e-9, "steps": 20}).parameters
    for name, value in parameters.items():
        np.testing.assert_allclose(value, request.before[name], atol=1e-4)


def test_two_classes_have_one_head():
    request = forget_patients("certified", "mlp")
    parameters = certified(request, SETTINGS["certified"]).parameters
    assert parameters["output.weight"].shape == request.start["output.weight"].shape
    right = engine.logits(request.network, parameters, request.x).argmax(-1) == request.y
    assert np.mean([row[mask].mean() for row, mask in zip(right, request.retain, strict=True)]) > 0.85
