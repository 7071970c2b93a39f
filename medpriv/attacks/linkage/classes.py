"""What people who look alike give away: k-anonymity, l-diversity, t-closeness, and the risk of being found.

An equivalence class is all rows with equal quasi-identifiers. k is the number of *people* who have a row in it: several
rows of one person alone hide nobody. Shares and means are over people, one row of each drawn at random, so that who has
many rows weighs no more than others. In a table of one row a person all this is what it is in the sources, which count
rows.

    k-anonymity        min k (Sweeney 2002)
    l-diversity        min over classes of the distinct values of the sensitive column, of which as many count as there
                       are people (Machanavajjhala et al. 2007)
    t-closeness        max over classes of the distance between the sensitive column's shares in the class and in the
                       table (Li et al. 2007); the distance is total variation, that of values without order
    prosecutor risk    1 / k: somebody knows that the person is in the table
    journalist risk    1 / K: they know only that the person is in a population, where the class has K people
    marketer risk      the share of people expected to be matched rightly when everybody is matched: the mean of 1 / k
                       (El Emam and Dankar 2008)
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Classes:
    """Equivalence classes of N rows.

    Attributes:
        place: int64 [N], the class of each row.
        persons: int64 [classes], its patients.
        weight: float64 [N], of each row in means over people: 1 / (people x rows of its patient).
    """

    place: np.ndarray
    persons: np.ndarray
    weight: np.ndarray

    @property
    def k(self) -> np.ndarray:
        """Return int64 [N], the people in each row's class."""
        return self.persons[self.place]

    def share(self, chosen: np.ndarray) -> float:
        """Return the share of people whose row, drawn at random, is chosen, bool [N]."""
        return float(self.weight @ chosen)


def classes_of(codes: np.ndarray, patient: np.ndarray) -> Classes:
    """Return the classes of rows with equal codes [N, columns]; patient int [N]."""
    place = np.unique(codes, axis=0, return_inverse=True)[1].reshape(-1)
    pairs = np.unique(np.column_stack([place, patient]), axis=0)
    return Classes(place, np.bincount(pairs[:, 0]), person_weights(patient))


def person_weights(patient: np.ndarray) -> np.ndarray:
    """Return float64 [N]: what each row weighs in a mean over people, 1 / (people x rows of its patient)."""
    people, place, rows = np.unique(patient, return_inverse=True, return_counts=True)
    return 1 / (len(people) * rows[place])


def anonymity(classes: Classes, patient: np.ndarray) -> dict[str, float]:
    """Return k-anonymity and uniqueness.

    `unique` is the share of people alone in their class, `under_5` of those with k < 5 (a prosecutor's risk above 0.2),
    one row of each drawn at random; `persons_alone` the share of people with any row in whose class there is nobody
    else.
    """
    return {
        "k_min": float(classes.persons.min()),
        "classes": float(len(classes.persons)),
        "unique": classes.share(classes.k == 1),
        "under_5": classes.share(classes.k < 5),
        "persons_alone": len(np.unique(patient[classes.k == 1])) / len(np.unique(patient)),
    }


def diversity(classes: Classes, sensitive: np.ndarray) -> dict[str, float]:
    """Return l-diversity and t-closeness of a sensitive column, int [N].

    `disclosed` is the share of people in classes of two or more of them who all have the same value: none of them is
    singled out, and yet the value of each is known.
    """
    values, classes_there = int(sensitive.max()) + 1, len(classes.persons)
    cells = classes.place * values + sensitive
    counts = np.bincount(cells, classes.weight, minlength=classes_there * values).reshape(-1, values)
    held = counts.sum(axis=1)  # the share of people who are in the class
    distinct = np.minimum((counts > 0).sum(axis=1), classes.persons)
    distance = np.abs(counts / held[:, None] - counts.sum(axis=0)).sum(axis=1) / 2
    told = ((counts > 0).sum(axis=1) == 1) & (classes.persons > 1)
    return {
        "l_min": float(distinct.min()),
        "t_max": float(distance.max()),
        "t_mean": float(distance @ held),
        "disclosed": classes.share(told[classes.place]),
    }


def risks(classes: Classes, released: np.ndarray) -> dict[str, float]:
    """Return the risks of re-identification.

    Prosecutor and marketer: the whole table is released. Journalist: the rows of `released` (bool [N], whole people)
    are, out of the table as the population.
    """
    found = 1 / classes.k
    return {
        "prosecutor_max": float(found.max()),
        "marketer": float(classes.weight @ found),
        "journalist_max": float(found[released].max()),
        "journalist_mean": float(np.average(found[released], weights=classes.weight[released])),
    }
