"""What the released images of each replicate say of every real one: the scores of tables, in either space.

Names are those of `medpriv.attacks.release.scores.PLAIN`, in the space of features with `feature-` before them.
`exemplar` is how surely the nearest released image is the same one, moved, mirrored or changed a little: minus the log
of 1 - cosine in features by which images are known again (`medpriv.attacks.image_copies`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.attacks.image_copies.search import Similarity
from medpriv.attacks.membership.from_samples import NEAR
from medpriv.attacks.release import density
from medpriv.attacks.release.released import Asked, Beside
from medpriv.attacks.release.scores import GAN_LEAKS, IN_MORE_ROWS, PLAIN, at_places, calibrated

FEATURE, EXEMPLAR = "feature-", "exemplar"


@dataclass(frozen=True)
class ImagesTold:
    """What K releases tell of N images; see `medpriv.attacks.release.scores.Told`.

    Attributes:
        scores: by name, float64 [K, N].
        log_density: log p_S in the space of pixels, float64 [K, N].
        distances: logs of distances to neighbours, in pixels and in features, float64 [K, N, 6].
    """

    scores: dict[str, np.ndarray]
    log_density: np.ndarray
    distances: np.ndarray

    def likelihood(self) -> np.ndarray:
        """Return log p_S over the largest p_S of all releases for that image, [K, N]: at most 0."""
        return self.log_density - self.log_density.max(axis=0)

    def ensemble(self) -> np.ndarray:
        """Return the features of MIDST's ensemble, [K, N, 8]."""
        named = [self.scores[name][..., None] for name in ("dcr", "domias")]
        return np.concatenate([self.distances, *named], axis=2)

    def everything(self) -> np.ndarray:
        """Return all that needs no other release, [K, N, F]."""
        named = [value for name, value in self.scores.items() if name != GAN_LEAKS]
        return np.concatenate([np.stack([*named, self.log_density], axis=2), self.distances], axis=2)


def read_images(pixels: Asked, features: Asked, alike: Similarity, released: Sequence[np.ndarray]) -> ImagesTold:
    """Return what K sets of images, uint8 [n_k, C, H, W], tell.

    Args:
        pixels, features: the images asked about and the reference, in either space.
        alike: by features of exemplars, from released images to [n_k, N].
        released: the sets.
    """
    scores: dict[str, list[np.ndarray]] = {}
    likely, distances = [], []
    for images in released:
        sides = {"": Beside(pixels, images), FEATURE: Beside(features, images)}
        for before, beside in sides.items():
            for name, score in PLAIN.items():
                scores.setdefault(before + name, []).append(score(beside))
        scores.setdefault(EXEMPLAR, []).append(-np.log(1 - alike(images).max(axis=0).astype(np.float64) + NEAR))
        likely.append(density.log_density(sides[""]))
        near = [np.sqrt(at_places(beside.nearest).astype(np.float64)) for beside in sides.values()]
        distances.append(np.log(np.concatenate(near, axis=1) + NEAR))
    found = {name: np.stack(each).astype(np.float64) for name, each in scores.items()}
    found[GAN_LEAKS] = calibrated(found["dcr"])
    return ImagesTold(found, np.stack(likely), np.stack(distances))


def score_larger_sets(pixels: Asked, released: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Return float64 [K, N] by score of `IN_MORE_ROWS` in pixels, of sets of any size."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in IN_MORE_ROWS}
    for images in released:
        beside = Beside(pixels, images)
        for name, values in found.items():
            values.append(PLAIN[name](beside))
    return {name: np.stack(each).astype(np.float64) for name, each in found.items()}
