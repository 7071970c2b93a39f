"""Tabular diffusion in the form of TabDDPM (Kotelnikov et al., ICML 2023), replicates stacked.

Numbers, as Gaussian scores, are noised by x_t = sqrt(A_t) x_0 + sqrt(1 - A_t) e and an MLP learns e (Ho et al. 2020);
categories, the label and gaps among them, are replaced by chance (multinomial diffusion, Hoogeboom et al. 2021): with m
levels q(x_t | x_0) = A_t x_0 + (1 - A_t) / m, and the MLP learns x_0's probabilities pi by the divergence of
p ~ a_t(x_t) b_t(pi) from q ~ a_t(x_t) b_t(x_0), a_t(x) = alpha_t x + (1 - alpha_t) / m, b_t(x) = A_{t-1} x +
(1 - A_{t-1}) / m. The loss of a row is mean_numbers (e - e')^2 + T mean_categories KL. Its gradient at the MLP's
outputs is written out: dKL / dpi = A_{t-1} (p - q) / b_t(pi).

`losses` asks trained models for the loss of any record at chosen steps under chosen noise: what white-box attacks on
diffusion read.
"""

import logging
from collections.abc import Mapping, Sequence
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor

from medpriv.bank import engine
from medpriv.bank.optimiser import AdamW, cosine
from medpriv.bank.stack import initial_stack
from medpriv.models.layers import Dense, Tensors, Workspace
from medpriv.models.network import Network
from medpriv.synthesis.encoding import FARTHEST, Quantiles, spans_beside_quantiles
from medpriv.synthesis.noise import Noise, seeded
from medpriv.synthesis.schema import Schema, Synthesis
from medpriv.synthesis.stacking import refuse_empty

VECTOR = 16  # floats that a processor works on at once: S is a multiple
FEATURES = 32  # sines and cosines that tell the MLP the step
BLOCK = 128  # rows generated, or asked about, at once
TINY = 1e-30

_LOG = logging.getLogger(__name__)


def synthesise(
    tables: Sequence[np.ndarray],
    schema: Schema,
    settings: Mapping[str, object],
    rngs: Sequence[np.random.Generator],
    rows: Sequence[int],
) -> Synthesis:
    """Train K diffusion models and return what they generate; see `medpriv.synthesis.schema.Synthesis`.

    Weights are the MLP's, `encoder.quantiles` [K, V', Q], `encoder.present` [K, C] and `alphas` [K, T].

    Args:
        tables: K tables of cells [n_k, V + 1].
        settings: `updates`, `batch_size`, `width`, `steps`, `learning_rate`, `weight_decay`.
        rngs: one generator a replicate.
        rows: how many each generates.

    Raises:
        InputError: a table without rows.
    """
    refuse_empty(tables)
    process, encoders = (
        Process(schema, cosine_alphas(settings["steps"])),
        [Quantiles.fit(own, schema) for own in tables],
    )
    network = denoiser(process, settings["width"])
    start, parts, samples = initial_stack(network, rngs), [], []
    for some in _groups(network, start, settings["batch_size"]):
        _LOG.info("replicates %d to %d of %d", some.start + 1, some.stop, len(tables))
        lone = engine.is_lone(network, start, settings["batch_size"])
        picked = [[held[k] for k in range(some.start, some.stop)] for held in (tables, encoders, rngs, rows)]
        held = {name: value[some] for name, value in start.items()}
        if lone:
            picked = [[*value, deepcopy(value[0])] for value in picked]
            (held,) = engine.twice(held)
        own, encoders_own, rngs_own, rows_own = picked
        encoded = [encoder.encode(table) for encoder, table in zip(encoders_own, own, strict=True)]
        generators = seeded(rngs_own)
        trained = _train(network, process, held, encoded, settings, rngs_own, generators)
        made = _generate(network, process, trained, encoders_own, rows_own, generators)
        parts.append({name: value.numpy()[: some.stop - some.start].copy() for name, value in trained.items()})
        samples += made[: some.stop - some.start]
    weights = {name: np.concatenate([part[name] for part in parts]) for name in start}
    costs = {
        "updates": settings["updates"],
        "flops": float(settings["updates"] * settings["batch_size"] * network.flops()),
        "parameters": float(sum(value[0].size for value in weights.values())),
    }
    weights["encoder.quantiles"] = np.stack([encoder.quantiles for encoder in encoders])
    weights["encoder.present"] = np.stack([encoder.present for encoder in encoders])
    weights["alphas"] = np.tile(process.alphas.numpy(), (len(tables), 1))
    return Synthesis(samples, costs, weights=weights)


def losses(
    weights: Mapping[str, np.ndarray],
    schema: Schema,
    cells: np.ndarray,
    timesteps: Sequence[int],
    noises: np.ndarray,
) -> np.ndarray:
    """Return float32 [K, N, T' M]: each model's loss of each record, step after step, at each all noises in order.

    Args:
        weights: of a bank, as `synthesise` returns them.
        cells: float64 [N, V + 1].
        timesteps: T' steps, 0 to T - 1.
        noises: float32 [M, width] of `draw_noises`, the same for all records and models.
    """
    process = Process(schema, weights["alphas"][0])
    network = denoiser(process, weights["hidden1.weight"].shape[1])
    found = np.empty((len(weights["alphas"]), len(cells), len(timesteps), len(noises)), np.float32)
    work = Workspace()
    for k in range(len(found)):
        held = {layer: torch.from_numpy(weights[layer][k : k + 1]) for layer in weights if layer.startswith("hidden")}
        held |= {name: torch.from_numpy(weights[name][k : k + 1]) for name in ("output.weight", "output.bias")}
        encoder = Quantiles(schema, weights["encoder.quantiles"][k], weights["encoder.present"][k])
        x = torch.from_numpy(encoder.encode(cells))[None]
        for i, t in enumerate(timesteps):
            at = torch.full(x.shape[:2], int(t))
            for j, noise in enumerate(torch.from_numpy(noises)):
                normal, gumbel = noise.expand_as(x).tensor_split([process.numbers], 2)
                asked = process.noised(x, at, normal, gumbel)
                outputs = network.forward(held, asked.inputs, work, training=False)
                found[k, :, i, j] = process.loss(asked, outputs)[0].numpy()
    return found.reshape(*found.shape[:2], -1)


def draw_noises(schema: Schema, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return float32 [count, width] for `losses`: Gaussian for numbers, Gumbel for the places of categories."""
    numbers, width = int(schema.numbers.sum()), spans_beside_quantiles(schema)[-1].stop
    normal, gumbel = rng.standard_normal((count, numbers)), rng.gumbel(size=(count, width - numbers))
    return np.concatenate([normal, gumbel], axis=1).astype(np.float32)


def cosine_alphas(steps: int) -> np.ndarray:
    """Return A_1 .. A_T float32 [T], the products of the alphas (Nichol and Dhariwal 2021)."""
    share = np.cos((np.arange(steps + 1) / steps + 0.008) / 1.008 * np.pi / 2) ** 2
    return np.cumprod(np.maximum(share[1:] / share[:-1], 1e-3)).astype(np.float32)


def denoiser(process: "Process", width: int) -> Network:
    """Return the MLP: noised row and step in; noise of the numbers and logits of the categories out."""
    inputs = process.width + FEATURES
    first = Dense("hidden1", inputs, width, relu=True)
    return Network(
        (first, Dense("hidden2", width, width, relu=True), Dense("output", width, process.width, relu=False)), (inputs,)
    )


class Asked:
    """Noised rows and what their loss is made of.

    Attributes:
        inputs: of the MLP [K, B, width + FEATURES].
        noise: e, [K, B, V'].
        at: steps [K, B].
        clean, noised: x_0 and x_t of the categories, in slots [K, B, M, S].
    """

    def __init__(self, inputs: Tensor, noise: Tensor, at: Tensor, clean: Tensor, noised: Tensor) -> None:
        self.inputs, self.noise, self.at, self.clean, self.noised = inputs, noise, at, clean, noised


class Process:
    """How rows of `Quantiles` are noised, and the loss.

    Categories are worked on in slots [M, S], M places for each of S spans, those that a span doesn't fill shut;
    products with a matrix of 0 and 1 bring them there and back, exactly. Along M a softmax takes a twentieth of the
    time that it takes along a last axis of a few places.

    Args:
        schema: of the cells.
        alphas: A_t, [T].
    """

    def __init__(self, schema: Schema, alphas: np.ndarray) -> None:
        spans = spans_beside_quantiles(schema)
        self.numbers, self.width, self.spans = int(schema.numbers.sum()), spans[-1].stop, len(spans)
        self.alphas = torch.from_numpy(np.asarray(alphas, np.float32))
        self._before = torch.cat([torch.ones(1), self.alphas[:-1]])
        self._single = self.alphas / self._before
        most, side = max(span.stop - span.start for span in spans), -(-len(spans) // VECTOR) * VECTOR
        self._shape = most, side
        place, self._open = torch.zeros(self.width - self.numbers, most, side), torch.zeros(most, side)
        for index, span in enumerate(spans):
            places = torch.arange(span.start, span.stop)
            place[places - self.numbers, places - span.start, index] = 1
            self._open[: len(places), index] = 1
        self._place = place.flatten(1)
        sizes = self._open.sum(0).clamp(min=1)
        self._chance = self._open / sizes  # 1 / m, 0 where there is no place
        self._open[0, len(spans) :] = 1  # spans that fill up the vector have one place
        self._shut = torch.where(self._open > 0, 0.0, -torch.inf)
        angles = torch.arange(len(self.alphas))[:, None] * torch.exp(
            -np.log(1000.0) * torch.arange(FEATURES // 2) / (FEATURES // 2)
        )
        self._features = torch.cat([angles.sin(), angles.cos()], 1)

    @property
    def steps(self) -> int:
        """T."""
        return len(self.alphas)

    def slots(self, rows: Tensor) -> Tensor:
        """Return [K, B, M, S] of the categories' places [K, B, C]."""
        return (rows @ self._place).unflatten(2, self._shape)

    def places(self, slots: Tensor) -> Tensor:
        """Return [K, B, C] of slots."""
        return slots.flatten(2) @ self._place.T

    def noised(self, x: Tensor, at: Tensor, normal: Tensor, gumbel: Tensor, work: Workspace | None = None) -> Asked:
        """Return rows x [K, B, width] at steps [K, B], under noise of numbers [K, B, V'] and of places [K, B, C]."""
        share = self.alphas[at].unsqueeze(2)
        clean = self.slots(x[..., self.numbers :])
        numbers = share.sqrt() * x[..., : self.numbers] + (1 - share).sqrt() * normal
        noised = self.chosen(self._mixed(clean, share.unsqueeze(3)), gumbel)
        return Asked(self.inputs(numbers, noised, at, work), normal, at, clean, noised)

    def inputs(self, numbers: Tensor, noised: Tensor, at: Tensor, work: Workspace | None = None) -> Tensor:
        """Return what the MLP reads, in a buffer if one is given."""
        out = None if work is None else work.buffer("inputs", *at.shape, self.width + FEATURES)
        return torch.cat([numbers, self.places(noised), self._features[at]], 2, out=out)

    def chosen(self, odds: Tensor, gumbel: Tensor) -> Tensor:
        """Return one place a span, one-hot in slots, drawn by the odds [K, B, M, S] with Gumbel noise [K, B, C]."""
        scores = odds.clamp_min(TINY).log_().add_(self._shut).add_(self.slots(gumbel))
        return (scores == scores.amax(2, keepdim=True)).to(scores.dtype)

    def posterior(self, noised: Tensor, clean: Tensor, at: Tensor) -> Tensor:
        """Return the law of x_{t-1} in slots, of x_t and (probabilities of) x_0."""
        single, before = (value[at][:, :, None, None] for value in (self._single, self._before))
        return _normalised(self._mixed(noised, single) * self._mixed(clean, before))

    def shut(self, present: Tensor) -> Tensor:
        """Return what `probabilities` adds so that places not `present` [K, C] get 0, in slots [K, 1, M, S]."""
        absent = self.slots((~present).to(self._shut.dtype).unsqueeze(1)) > 0
        return torch.where(absent, -torch.inf, self._shut)

    def probabilities(self, outputs: Tensor, shut: Tensor | None = None) -> Tensor:
        """Return pi in slots, of the MLP's outputs [K, B, width]; `shut` as the function of this name returns it."""
        logits = self.slots(outputs[..., self.numbers :])
        return torch.softmax(logits.add_(self._shut if shut is None else shut), 2)

    def loss(self, asked: Asked, outputs: Tensor) -> Tensor:
        """Return the loss of each row, [K, B]."""
        pi = self.probabilities(outputs)
        p, q = (self.posterior(asked.noised, clean, asked.at) for clean in (pi, asked.clean))
        divergence = (q * (q.clamp_min(TINY).log() - p.clamp_min(TINY).log())).sum((2, 3))
        total = self.steps / self.spans * divergence
        if self.numbers:
            total = total + (outputs[..., : self.numbers] - asked.noise).square().mean(2)
        return total

    def gradient(self, asked: Asked, outputs: Tensor, out: Tensor) -> Tensor:
        """Write the gradient of the rows' mean loss at the outputs, [K, B, width]."""
        pi, size = self.probabilities(outputs), outputs.shape[1]
        single, before = (value[asked.at][:, :, None, None] for value in (self._single, self._before))
        onward, guessed = self._mixed(asked.noised, single), self._mixed(pi, before)
        p, q = (_normalised(onward * clean) for clean in (guessed, self._mixed(asked.clean, before)))
        slope = p.sub_(q).mul_(before).mul_(pi).div_(guessed.clamp_min_(TINY))
        slope.sub_(pi.mul_(slope.sum(2, keepdim=True)))
        out[..., self.numbers :] = self.places(slope) * (self.steps / self.spans / size)
        if self.numbers:
            out[..., : self.numbers] = (outputs[..., : self.numbers] - asked.noise) * (2 / self.numbers / size)
        return out

    def earlier(
        self, x: Tensor, noised: Tensor, outputs: Tensor, t: int, noise: Tensors, shut: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return numbers x [K, B, V'] and categories in slots of x_{t-1}, of those of x_t and what the MLP says."""
        share, before, single = self.alphas[t], self._before[t], self._single[t]
        wave = outputs[..., : self.numbers]
        start = ((x - (1 - share).sqrt() * wave) / share.sqrt()).clamp_(-FARTHEST, FARTHEST)
        mean = (before.sqrt() * (1 - single) * start + single.sqrt() * (1 - before) * x) / (1 - share)
        spread = ((1 - before) / (1 - share) * (1 - single)).sqrt()
        at = torch.full(x.shape[:2], t)
        odds = self.posterior(noised, self.probabilities(outputs, shut), at)
        return mean + spread * noise["normal"], self.chosen(odds, noise["gumbel"])

    def _mixed(self, x: Tensor, share: Tensor) -> Tensor:
        """Return share x + (1 - share) / m, 0 where there is no place."""
        return (share * x).add_((1 - share) * self._chance)


def _normalised(odds: Tensor) -> Tensor:
    """Turn odds [K, B, M, S] into probabilities, in place, and return them."""
    return odds.div_(odds.sum(2, keepdim=True).clamp_min_(TINY))


def _groups(network: Network, start: Mapping[str, np.ndarray], records: int) -> list[slice]:
    total = len(next(iter(start.values())))
    return [slice(some.start, min(some.stop, total)) for some in engine.groups(network, start, records)]


def _train(
    network: Network,
    process: Process,
    start: Mapping[str, np.ndarray],
    encoded: Sequence[np.ndarray],
    settings: Mapping[str, object],
    rngs: Sequence[np.random.Generator],
    generators: Sequence[torch.Generator],
) -> dict[str, Tensor]:
    """Return the trained parameters of a group, name -> [K, ...]."""
    optimiser = AdamW({name: torch.from_numpy(value) for name, value in start.items()}, settings["weight_decay"])
    size, work = settings["batch_size"], Workspace()
    noise = Noise(generators, _noise_sizes(process, size))
    offsets = np.cumsum([0, *map(len, encoded[:-1])])
    records = torch.from_numpy(np.concatenate(encoded))
    for update in range(settings["updates"]):
        if not update % 64:
            rows = [
                offset + rng.integers(len(own), size=(64, size))
                for offset, own, rng in zip(offsets, encoded, rngs, strict=True)
            ]
            rows = torch.from_numpy(np.stack(rows, axis=1))
            steps = torch.from_numpy(np.stack([rng.integers(process.steps, size=(64, size)) for rng in rngs], axis=1))
        at = update % 64
        drawn = noise.next()
        x = records[rows[at]]
        asked = process.noised(x, steps[at], drawn["normal"], drawn["gumbel"], work)
        outputs = network.forward(optimiser.parameters, asked.inputs, work, training=True)
        gradient = process.gradient(asked, outputs, work.buffer("gradient", *outputs.shape))
        network.backward(optimiser.parameters, gradient, work, optimiser.gradients)
        optimiser.update(settings["learning_rate"] * cosine(update, settings["updates"]))
    return dict(optimiser.parameters)


def _generate(
    network: Network,
    process: Process,
    held: Tensors,
    encoders: Sequence[Quantiles],
    rows: Sequence[int],
    generators: Sequence[torch.Generator],
) -> list[np.ndarray]:
    """Return each replicate's cells [rows_k, V + 1]."""
    shut = process.shut(torch.from_numpy(np.stack([encoder.present for encoder in encoders])))
    parts: list[list[np.ndarray]] = [[] for _ in rows]
    work, noise = Workspace(), Noise(generators, _noise_sizes(process, BLOCK))
    for start in range(0, max(rows), BLOCK):
        drawn = noise.next()
        numbers, chosen = (
            drawn["normal"],
            process.chosen(process.slots(torch.ones_like(drawn["gumbel"])), drawn["gumbel"]),
        )
        for t in reversed(range(process.steps)):
            inputs = process.inputs(numbers, chosen, torch.full(numbers.shape[:2], t), work)
            outputs = network.forward(held, inputs, work, training=False)
            numbers, chosen = process.earlier(numbers, chosen, outputs, t, noise.next(), shut)
        made = torch.cat([numbers, process.places(chosen)], 2).numpy()
        for own, part, encoder, wanted in zip(parts, made, encoders, rows, strict=True):
            own.append(encoder.decode(part[: max(0, wanted - start)]))
    return [np.concatenate(own) for own in parts]


def _noise_sizes(process: Process, rows: int) -> dict[str, tuple[int, ...]]:
    """Return the noise of so many rows."""
    return {"normal": (rows, process.numbers), "gumbel": (rows, process.width - process.numbers)}
