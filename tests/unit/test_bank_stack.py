"""A stack's records, gradients and frozen layers."""

import numpy as np
import pytest
import torch

from medpriv.bank.losses import cross_entropy_gradient
from medpriv.bank.stack import Stack, arranged
from medpriv.models.catalogue import build_network
from medpriv.seeds import generator

RECIPE = {"patch": 4, "channels": [4, 6]}


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def make_stack(**options: object) -> tuple[Stack, np.ndarray]:
    network = build_network("cnn", (2, 32), 3, RECIPE)
    rng = generator(1)
    drawn = [network.initial(rng) for _ in range(2)]
    x = rng.normal(size=(10, 2, 32)).astype(np.float32)
    y = torch.from_numpy(rng.integers(3, size=10))
    parameters = {name: np.stack([one[name] for one in drawn]) for name in drawn[0]}
    return Stack(network, parameters, arranged(network, x), y, **options), x


def test_gathered_records_are_those_asked_for():
    stack, x = make_stack()
    rows = torch.tensor([[3, 1, 1], [0, 9, 4]])
    np.testing.assert_array_equal(stack.network.restore(stack.gather(rows)).numpy(), x[rows])


def test_shifted_records_are_rotations_by_their_replicates_own_draws():
    stack, x = make_stack(shift=True, noise=[generator(2, replicate) for replicate in range(2)])
    rows = torch.tensor([[3, 1, 1], [0, 9, 4]])
    found = stack.network.restore(stack.gather(rows)).numpy()
    for replicate in range(2):
        amounts = generator(2, replicate).integers(32, size=3)
        expected = [np.roll(x[row], -amount, axis=1) for row, amount in zip(rows[replicate], amounts, strict=True)]
        np.testing.assert_array_equal(found[replicate], expected)


def test_a_second_backward_adds_to_the_first():
    stack, _ = make_stack()
    rows = torch.tensor([[3, 1, 1], [0, 9, 4]])
    once = {}
    for add in (False, True):
        slope = cross_entropy_gradient(stack.forward(stack.gather(rows)), stack.labels[rows])
        stack.backward(slope, add=add)
        once[add] = {name: value.clone() for name, value in stack.gradients.items()}
    for name, value in once[True].items():
        torch.testing.assert_close(value, 2 * once[False][name])


def test_frozen_layers_keep_parameters_and_running_statistics():
    stack, _ = make_stack(frozen=2)  # stem and convolution; Flatten and the dense layer are left
    before = stack.parameters()
    rows = torch.tensor([[3, 1, 1], [0, 9, 4]])
    stack.backward(cross_entropy_gradient(stack.forward(stack.gather(rows)), stack.labels[rows]))
    stack.update(0.1)
    changed = {name for name, value in stack.parameters().items() if not np.array_equal(value, before[name])}
    assert changed == {"output.weight", "output.bias"}
