"""Attacks over the bank that read a text token by token, and a patient record by record.

Sequence LiRA: the vector phi of a text's token log-probabilities against Gaussians over the shadows that saw the text,
and over those that did not, with a covariance (after arXiv 2506.05126, from its abstract; how it is estimated from few
shadows is ours). Score: log N(phi; m_in, S_in (1 + 1/n_in)) - log N(phi; m_out, S_out (1 + 1/n_out)), m the shadows'
mean of each token; 1 + 1/n owns up to its being estimated. Residuals from m are pooled: over texts for each pair of
positions in an answer, then shrunk towards their diagonal by `SHRINKAGE`; for a patient's vector of record scores over
all pairs of different records, since records have no order: a variance and one correlation.

Token InfoRMIA: mean over tokens of lp - log of the mean p over the shadows that did not see the text (over all shadows
where all saw it), in bits, minus the same mean over texts that nobody saw (Tao and Shokri, ICLR 2026).
"""

from collections.abc import Callable, Iterator

import numpy as np

from medpriv.attacks.language import ragged
from medpriv.attacks.language.contenders import Asked

SHRINKAGE = 0.9  # tokens at one position differ too much in variance for the off-diagonal to be trusted
MOST_ALIKE = 0.9  # correlation of two records of a patient
SMALLEST = 1e-6  # variance

Covariance = Callable[[np.ndarray, float], np.ndarray]  # residuals [S, A] with their degrees of freedom -> a matrix
Quadratic = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]  # x [A], S -> x' S^-1 x, log |S|, [U]


def lira_of_tokens(values: np.ndarray, offsets: np.ndarray) -> Asked:
    """Return sequence LiRA of texts.

    Args:
        values: float [K, A], log-probabilities of the texts' tokens.
        offsets: int64 [U + 1], the texts.
    """
    position, text = ragged.place_of(offsets), ragged.text_of(offsets)
    groups = list(_by_length(offsets))

    def covariance(residuals: np.ndarray, freedom: float) -> np.ndarray:
        longest = int(position.max()) + 1
        laid = np.zeros((len(residuals), len(offsets) - 1, longest))
        laid[:, text, position] = residuals
        flat = laid.reshape(-1, longest)
        there = np.bincount(position, minlength=longest)  # texts that have a token there
        both = np.minimum(there[:, None], there)
        share = freedom / (len(offsets) - 1)
        full = flat.T @ flat / np.maximum(both * share, 1)
        shrunken = (1 - SHRINKAGE) * full + SHRINKAGE * np.diag(np.diag(full))
        variances, axes = np.linalg.eigh(shrunken)  # pairs of positions are counted in different texts: one may be < 0
        return (axes * np.maximum(variances, SMALLEST)) @ axes.T

    def quadratic(apart: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        squares, logs = np.empty(len(offsets) - 1), np.empty(len(offsets) - 1)
        for texts, entries in groups:
            lower = np.linalg.cholesky(matrix[: entries.shape[1], : entries.shape[1]])
            squares[texts] = np.square(np.linalg.solve(lower, apart[entries].T)).sum(axis=0)
            logs[texts] = 2 * np.log(np.diag(lower)).sum()
        return squares, logs

    return _lira(values.astype(np.float64), offsets, covariance, quadratic)


def lira_of_records(values: np.ndarray, patient: np.ndarray) -> Asked:
    """Return sequence LiRA of patients, whose vector is that of their records' values.

    Args:
        values: float64 [K, U], of records.
        patient: int [U], 0 to P - 1.
    """
    order = np.argsort(patient, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(patient))])
    size = np.diff(offsets)

    def covariance(residuals: np.ndarray, freedom: float) -> np.ndarray:
        share = freedom / len(size)  # a patient
        squares, sums = np.square(residuals).sum(), np.square(ragged.sums(residuals, offsets)).sum()
        variance = max(squares / max(share * size.sum(), 1), SMALLEST)
        pairs = max(share * (size * (size - 1)).sum(), 1)
        return np.array([variance, np.clip((sums - squares) / pairs / variance, 0, MOST_ALIKE)])

    def quadratic(apart: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        variance, alike = matrix
        inner = 1 - alike
        outer = inner + alike * size  # eigenvalues of the correlations: inner (size - 1 times) and outer
        squares, sums = ragged.sums(apart**2, offsets), ragged.sums(apart, offsets)
        form = (squares - sums**2 / size) / inner + sums**2 / size / outer
        return form / variance, size * np.log(variance) + (size - 1) * np.log(inner) + np.log(outer)

    return _lira(values[:, order], offsets, covariance, quadratic)


def informia_of_tokens(
    values: np.ndarray, offsets: np.ndarray, population: np.ndarray, population_offsets: np.ndarray
) -> Asked:
    """Return token InfoRMIA.

    Args:
        values: float [K, A], log-probabilities of the candidates' tokens.
        offsets: int64 [U + 1], the candidates.
        population: float [K, B], of tokens of texts that no replicate saw.
        population_offsets: int64 [Z + 1], these.
    """

    def score(members: np.ndarray, targets: np.ndarray, withheld: np.ndarray | None) -> np.ndarray:
        found = np.empty((len(targets), len(offsets) - 1))
        for row, target, others in _shadows(len(values), targets, withheld):
            bits = token_bits(values, offsets, members, target, others)
            nobody = np.zeros((len(values), len(population_offsets) - 1), bool)
            beside = token_bits(population, population_offsets, nobody, target, others)
            found[row] = ragged.means(bits, offsets) - ragged.means(beside, population_offsets).mean()
        return found

    return score


def token_bits(
    values: np.ndarray, offsets: np.ndarray, members: np.ndarray, target: int, others: np.ndarray
) -> np.ndarray:
    """Return each token's log2 of the target's p over the mean p of the others that did not see its text, [A].

    Args:
        values: float [K, A]; `members` bool [K, U].
        others: int [S], the shadows; of a text that all of them saw all are used. Without any, 0.
    """
    if not len(others):
        return np.zeros(values.shape[1])
    spared = ~members[others]
    spared |= ~spared.any(axis=0)
    weight = ragged.spread_out(spared / spared.sum(axis=0), offsets)
    mean = (weight * np.exp(values[others].astype(np.float64))).sum(axis=0)
    return (values[target] - np.log(np.maximum(mean, np.finfo(np.float64).tiny))) / np.log(2)


def _lira(values: np.ndarray, offsets: np.ndarray, covariance: Covariance, quadratic: Quadratic) -> Asked:
    """Return LiRA of vectors; texts that lack a shadow on a side are scored 0: no evidence."""

    def score(members: np.ndarray, targets: np.ndarray, withheld: np.ndarray | None) -> np.ndarray:
        found = np.zeros((len(targets), len(offsets) - 1))
        for row, target, others in _shadows(len(values), targets, withheld):
            sides = [
                _side(values, offsets, side[others], target, others, covariance, quadratic)
                for side in (members, ~members)
            ]
            if all(known.any() for known, _ in sides):
                both = sides[0][0] & sides[1][0]
                found[row] = np.where(both, sides[0][1] - sides[1][1], 0.0)
            else:
                found[row] = np.nan
        return found

    return score


def _side(
    values: np.ndarray,
    offsets: np.ndarray,
    chosen: np.ndarray,
    target: int,
    others: np.ndarray,
    covariance: Covariance,
    quadratic: Quadratic,
) -> tuple[np.ndarray, np.ndarray]:
    """Return which texts have a shadow on a side, and the log-density of the target's vectors under it, [U] each."""
    count = chosen.sum(axis=0)
    weight = ragged.spread_out(chosen / np.maximum(count, 1), offsets)
    mean = (weight * values[others]).sum(axis=0)
    residuals = np.where(ragged.spread_out(chosen, offsets), values[others] - mean, 0.0)
    freedom = np.maximum(count - 1, 0).sum()
    if not freedom:
        return np.zeros(len(count), bool), np.zeros(len(count))
    squares, logs = quadratic(values[target] - mean, covariance(residuals, freedom))
    wider = 1 + 1 / np.maximum(count, 1)
    return count > 0, -(squares / wider + logs + np.diff(offsets) * np.log(wider)) / 2


def _shadows(
    replicates: int, targets: np.ndarray, withheld: np.ndarray | None
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield a row's number, its target, and the other replicates but for the withheld one."""
    withheld = targets if withheld is None else withheld
    for row, pair in enumerate(zip(targets, withheld, strict=True)):
        yield row, int(pair[0]), np.setdiff1d(np.arange(replicates), pair)


def _by_length(offsets: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the texts of each length, [n], and where their tokens stand, [n, length]."""
    size = np.diff(offsets)
    for length in np.unique(size):
        texts = np.flatnonzero(size == length)
        yield texts, offsets[texts][:, None] + np.arange(length)
