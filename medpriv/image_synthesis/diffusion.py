"""A small diffusion model of images, conditional on the class (Ho et al. 2020), that samples in few steps.

Grey levels x_0 in [-1, 1] are noised by x_t = sqrt(A_t) x_0 + sqrt(1 - A_t) e with the cosine schedule of Nichol and
Dhariwal (2021). A U-Net on patches learns v = sqrt(A_t) e - sqrt(1 - A_t) x_0 (Salimans and Ho 2022), of which
e = sqrt(1 - A_t) x_t + sqrt(A_t) v. The running mean of its weights is what is kept, samples and is attacked. Images
are drawn by DDIM (Song et al. 2021), whose few steps are a deterministic map from the first noise. Nothing turns or
shifts what is trained on: the longer it trains, the more it remembers.

`losses` asks trained models for the loss of any image at chosen steps under chosen noise: what white-box attacks on
diffusion read.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from medpriv.image_synthesis.checks import check_sets, draw_labels, shares_of
from medpriv.image_synthesis.images import ImageSynthesis, LabelledImages

PATCH = 2  # pixels a side that a position of the first level covers
GROUPS = 8  # of a normalisation, at most
FEATURES = 32  # sines and cosines that tell the network the step
BLOCK = 128  # images generated, or asked about, at once

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class FixedNoise:
    """Noise draws at chosen steps, the same for all images and models that `losses` asks.

    Attributes:
        times: int64 [F], steps from 0 to T - 1.
        e: float32 [F, C, H, W].
    """

    times: np.ndarray
    e: np.ndarray


def synthesise(
    sets: Sequence[LabelledImages],
    classes: int,
    settings: Mapping[str, object],
    rngs: Sequence[np.random.Generator],
    counts: Sequence[int],
) -> ImageSynthesis:
    """Train K diffusion models one after another and return what they generate, classes by their shares.

    Weights are the running means of the network's, each stacked to [K, ...].

    Args:
        settings: of `medpriv.config.synthetic_images.ImageDiffusionSettings`.
        sets, classes, rngs, counts: see `medpriv.image_synthesis`.

    Raises:
        InputError: a set without images.
    """
    check_sets(sets, "diffusion")
    samples, weights, updates = [], [], []
    for k, (own, rng, count) in enumerate(zip(sets, rngs, counts, strict=True)):
        _LOG.info("replicate %d of %d", k + 1, len(sets))
        seed = int(rng.integers(2**63 - 1))
        y = draw_labels(shares_of(own.y, classes), count, rng)
        network = denoiser(own.x.shape[1:], classes, settings["width"], seed)
        drawn = torch.Generator().manual_seed(seed)
        weights.append(_train(network, own, settings, rng, drawn))
        network.load_state_dict(weights[-1])
        samples.append(LabelledImages(_generate(network, y, own.x.shape[1:], settings, drawn), y))
        updates.append(settings["epochs"] * batches_of(len(own), settings["batch_size"]))
    held = {name: np.stack([each[name].numpy() for each in weights]) for name in weights[0]}
    costs = {
        "updates": float(np.mean(updates)),
        "flops": 6.0 * float(np.mean(updates)) * settings["batch_size"] * network.products(sets[0].x.shape[1:]),
        "parameters": float(sum(value[0].size for value in held.values())),
    }
    return ImageSynthesis(samples, costs, weights=held)


def losses(
    weights: Mapping[str, np.ndarray],
    images: np.ndarray,
    labels: np.ndarray,
    settings: Mapping[str, object],
    noise: FixedNoise,
) -> np.ndarray:
    """Return float32 [K, n, F]: by how much each model misses the noise in each image, mean (e - e')^2 over pixels.

    Args:
        weights: of a bank, as `synthesise` returns them.
        images: uint8 [n, C, H, W].
        labels: int64 [n].
        settings: `width` and `steps` that the bank was trained with.
        noise: of `draw_noise`.
    """
    alphas, x, y = cosine_alphas(settings["steps"]), _levels(images), torch.from_numpy(labels)
    models, classes = weights["label.weight"].shape[:2]
    network = denoiser(images.shape[1:], classes, settings["width"], 0)
    found = np.empty((models, len(images), len(noise.times)), np.float32)
    for k in range(models):
        network.load_state_dict({name: torch.from_numpy(value[k]) for name, value in weights.items()})
        for place, (time, e) in enumerate(zip(noise.times.tolist(), torch.from_numpy(noise.e), strict=True)):
            for start in range(0, len(images), BLOCK):
                some = slice(start, start + BLOCK)
                at = torch.full((len(x[some]),), time)
                noised = alphas[time].sqrt() * x[some] + (1 - alphas[time]).sqrt() * e
                with torch.no_grad():
                    v = network(noised, at, y[some])
                missed = (1 - alphas[time]).sqrt() * noised + alphas[time].sqrt() * v - e
                found[k, some, place] = missed.square().flatten(1).mean(1).numpy()
    return found


def draw_noise(shape: tuple[int, ...], times: Sequence[int], draws: int, rng: np.random.Generator) -> FixedNoise:
    """Return so many draws for images of C, H, W at each of the steps, F = steps times draws."""
    e = rng.standard_normal((len(times) * draws, *shape), np.float32)
    return FixedNoise(np.repeat(np.asarray(times, np.int64), draws), e)


def cosine_alphas(steps: int) -> Tensor:
    """Return A_1 .. A_T float32 [T], the products of the alphas (Nichol and Dhariwal 2021)."""
    share = np.cos((np.arange(steps + 1) / steps + 0.008) / 1.008 * np.pi / 2) ** 2
    return torch.from_numpy(np.cumprod(np.maximum(share[1:] / share[:-1], 1e-3)).astype(np.float32))


def batches_of(images: int, batch_size: int) -> int:
    """Return the updates of an epoch: as many whole batches as there are, and one at least."""
    return max(1, images // batch_size)


class Block(nn.Module):
    """A residual block of two 3 x 3 convolutions, told of step and class by scales and shifts."""

    def __init__(self, width: int, told: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.before, self.between = (nn.GroupNorm(gcd(width, GROUPS), width) for _ in range(2))
        self.told = nn.Linear(told, 2 * width)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """Return [n, width, H, W] of x of that shape and what is told, [n, told]."""
        scale, shift = self.told(told)[:, :, None, None].chunk(2, 1)
        inside = self.first(functional.silu(self.before(x)))
        inside = self.between(inside) * (1 + scale) + shift
        return x + self.second(functional.silu(inside))


class Denoiser(nn.Module):
    """A U-Net of two levels over patches of `PATCH` x `PATCH` pixels, `width` and twice as many channels.

    Args:
        channels: of images.
        classes: how many there are.
        width: channels of the first level.
    """

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        patch, told = channels * PATCH**2, 4 * width
        self.label = nn.Embedding(classes, told)
        self.time = nn.Sequential(nn.Linear(FEATURES, told), nn.SiLU(), nn.Linear(told, told))
        self.enter = nn.Conv2d(patch, width, 3, padding=1)
        self.down = nn.Conv2d(width, 2 * width, 2, stride=2)
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.join = nn.Conv2d(2 * width, width, 1)
        self.fine, self.last = Block(width, told), Block(width, told)
        self.coarse = nn.ModuleList(Block(2 * width, told) for _ in range(2))
        self.norm = nn.GroupNorm(gcd(width, GROUPS), width)
        self.leave = nn.Conv2d(width, patch, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        waves = torch.exp(-np.log(1000.0) * torch.arange(FEATURES // 2) / (FEATURES // 2))
        self.register_buffer("waves", waves, persistent=False)

    def forward(self, x: Tensor, at: Tensor, y: Tensor) -> Tensor:
        """Return v [n, C, H, W] of noised images of that shape at steps [n], of classes [n]."""
        height, width = x.shape[2:]
        padded = functional.pad(x, (0, -width % (2 * PATCH), 0, -height % (2 * PATCH)), mode="replicate")
        angles = at[:, None] * self.waves
        told = functional.silu(self.time(torch.cat([angles.sin(), angles.cos()], 1)) + self.label(y))
        fine = self.fine(self.enter(functional.pixel_unshuffle(padded, PATCH)), told)
        coarse = self.down(fine)
        for block in self.coarse:
            coarse = block(coarse, told)
        joined = self.last(self.join(torch.cat([fine, self.up(coarse)], 1)), told)
        outside = self.leave(functional.silu(self.norm(joined)))
        return functional.pixel_shuffle(outside, PATCH)[..., :height, :width]

    def products(self, shape: tuple[int, ...]) -> int:
        """Return the multiplications of the convolutions for one image of C, H, W."""
        positions = -(-shape[1] // (2 * PATCH)) * -(-shape[2] // (2 * PATCH))  # of the second level
        many = (self.enter, self.fine.first, self.fine.second, self.last.first, self.last.second, self.join, self.leave)
        few = (self.down, self.up, *(part for block in self.coarse for part in (block.first, block.second)))
        return positions * sum(
            times * layer.weight.numel() for layers, times in ((many, 4), (few, 1)) for layer in layers
        )


def denoiser(shape: tuple[int, ...], classes: int, width: int, seed: int) -> Denoiser:
    """Return a network for images of C, H, W, its first weights drawn from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Denoiser(shape[0], classes, width)


def _levels(x: np.ndarray) -> Tensor:
    """Return grey levels from -1 to 1."""
    return torch.from_numpy(x.astype(np.float32)).div_(127.5).sub_(1)


def _train(
    network: Denoiser,
    own: LabelledImages,
    settings: Mapping[str, object],
    rng: np.random.Generator,
    drawn: torch.Generator,
) -> dict[str, Tensor]:
    """Train on a set and return the running mean of the weights."""
    x, y, alphas = _levels(own.x), torch.from_numpy(own.y), cosine_alphas(settings["steps"])
    size = min(settings["batch_size"], len(own))
    epoch = batches_of(len(own), size)
    optimiser = torch.optim.AdamW(
        network.parameters(), settings["learning_rate"], weight_decay=settings["weight_decay"], foreach=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings["epochs"] * epoch)
    means = [value.detach().clone() for value in network.parameters()]
    for update in range(settings["epochs"] * epoch):
        if not update % epoch:
            order = torch.from_numpy(rng.permutation(len(own)))
        some = order[update % epoch * size :][:size]
        at = torch.randint(settings["steps"], (size,), generator=drawn)
        e = torch.randn(x[some].shape, generator=drawn)
        signal, noise = (share[at].sqrt()[:, None, None, None] for share in (alphas, 1 - alphas))
        v = network(signal * x[some] + noise * e, at, y[some])
        loss = functional.mse_loss(v, signal * e - noise * x[some])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        # The first weights, which know nothing, fade sooner than the last ones.
        kept = min(settings["averaging"], (1 + update) / (10 + update))
        torch._foreach_lerp_(means, [value.detach() for value in network.parameters()], 1 - kept)
    return dict(zip(dict(network.named_parameters()), means, strict=True))


def _generate(
    network: Denoiser, y: np.ndarray, shape: tuple[int, ...], settings: Mapping[str, object], drawn: torch.Generator
) -> np.ndarray:
    """Return images uint8 [n, C, H, W] of classes [n]."""
    alphas = cosine_alphas(settings["steps"])
    times = np.unique(np.linspace(0, settings["steps"] - 1, settings["sampling_steps"]).round().astype(int))[::-1]
    parts = [np.empty((0, *shape), np.uint8)]
    for labels in torch.from_numpy(y).split(BLOCK) if len(y) else ():
        x = torch.randn((len(labels), *shape), generator=drawn)
        for time, before in zip(times, [*times[1:], None], strict=True):
            share = alphas[time]
            with torch.no_grad():
                v = network(x, torch.full((len(x),), int(time)), labels)
            start = (share.sqrt() * x - (1 - share).sqrt() * v).clamp_(-1, 1)
            e = (x - share.sqrt() * start) / (1 - share).sqrt()
            x = start if before is None else alphas[before].sqrt() * start + (1 - alphas[before]).sqrt() * e
        parts.append(x.add(1).mul(127.5).round().to(torch.uint8).numpy())
    return np.concatenate(parts)
