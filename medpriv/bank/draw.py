"""Which replicates are trained, and what their randomness is drawn from: seed and names, never order or time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.dataset import TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.seeds import generator


@dataclass(frozen=True)
class Draw:
    """Some of a bank's replicates.

    Attributes:
        replicates: their numbers; a shard trains some of a bank's.
        total: how many the whole bank has.
        seed: the root seed.
    """

    replicates: Sequence[int]
    total: int
    seed: int

    def rngs(self, dataset: str, treatment: str, *purpose: object) -> list[np.random.Generator]:
        """Return one generator a replicate; replicate r's is the same in whatever shard it is trained."""
        return [generator(self.seed, dataset, treatment, replicate, *purpose) for replicate in self.replicates]

    def members(self, dataset: Dataset) -> np.ndarray:
        """Return bool [K, P]: each replicate's own random half of the training patients, never a test patient.

        The draw depends on the dataset's name and the replicate's number only, so all treatments of a dataset share it.

        Raises:
            InputError: too few replicates or training patients for an audit.
        """
        candidates = np.flatnonzero(dataset.split == TRAIN)
        if self.total < 2 or len(candidates) < 2:
            raise InputError(
                f"{self.total} replicates on {len(candidates)} training patients can't be audited",
                file=f"dataset {dataset.name}",
                place="bank.replicates",
                remedy="ask for at least 2 replicates and 2 training patients",
            )
        members = np.zeros((len(self.replicates), len(dataset.patients)), dtype=bool)
        for row, rng in zip(members, self.rngs(dataset.name, "members"), strict=True):
            row[rng.choice(candidates, size=len(candidates) // 2, replace=False)] = True
        return members
