"""Which records each replicate sees at each update.

Every replicate walks through permutations of its own records, one after another without a break, so that all batches
are full and all replicates make the same number of updates, however many records each has.
"""

from collections.abc import Sequence

import numpy as np


def count_updates(records: int, epochs: int, batch_size: int) -> int:
    """Return the updates that `epochs` passes over `records` records take."""
    return epochs * -(-records // batch_size)


class Batches:
    """An endless stream of batches for some replicates.

    Args:
        members: bool [K, N], the records of each replicate; every replicate has one at least.
        batch_size: records a batch.
        generators: one a replicate; a replicate's batches depend on its own alone.
    """

    def __init__(self, members: np.ndarray, batch_size: int, generators: Sequence[np.random.Generator]) -> None:
        self._records = [np.flatnonzero(row).astype(np.int32) for row in members]
        self._generators = generators
        self._ahead = [np.empty(0, np.int32) for _ in members]
        self._indices = np.empty((len(members), batch_size), np.int64)

    def next(self) -> np.ndarray:
        """Return int64 [K, batch_size], record numbers; the array is used again by the next call."""
        size = self._indices.shape[1]
        for k, records in enumerate(self._records):
            while len(self._ahead[k]) < size:
                self._ahead[k] = np.concatenate([self._ahead[k], self._generators[k].permutation(records)])
            self._indices[k], self._ahead[k] = self._ahead[k][:size], self._ahead[k][size:]
        return self._indices
