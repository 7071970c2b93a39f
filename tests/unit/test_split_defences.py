"""What a client does to its activations: gradients against autograd, distance correlation against its definition."""

import numpy as np
import torch

from medpriv.seeds import generator
from medpriv.split.defences import distance_correlation, noisy, nopeek


def drawn(*shape: int) -> torch.Tensor:
    return torch.from_numpy(generator(0, *shape).normal(size=shape).astype(np.float32))


def slow_distance_correlation(x: np.ndarray, z: np.ndarray) -> float:
    """Székely et al. 2007, pair by pair."""

    def centred(values: np.ndarray) -> np.ndarray:
        distances = np.array([[np.linalg.norm(one - other) for other in values] for one in values])
        return distances - distances.mean(0) - distances.mean(1)[:, None] + distances.mean()

    a, b = centred(x), centred(z)
    return np.sqrt((a * b).mean() / np.sqrt((a * a).mean() * (b * b).mean()))


def test_distance_correlation_is_its_definition_one_of_a_similar_copy_and_nothing_of_a_constant():
    x, z = drawn(2, 20, 3), drawn(2, 20, 4)
    expected = [slow_distance_correlation(a.numpy(), b.numpy()) for a, b in zip(x, z, strict=True)]
    np.testing.assert_allclose(distance_correlation(x, z), expected, rtol=1e-5)
    np.testing.assert_allclose(distance_correlation(x, 3 * x.flip(-1) - 1), [1, 1], rtol=1e-5)
    assert distance_correlation(x, torch.ones(2, 20, 4)).tolist() == [0, 0]


def test_distance_correlation_finds_what_correlation_does_not():
    x = torch.linspace(-1, 1, 201).view(1, -1, 1)
    assert abs(np.corrcoef(x.flatten(), (x**2).flatten())[0, 1]) < 1e-6
    assert distance_correlation(x, x**2).item() > 0.4


def test_nopeek_adds_the_slope_of_the_distance_correlation():
    records, z, gradient = drawn(2, 10, 3), drawn(2, 10, 4), drawn(2, 10, 4)
    before = gradient.clone()
    sent, back = nopeek(0.7)(records, z, ())
    assert sent is z
    added = back(gradient) - before
    step = 1e-2
    for place in [(0, 1, 2), (1, 5, 0)]:
        moved = [z.clone(), z.clone()]
        moved[0][place] += step
        moved[1][place] -= step
        plus, minus = (distance_correlation(records, value)[place[0]].item() for value in moved)
        np.testing.assert_allclose(added[place].item(), 0.7 * (plus - minus) / (2 * step), rtol=0.02)


def test_noisy_activations_are_clipped_then_blurred():
    z = torch.cat([drawn(1, 500, 16) * 5, drawn(1, 500, 16) * 0.01])
    clear, _ = noisy(1.0, 0.0)(z, z, [generator(0, k) for k in range(2)])
    assert torch.allclose(clear[0].norm(dim=-1), torch.full((500,), 4.0))  # sqrt(16 units)
    assert torch.equal(clear[1], z[1])
    blurred, _ = noisy(2.0, 0.5)(z, z, [generator(0, k) for k in range(2)])
    np.testing.assert_allclose((blurred[1] - z[1]).std().item(), 1.0, rtol=0.05)


def test_the_gradient_of_a_clipped_activation_is_autograds():
    z = torch.cat([drawn(1, 6, 3, 4) * 5, drawn(1, 6, 3, 4) * 0.01]).requires_grad_()
    slope = drawn(2, 6, 3, 4)
    clipped = z * (np.sqrt(12) / z.flatten(2).norm(dim=2)).clamp_max(1).view(2, 6, 1, 1)
    (expected,) = torch.autograd.grad((clipped * slope).sum(), z)
    _, back = noisy(1.0, 0.0)(z.detach(), z.detach(), [generator(0, k) for k in range(2)])
    torch.testing.assert_close(back(slope), expected)
