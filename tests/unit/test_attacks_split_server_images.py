"""At the cut of a network for images, what is learnt at one position serves all, and each lies where it belongs."""

import numpy as np
import pytest
import torch

from medpriv.attacks.split_server.nets import Grid, LocalPerceptrons
from medpriv.models.catalogue import build_network
from medpriv.split.protocol import split_network


def grid_of(cut, shape=(2, 12, 8), **recipe):
    network = build_network("cnn2d", shape, 2, {"patch": 2, "channels": [4, 6], "pooled": False} | recipe)
    return network, Grid.of(network, split_network(network, cut).width)


@pytest.mark.parametrize(("cut", "share"), [(1, 1), (2, 2)])
def test_the_parts_of_an_image_are_put_where_they_came_from(cut, share):
    network, grid = grid_of(cut)
    x = torch.randn(3, 2, 12, 8)
    read = network.arrange(x).unflatten(1, (6, 4))  # [3, rows, columns, values of a patch]
    parts = read.unflatten(2, (-1, share)).unflatten(1, (-1, share)).transpose(2, 3)  # by position, then within it
    told = parts.flatten(3).flatten(1, 2)[None]
    assert told.shape[3] == grid.pixels
    back = grid.image(told)[0].view(network.arrange(x).shape)
    assert torch.equal(network.restore(back), x)


def test_a_position_reads_its_neighbours_and_nothing_beyond_the_edge():
    _, grid = grid_of(2)
    x = torch.randn(2, 3, grid.rows * grid.columns * grid.channels)
    seen = grid.neighbours(x).view(2, 3, grid.rows, grid.columns, 9, grid.channels)
    laid = x.view(2, 3, grid.rows, grid.columns, grid.channels)
    assert torch.equal(seen[..., 4, :], laid)
    assert torch.equal(seen[:, :, 1:, 1:, 0], laid[:, :, :-1, :-1])
    assert not seen[:, :, 0, :, :3].any() and not seen[:, :, :, -1, 2::3].any()


def test_activations_without_positions_of_their_own_have_no_grid():
    assert grid_of(4)[1] is None  # logits
    assert grid_of(2, shape=(1, 10, 10))[1] is None  # 5 x 5 positions, of which 3 x 3 have no equal parts
    table = build_network("mlp", (7,), 2, {"hidden": [8, 4]})
    assert Grid.of(table, (8,)) is None


def test_what_is_learnt_at_one_position_serves_another():
    _, grid = grid_of(1)
    draws = [np.random.default_rng(seed) for seed in range(2)]
    decoder, critic = (LocalPerceptrons(grid, (5, last), draws) for last in (grid.pixels, 1))
    activation = torch.zeros(2, 1, grid.rows, grid.columns, grid.channels)
    moved = activation.clone()
    activation[:, :, 1, 1], moved[:, :, 3, 2] = 1.0, 1.0
    first, second = (decoder(given.flatten(2)).view(2, grid.rows, grid.columns, -1) for given in (activation, moved))
    torch.testing.assert_close(first[:, 1, 1], second[:, 3, 2])
    assert not torch.allclose(first[:, 1, 1], second[:, 1, 1])
    torch.testing.assert_close(critic(activation.flatten(2)), critic(moved.flatten(2)), rtol=1e-4, atol=1e-5)
    assert critic(moved.flatten(2)).shape == (2, 1, 1)
