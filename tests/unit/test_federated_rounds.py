"""Federated rounds against plain torch, and what must hold of every strategy."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from medpriv.bank.stack import arranged
from medpriv.errors import InputError
from medpriv.federated.client import CONTROL, ClientRule, LocalSchedule, clipped, draw_batches, local_steps, respond
from medpriv.federated.rounds import Names, RoundView, run
from medpriv.federated.server import build_strategy
from medpriv.models import cnn, cnn_gn, logistic, mlp

FEATURES = 5
ADAPTIVE = {"server_rate": 0.05, "beta1": 0.9, "beta2": 0.99, "tau": 1e-3}
SETTINGS = {
    "avg": {},
    "prox": {"mu": 0.5},
    "scaffold": {"server_rate": 1.0},
    "adam": ADAPTIVE,
    "yogi": ADAPTIVE,
    "cyclic": {},
    "local": {},
    "client_dp": {"clip": 0.1, "noise_multiplier": 0.7},
}
SCHEDULE = LocalSchedule(batch_size=4, learning_rate=0.1, epochs=2)


def made_up(records: int = 60, replicates: int = 3, seed: int = 0):
    """Return x, y, members [K, N], holder [N] of three unequal clients; the last has no record in replicate 0."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((records, FEATURES)).astype(np.float32)
    y = (x[:, 0] + rng.standard_normal(records) > 0).astype(np.int64)
    holder = rng.choice(3, records, p=[0.6, 0.3, 0.1])
    members = rng.random((replicates, records)) < 0.5
    members[0, holder == 2] = False
    return x, y, members, holder


def federate(network, strategy_name, replicates=(0, 1, 2), rounds=3, schedule=SCHEDULE, data=None, **options):
    x, y, members, holder = data or made_up()
    start = list(network.initial(np.random.default_rng(0)))
    strategy = build_strategy(strategy_name, SETTINGS[strategy_name], network, start)
    names = Names(1, "toy", f"fed-{strategy_name}", tuple(replicates))
    taken = members[list(replicates)]
    return run(network, x, y, taken, ("a", "b", "c"), holder, strategy, schedule, rounds, names, **options)


def torch_steps(network, start, x, y, batches, rate, proximal=0.0, correction=None, decay=0.0):
    """Walk the batches with torch.optim.SGD; the slow form of `local_steps` for one model."""
    module = network.reference({name: value[None] for name, value in start.items()}, 0)
    names = list(start)
    weights = list(module.parameters())
    first = [weight.detach().clone() for weight in weights]
    optimiser = torch.optim.SGD(weights, lr=rate, weight_decay=decay)
    for rows in batches:
        optimiser.zero_grad()
        outputs = module(torch.from_numpy(x[rows])).squeeze(1)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(outputs, torch.from_numpy(y[rows]).float())
        loss = loss + proximal / 2 * sum(((w - f) ** 2).sum() for w, f in zip(weights, first, strict=True))
        loss.backward()
        if correction is not None:
            for weight, name in zip(weights, names, strict=True):
                weight.grad += torch.from_numpy(correction[name])
        optimiser.step()
    return {name: weight.detach().numpy() for name, weight in zip(names, weights, strict=True)}


@pytest.mark.parametrize(("proximal", "decay"), [(0.0, 0.0), (0.7, 0.3)])
def test_local_steps_equal_torch_sgd_for_models_of_different_lengths(proximal, decay):
    x, y, members, _ = made_up()
    schedule = replace(SCHEDULE, weight_decay=decay)
    members[1] = False  # takes no step
    network = mlp.build((FEATURES,), 1, {"hidden": [6, 3]})
    drawn = [network.initial(np.random.default_rng(k)) for k in range(3)]
    start = {name: np.stack([one[name] for one in drawn]) for name in drawn[0]}
    rng = np.random.default_rng(1)
    correction = {name: 0.1 * rng.standard_normal(value.shape).astype(np.float32) for name, value in start.items()}
    batches = draw_batches(members, schedule, [np.random.default_rng(k) for k in range(3)])
    found = local_steps(
        network, start, arranged(network, x), torch.from_numpy(y), members, batches, schedule,
        proximal=proximal, correction=correction,
    )  # fmt: skip
    assert [len(batch) for batch in batches] == [schedule.count(int(row.sum())) for row in members]
    for k in range(3):
        own = {name: value[k] for name, value in correction.items()}
        slow = torch_steps(network, drawn[k], x, y, batches[k], schedule.learning_rate, proximal, own, decay)
        for name, value in slow.items():
            np.testing.assert_allclose(found[name][k], value, atol=2e-6)
    for name in start:
        assert np.array_equal(found[name][1], start[name][1])


def test_batches_walk_through_whole_permutations_of_a_clients_own_records():
    members = np.zeros((1, 30), bool)
    members[0, [3, 7, 11, 20, 29]] = True
    schedule = LocalSchedule(batch_size=4, learning_rate=0.1, updates=5)
    (batches,) = draw_batches(members, schedule, [np.random.default_rng(0)])
    assert batches.shape == (5, 4)
    for walk in batches.reshape(-1, 5):
        assert sorted(walk) == [3, 7, 11, 20, 29]


@pytest.mark.parametrize("strategy", SETTINGS)
def test_a_replicate_is_the_same_in_any_shard(strategy):
    network = mlp.build((FEATURES,), 1, {"hidden": [6, 3]})
    together = federate(network, strategy)
    alone = federate(network, strategy, replicates=(2,))
    for name, value in alone.parameters.items():
        assert np.array_equal(together.parameters[name][2], value[0])
    for name, value in alone.kept.items():
        assert np.array_equal(together.kept[name][2], value[0])


def test_one_client_alone_in_its_own_process_gives_the_answer_it_gives_in_the_stack():
    x, y, members, holder = made_up()
    network = mlp.build((FEATURES,), 1, {"hidden": [6, 3]})
    views: list[RoundView] = []
    federate(network, "scaffold", observe=views.append)
    names, rule, kept = Names(1, "toy", "fed-scaffold", (1,)), ClientRule(control=True), {}
    own = x[holder == 1]  # the hospital knows its own records only
    for view in views:
        message = {name: value[[1]] for name, value in view.sent.items()}
        answer = respond(
            network, rule, message, kept, arranged(network, own), torch.from_numpy(y[holder == 1]),
            members[[1]][:, holder == 1], SCHEDULE, names.orders("b", view.number),
        )  # fmt: skip
        kept = answer.kept
        for name, value in answer.sent.items():
            assert np.array_equal(value[0], view.answers[name][1, 1])


def test_averaging_weighs_by_records_and_passes_over_a_client_without_any():
    network = logistic.build((FEATURES,), 1, {})
    views: list[RoundView] = []
    outcome = federate(network, "avg", rounds=1, observe=views.append)
    (view,) = views
    assert view.weights[0, 2] == 0 and (view.weights[1:] > 0).all()
    for name, value in outcome.parameters.items():
        answers = view.answers[name].astype(np.float64)
        shares = view.weights / view.weights.sum(1, keepdims=True)
        np.testing.assert_allclose(value, np.einsum("kc,kc...->k...", shares, answers), atol=1e-7)
    assert [len(batch) for batch in view.batches[0]][2] == 0


def test_prox_without_a_penalty_is_averaging():
    network = logistic.build((FEATURES,), 1, {})
    data = made_up()
    found = []
    for name, settings in (("avg", {}), ("prox", {"mu": 0.0})):
        strategy = build_strategy(name, settings, network, ["output.weight", "output.bias"])
        x, y, members, holder = data
        names = Names(1, "toy", "same", (0, 1, 2))
        found.append(run(network, x, y, members, ("a", "b", "c"), holder, strategy, SCHEDULE, 2, names).parameters)
    for name in found[0]:
        assert np.array_equal(found[0][name], found[1][name])


def test_one_client_with_all_records_makes_averaging_plain_training():
    x, y, members, _ = made_up()
    network = logistic.build((FEATURES,), 1, {})
    everywhere = (x, y, members, np.zeros(len(x), int))
    federated = federate(network, "avg", data=everywhere, rounds=2)
    alone = federate(network, "local", data=everywhere, rounds=2)
    views: list[RoundView] = []
    federate(network, "avg", data=everywhere, rounds=2, observe=views.append)
    slow = {name: value[1] for name, value in views[0].sent.items()}
    for view in views:
        slow = torch_steps(network, slow, x, y, view.batches[1][0], SCHEDULE.learning_rate)
    for name, value in federated.parameters.items():
        np.testing.assert_allclose(value[1], slow[name], atol=2e-6)
        assert alone.kept[name].shape[1] == 3


def test_scaffold_goes_to_the_common_optimum_where_averaging_drifts():
    """Two clients with opposite optima and different curvature: FedAvg's fixed point is biased, SCAFFOLD's is not."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.standard_normal((40, 2)) * [3, 0.3], rng.standard_normal((40, 2)) * [0.3, 3]])
    x = x.astype(np.float32)
    y = (x @ np.array([1.0, -1.0]) + rng.standard_normal(80) + np.repeat([1.5, -1.5], 40) > 0).astype(np.int64)
    holder, members = np.repeat([0, 1], 40), np.ones((1, 80), bool)
    network = logistic.build((2,), 1, {})
    schedule = LocalSchedule(batch_size=40, learning_rate=0.2, updates=20)
    names = Names(1, "toy", "drift", (0,))

    def gradient(parameters):
        z = x @ parameters["output.weight"][0, 0] + parameters["output.bias"][0, 0]
        error = 1 / (1 + np.exp(-z)) - y
        return np.linalg.norm(np.append(error @ x, error.sum()) / 80)

    found = {}
    for name in ("avg", "scaffold"):
        strategy = build_strategy(name, {"server_rate": 1.0}, network, ["output.weight", "output.bias"])
        found[name] = gradient(
            run(network, x, y, members, ("a", "b"), holder, strategy, schedule, 60, names).parameters
        )
    assert found["scaffold"] < 1e-5 < 2e-3 < found["avg"]


def test_scaffolds_server_variate_is_the_mean_of_the_clients_own():
    network = logistic.build((FEATURES,), 1, {})
    views: list[RoundView] = []
    outcome = federate(network, "scaffold", rounds=3, observe=views.append)
    name = CONTROL + "output.weight"
    assert np.array_equal(views[-1].answers[name], outcome.kept[name])
    for view, later in pairwise(views):
        shares = view.weights / view.weights.sum(1, keepdims=True)
        own = np.einsum("kc,kc...->k...", shares, view.answers[name])
        np.testing.assert_allclose(later.sent[name], own, atol=1e-6)


def test_a_clients_control_variate_is_the_mean_gradient_of_its_steps():
    """c_i - c + (start - end) / (steps * rate), whose steps went along g + c - c_i: the mean of g."""
    x, y, *_ = made_up()
    network, names = logistic.build((FEATURES,), 1, {}), ("output.weight", "output.bias")
    views: list[RoundView] = []
    federate(network, "scaffold", rounds=2, observe=views.append)
    sent = {name: value[1] for name, value in views[1].sent.items()}
    own = [{name: view.answers[CONTROL + name][1, 0] for name in names} for view in views]
    correction = {name: sent[CONTROL + name] - own[0][name] for name in names}
    start, batches = {name: sent[name] for name in names}, views[1].batches[1][0]
    end = torch_steps(network, start, x, y, batches, SCHEDULE.learning_rate, correction=correction)
    for name in names:
        mean = (start[name] - end[name]) / (len(batches) * SCHEDULE.learning_rate) - correction[name]
        np.testing.assert_allclose(own[1][name], mean, atol=1e-5)
        assert not views[0].sent[CONTROL + name].any()


def test_scaffolds_server_rate_is_not_one_of_running_statistics():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 1, 24)).astype(np.float32)
    y, members = (x[:, 0, :12].mean(1) > 0).astype(np.int64), np.ones((1, 40), bool)
    network = cnn.build((1, 24), 1, {"patch": 4, "channels": [3], "pooled": False})
    strategy = build_strategy("scaffold", {"server_rate": 3.0}, network, list(network.initial(rng)))
    views: list[RoundView] = []
    names, holder = Names(1, "toy", "scaffold", (0,)), np.arange(40) % 2
    run(network, x, y, members, ("a", "b"), holder, strategy, SCHEDULE, 1, names, observe=views.append)
    (view,) = views
    for name in view.parameters:
        change = view.answers[name].mean(1) - view.sent[name]
        rate = 1 if "running" in name else 3
        np.testing.assert_allclose(view.parameters[name], view.sent[name] + rate * change, atol=1e-5)


@pytest.mark.parametrize("kind", ["adam", "yogi"])
def test_server_optimisers_take_their_published_step(kind):
    network = logistic.build((FEATURES,), 1, {})
    views: list[RoundView] = []
    federate(network, kind, rounds=2, observe=views.append)
    m, v = 0.0, ADAPTIVE["tau"] ** 2
    for view in views:
        shares = view.weights / view.weights.sum(1, keepdims=True)
        start = view.sent["output.weight"].astype(np.float64)
        d = np.einsum("kc,kc...->k...", shares, view.answers["output.weight"].astype(np.float64)) - start
        m = 0.9 * m + 0.1 * d
        v = 0.99 * v + 0.01 * d**2 if kind == "adam" else v - 0.01 * d**2 * np.sign(v - d**2)
        np.testing.assert_allclose(view.parameters["output.weight"], start + 0.05 * m / (np.sqrt(v) + 1e-3), atol=1e-6)


def test_client_level_noise_has_its_stated_size_and_changes_are_clipped():
    network = mlp.build((FEATURES,), 1, {"hidden": [40]})
    views: list[RoundView] = []
    federate(network, "client_dp", rounds=4, observe=views.append)
    left = []
    for view in views:
        changes = {name: view.answers[name] - view.sent[name][:, None] for name in view.sent}
        norms = np.sqrt(sum((change**2).reshape(3, 3, -1).sum(2) for change in changes.values()))
        assert (norms <= 0.1 + 1e-6).all() and norms[1:].max() > 0.0999
        for name, change in changes.items():
            left.append((view.parameters[name] - view.sent[name] - change.sum(1) / 3).ravel())
    noise = np.concatenate(left)
    assert abs(noise.std() / (0.1 * 0.7 / 3) - 1) < 4 / np.sqrt(2 * len(noise)) + 0.005


def test_a_change_that_is_not_finite_is_not_sent():
    start = {"w": np.ones((3, 2), np.float32)}
    moved = {"w": np.array([[1.1, 1.0], [np.nan, 1.0], [np.inf, 5.0]], np.float32)}
    sent = clipped(start, moved, 0.05)["w"]
    np.testing.assert_allclose(sent, [[1.05, 1.0], [1.0, 1.0], [1.0, 1.0]], atol=1e-6)


def test_what_stays_local_is_never_sent_and_differs_between_clients():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 1, 24)).astype(np.float32)
    y, members = (x[:, 0, :12].mean(1) > 0).astype(np.int64), np.ones((2, 40), bool)
    network = cnn.build((1, 24), 1, {"patch": 4, "channels": [3], "pooled": False})
    strategy = build_strategy("bn", {}, network, list(network.initial(rng)))
    views: list[RoundView] = []
    names, holder = Names(1, "toy", "bn", (0, 1)), np.arange(40) % 2
    outcome = run(network, x, y, members, ("a", "b"), holder, strategy, SCHEDULE, 3, names, observe=views.append)
    own = {name for name in outcome.parameters if name.rpartition(".")[2] in ("scale", "shift")}
    own |= {name for name in outcome.parameters if "running" in name}
    assert own and set(outcome.kept) == own
    assert not own & set(views[-1].sent) and not any(own & set(view.answers) for view in views)
    for name in own:
        assert not np.array_equal(outcome.kept[name][:, 0], outcome.kept[name][:, 1])
    whole = outcome.client_parameters()
    assert set(whole) == set(outcome.parameters) and all(value.shape[:2] == (2, 2) for value in whole.values())


def test_unfit_networks_are_refused():
    plain = mlp.build((FEATURES,), 1, {"hidden": [4]})
    with pytest.raises(InputError, match="it would be FedAvg"):
        build_strategy("bn", {}, plain, ["hidden1.weight"])
    batch = cnn.build((1, 24), 1, {"patch": 4, "channels": [3], "pooled": False})
    with pytest.raises(InputError, match="running statistics"):
        build_strategy("client_dp", SETTINGS["client_dp"], batch, list(batch.initial(np.random.default_rng(0))))
    group = cnn_gn.build((1, 24), 1, {"patch": 4, "channels": [8], "pooled": False})
    assert build_strategy("bn", {}, group, list(group.initial(np.random.default_rng(0)))).client.keeps
