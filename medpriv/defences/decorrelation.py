"""Ensembles whose members look at different things (DNA-ECG, Yang et al. 2024, after its abstract and settings).

Each member learns by its own cross-entropy, on its share of the spectrum (`medpriv.models.ensemble`), and pays for
features that another member has as well:

    strength * mean over pairs of members of |C|_F^2 / F,   C = Z_a^T Z_b / B

where Z are the last convolution's channels, averaged over positions and standardised over the batch, [B, F]: the mean
squared correlation of a feature with all of another member's features. The penalty is our reading: the paper's own form
could not be read.
"""

from itertools import combinations

import torch
from torch import Tensor

from medpriv.bank.losses import cross_entropy_gradient
from medpriv.bank.stack import Stack, Step

TINY = 1e-5  # added to variances


def decorrelation_step(strength: float) -> Step:
    """Return the training step of an ensemble network of stacked convolutions."""

    def step(stack: Stack, rows: Tensor, weights: Tensor) -> Tensor:
        labels, network, work = stack.labels[rows], stack.network, stack.work
        mean = stack.forward(stack.gather(rows))
        members = range(len(network.members))
        output_gradients = [
            cross_entropy_gradient(work.saved[f"{index}.outputs"], labels).mul_(weights.unsqueeze(-1))
            for index in members
        ]
        features = [work.saved[f"{member.layers[-1].name}.x"] for member in network.members]  # [K, B, positions * F]
        widths = [member.layers[-2].channels for member in network.members]
        extra = _penalty_gradients(features, widths, strength)
        network.backward_members(stack.held, output_gradients, work, stack.gradients, extra=extra)
        return cross_entropy_gradient(mean, labels).mul_(weights.unsqueeze(-1))

    return step


def correlation_penalty(features: list[Tensor], widths: list[int]) -> Tensor:
    """Return the penalty before its strength, summed over replicates; features [K, B, positions * F] a member."""
    standardised = []
    for values, width in zip(features, widths, strict=True):
        pooled = values.unflatten(-1, (-1, width)).mean(2)  # [K, B, F]
        centred = pooled - pooled.mean(1, keepdim=True)
        standardised.append(centred / (centred.square().mean(1, keepdim=True) + TINY).sqrt())
    pairs = list(combinations(standardised, 2))
    shared = [(one.transpose(1, 2) @ other / one.shape[1]).square().sum((1, 2)) / one.shape[2] for one, other in pairs]
    return torch.stack(shared).sum() / len(pairs)


def _penalty_gradients(features: list[Tensor], widths: list[int], strength: float) -> list[Tensor]:
    held = [values.detach().clone().requires_grad_() for values in features]
    with torch.enable_grad():
        (strength * correlation_penalty(held, widths)).backward()
    return [values.grad for values in held]
