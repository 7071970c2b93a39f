"""Several models' parameters in one matrix, a model a row: what sums, norms and steps over whole models work on."""

from collections.abc import Mapping
from math import prod

import numpy as np
import torch
from torch import Tensor

from medpriv.models.layers import ALIGNED


class Flat:
    """Where each parameter lies in a row of D floats.

    Every parameter begins at a multiple of `ALIGNED` floats, so that a model's bytes don't depend on its row (see
    `medpriv.models.layers.allocate_stack`); what lies between stays 0.

    Args:
        shapes: name -> shape of one model's parameter.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._places: dict[str, tuple[slice, tuple[int, ...]]] = {}
        self.width = 0
        for name, shape in shapes.items():
            self._places[name] = (slice(self.width, self.width + prod(shape)), tuple(shape))
            self.width += prod(shape) + -prod(shape) % ALIGNED

    def pack(self, arrays: Mapping[str, np.ndarray]) -> Tensor:
        """Return float32 [M, D] of name -> [M, ...]; other names are passed over."""
        models = len(next(iter(arrays.values())))
        flat = torch.zeros(models, self.width)
        for name, view in self.views(flat).items():
            view.copy_(torch.from_numpy(np.ascontiguousarray(arrays[name])))
        return flat

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """Return name -> [M, ...], views into [M, D]."""
        return {name: flat[:, place].unflatten(1, shape) for name, (place, shape) in self._places.items()}

    def unpack(self, flat: Tensor) -> dict[str, np.ndarray]:
        """Return name -> float32 [M, ...], copies."""
        return {name: np.ascontiguousarray(view.numpy()).copy() for name, view in self.views(flat).items()}
