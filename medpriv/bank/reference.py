"""One replicate after another with plain torch modules and `torch.optim`: the slow form that the engine must equal.

Tests hold the engine to it, benchmarks time it. Nothing in the pipeline calls it.
"""

from collections.abc import Sequence

import numpy as np
import torch

from medpriv.bank.batches import Batches
from medpriv.bank.engine import Schedule
from medpriv.bank.losses import class_weights
from medpriv.models.network import Network


def train_one_by_one(
    network: Network,
    x: np.ndarray,
    y: np.ndarray,
    members: np.ndarray,
    schedule: Schedule,
    initial: Sequence[np.random.Generator],
    order: Sequence[np.random.Generator],
) -> list[torch.nn.Module]:
    """Train what `medpriv.bank.engine.train` would; return the K modules in evaluation mode."""
    records, labels = torch.from_numpy(x), torch.from_numpy(y)
    weights = torch.from_numpy(class_weights(y, members, max(2, network.outputs), schedule.balance))
    modules = []
    for k in range(len(members)):
        first = {name: value[None] for name, value in network.initial(initial[k]).items()}
        module = network.reference(first, 0)
        optimiser = torch.optim.AdamW(
            module.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay
        )
        decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, schedule.updates)
        batches = Batches(members[k : k + 1], schedule.batch_size, order[k : k + 1])
        for _ in range(schedule.updates):
            rows = torch.from_numpy(batches.next()[0])
            optimiser.zero_grad()
            (record_losses(module(records[rows]), labels[rows]) * weights[k][labels[rows]]).mean().backward()
            optimiser.step()
            decay.step()
        modules.append(module.eval())
    return modules


def record_losses(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of each record, [B]; one output is the logit of class 1."""
    if outputs.shape[-1] == 1:
        target = labels.to(outputs.dtype)
        return torch.nn.functional.binary_cross_entropy_with_logits(outputs[:, 0], target, reduction="none")
    return torch.nn.functional.cross_entropy(outputs, labels, reduction="none")


def predict_one_by_one(modules: Sequence[torch.nn.Module], x: np.ndarray) -> np.ndarray:
    """Return logits [K, N, C], as `medpriv.bank.engine.logits`."""
    with torch.no_grad():
        outputs = np.stack([module(torch.from_numpy(x)).numpy() for module in modules])
    return np.concatenate([np.zeros_like(outputs), outputs], -1) if outputs.shape[-1] == 1 else outputs
