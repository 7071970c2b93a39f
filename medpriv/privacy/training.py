"""Differentially private training of K replicates at once: DP-SGD and DP-Adam with patients as the unit.

A step draws each member unit with probability q (`medpriv.privacy.batches`), takes the gradient g_u of the mean loss of
the unit's records, and moves by

    (sum_u g_u min(1, C / |g_u|) + N(0, deviation^2)) / batch,        deviation = noise multiplier * C

with `batch` fixed beforehand (Abadi et al., CCS 2016; Poisson sampling and a fixed denominator as in Ponomareva et al.,
JAIR 2023). A step that draws nobody moves by noise alone. Only the sum depends on anybody's records.

Neighbours are those of zero-out: the same number n of units, which is public, but one unit's records are replaced by
nothing. Whatever follows from n (q, `batch`, the noise) is the same for both, and the unit, drawn or not, changes the
sum by at most C, however many records it has. The guarantee is worked out in `medpriv.privacy.accountant`; nothing in
here claims one, so that an auditor can train without noise or clipping, too.

    train_private(network, x, y, unit, members, schedule, initial=, sampling=, noise=) -> parameters

`PrivateStack` is one group of replicates in training, for those who drive the steps themselves.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from medpriv.bank import engine
from medpriv.bank.losses import cross_entropy_gradient
from medpriv.bank.optimiser import AdamW, cosine
from medpriv.bank.stack import Parameters, arranged, initial_stack
from medpriv.errors import InputError
from medpriv.models.layers import Workspace, allocate_stack
from medpriv.models.network import Network
from medpriv.privacy.batches import Pass, PoissonBatches
from medpriv.privacy.bookkeeping import add_clipped, unit_squares
from medpriv.privacy.noise import Draws, fill_normal
from medpriv.privacy.optimiser import Sgd

SMALL = 1e-6  # added to norms, as Opacus does

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class PrivateSchedule:
    """How a replicate is trained with differential privacy; the learning rate falls along a half cosine.

    Attributes:
        steps: updates.
        rate: q, the probability with which a unit is drawn at a step; 1: all units at every step.
        batch: what the noisy sum is divided by: fixed beforehand, q times the public number of units.
        clip: C, the largest norm of a unit's gradient; may be infinite.
        deviation: of the Gaussian noise on the sum of clipped gradients (noise multiplier * C); may be 0.
        learning_rate: at the first step.
        optimizer: `sgd` or `adam`; both only see the noisy sums.
        momentum: of `sgd`.
        contribution: most records that a unit gives.
    """

    steps: int
    rate: float
    batch: float
    clip: float
    deviation: float
    learning_rate: float
    optimizer: Literal["sgd", "adam"] = "sgd"
    momentum: float = 0.0
    contribution: int = 1


def train_private(
    network: Network,
    x: np.ndarray,
    y: np.ndarray,
    unit: np.ndarray,
    members: np.ndarray,
    schedule: PrivateSchedule,
    *,
    initial: Sequence[Draws],
    sampling: Sequence[Draws],
    noise: Sequence[Draws],
    start: Parameters | None = None,
) -> dict[str, np.ndarray]:
    """Train K replicates and return their parameters, name -> [K, ...].

    Args:
        x: float32 [N, *shape], standardised.
        y: int64 [N], classes.
        unit: int [N], the unit (patient) that each record belongs to. To enter a unit twice, append its records under
            another number: the guarantee then no longer holds for it.
        members: bool [K, U], the units each replicate is trained on.
        initial, sampling, noise: one generator a replicate, for first parameters, batches, and noise. For a model that
            is to be released the last two are secret (`medpriv.privacy.noise`).
        start: parameters to begin from instead; `initial` is not used then.

    Raises:
        InputError: the network mixes records (batch normalisation) or is not a stacked one.
    """
    check_network(network)
    records, labels = arranged(network, x), torch.from_numpy(y)
    if start is None:
        start = initial_stack(network, initial)
    replicates, parts = len(members), []
    rows = round(schedule.batch * min(schedule.contribution, int(np.bincount(unit).max())))
    if engine.is_lone(network, start, rows):
        start, members, sampling, noise = engine.twice(start, members, sampling, noise)
    for some in engine.groups(network, start, rows):
        held = {name: value[some] for name, value in start.items()}
        stack = PrivateStack(network, held, records, labels, schedule)
        batches = PoissonBatches(
            unit, members[some], schedule.rate, schedule.contribution, schedule.batch, sampling[some]
        )
        title = f"replicates {some.start + 1} to {min(some.stop, replicates)} of {replicates}"
        _train_stack(stack, batches, schedule, noise[some], title)
        parts.append(stack.parameters())
    return {name: np.concatenate([part[name] for part in parts])[:replicates] for name in start}


class PrivateStack:
    """K replicates of one network in private training: a step is `add_clipped` for each pass, `perturb`, `update`.

    Attributes:
        held: name -> [K, ...], the current parameters.
        gradients: name -> [K, ...], the sum that the step has gathered so far.
    """

    def __init__(
        self, network: Network, parameters: Parameters, records: Tensor, labels: Tensor, schedule: PrivateSchedule
    ) -> None:
        """Copy the parameters, [K, ...] each, and take the records (see `medpriv.bank.stack.arranged`)."""
        self.network, self._records, self._labels, self._clip = network, records, labels, schedule.clip
        moved = {name: torch.from_numpy(value) for name, value in parameters.items()}
        adam = schedule.optimizer == "adam"
        self._optimiser = AdamW(moved, 0.0) if adam else Sgd(moved, schedule.momentum)
        self.held, self.gradients = self._optimiser.parameters, self._optimiser.gradients
        self._work, self._normal = Workspace(), torch.Generator()
        sizes = [value[0].numel() for value in self.gradients.values()]
        self._noise = allocate_stack((len(self), sum(sizes)))
        parts = zip(self._noise.split(sizes, 1), self.gradients.values(), strict=True)
        self._noise_parts = [part.view(value.shape) for part, value in parts]

    def __len__(self) -> int:
        """Return K."""
        return len(next(iter(self.held.values())))

    def add_clipped(self, drawn: Pass) -> Tensor:
        """Add the clipped gradients of a pass to `gradients`; return their norms before clipping, [K, units]."""
        rows = torch.from_numpy(drawn.rows)
        batch = self._work.buffer("batch", *rows.shape, *self._records.shape[1:])
        if batch.is_contiguous():
            torch.index_select(self._records, 0, rows.reshape(-1), out=batch.view(-1, *self._records.shape[1:]))
        else:
            batch.copy_(self._records[rows])
        outputs = self.network.forward(self.held, batch, self._work, training=True)
        output_gradient = cross_entropy_gradient(outputs, self._labels[rows])
        output_gradient.mul_(torch.from_numpy(drawn.weights).unsqueeze(2))
        self.network.backward(self.held, output_gradient, self._work, None)
        squares = [unit_squares(layer, drawn.units, self._work) for layer in self.network.layers]
        norms = sum(value for value in squares if value is not None).sqrt_()
        factors = (self._clip / (norms + SMALL)).clamp_(max=1)
        for layer in self.network.layers:
            add_clipped(layer, factors, self._work, self.gradients)
        return norms

    def perturb(self, deviation: float, noise: Sequence[Draws]) -> None:
        """Add Gaussian noise to `gradients`, drawn for all of a replicate's parameters in order."""
        if not deviation:
            return
        for row, rng in zip(self._noise, noise, strict=True):
            fill_normal(row, rng, self._normal)
        torch._foreach_add_(list(self.gradients.values()), self._noise_parts, alpha=deviation)

    def update(self, learning_rate: float, batch: float) -> None:
        """Move by `gradients` / `batch`, and begin the next step's sum."""
        gradients = list(self.gradients.values())
        torch._foreach_div_(gradients, batch)
        self._optimiser.update(learning_rate)
        torch._foreach_zero_(gradients)

    def parameters(self) -> dict[str, np.ndarray]:
        """Return a copy of the parameters, name -> float32 [K, ...]."""
        return {name: np.ascontiguousarray(value.numpy()).copy() for name, value in self.held.items()}


def check_network(network: object) -> None:
    """Refuse a network in which one record's gradient depends on another's, or that is not stacked."""
    if not isinstance(network, Network):
        raise InputError(
            "this network has no per-patient gradients here",
            file="config",
            place="private, models",
            remedy="take mlp, logistic, cnn_gn or cnn2d",
        )
    if mixing := [layer.name for layer in network.layers if layer.mixes_records]:
        raise InputError(
            f"batch normalisation ({', '.join(mixing)}) mixes the records of a batch, so that no gradient belongs to "
            "one patient",
            file="config",
            place="private, models",
            remedy="take cnn_gn, which normalises within each record",
        )


def _train_stack(
    stack: PrivateStack,
    batches: PoissonBatches,
    schedule: PrivateSchedule,
    noise: Sequence[Draws],
    title: str,
) -> None:
    """Train one group of replicates in place."""
    for step in range(schedule.steps):
        for drawn in batches.next():
            stack.add_clipped(drawn)
        stack.perturb(schedule.deviation, noise)
        stack.update(schedule.learning_rate * cosine(step, schedule.steps), schedule.batch)
        if (step + 1) * engine.REPORTS // schedule.steps > step * engine.REPORTS // schedule.steps:
            _LOG.info("%s, step %d of %d", title, step + 1, schedule.steps)
