"""What DP-GAN and PATE-GAN share: a generator of rows of public bins, its step against a judge, and their units.

Neither sees patients: rows are encoded by public ranges alone, and a generator only meets what judges were told under
noise.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from medpriv.bank.optimiser import Adam
from medpriv.models.layers import Tensors, Workspace
from medpriv.privacy.accountant import ADJACENCY, check_delta, default_delta
from medpriv.synthesis.encoding import PublicBins
from medpriv.synthesis.generator import Generator, Heads
from medpriv.synthesis.noise import Noise

BETAS = (0.5, 0.9)
BLOCK = 500  # rows generated at once
CAVEATS = (
    "levels, ranges and decimals are those of the public data dictionary; nothing is fitted to rows beside the models",
    "neighbours are those of zero-out: one patient's rows are replaced by nothing, and the number of patients of a "
    "replicate is public and stays",
    "the guarantee is one replicate's: a bank holds several models of the same patients so that they can be audited",
    "noise comes from a seeded generator in floating point: who knows the seed can take it off again",
)


class PublicGenerators:
    """Generators of K replicates in training, and the rows they make.

    Args:
        encoder: of rows.
        settings: `embedding`, `width`.
        rngs: give first parameters.
        generators: one a replicate, for noise.
    """

    def __init__(
        self,
        encoder: PublicBins,
        settings: Mapping[str, object],
        rngs: Sequence[np.random.Generator],
        generators: Sequence[torch.Generator],
    ) -> None:
        self._encoder, self._generators, self._embedding = encoder, generators, settings["embedding"]
        self._layers = generator_of(encoder, settings)
        drawn = [self._layers.initial(rng) for rng in rngs]
        first = {name: torch.from_numpy(np.stack([own[name] for own in drawn])) for name in drawn[0]}
        self._optimiser = Adam(first, 0.0, BETAS)
        most = max(span.stop - span.start for span in encoder.spans)
        self._heads = Heads([encoder.spans] * len(rngs), 0, encoder.width, most)
        self._work = Workspace()

    def noise(self, rows: int) -> Noise:
        """Return noise for so many rows a step."""
        return Noise(self._generators, {"normal": (rows, self._embedding), "gumbel": (rows, self._encoder.width)})

    def make(self, noise: Tensors, rows: int | None = None) -> Tensor:
        """Return rows [K, B, width] made from noise (of its first so many rows), in a buffer."""
        normal, gumbel = (noise[name][:, :rows] for name in ("normal", "gumbel"))
        inside = self._layers.buffer(self._work, *normal.shape[:2])
        inside[..., -self._embedding :] = normal
        outputs = self._layers.forward(self._optimiser.parameters, inside, self._work)
        made = self._work.buffer("made", *gumbel.shape)
        self._heads.forward(outputs, gumbel, made, self._work)
        return made

    def step(self, noise: Tensors, slope: Callable[[Tensor], Tensor], learning_rate: float) -> None:
        """Make rows and move against a loss, whose gradient at the rows `slope` tells."""
        made = self.make(noise)
        back = self._heads.backward(slope(made), self._work)
        inside = self._layers.buffer(self._work, *made.shape[:2])
        self._layers.backward(self._optimiser.parameters, inside, back, self._work, self._optimiser.gradients)
        self._optimiser.update(learning_rate)

    def generate(self, rows: Sequence[int], rngs: Sequence[np.random.Generator]) -> list[np.ndarray]:
        """Return each replicate's cells [rows_k, V + 1]."""
        parts: list[list[np.ndarray]] = [[] for _ in rows]
        noise = self.noise(BLOCK)
        for start in range(0, max(rows), BLOCK):
            made = self.make(noise.next()).numpy()
            for own, part, rng, wanted in zip(parts, made, rngs, rows, strict=True):
                own.append(self._encoder.decode(part[: max(0, wanted - start)], rng))
        return [np.concatenate(own) for own in parts]


def generator_of(encoder: PublicBins, settings: Mapping[str, object]) -> Generator:
    """Return the layers of a generator without condition."""
    return Generator(settings["embedding"], (settings["width"],) * 2, encoder.width)


def units_of(tables: Sequence[np.ndarray], patients: Sequence[np.ndarray] | None) -> list[np.ndarray]:
    """Return each row's unit, 0 to n_k - 1: its patient, or the row itself where nobody says whose it is."""
    if patients is None:
        return [np.arange(len(table)) for table in tables]
    return [np.unique(own, return_inverse=True)[1] for own in patients]


def deltas_of(units: Sequence[np.ndarray], delta: float | None) -> list[float]:
    """Return each replicate's delta.

    Raises:
        InputError: one at which giving away a patient's whole record would count as private.
    """
    counts = [int(own.max()) + 1 for own in units]
    for count in counts:
        if delta is not None:
            check_delta(delta, count, "synthetic.delta")
    return [delta or default_delta(count) for count in counts]


def state(
    epsilons: Sequence[float], deltas: Sequence[float], target: float, units: Sequence[np.ndarray]
) -> dict[str, object]:
    """Return what all guarantees say: the largest of the replicates' epsilons and deltas holds for each of them."""
    return {
        "epsilon": max(epsilons),
        "target_epsilon": target,
        "delta": max(deltas),
        "unit": "patient",
        "adjacency": ADJACENCY,
        "patients": min(int(own.max()) + 1 for own in units),
        "caveats": list(CAVEATS),
    }
