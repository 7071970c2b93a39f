"""Importance against one record after another by autograd, and the rules that use it against their formulas."""

import numpy as np
import pytest
import torch
from made_up_requests import SETTINGS, forget_beats, forget_patients

from medpriv.bank.losses import cross_entropy_gradient
from medpriv.bank.reference import record_losses
from medpriv.unlearning import importance
from medpriv.unlearning.catalogue import METHODS

MODELS = ["cnn", "cnn_gn", "mlp"]


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def one_by_one(request, r: int, rows: np.ndarray, loss, power: int) -> list[np.ndarray]:
    """Return the mean over records of |gradient|^p for each of torch's own parameters, in evaluation mode."""
    module = request.network.reference(request.start, r).eval()
    sums = [torch.zeros_like(value) for value in module.parameters()]
    for row in np.flatnonzero(rows):
        module.zero_grad()
        loss(module(torch.from_numpy(request.x[row : row + 1])), torch.from_numpy(request.y[row : row + 1])).backward()
        for total, value in zip(sums, module.parameters(), strict=True):
            total += value.grad.abs() ** power
    return [(total / rows.sum()).numpy() for total in sums]


def stacked(request, r: int, held) -> list[np.ndarray]:
    """Return values by parameter name in the order and shapes of torch's own parameters."""
    filled = {name: held.get(name, value) for name, value in request.start.items()}
    return [value.detach().numpy() for value in request.network.reference(filled, r).parameters()]


@pytest.mark.parametrize("model", MODELS)
def test_squared_gradients_equal_a_plain_loop_over_records(model):
    request = forget_patients(model=model)
    got = importance.importance(request, request.start, request.forget, cross_entropy_gradient, torch.square)
    for r in (0, 4):
        expected = one_by_one(request, r, request.forget[r], lambda z, y: record_losses(z, y).sum(), 2)
        for one, other in zip(stacked(request, r, got), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=2e-3, atol=1e-7 * max(1, other.max()))


@pytest.mark.parametrize("model", MODELS)
def test_label_free_importance_equals_a_plain_loop_over_records(model):
    request = forget_patients(model=model)
    got = importance.importance(request, request.start, request.forget, importance._norm_gradient, torch.abs)
    expected = one_by_one(request, 1, request.forget[1], lambda z, y: (z * z).sum(), 1)
    for one, other in zip(stacked(request, 1, got), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=1e-4 * max(1, other.max()))


def test_differently_many_records_do_not_mix():
    request = forget_patients()
    members = request.forget.copy()
    members[0, np.flatnonzero(members[0])[3:]] = False
    got = importance.importance(request, request.start, members, cross_entropy_gradient, torch.square)
    expected = one_by_one(request, 0, members[0], lambda z, y: record_losses(z, y).sum(), 2)
    for one, other in zip(stacked(request, 0, got), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=1e-7 * max(1, other.max()))


@pytest.mark.parametrize(("make", "method"), [(forget_patients, "ssd"), (forget_beats, "ssd_labelfree")])
def test_dampening_follows_its_rule_weight_by_weight(make, method):
    request = make(method)
    settings = SETTINGS[method] | {"selection": 1.5, "dampening": 0.7}
    loss, size = (cross_entropy_gradient, torch.square) if method == "ssd" else (importance._norm_gradient, torch.abs)
    parameters = METHODS[method](request, settings).parameters
    forgotten = importance.importance(request, request.start, request.forget, loss, size)
    every = importance.importance(request, request.start, request.forget | request.retain, loss, size)
    if request.before is not None:  # the replicate's own records count too, as many as they are
        replicates = importance.importance(request, request.before, request.base, loss, size)
        many, few = (held.sum(1) for held in (request.base, request.forget | request.retain))
        every = {
            name: ((many * replicates[name].T + few * every[name].T) / (many + few)).T.astype(np.float32)
            for name in every
        }
    touched = 0
    for name, value in request.start.items():
        if "running" in name:
            np.testing.assert_array_equal(parameters[name], value)
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = np.minimum(0.7 * every[name] / forgotten[name], 1)
        chosen = forgotten[name] > 1.5 * every[name]
        np.testing.assert_allclose(parameters[name], np.where(chosen, value * factor, value), rtol=1e-5)
        touched += chosen.sum()
    assert touched > 0


def test_a_selection_that_nothing_exceeds_changes_nothing():
    request = forget_patients("ssd")
    for name, value in METHODS["ssd"](request, {"selection": 1e9, "dampening": 1.0}).parameters.items():
        np.testing.assert_array_equal(value, request.start[name])


def test_fisher_noise_has_the_variance_of_its_formula():
    request = forget_patients("fisher")
    settings = {"alpha": 1e-4, "most": 50.0}
    parameters = METHODS["fisher"](request, settings).parameters
    information = importance.importance(request, request.start, request.retain, cross_entropy_gradient, torch.square)
    scaled = np.concatenate(
        [
            ((parameters[name] - request.start[name]) / np.sqrt(1e-4 * np.minimum(1 / (held + 1e-8), 50))).ravel()
            for name, held in information.items()
        ]
    )
    assert scaled.std() == pytest.approx(1, abs=0.03)
    assert scaled.mean() == pytest.approx(0, abs=0.03)
    still = METHODS["fisher"](request, {"alpha": 1e-30, "most": 50.0}).parameters
    for name, value in still.items():
        np.testing.assert_allclose(value, request.start[name], atol=1e-12)


def test_a_replicate_s_importance_is_found_once_for_all_it_forgets():
    few, all_members = forget_patients("ssd", patients=1), forget_patients("ssd", patients=None)
    costs = [METHODS["ssd"](request, SETTINGS["ssd"]).passes for request in (few, all_members)]
    own, every = few.forget[0].sum(), (few.forget | few.retain)[0].sum()
    assert costs == pytest.approx([own + every, own + every / (every / own)])
