"""What every generator of images asks of the sets that it is given, and how synthetic images get their classes."""

from collections.abc import Sequence

import numpy as np

from medpriv.errors import InputError
from medpriv.image_synthesis.images import LabelledImages
from medpriv.privacy.noise import Draws


def check_sets(sets: Sequence[LabelledImages], generator: str) -> None:
    """Refuse sets without images, or of different sizes.

    Raises:
        InputError: there is nothing to learn from, or no common size.
    """
    if not all(map(len, sets)):
        raise InputError(
            f"a replicate has no images that {generator} could learn from",
            file="the dataset",
            remedy="use a dataset of more patients",
        )
    if len(sizes := {own.x.shape[1:] for own in sets}) > 1:
        raise InputError(
            f"{generator} is given images of different sizes: {', '.join(map(str, sorted(sizes)))}",
            file="the dataset",
            remedy="preprocess all images to one size",
        )


def shares_of(y: np.ndarray, classes: int) -> np.ndarray:
    """Return float64 [classes], the share of each class."""
    return np.bincount(y, minlength=classes) / len(y)


def draw_labels(shares: np.ndarray, count: int, rng: Draws) -> np.ndarray:
    """Return int64 [count], classes drawn by their shares."""
    return np.searchsorted(np.cumsum(shares)[:-1], rng.random(count), side="right").astype(np.int64)
