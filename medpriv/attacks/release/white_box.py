"""The attack on a diffusion model by whoever holds its weights: how well it denoises a record at fixed noise.

For a grid of time steps t and the same noise draws e_m for every record and model, loss_tm(x) = |e_m - e_theta(
sqrt(a_t) x + sqrt(1 - a_t) e_m, t)|^2 (the idea of the winners of the MIDST challenge 2025). Noise that differs from
record to record would drown what is memorised.

- `diffusion-loss`: minus the mean log loss, as every score;
- `diffusion-learnt`: a classifier of the whole vector, learnt on other replicates.
"""

import numpy as np

from medpriv.attacks.release.learnt import Learnt, learn, prepare
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.synthesis.schema import Schema, cells_of

TIMES, LATEST = 8, 0.6  # time steps of the grid, and up to which share of all: later ones are noise alone
NOISES = 8  # draws, the same for all records and models
MOST = 32  # features: more are replaced by so many principal components
_LEAST = 1e-12  # a loss


def losses_of(dataset: Dataset, bank: Bank, rng: np.random.Generator) -> np.ndarray | None:
    """Return the losses [K, N, F] of all records by a bank of diffusion models; None by another generator."""
    if bank.model != "diffusion" or bank.weights is None:
        return None
    from medpriv.synthesis import diffusion  # imports torch, which no other attack on releases needs

    schema = Schema.of(dataset)
    steps = bank.weights["alphas"].shape[1]
    times = np.unique(np.linspace(0, steps * LATEST, TIMES).astype(int))
    cells = cells_of(dataset, np.arange(len(dataset.cohort)))
    return diffusion.losses(bank.weights, schema, cells, times, diffusion.draw_noises(schema, NOISES, rng))


def value(losses: np.ndarray) -> np.ndarray:
    """Return minus the mean log loss [K, N] of losses [K, N, F]."""
    return -np.log(np.maximum(losses, _LEAST)).mean(axis=2)


def learn_losses(
    losses: np.ndarray,
    outside: np.ndarray,
    members: np.ndarray,
    patient: np.ndarray,
    apart: np.ndarray,
    rng: np.random.Generator,
) -> Learnt:
    """Return what was learnt of the losses on other replicates; arguments as of `learnt.prepare` and `learnt.learn`.

    Args:
        losses: float [K, U, F], of the records asked about.
        outside: float [K, M, F], of the reference's.
    """
    logs, beside = (np.log(np.maximum(each, _LEAST)).astype(np.float64) for each in (losses, outside))
    if logs.shape[2] > MOST:
        centred = logs - logs.mean(axis=(0, 1))
        flat = centred.reshape(-1, logs.shape[2])
        components = np.linalg.eigh(flat.T @ flat)[1][:, : -MOST - 1 : -1]
        logs, beside = logs @ components, beside @ components
    return learn(prepare(logs, beside, apart), members, patient, rng)
