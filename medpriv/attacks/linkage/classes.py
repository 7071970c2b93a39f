"""What rows that look alike give away: k-anonymity, l-diversity, t-closeness, and the risk of being found.

An equivalence class is all rows with equal quasi-identifiers. For one row, k is the size of its class.

    k-anonymity        min k (Sweeney 2002)
    l-diversity        min over classes of the distinct values of the sensitive column (Machanavajjhala et al. 2007)
    t-closeness        max over classes of the distance between the sensitive column's shares in the class and in the
                       table (Li et al. 2007); the distance is total variation, that of values without order
    prosecutor risk    1 / k: somebody knows that the person is in the table
    journalist risk    1 / K: they know only that the person is in a population, where the class has K rows
    marketer risk      the share of rows expected to be matched rightly when every row is matched: the mean of 1 / k
                       (El Emam and Dankar 2008)
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Classes:
    """Equivalence classes of N rows.

    Attributes:
        place: int64 [N], the class of each row.
        size: int64 [classes], its rows.
        persons: int64 [classes], its patients.
    """

    place: np.ndarray
    size: np.ndarray
    persons: np.ndarray

    @property
    def k(self) -> np.ndarray:
        """Return int64 [N], the size of each row's class."""
        return self.size[self.place]


def classes_of(codes: np.ndarray, patient: np.ndarray) -> Classes:
    """Return the classes of rows with equal codes [N, columns]; patient int [N]."""
    place = np.unique(codes, axis=0, return_inverse=True)[1].reshape(-1)
    size = np.bincount(place)
    pairs = np.unique(np.column_stack([place, patient]), axis=0)
    return Classes(place, size, np.bincount(pairs[:, 0], minlength=len(size)))


def anonymity(classes: Classes, patient: np.ndarray) -> dict[str, float]:
    """Return k-anonymity and uniqueness.

    `unique` is the share of rows alone in their class, `under_5` of rows with k < 5 (a prosecutor's risk above 0.2),
    and `persons_alone` the share of patients with a row in whose class there is nobody else (another row of theirs may
    be).
    """
    alone = classes.persons[classes.place] == 1
    return {
        "k_min": float(classes.size.min()),
        "classes": float(len(classes.size)),
        "unique": float((classes.k == 1).mean()),
        "under_5": float((classes.k < 5).mean()),
        "persons_alone": len(np.unique(patient[alone])) / len(np.unique(patient)),
    }


def diversity(classes: Classes, sensitive: np.ndarray) -> dict[str, float]:
    """Return l-diversity and t-closeness of a sensitive column, int [N].

    `disclosed` is the share of rows in classes of two or more rows that all have the same value: none of them is
    singled out, and yet the value of each is known.
    """
    values = int(sensitive.max()) + 1
    counts = np.bincount(classes.place * values + sensitive, minlength=len(classes.size) * values)
    counts = counts.reshape(-1, values)
    distinct = (counts > 0).sum(axis=1)
    distance = np.abs(counts / classes.size[:, None] - counts.sum(axis=0) / len(sensitive)).sum(axis=1) / 2
    told = (distinct == 1) & (classes.size > 1)
    return {
        "l_min": float(distinct.min()),
        "t_max": float(distance.max()),
        "t_mean": float((distance * classes.size).sum() / len(sensitive)),
        "disclosed": float(told[classes.place].mean()),
    }


def risks(classes: Classes, released: np.ndarray) -> dict[str, float]:
    """Return the risks of re-identification.

    Prosecutor and marketer: all N rows are released. Journalist: the rows of `released` (bool [N]) are, out of the
    N rows as the population.
    """
    journalist = 1 / classes.k[released]
    return {
        "prosecutor_max": float((1 / classes.size).max()),
        "marketer": len(classes.size) / len(classes.place),
        "journalist_max": float(journalist.max()),
        "journalist_mean": float(journalist.mean()),
    }
