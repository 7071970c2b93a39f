"""A Gaussian copula: each column by its marginal, and what goes together by the correlations of latent normal numbers.

A column is a latent normal z cut at the quantiles of its values: of a number all that occur, of a category its levels,
ordered by the mean label of their rows. Where cells are missing a second latent says which. With s = E[z | value] and
the Hermite coefficients h_k = E[s He_k(z)], which are sums over values, the covariance of two columns is

    Cov(s_i, s_j) = sum_k  h_ik h_jk rho^k / k!

(Mehler's formula; of two columns of two levels it is the tetrachoric series, Pearson 1900). It is cut after k = 3 and
solved for rho, for each pair on the rows that have both; the nearest correlation matrix is what is left of the
eigenvalues above 0. Nothing is iterated. Draws take their values from `medpriv.synthesis.marginals.Marginal`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import ndtr, ndtri

from medpriv.synthesis.marginals import Marginal
from medpriv.synthesis.schema import Schema, Synthesis
from medpriv.synthesis.tables import check_tables, finish, gaps_of

LARGEST = 0.99  # of a correlation
GRID = 199  # correlations that are tried
LEAST = 10  # rows that have both columns; fewer say nothing of how they go together
SMALLEST = 1e-6  # of an eigenvalue


def synthesise(
    tables: Sequence[np.ndarray],
    schema: Schema,
    settings: Mapping[str, object],
    rngs: Sequence[np.random.Generator],
    rows: Sequence[int],
) -> Synthesis:
    """Return tables drawn from a Gaussian copula of each table; there are no settings.

    Raises:
        InputError: a table is none of this schema, or has one row.
    """
    check_tables(tables, schema, "copula")
    samples, parameters = [], []
    for cells, rng, count in zip(tables, rngs, rows, strict=True):
        orders = [_order(cells, place, schema) for place in range(len(schema))]
        marginals = [Marginal.of(*each) for each in zip(cells.T, schema.numbers, orders, strict=True)]
        gappy = np.flatnonzero(gaps_of(cells, schema).any(axis=0))
        root = np.linalg.cholesky(correlations(*_latents(cells, schema, orders, gappy)))
        quantile = ndtr(rng.standard_normal((count, len(root))) @ root.T)
        drawn = np.stack([one.at(quantile[:, place]) for place, one in enumerate(marginals)], axis=1)
        for place, column in enumerate(gappy, start=len(schema)):
            drawn[quantile[:, place] > 1 - marginals[column].gaps, column] = marginals[column].gap
        samples.append(finish(drawn, schema, cells))
        knots = sum(len(marginal.values) + 1 for marginal in marginals)
        parameters.append(knots + len(root) * (len(root) - 1) // 2)
    return Synthesis(samples, {"parameters": float(np.mean(parameters))})


def _order(cells: np.ndarray, place: int, schema: Schema) -> np.ndarray | None:
    """Return the levels of a category in the order of their rows' mean label, int [levels]; None of a number."""
    field, label = schema.fields[place], cells[:, -1]
    if field.number:
        return None
    column, levels = cells[:, place], len(field.levels)
    there = column >= 0
    rows = np.bincount(column[there].astype(int), minlength=levels)
    total = np.bincount(column[there].astype(int), label[there], minlength=levels)
    return np.argsort(total / np.maximum(rows, 1), kind="stable")


def _latents(
    cells: np.ndarray, schema: Schema, orders: Sequence[np.ndarray | None], gappy: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return s [n, L] (0 in gaps), where it is known, bool [n, L], and h [L, 3], of columns and of their gaps."""
    known = ~gaps_of(cells, schema)
    codes = [
        column if order is None else np.where(column < 0, -1, np.argsort(order)[column.astype(int)])
        for column, order in zip(cells.T, orders, strict=True)
    ]
    codes += [(~known[:, column]).astype(float) for column in gappy]
    known = np.column_stack([known, np.ones((len(cells), len(gappy)), bool)])
    scores, hermite = np.zeros((len(cells), len(codes))), np.zeros((len(codes), 3))
    for place, code in enumerate(codes):
        rows = known[:, place]
        if rows.any():
            scores[rows, place], hermite[place] = conditional_means(code[rows])
    return scores, known, hermite


def conditional_means(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return s = E[z | value] of each row [n], and h_1 to h_3, of a latent normal z cut at the values' quantiles."""
    place, counts = np.unique(codes, return_inverse=True, return_counts=True)[1:]
    cuts = ndtri(np.concatenate([[0], np.cumsum(counts) / counts.sum()]).clip(0, 1))
    inside = cuts[1:-1]
    density = np.exp(-0.5 * inside**2) / np.sqrt(2 * np.pi)
    # The integral of He_k phi over a bin is the difference of -He_(k-1) phi at its ends, which is 0 at infinity.
    integrals = [-np.diff(np.concatenate([[0], power * density, [0]])) for power in (1, inside, inside**2 - 1)]
    means = integrals[0] / (counts / counts.sum())
    return means[place], np.array([means @ integral for integral in integrals])


def correlations(scores: np.ndarray, known: np.ndarray, hermite: np.ndarray) -> np.ndarray:
    """Return the latent correlations, positive definite [L, L]; arguments as `_latents` returns them."""
    both = known.T.astype(float) @ known
    mean = scores.T @ known / np.maximum(both, 1)  # of the row's column, on the rows that have both
    covariance = scores.T @ scores / np.maximum(both, 1) - mean * mean.T
    found, nearest = np.zeros_like(covariance), np.full_like(covariance, np.inf)
    terms = [np.outer(one, one) for one in hermite.T]
    for rho in np.linspace(-LARGEST, LARGEST, GRID):
        away = np.abs(terms[0] * rho + terms[1] * rho**2 / 2 + terms[2] * rho**3 / 6 - covariance)
        found, nearest = np.where(away < nearest, rho, found), np.minimum(away, nearest)
    found[(both < LEAST) | (terms[0] < SMALLEST)] = 0
    np.fill_diagonal(found, 1)
    values, vectors = np.linalg.eigh((found + found.T) / 2)
    positive = (vectors * np.maximum(values, SMALLEST)) @ vectors.T
    scale = np.sqrt(np.diag(positive))
    return positive / np.outer(scale, scale)
