"""Amnesiac unlearning (Graves et al. 2021): take back the updates whose batches held a forgotten record, then repair.

The method keeps every update of the training. Here the training is replayed instead, from the same generators and thus
with the same batches and bytes, and only the sum to be taken back is kept. Replaying counts as part of the training.

The authors' batches rarely hold what is to be forgotten. A replicate of mitdb is trained on some dozen patients, each
of whom is in nearly every batch: nearly the whole training is taken back, and what is left is little more than the
first weights, repaired. Running statistics are no updates of the optimiser; they stay, and the repair moves them.
"""

from collections.abc import Mapping
from time import process_time

import numpy as np
import torch

from medpriv.bank.engine import is_lone
from medpriv.bank.losses import cross_entropy
from medpriv.bank.optimiser import cosine
from medpriv.bank.stack import Parameters, Stack, initial_stack
from medpriv.unlearning.finetuning import repair
from medpriv.unlearning.loops import WeightedBatches, work_on_stacks
from medpriv.unlearning.requests import Outcome, Request


def amnesiac(request: Request, settings: Mapping[str, object]) -> Outcome:
    """Take back the updates that saw a forgotten record; `repair_epochs` over the retained records follow."""
    began = process_time()
    taken = {name: np.zeros_like(value) for name, value in request.start.items()}
    for updates in np.unique(request.trained_updates):  # models of equal length are replayed together
        some = np.flatnonzero(request.trained_updates == updates)
        for name, value in updates_with(request.select(some), request.forget[some])[0].items():
            taken[name][some] = value
    prepared = process_time() - began
    left = {name: value - taken[name] for name, value in request.start.items()}
    outcome = repair(request, left, {**settings, "epochs": settings["repair_epochs"]})
    return Outcome(outcome.parameters, updates=outcome.updates, passes=outcome.passes, prepared=prepared)


def updates_with(request: Request, wanted: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Replay the training; return the sum of the updates whose batches held a wanted record, and where it ended.

    Args:
        request: of models that were trained for equally many updates.
        wanted: bool [R, N].

    Returns:
        Twice name -> [R, ...]; the sum is 0 for running statistics.
    """
    if is_lone(request.network, request.start, request.schedule.batch_size):
        pair = updates_with(request.select(np.array([0, 0])), np.repeat(wanted, 2, axis=0))
        return tuple({name: value[:1] for name, value in found.items()} for found in pair)
    updates, size = int(request.trained_updates[0]), request.schedule.batch_size
    members, order, seen = request.forget | request.remaining, request.replayed("batches"), torch.from_numpy(wanted)
    start = request.before
    if start is None:
        start = initial_stack(request.network, request.replayed("initial"))
    sums: list[Parameters] = []

    def work(stack: Stack, some: slice) -> None:
        batches = WeightedBatches(request, members[some], size, order[some])
        total = {name: torch.zeros(value.shape) for name, value in stack.gradients.items()}
        for update in range(updates):
            rows, weights = batches.next()
            cross_entropy(stack, rows, weights)
            held = {name: stack.held[name].clone() for name in total}
            stack.update(request.schedule.learning_rate * cosine(update, updates))
            hit = seen[some].gather(1, rows).any(1)
            for name, value in total.items():
                value[hit] += (stack.held[name] - held[name])[hit]
        rest = {name: np.zeros(value.shape, np.float32) for name, value in stack.held.items() if name not in total}
        sums.append({name: value.numpy() for name, value in total.items()} | rest)

    ended = work_on_stacks(request, start, size, work)
    return {name: np.concatenate([part[name] for part in sums]) for name in start}, ended
