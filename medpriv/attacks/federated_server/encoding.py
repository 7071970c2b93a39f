"""How a table's columns hang together: what an attacker may relax, and what counts as recovered.

A variable is a number (one column) or a category: a binary or coded column, or the columns of a one-hot group. The
attacker knows the layout, the scaling and the range or the states of each variable, from public records of the same
kind; here these are the test patients, whom no replicate was trained on.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from medpriv.dataset import TEST, Dataset

TOLERANCE = 0.319  # standard deviations within which a number counts as recovered (Vero et al. 2023)
MOST_STATES = 40  # a coded column with more of them is treated as a number


@dataclass(frozen=True)
class Category:
    """A categorical variable: its columns, and its states, float32 [states, columns], standardised."""

    name: str
    columns: np.ndarray
    states: np.ndarray


@dataclass(frozen=True)
class Encoding:
    """The variables of a table.

    Attributes:
        numbers: int [.], the columns that are numbers.
        categories: the others.
        public: float32 [N, F], standardised records of people whom nobody trained on.
    """

    numbers: np.ndarray
    categories: tuple[Category, ...]
    public: np.ndarray

    @classmethod
    def of(cls, dataset: Dataset) -> "Encoding":
        """Return the variables of a dataset of tables, as the test patients' records show them."""
        dataset.require("table", reason="recovered variables")
        public, free = dataset.standardised(dataset.rows(TEST)), dataset.records.numbers
        categories = []
        for name, columns in dataset.records.variables.items():
            if name in free:
                continue
            states = np.unique(public[:, columns], axis=0)
            if 1 < len(states) <= MOST_STATES:
                categories.append(Category(name, np.array(columns), states))
        taken = {int(column) for category in categories for column in category.columns}
        rest = np.array([column for column in range(public.shape[1]) if column not in taken], int)
        return cls(rest, tuple(categories), public)

    @cached_property
    def low(self) -> np.ndarray:
        """The smallest public value of each column, float32 [F]."""
        return self.public.min(axis=0)

    @cached_property
    def high(self) -> np.ndarray:
        """The largest public value of each column, float32 [F]."""
        return self.public.max(axis=0)

    @cached_property
    def typical(self) -> np.ndarray:
        """The mode baseline, float32 [F]: the median of each number, the most frequent state of each category."""
        record = np.median(self.public, axis=0)
        for category in self.categories:
            states, counts = np.unique(self.public[:, category.columns], axis=0, return_counts=True)
            record[category.columns] = states[counts.argmax()]
        return record.astype(np.float32)

    def drawn(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Return the random baseline, float32 [count, F]: each variable drawn by itself from the public records."""
        records = np.empty((count, self.public.shape[1]), np.float32)
        for columns in ([column] for column in self.numbers):
            records[:, columns] = self.public[rng.integers(len(self.public), size=count)][:, columns]
        for category in self.categories:
            records[:, category.columns] = self.public[rng.integers(len(self.public), size=count)][:, category.columns]
        return records

    def matches(self, found: np.ndarray, true: np.ndarray) -> dict[str, np.ndarray]:
        """Return by kind, `number` and `category`, bool [..., variables]: what was recovered of records [..., F].

        A category is recovered if its nearest state is the true one.
        """
        near = np.abs(found - true)[..., self.numbers] <= TOLERANCE
        states = [
            _nearest(found[..., category.columns], category.states)
            == _nearest(true[..., category.columns], category.states)
            for category in self.categories
        ]
        kinds = {"number": near, "category": np.stack(states, axis=-1) if states else near[..., :0]}
        return {kind: matched for kind, matched in kinds.items() if matched.shape[-1]}


def _nearest(values: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Return the index of the nearest state of values [..., columns]."""
    return np.square(values[..., None, :] - states).sum(axis=-1).argmin(axis=-1)
