"""PATE-GAN (Jordon et al., ICLR 2019): teachers on disjoint patients, a student that hears noisy votes, a generator.

Each teacher learns to tell its own patients' rows from generated ones. The student learns from generated rows alone,
each labelled by a noisy majority of the teachers, and the generator from the student.

The accounting is not the paper's. It has Laplace noise and a moments accountant whose bound hangs on the votes
(Papernot et al. 2017), so the epsilon stated would itself give patients away. Here a vote is a count of teachers who
say "real", with Gaussian noise (Papernot et al. 2018). One patient zeroed out changes one teacher, so each count by 1
at most; whoever trains next sees nothing but former votes, so Q votes are one Gaussian mechanism of sensitivity
sqrt(Q), whatever was asked: mu = sqrt(Q) / sigma, exactly (Dong, Roth and Su 2019). Renyi orders would ask for more
noise.
"""

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from medpriv.bank.optimiser import Adam
from medpriv.bank.stack import initial_stack
from medpriv.errors import InputError
from medpriv.models.layers import Dense, Workspace
from medpriv.models.network import Network
from medpriv.privacy.lower_bounds import gaussian_epsilon, gaussian_mu
from medpriv.synthesis.encoding import PublicBins
from medpriv.synthesis.noise import seeded
from medpriv.synthesis.private_rows import BETAS, PublicGenerators, deltas_of, generator_of, state, units_of
from medpriv.synthesis.schema import Schema, Synthesis
from medpriv.synthesis.stacking import own_generators, refuse_empty, share_stacks

_LOG = logging.getLogger(__name__)


def synthesise(
    tables: Sequence[np.ndarray],
    schema: Schema,
    settings: Mapping[str, object],
    rngs: Sequence[np.random.Generator],
    rows: Sequence[int],
    patients: Sequence[np.ndarray] | None = None,
) -> Synthesis:
    """Train K PATE-GANs and return what they generate; see `medpriv.synthesis.schema.Synthesis`.

    Args:
        tables: K tables of cells [n_k, V + 1].
        settings: of `medpriv.config.synthetic_neural.PateGanSettings`.
        rngs: one generator a replicate.
        rows: how many each generates.
        patients: of each table's rows; None: every row is a patient's only one.

    Raises:
        InputError: a table without rows, fewer patients than teachers, a number without a public range, a delta that
            protects nobody.
    """
    refuse_empty(tables)
    encoder, units = PublicBins(schema, settings["bins"]), units_of(tables, patients)
    fewest = min(int(own.max()) + 1 for own in units)
    if fewest < settings["teachers"]:
        raise InputError(
            f"{fewest} patients of a replicate can't be dealt out to {settings['teachers']} teachers",
            file="config",
            place="synthetic.pate_gan.teachers",
            remedy="take fewer teachers, or a table of more patients",
        )
    deltas, queries = deltas_of(units, settings["delta"]), settings["rounds"] * settings["queries"]
    sigmas = [vote_noise(settings["epsilon"], delta, queries) for delta in deltas]
    encoded, samples = [encoder.encode(table) for table in tables], {}
    for some in share_stacks(range(len(tables)), _floats(encoder, settings)):
        _LOG.info("replicates %s of %d", ", ".join(str(k + 1) for k in dict.fromkeys(some)), len(tables))
        picked = [[held[k] for k in some] for held in (encoded, units, sigmas, rows)]
        made = _train_and_generate(encoder, settings, *picked, own_generators(some, rngs))
        samples |= {k: made[some.index(k)] for k in some}
    epsilons = [gaussian_epsilon(queries**0.5 / sigma, delta) for sigma, delta in zip(sigmas, deltas, strict=True)]
    guarantee = state(epsilons, deltas, settings["epsilon"], units) | {
        "mechanism": "votes",
        "noise_multiplier": max(sigmas),
        "noise": "gaussian",
        "teachers": settings["teachers"],
        "queries": queries,
        "accountant": "gaussian",
    }
    layers = judge_of(encoder, settings), generator_of(encoder, settings)
    judge, made = (sum(v.size for v in part.initial(np.random.default_rng()).values()) for part in layers)
    seen = settings["batch_size"] * (2 * settings["teachers"] * settings["teacher_updates"] * judge + 4 * made)
    costs = {
        "updates": settings["rounds"],
        "flops": float(6 * settings["rounds"] * seen),
        "parameters": float((settings["teachers"] + 1) * judge + made),
    }
    return Synthesis([samples[k] for k in range(len(tables))], costs, guarantee)


def vote_noise(epsilon: float, delta: float, queries: int) -> float:
    """Return the deviation of the noise on each of so many votes, of sensitivity 1."""
    return queries**0.5 / gaussian_mu(epsilon, delta)


def noisy_votes(counts: np.ndarray, teachers: int, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Return float32 [Q]: 1 where a noisy majority of the teachers says "real", of counts [Q] that do."""
    return (counts + sigma * rng.standard_normal(len(counts)) > teachers / 2).astype(np.float32)


def deal(unit: np.ndarray, teachers: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return each teacher's rows; patients are dealt out by chance, all rows of one to one teacher."""
    order = rng.permutation(int(unit.max()) + 1)
    return [np.flatnonzero(np.isin(unit, own)) for own in np.array_split(order, teachers)]


def judge_of(encoder: PublicBins, settings: Mapping[str, object]) -> Network:
    """Return the layers of teachers and student: the logit of "real"."""
    hidden = Dense("hidden", encoder.width, settings["width"], relu=True)
    return Network((hidden, Dense("output", settings["width"], 1, relu=False)), (encoder.width,))


class Judges:
    """Binary classifiers in training: [J] of one network, by cross-entropy."""

    def __init__(self, network: Network, rngs: Sequence[np.random.Generator], learning_rate: float) -> None:
        self._network, self._rate, self._work = network, learning_rate, Workspace()
        first = initial_stack(network, rngs)
        self._optimiser = Adam({name: torch.from_numpy(value) for name, value in first.items()}, 0.0, BETAS)

    def logits(self, x: Tensor) -> Tensor:
        """Return [J, B] of rows [J, B, width]."""
        held = self._work.buffer("x", *x.shape).copy_(x)
        return self._network.forward(self._optimiser.parameters, held, self._work, training=True)[..., 0]

    def learn(self, x: Tensor, real: Tensor) -> None:
        """Take a step on rows [J, B, width], which are real to a degree [J, B]."""
        error = (torch.sigmoid(self.logits(x)) - real).div_(x.shape[1])
        gradient = self._work.buffer("error", *error.shape, 1).copy_(error.unsqueeze(2))
        self._network.backward(self._optimiser.parameters, gradient, self._work, self._optimiser.gradients)
        self._optimiser.update(self._rate)

    def slope(self, x: Tensor) -> Tensor:
        """Return the gradient, at rows [J, B, width], of their mean cross-entropy as real ones."""
        error = (torch.sigmoid(self.logits(x)) - 1).div_(x.shape[1])
        gradient = self._work.buffer("error", *error.shape, 1).copy_(error.unsqueeze(2))
        return self._network.backward(self._optimiser.parameters, gradient, self._work, None, need_input=True)


def _train_and_generate(
    encoder: PublicBins,
    settings: Mapping[str, object],
    encoded: Sequence[np.ndarray],
    units: Sequence[np.ndarray],
    sigmas: Sequence[float],
    rows: Sequence[int],
    rngs: Sequence[np.random.Generator],
) -> list[np.ndarray]:
    """Return the samples of a group of replicates."""
    network, teachers, rate = judge_of(encoder, settings), settings["teachers"], settings["learning_rate"]
    size, replicates = settings["batch_size"], len(encoded)
    offsets = np.cumsum([0, *map(len, encoded[:-1])])
    dealt = [deal(unit, teachers, rng) for unit, rng in zip(units, rngs, strict=True)]
    made = PublicGenerators(encoder, settings, rngs, seeded(rngs))
    taught = Judges(network, [rng for rng in rngs for _ in range(teachers)], rate)
    student = Judges(network, rngs, rate)
    records, fakes, asked = torch.from_numpy(np.concatenate(encoded)), made.noise(size), made.noise(settings["queries"])
    truth = torch.cat([torch.ones(size), torch.zeros(size)]).expand(replicates * teachers, -1)
    for _ in range(settings["rounds"]):
        for _ in range(settings["teacher_updates"]):
            mine = [
                offset + np.stack([own[rng.integers(len(own), size=size)] for own in parts])
                for offset, parts, rng in zip(offsets, dealt, rngs, strict=True)
            ]
            real = records[torch.from_numpy(np.concatenate(mine))]
            fake = made.make(fakes.next()).repeat_interleave(teachers, 0)
            taught.learn(torch.cat([real, fake], 1), truth)
        shown = made.make(asked.next()).clone()
        counts = (taught.logits(shown.repeat_interleave(teachers, 0)) > 0).view(replicates, teachers, -1).sum(1).numpy()
        answers = [noisy_votes(own, teachers, sigma, rng) for own, sigma, rng in zip(counts, sigmas, rngs, strict=True)]
        votes = torch.from_numpy(np.stack(answers))
        for _ in range(settings["student_updates"]):
            student.learn(shown, votes)
        made.step(fakes.next(), student.slope, rate)
    return made.generate(rows, rngs)


def _floats(encoder: PublicBins, settings: Mapping[str, object]) -> int:
    """Return the numbers that a replicate's training keeps at hand."""
    layers = judge_of(encoder, settings), generator_of(encoder, settings)
    judge, made = (sum(v.size for v in part.initial(np.random.default_rng()).values()) for part in layers)
    rows = settings["batch_size"] * (2 * settings["teachers"] + 2) * encoder.width
    return 4 * ((settings["teachers"] + 1) * judge + made) + rows
