"""The attack on a diffusion model of images by whoever holds its weights; see `medpriv.attacks.release.white_box`."""

import numpy as np

from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset


def losses_of(dataset: Dataset, bank: Bank, rng: np.random.Generator) -> np.ndarray | None:
    """Return the losses [K, N, F] of all images by a bank of diffusion models; None by another generator."""
    return None
