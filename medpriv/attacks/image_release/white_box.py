"""The attack on a diffusion model of images by whoever holds its weights; see `medpriv.attacks.release.white_box`."""

import numpy as np

from medpriv.attacks.release.white_box import LATEST
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset

TIMES, NOISES = 6, 2  # steps of noise, draws of noise at each: a loss is a mean over all pixels, and so is little noisy


def losses_of(dataset: Dataset, bank: Bank, rng: np.random.Generator) -> np.ndarray | None:
    """Return the losses [K, N, F] of all images by a bank of diffusion models; None by another generator."""
    if bank.model != "diffusion" or bank.weights is None:
        return None
    from medpriv.image_synthesis import diffusion

    settings = bank.spec.hyperparameters
    times = np.unique(np.linspace(0, settings["steps"] * LATEST, TIMES).astype(int))
    noise = diffusion.draw_noise(dataset.x.shape[1:], times, NOISES, rng)
    return diffusion.losses(bank.weights, dataset.x, dataset.y, settings, noise)
