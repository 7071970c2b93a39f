"""Two spaces in which images lie near or far: pixels, and learnt features. Both know the reference alone.

Pixels are averaged down to 14 a side at most and standardised by the reference, so that a shift by a pixel or a little
noise moves an image little. Features are those of a network that tells the reference's classes apart
(`medpriv.measures.image_network`): what a generator copies in content but not in place is near there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from medpriv.attacks.image_copies.search import Stored
from medpriv.measures.image_classifiers import averaged
from medpriv.measures.image_network import fit_network
from medpriv.seeds import generator

_EDGE = 1e-6  # a scale below it is none


@dataclass(frozen=True)
class Space:
    """How images become features between which there are distances.

    Attributes:
        read: from images uint8 [n, C, H, W] to float32 [n, F].
        centre, scale: float32 [F], of the reference.
    """

    read: Callable[[np.ndarray], np.ndarray]
    centre: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, read: Callable[[np.ndarray], np.ndarray], reference: np.ndarray) -> "Space":
        """Fit to the reference's images. A feature that doesn't vary there keeps its unit."""
        found = read(reference)
        scale = found.std(axis=0)
        return cls(read, found.mean(axis=0), np.where(scale > _EDGE, scale, 1).astype(np.float32))

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Return float32 [n, F]."""
        return ((self.read(images) - self.centre) / self.scale).astype(np.float32)


def spaces_once(images: np.ndarray, y: np.ndarray, classes: int, seed: int, dataset: str) -> tuple[Space, Space]:
    """Return pixels and learnt features by the reference's images and classes, once for all banks of a job."""
    return _kept((images.tobytes(), images.shape), y.tobytes(), classes, seed, dataset)


@lru_cache(maxsize=1)
def _kept(stored: Stored, labels: bytes, classes: int, seed: int, dataset: str) -> tuple[Space, Space]:
    images = np.frombuffer(stored[0], np.uint8).reshape(stored[1])
    centre, scale = images.mean(), images.std() or 1.0

    def standardised(own: np.ndarray) -> np.ndarray:
        return ((own - centre) / scale).astype(np.float32)

    rng = generator(seed, dataset, "release", "features")
    network = fit_network(standardised(images), np.frombuffer(labels, np.int64).copy(), classes, rng)
    return Space.of(averaged, images), Space.of(lambda own: network.features(standardised(own)), images)
