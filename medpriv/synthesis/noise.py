"""Random numbers of a stack of generators: each replicate's from its own torch generator, for many steps at once."""

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np
import torch
from torch import Tensor

AHEAD = 2**18  # floats that a replicate draws at once, about
TINY = 1e-12  # a uniform number of 0 would be infinite Gumbel noise


def seeded(rngs: Sequence[np.random.Generator]) -> list[torch.Generator]:
    """Return a torch generator a replicate, seeded by the replicate's own."""
    return [torch.Generator().manual_seed(int(rng.integers(2**63 - 1))) for rng in rngs]


class Noise:
    """Random numbers of a stack: each replicate's from its own generator, for many steps at once.

    Args:
        sizes: of a step's parts, name -> shape without K; `normal`, `gumbel`, `mix`, `masks`, `hidden`.
    """

    def __init__(self, generators: Sequence[torch.Generator], sizes: Mapping[str, tuple[int, ...]]) -> None:
        self.generators, self._sizes = generators, sizes
        floats = sum(prod(size) for size in sizes.values())
        self._steps, self._at = max(1, AHEAD // floats), 0
        self._drawn = {name: torch.empty(len(generators), self._steps, *size) for name, size in sizes.items()}

    def next(self) -> dict[str, Tensor]:
        """Return the parts of the next step, name -> [K, ...]."""
        if not self._at % self._steps:
            for name, value in self._drawn.items():
                for own, generator in zip(value, self.generators, strict=True):
                    draw(name, own, generator)
        at, self._at = self._at % self._steps, self._at + 1
        return {name: value[:, at] for name, value in self._drawn.items()}


def draw(name: str, out: Tensor, generator: torch.Generator) -> None:
    """Fill a part of the noise: dropout's `masks` are 0 or 2, the others what their names say."""
    if name in ("normal", "hidden"):
        out.normal_(generator=generator)
    elif name == "mix":
        out.uniform_(generator=generator)
    elif name == "gumbel":
        out.uniform_(generator=generator).clamp_min_(TINY).log_().neg_().log_().neg_()
    else:
        words = torch.empty(-(-out.numel() // 4), dtype=torch.int64).random_(-(2**63), None, generator=generator)
        bits = words.view(torch.int16)[: out.numel()].view(out.shape)
        torch.mul(bits >= 0, 2.0, out=out)
