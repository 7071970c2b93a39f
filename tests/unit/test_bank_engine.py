"""The bank engine against one replicate after another with torch's own modules, optimiser and autograd."""

import numpy as np
import pytest
import torch

from medpriv.bank import engine
from medpriv.bank.reference import predict_one_by_one, record_losses, train_one_by_one
from medpriv.models.catalogue import build_network
from medpriv.models.network import Network
from medpriv.seeds import generator

RECIPE = {"hidden": [16, 8], "patch": 4, "channels": [8, 12, 10]}
# Model, shape of a record, classes. 61 samples leave a rest in the stem's patches and odd positions after it.
MODELS = [
    ("logistic", (7,), 2),
    ("logistic", (7,), 3),
    ("mlp", (7,), 2),
    ("mlp", (7,), 4),
    ("cnn", (2, 61), 4),
    ("cnn", (1, 64), 2),
    ("cnn_gn", (2, 61), 4),
    ("cnn_pooled", (1, 90), 4),
]
# A batch of 13 fills no vector register evenly: the hardest case for equal bytes in all shards.
SCHEDULE = engine.Schedule(updates=12, batch_size=13, learning_rate=0.003, weight_decay=0.01, balance=0.5)


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def build(model: str, shape: tuple[int, ...], classes: int) -> Network:
    """Return the network; `cnn_pooled` is the cnn with means and maxima over positions."""
    return build_network(model.removesuffix("_pooled"), shape, classes, RECIPE | {"pooled": model.endswith("_pooled")})


def make_task(shape: tuple[int, ...], classes: int, replicates: int) -> dict:
    """Return the arguments of `engine.train` after the network, on random records that carry their label."""
    rng = generator(0, "task")
    y = rng.integers(classes, size=120)
    x = rng.normal(size=(120, *shape)).astype(np.float32)
    x[:, 0] += y if len(shape) == 1 else y[:, None]
    members = rng.random((replicates, 120)) < rng.uniform(0.3, 0.7, (replicates, 1))
    return {"x": x, "y": y, "members": members, "schedule": SCHEDULE} | seeds(range(replicates))


def seeds(replicates) -> dict:
    """Return fresh generators for these replicates."""
    return {role: [generator(1, r, role) for r in replicates] for role in ("initial", "order")}


@pytest.mark.parametrize(("model", "shape", "classes"), MODELS)
def test_engine_equals_one_by_one_training(model, shape, classes):
    network = build(model, shape, classes)
    task = make_task(shape, classes, replicates=3)
    parameters = engine.train(network, **task)
    modules = train_one_by_one(network, **task | seeds(range(3)))
    np.testing.assert_allclose(
        engine.logits(network, parameters, task["x"]), predict_one_by_one(modules, task["x"]), atol=2e-4, rtol=1e-3
    )


@pytest.mark.parametrize(("model", "shape", "classes"), MODELS)
def test_shards_give_the_same_bytes_as_one_bank(model, shape, classes):
    network = build(model, shape, classes)
    task = make_task(shape, classes, replicates=11)
    whole = engine.train(network, **task)
    for shard in ([0, 1, 2, 3, 4], [5, 6, 7, 8, 9, 10], [9]):
        part = engine.train(network, **task | {"members": task["members"][shard]} | seeds(shard))
        for name in whole:
            np.testing.assert_array_equal(part[name], whole[name][shard])


@pytest.mark.parametrize(("model", "shape", "classes"), MODELS)
def test_input_gradients_equal_autograd(model, shape, classes):
    network = build(model, shape, classes)
    task = make_task(shape, classes, replicates=3)
    parameters = engine.train(network, **task)
    x, y = task["x"][:30], task["y"][:30]
    values, gradients = engine.input_gradients(network, parameters, x, y)
    np.testing.assert_array_equal(values, engine.logits(network, parameters, x))
    for k in range(3):
        inputs = torch.from_numpy(x).requires_grad_()
        outputs = network.reference(parameters, k).eval()(inputs)
        record_losses(outputs, torch.from_numpy(y)).sum().backward()
        np.testing.assert_allclose(gradients[k], inputs.grad.numpy(), atol=2e-5, rtol=1e-3)
