"""What a client does to its activations before they leave, and to the gradient that comes back.

A defence takes the records [K, B, ...], the activations [K, B, ...] and one generator a replicate. It returns what is
sent, and a function from the gradient of what was sent to the gradient of the activations. The server needs to know
nothing of it.

- `nopeek` (Vepakomma et al. 2020): the client adds `strength` dCor(records, activations) to the loss, the distance
  correlation within the batch. Nothing is changed on the way out, so it protects by what the layers have learnt.
- `noisy`: every record's activation is clipped to a norm, then Gaussian noise is added, in training and afterwards.
"""

from collections.abc import Callable, Sequence
from math import sqrt

import numpy as np
import torch
from torch import Tensor

from medpriv.models.layers import allocate_stack

Back = Callable[[Tensor], Tensor]
Defence = Callable[[Tensor, Tensor, Sequence[np.random.Generator]], tuple[Tensor, Back]]

TINY = 1e-12


def plain(records: Tensor, activations: Tensor, noise: Sequence[np.random.Generator]) -> tuple[Tensor, Back]:
    """Send the activations as they are."""
    return activations, lambda gradient: gradient


def nopeek(strength: float) -> Defence:
    """Return the defence that makes layers forget what the records look like."""

    def defend(records: Tensor, activations: Tensor, noise: Sequence[np.random.Generator]) -> tuple[Tensor, Back]:
        def back(gradient: Tensor) -> Tensor:
            leaf = activations.detach().clone().requires_grad_()
            penalty = distance_correlation(records, leaf).sum()
            (pull,) = torch.autograd.grad(penalty, leaf)
            return gradient.add_(pull, alpha=strength)

        return activations, back

    return defend


def noisy(clip: float, deviation: float) -> Defence:
    """Return the defence that clips (see `clipped`) and blurs.

    Args:
        clip: the largest root mean square of a record's activation over its units.
        deviation: standard deviation of each unit's noise, in parts of `clip`.
    """

    def defend(records: Tensor, activations: Tensor, noise: Sequence[np.random.Generator]) -> tuple[Tensor, Back]:
        sent, back = clipped(activations, clip)
        drawn = np.stack([rng.standard_normal(activations.shape[1:], np.float32) for rng in noise])
        return sent.add_(torch.from_numpy(drawn), alpha=clip * deviation), back

    return defend


def clipped(activations: Tensor, clip: float) -> tuple[Tensor, Back]:
    """Return activations [K, B, ...] with norms of at most clip * sqrt(units) a record, and the way back."""
    flat = activations.flatten(2)
    norm = flat.norm(dim=2, keepdim=True).clamp_min(TINY)
    factor = (clip * sqrt(flat.shape[2]) / norm).clamp_max(1)
    unit = flat / norm

    def back(gradient: Tensor) -> Tensor:
        # Of z factor, factor = c / |z| where clipped: factor (g - u (u . g)); else g.
        flat = gradient.flatten(2)
        along = (flat * unit).sum(2, keepdim=True) * (factor < 1)
        pulled = (flat - unit * along) * factor
        return allocate_stack(activations.shape).copy_(pulled.view(activations.shape))

    return allocate_stack(activations.shape).copy_((flat * factor).view(activations.shape)), back


def distance_correlation(x: Tensor, z: Tensor) -> Tensor:
    """Return the distance correlation within each replicate's batch, [K], of x [K, B, ...] and z [K, B, ...].

    dCor = sqrt(dCov²(x, z) / sqrt(dVar²(x) dVar²(z))), the biased estimate from doubly centred pairwise Euclidean
    distances (Székely, Rizzo and Bakirov 2007). 0 where either doesn't vary.
    """
    a, b = (_centred_distances(values.flatten(2)) for values in (x, z))
    covariance = (a * b).mean((1, 2))
    variance = (a * a).mean((1, 2)) * (b * b).mean((1, 2))
    known = (variance > TINY) & (covariance > TINY)
    safe = torch.where(known, variance, 1.0)
    return torch.where(known, torch.where(known, covariance, 1.0).sqrt() / safe.sqrt().sqrt(), 0.0)


def _centred_distances(values: Tensor) -> Tensor:
    """Return [K, B, B], pairwise distances with zero row and column means."""
    distances = torch.cdist(values, values, compute_mode="donot_use_mm_for_euclid_dist")
    rows = distances.mean(2, keepdim=True)
    return distances - rows - rows.transpose(1, 2) + rows.mean(1, keepdim=True)
