"""The networks: sizes, layouts, and what normalisation may and may not mix."""

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

from medpriv.bank import engine
from medpriv.errors import InputError
from medpriv.models.catalogue import MODELS, build_network
from medpriv.models.convolutions import Convolution
from medpriv.models.layers import Workspace, allocate_stack
from medpriv.seeds import generator

RECIPE = {"hidden": [4, 3], "patch": 4, "channels": [8, 12], "width": 1, "blocks": [1, 1], "dropout": 0.3}

SHAPES = {
    "logistic": (7,),
    "mlp": (7,),
    "cnn": (2, 61),
    "cnn_gn": (2, 61),
    "cnn2d": (1, 16, 16),
    "dilated": (2, 61),
    "resnet1d": (2, 61),
}

NARROW = {"dilated": RECIPE | {"width": 0.02}}


def make_stack(model: str, shape: tuple[int, ...], classes: int, replicates: int = 2):
    """Return a network and the first parameters of some replicates."""
    network = build_network(model, shape, classes, RECIPE)
    drawn = [network.initial(generator(1, k)) for k in range(replicates)]
    return network, {name: np.stack([one[name] for one in drawn]) for name in drawn[0]}


@pytest.mark.parametrize(("model", "members"), [*((model, None) for model in SHAPES), ("cnn", 2)])
def test_output_layers_begin_as_torchs_linear_layers_do(model, members):
    ensemble = {"members": members, "bands": None} if members else None
    network = build_network(model, SHAPES[model], 4, NARROW.get(model, RECIPE) | {"ensemble": ensemble})
    drawn = [network.initial(generator(1, k)) for k in range(300)]
    weight, bias = [name for name in drawn[0] if "output" in name][-2:]
    outputs, inputs = drawn[0][weight].shape
    torch.manual_seed(1)
    linear = [torch.nn.Linear(inputs, outputs) for _ in drawn]
    for name, theirs in ((weight, "weight"), (bias, "bias")):
        ours = np.stack([one[name] for one in drawn]).ravel()
        torchs = torch.stack([getattr(layer, theirs).detach() for layer in linear]).numpy().ravel()
        assert np.abs(ours).max() <= (1 + 1e-6) / np.sqrt(inputs)
        assert abs(ours.mean()) < 4 * torchs.std() / np.sqrt(len(ours))
        np.testing.assert_allclose(ours.var(), 1 / (3 * inputs), rtol=4 / np.sqrt(len(ours)))
        assert ks_2samp(ours, torchs).pvalue > 1e-3


@pytest.mark.parametrize(("model", "shape"), SHAPES.items())
def test_layers_before_a_relu_begin_he_uniform_without_a_bias(model, shape):
    network = build_network(model, shape, 4, NARROW.get(model, RECIPE))
    drawn = [network.initial(generator(1, k)) for k in range(30)]
    for name in [name for name in drawn[0] if "output" not in name]:
        values = np.stack([one[name] for one in drawn])
        if values.ndim > 2:
            bound = np.sqrt(6 / values[0, 0].size)
            assert 0.9 * bound < np.abs(values).max() <= bound * (1 + 1e-6)
        elif name.endswith("bias"):
            assert not values.any()


def test_operations_of_an_mlp_are_counted_by_hand():
    network = build_network("mlp", (7,), 2, RECIPE)
    first, others = 7 * 4, 4 * 3 + 3 * 1
    assert network.flops() == 2 * (2 * first + 3 * others)  # the input's own gradient is not needed


def test_operations_of_a_cnn_are_counted_by_hand():
    network = build_network("cnn", (2, 61), 4, RECIPE)
    stem, convolution, dense = 15 * (2 * 4) * 8, 8 * (3 * 8) * 12, (8 * 12) * 4
    assert network.flops() == 2 * (2 * stem + 3 * convolution + 3 * dense)


@pytest.mark.parametrize("model", MODELS)
def test_two_classes_need_one_output_and_three_need_three(model):
    shape = {"logistic": (7,), "mlp": (7,), "cnn2d": (1, 12, 12)}.get(model, (2, 61))
    assert build_network(model, shape, 2, RECIPE).outputs == 1
    assert build_network(model, shape, 3, RECIPE).outputs == 3


def test_a_binary_models_logits_are_zero_and_z():
    network, parameters = make_stack("mlp", (7,), 2)
    x = generator(0).normal(size=(5, 7)).astype(np.float32)
    values = engine.logits(network, parameters, x)
    assert values.shape == (2, 5, 2)
    assert (values[..., 0] == 0).all()
    z = network.reference(parameters, 1)(torch.from_numpy(x)).detach().numpy()[:, 0]
    np.testing.assert_allclose(values[1, :, 1], z, rtol=1e-5, atol=1e-6)


def test_restoring_arranged_signals_gives_them_back_without_the_rest():
    network = build_network("cnn", (2, 61), 4, RECIPE)
    x = torch.arange(3 * 2 * 61, dtype=torch.float32).view(3, 2, 61)
    back = network.restore(network.arrange(x))
    torch.testing.assert_close(back[..., :60], x[..., :60])
    assert (back[..., 60:] == 0).all()


@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
def test_windows_equal_torchs_unfold_and_fold(kernel, stride, padding):
    layer = Convolution("c", 11, 4, 6, kernel, stride, padding, None)
    x = torch.randn(2, 3, 11, 4)
    image = x.flatten(0, 1).transpose(1, 2).unsqueeze(-1)  # [records, channels, positions, 1]
    sizes = {"kernel_size": (kernel, 1), "stride": (stride, 1), "padding": (padding, 0)}
    unfolded = torch.nn.functional.unfold(image, **sizes)
    windows = layer._windows(x, Workspace()).reshape(6, layer.positions_out, kernel, 4)
    torch.testing.assert_close(windows, unfolded.view(6, 4, kernel, layer.positions_out).permute(0, 3, 2, 1))
    folded = torch.nn.functional.fold(unfolded, (11, 1), **sizes)[..., 0].transpose(1, 2)
    torch.testing.assert_close(
        layer._fold(windows.reshape(2, 3, layer.positions_out, kernel, 4), Workspace()).flatten(0, 1), folded
    )


def test_group_normalisation_keeps_records_apart_and_batch_normalisation_does_not():
    x = generator(0).normal(size=(2, 6, 2, 61)).astype(np.float32)
    changed = x.copy()
    changed[:, 0] *= 5
    for model, apart in (("cnn_gn", True), ("cnn", False)):
        network, parameters = make_stack(model, (2, 61), 4)
        held = {name: torch.from_numpy(value) for name, value in parameters.items()}
        first, second = (
            network.forward(held, network.arrange(torch.from_numpy(value)).contiguous(), Workspace(), True).clone()
            for value in (x, changed)
        )
        assert torch.equal(first[:, 1:], second[:, 1:]) is apart


def test_a_stack_is_laid_out_so_that_every_replicate_begins_alike():
    for shape in ((3, 5), (3, 4, 7), (3, 8, 8)):
        stack = allocate_stack(shape)
        assert stack.shape == shape
        assert [stack[k].data_ptr() % 64 for k in range(3)] == [0, 0, 0]


def test_a_patch_longer_than_the_signal_is_refused():
    with pytest.raises(InputError, match="a patch of 4 samples doesn't fit a signal of 3"):
        build_network("cnn", (2, 3), 4, RECIPE)
