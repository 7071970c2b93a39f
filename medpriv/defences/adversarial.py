"""Adversarial training: every update is made on records that are attacked first (Madry et al. 2018).

The inner attack begins at a random point of the budget and takes sign steps, all replicates and records at once, with
batch normalisation in evaluation mode. The smooth form attacks as SAP does (Han et al. 2020,
`medpriv.defences.sap_filter`): it steps on theta, and the record moves by F theta.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from medpriv.bank.losses import cross_entropy_gradient, descend
from medpriv.bank.stack import Stack, Step

REACH = 2.5  # all steps together cross the budget so many times, as in Madry et al.


def adversarial_step(
    budget: np.ndarray,
    steps: int,
    taps: np.ndarray | None = None,
    limits: tuple[np.ndarray, np.ndarray] | None = None,
) -> Step:
    """Return the training step on attacked records.

    Args:
        budget: float32 that fits a record, the L-infinity budget in standardised units.
        steps: of the inner attack.
        taps: the smoothing filter; None attacks every sample by itself (PGD).
        limits: what no value of an attacked record is below and above, likewise; None: no limits.
    """

    def step(stack: Stack, rows: Tensor, weights: Tensor) -> Tensor:
        labels = stack.labels[rows]
        clean = stack.gather(rows)
        attacked = _attack(stack, clean, labels, budget, steps, taps, limits)
        return descend(stack, attacked, labels, weights)

    return step


def smoothed(theta: Tensor, taps: np.ndarray) -> Tensor:
    """Return F theta along the last axis, zeros beyond the ends; one multiply-add a tap: same bytes in any group."""
    half, samples = len(taps) // 2, theta.shape[-1]
    padded = torch.nn.functional.pad(theta, (half, half))
    out = torch.zeros_like(theta)
    for offset, tap in enumerate(taps):
        out.add_(padded[..., offset : offset + samples], alpha=float(tap))
    return out


def _attack(
    stack: Stack,
    clean: Tensor,
    labels: Tensor,
    budget: np.ndarray,
    steps: int,
    taps: np.ndarray | None,
    limits: tuple[np.ndarray, np.ndarray] | None,
) -> Tensor:
    """Return the attacked records, arranged [K, B, ...], in a buffer of the stack."""
    signal = stack.network.restore(clean)  # [K, B, leads, ...], standardised
    ends = None if limits is None else [torch.from_numpy(end) for end in limits]

    def moved(theta: Tensor) -> Tensor:
        found = signal + smooth(theta)
        return found if ends is None else torch.clamp(found, *ends)

    limit = torch.from_numpy(budget)
    smooth: Callable[[Tensor], Tensor] = (lambda theta: smoothed(theta, taps)) if taps is not None else _same
    theta = torch.from_numpy(np.stack([rng.random(signal.shape[1:], np.float32) for rng in stack.noise]))
    theta = theta.mul_(2).sub_(1).mul_(limit)
    attacked = stack.work.buffer("attacked", *clean.shape)
    for _ in range(steps):
        attacked.copy_(stack.network.arrange(moved(theta)))
        output_gradient = cross_entropy_gradient(stack.forward(attacked, training=False), labels)
        gradient = stack.network.restore(stack.input_gradient(output_gradient))
        gradient = smooth(gradient)  # F is symmetric: its own transpose
        theta.addcmul_(torch.sign(gradient), limit, value=REACH / steps)
        theta = torch.clamp(theta, -limit, limit)
    return attacked.copy_(stack.network.arrange(moved(theta)))


def _same(theta: Tensor) -> Tensor:
    return theta
