"""A filter after the fact: what lies near a member is not released. A usual, false defence (arXiv 2510.01793).

The owner drops every synthetic image that is nearer to a member's than a twentieth of the reference's images are, as
data sheets have it: in pixels, or between embeddings (those of the search for copies, without its poses: no owner has
better ones). Changed copies pass, and what is left may still tell who was a member.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from medpriv.attacks.release.features import squared_distances

QUANTILE = 0.05  # of the reference's distances to the nearest member

Embedding = Callable[[np.ndarray], np.ndarray]  # from images uint8 [n, C, H, W] to float32 [n, F]


def pixels(images: np.ndarray) -> np.ndarray:
    """Return float32 [n, C * H * W], white being 1, of images uint8 [n, C, H, W]."""
    return images.reshape(len(images), -1).astype(np.float32) / 255


@dataclass(frozen=True)
class NearFilter:
    """The filter of one replicate.

    Attributes:
        embed: where images are near.
        members: float32 [n, F], the members' images there.
        limit: the squared distance below which an image is dropped.
    """

    embed: Embedding
    members: np.ndarray
    limit: float

    @classmethod
    def of(cls, embed: Embedding, members: np.ndarray, reference: np.ndarray) -> "NearFilter":
        """Set the limit by the reference, uint8 [M, C, H, W]; members likewise."""
        held = embed(members)
        usual = squared_distances(embed(reference), held).min(axis=1)
        return cls(embed, held, float(np.quantile(usual, QUANTILE)))

    def drops(self, images: np.ndarray) -> np.ndarray:
        """Return bool [n]: which images uint8 [n, C, H, W] are dropped."""
        return squared_distances(self.embed(images), self.members).min(axis=1) < self.limit
