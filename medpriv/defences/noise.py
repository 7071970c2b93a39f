"""Gaussian-noise training: every record is learnt with fresh white noise on it, which randomised smoothing builds on
(Cohen et al. 2019; the certificate is in `medpriv.attacks.randomized_smoothing`)."""

import numpy as np
import torch
from torch import Tensor

from medpriv.bank.losses import descend
from medpriv.bank.stack import Stack, Step


def noise_step(deviation: np.ndarray) -> Step:
    """Return the training step; the noise's standard deviation is float32 that fits a record, in standardised units."""
    scale = torch.from_numpy(deviation)

    def step(stack: Stack, rows: Tensor, weights: Tensor) -> Tensor:
        batch = stack.gather(rows)
        signal = stack.network.restore(batch)
        drawn = [rng.standard_normal(signal.shape[1:], np.float32) for rng in stack.noise]
        batch.copy_(stack.network.arrange(signal + torch.from_numpy(np.stack(drawn)) * scale))
        return descend(stack, batch, stack.labels[rows], weights)

    return step
