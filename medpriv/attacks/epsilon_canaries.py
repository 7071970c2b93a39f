"""Canaries for audits of differentially private training: units that enter or stay out by fair coins, and their scores.

Two auditors, by what they may do and see:

- `gradient_scores` (white box, worst case). A `Probe` in front of the network gives every canary a gradient of its
  own, along a coordinate that nothing else uses, so long that clipping leaves nothing beside it. Whoever sees the
  weights at every step sees each coordinate's noisy sum g_t, N(0, s^2) or N(C, s^2) as the canary was drawn or not, and
  tells in from out by the most powerful test, sum_t log(1 - q + q exp((g_t / C - 1/2) / (s / C)^2)). All that the
  guarantee rests on stands in it: sampling, clipping, noise. The rest of the network neither feels the canaries nor
  matters to them. Plain descent takes the optimiser's place, which works on sums that are released already.
- `record_scores` (black box, natural). Far-out records with drawn labels, through the network as it is and the schedule
  as it was; the final model is asked for each one's label.

A trainer is handed in (`train`), so that a broken one can be audited by the same code.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from medpriv.bank import engine
from medpriv.bank.optimiser import cosine
from medpriv.bank.stack import initial_stack
from medpriv.measures.logits import true_class_logit
from medpriv.models.layers import Dense, Tensors, Workspace
from medpriv.models.network import Network
from medpriv.privacy.training import PrivateSchedule, train_private

MARK = 2.0**22  # the first value of canary i is MARK + i: exact in float32, and no standardised value comes near
STRONG = 1e6  # norm of a canary's gradient before clipping
FAR = 3.0  # standard deviations of each value of a canary record
FAINT = 1e-3  # steps whose learning rate fell below this share of the first are left out: rounding drowns them

Train = Callable[..., dict[str, np.ndarray]]  # as `medpriv.privacy.training.train_private`


@dataclass(frozen=True)
class Trial:
    """R trainings with m canaries each: the units beside the canaries, and where the randomness comes from.

    Attributes:
        network: the network, without a probe.
        x: float32 [N, *shape], standardised.
        y: int64 [N].
        unit: int [N], 0..U-1.
        members: bool [R, U].
        inside: bool [R, m], the coins.
        schedule: as it is claimed to be.
        generators: purpose (`initial`, `sampling`, `noise`) -> one generator a training.
    """

    network: Network
    x: np.ndarray
    y: np.ndarray
    unit: np.ndarray
    members: np.ndarray
    inside: np.ndarray
    schedule: PrivateSchedule
    generators: dict[str, Sequence[np.random.Generator]]


@dataclass(frozen=True)
class Probe(Dense):
    """The identity for plain records; for marked ones a layer of its own, whose gradient is their coordinate's.

    Marked records go on as zeros. The weight is [K, 1, inputs], one coordinate a canary; the output is not used.

    Attributes:
        trace: the weights [K, inputs] at every pass that found them changed.
    """

    trace: list[np.ndarray] = field(default_factory=list, compare=False)

    def initial(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return zeros; nothing is drawn, so the layers behind begin as they would alone."""
        shape = self.outputs, self.inputs
        return {f"{self.name}.weight": np.zeros(shape, np.float32), f"{self.name}.bias": np.zeros(1, np.float32)}

    def forward(self, held: Tensors, x: Tensor, work: Workspace, training: bool) -> Tensor:
        """Return x with marked records zeroed; remember who they are, and the weights."""
        weight = held[f"{self.name}.weight"][:, 0].numpy()
        if not self.trace or not np.array_equal(self.trace[-1], weight):
            self.trace.append(weight.copy())
        place = x.flatten(2)[..., 0] - MARK
        marked = place >= 0
        code = work.buffer(f"{self.name}.code", *marked.shape, self.inputs).zero_()
        code.scatter_(2, place.clamp_min(0).long().unsqueeze(2), (STRONG * marked).unsqueeze(2))
        plain = work.buffer(f"{self.name}.plain", *x.shape)
        torch.mul(x, (~marked).view(*marked.shape, *[1] * (x.dim() - 2)), out=plain)
        work.saved[f"{self.name}.x"], work.saved[f"{self.name}.marked"] = code, marked
        return plain

    def backward(
        self, held: Tensors, gradient: Tensor, work: Workspace, gradients: Tensors | None, need_input: bool
    ) -> Tensor | None:
        """Leave the slopes for book-keeping: 1 for a marked record, whatever its loss, and 0 for the others."""
        slope = work.buffer(f"{self.name}.mark", *gradient.shape[:2], 1)
        work.saved[f"{self.name}.output_gradient"] = slope.copy_(work.saved[f"{self.name}.marked"].unsqueeze(2))
        return gradient if need_input else None


def gradient_scores(trial: Trial, train: Train = train_private) -> np.ndarray:
    """Return float64 [R, m]: the log likelihood ratio of each canary's coordinate, higher for in."""
    canaries = trial.inside.shape[1]
    x = np.zeros((canaries, *trial.x.shape[1:]), np.float32)
    x.reshape(canaries, -1)[:, 0] = MARK + np.arange(canaries)
    schedule = replace(trial.schedule, optimizer="sgd", momentum=0.0)
    drawn = initial_stack(trial.network, trial.generators["initial"])
    probe = Probe("probe", canaries, 1, relu=False)
    start = {
        name: np.stack([value] * len(trial.inside)) for name, value in probe.initial(np.random.default_rng()).items()
    }
    start |= drawn
    scores = []
    for some in engine.groups(replace(trial.network, layers=(probe, *trial.network.layers)), start, _rows(schedule)):
        probe = Probe("probe", canaries, 1, relu=False)
        network = replace(trial.network, layers=(probe, *trial.network.layers))
        held = {name: value[some] for name, value in start.items()}
        found = _train(trial, network, x, np.zeros(canaries, np.int64), schedule, train, some, start=held)
        last = found["probe.weight"][:, 0]
        path = np.stack([*(weights[: len(last)] for weights in probe.trace), last]).astype(np.float64)
        scores.append(likelihood_ratios(path, trial.schedule))
    return np.concatenate(scores)


def record_scores(trial: Trial, rng: np.random.Generator, train: Train = train_private) -> np.ndarray:
    """Return float64 [R, m]: each final model's confidence in each canary's label, less the models' mean.

    Args:
        rng: draws the canaries, the same ones in all trainings.
    """
    canaries, network = trial.inside.shape[1], trial.network
    x = FAR * rng.choice(np.array([-1, 1], np.float32), size=(canaries, *trial.x.shape[1:]))
    y = rng.integers(max(2, network.outputs), size=canaries)
    parameters = _train(trial, network, x, y, trial.schedule, train, slice(None))
    phi = true_class_logit(engine.logits(network, parameters, x), y)
    return phi - phi.mean(axis=0)


def _rows(schedule: PrivateSchedule) -> int:
    """Return the rows of an expected batch."""
    return round(schedule.batch * schedule.contribution)


def _train(
    trial: Trial,
    network: Network,
    x: np.ndarray,
    y: np.ndarray,
    schedule: PrivateSchedule,
    train: Train,
    some: slice,
    **options: object,
) -> dict[str, np.ndarray]:
    """Train some of the replicates with the canaries x, y as further units, where their coins let them in."""
    units = trial.members.shape[1]
    return train(
        network,
        np.concatenate([trial.x, x]),
        np.concatenate([trial.y, y]),
        np.concatenate([trial.unit, units + np.arange(len(x))]),
        np.concatenate([trial.members, trial.inside], axis=1)[some],
        schedule,
        **{purpose: generators[some] for purpose, generators in trial.generators.items()},
        **options,
    )


def likelihood_ratios(path: np.ndarray, schedule: PrivateSchedule) -> np.ndarray:
    """Return [K, m]: log p(path | in) / p(path | out) of weights [T + 1, K, m], under the schedule as claimed.

    A path longer than the schedule is of several rounds, each by the schedule anew.
    """
    share = np.array([cosine(step % schedule.steps, schedule.steps) for step in range(len(path) - 1)])
    clear = share > FAINT
    moved = np.diff(path, axis=0)[clear] / (schedule.learning_rate * share[clear])[:, None, None]
    sums = -moved * schedule.batch / schedule.clip
    noise = (schedule.deviation / schedule.clip) ** 2
    with np.errstate(divide="ignore"):
        ratios = np.logaddexp(np.log1p(-schedule.rate), np.log(schedule.rate) + (sums - 0.5) / noise)
    return ratios.sum(axis=0)
