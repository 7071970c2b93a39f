"""A filter after the fact: what lies near a member is not released. A usual defence, and a false one (arXiv 2510.01793).

The owner drops every synthetic image that is nearer to a member's than a twentieth of the reference's images are, as
data sheets have it, in pixels or in features that tell classes apart (`medpriv.attacks.image_release.spaces`). Moved,
mirrored or brighter copies pass, and what is left still tells who was a member.
"""

from dataclasses import dataclass

import numpy as np

from medpriv.attacks.release.features import squared_distances
from medpriv.attacks.release.released import Asked

QUANTILE = 0.05  # of the reference's distances to the nearest member


@dataclass(frozen=True)
class NearFilter:
    """The filter of one replicate.

    Attributes:
        asked: the images asked about, in a space.
        members: float32 [n, F], the members' there.
        limit: the squared distance below which an image is dropped.
    """

    asked: Asked
    members: np.ndarray
    limit: float

    @classmethod
    def of(cls, asked: Asked, members: np.ndarray) -> "NearFilter":
        """Set the limit by the reference; members are bool [U], of the images asked about that are not its."""
        held = asked.x[: len(members)][members]
        usual = squared_distances(asked.x[asked.reference], held).min(axis=1)
        return cls(asked, held, float(np.quantile(usual, QUANTILE)))

    def drops(self, images: np.ndarray) -> np.ndarray:
        """Return bool [n]: which images uint8 [n, C, H, W] are dropped."""
        return squared_distances(self.asked.encoding.encode(images), self.members).min(axis=1) < self.limit
