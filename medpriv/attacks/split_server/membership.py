"""Membership from what is sent at the cut: does a replicate's activation of a record show that it was trained on it?

The server is honest but curious, has public records with their activations, and shadow replicates, trained the same
way, whose members it knows. Units of different replicates have nothing to do with one another, so an activation is
told by figures that don't depend on their order, and these by LiRA over the shadows:

- `norm`: log |z|;
- `distance`: log of the Mahalanobis distance to the public activations;
- `nearest`: log of the distance to the nearest public activations.

A server with labels and all layers after the cut has the logits too: that attacker is `medpriv.attacks.membership`'s.
"""

from collections.abc import Mapping

import numpy as np

from medpriv.attacks.membership import lira
from medpriv.attacks.membership.scored import measure_attack, score_attacks
from medpriv.attacks.membership.scores import scores_of_patients, scores_of_records
from medpriv.bank.bank import Bank
from medpriv.dataset import TRAIN, Dataset
from medpriv.measures.bootstrap import PatientBootstrap
from medpriv.measures.table import Measure
from medpriv.seeds import generator
from medpriv.treatments.split import Split, deployed_activations

NEAREST = 5
RIDGE = 1e-2  # of the mean variance, added to the public activations' covariance
TINY = 1e-6
TOGETHER = 4  # replicates whose activations are held at once


def infer_members(
    dataset: Dataset, bank: Bank, split: Split, public: np.ndarray, settings: Mapping[str, object], seed: int
) -> list[Measure]:
    """Return the measures of LiRA on each figure, on patients.

    Args:
        bank: all its replicates are targets in turn, the others shadows.
        public: int [P], records of test patients.
        settings: `false_positive_rates`, `bootstraps`.
    """
    people = len(np.unique(dataset.patient[dataset.rows(TRAIN)]))
    rng = generator(seed, dataset.name, "cut", "membership")
    draws = PatientBootstrap.draw(rng, people, settings["bootstraps"], len(bank.replicates))
    measures = []
    for name, values in _figures_of_bank(dataset, bank, split, public, seed).items():
        patients = scores_of_patients(scores_of_records(dataset, bank, values))
        attack = f"cut-membership-{name}"
        [scored] = score_attacks({attack: lira.score_online_shared}, "patient", patients)
        about = (dataset.name, bank.treatment, attack)
        measures += measure_attack(scored, settings["false_positive_rates"], draws, about)[0]
    return measures


def _figures_of_bank(
    dataset: Dataset, bank: Bank, split: Split, public: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    """Return each figure of every replicate's activations, [K, N]."""
    parts = []
    for start in range(0, len(bank.replicates), TOGETHER):
        some = slice(start, start + TOGETHER)
        held = {name: value[some] for name, value in bank.weights.items()}
        sent = deployed_activations(dataset, split, held, bank.replicates[some], seed)
        parts += [figures_of(own.reshape(len(own), -1).astype(np.float64), public) for own in sent]
    return {name: np.stack([part[name] for part in parts]) for name in parts[0]}


def figures_of(sent: np.ndarray, public: np.ndarray) -> dict[str, np.ndarray]:
    """Return each figure [N] of activations [N, W], of which the rows `public` are the attacker's."""
    shown = sent[public]
    centre = shown.mean(0)
    covariance = np.cov(shown.T).reshape(sent.shape[1], sent.shape[1])
    covariance += (RIDGE * np.trace(covariance) / len(covariance) + TINY) * np.eye(len(covariance))
    whitened = np.linalg.solve(np.linalg.cholesky(covariance), (sent - centre).T)
    squares = np.square(sent).sum(1)[:, None] + np.square(shown).sum(1) - 2 * sent @ shown.T
    squares[public, np.arange(len(public))] = np.inf  # a public record is not its own neighbour
    count = max(1, min(NEAREST, len(public) - 1))
    near = np.sqrt(np.maximum(np.partition(squares, count - 1, axis=1)[:, :count], 0)).mean(1)
    return {
        "norm": np.log(np.linalg.norm(sent, axis=1) + TINY),
        "distance": np.log(np.linalg.norm(whitened, axis=0) + TINY),
        "nearest": np.log(near + TINY),
    }
