"""Tabular diffusion: its law and its gradient, what it learns, the losses that white-box attacks read."""

import numpy as np
import pytest
import torch
from made_up_cells import MIXED, assert_within, mixed_cells
from scipy.stats import ks_2samp

from medpriv.config.synthetic_neural import DiffusionSettings
from medpriv.errors import InputError
from medpriv.synthesis.diffusion import Process, cosine_alphas, draw_noises, losses, synthesise
from medpriv.synthesis.encoding import Quantiles
from medpriv.synthesis.schema import Field, Schema

SMALL = {"updates": 30, "batch_size": 32, "width": 32, "steps": 20}


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def settings(**changed) -> dict:
    return DiffusionSettings(**(SMALL | changed)).model_dump()


def rngs(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng(100 + k) for k in range(count)]


def asked_rows(process: Process, rows: int = 12):
    """Return noised rows of two tables, and made-up outputs."""
    cells = [mixed_cells(rows, seed) for seed in range(2)]
    x = torch.from_numpy(np.stack([Quantiles.fit(own, MIXED).encode(own) for own in cells]))
    noise = torch.from_numpy(draw_noises(MIXED, 2 * rows, np.random.default_rng(0))).view(2, rows, -1)
    at = torch.arange(rows).expand(2, -1) % process.steps
    gen = torch.Generator().manual_seed(0)
    normal, gumbel = noise.tensor_split([process.numbers], 2)
    return process.noised(x, at, normal, gumbel), torch.randn(2, rows, process.width, generator=gen)


def test_the_gradient_equals_autograd_s():
    process = Process(MIXED, cosine_alphas(9))
    asked, outputs = asked_rows(process)
    leaf = outputs.clone().requires_grad_()
    process.loss(asked, leaf).mean(1).sum().backward()
    found = process.gradient(asked, outputs, torch.zeros_like(outputs))
    torch.testing.assert_close(found, leaf.grad, atol=1e-5, rtol=1e-3)


def test_noise_keeps_the_share_of_levels_that_it_should():
    process = Process(MIXED, cosine_alphas(10))
    x = torch.from_numpy(Quantiles.fit(mixed_cells(50), MIXED).encode(np.tile([[60, 0, 1, 2, 0]], (20_000, 1))))[None]
    t = 5
    noise = torch.from_numpy(draw_noises(MIXED, 20_000, np.random.default_rng(1)))[None]
    asked = process.noised(x, torch.full((1, 20_000), t), *noise.tensor_split([process.numbers], 2))
    share = process.alphas[t].item()
    # stage: four levels and a gap, the true one is the third.
    at = asked.noised.mean((0, 1))[:5, 1]
    expected = share * np.eye(5)[2] + (1 - share) / 5
    np.testing.assert_allclose(at, expected, atol=0.015)


def test_the_posterior_is_bayes_rule():
    process = Process(MIXED, cosine_alphas(10))
    alphas, t = process.alphas.numpy().astype(float), 4
    asked, _ = asked_rows(process, 3)
    at = torch.full((2, 3), t)
    found = process.posterior(asked.noised, asked.clean, at)[0, 0, :5, 1].numpy()
    seen, true = (slots[0, 0, :5, 1].numpy().argmax() for slots in (asked.noised, asked.clean))
    one = alphas[t] / alphas[t - 1]
    expected = np.array(
        [
            (one * (seen == j) + (1 - one) / 5) * (alphas[t - 1] * (true == j) + (1 - alphas[t - 1]) / 5)
            for j in range(5)
        ]
    )
    np.testing.assert_allclose(found, expected / expected.sum(), rtol=1e-4)


def test_it_learns_two_correlated_columns():
    schema = Schema((Field("x"), Field("outcome", ("a", "b"))))
    rng = np.random.default_rng(0)
    label = (rng.random(400) < 0.3).astype(float)
    cells = np.column_stack([np.where(label == 1, 5.0, -5.0) + rng.normal(size=400), label])
    made = synthesise(
        [cells], schema, settings(updates=1200, steps=50, width=64, batch_size=64), rngs(1), [1000]
    ).samples[0]
    assert made[:, 1].mean() == pytest.approx(0.3, abs=0.08)
    assert np.corrcoef(made.T)[0, 1] > 0.8
    assert ks_2samp(made[:, 0], cells[:, 0]).statistic < 0.12


def test_gaps_levels_ranges_and_decimals_are_the_table_s():
    tables = [mixed_cells(120, 1), mixed_cells(127, 2, gaps=False)]
    made = synthesise(tables, MIXED, settings(updates=400), rngs(2), [400, 300])
    for cells, rows, gaps in zip(made.samples, (400, 300), (True, False), strict=True):
        assert cells.shape == (rows, 5)
        assert_within(cells, MIXED, gaps)
        assert 3 not in cells[:, 3]  # a level that no row has
    assert np.isnan(made.samples[0][:, 1]).mean() == pytest.approx(0.2, abs=0.1)


@pytest.mark.parametrize("width", [32, 256])
def test_a_replicate_is_the_same_beside_whomever(width):
    tables, rows = [mixed_cells(80 + 3 * k, k) for k in range(5)], [60, 30, 300, 40, 10]
    own = settings(width=width)
    whole = synthesise(tables, MIXED, own, rngs(5), rows)
    for some in ([0], [2], [1, 3], [4, 0, 2]):
        part = synthesise([tables[k] for k in some], MIXED, own, [rngs(5)[k] for k in some], [rows[k] for k in some])
        for place, k in enumerate(some):
            np.testing.assert_array_equal(part.samples[place], whole.samples[k])
            for name, value in whole.weights.items():
                np.testing.assert_array_equal(part.weights[name][place], value[k])


def test_losses_are_the_trained_models_and_members_have_less():
    tables = [mixed_cells(16, 1, gaps=False), mixed_cells(16, 2, gaps=False)]
    trained = synthesise(tables, MIXED, settings(updates=1000, width=128, steps=20), rngs(2), [5, 5])
    noises = draw_noises(MIXED, 8, np.random.default_rng(3))
    cells = np.concatenate(tables)
    found = losses(trained.weights, MIXED, cells, [2, 5, 8], noises)
    assert found.shape == (2, 32, 24)
    np.testing.assert_array_equal(found[1:], losses(_only(trained.weights, 1), MIXED, cells, [2, 5, 8], noises))
    np.testing.assert_allclose(found[:, 7:9, 8:16], losses(trained.weights, MIXED, cells[7:9], [5], noises), rtol=1e-4)
    mine, others = found.mean(2)[0].reshape(2, 16).mean(1)
    assert mine < 0.95 * others  # the first model was trained on the first table
    mine, others = found.mean(2)[1].reshape(2, 16).mean(1)[::-1]
    assert mine < 0.95 * others


def _only(weights: dict, k: int) -> dict:
    return {name: value[k : k + 1] for name, value in weights.items()}


def test_no_rows_are_refused_and_one_is_enough():
    with pytest.raises(InputError, match="no rows"):
        synthesise([np.empty((0, 5))], MIXED, settings(), rngs(1), [5])
    assert_within(synthesise([mixed_cells(1)], MIXED, settings(), rngs(1), [5]).samples[0], MIXED)
