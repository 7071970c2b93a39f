"""A tabular GAN with differential privacy: the critic's steps are clipped by patient and noised (DP-CTGAN's idea).

As in Fang et al. (AIME 2022) and before them Xie et al. (2018): only the critic meets patients, so whatever the
generator learns from it is post-processing. What CTGAN does that would break the guarantee is done otherwise:

- Modes fitted on rows become bins of public ranges (`PublicBins`).
- Batches are Poisson samples of patients; every noisy sum is divided by the rate times the public number of patients.
- The gradient penalty reads real rows, so it is inside a patient's gradient: of the loss of a real row, the generated
  one beside it and their mixture, all by one factor, by the norms of `critic.unit_squares`.
- Packs of rows would mix patients: each row is judged alone. So is there no dropout, whose masks gain nothing here.
- Conditions drawn by a level's frequency would give it away, and real rows picked to meet them are no Poisson sample;
  drawn uniformly, they would teach the generator uniform levels. So there is no condition.

`clipping: layers` clips each layer's gradient to C / sqrt(layers): layer-wise perturbation in its third reading, the
one that has a guarantee. The squares add up to C^2, so noise and guarantee stay as they are.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medpriv.bank.optimiser import Adam
from medpriv.models.layers import Workspace, allocate_stack
from medpriv.privacy.accountant import epsilon as accounted
from medpriv.privacy.accountant import noise_for
from medpriv.privacy.batches import Pass, PoissonBatches, pass_sizes
from medpriv.privacy.noise import Draws, fill_normal
from medpriv.synthesis.critic import Critic, add_clipped, unit_squares
from medpriv.synthesis.encoding import PublicBins
from medpriv.synthesis.noise import Noise, seeded
from medpriv.synthesis.private_rows import BETAS, PublicGenerators, deltas_of, generator_of, state, units_of
from medpriv.synthesis.schema import Schema, Synthesis
from medpriv.synthesis.stacking import own_generators, refuse_empty, share_stacks

SMALL = 1e-12

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Replicate:
    """A replicate's own share of a stack.

    Attributes:
        rows: encoded float32 [n, width].
        unit: the patient of each row.
        noise: multiplier of the noise, over the clip norm.
        wanted: rows to generate.
    """

    rows: np.ndarray
    unit: np.ndarray
    noise: float
    wanted: int

    @property
    def units(self) -> int:
        """How many patients; public."""
        return int(self.unit.max()) + 1


def synthesise(
    tables: Sequence[np.ndarray],
    schema: Schema,
    settings: Mapping[str, object],
    rngs: Sequence[np.random.Generator],
    rows: Sequence[int],
    patients: Sequence[np.ndarray] | None = None,
) -> Synthesis:
    """Train K private GANs and return what they generate; see `medpriv.synthesis.schema.Synthesis`.

    Args:
        tables: K tables of cells [n_k, V + 1].
        settings: of `medpriv.config.synthetic_neural.DpGanSettings`.
        rngs: one generator a replicate.
        rows: how many each generates.
        patients: of each table's rows; None: every row is a patient's only one.

    Raises:
        InputError: a table without rows, a number without a public range, a delta that protects nobody.
    """
    refuse_empty(tables)
    encoder, units = PublicBins(schema, settings["bins"]), units_of(tables, patients)
    deltas = deltas_of(units, settings["delta"])
    spent = settings["rate"], settings["steps"]
    noises = [noise_for(settings["epsilon"], delta, *spent, "synthetic.epsilons") for delta in deltas]
    replicates = [
        Replicate(encoder.encode(table), unit, noise, wanted)
        for table, unit, noise, wanted in zip(tables, units, noises, rows, strict=True)
    ]
    sizes = [pass_sizes(settings["rate"], settings["rate"] * own.units) for own in replicates]
    samples: dict[int, np.ndarray] = {}
    for size in sorted(set(sizes)):
        alike = [k for k, other in enumerate(sizes) if other == size]
        for some in share_stacks(alike, _floats(encoder, settings, size[0])):
            _LOG.info("replicates %s of %d", ", ".join(str(k + 1) for k in dict.fromkeys(some)), len(tables))
            made = _train_and_generate(
                encoder, [replicates[k] for k in some], settings, own_generators(some, rngs), size[0]
            )
            samples |= {k: made[some.index(k)] for k in some}
    epsilons = [accounted(own.noise, *spent, delta) for own, delta in zip(replicates, deltas, strict=True)]
    guarantee = state(epsilons, deltas, settings["epsilon"], units) | {
        "mechanism": "adam",
        "noise_multiplier": max(own.noise for own in replicates),
        "noise": "gaussian",
        "clip": settings["clip"],
        "clipping": settings["clipping"],
        "sampling_rate": settings["rate"],
        "steps": settings["steps"],
        "records_a_patient": settings["records_a_patient"],
        "accountant": "prv",
    }
    return Synthesis([samples[k] for k in range(len(tables))], _costs(encoder, settings, replicates), guarantee)


class CriticStack:
    """Critics of K replicates in private training.

    Args:
        encoder: of the rows.
        replicates: whose they are.
        settings: `clip`, `clipping`, `width`, `rate`.
        rngs: give first parameters.
        noise: one generator a replicate.
    """

    def __init__(
        self,
        encoder: PublicBins,
        replicates: Sequence[Replicate],
        settings: Mapping[str, object],
        rngs: Sequence[np.random.Generator],
        noise: Sequence[Draws],
    ) -> None:
        self._critic, self._settings, self._noise = critic_of(encoder, settings), settings, noise
        drawn = [self._critic.initial(rng) for rng in rngs]
        first = {name: torch.from_numpy(np.stack([own[name] for own in drawn])) for name in drawn[0]}
        self._optimiser = Adam(first, 0.0, BETAS)
        self._records = torch.from_numpy(np.concatenate([own.rows for own in replicates]))
        self._deviations = torch.tensor([settings["clip"] * own.noise for own in replicates])
        self._batch = torch.tensor([settings["rate"] * own.units for own in replicates])
        self._work, self._scratch = Workspace(), torch.Generator()
        sizes = [value[0].numel() for value in self._optimiser.gradients.values()]
        self._drawn = allocate_stack((len(replicates), sum(sizes)))
        pairs = zip(self._drawn.split(sizes, 1), self._optimiser.gradients.values(), strict=True)
        self._parts = [part.view(value.shape) for part, value in pairs]

    def add_clipped(self, drawn: Pass, fake: Tensor, mix: Tensor) -> None:
        """Add the clipped gradients of a pass, each real row beside a fake one [K, B, width], mixed by [K, B, 1]."""
        rows = torch.from_numpy(drawn.rows)
        size = rows.shape[1]
        x = self._work.buffer("rows", len(rows), 3 * size, self._critic.inputs)
        x[:, :size] = self._records[rows]
        x[:, size : 2 * size] = fake
        outers = self._critic.gradient(self._optimiser.parameters, x, torch.from_numpy(drawn.weights), mix, ())
        factors = clip_factors(unit_squares(outers, drawn.units), self._settings["clip"], self._settings["clipping"])
        add_clipped(self._critic, outers, factors, self._optimiser.gradients)

    def update(self) -> None:
        """Add noise to the sums, move by them over the expected batch, and begin the next step's."""
        for row, rng in zip(self._drawn, self._noise, strict=True):
            fill_normal(row, rng, self._scratch)
        self._drawn.mul_(self._deviations[:, None])
        for value, part in zip(self._optimiser.gradients.values(), self._parts, strict=True):
            value.add_(part).div_(self._batch.view(-1, *[1] * (value.dim() - 1)))
        self._optimiser.update(self._settings["critic_rate"])
        torch._foreach_zero_(list(self._optimiser.gradients.values()))

    def slope(self, made: Tensor) -> Tensor:
        """Return the gradient of minus the mean judgement of rows [K, B, width]."""
        return self._critic.input_gradient(self._optimiser.parameters, made, (), self._work).mul_(-1 / made.shape[1])


def clip_factors(squares: Sequence[Tensor], clip: float, clipping: str) -> list[Tensor]:
    """Return each layer's factors [K, units], of the squared norms of the units' gradients, layer by layer."""
    if clipping == "layers":
        own = clip / len(squares) ** 0.5
        return [(own / (square.sqrt() + SMALL)).clamp_(max=1) for square in squares]
    return [(clip / (sum(squares).sqrt() + SMALL)).clamp_(max=1)] * len(squares)


def critic_of(encoder: PublicBins, settings: Mapping[str, object]) -> Critic:
    """Return the critic's layers."""
    return Critic(encoder.width, (settings["width"],) * 2)


def _train_and_generate(
    encoder: PublicBins,
    replicates: Sequence[Replicate],
    settings: Mapping[str, object],
    rngs: Sequence[np.random.Generator],
    most: int,
) -> list[np.ndarray]:
    """Return the samples of replicates whose passes have the same sizes, at most so many units."""
    sampling, noise = ([np.random.default_rng(int(rng.integers(2**63 - 1))) for rng in rngs] for _ in range(2))
    made = PublicGenerators(encoder, settings, rngs, seeded(rngs))
    critics = CriticStack(encoder, replicates, settings, rngs, noise)
    batches = _batches(replicates, settings, sampling)
    beside = made.noise(most * batches.width)
    mixes = Noise(seeded(rngs), {"mix": (most * batches.width, 1)})
    own = made.noise(settings["batch_size"])
    for step in range(settings["steps"]):
        # One draw a step, of which every pass takes the first rows: what a replicate draws never hangs on its
        # neighbours' further passes.
        drawn, mix = beside.next(), mixes.next()["mix"]
        for some in batches.next():
            size = some.rows.shape[1]
            critics.add_clipped(some, made.make(drawn, size), mix[:, :size])
        critics.update()
        if not (step + 1) % settings["generator_every"]:
            made.step(own.next(), critics.slope, settings["generator_rate"])
    return made.generate([replicate.wanted for replicate in replicates], rngs)


def _batches(replicates: Sequence[Replicate], settings: Mapping[str, object], rngs: Sequence[Draws]) -> PoissonBatches:
    """Return Poisson samples of each replicate's own patients."""
    counts = [own.units for own in replicates]
    starts = np.cumsum([0, *counts])
    members = np.zeros((len(replicates), starts[-1]), bool)
    for k, count in enumerate(counts):
        members[k, starts[k] : starts[k] + count] = True
    unit = np.concatenate([own.unit + start for own, start in zip(replicates, starts, strict=False)])
    rate = settings["rate"]
    return PoissonBatches(unit, members, rate, settings["records_a_patient"], rate * counts[0], rngs)


def _floats(encoder: PublicBins, settings: Mapping[str, object], most: int) -> int:
    """Return the numbers that a replicate's training keeps at hand."""
    layers = generator_of(encoder, settings), critic_of(encoder, settings)
    weights = sum(value.size for part in layers for value in part.initial(np.random.default_rng()).values())
    rows = max(settings["batch_size"], 3 * most)
    return 5 * weights + 2 * rows * (layers[0].width + encoder.width)


def _costs(encoder: PublicBins, settings: Mapping[str, object], replicates: Sequence[Replicate]) -> dict[str, float]:
    """Return updates, operations and parameters of a model, on average."""
    layers = generator_of(encoder, settings), critic_of(encoder, settings)
    made, judged = (sum(v.size for v in part.initial(np.random.default_rng()).values()) for part in layers)
    batch = settings["rate"] * np.mean([own.units for own in replicates])
    own = settings["steps"] // settings["generator_every"] * settings["batch_size"] * 3
    return {
        "updates": settings["steps"],
        "flops": float(2 * (settings["steps"] * batch * (12 * judged + made) + own * (made + judged))),
        "parameters": float(made + judged),
    }
