"""Images: channels of grey levels."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from medpriv.records.cohort import Fault, Faults, Rows, name_faults, scaling_faults


@dataclass(frozen=True)
class Images:
    """N images.

    Attributes:
        x: uint8 [N, C, H, W], grey levels.
        channels: their names, all different.
        centre, scale: float32 [C, 1, 1], fitted on the training split; scale is above 0.
    """

    modality: ClassVar[str] = "image"
    unit: ClassVar[str] = "grey levels"
    limits: ClassVar[tuple[float, float]] = (0.0, 255.0)  # no attacked image leaves them

    x: np.ndarray
    channels: tuple[str, ...]
    centre: np.ndarray
    scale: np.ndarray

    def __len__(self) -> int:
        """Return N."""
        return len(self.x)

    @property
    def features(self) -> tuple[str, ...]:
        """The channels."""
        return self.channels

    @property
    def units(self) -> tuple[str, ...]:
        """The unit of each channel."""
        return (self.unit,) * len(self.channels)

    def standardised(self, rows: Rows = slice(None)) -> np.ndarray:
        """Return (x - centre) / scale of some images, float32 [rows, C, H, W]: four times the memory of the images."""
        return (self.x[rows] - self.centre) / self.scale

    def tensors(self) -> dict[str, np.ndarray]:
        """Return the arrays by name."""
        return {"x": self.x, "centre": self.centre, "scale": self.scale}

    def about(self) -> dict[str, object]:
        """Return everything else, as JSON keeps it."""
        return {"unit": self.unit}

    @classmethod
    def restore(cls, tensors: dict[str, np.ndarray], about: dict) -> "Images":
        """Return the records that `tensors` and `features` told of."""
        return cls(tensors["x"], tuple(about["features"]), tensors["centre"], tensors["scale"])

    def faults(self) -> Faults:
        """Yield what would make later stages silently wrong."""
        if self.x.dtype != np.uint8 or self.x.ndim != 4:
            yield Fault("x", f"{self.x.dtype} {list(self.x.shape)} instead of uint8 [images, channels, height, width]")
            return
        if len(self.channels) != self.x.shape[1]:
            yield Fault("features", f"{len(self.channels)} entries for {self.x.shape[1]} channels of x")
        yield from name_faults({"features": self.channels})
        yield from scaling_faults(self.centre, self.scale)
