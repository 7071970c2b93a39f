"""The attack on a diffusion model by whoever holds its weights: how well it denoises a record at fixed noise.

For a grid of time steps t and the same noise draws e_m for every record and model, loss_tm(x) = |e_m - e_theta(
sqrt(a_t) x + sqrt(1 - a_t) e_m, t)|^2 (the idea of the winners of the MIDST challenge 2025). Noise that differs from
record to record would drown what is memorised.

- `diffusion-loss`: minus the mean log loss, as every score;
- `diffusion-learnt`: a classifier of the whole vector, learnt on other replicates.
"""

import numpy as np

from medpriv.attacks.release.learnt import Learnt, learn, prepare

MOST = 32  # features: more are replaced by so many principal components
_LEAST = 1e-12  # a loss


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
