"""Ensembles: they are the mean of their members, each on its share of the spectrum, for logits and gradients alike."""

import numpy as np
import pytest
import torch

from medpriv.bank import engine
from medpriv.bank.reference import predict_one_by_one, record_losses, train_one_by_one
from medpriv.models.catalogue import build_network
from medpriv.seeds import generator

RECIPE = {"hidden": [6], "patch": 4, "channels": [8, 12]}
SCHEDULE = engine.Schedule(updates=6, batch_size=13, learning_rate=0.003, weight_decay=0.01, balance=0.5)
KINDS = [("mlp", (7,), None), ("cnn", (2, 61), None), ("cnn", (2, 61), 10), ("cnn_gn", (1, 64), 4)]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def make(model: str, shape: tuple[int, ...], bands: int | None):
    network = build_network(model, shape, 4, RECIPE | {"ensemble": {"members": 3, "bands": bands}})
    rng = generator(0, "ensemble")
    x = rng.normal(size=(60, *shape)).astype(np.float32)
    y = rng.integers(4, size=60)
    return network, x, y


def seeds() -> dict:
    return {role: [generator(1, replicate, role) for replicate in range(2)] for role in ("initial", "order")}


@pytest.mark.parametrize(("model", "shape", "bands"), KINDS)
def test_training_the_mean_equals_plain_torch(model, shape, bands):
    network, x, y = make(model, shape, bands)
    members = generator(2).random((2, 60)) < 0.6
    parameters = engine.train(network, x, y, members, SCHEDULE, **seeds())
    modules = train_one_by_one(network, x, y, members, SCHEDULE, **seeds())
    np.testing.assert_allclose(
        engine.logits(network, parameters, x), predict_one_by_one(modules, x), atol=2e-4, rtol=1e-3
    )
    _, gradients = engine.input_gradients(network, parameters, x, y)
    for k in range(2):
        inputs = torch.from_numpy(x).requires_grad_()
        record_losses(network.reference(parameters, k).eval()(inputs), torch.from_numpy(y)).sum().backward()
        np.testing.assert_allclose(gradients[k], inputs.grad.numpy(), atol=2e-5, rtol=1e-3)


def test_logits_are_the_mean_of_the_members():
    network, x, _ = make("cnn", (2, 61), None)
    parameters = {name: value[None] for name, value in network.initial(generator(3)).items()}
    alone = [engine.logits(member, parameters, x) for member in network.members]
    np.testing.assert_allclose(engine.logits(network, parameters, x), np.mean(alone, axis=0), atol=1e-5)


def test_bands_add_up_to_the_record():
    network, x, _ = make("cnn", (2, 61), 10)
    parts = network.arrange(torch.from_numpy(x))  # [N, M, positions, channels]
    torch.testing.assert_close(parts.sum(1), network.members[0].arrange(torch.from_numpy(x)), atol=1e-5, rtol=1e-4)


def test_a_sine_reaches_only_the_member_that_has_its_band():
    network, _, _ = make("cnn", (1, 64), 10)
    sine = np.sin(2 * np.pi * 5 * np.arange(64) / 64).astype(np.float32)  # bin 5 of 33: band 1 of 10, so member 1
    power = network.arrange(torch.from_numpy(sine[None])).square().sum((-2, -1))
    torch.testing.assert_close(power, torch.tensor([0.0, 32.0, 0.0]), atol=1e-4, rtol=1e-4)
