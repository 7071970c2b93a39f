"""A layer that no module knows: defined here, it is trained, private, forgotten and cut like the library's own."""

from dataclasses import dataclass
from math import inf

import numpy as np
import pytest
import torch
from torch import nn

from medpriv.bank.losses import cross_entropy_gradient
from medpriv.bank.reference import record_losses
from medpriv.bank.stack import Stack, arranged, initial_stack
from medpriv.models.layers import Dense, Layer
from medpriv.models.network import Network
from medpriv.privacy.batches import Pass
from medpriv.privacy.opacus import _as_stacked
from medpriv.privacy.training import PrivateSchedule, PrivateStack, check_network
from medpriv.split.protocol import possible_cuts, split_network
from medpriv.unlearning.finetuning import first_trained
from medpriv.unlearning.importance import _add_sizes

K, RECORDS, PATIENTS = 3, 12, 4


@dataclass(frozen=True)
class Scale(Layer):
    """y = x * s, s [K, units]: the one class that a new layer takes."""

    name: str
    units: int

    @property
    def has_parameters(self):
        return True

    @property
    def shape_out(self):
        return (self.units,)

    def initial(self, rng):
        return {f"{self.name}.scale": rng.uniform(0.5, 2, self.units).astype(np.float32)}

    def products(self):
        return self.units

    def forward(self, held, x, work, training):
        work.saved[f"{self.name}.x"] = x
        return torch.mul(x, held[f"{self.name}.scale"].unsqueeze(1), out=work.buffer(f"{self.name}.y", *x.shape))

    def backward(self, held, gradient, work, gradients, need_input):
        each = gradient * work.saved[f"{self.name}.x"]
        work.saved[f"{self.name}.each"] = each
        if gradients is not None:
            gradients[f"{self.name}.scale"].copy_(each.sum(1))
        return gradient.mul_(held[f"{self.name}.scale"].unsqueeze(1)) if need_input else None

    def vectors(self, work):
        return {f"{self.name}.scale": work.saved[f"{self.name}.each"]}

    def reference(self, held, shape, patch):
        module = _ScaleModule(self.units)
        module.load_state_dict({"scale": held["scale"]})
        return [module]

    def from_reference(self, values, first):
        return {f"{self.name}.scale": next(values)}


class _ScaleModule(nn.Module):
    def __init__(self, units: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(units))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale


NETWORK = Network((Dense("hidden", 6, 5, relu=True), Scale("scale", 5), Dense("output", 5, 3, relu=False)), (6,))


@pytest.fixture
def task() -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """First parameters of K replicates, records and classes."""
    rng = np.random.default_rng(0)
    start = initial_stack(NETWORK, [np.random.default_rng(k) for k in range(K)])
    return start, rng.normal(size=(RECORDS, 6)).astype(np.float32), rng.integers(3, size=RECORDS)


def autograd(start, k: int, x, y) -> dict[str, np.ndarray]:
    """Return the gradients of the summed loss of a replicate, by the stack's names."""
    module = NETWORK.reference(start, k)
    record_losses(module(torch.from_numpy(x)), torch.from_numpy(y)).sum().backward()
    for value in module.parameters():
        value.data = value.grad
    return _as_stacked(NETWORK, module)


def test_patients_norms_and_sums_are_those_of_autograd(task):
    start, x, y = task
    check_network(NETWORK)
    schedule = PrivateSchedule(steps=1, rate=1.0, batch=1.0, clip=inf, deviation=0.0, learning_rate=1.0)
    stack = PrivateStack(NETWORK, start, arranged(NETWORK, x), torch.from_numpy(y), schedule)
    rows = np.tile(np.arange(RECORDS), (K, 1))
    norms = stack.add_clipped(Pass(rows, np.ones((K, RECORDS), np.float32), PATIENTS))
    for k in range(K):
        for patient, own in enumerate(np.split(np.arange(RECORDS), PATIENTS)):
            slow = np.concatenate([value.ravel() for value in autograd(start, k, x[own], y[own]).values()])
            assert norms[k, patient].item() == pytest.approx(np.linalg.norm(slow), rel=1e-5)
        for name, value in autograd(start, k, x, y).items():
            np.testing.assert_allclose(stack.gradients[name][k].numpy(), value, rtol=1e-4, atol=1e-5)


def test_fisher_information_is_that_of_autograd_record_by_record(task):
    start, x, y = task
    stack = Stack(NETWORK, start, arranged(NETWORK, x), torch.from_numpy(y))
    rows = torch.arange(RECORDS).expand(K, -1)
    sums = {name: torch.zeros(value.shape) for name, value in start.items()}
    outputs = stack.forward(stack.gather(rows), training=False)
    _add_sizes(stack, cross_entropy_gradient(outputs, stack.labels[rows]), sums, torch.square)
    for k in range(K):
        each = [autograd(start, k, x[[row]], y[[row]]) for row in range(RECORDS)]
        for name, value in sums.items():
            np.testing.assert_allclose(value[k].numpy(), sum(one[name] ** 2 for one in each), rtol=1e-4, atol=1e-6)


def test_it_is_counted_cut_and_frozen():
    assert NETWORK.flops() == 2 * (3 * (30 + 5 + 15) - 30)
    assert possible_cuts(NETWORK) == (1, 2, 3) and possible_cuts(NETWORK, keep_head=True) == (1,)
    assert split_network(NETWORK, 2).width == (5,)
    assert first_trained(NETWORK, 2) == 1
    assert "scale.scale" in NETWORK.frozen_names(["hidden.weight", "scale.scale", "output.bias"], 2)
