"""Training of a language model on answers: AdamW on the mean loss over a batch's answer tokens, at a constant rate.

A constant rate makes the models after 1, 3 and 10 epochs snapshots of one run.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from medpriv.language.model import Transformer
from medpriv.language.texts import Batch, LabelledTexts, batch_of, shuffled_batches

Words = Callable[[int, np.random.Generator], LabelledTexts]


@dataclass(frozen=True)
class Schedule:
    """How long and how quickly a model is trained.

    Attributes:
        epochs: passes over the texts.
        batch_size: texts an update.
        learning_rate: of AdamW; constant.
        weight_decay: of AdamW, on matrices alone.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.0


def answer_loss(model: Transformer, batch: Batch) -> Tensor:
    """Return the mean negative log-probability of the batch's answer tokens."""
    return functional.cross_entropy(model.output(model.hidden(batch.tokens)[batch.rows, batch.columns]), batch.targets)


def train(
    model: Transformer,
    texts: LabelledTexts,
    schedule: Schedule,
    rng: np.random.Generator,
    snapshots: Collection[int] = (),
    words: Words | None = None,
) -> dict[int, dict[str, Tensor]]:
    """Train what the model has to learn, in place; return it as it was after some epochs.

    Args:
        model: its parameters without `requires_grad` stay.
        texts: one replicate's.
        schedule: how long and how quickly.
        rng: draws the order of texts, and is given to `words`.
        snapshots: epochs, from 1 to those of the schedule; the last alone unless given.
        words: gives the texts of an epoch (from 0) in other words; same texts in the same order.

    Returns:
        epoch -> the learnt parameters by name: a state dict, of LoRA its own entries alone.
    """
    device = next(model.parameters()).device
    learnt = {name: value for name, value in model.named_parameters() if value.requires_grad}
    optimiser = adamw(list(learnt.values()), schedule)
    kept = {}
    for epoch in range(schedule.epochs):
        now = texts if words is None else words(epoch, rng)
        for records in shuffled_batches(now.lengths, schedule.batch_size, rng):
            optimiser.zero_grad()
            answer_loss(model, batch_of(now.tokens, now.offsets, now.answer, records).to(device)).backward()
            optimiser.step()
        if epoch + 1 in (snapshots or (schedule.epochs,)):
            kept[epoch + 1] = {name: value.detach().cpu().clone() for name, value in learnt.items()}
    return kept


def adamw(parameters: list[Tensor], schedule: Schedule) -> torch.optim.AdamW:
    """Return the optimiser; biases and normalisations don't decay."""
    groups = [
        {"params": [value for value in parameters if value.ndim > 1], "weight_decay": schedule.weight_decay},
        {"params": [value for value in parameters if value.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, lr=schedule.learning_rate, fused=True)
