"""Singling out: predicates made of released rows that hold for one person (Giomi et al. 2022, section 4.2).

A predicate is kept if it isolates one released row, and succeeds if it isolates one person among those attacked:

    univariate     a number is at most the smallest, or at least the largest; a cell is a value that one row alone has;
                   or is missing, where one row's is
    multivariate   of a random row, `columns` random columns: a category is its level, a number on its own side of the
                   median is as far out or farther, a gap is a gap
    naive          `columns` random columns, each compared at random with a random value of the released column

Whether a predicate isolates one person hangs on how many there are, so members and control have equally many.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from medpriv.synthesis.schema import Schema

LEAST, MOST, IS, IS_NOT, GAP, NO_GAP = range(6)  # <=, >=, ==, != and whether a number is missing
ATTEMPTS = 20  # candidates, at most, for each predicate that is asked for


@dataclass(frozen=True)
class Predicates:
    """Q conjunctions of m comparisons.

    Attributes:
        columns, operators: int [Q, m].
        values: float64 [Q, m].
    """

    columns: np.ndarray
    operators: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        """Return Q."""
        return len(self.columns)

    def take(self, chosen: np.ndarray) -> "Predicates":
        """Return some of them."""
        return Predicates(self.columns[chosen], self.operators[chosen], self.values[chosen])

    def hold(self, cells: np.ndarray) -> np.ndarray:
        """Return bool [n, Q]: for which cells [n, V + 1] each holds. No comparison but `!=` holds for a gap."""
        held = np.ones((len(cells), len(self)), bool)
        for columns, operators, values in zip(self.columns.T, self.operators.T, self.values.T, strict=True):
            for operator in np.unique(operators):
                own = operators == operator
                held[:, own] &= _compare(cells[:, columns[own]], operator, values[own])
        return held


def _compare(cells: np.ndarray, operator: int, values: np.ndarray) -> np.ndarray:
    if operator in (GAP, NO_GAP):
        return np.isnan(cells) == (operator == GAP)
    return {LEAST: np.less_equal, MOST: np.greater_equal, IS: np.equal, IS_NOT: np.not_equal}[operator](cells, values)


def univariate(released: np.ndarray, schema: Schema, count: int, rng: np.random.Generator) -> Predicates:
    """Return at most `count` predicates of one column that isolate a released row, drawn of all that there are."""
    found = [(place, *one) for place in range(len(schema)) for one in _alone(released[:, place], schema, place)]
    made = np.array(found, float).reshape(-1, 3)[rng.permutation(len(found))[:count]]
    return Predicates(made[:, :1].astype(int), made[:, 1:2].astype(int), made[:, 2:])


def _alone(column: np.ndarray, schema: Schema, place: int) -> Iterator[tuple[int, float]]:
    """Yield operators and values that hold for one row of a column alone."""
    number = schema.fields[place].number
    if number and np.isnan(column).sum() == 1:
        yield GAP, 0.0
    values, counts = np.unique(column[~np.isnan(column)], return_counts=True)
    if number and len(values):
        yield from [one for one, end in (((LEAST, values[0]), 0), ((MOST, values[-1]), -1)) if counts[end] == 1]
    for value in values[counts == 1]:
        yield IS, value


def multivariate(
    released: np.ndarray, schema: Schema, columns: int, count: int, rng: np.random.Generator
) -> Predicates:
    """Return at most `count` different predicates of so many columns that isolate a released row."""
    kept = Predicates(*(np.empty((0, min(columns, len(schema))), kind) for kind in (int, int, float)))
    medians = np.array([_median(column) for column in released.T])
    for _ in range(ATTEMPTS):
        if len(kept) >= count:
            break
        own = released[rng.integers(len(released), size=count)]
        chosen = _random_columns(count, len(schema), columns, rng)
        values = np.take_along_axis(own, chosen, axis=1)
        operators = np.where(values > medians[chosen], MOST, LEAST)
        operators = np.where(schema.numbers[chosen], np.where(np.isnan(values), GAP, operators), IS)
        fresh = _isolating(Predicates(chosen, operators, np.nan_to_num(values)), released)
        kept = _different(*(np.concatenate(pair) for pair in zip(_parts(kept), _parts(fresh), strict=True)))
    return kept.take(slice(count))


def naive(released: np.ndarray, schema: Schema, columns: int, count: int, rng: np.random.Generator) -> Predicates:
    """Return `count` predicates of so many columns, made without looking at any row as a whole."""
    chosen = _random_columns(count, len(schema), columns, rng)
    values = np.empty(chosen.shape)
    for place, column in enumerate(released.T):
        own = chosen == place
        values[own] = rng.choice(np.unique(column), size=own.sum())
    drawn = rng.random(chosen.shape)
    numbers, gaps = schema.numbers[chosen], np.isnan(values)
    of_number = np.select([drawn < 1 / 3, drawn < 2 / 3, drawn < 5 / 6], [LEAST, MOST, IS], IS_NOT)
    of_category = np.where(drawn < 0.5, IS, IS_NOT)
    operators = np.where(gaps, np.where(drawn < 0.5, GAP, NO_GAP), np.where(numbers, of_number, of_category))
    return Predicates(chosen, operators, np.nan_to_num(values))


def _median(column: np.ndarray) -> float:
    there = column[~np.isnan(column)]
    return float(np.median(there)) if len(there) else 0.0


def _random_columns(count: int, all_columns: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """Return int [count, columns]: different columns in each row, in their order."""
    return np.sort(rng.random((count, all_columns)).argsort(axis=1)[:, :columns], axis=1)


def _isolating(predicates: Predicates, released: np.ndarray) -> Predicates:
    return predicates.take(predicates.hold(released).sum(axis=0) == 1)


def _parts(predicates: Predicates) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return predicates.columns, predicates.operators, predicates.values


def _different(columns: np.ndarray, operators: np.ndarray, values: np.ndarray) -> Predicates:
    """Return each predicate once, in the order in which they first came."""
    first = np.unique(np.column_stack([columns, operators, values]), axis=0, return_index=True)[1]
    return Predicates(columns, operators, values).take(np.sort(first))


def isolated(predicates: Predicates, cells: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Return whom each predicate isolates, int [Q]: a person all of whose rows that hold are theirs alone; else -1.

    Args:
        predicates: Q.
        cells: float64 [n, V + 1].
        person: int [n], whose rows they are.
    """
    held = predicates.hold(cells)
    people, place = np.unique(person, return_inverse=True)
    if len(people) < len(person):
        order = np.argsort(place, kind="stable")
        held = np.logical_or.reduceat(held[order], np.searchsorted(place[order], np.arange(len(people))), axis=0)
        return np.where(held.sum(axis=0) == 1, people[held.argmax(axis=0)], -1)
    return np.where(held.sum(axis=0) == 1, person[held.argmax(axis=0)], -1)
