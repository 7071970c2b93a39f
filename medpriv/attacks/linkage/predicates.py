"""Singling out: how often does a description fit one person alone?

A target is drawn, and some columns; the predicate says that each of those columns has the target's value. It isolates
if all rows that satisfy it are one patient's (unicity: de Montjoye et al. 2013; singling out: WP29 opinion 05/2014).
The baseline makes its predicates without looking at any row: each value is drawn from its column alone. What is above
it is due to the table holding real people, as in Anonymeter (Giomi et al. 2023).
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Isolation:
    """Of so many predicates each: how many isolated somebody, made from a target and made blindly."""

    isolated: int
    blind: int
    predicates: int


def isolate(codes: np.ndarray, patient: np.ndarray, known: int, targets: int, rng: np.random.Generator) -> Isolation:
    """Return how many of the predicates of `known` columns isolate one person.

    Args:
        codes: int [N, columns].
        patient: int [N]; targets are different patients, of each a row drawn at random.
        known: columns of a predicate, at most as many as there are.
        targets: predicates, at most as many as there are patients.
    """
    order = rng.permutation(len(codes))
    rows = order[np.unique(patient[order], return_index=True)[1]]
    rows = rng.permutation(rows)[:targets]
    isolated = blind = 0
    for row in rows:
        chosen = rng.choice(codes.shape[1], size=known, replace=False)
        isolated += _isolates(codes, patient, chosen, codes[row, chosen])
        drawn = codes[rng.integers(len(codes), size=known), chosen]
        blind += _isolates(codes, patient, chosen, drawn)
    return Isolation(isolated, blind, len(rows))


def _isolates(codes: np.ndarray, patient: np.ndarray, chosen: np.ndarray, values: np.ndarray) -> bool:
    """Return whether exactly one patient has rows with these values."""
    matched = np.arange(len(codes))
    for column, value in zip(chosen, values, strict=True):
        matched = matched[codes[matched, column] == value]
    return len(matched) > 0 and bool((patient[matched] == patient[matched[0]]).all())
