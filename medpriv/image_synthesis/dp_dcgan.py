"""A conditional DCGAN with differential privacy: the discriminator's steps are clipped by patient and noised.

As in Xie et al. (2018) and for tables in `medpriv.synthesis.dp_gan`: only the discriminator meets patients, so whatever
the generator learns from it is post-processing. What DCGAN does that would break the guarantee is done otherwise:

- Batch normalisation of the discriminator would mix patients: groups of channels are normalised within each image.
- Batches are Poisson samples of patients. A patient's gradient is that of its images, each weighing 1 / (how many they
  are), and of as many generated ones beside them; it is clipped as one. Noisy sums are divided by the rate times the
  public number of patients.
- Generated images are normalised by their batch, so none may hang on a patient: their classes are drawn uniformly,
  not as those of the real ones beside them, and a step makes as many of them however many patients it draws.
- The classes' shares among patients are nobody's to know: generated images have each class with the same probability.
  A model a class would pay twice for a patient with images of two classes: there is none.

The noise on a sum of clipped gradients is as long as the discriminator has weights, the sum no longer than the patients
drawn: so the discriminator is narrower than the generator, which costs no privacy.

Patients' gradients are never formed if that takes longer: `medpriv.privacy.bookkeeping` works out their norms from what
each convolution reads, in windows, and the gradient of what it puts out.

`clipping: layers` clips each layer's gradient to C / sqrt(layers): layer-wise perturbation in its third reading, the
one that has a guarantee. The squares add up to C^2, so noise and guarantee stay as they are.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from medpriv.image_synthesis.checks import check_sets
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
from medpriv.models.layers import Layer, Product, Workspace
from medpriv.privacy.accountant import epsilon as accounted
from medpriv.privacy.accountant import noise_for
from medpriv.privacy.batches import Pass, PoissonBatches, pass_sizes
from medpriv.privacy.bookkeeping import add_clipped, unit_squares
from medpriv.privacy.noise import Draws, fill_normal
from medpriv.synthesis.dp_gan import clip_factors
from medpriv.synthesis.private_rows import deltas_of, state, units_of

CAVEATS = (
    "image size, classes, how many patients there are and how many images are made are public",
    "generated images have each class with the same probability: the classes' shares among patients are not told",
    "neighbours are those of zero-out: one patient's images are replaced by nothing, and the number of patients of a "
    "replicate is public and stays",
    "the guarantee is one replicate's: a bank holds several models of the same patients so that they can be audited",
    "noise comes from a seeded generator in floating point: who knows the seed can take it off again",
)

_LOG = logging.getLogger(__name__)


def synthesise(
    sets: Sequence[LabelledImages],
    classes: int,
    settings: Mapping[str, object],
    rngs: Sequence[Draws],
    counts: Sequence[int],
) -> ImageSynthesis:
    """Train K private GANs and return what they generate; see `medpriv.image_synthesis.images.ImageSynthesis`.

    Args:
        sets: K sets; without `patient` every image is a patient's only one.
        classes: how many there are; public.
        settings: `epsilon`, `delta` (None: see `default_delta`) and those of
            `medpriv.config.synthetic_images.DpDcganSettings`.
        rngs: one generator a set.
        counts: how many images each makes.

    Raises:
        InputError: a set without images, images of different sizes, or a delta that protects nobody.
    """
    check_sets(sets, "dp_dcgan")
    units = [_units(own) for own in sets]
    deltas = deltas_of(units, settings["delta"])
    spent = settings["rate"], settings["steps"]
    noises = [noise_for(settings["epsilon"], delta, *spent, "synthetic.epsilons") for delta in deltas]
    samples = []
    for place, (own, unit, noise, rng, count) in enumerate(zip(sets, units, noises, rngs, counts, strict=True)):
        _LOG.info("replicate %d of %d", place + 1, len(sets))
        generator, drawn = _train(own, unit, noise, classes, settings, rng)
        y = np.minimum(rng.random(count) * classes, classes - 1).astype(np.int64)
        samples.append(LabelledImages(make_images(generator, y, drawn), y))
    epsilons = [accounted(noise, *spent, delta) for noise, delta in zip(noises, deltas, strict=True)]
    guarantee = state(epsilons, deltas, settings["epsilon"], units) | {
        "mechanism": "adam",
        "noise_multiplier": max(noises),
        "noise": "gaussian",
        "clip": settings["clip"],
        "clipping": settings["clipping"],
        "sampling_rate": settings["rate"],
        "steps": settings["steps"],
        "records_a_patient": settings["records_a_patient"],
        "accountant": "prv",
        "caveats": list(CAVEATS),
    }
    return ImageSynthesis(samples, _costs(sets[0].x.shape[1:], classes, settings, units), guarantee)


@dataclass(frozen=True)
class Windows(Layer):
    """A convolution as the product that it is: what `medpriv.privacy.bookkeeping` asks of a layer."""

    read: Product

    @property
    def has_parameters(self) -> bool:
        """Its weight."""
        return True

    def product(self, work: Workspace) -> Product:
        """Return the weight's part in a backward pass."""
        return self.read


class PrivateDiscriminator:
    """A discriminator in private training: a step is `add_clipped` for each pass, then `update`.

    Args:
        own: the images.
        units: how many patients; public.
        noise: multiplier of the noise, over the clip norm.
        classes: how many there are.
        settings: `discriminator_width`, `clip`, `clipping`, `rate`, `discriminator_rate`.
        rng: gives first parameters and noise.

    Attributes:
        network: the discriminator.
        gradients: name -> [1, outputs, inputs], the sum that the step has gathered so far.
    """

    def __init__(
        self,
        own: LabelledImages,
        units: int,
        noise: float,
        classes: int,
        settings: Mapping[str, object],
        rng: Draws,
    ) -> None:
        self.network = Discriminator(own.x.shape[1:], classes, settings["discriminator_width"], by_batch=False)
        self._optimiser = initialise(self.network, rng)
        self.network.requires_grad_(False)
        self.gradients = {name: value.flatten(2) for name, value in self._optimiser.gradients.items()}
        self._images, self._labels = tensor_of(own.x), torch.from_numpy(own.y)
        self._settings, self._rng, self._scratch, self._work = settings, rng, torch.Generator(), Workspace()
        self._deviation, self._batch = settings["clip"] * noise, settings["rate"] * units
        self._noise = torch.zeros(sum(value.numel() for value in self.gradients.values()))

    def add_clipped(self, drawn: Pass, fake: Tensor, y: Tensor) -> Tensor:
        """Add the patients' clipped gradients; return their norms before clipping, [layers, units].

        Args:
            drawn: the patients, M rows each.
            fake: the generated images beside the real ones, [units * M, C, H, W].
            y: their classes, int64 [units * M].
        """
        layers = [Windows(product) for product in self._products(drawn, fake, y)]
        squares = [unit_squares(layer, drawn.units, self._work) for layer in layers]
        factors = clip_factors(squares, self._settings["clip"], self._settings["clipping"])
        for layer, factor in zip(layers, factors, strict=True):
            add_clipped(layer, factor, self._work, self.gradients)
        return torch.cat(squares).sqrt()

    def update(self) -> None:
        """Add noise to the sums, move by them over the expected batch, and begin the next step's."""
        fill_normal(self._noise, self._rng, self._scratch)
        self._noise.mul_(self._deviation)
        gradients = list(self.gradients.values())
        parts = self._noise.split([value.numel() for value in gradients])
        for value, part in zip(gradients, parts, strict=True):
            value.add_(part.view(value.shape)).div_(self._batch)
        self._optimiser.update(self._settings["discriminator_rate"])
        torch._foreach_zero_(gradients)

    def _products(self, drawn: Pass, fake: Tensor, y: Tensor) -> list[Product]:
        """Return each convolution's part in the gradients of the patients' losses.

        A patient's is sum_i w_i [softplus(-f(x_i)) + softplus(f(x'_i))], x its images and x' the generated ones. The
        real and generated rows of a patient stand side by side.
        """
        rows, size = torch.from_numpy(drawn.rows[0]), drawn.rows.shape[1] // drawn.units
        pairs = ((self._images[rows], fake), (self._labels[rows], y))
        x, y = (torch.stack([part.unflatten(0, (-1, size)) for part in pair], 1).flatten(0, 2) for pair in pairs)
        sign = torch.tensor([-1.0, 1.0]).repeat_interleave(size).repeat(drawn.units)
        weights = torch.from_numpy(drawn.weights[0]).view(-1, 1, size).expand(-1, 2, -1).flatten()
        seen: list[tuple[Tensor, Tensor]] = []
        logits = self.network(x.to(memory_format=torch.channels_last).requires_grad_(), y, seen)
        losses = functional.softplus(sign * logits) * weights
        slopes = torch.autograd.grad(losses.sum(), [put_out for _, put_out in seen])
        names = [f"convolutions.{place}" for place in range(len(seen))]
        found = []
        for name, layer, (read, _), slope in zip(names, self.network.convolutions, seen, slopes, strict=True):
            windows = functional.unfold(read.detach(), layer.kernel_size, 1, layer.padding, layer.stride)
            sides = (side.transpose(1, 2).reshape(1, -1, side.shape[1]) for side in (windows, slope.flatten(2)))
            found.append(Product(f"{name}.weight", None, *sides))
        return found


def _units(own: LabelledImages) -> np.ndarray:
    """Return each image's unit, 0 to n - 1."""
    return units_of([own.x], None if own.patient is None else [own.patient])[0]


def _train(
    own: LabelledImages, unit: np.ndarray, noise: float, classes: int, settings: Mapping[str, object], rng: Draws
) -> tuple[Generator, torch.Generator]:
    """Return a trained generator, and what its images are made from."""
    units = int(unit.max()) + 1
    judge = PrivateDiscriminator(own, units, noise, classes, settings, rng)
    generator = Generator(own.x.shape[1:], settings["embedding"], classes, settings["width"])
    optimiser, drawn = initialise(generator, rng), seeded(rng)
    expected = settings["rate"] * units
    batches = PoissonBatches(
        unit, np.ones((1, units), bool), settings["rate"], settings["records_a_patient"], expected, [rng]
    )
    beside = pass_sizes(settings["rate"], expected)[0] * batches.width
    for step in range(settings["steps"]):
        # Made once a step, of which every pass takes the first: neither how many are made nor what the generator
        # normalises by may hang on how many patients were drawn.
        y = torch.randint(classes, (beside,), generator=drawn)
        with torch.no_grad():
            fake = generator.draw(y, drawn)
        for some in batches.next():
            size = some.rows.shape[1]
            judge.add_clipped(some, fake[:size], y[:size])
        judge.update()
        if not (step + 1) % settings["generator_every"]:
            torch._foreach_zero_(list(optimiser.gradients.values()))
            y = torch.randint(classes, (settings["batch_size"],), generator=drawn)
            functional.softplus(-judge.network(generator.draw(y, drawn), y)).mean().backward()
            optimiser.update(settings["generator_rate"])
    return generator, drawn


def _costs(
    shape: Sequence[int], classes: int, settings: Mapping[str, object], units: Sequence[np.ndarray]
) -> dict[str, float]:
    """Return updates, operations and parameters of a model, on average."""
    generator = Generator(shape, settings["embedding"], classes, settings["width"])
    judge = Discriminator(shape, classes, settings["discriminator_width"], by_batch=False)
    made, judged = products_of(generator, shape), products_of(judge, shape)
    width = min(settings["records_a_patient"], max(int(np.bincount(own).max()) for own in units))
    rows = settings["rate"] * width * np.mean([int(own.max()) + 1 for own in units])
    moved = settings["steps"] // settings["generator_every"] * settings["batch_size"]
    return {
        "updates": float(settings["steps"]),
        "flops": float(2 * (settings["steps"] * rows * (6 * judged + made) + moved * (3 * made + 2 * judged))),
        "parameters": float(parameters_of(generator, judge)),
    }
