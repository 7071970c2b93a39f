"""DP-MERF: a generator learnt from one noisy mean of random features (Harder, Adamczewski and Park, AISTATS 2021).

What is released, once, is the noisy mean of `medpriv.image_synthesis.mean_embedding`; its docstring has the features
phi, the release M, its noise sigma and the classes' shares p. All else is post-processing, of any length.

A network maps noise and class to images. With e_c the mean features of B of class c, it descends on the unbiased
estimate of sum_c |M_c / p_c - E phi(G_c)|^2, in which the squares of B features of norm 1 are left out:
sum_c B / (B - 1) |e_c|^2 - 2 e_c M_c / p_c. An image is a sum of waves whose amplitudes are taken for Gaussian
beforehand, smaller the shorter the wave; they add (sigma / p_c)^2 times their squares, as in a posterior mode: the more
noise there is, the less of it is painted. This is not in the paper. Without it, images learnt from a few hundred
patients at a small epsilon are noise, and classifiers trained on them worse.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from medpriv.image_synthesis.checks import check_sets, draw_labels
from medpriv.image_synthesis.images import ImageSynthesis, LabelledImages
from medpriv.image_synthesis.mean_embedding import CONSTANT, Features, deviation, embed, release, released_shares
from medpriv.privacy.accountant import ADJACENCY, check_delta, default_delta
from medpriv.privacy.lower_bounds import gaussian_epsilon, gaussian_mu
from medpriv.privacy.noise import Draws

FADING = 2  # a wave of h half periods is (1 + h)^2 times smaller than a constant: chest X-rays are smooth
BLOCK = 256  # images at once

TUNING = (
    "length scale, number of features and the generator's settings are fixed in the config. Their defaults were tried "
    "on simulated images and on PneumoniaMNIST with a look at the AUC on its test images, so figures of that dataset "
    "are optimistic. Values chosen after a look at this dataset's results would spend privacy that is not counted here."
)
CAVEATS = (
    "image size, classes, how many patients there are and how many images are made are public; the random features are "
    "drawn from a public number, their length scale is a setting",
    "neighbours are those of zero-out: one patient's images are replaced by nothing, and the number of patients of a "
    "replicate is public and stays; a patient's images together count as one",
    "the guarantee is one replicate's: a bank holds several generators of the same patients so that they can be "
    "audited",
    "noise comes from a seeded generator in floating point: who knows the seed can take it off again",
)


def synthesise(
    sets: Sequence[LabelledImages],
    classes: int,
    settings: Mapping[str, object],
    rngs: Sequence[Draws],
    counts: Sequence[int],
) -> ImageSynthesis:
    """Return K synthetic sets, each private for its own patients; see `medpriv.image_synthesis.images.ImageSynthesis`.

    Audit arrays are `embedding` [K, classes, D], the releases; `sigma` and `patients` [K].

    Args:
        sets: K sets; without `patient` every image is a patient.
        classes: how many there are; public.
        settings: `epsilon`, `delta` (None: 1 / (10 n), see `default_delta`) and those of
            `medpriv.config.synthetic_images.DpMerfSettings`.
        rngs: one generator a set.
        counts: how many images each makes.

    Raises:
        InputError: a set without images, or a delta that protects nobody.
    """
    check_sets(sets, "dp_merf")
    shape = sets[0].x.shape[1:]
    features = Features.public(shape, settings["features"], settings["length_scale"])
    samples, released, sigmas, stated = [], [], [], []
    for own, rng, count in zip(sets, rngs, counts, strict=True):
        patients = len(own) if own.patient is None else len(np.unique(own.patient))
        delta = settings["delta"] or default_delta(patients)
        check_delta(delta, patients, "synthetic.delta")
        mu = gaussian_mu(settings["epsilon"], delta)
        sigmas.append(deviation(patients, mu))
        released.append(release(embed(own, classes, features, patients), sigmas[-1], rng))
        shares = released_shares(released[-1], patients)
        made = learn(released[-1], sigmas[-1], shares, features, shape, settings, rng)
        y = draw_labels(shares, count, rng)
        samples.append(LabelledImages(made(y), y))
        stated.append((delta, mu, patients))
    audit_arrays = {
        "embedding": np.stack(released),
        "sigma": np.array(sigmas),
        "patients": np.array([patients for _, _, patients in stated]),
    }
    guarantee = _guarantee(settings, stated)
    return ImageSynthesis(samples, _costs(features, shape, classes, settings), guarantee, audit_arrays=audit_arrays)


def learn(
    released: np.ndarray,
    sigma: float,
    shares: np.ndarray,
    features: Features,
    shape: tuple[int, ...],
    settings: Mapping[str, object],
    rng: Draws,
) -> Callable[[np.ndarray], np.ndarray]:
    """Train a generator on what was released; return what makes images uint8 [n, C, H, W] of classes int64 [n]."""
    # A seed is harmless here: it is drawn after the noise, and nothing below meets patients.
    drawn = torch.Generator().manual_seed(int(rng.random() * 2**53))
    network = Network(shape, len(shares), settings, drawn)
    frequencies = torch.from_numpy(features.frequencies.astype(np.float32))
    targets = torch.from_numpy((released[:, 1:] / shares[:, None]).astype(np.float32))
    scale = ((1 - CONSTANT) / len(frequencies)) ** 0.5
    # The variance of the noise in a class' mean, which is what a deviation of 1 of an amplitude weighs as much as.
    spread = torch.from_numpy(np.square(sigma / shares).astype(np.float32))
    each = settings["batch_size"]
    y = torch.arange(len(shares)).repeat_interleave(each)
    optimiser = torch.optim.Adam(network.parameters, settings["learning_rate"])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings["updates"])
    for _ in range(settings["updates"]):
        noise = torch.randn(len(y), settings["embedding"], generator=drawn)
        amplitudes = network.amplitudes(noise, y)
        angles = network.draw(amplitudes).flatten(1) @ frequencies.T
        means = scale * torch.cat([angles.cos(), angles.sin()], 1).unflatten(0, (-1, each)).mean(1)
        loss = each / (each - 1) * means.square().sum() - 2 * (means * targets).sum()
        loss = loss + (spread[y] * amplitudes.square().sum((1, 2, 3))).sum() / each
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()

    def made(labels: np.ndarray) -> np.ndarray:
        parts = [np.empty((0, *shape), np.uint8)]
        for some in torch.from_numpy(labels).split(BLOCK):
            noise = torch.randn(len(some), settings["embedding"], generator=drawn)
            with torch.no_grad():
                parts.append(network.draw(network.amplitudes(noise, some)).mul(255).round().to(torch.uint8).numpy())
        return np.concatenate(parts)

    return made


class Network:
    """Two hidden layers, whose outputs are the amplitudes of cosine waves across the image.

    Free pixels would begin, and under noise remain, as different from their neighbours as from any other.

    Args:
        shape: C, H, W.
        classes: how many there are.
        settings: `embedding`, `width`.
        drawn: gives the first weights.
    """

    def __init__(
        self, shape: tuple[int, ...], classes: int, settings: Mapping[str, object], drawn: torch.Generator
    ) -> None:
        self._shape, self._classes = shape, classes
        self._down, self._across = (torch.from_numpy(cosines(side)) for side in shape[1:])
        halves = np.hypot(np.arange(shape[1])[:, None], np.arange(shape[2]))
        self._fading = torch.from_numpy((1 / (1 + halves) ** FADING).astype(np.float32))
        self.parameters: list[Tensor] = []
        sizes = sizes_of(shape, classes, settings)
        for inputs, outputs in pairwise(sizes):
            weight = torch.randn(outputs, inputs, generator=drawn).mul_((2 / inputs) ** 0.5)
            self.parameters += [weight, torch.zeros(outputs)]
        for value in self.parameters:
            value.requires_grad_()

    def amplitudes(self, noise: Tensor, y: Tensor) -> Tensor:
        """Return amplitudes [n, C, H, W] of noise [n, embedding] and classes [n]."""
        hidden = torch.cat([noise, functional.one_hot(y, self._classes)], 1)
        # With ReLU and a higher rate a run on PneumoniaMNIST ended in one grey image for all; with this none of nine.
        for weight, bias in zip(self.parameters[0:-2:2], self.parameters[1:-2:2], strict=True):
            hidden = functional.silu(functional.linear(hidden, weight, bias))
        return functional.linear(hidden, *self.parameters[-2:]).unflatten(1, self._shape)

    def draw(self, amplitudes: Tensor) -> Tensor:
        """Return grey levels from 0 to 1, [n, C, H, W]."""
        return torch.sigmoid(self._down.T @ ((amplitudes * self._fading) @ self._across))


def cosines(side: int) -> np.ndarray:
    """Return the waves of the discrete cosine transform, float32 [side, side], each of mean square 1."""
    waves = np.sqrt(2) * np.cos(np.pi * np.arange(side)[:, None] * (np.arange(side) + 0.5) / side)
    waves[0] = 1
    return waves.astype(np.float32)


def sizes_of(shape: tuple[int, ...], classes: int, settings: Mapping[str, object]) -> tuple[int, ...]:
    """Return the inputs of each dense layer, and the outputs of the last."""
    return settings["embedding"] + classes, settings["width"], settings["width"], int(np.prod(shape))


def _guarantee(settings: Mapping[str, object], stated: Sequence[tuple[float, float, int]]) -> dict[str, object]:
    """Return what holds for each of the sets, `stated` the delta, mu and patients of each."""
    delta = max(delta for delta, _, _ in stated)
    mu = max(mu for _, mu, _ in stated)
    return {
        "epsilon": gaussian_epsilon(mu, delta),
        "target_epsilon": settings["epsilon"],
        "delta": delta,
        "mu": mu,
        "mechanism": "dp_merf",
        "noise": "gaussian",
        "unit": "patient",
        "adjacency": ADJACENCY,
        "accountant": "gaussian-dp",
        "patients": min(patients for _, _, patients in stated),
        "features": settings["features"],
        "length_scale": settings["length_scale"],
        "tuning": TUNING,
        "caveats": list(CAVEATS),
    }


def _costs(
    features: Features, shape: tuple[int, ...], classes: int, settings: Mapping[str, object]
) -> dict[str, float]:
    """Return updates, operations and parameters of a generator."""
    sizes = sizes_of(shape, classes, settings)
    products = sum(inputs * outputs for inputs, outputs in pairwise(sizes))
    a_image = 6 * (products + features.frequencies.size)
    return {
        "updates": settings["updates"],
        "flops": float(settings["updates"] * settings["batch_size"] * classes * a_image),
        "parameters": float(products + sum(sizes[1:])),
    }
