"""Gradient inversion of images: the pictures behind a client's update of a convolutional network.

All attacks work on a stack of R problems, as in `inversion` beside this module. Images are standardised,
[R, B, C, H, W].

- dlg: images and soft labels by gradient matching in L2 (Zhu et al. 2019). idlg: the same with the label read off first
  (Zhao et al. 2020).
- cosine: cosine distance and total variation, the steps by the gradient's sign, pixels held between black and white
  (Geiping et al. 2020).

A network that begins with a convolution without bias and a group normalisation can't tell an image from the same with
another contrast, and nor can its gradients. Of every image found the contrast is therefore set to what is usual among
public images: those of the test patients, whom no replicate was trained on. Searches begin at their mean, with noise.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from medpriv.attacks.federated_server.encoding import TOLERANCE
from medpriv.attacks.federated_server.inversion import (
    ObservedGradients,
    descend,
    distance_to,
    infer_labels,
    probabilities,
    soft_labels,
)
from medpriv.dataset import TEST, Dataset
from medpriv.measures.image_quality import in_grey_levels

IMAGE_SEARCHES = ("dlg", "idlg", "cosine")
TOTAL_VARIATION = 0.1  # weight beside the cosine distance, standardised pixels
START = 0.3  # standard deviation of the noise on the first images, standardised
RATE = 0.1


@dataclass(frozen=True)
class PublicImages:
    """What an attacker knows of images of the kind.

    Attributes:
        x: float32 [N, C, H, W], standardised, of people whom nobody trained on.
        centre, scale: float32 [C, 1, 1], grey levels.
    """

    x: np.ndarray
    centre: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, dataset: Dataset) -> "PublicImages":
        """Return the test patients' images."""
        dataset.require("image", reason="recovered images")
        return cls(dataset.standardised(dataset.rows(TEST)), dataset.centre, dataset.scale)

    @cached_property
    def typical(self) -> np.ndarray:
        """The mean image, float32 [C, H, W]."""
        return self.x.mean(axis=0)

    @cached_property
    def contrast(self) -> float:
        """The median root mean square of an image."""
        return float(np.median(np.sqrt(np.square(self.x).mean(axis=(1, 2, 3)))))

    @cached_property
    def limits(self) -> tuple[Tensor, Tensor]:
        """Black and white, [C, 1, 1] each."""
        return tuple(torch.from_numpy((level - self.centre) / self.scale) for level in (0.0, 255.0))

    def drawn(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Return public images, float32 [count, C, H, W]."""
        return self.x[rng.integers(len(self.x), size=count)]

    def levels(self, x: np.ndarray) -> np.ndarray:
        """Return standardised images in whole grey levels, uint8."""
        return in_grey_levels(x, self.centre, self.scale)

    def matches(self, found: np.ndarray, true: np.ndarray) -> np.ndarray:
        """Return bool [..., pixels]: which are right to `TOLERANCE` standard deviations, of images [..., C, H, W]."""
        return (np.abs(found - true) <= TOLERANCE).reshape(*true.shape[:-3], -1)

    def identified(self, found: np.ndarray, true: np.ndarray) -> np.ndarray:
        """Return bool [R, B]: whether an image found is nearer to the true one than to every public one."""
        flat, public = found.reshape(-1, self.x[0].size), self.x.reshape(len(self.x), -1)
        own = np.square(flat - true.reshape(flat.shape)).sum(axis=1)
        other = np.square(flat).sum(axis=1)[:, None] - 2 * flat @ public.T + np.square(public).sum(axis=1)
        return (own < other.min(axis=1)).reshape(found.shape[:2])


def search_images(
    method: str,
    observed: ObservedGradients,
    public: PublicImages,
    labels: np.ndarray,
    classes: int,
    rng: np.random.Generator,
    steps: int,
) -> np.ndarray:
    """Return reconstructed images, float32 [R, B, C, H, W], standardised.

    Args:
        method: a name of `IMAGE_SEARCHES`.
        labels: int64 [R, B], the true ones; dlg and idlg don't look at them.
    """
    known = method == "cosine"
    target = soft_labels(labels if known else infer_labels(observed, classes), classes)
    noise = rng.standard_normal((*labels.shape, *public.typical.shape)).astype(np.float32)
    images = torch.from_numpy(public.typical + START * noise).requires_grad_()
    label = torch.zeros_like(target).requires_grad_() if method == "dlg" else None
    distance = distance_to(observed, by_angle=known)

    def loss() -> Tensor:
        apart = distance(images, probabilities(target, label))
        return apart + TOTAL_VARIATION * total_variation(images) if known else apart

    def confine() -> None:
        images.copy_(torch.clamp(images, *public.limits))

    descend([images, *([] if label is None else [label])], steps, RATE, loss, confine, signs=known)
    return with_contrast(images.detach().numpy(), public)


def total_variation(images: Tensor) -> Tensor:
    """Return the mean difference of neighbouring pixels, across and down: [R] of images [R, B, C, H, W]."""
    across, down = images.diff(dim=-1).abs(), images.diff(dim=-2).abs()
    return across.flatten(1).mean(1) + down.flatten(1).mean(1)


def with_contrast(images: np.ndarray, public: PublicImages) -> np.ndarray:
    """Return images [..., C, H, W] with the contrast of public ones, between black and white."""
    own = np.sqrt(np.square(images).mean(axis=(-3, -2, -1), keepdims=True))
    black, white = (limit.numpy() for limit in public.limits)
    return np.clip(images * (public.contrast / np.maximum(own, 1e-6)), black, white)
