"""ROC measures of scores, and their patient bootstrap without sorting twice.

For the bootstrap each patient's records above each of some hundred thresholds are counted once. A draw of patients is
then a matrix product: [draws, patients] x [patients, thresholds] gives the draw's whole ROC curve. Thresholds stand at
quantiles of the negatives' scores, dense in the tail, so that low false-positive rates keep their resolution.

**A threshold for a low false-positive rate is set on other scores than those that it is judged on.** The a-th highest
of n negatives is exceeded by a new negative with probability a / (n + 1), so a threshold below which `rate` of the
sample's own negatives lie promises more than it keeps: 2 % in place of 1 % with 100 negatives, and a TPR that looks
like a leak where there is none. `calibrated_curve` takes thresholds from negatives held apart, at the rank that keeps
the promise on average, and says which rate the sample's own negatives show.
"""

from collections.abc import Sequence
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


def tpr_above(positives: np.ndarray, others: np.ndarray, rates: Sequence[float]) -> list[float]:
    """Return the share of positives above the thresholds that other negatives set for each rate.

    `calibrated_curve` for a sample alone, and without ties.
    """
    falling, found = np.sort(others)[::-1], []

    def share(rank: int) -> float:
        return float((positives > falling[rank - 1]).mean()) if rank else 0.0

    for rate in rates:
        rank = min(rate * (len(others) + 1), float(len(others)))
        below, above = share(int(rank)), share(min(int(rank) + 1, len(others)))
        found.append(below + (rank - int(rank)) * (above - below))
    return found


def resolvable(negatives: float, rate: float) -> bool:
    """Return whether so many negatives can tell a false-positive rate apart from zero.

    Count what is independent: people, not their records.
    """
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
    """ROC curves, one a draw of patients, at F false-positive rates asked.

    Attributes:
        auc: float [B].
        tpr: float [B, F].
        fpr: float [B, F], the rate that the negatives show at the same thresholds.
    """

    auc: np.ndarray
    tpr: np.ndarray
    fpr: np.ndarray


def bootstrap_roc(
    scores: np.ndarray, positive: np.ndarray, patient: np.ndarray, weights: np.ndarray, rates: np.ndarray
) -> RocDraws:
    """Return the ROC curve of each draw of patients, thresholds set on the sample's own negatives.

    Args:
        scores, positive: [U].
        patient: int [U], index into the columns of `weights`.
        weights: float32 [B, P] of `intervals.draw_patients`.
        rates: float [F], false-positive rates; between two thresholds the curve is a straight line.

    Returns:
        NaN in the draws that leave a side empty.
    """
    if not positive.any() or positive.all():
        return _nothing(len(weights), len(rates))
    thresholds = _thresholds(scores[~positive], rates)
    true = _above(scores[positive], patient[positive], thresholds, weights)
    false = _above(scores[~positive], patient[~positive], thresholds, weights)
    tpr, fpr = _read(false, rates, true, false)
    return RocDraws(_area(true, false), tpr, fpr)


def bootstrap_auc(scores: np.ndarray, positive: np.ndarray, patient: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the area under the curve of each draw of patients, [B]; arguments as of `bootstrap_roc`."""
    return bootstrap_roc(scores, positive, patient, weights, np.empty(0)).auc


def calibrated_curve(
    scores: np.ndarray,
    positive: np.ndarray,
    patient: np.ndarray,
    others: np.ndarray,
    others_patient: np.ndarray,
    weights: np.ndarray,
    rates: np.ndarray,
) -> RocDraws:
    """Return the curve of each draw of patients, thresholds set on the scores `others` [M] of other negatives.

    The i-th highest of M scores stands for a rate of i / (M + 1) (Weibull's plotting position); between two of them the
    curve is a straight line. A draw of patients draws both: the scores that set thresholds and those that are judged.
    """
    if not positive.any() or positive.all() or not len(others):
        return _nothing(len(weights), len(rates))
    thresholds = _thresholds(others, rates)
    true = _above(scores[positive], patient[positive], thresholds, weights)
    false = _above(scores[~positive], patient[~positive], thresholds, weights)
    drawn = weights @ np.bincount(others_patient, minlength=weights.shape[1]).astype(np.float32)
    promised = _expected(_above(others, others_patient, thresholds, weights), drawn)
    tpr, fpr = _read(promised, rates, true, false)
    return RocDraws(_area(true, false), tpr, fpr)


def _nothing(draws: int, rates: int) -> RocDraws:
    return RocDraws(np.full(draws, np.nan), *(np.full((draws, rates), np.nan) for _ in range(2)))


def _area(true: np.ndarray, false: np.ndarray) -> np.ndarray:
    """Return the area [B] under curves [B, G], ties counted half."""
    return ((false[:, 1:] - false[:, :-1]) * (true[:, 1:] + true[:, :-1]) / 2).sum(axis=1)


def _expected(above: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return the rate that each threshold stands for, [B, 2 G + 2] of `_above`, from draws of `size` [B] scores."""
    counts, size = above * size[:, None], size[:, None]
    rate = counts / (size + 1)
    # Strictly above the highest of tied scores: as many as before them, and one more, but no more than with them.
    rate[:, 1:-1:2] = np.minimum(counts[:, 1:-1:2] + 1, counts[:, 2::2]) / (size + 1)
    rate[:, -1] = above[:, -1]
    return rate


def _read(rate: np.ndarray, asked: np.ndarray, *curves: np.ndarray) -> list[np.ndarray]:
    """Return curves [B, G] at the asked rates [F], [B, F] each, along rising rates [B, G]; NaN where a rate is NaN."""
    draws, size = rate.shape
    empty = np.isnan(rate[:, -1])
    rising = np.where(empty[:, None], 1.0, rate)
    # Rows are set apart so that one search serves all draws.
    apart = (rising + 2 * np.arange(draws)[:, None]).ravel()
    wanted = (asked + 1e-9 + 2 * np.arange(draws)[:, None]).ravel()
    place = np.searchsorted(apart, wanted, side="right") - 1
    last = np.repeat(np.arange(1, draws + 1) * size - 1, len(asked))
    place = np.clip(place, last - size + 1, last)
    after = np.minimum(place + 1, last)
    flat, target = rising.ravel(), np.tile(asked, draws)
    gap = flat[after] - flat[place]
    share = np.where(gap > 0, np.clip((target - flat[place]) / np.where(gap > 0, gap, 1), 0, 1), 0)
    found = []
    for curve in curves:
        values = curve.ravel()
        read = (values[place] + share * (values[after] - values[place])).reshape(draws, -1)
        read[empty] = np.nan
        found.append(read)
    return found


def _thresholds(negatives: np.ndarray, rates: np.ndarray, tail: int = 32, bulk: int = 48) -> np.ndarray:
    """Return falling thresholds: scores at even ranks and, where rates are asked, dense at the top and around each."""
    n = len(negatives)
    ranks = np.linspace(1, n, bulk)
    if len(rates):
        below = np.floor(rates * (n + 1))
        ranks = np.concatenate([ranks, np.geomspace(1, n, tail), np.clip([*below, *(below + 1)], 1, n)])
    ranks = ranks.astype(int)
    return np.unique(np.sort(negatives)[::-1][np.unique(ranks) - 1])[::-1]


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
