"""Methods that push the model away from the forgotten records while holding it to the retained ones.

All use the first training's optimiser (AdamW on a half cosine) where the originals use SGD with momentum, and batches
sized for these small sets. Where a step has both kinds of records, they go through the network in one batch, so that
batch normalisation sees them together; `forget_batch` records are forgotten a step.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from medpriv.bank.batches import count_updates
from medpriv.bank.losses import cross_entropy_gradient, divergence_gradient
from medpriv.bank.optimiser import cosine
from medpriv.bank.stack import Stack, initial_stack
from medpriv.unlearning.finetuning import repair
from medpriv.unlearning.loops import FORWARD, WeightedBatches, each_record, stack_of, work_on_stacks
from medpriv.unlearning.requests import Outcome, Request

EVALUATED = 128  # records a forward pass, where errors are counted

# Given the stack, its outputs [K, B + F, outputs], the B retained rows and the F forgotten: each record's gradient.
OutputGradient = Callable[[Stack, Tensor, Tensor, Tensor], Tensor]


def neggrad(request: Request, settings: Mapping[str, object]) -> Outcome:
    """NegGrad+ (Kurmanji et al. 2023): min alpha L(retain) - (1 - alpha) L(forget), L the mean cross-entropy."""

    def output_gradient(stack: Stack, outputs: Tensor, rows: Tensor, others: Tensor) -> Tensor:
        return cross_entropy_gradient(outputs, stack.labels[torch.cat([rows, others], 1)])

    alpha = settings["alpha"]
    return _descend(request, settings, lambda some: output_gradient, alpha, alpha - 1)


def relabel(request: Request, settings: Mapping[str, object]) -> Outcome:
    """Random relabelling (Golatkar et al. 2020): min L(retain) + L(forget with a wrong class, drawn once), then repair.

    The repair is `repair_epochs` of plain training on the retained records.
    """
    classes = max(2, request.network.outputs)
    shifts = [rng.integers(1, classes, len(request.y)) for rng in request.generators("labels")]
    wrong = torch.from_numpy((request.y + np.stack(shifts)) % classes)

    def gradient_of(some: slice) -> OutputGradient:
        drawn = wrong[some]

        def output_gradient(stack: Stack, outputs: Tensor, rows: Tensor, others: Tensor) -> Tensor:
            return cross_entropy_gradient(outputs, torch.cat([stack.labels[rows], drawn.gather(1, others)], 1))

        return output_gradient

    return _repaired(request, _descend(request, settings, gradient_of, 1.0, 1.0), settings)


def badteacher(request: Request, settings: Mapping[str, object]) -> Outcome:
    """Bad teacher (Chundawat et al. 2023): min KL(original || model) on retain + KL(untrained || model) on forget.

    Over all retained records; the paper takes a part of them.
    """
    untrained = initial_stack(request.network, request.generators("initial"))

    def gradient_of(some: slice) -> OutputGradient:
        competent, incompetent = (stack_of(request, held, some) for held in (request.start, untrained))

        def output_gradient(stack: Stack, outputs: Tensor, rows: Tensor, others: Tensor) -> Tensor:
            taught = [
                teacher.forward(teacher.gather(some_rows), training=False)
                for teacher, some_rows in ((competent, rows), (incompetent, others))
            ]
            return divergence_gradient(outputs, torch.cat(taught, 1))

        return output_gradient

    return _descend(request, settings, gradient_of, 1.0, 1.0, cost=1 + FORWARD)


def scrub(request: Request, settings: Mapping[str, object]) -> Outcome:
    """SCRUB with rewind (Kurmanji et al. 2023), teacher = the model before.

    Epochs alternate: max KL(teacher || student) over the forgotten records (in the first `max_epochs`), then min
    gamma CE + beta KL(teacher || student) over the retained ones, KL at temperature T times T^2. Of the models after
    each epoch that is kept whose error on the forgotten records comes nearest to the last one's error on records that
    it never saw (of training patients, weighted to the forgotten records' classes).
    """
    retain_size, forget_size = request.schedule.batch_size, settings["forget_batch"]
    retain_updates = count_updates(request.retain_records, 1, retain_size)
    forget_updates = count_updates(request.forget_records, 1, forget_size)
    epochs, max_epochs = settings["epochs"], min(settings["epochs"], settings["max_epochs"])
    learning_rate = settings["rate"] * request.schedule.learning_rate
    total = epochs * retain_updates + max_epochs * forget_updates
    unseen = _sample(request.unseen, settings["references"], request.generators("references"))
    retain_order, forget_order = request.generators("retain"), request.generators("forget")
    checkpoints: list[dict[str, np.ndarray]] = []

    def work(stack: Stack, some: slice) -> None:
        teacher = stack_of(request, request.start, some)
        retain = WeightedBatches(request, request.retain[some], retain_size, retain_order[some])
        forget = WeightedBatches(request, request.forget[some], forget_size, forget_order[some])
        kept, errors = [], []
        update = 0
        for epoch in range(epochs):
            steps = [(forget, True)] * (forget_updates if epoch < max_epochs else 0) + [
                (retain, False)
            ] * retain_updates
            for batches, away in steps:
                rows, weights = batches.next()
                taught = teacher.forward(teacher.gather(rows), training=False)
                outputs = stack.forward(stack.gather(rows))
                output_gradient = distillation_gradient(outputs, taught, settings["temperature"])
                if away:
                    output_gradient.neg_()
                else:
                    output_gradient.mul_(settings["beta"])
                    output_gradient.add_(cross_entropy_gradient(outputs, stack.labels[rows]), alpha=settings["gamma"])
                stack.backward(output_gradient.mul_(weights.unsqueeze(-1)))
                stack.update(learning_rate * cosine(update, total))
                update += 1
            kept.append(stack.parameters())
            errors.append(error_rates(stack, request.forget[some], request.forget[some]))
        reference = error_rates(stack, unseen[some], request.forget[some])
        best = np.abs(np.stack(errors) - reference).argmin(0)
        checkpoints.append({name: np.stack([kept[e][name][r] for r, e in enumerate(best)]) for name in request.start})

    work_on_stacks(request, request.start, max(retain_size, forget_size, EVALUATED), work)
    parameters = {name: np.concatenate([part[name] for part in checkpoints]) for name in request.start}
    trained = (epochs * retain_updates * retain_size + max_epochs * forget_updates * forget_size) * (1 + FORWARD)
    looked_at = FORWARD * (epochs * request.forget.sum(1).mean() + unseen.sum(1).mean())
    return Outcome(parameters, updates=float(total), passes=float(trained + looked_at))


def distillation_gradient(outputs: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return d T^2 KL(softmax(teacher / T) || softmax(outputs / T)) / d outputs of each record."""
    return divergence_gradient(outputs / temperature, teacher / temperature).mul_(temperature)


def error_rates(stack: Stack, members: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Return float64 [K], each model's error on its records (bool [K, N]), its classes weighted as those of `like`.

    Classes that `like` has and the records have not are left out.
    """
    labels = stack.labels.numpy()
    classes = max(2, stack.network.outputs)
    wrong, seen = np.zeros((2, len(members), classes))
    for rows, inside in each_record(members, EVALUATED):
        outputs = stack.forward(stack.gather(rows), training=False)
        predicted = (outputs[..., 0] > 0).long() if outputs.shape[-1] == 1 else outputs.argmax(-1)
        for k, (numbers, guess, counts) in enumerate(zip(rows.numpy(), predicted.numpy(), inside.numpy(), strict=True)):
            true = labels[numbers[counts]]
            seen[k] += np.bincount(true, minlength=classes)
            wrong[k] += np.bincount(true[guess[counts] != true], minlength=classes)
    shares = np.stack([np.bincount(labels[row], minlength=classes) for row in like]) * (seen > 0)
    return (shares * wrong / np.maximum(seen, 1)).sum(1) / np.maximum(shares.sum(1), 1)


def _descend(
    request: Request,
    settings: Mapping[str, object],
    gradient_of: Callable[[slice], OutputGradient],
    retained: float,
    forgotten: float,
    cost: float = 1.0,
) -> Outcome:
    """Train on batches of retained and forgotten records, for `epochs` over the retained ones.

    Args:
        gradient_of: given which models a stack holds, their loss's gradient at the outputs.
        retained, forgotten: weights of the mean loss over either kind.
        cost: passes a record of a batch.
    """
    size, others_size = request.schedule.batch_size, settings["forget_batch"]
    learning_rate = settings["rate"] * request.schedule.learning_rate
    updates = count_updates(request.retain_records, settings["epochs"], size)
    retain_order, forget_order = request.generators("retain"), request.generators("forget")

    def work(stack: Stack, some: slice) -> None:
        output_gradient = gradient_of(some)
        retain = WeightedBatches(request, request.retain[some], size, retain_order[some])
        forget = WeightedBatches(request, request.forget[some], others_size, forget_order[some])
        for update in range(updates):
            (rows, weights), (others, others_weights) = retain.next(), forget.next()
            outputs = stack.forward(stack.gather(torch.cat([rows, others], 1)))
            weights = torch.cat([weights * retained, others_weights * forgotten], 1)
            stack.backward(output_gradient(stack, outputs, rows, others).mul_(weights.unsqueeze(-1)))
            stack.update(learning_rate * cosine(update, updates))

    parameters = work_on_stacks(request, request.start, size + others_size, work)
    return Outcome(parameters, updates=float(updates), passes=float(updates * (size + others_size) * cost))


def _repaired(request: Request, damaged: Outcome, settings: Mapping[str, object]) -> Outcome:
    """Return the outcome after `repair_epochs` more on the retained records."""
    after = repair(request, damaged.parameters, {**settings, "epochs": settings["repair_epochs"]})
    return Outcome(after.parameters, updates=damaged.updates + after.updates, passes=damaged.passes + after.passes)


def _sample(members: np.ndarray, count: int, generators: list[np.random.Generator]) -> np.ndarray:
    """Return bool [R, N]: `count` of each model's records, drawn by name; all where there are fewer."""
    drawn = np.zeros_like(members)
    for row, mask, rng in zip(drawn, members, generators, strict=True):
        records = np.flatnonzero(mask)
        row[rng.choice(records, min(count, len(records)), replace=False)] = True
    return drawn
