"""DCGAN: its networks and steps are the published ones, what it learns, and that a replicate is its own."""

import numpy as np
import pytest
import torch
from bright_squares import likeness, squares
from torch import nn

from medpriv.config.synthetic_images import DcganSettings
from medpriv.errors import InputError
from medpriv.image_synthesis import dcgan
from medpriv.image_synthesis.convolutional import (
    BLOCK,
    Discriminator,
    Generator,
    initialise,
    make_images,
    products_of,
    seeded,
)
from medpriv.image_synthesis.dcgan import Pair, synthesise, updates_of
from medpriv.image_synthesis.images import LabelledImages

SMALL = {"width": 4, "embedding": 8, "batch_size": 16, "epochs": 2}


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def settings(**changed) -> dict:
    return DcganSettings(**(SMALL | changed)).model_dump()


def rngs(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng(100 + k) for k in range(count)]


# Networks and steps.


def published(width: int, inputs: int) -> tuple[nn.Module, nn.Module]:
    """Return generator and discriminator of 64 pixels, as PyTorch's tutorial on DCGAN writes them."""
    up, down = [nn.ConvTranspose2d(inputs, 8 * width, 4, 1, 0, bias=False)], []
    for factor in (8, 4, 2):
        up += [nn.BatchNorm2d(factor * width), nn.ReLU()]
        up += [nn.ConvTranspose2d(factor * width, factor // 2 * width, 4, 2, 1, bias=False)]
        down = [nn.BatchNorm2d(factor * width), nn.LeakyReLU(0.2), *down]
        down = [nn.Conv2d(factor // 2 * width, factor * width, 4, 2, 1, bias=False), *down]
    up += [nn.BatchNorm2d(width), nn.ReLU(), nn.ConvTranspose2d(width, 1, 4, 2, 1, bias=False), nn.Tanh()]
    down = [nn.Conv2d(1, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2), *down]
    down += [nn.Conv2d(8 * width, 1, 4, 1, 0, bias=False), nn.Sigmoid()]
    return nn.Sequential(*up), nn.Sequential(*down)


def copy_parameters(ours: nn.Module, theirs: nn.Module) -> None:
    weights = [layer.weight for layer in ours.convolutions]
    norms = [norm for norm in ours.norms if isinstance(norm, nn.BatchNorm2d)]
    for layer in theirs:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            layer.weight.data = weights.pop(0).detach().clone()
        if isinstance(layer, nn.BatchNorm2d):
            norm = norms.pop(0)
            layer.weight.data, layer.bias.data = norm.weight.detach().clone(), norm.bias.detach().clone()


def test_steps_on_64_pixels_are_those_of_the_tutorial():
    pair = Pair((1, 64, 64), 0, settings(learning_rate=2e-4), np.random.default_rng(0))
    pair.drawn = torch.Generator().manual_seed(1)
    theirs = published(4, 8)
    for ours, other in zip((pair.generator, pair.discriminator), theirs, strict=True):
        copy_parameters(ours, other)
    drawn, batch = torch.Generator().manual_seed(1), torch.rand(6, 1, 64, 64) * 2 - 1
    made, judge = theirs
    moving = [torch.optim.Adam(other.parameters(), 2e-4, (0.5, 0.999)) for other in theirs]
    loss = nn.BCELoss()
    for _ in range(3):
        pair.step(batch, torch.zeros(6, dtype=torch.int64))
        fake = made(torch.randn(6, 8, generator=drawn)[:, :, None, None])
        judge.zero_grad()
        loss(judge(batch).flatten(), torch.ones(6)).backward()
        loss(judge(fake.detach()).flatten(), torch.zeros(6)).backward()
        moving[1].step()
        made.zero_grad()
        loss(judge(fake).flatten(), torch.ones(6)).backward()
        moving[0].step()
    for ours, other in zip((pair.generator, pair.discriminator), theirs, strict=True):
        found, expected = ([v for v in one.state_dict().values() if v.dim() == 4] for one in (ours, other))
        assert len(found) == 5
        for value, wanted in zip(found, expected, strict=True):
            torch.testing.assert_close(value, wanted, rtol=0, atol=5e-5)  # three steps of Adam move by 6e-4


@pytest.mark.parametrize("sides", [(28, 28), (64, 64), (33, 50), (8, 5)])
def test_images_of_any_size_come_back(sides):
    generator, judge = Generator((3, *sides), 8, 2, 4), Discriminator((3, *sides), 2, 4)
    y, drawn = torch.tensor([0, 1, 1]), torch.Generator()
    x = generator.draw(y, drawn)
    assert x.shape == (3, 3, *sides)
    assert judge(x, y).shape == (3,)
    assert len(generator.convolutions) == len(judge.convolutions) == 5


def test_first_parameters_are_the_published_ones():
    network = Generator((1, 28, 28), 100, 0, 16)
    optimiser = initialise(network, np.random.default_rng(0))
    for layer in network.convolutions:
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.15)
    scales = torch.cat([norm.weight for norm in network.norms])
    assert scales.mean().item() == pytest.approx(1, abs=0.01)
    assert scales.std().item() == pytest.approx(0.02, rel=0.2)
    network.convolutions[0].weight.sum().backward()
    assert (optimiser.gradients["convolutions.0.weight"] == 1).all()  # they are the optimiser's own arrays


def test_the_discriminator_judges_by_class():
    judge, x = Discriminator((1, 12, 12), 3, 4, by_batch=False), torch.randn(4, 1, 12, 12)
    seen = []
    logits = judge(x, torch.tensor([2, 0, 1, 2]), seen)
    outputs = seen[-1][1].flatten(1)
    torch.testing.assert_close(logits, outputs[:, 0] + outputs[[0, 1, 2, 3], [3, 1, 2, 3]])


def test_operations_are_counted_as_torch_does():
    from torch.utils.flop_counter import FlopCounterMode

    for shape, width in (((1, 28, 28), 4), ((1, 64, 64), 2)):
        generator, judge = Generator(shape, 8, 2, width), Discriminator(shape, 2, width)
        y, drawn = torch.tensor([0, 1]), torch.Generator()
        for network, call in (
            (generator, lambda g=generator, y=y, d=drawn: g.draw(y, d)),
            (judge, lambda j=judge, y=y, s=shape: j(torch.randn(2, *s), y)),
        ):
            with FlopCounterMode(display=False) as counter:
                call()
            assert counter.get_total_flops() == 2 * 2 * products_of(network, shape)


# What comes out.


def test_it_learns_where_each_class_has_its_square():
    own = settings(epochs=40, width=16, embedding=16, learning_rate=2e-3)
    real = squares(64)
    made = synthesise([real], 2, own, rngs(1), [200])
    sample = made.samples[0]
    assert sample.y.mean() == pytest.approx(real.y.mean(), abs=0.1)
    assert min(likeness(sample, real, label) for label in (0, 1)) > 0.8
    assert max(likeness(sample, LabelledImages(real.x, 1 - real.y), label) for label in (0, 1)) < 0.5
    assert made.guarantee is None
    assert made.costs["updates"] == 160


def test_a_model_a_class_is_trained_on_that_class_alone():
    real, own = squares(32), settings(conditional=False)
    changed = LabelledImages(np.where((real.y == 1)[:, None, None, None], 255 - real.x, real.x), real.y)
    made, other = (synthesise([one], 2, own, rngs(1), [60]).samples[0] for one in (real, changed))
    np.testing.assert_array_equal(other.x[other.y == 0], made.x[made.y == 0])
    assert not np.array_equal(other.x[other.y == 1], made.x[made.y == 1])


@pytest.mark.parametrize("conditional", [True, False])
def test_a_replicate_is_the_same_beside_whomever_and_twice(conditional):
    sets, counts = [squares(20 + 3 * k, seed=k) for k in range(4)], [9, 70, 3, 20]
    own = settings(conditional=conditional, perturbation={"weights": 0.1, "activations": 0.1})
    whole = synthesise(sets, 2, own, rngs(4), counts).samples
    for some in ([0], [1, 3], [2, 0]):
        part = synthesise([sets[k] for k in some], 2, own, [rngs(4)[k] for k in some], [counts[k] for k in some])
        for k, sample in zip(some, part.samples, strict=True):
            np.testing.assert_array_equal(sample.x, whole[k].x)
            np.testing.assert_array_equal(sample.y, whole[k].y)


def test_shapes_and_few_images():
    one_of_a_class = LabelledImages(squares(5).x, np.array([0, 0, 1, 0, 0]))
    three = LabelledImages(squares(9).x.repeat(3, 1), np.zeros(9, np.int64))
    for own, classes, conditional in ((one_of_a_class, 2, True), (one_of_a_class, 2, False), (three, 3, True)):
        made = synthesise([own], classes, settings(conditional=conditional), rngs(1), [30]).samples[0]
        assert made.x.dtype == np.uint8
        assert made.x.shape == (30, *own.x.shape[1:])
        assert set(made.y) <= set(own.y)
        assert made.patient is None


def test_the_first_images_are_the_same_however_many_are_made():
    network = Generator((1, 12, 12), 8, 2, 4)
    initialise(network, np.random.default_rng(0))
    y = np.arange(2 * BLOCK + 3) % 2
    whole = make_images(network, y, seeded(np.random.default_rng(1)))
    for count in (0, 3, BLOCK, BLOCK + 1):
        some = make_images(network, y[:count], seeded(np.random.default_rng(1)))
        np.testing.assert_array_equal(some, whole[:count])


def test_every_image_is_seen_as_often_as_epochs_say():
    seen = np.concatenate(list(dcgan._batches(10, 4, updates_of(10, {"epochs": 6, "batch_size": 4}), rngs(1)[0])))
    assert (np.bincount(seen) == 6).all()
    assert len(next(dcgan._batches(3, 64, 1, rngs(1)[0]))) == 64


def test_perturbation_adds_noise_of_the_stated_size():
    network = Generator((1, 28, 28), 100, 0, 8)
    optimiser = initialise(network, np.random.default_rng(0))
    before = {name: value.clone() for name, value in optimiser.parameters.items()}
    dcgan._perturb(network, 0.2, torch.Generator().manual_seed(0))
    for name, value in network.named_parameters():
        noise = (value - before[name][0]).detach().std() / before[name].std() if value.dim() == 4 else 0
        assert float(noise) == pytest.approx(0.2 if value.dim() == 4 else 0, rel=0.25)
    plain, noisy = (
        synthesise([squares(20)], 2, settings(perturbation={"activations": s}), rngs(1), [20]).samples[0]
        for s in (0.0, 0.5)
    )
    assert not np.array_equal(plain.x, noisy.x)


def test_what_can_not_be_trained_on_is_refused():
    with pytest.raises(InputError, match="no images"):
        synthesise([LabelledImages(np.empty((0, 1, 8, 8), np.uint8), np.empty(0, int))], 2, settings(), rngs(1), [5])
    with pytest.raises(InputError, match="different sizes"):
        synthesise([squares(5), squares(5, 10)], 2, settings(), rngs(2), [5, 5])
