"""Linking and inferring: what the table adds to what somebody already holds.

    join           somebody holds another table with the same people in it; a row is joined if its key occurs once
    linkability    two sets of columns A and B of the same people are held apart; the table is the bridge. A person
                   known by A is matched to a random one of the k_A people with a row equal on A, one such row of theirs
                   is drawn, and of the k_B people with its B one: P(right), against 1 / people without the table. With
                   one row a person it is k_AB / (k_A k_B)
    same person    of two rows, are they one patient's? A row is matched to a random other row equal on A
    inference      the sensitive value of a person known by A is guessed as the most frequent in their class. The
                   baseline is the same guess from the rows of others, which medicine may teach without harming anybody

Linkability and inference are criteria of WP29 opinion 05/2014; measured in the way of Anonymeter (Giomi et al. 2023)
on the table itself, in closed form instead of by sampling.
"""

import numpy as np

from medpriv.attacks.linkage.classes import classes_of


def joined(key: np.ndarray) -> np.ndarray:
    """Return bool [N]: rows whose key, [N] or [N, columns], occurs once, so that one join finds them."""
    return _equal_rows(key) == 1


def linkability(codes_a: np.ndarray, codes_b: np.ndarray, patient: np.ndarray) -> np.ndarray:
    """Return float64 [N]: each row's chance that the table links its A part with its B part and so with its person."""
    k_a, k_b = classes_of(codes_a, patient).k, classes_of(codes_b, patient).k
    drawn = 1 / _equal_rows(np.column_stack([codes_a, patient]))  # one row of each person in A's class
    both = classes_of(np.column_stack([codes_a, codes_b]), patient).place
    return np.bincount(both, drawn)[both] / (k_a * k_b)


def _equal_rows(codes: np.ndarray) -> np.ndarray:
    """Return int64 [N]: how many rows are equal to each, itself included."""
    place = np.unique(codes, axis=0, return_inverse=True)[1].reshape(-1)
    return np.bincount(place)[place]


def same_person(codes: np.ndarray, patient: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which rows have others of their patient, int [M], and the chance to match one of those, float [M] twice.

    The second chance is the blind one. A row without another one equal to it is matched blindly, too.
    """
    rows = np.flatnonzero(np.bincount(patient)[patient] > 1)
    equal, own = _equal_rows(codes), _equal_rows(np.column_stack([codes, patient]))
    blind = (np.bincount(patient)[patient] - 1) / (len(patient) - 1)
    matched = np.where(equal > 1, (own - 1) / np.maximum(equal - 1, 1), blind)
    return rows, matched[rows], blind[rows]


def inference(codes: np.ndarray, sensitive: np.ndarray, patient: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return float64 [N] twice: whether the guess is right with the person's rows in the table, and from others' alone.

    Equally frequent values share the guess. Where no other row is equal, others' rows teach the most frequent value of
    all of them.
    """
    place = classes_of(codes, patient).place
    values = int(sensitive.max()) + 1
    within = np.zeros((place.max() + 1, values))
    np.add.at(within, (place, sensitive), 1)
    overall = np.bincount(sensitive, minlength=values)
    own_class = np.zeros((len(place), values))
    own_all = np.zeros((len(place), values))
    for rows in np.split(np.argsort(patient, kind="stable"), np.cumsum(np.bincount(patient))[:-1]):
        same = place[rows][:, None] == place[rows][None, :]
        marks = np.eye(values)[sensitive[rows]]
        own_class[rows], own_all[rows] = same @ marks, marks.sum(axis=0)
    others = within[place] - own_class
    alone = others.sum(axis=1) == 0
    others[alone] = (overall - own_all)[alone]
    return _right(within[place], sensitive), _right(others, sensitive)


def _right(counts: np.ndarray, sensitive: np.ndarray) -> np.ndarray:
    """Return float64 [N]: the chance that a most frequent value, drawn among equals, is the row's own."""
    best = counts == counts.max(axis=1, keepdims=True)
    return best[np.arange(len(sensitive)), sensitive] / best.sum(axis=1)
