"""Our own conditional tabular GAN: CTGAN's model and loss (Xu et al., NeurIPS 2019), replicates stacked.

The model is that of `ctgan` 0.12: mode-specific normalisation, a residual generator, a packed critic (Lin et al. 2018)
with gradient penalty, a condition on one level of one category, drawn by its log-frequency, real rows that meet the
conditions, and the cross-entropy that holds generated rows to theirs. What differs: gaps are learnt; the batch that
the critic has learnt from is also the generator's (one forward pass instead of two); conditions of released rows are
drawn by the levels' frequencies; numbers stay within their public ends. Nothing runs column by column, gradients are
written out (`critic`, `generator`), and random numbers are drawn for many steps at once.

Layer-wise perturbation, in two readings, neither with a guarantee (the third, on the critic's gradients, has one:
`dp_gan`): `weights` s adds N(0, (s std(W_l))^2) to each trained layer of the generator, `activations` s adds N(0, s^2)
to each hidden value, while training and generating.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medpriv.bank.optimiser import Adam
from medpriv.errors import InputError
from medpriv.models.layers import Tensors, Workspace
from medpriv.synthesis.critic import Critic, add_sums
from medpriv.synthesis.encoding import Modes
from medpriv.synthesis.generator import Generator, Heads
from medpriv.synthesis.noise import Noise, seeded
from medpriv.synthesis.schema import Schema, Synthesis
from medpriv.synthesis.stacking import own_generators, refuse_empty, share_stacks

BETAS = (0.5, 0.9)
DECAY = 1e-6
BLOCK = 500  # rows generated at once, over which their layers are normalised
MULTIPLE = 4  # widths of rows and conditions are multiples: replicates of a few modes more or less share a stack

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """The settings, and what they make of a table's widths.

    Attributes:
        width, condition: values of a row, of a condition.
        scalars: a row's values before its spans.
        most: places of the largest span that the schema allows.
    """

    settings: Mapping[str, object]
    width: int
    condition: int
    scalars: int
    most: int

    @property
    def generator(self) -> Generator:
        """Its layers."""
        return Generator(self.settings["embedding"] + self.condition, self._hidden, self.width)

    @property
    def critic(self) -> Critic:
        """Its layers: it reads `pac` rows with their conditions."""
        return Critic(self.settings["pac"] * (self.width + self.condition), self._hidden)

    @property
    def _hidden(self) -> tuple[int, int]:
        return (self.settings["width"],) * 2

    @property
    def packs(self) -> int:
        """Packs of a batch."""
        return self.settings["batch_size"] // self.settings["pac"]

    def floats(self) -> int:
        """Return the numbers that a replicate's training keeps at hand: parameters, moments, gradients, activations."""
        generator, critic = self.generator, self.critic
        held = generator.initial(np.random.default_rng()), critic.initial(np.random.default_rng())
        weights = sum(value.size for part in held for value in part.values())
        rows = generator.width + 3 * self.width + 3 * (self.width + self.condition)
        return 4 * weights + self.settings["batch_size"] * rows + 8 * self.packs * sum(critic.hidden)


def synthesise(
    tables: Sequence[np.ndarray],
    schema: Schema,
    settings: Mapping[str, object],
    rngs: Sequence[np.random.Generator],
    rows: Sequence[int],
) -> Synthesis:
    """Train K conditional GANs and return what they generate; see `medpriv.synthesis.schema.Synthesis`.

    Args:
        tables: K tables of cells [n_k, V + 1].
        settings: `epochs`, `batch_size`, `pac`, `embedding`, `width`, `generator_rate`, `critic_rate`, `modes`,
            `perturbation` with `weights` and `activations`.
        rngs: one generator a replicate.
        rows: how many each generates.

    Raises:
        InputError: a table without rows, or a batch that packs don't fill.
    """
    check(tables, settings)
    encoders = [Modes.fit(table, schema, settings["modes"]) for table in tables]
    plans = [_plan(encoder, settings) for encoder in encoders]
    samples: dict[int, np.ndarray] = {}
    for plan in sorted({_shape(plan) for plan in plans}):
        alike = [k for k, other in enumerate(plans) if _shape(other) == plan]
        for some in share_stacks(alike, plans[alike[0]].floats()):
            _LOG.info("replicates %s of %d", ", ".join(str(k + 1) for k in dict.fromkeys(some)), len(tables))
            picked = [[held[k] for k in some] for held in (tables, encoders, rows)]
            made = _train_and_generate(plans[some[0]], *picked, own_generators(some, rngs))
            samples |= {k: made[some.index(k)] for k in some}
    return Synthesis([samples[k] for k in range(len(tables))], _costs(plans, tables, settings))


def check(tables: Sequence[np.ndarray], settings: Mapping[str, object]) -> None:
    """Refuse what can't be trained on."""
    refuse_empty(tables)
    if settings["batch_size"] % settings["pac"]:
        raise InputError(
            f"a batch of {settings['batch_size']} rows can't be put into packs of {settings['pac']}",
            file="config",
            place="synthetic.gan.batch_size",
            remedy="give a multiple of `pac`",
        )


def _plan(encoder: Modes, settings: Mapping[str, object]) -> Plan:
    """Return the plan of a table; widths are rounded up, so that tables of about as many modes are alike."""
    scalars = len(encoder.numbers)
    condition = encoder.categories[-1].stop - scalars
    most = max(settings["modes"], *(len(field.levels) for field in encoder.schema.fields)) + 1
    rounded = (-(-value // MULTIPLE) * MULTIPLE for value in (encoder.width, condition))
    return Plan(settings, *rounded, scalars, most)


def _shape(plan: Plan) -> tuple[int, int]:
    return plan.width, plan.condition


def _costs(plans: Sequence[Plan], tables: Sequence[np.ndarray], settings: Mapping[str, object]) -> dict[str, float]:
    """Return updates, operations and parameters of a model, on average."""
    updates = np.array([_steps(len(table), settings) for table in tables])
    made, judged, flops = [], [], []
    for plan in plans:
        layers = plan.generator, plan.critic
        sizes = [sum(value.size for value in layer.initial(np.random.default_rng()).values()) for layer in layers]
        made.append(sizes[0])
        judged.append(sizes[1])
        flops.append(2 * (3 * settings["batch_size"] * sizes[0] + 12 * plan.packs * sizes[1]))
    return {
        "updates": float(updates.mean()),
        "flops": float((updates * flops).mean()),
        "parameters": float(np.mean(made) + np.mean(judged)),
    }


def _steps(rows: int, settings: Mapping[str, object]) -> int:
    """Return the updates of so many rows: an epoch has at least one."""
    return settings["epochs"] * max(1, rows // settings["batch_size"])


def _train_and_generate(
    plan: Plan,
    tables: Sequence[np.ndarray],
    encoders: Sequence[Modes],
    rows: Sequence[int],
    rngs: Sequence[np.random.Generator],
) -> list[np.ndarray]:
    """Return the samples of replicates of one plan."""
    encoded = [encoder.encode(table, rng) for encoder, table, rng in zip(encoders, tables, rngs, strict=True)]
    conditions = [Conditions(*own, plan.settings["batch_size"]) for own in zip(encoders, encoded, rngs, strict=True)]
    stack = GanStack(plan, encoders, encoded, rngs)
    steps, kept = [_steps(len(table), plan.settings) for table in tables], {}
    for step in range(max(steps)):
        stack.step([condition.next() for condition in conditions])
        for k in np.flatnonzero(np.array(steps) == step + 1):
            kept[int(k)] = {name: value[k].clone() for name, value in stack.made.parameters.items()}
    for k, parameters in kept.items():
        _perturb(parameters, plan.settings["perturbation"]["weights"], stack.noise.generators[k])
    return stack.generate([kept[k] for k in range(len(tables))], conditions, encoders, rows)


def _perturb(parameters: dict[str, Tensor], share: float, generator: torch.Generator) -> None:
    """Add to each layer's weights Gaussian noise of so large a share of their standard deviation."""
    for name, value in parameters.items():
        if share and name.endswith(".weight"):
            value += share * value.std() * torch.empty(value.shape).normal_(generator=generator)


class Conditions:
    """Draws a replicate's conditions and the rows that meet them (training by sampling), for many steps at once.

    Args:
        encoder: of the table.
        encoded: its rows [n, width].
        rng: draws.
        size: B, rows of a step.
    """

    STEPS = 64

    def __init__(self, encoder: Modes, encoded: np.ndarray, rng: np.random.Generator, size: int) -> None:
        spans = encoder.categories
        self._rng, self._size, self._ahead = rng, size, []
        most = max(span.stop - span.start for span in spans)
        codes = np.stack([encoded[:, span.start : span.stop].argmax(1) for span in spans])
        self._order = np.argsort(codes, axis=1, kind="stable")
        self._counts = np.stack([np.bincount(own, minlength=most) for own in codes])
        self._first = np.cumsum(self._counts, axis=1) - self._counts
        shares = np.log1p(self._counts)
        self._training = np.cumsum(shares / shares.sum(1, keepdims=True), axis=1)
        self._released = np.cumsum(self._counts / len(encoded), axis=1)

    def next(self) -> np.ndarray:
        """Return int64 [5, B]: span, place in it, and of the real rows beside them span, place and row."""
        if not self._ahead:
            shape = (self.STEPS, self._size)
            span, place = self._draw(self._training, shape)
            order = self._rng.permuted(np.tile(np.arange(self._size), (self.STEPS, 1)), axis=1)
            real = [np.take_along_axis(value, order, axis=1) for value in (span, place)]
            met = (self._rng.random(shape) * self._counts[*real]).astype(np.int64)
            found = self._order[real[0], self._first[*real] + met]
            self._ahead = list(np.stack([span, place, *real, found], axis=1)[::-1])
        return self._ahead.pop()

    def released(self, size: int) -> np.ndarray:
        """Return int64 [2, size]: span and place, drawn by the levels' frequencies."""
        return np.stack(self._draw(self._released, (size,)))

    def _draw(self, cumulated: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        span = self._rng.integers(len(cumulated), size=shape)
        place = (cumulated[span] < self._rng.random(shape)[..., None] - 1e-12).sum(-1)
        last = np.array([np.flatnonzero(own)[-1] for own in self._counts])
        return span, np.minimum(place, last[span])


class GanStack:
    """K replicates in training.

    Args:
        plan: of all of them.
        encoders, encoded: of each, and its rows [n_k, width].
        rngs: give first parameters, and seed what else is drawn.
    """

    def __init__(
        self,
        plan: Plan,
        encoders: Sequence[Modes],
        encoded: Sequence[np.ndarray],
        rngs: Sequence[np.random.Generator],
    ) -> None:
        self._plan, self._generator, self._critic = plan, plan.generator, plan.critic
        self.made = Adam(_first(self._generator, rngs), DECAY, BETAS)
        self._judged = Adam(_first(self._critic, rngs), DECAY, BETAS)
        self._heads = Heads([encoder.spans for encoder in encoders], plan.scalars, plan.width, plan.most)
        sizes = [len(rows) for rows in encoded]
        self._offsets = torch.tensor(np.cumsum([0, *sizes[:-1]]))[:, None]
        self._records = torch.zeros(sum(sizes), plan.width)
        for offset, rows in zip(self._offsets[:, 0].tolist(), encoded, strict=True):
            self._records[offset : offset + len(rows), : rows.shape[1]] = torch.from_numpy(rows)
        self._starts = torch.from_numpy(np.stack([_starts(encoder) for encoder in encoders]))
        self._work, self._activations = Workspace(), plan.settings["perturbation"]["activations"]
        self.noise = Noise(seeded(rngs), self._noise_sizes())
        self._weights = torch.full((len(rngs), plan.packs), 1 / plan.packs)

    def step(self, drawn: Sequence[np.ndarray]) -> None:
        """Train critic and generator on one batch, of [5, B] for each replicate (see `Conditions.next`)."""
        plan, settings = self._plan, self._plan.settings
        span, place, real_span, real_place, rows = torch.from_numpy(np.stack(drawn, axis=1))
        noise, size, packs = self.noise.next(), settings["batch_size"], plan.packs
        masks = noise["masks"].split(list(self._critic.hidden), 2)
        x = self._work.buffer("packs", len(span), 3 * packs, self._critic.inputs)
        apart = x.unflatten(2, (settings["pac"], -1)).flatten(1, 2)  # [K, 3 B, width + condition], a view
        real, fake = apart[:, :size], apart[:, size : 2 * size]
        torch.index_select(self._records, 0, (rows + self._offsets).flatten(), out=self._picked(rows))
        real[..., : plan.width] = self._picked(rows).view(*rows.shape, -1)
        self._write_conditions(real[..., plan.width :], real_span, real_place)
        inside = self._write_inputs(span, place, noise["normal"])
        fake[..., plan.width :] = inside[..., -plan.condition :]
        outputs = self._generator.forward(self.made.parameters, inside, self._work, self._hidden(noise))
        self._heads.forward(outputs, noise["gumbel"], fake[..., : plan.width], self._work)
        three = [mask[:, : 3 * packs] for mask in masks]
        outers = self._critic.gradient(self._judged.parameters, x, self._weights, noise["mix"], three)
        add_sums(self._critic, outers, self._judged.gradients)
        self._judged.update(settings["critic_rate"])
        again = [mask[:, 3 * packs :] for mask in masks]
        judged = x[:, packs : 2 * packs]
        slope = self._critic.input_gradient(self._judged.parameters, judged, again, self._work).mul_(-1 / packs)
        slope = slope.unflatten(2, (settings["pac"], -1)).flatten(1, 2)[..., : plan.width]
        back = self._heads.backward(slope, self._work, (span, place))
        self._generator.backward(self.made.parameters, inside, back, self._work, self.made.gradients)
        self.made.update(settings["generator_rate"])

    def generate(
        self,
        parameters: Sequence[Tensors],
        conditions: Sequence[Conditions],
        encoders: Sequence[Modes],
        rows: Sequence[int],
    ) -> list[np.ndarray]:
        """Return each replicate's cells [rows_k, V + 1] by its trained generator."""
        held = {name: torch.stack([own[name] for own in parameters]) for name in parameters[0]}
        parts: list[list[np.ndarray]] = [[] for _ in rows]
        noise = Noise(self.noise.generators, self._generated_sizes())
        for start in range(0, max(rows), BLOCK):
            drawn = noise.next()
            span, place = torch.from_numpy(np.stack([own.released(BLOCK) for own in conditions], axis=1))
            inside = self._write_inputs(span, place, drawn["normal"])
            outputs = self._generator.forward(held, inside, self._work, self._hidden(drawn))
            made = torch.empty(*span.shape, self._plan.width)
            self._heads.forward(outputs, drawn["gumbel"], made, self._work)
            for own, part, encoder, wanted in zip(parts, made.numpy(), encoders, rows, strict=True):
                own.append(encoder.decode(part[: max(0, wanted - start)]))
        return [np.concatenate(own) for own in parts]

    def _noise_sizes(self) -> dict[str, tuple[int, ...]]:
        plan, size = self._plan, self._plan.settings["batch_size"]
        sizes = {"mix": (plan.packs, 1), "masks": (4 * plan.packs, sum(self._critic.hidden))}
        return sizes | self._row_sizes(size)

    def _generated_sizes(self) -> dict[str, tuple[int, ...]]:
        return self._row_sizes(BLOCK)

    def _row_sizes(self, rows: int) -> dict[str, tuple[int, ...]]:
        """Return the noise that so many generated rows need."""
        sizes = {"normal": (rows, self._plan.settings["embedding"]), "gumbel": (rows, self._plan.width)}
        return sizes | ({"hidden": (rows, sum(self._generator.hidden))} if self._activations else {})

    def _hidden(self, noise: Mapping[str, Tensor]) -> Sequence[Tensor]:
        """Return the noise on hidden values."""
        if not self._activations:
            return ()
        return (self._activations * noise["hidden"]).split(list(self._generator.hidden), 2)

    def _write_inputs(self, span: Tensor, place: Tensor, normal: Tensor) -> Tensor:
        """Return the generator's buffer with noise and conditions [K, B] in it."""
        inside = self._generator.buffer(self._work, *span.shape)
        inside[..., -self._generator.inputs : -self._plan.condition] = normal
        self._write_conditions(inside[..., -self._plan.condition :], span, place)
        return inside

    def _write_conditions(self, out: Tensor, span: Tensor, place: Tensor) -> None:
        """Write conditions one-hot, [K, B, condition]."""
        at = self._starts.gather(1, span) + place
        out.zero_().scatter_(2, at.unsqueeze(2), 1.0)

    def _picked(self, rows: Tensor) -> Tensor:
        """Return the buffer of the real rows, [K B, width]."""
        return self._work.buffer("picked", 1, rows.numel(), self._plan.width)[0]


def _starts(encoder: Modes) -> np.ndarray:
    """Return where each category begins in a condition."""
    return np.array([span.start for span in encoder.categories]) - len(encoder.numbers)


def _first(layers: Generator | Critic, rngs: Sequence[np.random.Generator]) -> dict[str, Tensor]:
    """Return first parameters of K replicates, name -> [K, ...]."""
    drawn = [layers.initial(rng) for rng in rngs]
    return {name: torch.from_numpy(np.stack([own[name] for own in drawn])) for name in drawn[0]}
