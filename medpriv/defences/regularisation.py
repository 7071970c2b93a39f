"""Penalties on how fast the outputs change with the record: Jacobian and noise-to-signal ratio (NSR).

Both need the gradient, with respect to the parameters, of a norm of an input gradient. For a scalar s of the outputs
and g = ds/dx, the derivative of a norm of g is a directional one, with the direction held fixed:

    d|g|_2 / dtheta = d/dtheta (u . g),  u = g / |g|_2;      d|g|_1 / dtheta = d/dtheta (sign(g) . g)

and u . g is the derivative of s along u, here by a central difference: two more passes, no second-order backward. Where
a ReLU turns over within the difference's reach, it gives the mean slope over the reach and not the one at the record.

Jacobian (Hoffman et al. 2019): strength / 2 |J|_F^2, estimated by one random unit vector v: C |v J|_2^2 of C outputs.
NSR (Ma and Liang 2020): strength log(1 + NSR), NSR = sum_i budget_i |g_i| / margin: how far a change within the budget
can move the margin, to first order. Our margin is the true logit minus the highest other one (theirs is the true logit
alone, which cross-entropy leaves undetermined); records that are misclassified have no margin and no penalty.
"""

import numpy as np
import torch
from torch import Tensor

from medpriv.bank.losses import cross_entropy_gradient, descend
from medpriv.bank.stack import Stack, Step
from medpriv.models.layers import allocate_stack

REACH = 0.01  # of the central difference along a unit vector, standardised units
TINY = 1e-12


def jacobian_step(strength: float) -> Step:
    """Return cross-entropy with the Jacobian penalty."""

    def step(stack: Stack, rows: Tensor, weights: Tensor) -> Tensor:
        clean = _kept(stack, rows)
        outputs = stack.forward(clean, training=False)
        drawn = np.stack([rng.standard_normal(outputs.shape[1:], np.float32) for rng in stack.noise])
        vector = torch.from_numpy(drawn / np.maximum(np.linalg.norm(drawn, axis=-1, keepdims=True), TINY))
        gradient = stack.input_gradient(_laid_out(vector)).clone()
        norm = _norms(gradient)
        output_gradient = descend(stack, clean, stack.labels[rows], weights)
        # d/dtheta (strength / 2 C |g|^2) = strength C |g| d|g| / dtheta
        factor = (strength * outputs.shape[-1] * norm * weights).unsqueeze(-1)
        direction = gradient / _like(norm.clamp_min(TINY), gradient)
        _add_directional(stack, clean, direction, REACH, vector * factor)
        return output_gradient

    return step


def nsr_step(strength: float, budget: np.ndarray) -> Step:
    """Return cross-entropy with the NSR penalty; the budget is float32 that fits a record, in standardised units."""

    def step(stack: Stack, rows: Tensor, weights: Tensor) -> Tensor:
        labels = stack.labels[rows]
        clean = _kept(stack, rows)
        signal = torch.from_numpy(np.broadcast_to(budget, stack.network.shape).astype(np.float32))
        limit = stack.network.arrange(signal)
        outputs = stack.forward(clean, training=False)
        margin, pull = margins(outputs, labels)
        gradient = stack.input_gradient(_laid_out(pull)).clone()
        reach = (gradient.abs() * limit).flatten(2).sum(-1)  # [K, B]
        right = margin > 0
        held = margin.clamp_min(TINY)
        ratio = reach / held
        outer = torch.where(right, strength * weights / (1 + ratio), 0.0)
        output_gradient = cross_entropy_gradient(stack.forward(clean), labels).mul_(weights.unsqueeze(-1))
        # d log(1 + r/m) = (dr / m - r dm / m^2) / (1 + r/m)
        stack.backward(_laid_out(output_gradient - pull * (outer * ratio / held).unsqueeze(-1)))
        _add_directional(stack, clean, torch.sign(gradient) * limit, 0.5, pull * (outer / held).unsqueeze(-1))
        return output_gradient

    return step


def margins(outputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the true logit minus the highest other, [K, B], and its gradient by the outputs, [K, B, C]."""
    if outputs.shape[-1] == 1:
        sign = (2.0 * labels - 1).unsqueeze(-1)
        return (outputs * sign).squeeze(-1), sign
    true = torch.nn.functional.one_hot(labels, outputs.shape[-1]).float()
    others = outputs.masked_fill(true.bool(), -torch.inf)
    rival = torch.nn.functional.one_hot(others.argmax(-1), outputs.shape[-1]).float()
    pull = true - rival
    return (outputs * pull).sum(-1), pull


def _add_directional(stack: Stack, clean: Tensor, direction: Tensor, reach: float, output_gradient: Tensor) -> None:
    """Add to the gradients d/dtheta of output_gradient . outputs' derivative along `direction`, centrally."""
    batch = stack.work.buffer("moved", *clean.shape)
    for sign in (1, -1):
        torch.add(clean, direction, alpha=sign * reach, out=batch)
        stack.forward(batch)
        stack.backward(_laid_out(output_gradient * (sign / (2 * reach))), add=True)


def _kept(stack: Stack, rows: Tensor) -> Tensor:
    """Return the records in a buffer of their own, which the next gather leaves alone."""
    batch = stack.gather(rows)
    return stack.work.buffer("clean", *batch.shape).copy_(batch)


def _norms(values: Tensor) -> Tensor:
    """Return the L2 norms [K, B] of [K, B, ...]."""
    return values.flatten(2).square().sum(-1).sqrt()


def _like(values: Tensor, other: Tensor) -> Tensor:
    """Return [K, B] with as many axes as `other`."""
    return values.reshape(*values.shape, *(1,) * (other.dim() - 2))


def _laid_out(values: Tensor) -> Tensor:
    """Return a copy in the layout of `allocate_stack`, which a backward pass may overwrite."""
    return allocate_stack(values.shape).copy_(values)
