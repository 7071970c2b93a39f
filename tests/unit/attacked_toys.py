"""Small signal datasets and stacks of networks whose best attack is known, for the tests of evasion attacks."""

from dataclasses import dataclass

import numpy as np
from made_up_datasets import put_together

from medpriv.attacks.attacked_records import AttackedRecords
from medpriv.dataset import TEST, TRAIN, Dataset

LEADS, SAMPLES, RATE = 2, 64, 300.0


@dataclass(frozen=True)
class Linear:
    """K linear networks: logits = weight . x + bias; weight [K, C, leads, samples], bias [K, C]."""

    weight: np.ndarray
    bias: np.ndarray

    def logits(self, x: np.ndarray) -> np.ndarray:
        own = np.broadcast_to(x, (len(self.weight), *x.shape[-3:]))
        return np.einsum("knls,kcls->knc", own, self.weight) + self.bias[:, None]

    def input_gradients(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits = self.logits(x)
        p = np.exp(logits - logits.max(axis=2, keepdims=True))
        error = p / p.sum(axis=2, keepdims=True) - np.eye(logits.shape[2])[y]
        return logits, np.einsum("knc,kcls->knls", error, self.weight)


@dataclass(frozen=True)
class Bowl:
    """Two classes split by a quadratic: logits = [0, curve . x^2 + slope . x - level]; all [K, leads, samples]."""

    curve: np.ndarray
    slope: np.ndarray
    level: float

    def logits(self, x: np.ndarray) -> np.ndarray:
        z = (self.curve[:, None] * x**2 + self.slope[:, None] * x).sum(axis=(2, 3)) - self.level
        return np.stack([np.zeros_like(z), z], axis=2)

    def input_gradients(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits = self.logits(x)
        error = 1 / (1 + np.exp(-logits[..., 1])) - y
        return logits, error[..., None, None] * (2 * self.curve[:, None] * x + self.slope[:, None])


def make_dataset(patients: int = 12, records: int = 10, units: str = "mV", **changed: object) -> Dataset:
    """Return noise whose mean says its class; half of the patients are test patients."""
    rng = np.random.default_rng(0)
    n = patients * records
    y = rng.integers(0, 2, n)
    x = rng.normal(0, 1, (n, LEADS, SAMPLES)) + 0.1 * (2 * y - 1)[:, None, None]
    held = {
        "name": "toy",
        "x": x.astype(np.float32),
        "y": y,
        "patient": np.repeat(np.arange(patients), records).astype(np.int32),
        "site": np.zeros(n, np.int32),
        "split": np.where(np.arange(patients) % 2, TEST, TRAIN).astype(np.uint8),
        "centre": np.full((LEADS, 1), 0.1, np.float32),
        "scale": np.array([[0.5], [2.0]], np.float32),
        "patients": tuple(f"p{index}" for index in range(patients)),
        "sites": ("one",),
        "classes": ("N", "V"),
        "features": ("MLII", "V1"),
        "units": (units, units),
        "licence": "none",
        "source": "simulated",
        "digest": "0",
        "sampling_rate": RATE,
    }
    return put_together(**{**held, **changed})


def make_models(replicates: int = 3) -> Linear:
    """Return linear networks that see the class in the mean; the second lead weighs more, so that scales matter."""
    weight = np.random.default_rng(1).normal(0, 0.03, (replicates, 2, LEADS, SAMPLES))
    weight[:, 1] += 0.1
    weight[:, 1, 1] *= 4  # scaled by 2, where the first lead is scaled by 0.5
    return Linear(weight, np.zeros((replicates, 2)))


def records_of(dataset: Dataset, x: np.ndarray, y: np.ndarray, **more: np.ndarray | None) -> AttackedRecords:
    """Return records to attack that need not be the dataset's own."""
    return AttackedRecords(dataset, np.arange(len(y)), x, y, **more)
