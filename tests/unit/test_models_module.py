"""Networks of plain torch modules in the bank engine, against torch's own training and autograd."""

import numpy as np
import pytest
import torch

from medpriv.bank import engine
from medpriv.bank.losses import cross_entropy_gradient
from medpriv.bank.reference import predict_one_by_one, record_losses, train_one_by_one
from medpriv.bank.stack import Stack
from medpriv.models import module
from medpriv.models.blocks import Dropout, NormalisedConvolution, SignalToImage
from medpriv.models.catalogue import build_network
from medpriv.models.layers import Workspace
from medpriv.seeds import generator

# Model, shape of a record, classes, recipe.
MODELS = [
    ("dilated", (1, 61), 4, {"width": 0.02, "dropout": 0.3}),
    ("dilated", (2, 48), 2, {"width": 0.02, "dropout": 0.0}),
    ("resnet1d", (3, 50), 5, {"width": 4, "blocks": [1, 2]}),
    ("resnet1d", (2, 33), 2, {"width": 4, "blocks": [1, 1]}),
]
SCHEDULE = engine.Schedule(updates=4, batch_size=13, learning_rate=0.003, weight_decay=0.01, balance=0.5)
RECORDS = 70  # evaluated in three slices, the last one short


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def make_task(shape: tuple[int, ...], classes: int, replicates: int) -> dict:
    """Return the arguments of `engine.train` after the network, on random records that carry their label."""
    rng = generator(0, "task")
    y = rng.integers(classes, size=RECORDS)
    x = rng.normal(size=(RECORDS, *shape)).astype(np.float32)
    x[:, 0] += y[:, None]
    members = rng.random((replicates, RECORDS)) < rng.uniform(0.4, 0.7, (replicates, 1))
    return {"x": x, "y": y, "members": members, "schedule": SCHEDULE} | seeds(range(replicates))


def seeds(replicates) -> dict:
    """Return fresh generators for these replicates."""
    return {role: [generator(1, r, role) for r in replicates] for role in ("initial", "order")}


def make_trained(model, shape, classes, recipe, replicates=2):
    """Return a network, its task and parameters whose running statistics have moved."""
    network = build_network(model, shape, classes, recipe)
    task = make_task(shape, classes, replicates)
    return network, task, engine.train(network, **task)


@pytest.mark.parametrize(("model", "shape", "classes", "recipe"), MODELS)
def test_engine_equals_one_by_one_training_dropout_included(model, shape, classes, recipe):
    network, task, parameters = make_trained(model, shape, classes, recipe)
    modules = train_one_by_one(network, **task | seeds(range(2)))
    np.testing.assert_allclose(
        engine.logits(network, parameters, task["x"]), predict_one_by_one(modules, task["x"]), atol=2e-4, rtol=1e-3
    )
    state = modules[1].state_dict()
    for name in parameters:
        if "running" in name:
            np.testing.assert_allclose(parameters[name][1], state[name].numpy(), atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize(("model", "shape", "classes", "recipe"), MODELS)
def test_first_gradients_equal_autograds(model, shape, classes, recipe):
    network = build_network(model, shape, classes, recipe)
    task = make_task(shape, classes, replicates=2)
    drawn = [network.initial(rng) for rng in task["initial"]]
    parameters = {name: np.stack([one[name] for one in drawn]) for name in drawn[0]}
    x, y = torch.from_numpy(task["x"]), torch.from_numpy(task["y"])
    stack = Stack(network, parameters, x, y)
    rows = torch.stack([torch.arange(13), torch.arange(20, 33)])
    outputs = stack.forward(stack.gather(rows))
    stack.backward(cross_entropy_gradient(outputs, y[rows]))
    for k in range(2):
        reference = network.reference(parameters, k)
        record_losses(reference(x[rows[k]]), y[rows[k]]).sum().backward()
        for name, value in reference.named_parameters():
            expected = torch.zeros_like(value) if value.grad is None else value.grad  # none: a bias that is constant
            scale = expected.abs().max().item()
            torch.testing.assert_close(stack.gradients[name][k], expected, atol=1e-5 + 1e-4 * scale, rtol=1e-3)


@pytest.mark.parametrize(("model", "shape", "classes", "recipe"), MODELS)
def test_a_replicates_bytes_do_not_depend_on_its_group(model, shape, classes, recipe, monkeypatch):
    network, task, alone = make_trained(model, shape, classes, recipe, replicates=3)
    monkeypatch.setattr(engine, "CACHE", 2**40)  # all three in one stack
    together = engine.train(network, **task | seeds(range(3)))
    third = engine.train(network, **task | {"members": task["members"][2:]} | seeds([2]))
    for name, value in alone.items():
        np.testing.assert_array_equal(together[name], value)
        np.testing.assert_array_equal(third[name][0], value[2])
    values = engine.logits(network, alone, task["x"])
    monkeypatch.setattr(engine, "CACHE", 1)  # one after another
    np.testing.assert_array_equal(engine.logits(network, alone, task["x"]), values)


@pytest.mark.parametrize("kept", [0, 2**40])
@pytest.mark.parametrize(("model", "shape", "classes", "recipe"), MODELS)
def test_input_gradients_equal_autograd_kept_or_computed_again(model, shape, classes, recipe, kept, monkeypatch):
    network, task, parameters = make_trained(model, shape, classes, recipe)
    monkeypatch.setattr(module, "KEPT", kept)
    values, gradients = engine.input_gradients(network, parameters, task["x"], task["y"])
    np.testing.assert_array_equal(values, engine.logits(network, parameters, task["x"]))
    for k in range(2):
        inputs = torch.from_numpy(task["x"]).requires_grad_()
        outputs = network.reference(parameters, k).eval()(inputs)
        record_losses(outputs, torch.from_numpy(task["y"])).sum().backward()
        np.testing.assert_allclose(gradients[k], inputs.grad.numpy(), atol=2e-5, rtol=1e-3)


def test_a_pass_that_nobody_follows_leaves_nothing_behind(monkeypatch):
    network, task, parameters = make_trained(*MODELS[2])
    held = {name: torch.from_numpy(value) for name, value in parameters.items()}
    x = torch.from_numpy(np.stack([task["x"]] * 2))
    slope = torch.ones(2, RECORDS, 5)
    expected, found = Workspace(), Workspace()
    network.forward(held, x, expected, training=False)
    network.forward(held, x.flip(1)[:, :40], found, training=False)
    monkeypatch.setattr(module, "KEPT", 0)
    network.forward(held, x, found, training=False)
    torch.testing.assert_close(
        network.backward(held, slope, found, None, need_input=True),
        network.backward(held, slope, expected, None, need_input=True),
    )


@pytest.mark.parametrize(("model", "shape", "classes", "recipe"), MODELS)
def test_frozen_blocks_keep_parameters_and_statistics_and_the_rest_moves(model, shape, classes, recipe):
    network, task, parameters = make_trained(model, shape, classes, recipe)
    for frozen in (3, len(network.layers) - 1):
        moved = engine.train(network, **task, start=parameters, frozen=frozen)
        fixed = network.frozen_names(parameters, frozen)
        assert fixed
        for name in parameters:
            constant = name in fixed or name.endswith("convolution.bias")  # which the normalisation takes out again
            assert np.array_equal(moved[name], parameters[name]) is constant, name
    assert fixed == set(parameters) - set(network.head)


def test_frozen_blocks_run_as_in_evaluation():
    network, task, parameters = make_trained(*MODELS[0])
    held = {name: torch.from_numpy(value.copy()) for name, value in parameters.items()}
    x = torch.from_numpy(np.stack([task["x"][:20]] * 2))
    frozen = network.forward(held, x, Workspace(), training=True, frozen=len(network.layers) - 1).clone()
    torch.testing.assert_close(frozen, network.forward(held, x, Workspace(), training=False), atol=1e-5, rtol=1e-4)


def test_features_are_what_the_head_reads():
    for case in MODELS:
        network, task, parameters = make_trained(*case)
        held = {name: torch.from_numpy(value) for name, value in parameters.items()}
        x = torch.from_numpy(np.stack([task["x"]] * 2))
        weight, bias = (held[name] for name in network.head)
        outputs = network.features(held, x) @ weight.transpose(1, 2) + bias.unsqueeze(1)
        expected = engine.logits(network, parameters, task["x"])[..., -network.outputs :]
        np.testing.assert_allclose(outputs.numpy(), expected, atol=1e-4, rtol=1e-4)


def test_equal_starts_draw_equal_masks_and_others_draw_others():
    network = build_network(*MODELS[0])
    drawn = [network.initial(generator(1, k)) for k in (0, 0, 1)]
    held = {name: torch.from_numpy(np.stack([one[name] for one in drawn])) for name in drawn[0]}
    for name in held:
        held[name][2] = held[name][0]
    held["output.bias"][2] += 1  # another start that would give the same outputs, 1 higher
    x = torch.from_numpy(np.stack([make_task((1, 61), 4, 1)["x"]] * 3))
    work = Workspace()
    first = network.forward(held, x, work, training=True).clone()
    assert torch.equal(first[0], first[1])
    assert (first[2] - 1 - first[0]).abs().max() > 0.01
    again = network.forward(held, x, work, training=True)
    assert (again[0] - first[0]).abs().max() > 0.01  # the next step's masks


def test_dropout_keeps_its_share_and_the_mean():
    dropout = Dropout(0.3)
    dropout.generator = torch.Generator().manual_seed(1)
    values = dropout(torch.ones(64, 8, 1, 501))
    kept = (values != 0).double().mean().item()
    assert abs(kept - 0.7) < 5 * (0.3 * 0.7 / values.numel()) ** 0.5
    torch.testing.assert_close(values[values != 0], torch.full([], 1 / 0.7).expand(int((values != 0).sum())))
    neighbours = (values[..., 1:] != 0) & (values[..., :-1] != 0)
    assert abs(neighbours.double().mean().item() - 0.49) < 0.005
    x = torch.randn(2, 3, 1, 5)
    assert dropout.eval()(x) is x


def test_a_normalised_convolution_equals_torchs_in_both_modes():
    torch.manual_seed(0)
    for bias in (True, False):
        ours = NormalisedConvolution(3, 5, 8, stride=2, dilation=4, bias=bias)
        convolution = torch.nn.Conv1d(3, 5, 8, 2, 14, 4, bias=bias)
        norm = torch.nn.BatchNorm1d(5)
        convolution.weight.data = ours.convolution.weight.data.squeeze(2)
        if bias:
            convolution.bias.data = ours.convolution.bias.data
        ours.norm.weight.data.uniform_(0.5, 2)
        norm.weight.data = ours.norm.weight.data
        x = torch.randn(6, 3, 41) + 2
        for training in (True, False):
            plain = norm.train(training)(convolution(x))
            torch.testing.assert_close(ours.train(training)(SignalToImage()(x)).squeeze(2), plain, atol=1e-5, rtol=1e-4)


def test_operations_and_kept_values_of_a_residual_network_are_counted_by_hand():
    network = build_network("resnet1d", (3, 50), 5, {"width": 4, "blocks": [1, 1]})
    stem, first = 25 * 7 * 3 * 4, 25 * (5 * 4 * 4 + 3 * 4 * 4)
    second, dense = 13 * (5 * 4 * 8 + 3 * 8 * 8 + 4 * 8), 16 * 5
    assert network.flops() == 2 * (2 * stem + 3 * (first + second + dense))
    # The signal; what each convolution gives and what each ReLU gives; the largest values and what the head reads.
    assert network.values() == 3 * 50 + 25 * 4 * (2 + 4) + 13 * 8 * (4 + 1) + 8 + 16


def test_building_and_counting_draw_nothing_from_the_global_generator():
    state = torch.get_rng_state()
    network = build_network(*MODELS[0])
    network.flops(), network.values(), network.initial(generator(0))
    assert torch.equal(torch.get_rng_state(), state)
