"""DCGAN (Radford, Metz and Chintala 2016), as Khan et al. (DATA 2025) took it for chest X-rays: plain or conditional.

Networks, first weights, Adam and losses are the published ones (`convolutional`), a step that of PyTorch's tutorial:
real and generated images are judged in batches of their own, then the same generated ones are judged again. What
differs: the discriminator's gradients are not worked out where only the generator moves; images stand with their
channels last; every batch is full, however few images there are.

`conditional`: one model, told the classes; the generated images of a batch have those of the real ones. Otherwise a
model a class, trained on that class's images alone, as labelled images can't come from it otherwise.

Replicates are trained one after another: convolutions of four at once, as groups or by `torch.func.vmap`, take as long
or longer (`benchmarks/image_generators.py`), unlike the products of tables' generators.

Layer-wise perturbation, in two readings, neither with a guarantee (the third has one: `dp_dcgan`): `weights` s adds
N(0, (s std(W_l))^2) to each trained convolution of the generator, `activations` s adds N(0, s^2) to each hidden value,
while training and generating.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from medpriv.image_synthesis.checks import check_sets, draw_labels, shares_of
from medpriv.image_synthesis.convolutional import (
    Discriminator,
    Generator,
    initialise,
    make_images,
    parameters_of,
    products_of,
    seeded,
    tensor_of,
)
from medpriv.image_synthesis.images import ImageSynthesis, LabelledImages
from medpriv.privacy.noise import Draws

_LOG = logging.getLogger(__name__)


def synthesise(
    sets: Sequence[LabelledImages],
    classes: int,
    settings: Mapping[str, object],
    rngs: Sequence[Draws],
    counts: Sequence[int],
) -> ImageSynthesis:
    """Train K GANs and return what they generate; see `medpriv.image_synthesis.images.ImageSynthesis`.

    Args:
        sets: K sets of images.
        classes: how many there are. Those of generated images are drawn by their shares in the set.
        settings: of `medpriv.config.synthetic_images.DcganSettings`.
        rngs: one generator a set.
        counts: how many images each makes.

    Raises:
        InputError: a set without images, or images of different sizes.
    """
    check_sets(sets, "dcgan")
    samples, costs = [], []
    for place, (own, rng, count) in enumerate(zip(sets, rngs, counts, strict=True)):
        _LOG.info("replicate %d of %d", place + 1, len(sets))
        y = draw_labels(shares_of(own.y, classes), count, rng)
        if settings["conditional"]:
            pair = train(own, classes, settings, rng)
            x, spent = make_images(pair.generator, y, pair.drawn), [pair.costs()]
        else:
            x, spent = np.empty((count, *own.x.shape[1:]), np.uint8), []
            for label in np.unique(own.y):
                chosen = own.y == label
                pair = train(LabelledImages(own.x[chosen], own.y[chosen]), 0, settings, rng)
                x[y == label] = make_images(pair.generator, y[y == label], pair.drawn)
                spent.append(pair.costs())
        samples.append(LabelledImages(x, y))
        costs.append({name: sum(one[name] for one in spent) for name in spent[0]})
    return ImageSynthesis(samples, {name: float(np.mean([one[name] for one in costs])) for name in costs[0]})


def updates_of(images: int, settings: Mapping[str, object]) -> int:
    """Return the updates that so many images are worth."""
    return -(-settings["epochs"] * images // settings["batch_size"])


def train(own: LabelledImages, classes: int, settings: Mapping[str, object], rng: Draws) -> "Pair":
    """Return a trained pair; `classes` 0: it is told no class."""
    pair, updates = Pair(own.x.shape[1:], classes, settings, rng), updates_of(len(own), settings)
    for some in _batches(len(own), settings["batch_size"], updates, rng):
        pair.step(tensor_of(own.x[some]), torch.from_numpy(own.y[some]))
    _perturb(pair.generator, settings["perturbation"]["weights"], pair.drawn)
    return pair


class Pair:
    """A generator and its discriminator in training.

    Args:
        shape: C, H, W of an image.
        classes: how many there are; 0: they are told no class.
        settings: `embedding`, `width`, `learning_rate`, `batch_size`, `perturbation`.
        rng: gives first parameters, and seeds what images are made from.

    Attributes:
        generator, discriminator: the networks.
        drawn: what images are made from.
    """

    def __init__(self, shape: Sequence[int], classes: int, settings: Mapping[str, object], rng: Draws) -> None:
        self._shape, self._settings, self._updates = shape, settings, 0
        deviation = settings["perturbation"]["activations"]
        self.generator = Generator(shape, settings["embedding"], classes, settings["width"], deviation)
        self.discriminator = Discriminator(shape, classes, settings["width"])
        self._made, self._judged = initialise(self.generator, rng), initialise(self.discriminator, rng)
        self.drawn = seeded(rng)

    def step(self, x: Tensor, y: Tensor) -> None:
        """Train both on a batch of images [B, C, H, W] of classes int64 [B], the discriminator first."""
        fake, rate = self.generator.draw(y, self.drawn), self._settings["learning_rate"]
        _zero(self._judged)
        real, made = self.discriminator(x, y), self.discriminator(fake.detach(), y)
        (softplus(-real).mean() + softplus(made).mean()).backward()
        self._judged.update(rate)
        _zero(self._made)
        self.discriminator.requires_grad_(False)
        softplus(-self.discriminator(fake, y)).mean().backward()
        self.discriminator.requires_grad_(True)
        self._made.update(rate)
        self._updates += 1

    def costs(self) -> dict[str, float]:
        """Return updates, operations and parameters; a backward pass counts two forward ones, without weights one."""
        made, judged = (products_of(network, self._shape) for network in (self.generator, self.discriminator))
        return {
            "updates": self._updates,
            "flops": 2 * self._updates * self._settings["batch_size"] * (3 * made + 8 * judged),
            "parameters": parameters_of(self.generator, self.discriminator),
        }


def _batches(images: int, size: int, count: int, rng: Draws) -> Iterator[np.ndarray]:
    """Yield so many batches of the numbers below `images`, one random order of all after another."""
    ahead = np.empty(0, np.int64)
    for _ in range(count):
        while len(ahead) < size:
            ahead = np.concatenate([ahead, rng.permutation(images)])
        yield ahead[:size]
        ahead = ahead[size:]


def _perturb(network: Generator, share: float, drawn: torch.Generator) -> None:
    """Add to each convolution's weights Gaussian noise of so large a share of their standard deviation."""
    for layer in network.convolutions if share else ():
        weight = layer.weight.data
        weight += share * weight.std() * torch.randn(weight.shape, generator=drawn)


def _zero(optimiser: object) -> None:
    torch._foreach_zero_(list(optimiser.gradients.values()))
