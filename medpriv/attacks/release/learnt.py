"""Attacks that learn from other replicates what a release says of its members.

A replicate's attacker has the other replicates' releases with their members, as shadows, and fits a classifier of
members against others to features of every record beside every release. **Nobody's own membership is learnt from**: a
target's classifier never saw the target's members, and is asked about patients whom it wasn't fitted to in any
replicate. Where a threshold is set on a shadow, the classifier saw neither the target's members nor the shadow's.

Replicates are held out in groups and patients in folds, so that a bank needs some fifty fits instead of thousands; a
fit is a linear discriminant with a ridge on piecewise-linear features, by sums that are made once for each group and
fold.

Features (`prepare`): each number as it stands beside what the same release gives outsiders, and beside what the other
releases give the same record (who is near to every release is no member by that); both weighed by how far the record
lies from the reference.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

GROUPS, FOLDS = 4, 5
RIDGE = 0.02  # times the number of rows
FAR = 3.0  # standard deviations at which features end
KNOTS = (-1.0, 0.0, 1.0)


@dataclass(frozen=True)
class Learnt:
    """What classifiers say that were fitted to other replicates.

    Attributes:
        group: int [K], the replicates that are held out together.
        scores: groups held out (one or two of them) -> float64 [K, U]; NaN of replicates in no such group.
    """

    group: np.ndarray
    scores: dict[frozenset[int], np.ndarray]

    def of(self, targets: np.ndarray, withheld: np.ndarray | None = None) -> np.ndarray:
        """Return the scores [T, U] of targets by classifiers without them and without the replicates withheld [T]."""
        withheld = targets if withheld is None else withheld
        held_out = (frozenset((int(self.group[a]), int(self.group[b]))) for a, b in zip(targets, withheld, strict=True))
        return np.stack([self.scores[groups][target] for groups, target in zip(held_out, targets, strict=True)])

    def averaged(self, patient: np.ndarray) -> "Learnt":
        """Return the means over each patient's records, [K, P]."""
        order = np.argsort(patient, kind="stable")
        starts = np.flatnonzero(np.diff(patient[order], prepend=-1))
        count = np.diff(starts, append=len(patient))
        means = {key: np.add.reduceat(each[:, order], starts, axis=1) / count for key, each in self.scores.items()}
        return Learnt(self.group, means)


def prepare(values: np.ndarray, outside: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """Return features float32 [K, U, F'] of numbers about records beside releases.

    Args:
        values: [K, U, F], of the records asked about.
        outside: [K, M, F], of the reference's records beside the same releases.
        apart: [U], how far each record lies from the reference.
    """
    centre, spread = outside.mean(axis=1, keepdims=True), outside.std(axis=1, keepdims=True)
    own = (values - centre) / np.where(spread > 0, spread, 1)
    beside = values - values.mean(axis=0)
    size = beside.std(axis=(0, 1))
    beside = beside / np.where(size > 0, size, 1)
    rare = np.argsort(np.argsort(apart, kind="stable"), kind="stable") / max(len(apart) - 1, 1) - 0.5
    features = np.concatenate([own, beside, beside * rare[:, None]], axis=2)
    return np.clip(features, -FAR, FAR).astype(np.float32)


def learn(features: np.ndarray, members: np.ndarray, patient: np.ndarray, rng: np.random.Generator) -> Learnt:
    """Return what classifiers say of every record, each fitted without its replicate's group and its patient's fold.

    Args:
        features: [K, U, F].
        members: bool [K, U].
        patient: int [U], 0 to P - 1.
        rng: deals patients into folds.

    Returns:
        NaN where nothing is left to learn from: of two replicates when one is withheld beside the target.
    """
    replicates, people = len(features), int(patient.max()) + 1
    groups = min(GROUPS, replicates)
    group = np.arange(replicates) % groups
    fold = rng.permutation(np.arange(people) % min(FOLDS, people))[patient]
    folds = [np.flatnonzero(fold == each) for each in range(fold.max() + 1)]
    design = _pieces(features)
    places = [[np.ix_(group == each, rows) for rows in folds] for each in range(groups)]
    sums = [[_sums(design[place], members[place]) for place in of_group] for of_group in places]
    held_out = [frozenset(each) for size in (1, 2) for each in combinations(range(groups), size)]
    scores = {}
    for groups_out in held_out:
        out = np.isin(group, list(groups_out))
        found = np.full(members.shape, np.nan)
        for index, rows in enumerate(folds):
            spared = [
                of_group[:index] + of_group[index + 1 :] for each, of_group in enumerate(sums) if each not in groups_out
            ]
            left = [part for of_group in spared for part in of_group]
            if left:
                found[np.ix_(out, rows)] = design[np.ix_(out, rows)] @ _fitted(left)
        scores[groups_out] = found
    return Learnt(group, scores)


def _pieces(features: np.ndarray) -> np.ndarray:
    """Return features, their piecewise-linear parts and 1: a fit is a sum of curves with bends at `KNOTS`."""
    size = features.std(axis=(0, 1))
    scaled = (features - features.mean(axis=(0, 1))) / np.where(size > 0, size, 1)
    bends = [np.maximum(scaled - knot, 0) for knot in KNOTS]
    return np.concatenate([scaled, *bends, np.ones((*scaled.shape[:2], 1), scaled.dtype)], axis=2)


def _sums(design: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Return X^T X, X^T y (y = 1 of members, else -1) and the number of rows, of records beside some releases."""
    x, y = design.reshape(-1, design.shape[2]), np.where(members.ravel(), 1, -1).astype(design.dtype)
    return x.T @ x, x.T @ y, len(x)


def _fitted(sums: list[tuple[np.ndarray, np.ndarray, int]]) -> np.ndarray:
    """Return the coefficients of the least squares with a ridge, all rows together."""
    gram, target, rows = (np.sum(part, axis=0, dtype=np.float64) for part in zip(*sums, strict=True))
    ridge = np.full(len(gram), RIDGE * rows)
    ridge[-1] = 0
    return np.linalg.solve(gram + np.diag(ridge), target)
