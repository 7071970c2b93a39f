"""Training cut networks: with one client and no defence it is the engine's own training, wherever the cut."""

import numpy as np
import pytest
import torch
from split_toys import BATCH, EPOCHS, UPDATES, toy_network, toy_order, toy_plan, toy_records, toy_start

from medpriv.bank import engine
from medpriv.bank.losses import class_weights, cross_entropy
from medpriv.bank.stack import Parameters, Stack
from medpriv.seeds import generator
from medpriv.split.defences import noisy
from medpriv.split.protocol import Server, possible_cuts, split_network
from medpriv.split.topologies import Watch, clients_side, run

CUTS = [
    (model, cut, keep_head)
    for model in ("logistic", "mlp", "cnn", "cnn_gn")
    for keep_head in (False, True)
    for cut in possible_cuts(toy_network(model), keep_head)
]


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def centralised(model: str) -> Parameters:
    """Train the whole network by the engine."""
    network = toy_network(model)
    records, x, members = toy_records(network)
    schedule = engine.Schedule(EPOCHS * UPDATES, BATCH, learning_rate=0.01, weight_decay=0.01, balance=0.5)
    order = [own[0] for own in toy_order()]
    return engine.train(network, x, records.y.numpy(), members, schedule, [], order, start=toy_start(network))


def run_split(model: str, cut: int, keep_head: bool = False, clients: int = 1, **changes) -> Parameters:
    """Train the network cut."""
    network = toy_network(model)
    records, _, members = toy_records(network, clients)
    members = changes.pop("members", members)
    options = {name: changes.pop(name) for name in ("defence", "noise", "watch") if name in changes}
    parts = split_network(network, cut, keep_head)
    plan = toy_plan(**changes)
    return run(parts, toy_start(network), records, members, plan, toy_order(clients), **options)


def assert_equal(found: Parameters, expected: Parameters, atol: float = 1e-6) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=atol, err_msg=name)


@pytest.mark.parametrize(("model", "cut", "keep_head"), CUTS)
def test_one_client_in_turn_without_defence_is_centralised_training(model, cut, keep_head):
    expected = centralised(model)
    assert_equal(run_split(model, cut, keep_head), expected)
    moved = [np.abs(value - toy_start(toy_network(model))[name]).max() for name, value in expected.items()]
    assert min(moved) > 1e-3  # or equal would mean nothing


@pytest.mark.parametrize("model", ["logistic", "mlp", "cnn", "cnn_gn"])
def test_one_client_in_parallel_without_defence_is_centralised_training(model):
    assert_equal(run_split(model, 1, parallel=True), centralised(model))


@pytest.mark.parametrize("keep_head", [False, True])
def test_clients_in_turn_hand_over_so_the_whole_is_centralised_training_on_their_batches(keep_head):
    """The same batches in the same order through the engine's own step give the same weights."""
    seen = []
    found = run_split("mlp", 1, keep_head, clients=3, watch=lambda view: seen.append(view.rows.clone()))
    network = toy_network("mlp")
    records, _, members = toy_records(network, 3)
    stack = Stack(network, toy_start(network), records.x, records.y, weight_decay=0.01)
    weights = torch.from_numpy(class_weights(records.y.numpy(), members, 2, 0.5)) / BATCH
    for update, rows in enumerate(seen):
        cross_entropy(stack, rows, weights.gather(1, records.y[rows]))
        stack.update(toy_plan().rate(update))
    assert_equal(found, stack.parameters())


@pytest.mark.parametrize("parallel", [False, True])
def test_a_replicate_is_the_same_whatever_is_trained_beside_it(parallel):
    network = toy_network("mlp")
    records, _, members = toy_records(network, 2)
    start, parts, plan = toy_start(network), split_network(network, 1), toy_plan(parallel=parallel)
    per = 2 if parallel else 1

    def trained(some: list[int]) -> Parameters:
        own = {name: value[some] for name, value in start.items()}
        order = [toy_order(2)[k] for k in some]
        noise = [generator(0, "noise", k, c) for k in some for c in range(per)]
        return run(parts, own, records, members[some], plan, order, defence=noisy(1.0, 0.5), noise=noise)

    whole, alone = trained([0, 1, 2]), trained([2])
    for name, value in alone.items():
        np.testing.assert_array_equal(value[0], whole[name][2])


@pytest.mark.parametrize("parallel", [False, True])
def test_parameters_depend_on_the_members_records_alone_even_with_an_empty_client(parallel):
    network = toy_network("cnn")
    records, _, members = toy_records(network, 3)
    members = members & (records.client != 1)  # client 1 has nothing of any replicate
    parts, plan = split_network(network, 1), toy_plan(parallel=parallel)
    first = run(parts, toy_start(network), records, members, plan, toy_order(3))
    others = ~members.any(0)
    records.x[torch.from_numpy(others)] = float("nan")
    second = run(parts, toy_start(network), records, members, plan, toy_order(3))
    assert_equal(second, first, atol=0)


def test_parallel_clients_make_one_step_of_the_weighted_mean_loss():
    """One update of the trunk against autograd: loss = sum over clients of share * mean loss of its batch."""
    network = toy_network("mlp")
    records, x, members = toy_records(network, 2)
    seen = []
    plan = toy_plan(epochs=1, updates=1, parallel=True, weight_decay=0.0, balance=0.0, learning_rate=1e-3)
    found = run(split_network(network, 1), toy_start(network), records, members, plan, toy_order(2), watch=seen.append)
    rows = seen[0].rows[0]
    module = network.reference(toy_start(network), 0)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(
        module(torch.from_numpy(x)[rows])[:, 0], records.y[rows].float(), reduction="none"
    )
    counts = np.bincount(records.client[members[0]], minlength=2)
    share = torch.tensor(counts / counts.sum()).float().repeat_interleave(BATCH // 2)
    (loss * share / (BATCH // 2)).sum().backward()
    optimiser = torch.optim.AdamW(module.parameters(), lr=1e-3, weight_decay=0.0)
    optimiser.step()
    np.testing.assert_allclose(found["output.weight"][0], module[-1].weight.detach().numpy(), atol=1e-6)


def test_an_epoch_of_parallel_clients_is_that_of_separate_modules_averaged_by_records():
    """SplitFed by hand, for one replicate: a body and an optimiser a client, one trunk, a weighted mean at the end."""
    network = toy_network("mlp")
    records, x, members = toy_records(network, 2)
    members = members & ((records.client == 0) | (np.arange(120) % 3 == 0))  # shares far from equal
    seen: list[torch.Tensor] = []
    plan = toy_plan(epochs=2, parallel=True, balance=0.0)
    found = run(
        split_network(network, 1), toy_start(network), records, members, plan, toy_order(2),
        watch=lambda view: seen.append(view.rows[0].clone()),
    )  # fmt: skip
    bodies = [network.reference(toy_start(network), 0)[:2] for _ in range(2)]
    trunk = network.reference(toy_start(network), 0)[2:]
    optimisers = [torch.optim.AdamW(part.parameters(), weight_decay=0.01) for part in (*bodies, trunk)]
    counts = np.bincount(records.client[members[0]], minlength=2)
    shares = counts / counts.sum()
    for update, rows in enumerate(seen):
        for optimiser in optimisers:
            optimiser.param_groups[0]["lr"] = plan.rate(update)
            optimiser.zero_grad()
        for body, share, own in zip(bodies, shares, rows.view(2, -1), strict=True):
            outputs = trunk(body(torch.from_numpy(x)[own]))[:, 0]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(outputs, records.y[own].float())
            (loss * share).backward()
        for optimiser in optimisers:
            optimiser.step()
        if (update + 1) % plan.updates == 0:
            with torch.no_grad():
                for values in zip(*(body.parameters() for body in bodies), strict=True):
                    mean = sum(share * value for share, value in zip(shares, values, strict=True))
                    for value in values:
                        value.copy_(mean)
    np.testing.assert_allclose(found["hidden1.weight"][0], bodies[0][0].weight.detach().numpy(), atol=2e-6)
    np.testing.assert_allclose(found["output.weight"][0], trunk[-1].weight.detach().numpy(), atol=2e-6)


def test_layers_taken_within_an_epoch_are_the_mean_of_the_clients_too():
    """As after a hijacked training, which the server may end anywhere; the first client has no records."""
    network = toy_network("mlp")
    records, _, members = toy_records(network, 3)
    members = members & (records.client != 0)
    found = []
    for updates in (1, UPDATES):  # after one update the first epoch is at its end, and is not
        plan = toy_plan(updates=updates, parallel=True)
        parts = split_network(network, 1)
        side = clients_side(parts, toy_start(network), records, members, plan, toy_order(3))
        sent, _ = side.send(0)
        side.receive(torch.linspace(-1, 1, sent.numel()).view(sent.shape), 0.01)
        found.append(side.parameters())
    assert_equal(found[1], found[0], atol=0)


def test_in_the_u_the_server_gets_no_label(monkeypatch):
    """It has no use for its step that takes labels; in the plain form it has."""
    monkeypatch.delattr(Server, "step")
    run_split("mlp", 1, keep_head=True, clients=3)
    with pytest.raises(AttributeError):
        run_split("mlp", 1, clients=3)


def test_the_watcher_sees_what_is_sent_and_in_the_u_what_is_returned():
    seen: list[tuple] = []

    def watch(view: Watch) -> None:
        seen.append((view.update, tuple(view.sent.shape), None if view.returned is None else view.returned.shape[-1]))

    run_split("mlp", 1, watch=watch)
    assert seen == [(update, (3, BATCH, 12), None) for update in range(EPOCHS * UPDATES)]
    seen.clear()
    run_split("mlp", 1, keep_head=True, watch=watch)
    assert seen[-1] == (EPOCHS * UPDATES - 1, (3, BATCH, 12), 8)
