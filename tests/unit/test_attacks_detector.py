"""The detector of attacked signals finds what is there to find, and nothing else."""

import attacked_toys as toys
import numpy as np

from medpriv.attacks.detector import detector_measure
from medpriv.measures.flips import RateEstimator


def detect(extra: np.ndarray) -> float:
    """Return the AUC of a detector of slow signals plus `extra`, [samples] or random signs of that size."""
    dataset = toys.make_dataset()
    estimator = RateEstimator.of(dataset, "t", np.arange(120), 50, np.random.default_rng(0))
    rng, parts = np.random.default_rng(1), []
    for _ in range(2):
        clean = np.cumsum(rng.normal(0, 0.02, (120, 2, 64)), axis=-1)
        others = np.cumsum(rng.normal(0, 0.02, (120, 2, 64)), axis=-1)
        attacked = others + extra * rng.choice([-1, 1], (2, 120, 2, 64))
        parts.append((clean, attacked))
    row = detector_measure(estimator, "a", "", *parts)
    assert row.lower <= row.value <= row.upper and row.n == 120
    return row.value


def test_rough_noise_is_detected_and_no_change_is_not():
    assert detect(np.float64(0.05)) > 0.99
    assert abs(detect(np.float64(0.0)) - 0.5) < 0.1
