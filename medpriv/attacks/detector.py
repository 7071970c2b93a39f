"""A detector that learns to tell attacked signals from clean ones: an AUC near 0.5 means that they look alike.

Logistic regression on the logarithms of a signal's energy in 12 bands up to the Nyquist frequency, of its mean first,
second and third differences and of its largest second difference, means over leads. It learns from training patients'
records, clean and attacked, and is judged on test patients'. A better detector would find more: the AUC is a floor.
"""

from itertools import pairwise

import numpy as np

from medpriv.attacks.regression import fit_logistic
from medpriv.measures.flips import RateEstimator
from medpriv.measures.intervals import auc_interval
from medpriv.measures.roc import bootstrap_auc
from medpriv.measures.table import Measure

BANDS = 12
FLOOR = 1e-12  # mV squared; keeps the logarithm of an empty band finite


def detector_features(x: np.ndarray) -> np.ndarray:
    """Return [M, 16] of signals [..., leads, samples] in mV, M in the order of the leading axes."""
    flat = x.reshape(-1, *x.shape[-2:])
    power = np.square(np.abs(np.fft.rfft(flat - flat.mean(axis=-1, keepdims=True)))) / flat.shape[-1] ** 2
    edges = np.linspace(0, power.shape[-1], BANDS + 1).round().astype(int)
    bands = [power[..., start:stop].sum(axis=-1) for start, stop in pairwise(edges)]
    steps = [np.abs(np.diff(flat, order)) for order in (1, 2, 3)]
    sizes = [np.square(step.mean(axis=-1)) for step in steps] + [np.square(steps[1].max(axis=-1))]
    return np.log(np.stack(bands + sizes, axis=-1) + FLOOR).mean(axis=1)


def detector_measure(
    estimator: RateEstimator,
    attack: str,
    group: str,
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
) -> Measure:
    """Return `detector_auc`.

    Args:
        estimator: of the test signals.
        train, test: clean [n, leads, samples] and attacked [K, n, leads, samples] signals; all networks' together.
    """
    clean, attacked = (detector_features(part) for part in train)
    sizes, features = np.array([len(clean), len(attacked)]), np.concatenate([clean, attacked])
    centre, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 0, scale, 1)
    labels, balanced = np.repeat([0, 1], sizes), np.repeat(sizes.sum() / sizes / 2, sizes)
    model = fit_logistic((features - centre) / scale, labels, penalty=1.0, weight=balanced)
    clean, attacked = (model.logits((detector_features(part) - centre) / scale)[:, 1] for part in test)
    scores = np.concatenate([clean, attacked])
    positive = np.arange(len(scores)) >= len(clean)
    patient = np.tile(estimator.patient, len(scores) // len(estimator.patient))
    drawn = bootstrap_auc(scores, positive, patient, estimator.bootstrap.patients)
    value, patients = float(drawn[0]), estimator.bootstrap.patients.shape[1]
    limits = auc_interval(value, drawn[1:], patients, patients)
    n = len(estimator.y)
    about = (estimator.dataset, estimator.treatment, attack, "detector_auc")
    return Measure(*about, value, *limits, n=n, group=group, patients=patients)
