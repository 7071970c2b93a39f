"""The dilated network against torch's plain modules, laid out as the released code lays them out."""

import numpy as np
import pytest
import torch
from torch import nn

from medpriv.errors import InputError
from medpriv.models.catalogue import build_network
from medpriv.seeds import generator

KERNELS = [24, 16, 16, 16, 16, 8, 8, 8, 8, 8, 8, 8, 8]
DILATIONS = [1, 2, 4, 4, 4, 4, 6, 6, 6, 6, 8, 8, 8]
PADDINGS = [11, 15, 30, 30, 30, 14, 21, 21, 21, 21, 28, 28, 28]


def make_network(width: float, shape: tuple[int, ...] = (1, 200), classes: int = 4, dropout: float = 0.3):
    return build_network("dilated", shape, classes, {"width": width, "dropout": dropout})


def make_plain(parameters: dict[str, np.ndarray]) -> nn.Sequential:
    """Return the same replicate of `Conv1d` and `BatchNorm1d`, without dropout."""
    parts: list[nn.Module] = []
    for index, (kernel, dilation, padding) in enumerate(zip(KERNELS, DILATIONS, PADDINGS, strict=True), start=1):
        own = {
            name.split("normalised.")[1]: torch.from_numpy(value)
            for name, value in parameters.items()
            if name.startswith(f"convolution{index}.")
        }
        weight = own["convolution.weight"].squeeze(2)
        convolution = nn.Conv1d(weight.shape[1], weight.shape[0], kernel, padding=padding, dilation=dilation)
        convolution.load_state_dict({"weight": weight, "bias": own["convolution.bias"]})
        norm = nn.BatchNorm1d(weight.shape[0])
        norm.load_state_dict({k.removeprefix("norm."): v for k, v in own.items() if "norm" in k}, strict=False)
        parts += [convolution, norm, nn.ReLU()]
        if index in (1, 6, 11):
            parts.append(nn.MaxPool1d(2, 2, 1, 2))
    dense = nn.Linear(parameters["output.weight"].shape[1], len(parameters["output.weight"]))
    dense.load_state_dict(
        {k.removeprefix("output."): torch.from_numpy(parameters[k]) for k in parameters if "out" in k}
    )
    return nn.Sequential(*parts, nn.AdaptiveAvgPool1d(1), nn.Flatten(), dense)


def test_full_width_has_5486916_weights():
    network = make_network(1.0, (1, 18_000))
    parameters = network.initial(generator(0))
    counted = {name: value.size for name, value in parameters.items() if "running" not in name}
    assert sum(counted.values()) == 5_486_916
    channels = [320, *[256] * 4, *[128] * 6, *[64] * 2]
    assert [len(parameters[f"convolution{index + 1}.normalised.norm.weight"]) for index in range(13)] == channels
    assert sum(size for name, size in counted.items() if "convolution.bias" in name) == sum(channels)


def test_a_pass_at_full_width_takes_46_billion_products():
    assert make_network(1.0, (1, 18_000)).flops() / 6 == pytest.approx(45.7e9, rel=0.01)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(1, 200), (2, 173)])
def test_outputs_equal_those_of_plain_modules(shape, training):
    network = make_network(0.03, shape, dropout=0.0)
    parameters = network.initial(generator(0))
    rng = generator(1)
    for name, value in parameters.items():
        if value.ndim == 1:  # biases and normalisations that do something
            parameters[name] = rng.uniform(0.5, 1.5, value.shape).astype(np.float32)
    x = torch.from_numpy(rng.normal(size=(5, *shape)).astype(np.float32))
    ours = network.reference({name: value[None] for name, value in parameters.items()}, 0).train(training)
    plain = make_plain(parameters).train(training)
    torch.testing.assert_close(ours(x), plain(x), atol=1e-4, rtol=1e-4)
    if training:  # and the statistics moved alike
        torch.testing.assert_close(ours.eval()(x), plain.eval()(x), atol=1e-4, rtol=1e-4)


def test_width_scales_the_channels_down_to_four():
    parameters = make_network(0.03).initial(generator(0))
    assert [len(parameters[f"convolution{index}.normalised.norm.weight"]) for index in (1, 2, 6, 12)] == [10, 8, 4, 4]


def test_a_first_step_of_adam_leaves_the_biases_before_a_normalisation_alone():
    network = make_network(0.03)
    module = network.reference({k: v[None] for k, v in network.initial(generator(0)).items()}, 0)
    module(torch.randn(4, 1, 200)).sum().backward()
    assert all((p.grad is None) == name.endswith("convolution.bias") for name, p in module.named_parameters())


def test_a_signal_shorter_than_the_first_kernel_is_refused():
    with pytest.raises(InputError, match="the first kernel of 24 samples doesn't fit a signal of 23"):
        make_network(0.1, (1, 23))
