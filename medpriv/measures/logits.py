"""What a classifier's logits say about the true class of each record."""

import numpy as np
from scipy.special import log_softmax, logsumexp


def true_class_logit(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return phi = z_y - logsumexp of the other z, float64 [K, N], from logits [K, N, C] and classes y [N].

    The same number as log p_y - log(1 - p_y), without the loss of digits where p_y is near 0 or 1.
    """
    phi = np.take_along_axis(logits, y[None, :, None], axis=2)[..., 0].astype(np.float64)
    is_true = np.arange(logits.shape[2]) == y[:, None]
    for row, said in zip(phi, logits, strict=True):  # one model at a time: memory
        row -= logsumexp(np.where(is_true, -np.inf, said.astype(np.float64)), axis=1)
    return phi


def log_probability(phi: np.ndarray) -> np.ndarray:
    """Return log p_y = -log(1 + exp(-phi))."""
    return -np.logaddexp(0.0, -phi)


def record_losses(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the cross-entropy -log p_y, float64 [K, N], of logits [K, N, C] with classes [N] or [K, N]."""
    picked = np.broadcast_to(y, logits.shape[:2])[..., None]
    return -np.take_along_axis(log_softmax(logits.astype(np.float64), axis=2), picked, axis=2)[..., 0]
