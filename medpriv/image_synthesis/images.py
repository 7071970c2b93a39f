"""What a generator of images is given, and what it makes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LabelledImages:
    """Images of one replicate, real or synthetic.

    Attributes:
        x: uint8 [n, C, H, W], grey levels.
        y: int64 [n], the class of each.
        patient: int32 [n], whose each is; None of synthetic ones, which are nobody's.
    """

    x: np.ndarray
    y: np.ndarray
    patient: np.ndarray | None = None

    def __len__(self) -> int:
        """Return n."""
        return len(self.x)


@dataclass(frozen=True)
class ImageSynthesis:
    """What a generator made of the images of K replicates.

    Attributes:
        samples: K synthetic sets.
        costs: of one model on average (`updates`, `flops`, `parameters`, as far as they make sense).
        guarantee: what the models guarantee (epsilon, delta, ...), as `medpriv.privacy` states it; None for nothing.
        weights: name -> [K, ...], where a model can be queried or is audited by its weights; else None.
        audit_arrays: name -> [K, ...], what audits need beside.
    """

    samples: Sequence[LabelledImages]
    costs: dict[str, float]
    guarantee: dict[str, object] | None = None
    weights: dict[str, np.ndarray] | None = None
    audit_arrays: dict[str, np.ndarray] | None = None
