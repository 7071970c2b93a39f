"""Randomness that nobody can draw again: for models that are to be released.

A bank's noise comes from `medpriv.seeds`, so that an audit can be repeated: who knows the seed takes it off again. Nor
would a fresh seed do. NumPy's and torch's generators are not cryptographic: from enough of what they drew, or by trying
their seeds, what else they draw can be told. `SecretGenerator` draws every number from the operating system's
generator, whose state nobody is given and nothing here keeps, and has those of `numpy.random.Generator`'s methods that
private training draws by (noise, Poisson samples, batches, first weights). It goes where a NumPy generator goes:

    train_private(..., sampling=[SecretGenerator()], noise=[SecretGenerator()])
    release(x, signs, perturbation, [SecretGenerator()])

It has no `integers`, so that nothing can be seeded from it by mistake. Noise is still added in floating point, whose
rounding can give away more than the guarantee says (Mironov, CCS 2012); that is not mended here.
"""

import os
from math import prod

import numpy as np
import torch
from torch import Tensor

Size = int | tuple[int, ...] | None
UNIT = 2.0**-53


class SecretGenerator:
    """Draws from the operating system's cryptographic generator; as `numpy.random.Generator` where it has a method."""

    def random(self, size: Size = None) -> np.ndarray | float:
        """Return float64 of `size`, uniform on [0, 1): 53 random bits each."""
        return self._whole(size) * UNIT

    def uniform(self, low: float, high: float, size: Size = None) -> np.ndarray | float:
        """Return float64 of `size`, uniform on [low, high)."""
        return low + (high - low) * self.random(size)

    def standard_exponential(self, size: Size = None) -> np.ndarray | float:
        """Return float64 of `size`, exponential with mean 1."""
        return -np.log((self._whole(size) + 1) * UNIT)

    def standard_normal(self, size: Size = None, dtype: type = np.float64) -> np.ndarray | float:
        """Return `size` standard Gaussian numbers (Box and Muller 1958; none is farther out than 8.6)."""
        count = prod(np.atleast_1d(1 if size is None else size).tolist())
        length = np.sqrt(2 * self.standard_exponential(-(-count // 2)))
        angle = 2 * np.pi * self.random(len(length))
        drawn = np.concatenate([length * np.cos(angle), length * np.sin(angle)])[:count].astype(dtype)
        return drawn[0] if size is None else drawn.reshape(size)

    def gamma(self, shape: int, scale: float) -> float:
        """Return a number of the Gamma law: the sum of so many exponentials.

        Raises:
            ValueError: `shape` is not a whole number.
        """
        if shape != int(shape):
            raise ValueError(f"a Gamma law of shape {shape:g}: only whole shapes are drawn here")
        return float(scale * self.standard_exponential(int(shape)).sum())

    def permutation(self, x: int | np.ndarray) -> np.ndarray:
        """Return the rows of x, or the numbers below x, in a random order."""
        rows = np.arange(x) if isinstance(x, int | np.integer) else np.asarray(x)
        return rows[np.argsort(self._whole(len(rows)))]

    def permuted(self, x: np.ndarray, *, axis: int) -> np.ndarray:
        """Return x with each line along the axis in a random order of its own."""
        return np.take_along_axis(x, np.argsort(self._whole(x.shape), axis=axis), axis=axis)

    def _whole(self, size: Size) -> np.ndarray | np.uint64:
        """Return uint64 of `size`, uniform below 2^53."""
        shape = () if size is None else size
        count = prod(np.atleast_1d(1 if size is None else size).tolist())
        return (np.frombuffer(os.urandom(8 * count), np.uint64) >> np.uint64(11)).reshape(shape)[()]


Draws = np.random.Generator | SecretGenerator


def fill_normal(row: Tensor, rng: Draws, scratch: torch.Generator) -> None:
    """Fill float32 [n] with standard Gaussian noise.

    A NumPy generator seeds torch's `scratch`, which takes a third of its time for each number; a secret one never
    seeds anything.
    """
    if isinstance(rng, SecretGenerator):
        row.copy_(torch.from_numpy(rng.standard_normal(len(row), np.float32)))
    else:
        row.normal_(generator=scratch.manual_seed(int(rng.integers(2**63 - 1))))
