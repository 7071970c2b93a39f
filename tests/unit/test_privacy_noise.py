"""Secret randomness: the laws it should have, nothing that could be drawn again, and training with it."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from medpriv.errors import InputError
from medpriv.federated.client import LocalSchedule, draw_batches
from medpriv.flower.hospital import draw
from medpriv.models.catalogue import build_network
from medpriv.privacy.batches import PoissonBatches
from medpriv.privacy.convex import calibrate, release
from medpriv.privacy.noise import SecretGenerator
from medpriv.privacy.opacus import train_with_opacus
from medpriv.privacy.training import PrivateSchedule, train_private
from medpriv.seeds import generator

MANY = 20_000  # a Kolmogorov-Smirnov test sees a distance of 0.014
DOUBT = 1e-4  # share of honest runs that a test of a law refuses
SCHEDULE = PrivateSchedule(steps=1, rate=1.0, batch=10.0, clip=1.0, deviation=2.0, learning_rate=0.5)


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("drawn", "law"),
    [
        (lambda rng: rng.random(MANY), stats.uniform()),
        (lambda rng: rng.uniform(-2, 3, (MANY // 4, 4)), stats.uniform(-2, 5)),
        (lambda rng: rng.standard_normal(MANY), stats.norm()),
        (lambda rng: rng.standard_normal((MANY // 5, 5), np.float32), stats.norm()),
        (lambda rng: rng.standard_exponential(MANY), stats.expon()),
        (lambda rng: np.array([rng.gamma(7, 0.3) for _ in range(MANY // 10)]), stats.gamma(7, scale=0.3)),
        (lambda rng: np.array([rng.standard_normal() for _ in range(MANY // 10)]), stats.norm()),
    ],
)
def test_numbers_have_their_law(drawn, law):
    found = drawn(SecretGenerator())
    assert stats.kstest(found.ravel(), law.cdf).pvalue > DOUBT


def test_gaussian_numbers_do_not_depend_on_one_another():
    first, second = SecretGenerator().standard_normal((2, MANY))
    for one, other in ((first, second), (first[:-1], first[1:]), (first**2, second**2)):
        assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(MANY)


@pytest.mark.parametrize("odd", [1, 2, 7, (3, 3)])
def test_shapes_and_types_are_those_asked_for(odd):
    drawn = SecretGenerator().standard_normal(odd, np.float32)
    assert drawn.dtype == np.float32 and drawn.shape == np.empty(odd).shape


def test_all_orders_are_equally_frequent():
    rng = SecretGenerator()
    counts = np.bincount([int("".join(map(str, rng.permutation(3)))) for _ in range(3000)])
    assert stats.chisquare(counts[counts > 0]).pvalue > DOUBT and np.count_nonzero(counts) == 6
    lines = rng.permuted(np.tile(np.arange(3), (3000, 1)), axis=1)
    counts = np.bincount(lines @ [100, 10, 1])
    assert stats.chisquare(counts[counts > 0]).pvalue > DOUBT and np.count_nonzero(counts) == 6
    assert sorted(rng.permutation(np.array([5, 5, 9]))) == [5, 5, 9]


def test_two_generators_differ_whatever_is_seeded_and_leave_global_generators_alone():
    drawn = []
    for _ in range(2):
        torch.manual_seed(1), random.seed(1)
        before = torch.get_rng_state(), random.getstate()
        drawn += [SecretGenerator().standard_normal(8), SecretGenerator().standard_normal(8)]
        assert torch.equal(before[0], torch.get_rng_state()) and before[1] == random.getstate()
    assert len(np.unique(np.concatenate(drawn))) == 32


def test_nothing_can_be_seeded_from_it():
    assert not hasattr(SecretGenerator(), "integers")
    with pytest.raises(ValueError, match="whole"):
        SecretGenerator().gamma(2.5, 1.0)


def toy(replicates: int):
    """Return the arguments of `train_private` for a perceptron of 10 patients with a record each."""
    rng = generator(0, "toy")
    network = build_network("mlp", (6,), 2, {"hidden": [40]})
    x, y = rng.normal(size=(10, 6)).astype(np.float32), rng.integers(2, size=10)
    return network, x, y, np.arange(10), np.ones((replicates, 10), bool)


def noise_of(rngs: list, schedule: PrivateSchedule = SCHEDULE) -> np.ndarray:
    """Return the noise that one step added, in its deviations: all weights of all replicates."""
    silent, noisy = (
        train_private(
            *toy(len(rngs)),
            told,
            initial=[generator(1, k) for k in range(len(rngs))],
            sampling=[generator(2, k) for k in range(len(rngs))],
            noise=rngs,
        )
        for told in (replace(schedule, deviation=0.0), schedule)
    )
    scale = schedule.learning_rate * schedule.deviation / schedule.batch
    return np.concatenate([(noisy[name] - silent[name]).ravel() for name in noisy]) / scale


def test_a_private_step_has_the_same_noise_secret_or_seeded():
    secret, again = (noise_of([SecretGenerator() for _ in range(12)]) for _ in range(2))
    seeded = noise_of([generator(3, k) for k in range(12)])
    assert stats.kstest(secret, stats.norm().cdf).pvalue > DOUBT
    assert stats.ks_2samp(secret, seeded).pvalue > DOUBT
    assert np.mean(np.isclose(secret, again, atol=1e-6)) < 0.01


def test_a_whole_private_training_is_as_good_with_secret_draws_as_with_seeded_ones():
    network = toy(1)[0]
    rng = generator(0, "task")
    x, unit = rng.normal(size=(120, 6)).astype(np.float32), np.arange(120)
    y = (x[:, 0] > 0).astype(np.int64)
    members = np.ones((16, 120), bool)
    schedule = PrivateSchedule(steps=60, rate=0.3, batch=36.0, clip=1.0, deviation=1.0, learning_rate=0.5)
    sizes = []
    for draws in (lambda k: SecretGenerator(), lambda k: generator(4, k)):
        roles = {role: [draws(k) for k in range(16)] for role in ("initial", "sampling", "noise")}
        found = train_private(network, x, y, unit, members, schedule, **roles)
        sizes.append(np.sqrt(sum((value.reshape(16, -1) ** 2).sum(1) for value in found.values())))
    assert stats.ks_2samp(*sizes).pvalue > DOUBT


def test_secret_samples_are_poissons():
    batches = PoissonBatches(np.arange(50), np.ones((4, 50), bool), 0.2, 1, 10.0, [SecretGenerator() for _ in range(4)])
    counts = np.array([sum((part.weights > 0).sum(1) for part in batches.next()) for _ in range(500)]).ravel()
    assert counts.mean() == pytest.approx(10, abs=4 * np.sqrt(8 / len(counts)))
    assert counts.var() == pytest.approx(8, rel=0.15)


@pytest.mark.parametrize("delta", [0.0, 1e-3])
def test_output_perturbation_has_the_same_law_secret_or_seeded(delta):
    x, signs = np.zeros((400, 1, 5)), np.ones((400, 1))
    perturbation = calibrate("output", 1.0, delta, 2.0)
    secret, again = (release(x, signs, perturbation, [SecretGenerator() for _ in range(400)]) for _ in range(2))
    seeded = release(x, signs, perturbation, [generator(5, k) for k in range(400)])
    assert stats.ks_2samp(np.linalg.norm(secret, axis=1), np.linalg.norm(seeded, axis=1)).pvalue > DOUBT
    assert stats.ks_2samp(secret[:, 0], seeded[:, 0]).pvalue > DOUBT
    assert not np.any(secret == again)


def test_opacus_noise_is_refused_for_release():
    drawn = {"initial": [generator(1)], "sampling": [SecretGenerator()], "noise": [SecretGenerator()]}
    with pytest.raises(InputError, match="not cryptographic"):
        train_with_opacus(*toy(1), SCHEDULE, **drawn)


def test_a_hospital_without_a_seed_draws_secretly_and_with_one_by_name():
    told = {"seed": None, "dataset": "toy", "treatment": "fed-avg"}
    assert isinstance(draw(told, "north", 0), SecretGenerator)
    members, schedule = np.ones((1, 30), bool), LocalSchedule(8, 0.1, updates=20)
    first, second = (draw_batches(members, schedule, [draw(told, "north", 0)])[0] for _ in range(2))
    assert first.shape == (20, 8) and not np.array_equal(first, second)
    assert np.array_equal(np.sort(first.ravel()[:30]), np.arange(30))
    seeded = told | {"seed": 3}
    pairs = [draw_batches(members, schedule, [draw(seeded, "north", 0)])[0] for _ in range(2)]
    assert np.array_equal(*pairs)
