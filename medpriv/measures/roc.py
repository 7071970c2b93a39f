"""ROC measures of scores, exact for the sample at hand, and their patient bootstrap without sorting twice.

For the bootstrap each patient's records above each of some hundred thresholds are counted once. A draw of patients is
then a matrix product: [draws, patients] x [patients, thresholds] gives the draw's whole ROC curve. Thresholds stand at
quantiles of the negatives' scores, dense in the tail, so that low false-positive rates keep their resolution.
"""

from dataclasses import dataclass

import numpy as np


def auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Return the area under the ROC curve, ties counted half; NaN if a side is empty."""
    m, n = int(positive.sum()), int((~positive).sum())
    if not m or not n:
        return float("nan")
    _, rank, count = np.unique(scores, return_inverse=True, return_counts=True)
    midrank = np.cumsum(count) - (count - 1) / 2
    return float((midrank[rank[positive]].sum() - m * (m + 1) / 2) / (m * n))


def tpr_at(scores: np.ndarray, positive: np.ndarray, rate: float) -> float:
    """Return the share of positives above the lowest threshold that at most `rate` of the negatives exceed.

    NaN if a side is empty, or if the negatives are fewer than 1 / rate, for then not one of them may be exceeded and
    the figure would speak of a smaller rate than asked.
    """
    negatives = scores[~positive]
    if not resolvable(len(negatives), rate) or not positive.any():
        return float("nan")
    allowed = int(np.floor(rate * len(negatives) + 1e-9))
    if allowed == len(negatives):
        return 1.0
    threshold = np.partition(negatives, len(negatives) - allowed - 1)[len(negatives) - allowed - 1]
    return float((scores[positive] > threshold).mean())


def resolvable(negatives: int, rate: float) -> bool:
    """Return whether so many negatives can tell a false-positive rate apart from zero."""
    return negatives * rate >= 1 - 1e-9


def best_threshold(scores: np.ndarray, positive: np.ndarray) -> float:
    """Return the threshold t for which `score > t` has the highest balanced accuracy, half-way between two scores."""
    values, rank = np.unique(scores, return_inverse=True)
    m, n = max(int(positive.sum()), 1), max(int((~positive).sum()), 1)
    advantage = np.bincount(rank, weights=np.where(positive, 1 / m, -1 / n), minlength=len(values))
    above = np.cumsum(advantage[::-1])[::-1]  # TPR - FPR of `score >= values[i]`
    best = int(np.argmax(above))
    return float((values[best] + values[best - 1]) / 2) if best else float(np.nextafter(values[0], -np.inf))


@dataclass(frozen=True)
class RocDraws:
    """Bootstrap draws of one ROC curve: `auc` float [B], `tpr` float [B, F] at the F rates asked."""

    auc: np.ndarray
    tpr: np.ndarray


def bootstrap_roc(
    scores: np.ndarray, positive: np.ndarray, patient: np.ndarray, weights: np.ndarray, rates: np.ndarray
) -> RocDraws:
    """Return the ROC curve of each draw of patients.

    Args:
        scores, positive: [U].
        patient: int [U], index into the columns of `weights`.
        weights: float32 [B, P] of `intervals.draw_patients`.
        rates: float [F], false-positive rates.

    Returns:
        NaN in the draws that leave a side empty.
    """
    draws = len(weights)
    if not positive.any() or positive.all():
        return RocDraws(np.full(draws, np.nan), np.full((draws, len(rates)), np.nan))
    thresholds = _thresholds(scores[~positive])
    true = _above(scores[positive], patient[positive], thresholds, weights)
    false = _above(scores[~positive], patient[~positive], thresholds, weights)
    steps = (false[:, 1:] - false[:, :-1]) * (true[:, 1:] + true[:, :-1]) / 2
    # The last threshold at or below each rate; rows are set apart so that one search serves all draws.
    empty = np.isnan(false[:, 0])
    apart = np.where(empty[:, None], 1.0, false) + 2 * np.arange(draws)[:, None]
    wanted = rates + 1e-6 + 2 * np.arange(draws)[:, None]
    place = np.searchsorted(apart.ravel(), wanted.ravel(), side="right").reshape(draws, -1) - 1
    tpr = true.ravel()[np.maximum(place, 0)]
    tpr[empty] = np.nan
    return RocDraws(steps.sum(axis=1), tpr)


def _thresholds(negatives: np.ndarray, tail: int = 48, bulk: int = 48) -> np.ndarray:
    """Return falling thresholds: scores of negatives at ranks that lie dense at the top, then evenly."""
    n = len(negatives)
    ranks = np.unique(np.concatenate([np.geomspace(1, n, tail), np.linspace(1, n, bulk)]).astype(int)) - 1
    return np.unique(np.sort(negatives)[::-1][ranks])[::-1]


def _above(scores: np.ndarray, patient: np.ndarray, thresholds: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the share of scores above, then at or above each threshold in each draw: float64 [B, 2 G + 2], 0 to 1.

    Scores equal to a threshold have a step of their own, so that a negative at a threshold and the positives next to
    it are not taken for ties.
    """
    held, index = np.unique(patient, return_inverse=True)
    rising, size = thresholds[::-1], 2 * len(thresholds) + 1
    passed = np.searchsorted(rising, scores, side="left") + np.searchsorted(rising, scores, side="right")
    place = size - 1 - passed  # 0: above the highest threshold, 1: equal to it, 2: between it and the next, ...
    counts = np.bincount(index * size + place, minlength=len(held) * size).reshape(len(held), size)
    curve = weights[:, held] @ np.cumsum(counts, axis=1).astype(np.float32)
    curve = np.concatenate([np.zeros((len(curve), 1)), curve], axis=1)
    with np.errstate(invalid="ignore"):
        return curve / curve[:, -1:]
