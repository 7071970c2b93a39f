"""What a model's outputs say about one record, and about one patient.

Two statistics of the probability p_y that a model gives to a record's true class y:
- phi = log p_y - log(1 - p_y), close to Gaussian over retrained models, which LiRA and BaVarIA build on
  (Carlini et al. 2022, section IV-C);
- log p_y, minus the cross-entropy loss, which the loss attack and RMIA use.

A patient's statistic is the mean over the patient's records, taken before any likelihood ratio: the records of a
patient are far from independent, so a sum of their log ratios would count the same evidence many times.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from medpriv.bank.bank import Bank
from medpriv.dataset import TEST, TRAIN, Dataset


@dataclass(frozen=True)
class Signals:
    """The outputs of K replicates on U units (records, or patients) of the training patients.

    Attributes:
        phi, log_p: float64 [K, U].
        members: bool [K, U], whether the replicate was trained on the unit.
        population: float64 [K, Z], log p_y on units of the test patients, which no replicate saw.
        patient: int64 [U], the unit's patient, an index into `patients`.
        patients: int64 [P], indices of the training patients in the dataset.
    """

    phi: np.ndarray
    log_p: np.ndarray
    members: np.ndarray
    population: np.ndarray
    patient: np.ndarray
    patients: np.ndarray


def true_class_logit(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return phi = z_y - logsumexp of the other z, float64 [K, N], from logits [K, N, C] and classes y [N].

    The same number as log p_y - log(1 - p_y), without the loss of digits where p_y is near 0 or 1.
    """
    true = np.take_along_axis(logits, y[None, :, None], axis=2)[..., 0].astype(np.float64)
    others = np.where(np.arange(logits.shape[2]) == y[:, None], -np.inf, logits.astype(np.float64))
    return true - logsumexp(others, axis=2)


def log_probability(phi: np.ndarray) -> np.ndarray:
    """Return log p_y = -log(1 + exp(-phi))."""
    return -np.logaddexp(0.0, -phi)


def record_signals(dataset: Dataset, bank: Bank) -> Signals:
    """Return the signals of every record; units are the records of the training patients, in the dataset's order."""
    members = bank.record_members(dataset)
    train, test = np.flatnonzero(dataset.rows(TRAIN)), np.flatnonzero(dataset.rows(TEST))
    phi = true_class_logit(bank.logits, dataset.y)
    seen, unseen = np.take(phi, train, axis=1), np.take(phi, test, axis=1)
    patients, patient = np.unique(dataset.patient[train], return_inverse=True)
    return Signals(
        phi=seen,
        log_p=log_probability(seen),
        members=np.take(members, train, axis=1),
        population=log_probability(unseen),
        patient=patient,
        patients=patients,
    )


def patient_signals(records: Signals, test_patient: np.ndarray) -> Signals:
    """Return the signals of every patient: means over the patient's records.

    Args:
        records: of `record_signals`.
        test_patient: [Z], the patient of each unit of the population.
    """
    _, first = np.unique(records.patient, return_index=True)
    return Signals(
        phi=_mean_by(records.phi, records.patient),
        log_p=_mean_by(records.log_p, records.patient),
        members=np.take(records.members, first, axis=1),
        population=_mean_by(records.population, np.unique(test_patient, return_inverse=True)[1]),
        patient=np.arange(len(records.patients)),
        patients=records.patients,
    )


def _mean_by(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return the means [K, G] of values [K, U] over the units of each group 0..G-1."""
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    return np.add.reduceat(np.take(values, order, axis=1), starts, axis=1) / np.diff(starts, append=len(group))
