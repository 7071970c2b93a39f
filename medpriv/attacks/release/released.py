"""What an attacker on a release sees: records asked about, a reference that nobody trained on, and the released rows.

The reference are the rows of test patients. They are asked about as well (the population of RMIA, what a release's
scores look like on outsiders); a record of the reference is compared with the reference without its patient.
Distances are worked out once a release and shared by all scores (`Beside`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from medpriv.attacks.release.features import Encoding, squared_distances

NEIGHBOURS = 20  # kept of the nearest rows

_ELEMENTS = 4_000_000  # of one array over records and rows; bounds the memory


@dataclass(frozen=True)
class Asked:
    """The records asked about, and the reference, which are the last of them.

    Attributes:
        encoding: fitted to the reference.
        cells: float64 [N, V + 1].
        patient: int [N], whose they are.
        outside: M, how many of them, the last, are the reference.
    """

    encoding: Encoding
    cells: np.ndarray
    patient: np.ndarray
    outside: int

    @cached_property
    def x(self) -> np.ndarray:
        """Their features, float32 [N, F]."""
        return self.encoding.encode(self.cells)

    @property
    def reference(self) -> slice:
        """Where the reference stands."""
        return slice(len(self.cells) - self.outside, len(self.cells))

    def own(self, rows: slice) -> np.ndarray:
        """Return bool [rows, M]: which rows of the reference are the record's patient's own."""
        return self.patient[rows, None] == self.patient[self.reference]

    @cached_property
    def bandwidth(self) -> float:
        """Silverman's h for the reference, in its mean standard deviation: sd (4 / ((F + 2) M))^(1 / (F + 4))."""
        size, features = self.outside, self.x.shape[1]
        deviation = float(np.sqrt(self.x[self.reference].var(axis=0, dtype=np.float64).mean())) or 1.0
        return deviation * (4 / ((features + 2) * size)) ** (1 / (features + 4))

    @cached_property
    def nearest(self) -> np.ndarray:
        """Squared distances to the nearest rows of the reference, float32 [N, <= `NEIGHBOURS`], in rising order."""
        return self._of_reference[0]

    @cached_property
    def log_kernel(self) -> np.ndarray:
        """The log of the mean kernel exp(-d^2 / 2 h^2) over the reference, float64 [N]."""
        return self._of_reference[1]

    @cached_property
    def _of_reference(self) -> tuple[np.ndarray, np.ndarray]:
        nearest, log_kernel = [], []
        for rows in blocks(len(self.cells), self.outside):
            squares = squared_distances(self.x[rows], self.x[self.reference])
            squares[self.own(rows)] = np.inf
            nearest.append(smallest(squares, NEIGHBOURS))
            log_kernel.append(log_mean_kernel(squares, self.bandwidth))
        return np.concatenate(nearest), np.concatenate(log_kernel)


@dataclass(frozen=True)
class Beside:
    """One release beside what the attacker has.

    Attributes:
        asked: the records, and the reference.
        cells: float64 [n, V + 1], the released rows.
    """

    asked: Asked
    cells: np.ndarray

    @cached_property
    def x(self) -> np.ndarray:
        """The released rows' features, float32 [n, F]."""
        return self.asked.encoding.encode(self.cells)

    @cached_property
    def squares(self) -> np.ndarray:
        """Squared distances of the records to the released rows, float32 [N, n]."""
        return squared_distances(self.asked.x, self.x)

    @cached_property
    def closest(self) -> np.ndarray:
        """Which released row is the nearest, int [N]."""
        return self.squares.argmin(axis=1)

    @cached_property
    def nearest(self) -> np.ndarray:
        """Squared distances to the nearest released rows, float32 [N, <= `NEIGHBOURS`], in rising order.

        Products lose digits where rows agree: the very nearest is worked out by itself.
        """
        found = smallest(self.squares, NEIGHBOURS)
        found[:, 0] = np.square(self.asked.x - self.x[self.closest]).sum(axis=1)
        return np.maximum.accumulate(found, axis=1)

    @cached_property
    def spacing(self) -> np.ndarray:
        """Each released row's squared distance to the nearest other one, float32 [n]; infinite for a single row."""
        found = []
        for rows in blocks(len(self.x), len(self.x)):
            squares = squared_distances(self.x[rows], self.x)
            squares[np.arange(len(squares)), np.arange(rows.start, rows.start + len(squares))] = np.inf
            found.append(squares.min(axis=1))
        return np.concatenate(found)


def blocks(rows: int, others: int) -> Iterator[slice]:
    """Yield slices of the rows, so few that an array over them and the others is small."""
    step = max(1, _ELEMENTS // max(others, 1))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def smallest(values: np.ndarray, count: int) -> np.ndarray:
    """Return the smallest of each row in rising order, [rows, count or all]."""
    count = min(count, values.shape[1])
    return np.sort(np.partition(values, count - 1, axis=1)[:, :count], axis=1)


def log_mean_kernel(squares: np.ndarray, bandwidth: float) -> np.ndarray:
    """Return log of the mean over the finite ones of exp(-d^2 / 2 h^2), float64 [rows], from squared distances."""
    least = squares.min(axis=1, keepdims=True)
    total = np.exp((least - squares) / np.float32(2 * bandwidth**2)).sum(axis=1, dtype=np.float64)
    return np.log(total / np.isfinite(squares).sum(axis=1)) - least[:, 0] / (2 * bandwidth**2)
