"""Inference: a secret of a record, guessed from the released rows like it in what is known.

    inference        some columns are known: the secret of the nearest released row (Giomi et al. 2022, section 4.4)
    reconstruction   all other columns are known: half of a column's weight is its own, so that a copy is near, half is
                     how far it tells the secret in the released table (its mutual information with it); the nearest
                     rows vote, a vote is 1 / (distance + 0.01), of numbers the weighted median

A guess of a category is right if it is the level, of a number within `tolerance` of the true value. A record whose
secret is missing has none to be guessed.
"""

import numpy as np

from medpriv.synthesis.schema import Schema

BINS = 5  # quantile bins that a number is cut to where columns' information is counted
NEAR = 0.01  # added to a distance, so that a copy outvotes the others without being the only one heard


def right(guess: np.ndarray, truth: np.ndarray, number: bool, tolerance: float) -> np.ndarray:
    """Return whether guesses [T] are right, float64 [T]; NaN where there is no true value."""
    if number:
        hit = np.abs(guess - truth) <= tolerance * np.abs(truth) + 1e-9
        return np.where(np.isnan(truth), np.nan, hit)
    return np.where(truth < 0, np.nan, guess == truth)


def voted(values: np.ndarray, apart: np.ndarray, number: bool) -> np.ndarray:
    """Return the guesses [T] that released rows vote for.

    Args:
        values: [T, k], the secrets of the k rows nearest to each record; gaps don't vote.
        apart: [T, k], their distances.
        number: whether the secret is one.
    """
    gap = np.isnan(values) if number else values < 0
    votes = np.where(gap, 0.0, 1 / (apart + NEAR))
    if number:
        order = np.argsort(values, axis=1, kind="stable")  # gaps last
        values, votes = (np.take_along_axis(each, order, axis=1) for each in (values, votes))
        half = votes.sum(axis=1, keepdims=True) / 2
        return np.take_along_axis(values, (votes.cumsum(axis=1) >= half).argmax(axis=1)[:, None], axis=1)[:, 0]
    same = values[:, :, None] == values[:, None, :]
    support = (same * votes[:, None, :]).sum(axis=2)
    return np.take_along_axis(values, np.where(gap, -1.0, support).argmax(axis=1)[:, None], axis=1)[:, 0]


def predictors(released: np.ndarray, schema: Schema, secrets: np.ndarray) -> np.ndarray:
    """Return the weights of the columns in the reconstruction of each secret, float64 [M, V + 1].

    They sum to 1, and are 0 of the secret itself. Of the mutual information of two columns of r and c values in n rows,
    (r - 1)(c - 1) / 2n is chance (Miller 1955), and taken off.

    Args:
        released: float64 [S, V + 1].
        schema: of them.
        secrets: int [M], columns.
    """
    codes = [_codes(released[:, place], field.number) for place, field in enumerate(schema.fields)]
    values, entropies = [int(code.max()) + 1 for code in codes], [_entropy(code) for code in codes]
    weights = np.zeros((len(secrets), len(codes)))
    for told, secret in zip(weights, secrets, strict=True):
        for place, code in enumerate(codes):
            shared = entropies[secret] + entropies[place] - _entropy(codes[secret] * values[place] + code)
            told[place] = max(0.0, shared - (values[secret] - 1) * (values[place] - 1) / (2 * len(released)))
        others = np.arange(len(codes)) != secret
        told *= others
        told[:] = (others / others.sum() + (told / told.sum() if told.any() else others / others.sum())) / 2
    return weights


def _codes(column: np.ndarray, number: bool) -> np.ndarray:
    """Return a column's values as codes from 0 on, numbers cut at their quantiles, gaps as one more."""
    if not number:
        return np.unique(column, return_inverse=True)[1].reshape(-1)
    gap = np.isnan(column)
    if gap.all():
        return np.zeros(len(column), int)
    cuts = np.unique(np.quantile(column[~gap], np.arange(1, BINS) / BINS))
    code = np.searchsorted(cuts, np.where(gap, 0, column), side="left")
    return np.unique(np.where(gap, len(cuts) + 1, code), return_inverse=True)[1].reshape(-1)


def _entropy(codes: np.ndarray) -> float:
    counts = np.bincount(codes)
    share = counts[counts > 0] / len(codes)
    return float(-(share * np.log(share)).sum())
