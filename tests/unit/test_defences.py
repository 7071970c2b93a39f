"""The defences' losses against autograd, and robust banks: same bytes in any shard, and harder to overturn."""

import numpy as np
import pytest
import torch
from made_up_banks import gathered, training_spec
from made_up_datasets import with_changes
from scipy.ndimage import correlate1d
from test_treatments_baseline import RECIPES, toy_dataset

from medpriv.bank import engine
from medpriv.bank.draw import Draw
from medpriv.bank.reference import record_losses
from medpriv.bank.stack import Stack, arranged
from medpriv.config.robust import Defences, RobustSettings
from medpriv.dataset import TEST, Dataset
from medpriv.defences import regularisation
from medpriv.defences.adversarial import smoothed
from medpriv.defences.decorrelation import correlation_penalty, decorrelation_step
from medpriv.defences.regularisation import jacobian_step, margins, nsr_step
from medpriv.defences.sap_filter import smoothing_filter
from medpriv.errors import InputError
from medpriv.models.catalogue import build_network
from medpriv.seeds import generator
from medpriv.treatments import baseline, robust

BUDGET = np.array([[0.05], [0.02]], np.float32)


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def signals() -> Dataset:
    return with_changes(toy_dataset("cnn"), sampling_rate=100.0)


def make_stack(recipe: dict | None = None) -> tuple[Stack, torch.Tensor, torch.Tensor, list[torch.nn.Module]]:
    """Return a stack of two group-normalised networks (no running statistics), rows, weights, and their references."""
    network = build_network("cnn_gn", (2, 32), 3, (recipe or {}) | {"patch": 4, "channels": [8, 8]})
    rng = generator(5)
    drawn = [network.initial(rng) for _ in range(2)]
    parameters = {name: np.stack([one[name] for one in drawn]) for name in drawn[0]}
    x = rng.normal(size=(12, 2, 32)).astype(np.float32)
    y = rng.integers(3, size=12)
    noise = [generator(6, replicate) for replicate in range(2)]
    stack = Stack(network, parameters, arranged(network, x), torch.from_numpy(y), noise=noise)
    rows = torch.from_numpy(np.stack([rng.permutation(12)[:7] for _ in range(2)]))
    weights = torch.full((2, 7), 1 / 7)
    modules = [network.reference(parameters, replicate) for replicate in range(2)]
    return stack, rows, weights, [(module, torch.from_numpy(x), torch.from_numpy(y)) for module in modules]


def reference_gradients(module: torch.nn.Module, loss: torch.Tensor) -> torch.Tensor:
    grads = torch.autograd.grad(loss, list(module.parameters()))
    return torch.cat([grad.abs().sum().reshape(1) for grad in grads])


def stack_gradients(stack: Stack, replicate: int, module: torch.nn.Module) -> torch.Tensor:
    """Return the absolute sums of the gradients, in the module's order (its shapes are arranged otherwise)."""
    order = [name for name in stack.held if "running" not in name]
    return torch.stack([stack.gradients[name][replicate].abs().sum() for name in order])


def test_jacobian_penalty_equals_second_order_autograd_where_no_unit_turns_over(monkeypatch):
    monkeypatch.setattr(regularisation, "REACH", 0.001)
    stack, rows, weights, references = make_stack()
    jacobian_step(0.3)(stack, rows, weights)
    for k, (module, x, y) in enumerate(references):
        inputs = x[rows[k]].requires_grad_()
        outputs = module(inputs)
        drawn = generator(6, k).standard_normal((7, 3), np.float32)
        vector = torch.from_numpy(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))
        (slope,) = torch.autograd.grad((outputs * vector).sum(), inputs, create_graph=True)
        penalty = 0.3 / 2 * 3 * slope.square().sum((1, 2))
        loss = (record_losses(outputs, y[rows[k]]) + penalty).mean()
        torch.testing.assert_close(
            stack_gradients(stack, k, module), reference_gradients(module, loss), rtol=0.02, atol=2e-3
        )


def test_nsr_penalty_equals_second_order_autograd():
    stack, rows, weights, references = make_stack()
    small = BUDGET / 50  # a short difference, so that no ReLU switches in between
    nsr_step(0.4, small)(stack, rows, weights)
    for k, (module, x, y) in enumerate(references):
        inputs, labels = x[rows[k]].requires_grad_(), y[rows[k]]
        outputs = module(inputs)
        margin, _ = margins(outputs, labels)
        (slope,) = torch.autograd.grad(margin.sum(), inputs, create_graph=True)
        ratio = (slope.abs() * torch.from_numpy(small)).sum((1, 2)) / margin
        penalty = torch.where(margin > 0, 0.4 * torch.log1p(ratio), 0.0)
        loss = (record_losses(outputs, labels) + penalty).mean()
        torch.testing.assert_close(
            stack_gradients(stack, k, module), reference_gradients(module, loss), rtol=0.02, atol=2e-3
        )


def test_margins_are_the_true_logit_minus_the_highest_other():
    value, pull = margins(torch.tensor([[[1.0, 4.0, 2.0]]]), torch.tensor([[0]]))
    assert value.item() == -3 and pull.tolist() == [[[1.0, -1.0, 0.0]]]
    value, pull = margins(torch.tensor([[[1.5], [1.5]]]), torch.tensor([[0, 1]]))
    assert value.tolist() == [[-1.5, 1.5]] and pull.tolist() == [[[-1.0], [1.0]]]


def test_decorrelation_gradients_equal_autograd():
    stack, rows, weights, references = make_stack({"ensemble": {"members": 2, "bands": None}})
    decorrelation_step(5.0)(stack, rows, weights)
    for k, (module, x, y) in enumerate(references):
        inputs, labels = x[rows[k]], y[rows[k]]
        features = [member[:-1](inputs) for member in module.members]
        outputs = [member[-1](values) for member, values in zip(module.members, features, strict=True)]
        penalty = correlation_penalty([values[None] for values in features], [8, 8])
        loss = sum(record_losses(values, labels).mean() for values in outputs) + 5.0 * penalty
        torch.testing.assert_close(
            stack_gradients(stack, k, module), reference_gradients(module, loss), rtol=1e-3, atol=1e-4
        )


def test_equal_features_pay_and_unrelated_ones_do_not():
    rng = torch.Generator().manual_seed(0)
    one = torch.randn(1, 4000, 3, generator=rng)
    other = torch.randn(1, 4000, 3, generator=rng)
    assert correlation_penalty([one, one], [3, 3]) > 0.95
    assert correlation_penalty([one, other], [3, 3]) < 0.01


def test_smoothing_in_training_is_that_of_the_attack():
    taps = smoothing_filter(300)
    theta = generator(7).normal(size=(2, 3, 2, 50)).astype(np.float32)
    np.testing.assert_allclose(
        smoothed(torch.from_numpy(theta), taps).numpy(), correlate1d(theta, taps, axis=-1, mode="constant"), atol=1e-5
    )


SETTINGS = {
    "pgd": {"epsilon": 0.8, "steps": 2},
    "sap": {"epsilon": 0.8, "steps": 2},
    "jacobian": {"strength": 0.3},
    "nsr": {"strength": 0.5, "epsilon": 0.3},
    "noise": {"deviation": 0.5},
    "decorrelated": {"members": 2, "bands": 6, "strength": 1.0},
}


def test_every_defence_of_the_config_is_tried_here():
    assert set(SETTINGS) == set(robust.DEFENCES) == set(Defences.model_fields)
    filled = RobustSettings(defences={name: {} for name in SETTINGS}).model_dump()["defences"]
    assert {name: set(section) for name, section in filled.items()} == {name: set(s) for name, s in SETTINGS.items()}


@pytest.mark.parametrize("defence", SETTINGS)
def test_a_robust_bank_learns_and_its_shards_are_the_same_bytes(defence, tmp_path):
    dataset, recipe = signals(), RECIPES["cnn"] | {"epochs": 6}
    spec = training_spec(f"robust-{defence}", "cnn", recipe, SETTINGS[defence])
    whole = robust.train(dataset, spec, Draw(range(5), 5, 1))
    joined = gathered([robust.train(dataset, spec, Draw(part, 5, 1)) for part in ([0, 2, 4], [1, 3])], tmp_path)
    for name, value in whole.weights.items():
        np.testing.assert_array_equal(joined.weights[name], value)
    test = dataset.rows(TEST)
    assert (whole.logits[:, test].argmax(-1) == dataset.y[test]).mean() > 0.6
    assert (whole.members == Draw(range(5), 5, 1).members(dataset)).all()


@pytest.mark.parametrize("defence", ["pgd", "jacobian", "nsr", "noise"])
def test_a_defended_bank_is_harder_to_overturn_than_its_baseline(defence):
    dataset, recipe = signals(), RECIPES["cnn"] | {"epochs": 10}
    plain = baseline.train(dataset, training_spec("baseline-cnn", "cnn", recipe), Draw(range(3), 3, 1))
    defended = robust.train(
        dataset, training_spec(f"robust-{defence}", "cnn", recipe, SETTINGS[defence]), Draw(range(3), 3, 1)
    )
    flipped = []
    for bank in (plain, defended):
        network = build_network("cnn", (2, 32), 3, bank.spec.hyperparameters)
        test = dataset.rows(TEST)
        x, y = dataset.standardised()[test], dataset.y[test]
        logits, gradients = engine.input_gradients(network, bank.weights, x, y)
        after = engine.logits(network, bank.weights, (x + 0.5 * np.sign(gradients)).astype(np.float32)).argmax(-1)
        right = logits.argmax(-1) == y
        flipped.append((right & (after != y)).sum() / right.sum())
    assert flipped[1] < flipped[0] - 0.05, flipped


@pytest.mark.parametrize("defence", ["sap", "jacobian", "nsr", "noise"])
def test_a_network_of_torch_modules_is_defended_by_the_same_losses(defence):
    recipe = RECIPES["cnn"] | {"width": 4, "blocks": [1], "epochs": 1}
    dataset = signals()
    spec = training_spec(f"robust-{defence}", "resnet1d", recipe, SETTINGS[defence])
    whole = robust.train(dataset, spec, Draw(range(3), 3, 1))
    part = robust.train(dataset, spec, Draw([2], 3, 1))
    plain = baseline.train(dataset, spec, Draw([2], 3, 1))
    for name, value in part.weights.items():
        np.testing.assert_array_equal(value[0], whole.weights[name][2])
    assert not np.array_equal(part.weights["output.weight"], plain.weights["output.weight"])


def test_a_defence_is_refused_where_it_is_not_for_the_records():
    with pytest.raises(InputError, match="the defence pgd: for signals and images, and these are tables"):
        spec = training_spec("robust-pgd", "mlp", RECIPES["mlp"], SETTINGS["pgd"])
        robust.train(toy_dataset("mlp"), spec, Draw([0], 4, 1))
