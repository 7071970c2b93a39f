"""The residual network: its parts put together, its sizes, and that it learns."""

import numpy as np
import pytest
import torch

from medpriv.bank import engine
from medpriv.models.catalogue import build_network
from medpriv.seeds import generator

RECIPE = {"width": 8, "blocks": [1, 1, 1]}


@pytest.mark.parametrize(("shape", "classes"), [((12, 1000), 5), ((2, 192), 2), ((2, 192), 4)])
def test_takes_the_signals_of_ptbxl_and_mitdb(shape, classes):
    network = build_network("resnet1d", shape, classes, RECIPE)
    parameters = {name: value[None] for name, value in network.initial(generator(0)).items()}
    x = generator(1).normal(size=(3, *shape)).astype(np.float32)
    values = engine.logits(network, parameters, x)
    assert values.shape == (1, 3, classes)
    assert len(np.unique(values[..., -1])) == 3


def test_a_network_of_one_block_is_counted_by_hand():
    network = build_network("resnet1d", (12, 100), 5, {"width": 8, "blocks": [1]})
    held = network.initial(generator(0))
    stem, block, head = 12 * 7 * 8 + 16, (5 + 3) * 8 * 8 + 2 * 16, 16 * 5 + 5
    assert sum(value.size for name, value in held.items() if "running" not in name) == stem + block + head


def test_stages_double_channels_and_halve_positions():
    network = build_network("resnet1d", (1, 64), 3, {"width": 4, "blocks": [2, 1, 1, 1]})
    assert network.layers == (
        *("image", "stem", "stage1block1", "stage1block2", "stage2block1", "stage3block1", "stage4block1"),
        *("pool", "output"),
    )
    module = network.reference({name: value[None] for name, value in network.initial(generator(0)).items()}, 0)
    x = torch.randn(2, 1, 64)
    sizes = []
    for block in module[:-2]:
        x = block(x)
        sizes.append((x.shape[1], x.shape[3]))
    assert sizes == [(1, 64), (4, 32), (4, 32), (4, 32), (8, 16), (16, 8), (32, 4)]


def test_a_block_without_weights_in_its_convolutions_passes_its_input_on():
    network = build_network("resnet1d", (1, 40), 3, {"width": 4, "blocks": [1]})
    held = {name: value[None] for name, value in network.initial(generator(0)).items()}
    held["stage1block1.second.norm.weight"][:] = 0
    module = network.reference(held, 0).eval()
    x = module[:2](torch.randn(2, 1, 40))
    torch.testing.assert_close(module[2](x.clone()), x)


def test_learns_a_class_that_no_single_sample_shows():
    rng = generator(3)
    y = rng.integers(2, size=120)
    time = np.arange(96) / 96
    phase = rng.uniform(0, 2 * np.pi, (120, 1))
    wave = np.sin(2 * np.pi * np.where(y, 9, 6)[:, None] * time + phase)  # which of two frequencies, at any phase
    x = (wave + 0.3 * rng.normal(size=wave.shape))[:, None].astype(np.float32)
    network = build_network("resnet1d", (1, 96), 2, {"width": 4, "blocks": [1, 1]})
    members = np.arange(120)[None] < 80
    schedule = engine.Schedule(updates=40, batch_size=32, learning_rate=0.01, weight_decay=0.0, balance=0.0)
    parameters = engine.train(network, x, y, members, schedule, [generator(0)], [generator(1)])
    found = engine.logits(network, parameters, x[80:])[0].argmax(1)
    assert (found == y[80:]).mean() > 0.9
