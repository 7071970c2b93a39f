"""Training on what is retained: the reference, fine-tuning, the last layers, and the two false methods."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up_requests import SETTINGS, forget_beats, forget_patients, odd_bank, odd_dataset

from medpriv.bank import engine
from medpriv.errors import InputError
from medpriv.models.ensemble import build_ensemble
from medpriv.seeds import generator
from medpriv.unlearning.catalogue import METHODS
from medpriv.unlearning.finetuning import first_trained
from medpriv.unlearning.loops import pass_cost
from medpriv.unlearning.requests import Request


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def accuracy(request: Request, parameters, members: np.ndarray) -> float:
    """Return the mean over models of the share of their records (bool [R, N]) that they get right."""
    right = engine.logits(request.network, parameters, request.x).argmax(-1) == request.y
    return float(np.mean([row[mask].mean() for row, mask in zip(right, members, strict=True)]))


def own_labels(request: Request) -> np.ndarray:
    """Return the models (numbers) whose forgotten patient has labels that only a model that saw them can know."""
    return np.flatnonzero(request.patient % 3 == 0)


def test_the_bank_knows_the_odd_patients_and_retraining_does_not():
    request = forget_patients(patients=None)
    request = request.select(own_labels(request))
    anew = METHODS["retrain"](request, {}).parameters
    assert accuracy(request, request.start, request.forget) > 0.95
    assert accuracy(request, anew, request.forget) < 0.7
    assert accuracy(request, anew, request.retain) > 0.95


@pytest.mark.parametrize(
    ("method", "changed"),
    [
        ("eu_k", {"layers": 2}),
        ("neggrad", {"alpha": 0.9, "epochs": 4}),
        ("scrub", {"max_epochs": 3, "rate": 0.5}),
        ("relabel", {"epochs": 6, "rate": 0.3}),
        ("badteacher", {"epochs": 4, "rate": 0.3}),
        ("ssd", {}),
        ("amnesiac", {"repair_epochs": 10}),
        ("sisa", {}),
        ("certified", {}),
    ],
)
def test_what_a_method_forgets_moves_towards_retraining_and_the_rest_is_kept(method, changed):
    request = forget_patients(method, patients=None)
    request = request.select(own_labels(request))
    outcome = METHODS[method](request, SETTINGS[method] | changed)
    answer = request
    if outcome.members > 1:
        answer = replace(request, network=build_ensemble(request.network, outcome.members, None))
    assert accuracy(answer, outcome.parameters, request.forget) < accuracy(request, request.start, request.forget) - 0.1
    assert accuracy(answer, outcome.parameters, request.retain) > 0.75


def test_retraining_trains_on_the_rest_alone_by_the_baseline_s_schedule():
    request, bank = forget_patients(), odd_bank()
    outcome = METHODS["retrain"](request, {})
    assert outcome.updates == bank.costs["updates"]
    assert outcome.passes == bank.costs["updates"] * bank.spec.hyperparameters["batch_size"]
    r = 3
    names = (5, "odd", "unlearned-retrain", request.origin[r], request.patients[request.patient[r]])
    kept = request.retain[r]
    expected = engine.train(
        request.network,
        request.x[kept],
        request.y[kept],
        np.ones((1, kept.sum()), bool),
        replace(request.schedule, updates=int(bank.costs["updates"])),
        [generator(*names, "initial")],
        [generator(*names, "retain")],
    )
    for name, value in expected.items():
        np.testing.assert_array_equal(outcome.parameters[name][r], value[0])


def test_personal_retraining_begins_at_the_replicate():
    request = forget_beats()
    still = replace(request, schedule=replace(request.schedule, learning_rate=1e-12))
    parameters = METHODS["retrain"](still, {}).parameters
    for name, value in parameters.items():
        if "running" not in name:
            np.testing.assert_allclose(value, odd_bank().weights[name][request.origin], atol=1e-6)


@pytest.mark.parametrize("method", ["cf_k", "eu_k"])
@pytest.mark.parametrize("layers", [1, 2])
def test_only_the_last_layers_change(method, layers):
    request = forget_patients(method)
    parameters = METHODS[method](request, SETTINGS[method] | {"layers": layers}).parameters
    trained = ["output", "convolution1", "stem"][:layers]
    for name, value in parameters.items():
        if name.split(".")[0] in trained:
            assert not np.array_equal(value, request.start[name])
        else:
            np.testing.assert_array_equal(value, request.start[name])


def test_all_layers_can_t_be_the_last_ones():
    network = forget_patients().network
    assert [first_trained(network, layers) for layers in (1, 2)] == [3, 1]
    with pytest.raises(InputError, match="all 3 layers"):
        first_trained(network, 3)


def test_a_pass_down_to_frozen_layers_costs_what_it_computes():
    network = forget_patients().network
    assert pass_cost(network, 0) == 1
    forward = sum(layer.products() for layer in network.layers)
    assert pass_cost(network, 3) == pytest.approx((forward + 2 * network.layers[-1].products()) / (3 * forward))


def test_the_fake_changes_nothing_and_the_destroyed_knows_nothing():
    request = forget_patients("destroyed")
    for name, value in METHODS["fake"](request, {}).parameters.items():
        np.testing.assert_array_equal(value, request.start[name])
    destroyed = METHODS["destroyed"](request, {}).parameters
    assert accuracy(request, destroyed, request.retain) < 0.6
    assert accuracy(request, destroyed, odd_dataset().patient[None] >= np.zeros((len(request), 1))) < 0.6
