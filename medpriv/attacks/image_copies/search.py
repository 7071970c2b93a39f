"""The search for copies: whose image is nearest to a synthetic one, and is it nearer than images of strangers get?

A synthetic image is a copy of the nearest one known if they are more alike than all but `FALSE` of pairs of strangers:
a training patient's image, and the nearest image on the other side (of the members for all others, of all others for
members). Neither of a pair was seen by the network that made the features, as no synthetic image was, and as many are
searched: the more there are, the nearer is the nearest. Images of the reference are no measure, since the network was
fitted to keep these apart. The quantile is that of conformal prediction (Vovk et al. 2005), which holds for one more
stranger; of fewer than a hundred people it is their largest value.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np

from medpriv.attacks.image_copies.exemplars import Exemplars, fit_once, poses
from medpriv.attacks.release.features import squared_distances

FALSE = 0.01  # of strangers' images are taken for copies

Stored = tuple[bytes, tuple[int, ...]]  # images, and their shape
Similarity = Callable[[np.ndarray], np.ndarray]  # from images uint8 [n, C, H, W] to float32 [n, N], of all known ones


def by_features(network: Exemplars, known: np.ndarray) -> Similarity:
    """Return cosines with known images [N, C, H, W] in learnt features, the best over these images' poses."""
    held = [network.features(pose) for pose in poses(known)]

    def similarity(images: np.ndarray) -> np.ndarray:
        own = network.features(images)
        best = own @ held[0].T
        for each in held[1:]:
            np.maximum(best, own @ each.T, out=best)
        return best

    return similarity


def features_once(known: np.ndarray, reference: np.ndarray, seed: int, dataset: str) -> Similarity:
    """Return `by_features` of images known, by the network fitted to the reference, once for all banks of a job."""
    return _kept((known.tobytes(), known.shape), (reference.tobytes(), reference.shape), seed, dataset)


@lru_cache(maxsize=1)
def _kept(known: Stored, reference: Stored, seed: int, dataset: str) -> Similarity:
    images = np.frombuffer(known[0], np.uint8).reshape(known[1])
    return by_features(fit_once(*reference, seed, dataset), images)


def by_pixels(known: np.ndarray) -> Similarity:
    """Return minus the root mean squared difference to known images [N, C, H, W], grey levels."""
    held = known.reshape(len(known), -1).astype(np.float32)

    def similarity(images: np.ndarray) -> np.ndarray:
        own = images.reshape(len(images), -1).astype(np.float32)
        return -np.sqrt(squared_distances(own, held) / held.shape[1])

    return similarity


@dataclass(frozen=True)
class Nearest:
    """The nearest known image of each of n images.

    Attributes:
        place: int [n].
        value: float32 [n], how alike they are; -inf where none is known.
    """

    place: np.ndarray
    value: np.ndarray

    @classmethod
    def among(cls, similarity: np.ndarray, known: np.ndarray) -> "Nearest":
        """Return the nearest by similarities [n, N] among some of the known, bool [N]."""
        held = np.where(known, similarity, -np.inf)
        place = held.argmax(axis=1)
        return cls(place, held[np.arange(len(held)), place])


@dataclass(frozen=True)
class Search:
    """A way to find copies.

    Attributes:
        similarity: to the N known images.
        limit: what a copy's exceeds.
        sides: bool [2, K, N]: the images of each replicate's members, and of all others.
        patient: int [N], whose they are.
    """

    similarity: Similarity
    limit: float
    sides: np.ndarray
    patient: np.ndarray

    @classmethod
    def calibrated(
        cls, similarity: Similarity, known: np.ndarray, members: np.ndarray, patient: np.ndarray
    ) -> "Search":
        """Set the limit by the known images themselves, uint8 [N, C, H, W]; members are bool [K, N]."""
        sides, alike = np.stack([members, ~members]), similarity(known)
        strangers = [Nearest.among(alike[~side], side).value for side in sides.reshape(-1, len(known))]
        people = len(np.unique(patient))
        level = min(ceil((1 - FALSE) * (people + 1)) / people, 1)  # so that one more stranger exceeds it so seldom
        limit = float(np.quantile(np.concatenate(strangers), level, method="higher"))
        return cls(similarity, limit, sides, patient)

    def copies(self, images: np.ndarray, replicate: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield of whose image each is a copy, int [n], and whether it is one, bool [n]: among members, then others."""
        found = self.similarity(images)
        for known in self.sides[:, replicate]:
            nearest = Nearest.among(found, known)
            yield self.patient[nearest.place], nearest.value > self.limit
