"""Features by which an image is known again: a small network that tells every image of the reference from all others.

Two views of one image (turned, moved, brighter, noisy) shall lie near each other, and far from views of other images:
the contrastive loss NT-Xent of SimCLR (Chen et al., ICML 2020), with every image a class of its own. The network is the
2-D CNN of the baselines with an embedding in place of classes. Settings are fixed; they were chosen by what was found
of planted changes of simulated images and of PneumoniaMNIST's, before any generator's images were searched.

Small changes are learnt; larger shifts, turns and mirror images are tried out: an image is as near as the nearest of
its `poses`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import torch
from scipy.ndimage import rotate
from torch.nn import functional

from medpriv.bank.stack import initial_stack
from medpriv.image_synthesis.copies import moved
from medpriv.models import cnn2d
from medpriv.seeds import generator

POSITIONS = 14  # a side, of the first layer
CHANNELS, EMBEDDING = (32, 64, 64), 64
UPDATES, BATCH, RATE, DECAY = 100, 40, 3e-3, 0.01
TEMPERATURE = 0.1
DEGREES, ZOOM, SHIFT = 5.0, 0.03, 0.03  # of views: deviations of angle and log of size; most of a side that one moves
CONTRAST, BRIGHTNESS, NOISE = 0.15, 0.08, 0.06  # deviations, of the range of grey levels
STEP, STEPS, TURN = 1 / 28, 2, 4.0  # of a side, how many either way, and degrees, from pose to pose
CHUNK = 256  # images of a pass
_FLAT = 1e-3  # a deviation below it is none


@dataclass(frozen=True)
class Exemplars:
    """A network fitted to the reference's images, each a class of its own.

    Attributes:
        body: from standardised images float32 [n, C, H, W] to embeddings.
    """

    body: torch.nn.Module

    def features(self, images: np.ndarray) -> np.ndarray:
        """Return unit vectors float32 [n, 64] of images uint8 [n, C, H, W]."""
        parts = [np.zeros((0, EMBEDDING), np.float32)]
        with torch.no_grad():
            for first in range(0, len(images), CHUNK):
                own = torch.from_numpy(_unit(images[first : first + CHUNK]))
                parts.append(functional.normalize(self.body(_standardised(own)), dim=1).numpy())
        return np.concatenate(parts)


def poses(images: np.ndarray) -> Iterator[np.ndarray]:
    """Yield images uint8 [n, C, H, W] and their mirror images: as they are, moved some steps, or turned."""
    steps = [[round(STEP * side * times) for times in range(-STEPS, STEPS + 1)] for side in images.shape[2:]]
    for facing in (images, images[..., ::-1]):
        for by in product(*steps):
            yield moved(facing, np.full((len(facing), 2), by))
        for degrees in (-TURN, TURN):
            yield rotate(facing, degrees, axes=(2, 3), reshape=False, order=1, mode="nearest")


@lru_cache(maxsize=1)  # a job asks for the same network for every bank of a stage
def fit_once(reference: bytes, shape: tuple[int, ...], seed: int, dataset: str) -> Exemplars:
    """Return what `fit` does, of images uint8 given as bytes and shape, with the dataset's own randomness."""
    images = np.frombuffer(reference, np.uint8).reshape(shape)
    return fit(images, generator(seed, dataset, "image copies", "network"))


def fit(images: np.ndarray, rng: np.random.Generator) -> Exemplars:
    """Return a network fitted to images uint8 [n, C, H, W], n >= 2; `rng` draws parameters, batches and views."""
    settings = {"patch": max(1, min(images.shape[2:]) // POSITIONS), "channels": CHANNELS, "pooled": False}
    network = cnn2d.build(images.shape[1:], EMBEDDING, settings)
    body = network.reference(initial_stack(network, [rng]), 0).train()
    known = torch.from_numpy(_unit(images))
    optimiser = torch.optim.AdamW(body.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, UPDATES)
    for _ in range(UPDATES):
        own = known[rng.permutation(len(known))[:BATCH]]
        optimiser.zero_grad()
        _loss(body(_standardised(torch.cat([_view(own, rng), _view(own, rng)])))).backward()
        optimiser.step()
        schedule.step()
    return Exemplars(body.eval())


def _loss(embedded: torch.Tensor) -> torch.Tensor:
    """Return NT-Xent of embeddings [2 n, F]: row i and row n + i are views of one image."""
    unit, count = functional.normalize(embedded, dim=1), len(embedded) // 2
    alike = (unit @ unit.T / TEMPERATURE).fill_diagonal_(-torch.inf)
    return functional.cross_entropy(alike, torch.arange(2 * count).roll(count))


def _view(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Return a random view of each image [n, C, H, W], grey levels 0 to 1."""
    count = len(images)
    angle, size = np.radians(rng.normal(0, DEGREES, count)), np.exp(rng.normal(0, ZOOM, count))
    facing = rng.choice((-1, 1), count)
    turned = np.zeros((count, 2, 3))
    turned[:, 0, 0], turned[:, 0, 1] = facing * size * np.cos(angle), -size * np.sin(angle)
    turned[:, 1, 0], turned[:, 1, 1] = facing * size * np.sin(angle), size * np.cos(angle)
    turned[:, :, 2] = rng.uniform(-2 * SHIFT, 2 * SHIFT, (count, 2))  # a side is 2 long there
    grid = functional.affine_grid(torch.from_numpy(turned.astype(np.float32)), list(images.shape), align_corners=False)
    seen = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    contrast, brightness = (
        np.exp(rng.normal(0, CONTRAST, (count, 1, 1, 1))),
        rng.normal(0, BRIGHTNESS, (count, 1, 1, 1)),
    )
    noise = NOISE * rng.random((count, 1, 1, 1)) * rng.standard_normal(seen.shape)
    return seen * torch.from_numpy(contrast.astype(np.float32)) + torch.from_numpy(
        (brightness + noise).astype(np.float32)
    )


def _unit(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) / 255


def _standardised(images: torch.Tensor) -> torch.Tensor:
    """Return each image with mean 0 and deviation 1: brightness and contrast are the film's, not the patient's."""
    dims = (1, 2, 3)
    return (images - images.mean(dims, keepdim=True)) / (images.std(dims, keepdim=True) + _FLAT)
