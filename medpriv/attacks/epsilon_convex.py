"""Canaries for audits of output and objective perturbation, beside those of noisy steps in `epsilon_canaries`.

- `gradient`: canary i is the unit vector of a coordinate of its own, so that the whole noise of one coordinate is all
  that hides it; its score is the coordinate's weight. J falls apart by coordinates there, so scores are independent.
- `record`: far-out records with drawn labels among the patients' features; the score is the confidence in the label.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.attacks.epsilon_canaries import FAR
from medpriv.privacy.convex import Perturbation, bounded_records, parts, release

Release = Callable[[np.ndarray, np.ndarray, Perturbation, Sequence[np.random.Generator]], np.ndarray]


@dataclass(frozen=True)
class ConvexTrial:
    """R fits with m canaries each.

    Attributes:
        x: float64 [R, n, d], rows of norm at most 1, one a patient, as `medpriv.privacy.convex.release` takes them.
        signs: float64 [R, n].
        inside: bool [R, m], the coins.
        perturbation: as it is claimed to be.
        noise: one generator a fit.
    """

    x: np.ndarray
    signs: np.ndarray
    inside: np.ndarray
    perturbation: Perturbation
    noise: Sequence[np.random.Generator]


def gradient_scores(trial: ConvexTrial, fit: Release = release) -> np.ndarray:
    """Return float64 [R, m]: the weight of each canary's coordinate, higher for in."""
    canaries, dimension = trial.inside.shape[1], trial.x.shape[2]
    return _fit(trial, np.eye(canaries, dimension + canaries, dimension), np.ones(canaries), fit)[:, dimension:]


def record_scores(trial: ConvexTrial, rng: np.random.Generator, fit: Release = release) -> np.ndarray:
    """Return float64 [R, m]: each fit's confidence in each canary's label, less the fits' mean.

    Args:
        rng: draws the canaries, the same ones in all fits.
    """
    canaries = trial.inside.shape[1]
    features = trial.x.shape[2] - 1  # the last coordinate is the intercept's
    records = bounded_records(FAR * rng.choice([-1.0, 1.0], size=(canaries, features)))
    labels = rng.choice([-1.0, 1.0], size=canaries)
    phi = labels * (_fit(trial, records, labels, fit) @ records.T)
    return phi - phi.mean(axis=0)


def _fit(trial: ConvexTrial, records: np.ndarray, labels: np.ndarray, fit: Release) -> np.ndarray:
    """Return the weights [R, e] of all fits, some at a time, with canaries where their coins let them in.

    Args:
        records: [m, e], the canaries; their first d coordinates are those of the patients.
        labels: [m], their signs.
    """
    replicates, patients, dimension = trial.x.shape
    canaries, width = records.shape
    found = []
    for some in parts(replicates, (patients + canaries) * width):
        inside = trial.inside[some]
        x = np.zeros((len(inside), patients + canaries, width))
        x[:, :patients, :dimension] = trial.x[some]
        x[:, patients:] = records * inside[:, :, None]
        signs = np.concatenate([trial.signs[some], np.broadcast_to(labels, inside.shape)], axis=1)
        found.append(fit(x, signs, trial.perturbation, trial.noise[some]))
    return np.concatenate(found)
