"""Adam on one flat vector, without `torch.optim` (whose first optimizer costs two seconds of imports).

All parameters of all replicates stand in one vector, and so do their gradients and moments: one fused kernel call an
update. The rule is elementwise, so replicates stay independent.
"""

from math import cos, pi

import torch

from medpriv.models.layers import Tensors, allocate_stack

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019).

    Attributes:
        parameters, gradients: name -> [K, ...], views into the flat vectors.
    """

    _kernel = torch._fused_adamw_

    def __init__(self, parameters: Tensors, weight_decay: float, betas: tuple[float, float] = BETAS) -> None:
        layout, size = _layout(parameters)
        self._weights, self._flat_gradients, self._first, self._second = (torch.zeros(size) for _ in range(4))
        self._step = torch.zeros(())
        self._weight_decay, self._betas = weight_decay, betas
        self.parameters = {name: self._weights.as_strided(*place) for name, place in layout.items()}
        self.gradients = {name: self._flat_gradients.as_strided(*place) for name, place in layout.items()}
        for name, value in parameters.items():
            self.parameters[name].copy_(value)

    def copy_gradients(self) -> torch.Tensor:
        """Return a copy of all gradients, one flat vector."""
        return self._flat_gradients.clone()

    def add_gradients(self, others: torch.Tensor) -> None:
        """Add a vector of `copy_gradients` to the gradients."""
        self._flat_gradients += others

    def update(self, learning_rate: float) -> None:
        """Move the parameters by the gradients that stand in `gradients`."""
        self._step += 1
        type(self)._kernel(
            [self._weights],
            [self._flat_gradients],
            [self._first],
            [self._second],
            [],
            [self._step],
            lr=learning_rate,
            beta1=self._betas[0],
            beta2=self._betas[1],
            weight_decay=self._weight_decay,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )


class Adam(AdamW):
    """Adam with weight decay as a part of the gradient (Kingma & Ba 2015), as published GANs use it."""

    _kernel = torch._fused_adam_


def cosine(step: int, steps: int) -> float:
    """Return the share of the peak learning rate at a step: 1 at step 0, falling to 0 along a half cosine."""
    return 0.5 * (1 + cos(pi * step / steps))


def _layout(parameters: Tensors) -> tuple[dict[str, tuple[tuple[int, ...], tuple[int, ...], int]], int]:
    """Return where each parameter lies in the flat vectors (shape, strides, start) and their length in floats.

    Each replicate's part of a parameter is aligned as in `allocate_stack`.
    """
    places, start = {}, 0
    for name, value in parameters.items():
        like = allocate_stack(value.shape)
        places[name] = (tuple(value.shape), like.stride(), start)
        start += len(value) * like.stride(0)
    return places, start
