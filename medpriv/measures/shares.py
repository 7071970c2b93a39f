"""Shares and means of records, as means over replicates, with a patient bootstrap."""

import numpy as np


def mean_share(hits: np.ndarray, of: np.ndarray, patient: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the mean over replicates of sum(hits) / sum(of), and its draws [B]; NaN where nothing is counted.

    A replicate that counts nothing is left out of the mean.

    Args:
        hits, of: [K, N], bool; hits lie within of. For a mean, hits are values, 0 where not of.
        patient: int [N], 0..P-1.
        weights: [B, P], how often each draw holds each patient.
    """
    patients = weights.shape[1]

    def by_patient(chosen: np.ndarray) -> np.ndarray:  # [P, K]
        return np.stack([np.bincount(patient, row, minlength=patients) for row in chosen], axis=1)

    drawn = np.concatenate([np.ones((1, patients)), weights])
    part, whole = drawn @ by_patient(hits), drawn @ by_patient(of)  # [1 + B, K]
    valued = whole > 0
    with np.errstate(invalid="ignore"):
        shares = np.where(valued, part / np.where(valued, whole, 1), 0).sum(axis=1) / valued.sum(axis=1)
    return float(shares[0]), shares[1:]
