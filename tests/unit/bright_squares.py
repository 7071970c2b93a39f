"""Made-up images whose class shows in where a bright square lies: what a generator of images must learn."""

import numpy as np

from medpriv.image_synthesis.images import LabelledImages


def squares(count: int, side: int = 12, seed: int = 0) -> LabelledImages:
    """Return dark images with a bright square, at the top in class 0, at the bottom in class 1."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 60, (count, 1, side, side), dtype=np.uint8)
    y = (rng.random(count) < 0.3).astype(np.int64)
    half = side // 2
    for image, label in zip(x[:, 0], y, strict=True):
        image[half * label : half * (label + 1), side // 4 : -side // 4] += 190
    return LabelledImages(x, y, np.arange(count, dtype=np.int32))


def likeness(made: LabelledImages, real: LabelledImages, label: int) -> float:
    """Return the correlation of a class's mean images."""
    return np.corrcoef(*(one.x[one.y == label].mean(0).ravel() for one in (made, real)))[0, 1]
