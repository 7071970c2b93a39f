"""Which records are attacked, and by how much they may change."""

from dataclasses import dataclass, replace

import numpy as np

from medpriv.attacks.target_models import in_units, signal_mask
from medpriv.dataset import TEST, Dataset
from medpriv.seeds import generator


@dataclass(frozen=True)
class AttackedRecords:
    """Records to attack.

    Attributes:
        rows: indices into the dataset's records, [n], or [K, n] where each network has its own.
        x, y: of them, x float32 in its unit.
        target: the classes that the attack aims at; None: any but y.
        inside: bool, broadcast over x, False where nothing may change (padding); None: everything may.
    """

    dataset: Dataset
    rows: np.ndarray
    x: np.ndarray
    y: np.ndarray
    target: np.ndarray | None = None
    inside: np.ndarray | None = None

    @classmethod
    def of(cls, dataset: Dataset, rows: np.ndarray) -> "AttackedRecords":
        """Return those in these rows of the dataset."""
        return cls(dataset, rows, in_units(dataset, rows), dataset.y[rows], inside=signal_mask(dataset, rows))

    def targeted(self) -> "AttackedRecords":
        """Return the records for an attack that aims at the class after the true one, the last one's the first."""
        return replace(self, target=(self.y + 1) % len(self.dataset.classes))

    def take(self, places: np.ndarray | int) -> "AttackedRecords":
        """Return some of the n records, by their places, or one of them."""
        parts = {name: getattr(self, name) for name in ("rows", "x", "y", "target", "inside")}
        return replace(self, **{name: part if part is None else part[places] for name, part in parts.items()})


@dataclass(frozen=True)
class SignSteps:
    """A walk by the signs of gradients.

    Attributes:
        epsilon: the budget: how far each value may move, in the records' unit.
        step: how far it moves at a time; both are numbers, or float32 that fit x.
        count: of the steps.
    """

    epsilon: float | np.ndarray
    step: float | np.ndarray
    count: int


def draw_records(dataset: Dataset, per_class: int, seed: int, split: int = TEST) -> np.ndarray:
    """Return indices of records of a split, at most `per_class` of each class, in rising order.

    A record comes before all second records of other patients if it is its patient's first, and so on.
    """
    chosen = []
    for index, name in enumerate(dataset.classes):
        rows = np.flatnonzero(dataset.rows(split) & (dataset.y == index))
        shuffled = generator(seed, dataset.name, "evasion", "records", name).permutation(rows)
        patient = dataset.patient[shuffled]
        by_patient = np.argsort(patient, kind="stable")
        starts = np.flatnonzero(np.diff(patient[by_patient], prepend=-1))
        turn = np.empty(len(rows), int)
        turn[by_patient] = np.arange(len(rows)) - np.repeat(starts, np.diff(starts, append=len(rows)))
        chosen.append(shuffled[np.argsort(turn, kind="stable")][:per_class])
    return np.sort(np.concatenate(chosen))
