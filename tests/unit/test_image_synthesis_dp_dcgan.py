"""DP-DCGAN: norms and sums of patients' gradients, what it states, and audits that broken ones don't pass."""

import numpy as np
import pytest
import torch
from bright_squares import likeness, squares
from private_recipes import private_recipe
from torch.nn.functional import softplus

from medpriv.attacks.epsilon_verdict import Claim, decide_midway, judge_canaries
from medpriv.config.synthetic_images import DpDcganSettings
from medpriv.errors import InputError
from medpriv.image_synthesis import dp_dcgan
from medpriv.image_synthesis.convolutional import Discriminator
from medpriv.image_synthesis.dp_dcgan import PrivateDiscriminator, synthesise
from medpriv.image_synthesis.images import LabelledImages
from medpriv.models.layers import Product
from medpriv.privacy import accountant
from medpriv.privacy.batches import Pass
from medpriv.privacy.noise import SecretGenerator

SMALL = {"width": 4, "rate": 0.25, "embedding": 8, "batch_size": 8, "steps": 4, "epsilon": 3.0, "delta": 1e-3}


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def settings(**changed) -> dict:
    return private_recipe(DpDcganSettings, **(SMALL | changed))


def rngs(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng(100 + k) for k in range(count)]


def images(patients: int, each: int = 1, side: int = 12, seed: int = 0) -> LabelledImages:
    """Return random images, `each` of every patient."""
    rng = np.random.default_rng(seed)
    count = patients * each
    x = rng.integers(0, 256, (count, 1, side, side), dtype=np.uint8)
    return LabelledImages(x, rng.integers(0, 2, count), np.arange(patients).repeat(each).astype(np.int32) + 7)


def judge_of(own: LabelledImages, **changed) -> PrivateDiscriminator:
    return PrivateDiscriminator(own, len(own) // 2, 0.0, 2, settings(**changed), np.random.default_rng(3))


def whole_pass(units: int, gone: int | None = None) -> Pass:
    """Return a pass of all units with two images each, of which one may count nothing."""
    weights = np.full((1, 2 * units), 0.5, np.float32)
    if gone is not None:
        weights[0, 2 * gone : 2 * gone + 2] = 0
    return Pass(np.arange(2 * units)[None], weights, units)


def generated(count: int, side: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    drawn = torch.Generator().manual_seed(1)
    return torch.rand(count, 1, side, side, generator=drawn) * 2 - 1, torch.randint(2, (count,), generator=drawn)


# Gradients.


@pytest.mark.parametrize("side", [12, 28])
@pytest.mark.parametrize("clipping", ["whole", "layers"])
def test_patients_norms_and_clipped_sums_equal_autograd(side, clipping):
    own, (fake, y) = images(5, 2, side), generated(10, side)
    judge = judge_of(own, clip=0.05, clipping=clipping)
    norms = judge.add_clipped(whole_pass(5), fake, y)
    expected = dict.fromkeys(judge.gradients, 0)
    for unit in range(5):
        some = slice(2 * unit, 2 * unit + 2)
        judge.network.requires_grad_(True).zero_grad(set_to_none=True)
        real = judge.network(torch.from_numpy(own.x[some]) / 127.5 - 1, torch.from_numpy(own.y[some]))
        (softplus(-real).mean() + softplus(judge.network(fake[some], y[some])).mean()).backward()
        gradients = {name: value.grad for name, value in judge.network.named_parameters()}
        sizes = torch.stack([value.norm() for value in gradients.values()])
        torch.testing.assert_close(norms[:, unit], sizes, rtol=1e-5, atol=0)
        bound, norm = (0.05, sizes.norm()) if clipping == "whole" else (0.05 / 5**0.5, sizes)
        factors = (bound / norm).clamp(max=1).expand(5)
        for factor, (name, value) in zip(factors, gradients.items(), strict=True):
            expected[name] = expected[name] + factor * value.flatten(1)
    for name, value in judge.gradients.items():
        torch.testing.assert_close(value[0], expected[name], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("clipping", ["whole", "layers"])
def test_a_patient_moves_the_sum_by_the_clip_norm_at_most(clipping):
    own, beside = images(6, 2), generated(12)
    sums = []
    for gone in (None, 3):
        judge = judge_of(own, clip=0.05, clipping=clipping)
        judge.add_clipped(whole_pass(6, gone), *beside)
        sums.append(torch.cat([value.flatten() for value in judge.gradients.values()]))
    assert (sums[0] - sums[1]).norm().item() == pytest.approx(0.05, rel=1e-3)


def test_no_image_meets_another():
    own, network = images(6), Discriminator((1, 12, 12), 2, 4, by_batch=False)
    x, y = torch.from_numpy(own.x) / 127.5 - 1, torch.from_numpy(own.y)
    torch.testing.assert_close(network(x, y)[2:3], network(x[2:3], y[2:3]))


def test_what_is_generated_beside_patients_hangs_on_none_of_them(monkeypatch):
    seen = []
    monkeypatch.setattr(PrivateDiscriminator, "add_clipped", lambda self, drawn, *fake: seen.append(fake))
    monkeypatch.setattr(PrivateDiscriminator, "update", lambda self: None)
    for seed in (0, 1):  # other images, other classes
        synthesise([images(20, seed=seed)], 2, settings(), rngs(1), [3])
    half = len(seen) // 2
    for (one, labels), (other, others) in zip(seen[:half], seen[half:], strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
        assert (labels == others).all()


# What comes out.


def test_shapes_and_the_guarantee():
    made = synthesise([images(20, 2), images(24, 2, seed=1)], 2, settings(), rngs(2), [30, 70])
    assert [own.x.shape for own in made.samples] == [(30, 1, 12, 12), (70, 1, 12, 12)]
    assert all(own.x.dtype == np.uint8 and own.patient is None for own in made.samples)
    assert np.bincount(made.samples[1].y) == pytest.approx([35, 35], abs=15)
    told = made.guarantee
    assert 2.9 < told["epsilon"] <= 3.0
    assert (told["delta"], told["patients"], told["unit"]) == (1e-3, 20, "patient")
    spent = told["noise_multiplier"], told["sampling_rate"], told["steps"], told["delta"]
    assert accountant.epsilon(*spent) == told["epsilon"]
    assert {"updates", "flops", "parameters"} <= made.costs.keys()


def test_a_replicate_is_the_same_beside_whomever_and_twice():
    sets, counts = [images(18 + 2 * k, 1 + k % 2, seed=k) for k in range(4)], [9, 70, 3, 20]
    whole = synthesise(sets, 2, settings(), rngs(4), counts).samples
    for some in ([0], [1, 3], [2, 0]):
        part = synthesise([sets[k] for k in some], 2, settings(), [rngs(4)[k] for k in some], [counts[k] for k in some])
        for k, own in zip(some, part.samples, strict=True):
            np.testing.assert_array_equal(own.x, whole[k].x)
            np.testing.assert_array_equal(own.y, whole[k].y)


def test_noise_comes_from_the_generator_given():
    one, other = (synthesise([images(20)], 2, settings(), [SecretGenerator()], [5]).samples[0] for _ in range(2))
    assert not np.array_equal(one.x, other.x)
    judge = judge_of(images(400), steps=1)
    judge._deviation, before = 3.0, [value.detach().clone() for value in judge.network.parameters()]
    monitored = []
    judge._optimiser.update = lambda rate: monitored.extend(value.clone() for value in judge.gradients.values())
    judge.update()
    drawn = torch.cat([value.flatten() for value in monitored]) * judge._batch
    assert drawn.std().item() == pytest.approx(3.0, rel=0.1)
    assert len(drawn) == sum(value.numel() for value in before)


def test_it_learns_what_little_noise_lets_it(monkeypatch):
    monkeypatch.setattr(dp_dcgan, "noise_for", lambda *claim: 0.05)  # the accountant takes minutes for so little
    monkeypatch.setattr(dp_dcgan, "accounted", lambda *spent: np.inf)
    own = settings(
        steps=160,
        width=16,
        discriminator_width=16,
        embedding=16,
        batch_size=32,
        generator_rate=1e-3,
        discriminator_rate=4e-3,
    )
    real = squares(64)
    made = synthesise([real], 2, own, rngs(1), [100]).samples[0]
    assert min(likeness(made, real, label) for label in (0, 1)) > 0.8


def test_what_would_void_the_guarantee_is_refused():
    with pytest.raises(InputError, match=r"delta 0\.1 is not below 1/n"):
        synthesise([images(20)], 2, settings(delta=0.1), rngs(1), [5])
    with pytest.raises(InputError, match="no images"):
        synthesise([LabelledImages(np.empty((0, 1, 8, 8), np.uint8), np.empty(0, int))], 2, settings(), rngs(1), [5])


# Audits. A canary patient's only image has a pixel of its own at 255, which nobody else has. Its gradient, in one more
# layer, is that pixel's coordinate alone and huge; nobody else's touches it (see `epsilon_canaries`, worst case).

# Everybody takes part in every step, so that few steps are enough and what is proved can come near what is claimed.

CANARIES, SEEDS, PATIENTS, STEPS = 100, 20, 20, 2
CLAIM = Claim(4.0, 1e-3)


def with_canaries(coins: np.ndarray) -> LabelledImages:
    """Return plain patients' images and those of the canaries that enter."""
    marks = np.flatnonzero(coins)
    x = np.random.default_rng(0).integers(0, 255, (PATIENTS + len(marks), 1, 10, 10), dtype=np.uint8)
    x.reshape(len(x), -1)[PATIENTS + np.arange(len(marks)), marks] = 255
    return LabelledImages(x, np.arange(len(x)) % 2)


def twice(own: LabelledImages) -> LabelledImages:
    return LabelledImages(own.x.repeat(2, 0), own.y.repeat(2))


def audited(monkeypatch, broken: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Return scores and coins [SEEDS, CANARIES] of one training a seed, broken or not."""
    inside = np.random.default_rng(5).random((SEEDS, CANARIES)) < 0.5
    plain_init, plain_products, sums = PrivateDiscriminator.__init__, PrivateDiscriminator._products, []

    def init(self, *arguments):
        plain_init(self, *arguments)
        self.gradients["canaries"] = torch.zeros(1, 1, CANARIES)
        self._noise = torch.zeros(len(self._noise) + CANARIES)
        plain_update = self._optimiser.update

        def update(rate):
            sums.append((self.gradients["canaries"].flatten() * self._batch).double().numpy())
            plain_update(rate)

        self._optimiser.update = update

    def products(self, drawn, fake, y):
        found = plain_products(self, drawn, fake, y)
        marks = (self._images[torch.from_numpy(drawn.rows[0])].flatten(1) > 0.999).float()
        marks *= torch.from_numpy(drawn.weights[0] > 0)[:, None]
        marked = marks.sum(1)
        for product in found:
            each = (1 - marked).repeat_interleave(product.x.shape[1] // len(marked))
            product.output_gradient.mul_(each[None, :, None])
        return [*found, Product("canaries", None, 1e3 * marks[None], marked[None, :, None])]

    monkeypatch.setattr(PrivateDiscriminator, "__init__", init)
    monkeypatch.setattr(PrivateDiscriminator, "_products", products)
    if broken == "noise":
        monkeypatch.setattr(dp_dcgan, "fill_normal", lambda row, rng, scratch: row.zero_())
    if broken == "clipping":
        monkeypatch.setattr(dp_dcgan, "clip_factors", lambda squares, clip, kind: [torch.ones_like(s) for s in squares])
    sets = [twice(with_canaries(coins)) if broken == "twice" else with_canaries(coins) for coins in inside]
    own = settings(
        epsilon=CLAIM.epsilon, delta=CLAIM.delta, rate=1.0, steps=STEPS, discriminator_width=2, generator_every=9
    )
    synthesise(sets, 2, own, rngs(SEEDS), [1] * SEEDS)
    noise = accountant.noise_for(CLAIM.epsilon, CLAIM.delta, 1.0, STEPS)
    return ((np.array(sums).reshape(SEEDS, STEPS, CANARIES) - 0.5) / noise**2).sum(1), inside


def verdict_of(scores: np.ndarray, inside: np.ndarray):
    return judge_canaries(decide_midway(scores, inside), inside, CLAIM, 0.05)[0]


def test_an_honest_one_passes_and_the_audit_is_no_dud(monkeypatch):
    verdict = verdict_of(*audited(monkeypatch))
    assert (verdict.each > CLAIM.epsilon).sum() <= 4
    assert 0.8 * CLAIM.epsilon < verdict.together <= CLAIM.epsilon


@pytest.mark.parametrize("broken", ["noise", "clipping", "twice"])
def test_a_broken_one_is_caught(monkeypatch, broken):
    assert (verdict_of(*audited(monkeypatch, broken)).each > CLAIM.epsilon).sum() >= 19
