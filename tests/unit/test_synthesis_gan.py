"""The conditional GAN: its hand-written gradients, what it learns, and that a replicate is its own."""

import numpy as np
import pytest
import torch
from made_up_cells import MIXED, assert_within, mixed_cells
from scipy.stats import ks_2samp

from medpriv.config.synthetic_neural import GanSettings
from medpriv.errors import InputError
from medpriv.models.layers import Workspace
from medpriv.synthesis import gan
from medpriv.synthesis.critic import SLOPE, Critic, add_clipped, add_sums, unit_squares
from medpriv.synthesis.encoding import Modes, Span
from medpriv.synthesis.gan import Conditions, synthesise
from medpriv.synthesis.generator import TEMPERATURE, Generator, Heads
from medpriv.synthesis.schema import Field, Schema

SMALL = {"batch_size": 40, "pac": 4, "embedding": 16, "width": 32, "epochs": 2}


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def settings(**changed) -> dict:
    return GanSettings(**(SMALL | changed)).model_dump()


def rngs(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng(100 + k) for k in range(count)]


# Gradients.


def critic_case(rows: int = 6, dtype=torch.float64):
    """Return a critic, its parameters, rows, weights, mixing shares and masks of two replicates."""
    critic, gen = Critic(5, (8, 4)), torch.Generator().manual_seed(0)
    drawn = [critic.initial(np.random.default_rng(k)) for k in range(2)]
    held = {name: torch.from_numpy(np.stack([own[name] for own in drawn])).to(dtype) for name in drawn[0]}
    x = torch.randn(2, 3 * rows, 5, generator=gen, dtype=dtype)
    mix = torch.rand(2, rows, 1, generator=gen, dtype=dtype)
    masks = [2.0 * (torch.rand(2, 3 * rows, units, generator=gen) < 0.5).to(dtype) for units in critic.hidden]
    weights = torch.rand(2, rows, generator=gen, dtype=dtype)
    return critic, held, x, weights, mix, masks


def slow_losses(critic: Critic, held: dict, x, weights, mix, masks) -> torch.Tensor:
    """Return each row's loss [K, R] by autograd."""

    def judge(x, block):
        for index, name in enumerate(critic.names[:-1]):
            x = torch.baddbmm(held[f"{name}.bias"].unsqueeze(1), x, held[f"{name}.weight"].transpose(1, 2))
            x = torch.nn.functional.leaky_relu(x, SLOPE) * masks[index].chunk(3, 1)[block]
        name = critic.names[-1]
        return torch.baddbmm(held[f"{name}.bias"].unsqueeze(1), x, held[f"{name}.weight"].transpose(1, 2))[..., 0]

    real, fake, _ = x.chunk(3, 1)
    between = (mix * real + (1 - mix) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(judge(between, 2).sum(), between, create_graph=True)
    return weights * (judge(fake, 1) - judge(real, 0) + 10 * (slope.norm(dim=2) - 1) ** 2)


def test_the_critic_s_gradient_with_its_penalty_equals_autograd():
    critic, held, x, weights, mix, masks = critic_case()
    leaves = {name: value.clone().requires_grad_() for name, value in held.items()}
    slow_losses(critic, leaves, x, weights, mix, masks).sum().backward()
    found = {name: torch.zeros_like(value) for name, value in held.items()}
    add_sums(critic, critic.gradient(held, x.clone(), weights, mix, masks), found)
    for name, value in found.items():
        expected = leaves[name].grad if leaves[name].grad is not None else torch.zeros_like(value)
        torch.testing.assert_close(value, expected, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("records", [1, 2])
def test_units_norms_and_clipped_sums_equal_autograd(records):
    critic, held, x, weights, mix, masks = critic_case()
    units = 6 // records
    outers = critic.gradient(held, x.clone(), weights, mix, masks)
    squares = unit_squares(outers, units)
    factors = torch.rand(2, units, dtype=torch.float64)
    found = {name: torch.zeros_like(value) for name, value in held.items()}
    add_clipped(critic, outers, [factors] * 3, found)
    expected = {name: torch.zeros_like(value) for name, value in held.items()}
    for unit in range(units):
        leaves = {name: value.clone().requires_grad_() for name, value in held.items()}
        loss = slow_losses(critic, leaves, x, weights, mix, masks)
        loss[:, unit * records : (unit + 1) * records].sum().backward()
        for index, name in enumerate(critic.names):
            parts = [leaves[f"{name}.{part}"].grad for part in ("weight", "bias")]
            norm = sum(part.flatten(1).square().sum(1) for part in parts if part is not None)
            torch.testing.assert_close(squares[index][:, unit], norm)
        for name, leaf in leaves.items():
            if leaf.grad is not None:
                expected[name] += factors[:, unit].view(2, *[1] * (leaf.dim() - 1)) * leaf.grad
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name])


def test_the_generator_s_gradient_equals_autograd():
    layers, gen = Generator(7, (8, 4), 10), torch.Generator().manual_seed(1)
    drawn = [layers.initial(np.random.default_rng(k)) for k in range(2)]
    held = {name: torch.from_numpy(np.stack([own[name] for own in drawn])) for name in drawn[0]}
    spans = [
        (Span(0, 2, 5, np.arange(3)), Span(1, 5, 7, np.arange(2))),
        (Span(0, 2, 3, np.arange(1)), Span(1, 3, 7, np.arange(4))),
    ]
    heads, work = Heads(spans, 2, 10, 4), Workspace()
    inputs, gumbel = torch.randn(2, 9, 7, generator=gen), torch.randn(2, 9, 10, generator=gen)
    slope, span = torch.randn(2, 9, 10, generator=gen), torch.randint(2, (2, 9), generator=gen)
    place = torch.zeros(2, 9, dtype=torch.int64)
    buffer = layers.buffer(work, 2, 9)
    buffer[..., -7:] = inputs
    made = work.buffer("made", 2, 9, 10)
    heads.forward(layers.forward(held, buffer, work), gumbel, made, work)
    found = {name: torch.zeros_like(value) for name, value in held.items()}
    layers.backward(held, buffer, heads.backward(slope, work, (span, place)), work, found)
    leaves = {name: value.clone().requires_grad_() for name, value in held.items()}
    loss = 0
    for k in range(2):
        x = inputs[k]
        for name in layers.names:
            a = torch.nn.functional.batch_norm(
                x @ leaves[f"{name}.weight"][k].T,
                None,
                None,
                leaves[f"{name}.scale"][k],
                leaves[f"{name}.shift"][k],
                training=True,
            )
            x = torch.cat([a.relu(), x], 1)
        outputs = x @ leaves["output.weight"][k].T + leaves["output.bias"][k]
        rows = torch.zeros(9, 10)
        rows[:, :2] = outputs[:, :2].tanh()
        for own in spans[k]:
            where = slice(own.start, own.stop)
            rows[:, where] = torch.softmax((outputs + gumbel[k])[:, where] / TEMPERATURE, 1)
        torch.testing.assert_close(made[k], rows, atol=1e-5, rtol=1e-4)
        loss = loss + (rows * slope[k]).sum()
        for row in range(9):
            own = spans[k][span[k, row]]
            loss = loss + torch.nn.functional.cross_entropy(outputs[row, own.start : own.stop], place[k, row]) / 9
    loss.backward()
    for name, value in found.items():
        torch.testing.assert_close(value, leaves[name].grad, atol=2e-4, rtol=1e-3)


# Conditions.


def test_conditions_are_met_by_the_real_rows_beside_them():
    cells = mixed_cells(200)
    encoder = Modes.fit(cells, MIXED, 5)
    encoded = encoder.encode(cells, np.random.default_rng(0))
    conditions = Conditions(encoder, encoded, np.random.default_rng(1), 4000)
    span, place, real_span, real_place, rows = conditions.next()
    starts = np.array([own.start for own in encoder.categories])
    assert (encoded[rows, starts[real_span] + real_place] == 1).all()
    np.testing.assert_array_equal(np.sort(span * 10 + place), np.sort(real_span * 10 + real_place))
    assert np.bincount(span) / 4000 == pytest.approx(1 / 3, abs=0.03)
    counts = np.bincount(cells[:, 3].astype(int))
    expected = np.log1p(counts) / np.log1p(counts).sum()
    assert np.bincount(place[span == 1]) / (span == 1).sum() == pytest.approx(expected, abs=0.05)
    released = conditions.released(4000)
    assert np.bincount(released[1][released[0] == 1]) / (released[0] == 1).sum() == pytest.approx(
        counts / 200, abs=0.05
    )


# What comes out.


def test_it_learns_two_correlated_columns():
    schema = Schema((Field("x"), Field("outcome", ("a", "b"))))
    rng = np.random.default_rng(0)
    label = (rng.random(400) < 0.3).astype(float)
    cells = np.column_stack([np.where(label == 1, 5.0, -5.0) + rng.normal(size=400), label])
    own = settings(epochs=60, width=64, generator_rate=1e-3, critic_rate=1e-3)
    made = synthesise([cells], schema, own, rngs(1), [1000]).samples[0]
    assert made[:, 1].mean() == pytest.approx(0.3, abs=0.08)
    assert np.corrcoef(made.T)[0, 1] > 0.9
    assert ks_2samp(made[:, 0], cells[:, 0]).statistic < 0.2


def test_gaps_levels_ranges_and_decimals_are_the_table_s():
    tables = [mixed_cells(90, 1), mixed_cells(97, 2, gaps=False)]
    made = synthesise(tables, MIXED, settings(epochs=15), rngs(2), [400, 300])
    for cells, rows, gaps in zip(made.samples, (400, 300), (True, False), strict=True):
        assert cells.shape == (rows, 5)
        assert_within(cells, MIXED, gaps)
        assert 3 not in cells[:, 3]  # a level that no row has
    assert 0.02 < np.isnan(made.samples[0][:, 1]).mean() < 0.6
    assert {"updates", "flops", "parameters"} <= made.costs.keys()


@pytest.mark.parametrize("width", [32, 256])  # stacked, and one after another
def test_a_replicate_is_the_same_beside_whomever(width):
    tables, rows = [mixed_cells(80 + 3 * k, k, gaps=bool(k % 2)) for k in range(5)], [60, 30, 520, 40, 10]
    own = settings(width=width, epochs=3, perturbation={"weights": 0.1, "activations": 0.1})
    whole = synthesise(tables, MIXED, own, rngs(5), rows).samples
    for some in ([0], [2], [1, 3], [4, 0, 2]):
        part = synthesise([tables[k] for k in some], MIXED, own, [rngs(5)[k] for k in some], [rows[k] for k in some])
        for k, cells in zip(some, part.samples, strict=True):
            np.testing.assert_array_equal(cells, whole[k])


def test_perturbation_adds_noise_of_the_stated_size(monkeypatch):
    seen = []
    monkeypatch.setattr(gan, "_perturb", lambda parameters, share, generator: seen.append((parameters, share)))
    synthesise([mixed_cells(80)], MIXED, settings(perturbation={"weights": 0.2}), rngs(1), [5])
    parameters, share = seen[0]
    monkeypatch.undo()
    before = {name: value.clone() for name, value in parameters.items()}
    gan._perturb(parameters, share, torch.Generator().manual_seed(0))
    for name, value in parameters.items():
        noise = (value - before[name]).std() / before[name].std() if name.endswith(".weight") else value.sum() * 0
        assert noise.item() == pytest.approx(0.2 if name.endswith(".weight") else 0, rel=0.2)
    plain, noisy = (
        synthesise([mixed_cells(80)], MIXED, settings(perturbation={"activations": s}), rngs(1), [50]).samples[0]
        for s in (0.0, 0.5)
    )
    assert not np.array_equal(plain, noisy, equal_nan=True)


def test_what_can_not_be_trained_on_is_refused():
    with pytest.raises(InputError, match="no rows"):
        synthesise([np.empty((0, 5))], MIXED, settings(), rngs(1), [5])
    with pytest.raises(InputError, match="packs of 7"):
        synthesise([mixed_cells(50)], MIXED, settings() | {"pac": 7}, rngs(1), [5])
    with pytest.raises(ValueError, match="no multiple of `pac`"):
        GanSettings(batch_size=64, pac=10)


def test_one_row_and_one_level_are_enough():
    made = synthesise([mixed_cells(1)], MIXED, settings(), rngs(1), [7]).samples[0]
    assert_within(made, MIXED)
    np.testing.assert_array_equal(made[:, 2:], np.tile(mixed_cells(1)[:, 2:], (7, 1)))
