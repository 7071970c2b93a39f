"""Losses by their gradient at the outputs, record by record, laid out in memory as stacks need it.

Outputs are [K, B, C], or [K, B, 1] of a binary model, whose one output z stands for the logits [0, z].
"""

import numpy as np
import torch
from torch import Tensor

from medpriv.bank.stack import Stack
from medpriv.models.layers import allocate_stack


def cross_entropy(stack: Stack, rows: Tensor, weights: Tensor) -> Tensor:
    """Take the plain training step: weighted cross-entropy with the records' labels."""
    return descend(stack, stack.gather(rows), stack.labels[rows], weights)


def descend(stack: Stack, batch: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Leave the gradients of weighted cross-entropy on arranged records [K, B, ...]; return the outputs' gradient."""
    output_gradient = cross_entropy_gradient(stack.forward(batch), labels).mul_(weights.unsqueeze(-1))
    stack.backward(output_gradient)
    return output_gradient


def cross_entropy_gradient(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return d cross-entropy / d outputs, [K, B, outputs], of each record; labels int64 [K, B]."""
    if outputs.shape[-1] == 1:
        probability = allocate_stack(outputs.shape[:2]).copy_(outputs.squeeze(-1))
        return torch.sigmoid(probability, out=probability).sub_(labels).unsqueeze(-1)
    probabilities = allocate_stack(outputs.shape).copy_(torch.softmax(outputs, -1))
    return probabilities.sub_(torch.nn.functional.one_hot(labels, outputs.shape[-1]))


def divergence_gradient(outputs: Tensor, teacher: Tensor) -> Tensor:
    """Return d KL(teacher || student) / d outputs of each record: the student's probabilities minus the teacher's.

    Args:
        outputs, teacher: [K, B, outputs], the student's and the teacher's outputs (logits).
    """
    activation = torch.sigmoid if outputs.shape[-1] == 1 else lambda values: torch.softmax(values, -1)
    return allocate_stack(outputs.shape).copy_(activation(outputs)).sub_(activation(teacher))


def class_weights(y: np.ndarray, members: np.ndarray, classes: int, balance: float) -> np.ndarray:
    """Return float32 [K, classes]: what a record of each class weighs in each replicate's loss (see `Schedule`)."""
    counts = np.stack([np.bincount(y[row], minlength=classes) for row in members])
    shares = counts / counts.sum(1, keepdims=True)
    weights = np.where(counts > 0, np.maximum(shares, 1e-12) ** -balance, 0)
    return (weights / (weights * shares).sum(1, keepdims=True)).astype(np.float32)
