"""Halves, their messages, and what travels from one process to another."""

import numpy as np
import pytest
import torch
from split_toys import toy_network, toy_order, toy_plan, toy_records, toy_start

from medpriv.errors import InputError
from medpriv.split.client_schedule import ClientBatches
from medpriv.split.protocol import (
    Client,
    Half,
    Server,
    from_message,
    possible_cuts,
    split_network,
    to_message,
)


def test_cuts_are_after_every_layer_but_a_flattening_and_leave_the_server_something_in_the_u():
    cuts = {model: possible_cuts(toy_network(model)) for model in ("logistic", "mlp", "cnn")}
    assert cuts == {"logistic": (1,), "mlp": (1, 2, 3), "cnn": (1, 2, 4)}
    kept = {model: possible_cuts(toy_network(model), keep_head=True) for model in cuts}
    assert kept == {"logistic": (), "mlp": (1,), "cnn": (1,)}


def test_a_cut_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(InputError, match="take one of 1, 2, 3"):
        split_network(toy_network("mlp"), 4)
    with pytest.raises(InputError, match="more layers"):
        split_network(toy_network("logistic"), 1, keep_head=True)


def test_parts_hold_the_network_layer_by_layer_and_the_cuts_shape():
    network = toy_network("cnn")
    parts = split_network(network, 1, keep_head=True)
    assert parts.body.layers + parts.trunk.layers + parts.head.layers == network.layers
    assert parts.width == (8, 8)  # 32 samples in patches of 4; 8 channels
    start = toy_start(network)
    names = [set(Half(part, start).held) for part in (parts.body, parts.trunk, parts.head)]
    assert set.union(*names) == set(start) and sum(map(len, names)) == len(start)


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_halves_that_leave_their_process_after_every_message_learn_the_same(model):
    """What Flower does: new halves, loaded with the old ones' state, and messages as plain arrays."""
    network = toy_network(model)
    records, _, members = toy_records(network)
    start, parts, plan = toy_start(network), split_network(network, 1, keep_head=True), toy_plan()
    weights = torch.full((3, plan.batch_size), 1 / plan.batch_size)

    def halves() -> list[Half]:
        return [Half(part, start, plan.weight_decay) for part in (parts.body, parts.trunk, parts.head)]

    body, trunk, head = halves()
    resident, server = Client(body, records.x, head), Server(trunk)
    states = [half.state() for half in halves()]
    batches = ClientBatches(members, records.client, plan.batch_size, toy_order())
    for update in range(4):
        rows, rate = torch.from_numpy(batches.next(np.zeros(3, int)).copy()), plan.rate(update)
        labels = records.y[rows]
        slope = resident.turn(server.forward(resident.send(rows)), labels, weights, rate)
        resident.receive(server.backward(slope, rate), rate)

        fresh = halves()
        for half, state in zip(fresh, states, strict=True):
            half.load(state)
        away, remote = Client(fresh[0], records.x, fresh[2]), Server(fresh[1])
        message = to_message(remote.forward(from_message(to_message(away.send(rows)))))
        message = to_message(away.turn(from_message(message), labels, weights, rate))
        away.receive(from_message(to_message(remote.backward(from_message(message), rate))), rate)
        states = [half.state() for half in fresh]
    for half, state in zip((body, trunk, head), states, strict=True):
        for name, value in half.parameters().items():
            np.testing.assert_array_equal(state[name], value)
