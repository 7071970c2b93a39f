"""ROC measures of scores, and their patient bootstrap without sorting twice.

For the bootstrap each patient's records above each of some hundred thresholds are counted once. A draw of patients is
then a matrix product: [draws, patients] x [patients, thresholds] gives the draw's whole ROC curve. Thresholds stand at
quantiles of the negatives' scores, dense in the tail, so that low false-positive rates keep their resolution.

**A threshold for a low false-positive rate keeps its promise to new negatives, not to those that set it.** The i-th
highest of n negatives is exceeded by a new one with probability i / (n + 1), so the threshold that `rate` of the
sample's own negatives exceed lets through more than that: 2 % in place of 1 % with 100 negatives, and a TPR that looks
like a leak where there is none. Here the i-th highest stands for i / (n + 1) (Weibull's plotting position), wherever
thresholds come from; `calibrated_rates` takes them from negatives held apart, and says which rate the sample's own
negatives show there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


def auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Return the area under the ROC curve, ties counted half; NaN if a side is empty or a score is missing."""
    m, n = int(positive.sum()), int((~positive).sum())
    if not m or not n or np.isnan(scores).any():
        return float("nan")
    negatives, positives = np.sort(scores[~positive]), np.sort(scores[positive])  # sorted ones are found more quickly
    passed = sum(int(np.searchsorted(negatives, positives, side=side).sum()) for side in ("left", "right"))
    return passed / 2 / (m * n)


def tpr_at(scores: np.ndarray, positive: np.ndarray, rate: float) -> float:
    """Return the share of positives above the threshold that the sample's own negatives set for a rate (`tpr_above`).

    NaN if a side is empty, or if the negatives are fewer than 1 / rate: the figure would speak of a larger rate.
    """
    negatives = scores[~positive]
    if not resolvable(len(negatives), rate) or not positive.any():
        return float("nan")
    return tpr_above(scores[positive], negatives, [rate])[0]


def tpr_above(positives: np.ndarray, negatives: np.ndarray, rates: Sequence[float]) -> list[float]:
    """Return the share of positives above the threshold that the negatives set for each rate.

    The i-th highest of n negatives is exceeded by a new one with probability i / (n + 1) (Weibull's plotting position);
    between two of them the share is a straight line. Ties are not told apart from scores in order. NaN where a score is
    missing.
    """
    if np.isnan(positives).any() or np.isnan(negatives).any():
        return [float("nan")] * len(rates)
    falling, found = np.sort(negatives)[::-1], []

    def share(rank: int) -> float:
        return float((positives > falling[rank - 1]).mean()) if rank else 0.0

    for rate in rates:
        rank = min(rate * (len(negatives) + 1), float(len(negatives)))
        below, above = share(int(rank)), share(min(int(rank) + 1, len(negatives)))
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
    """

    auc: np.ndarray
    tpr: np.ndarray


def bootstrap_roc(
    scores: np.ndarray, positive: np.ndarray, patient: np.ndarray, weights: np.ndarray, rates: np.ndarray
) -> RocDraws:
    """Return the ROC curve of each draw of patients, thresholds set on the draw's own negatives.

    Args:
        scores, positive: [U].
        patient: int [U], index into the columns of `weights`.
        weights: float32 [B, P], how often each draw takes each patient.
        rates: float [F], false-positive rates; between two thresholds the curve is a straight line.

    Returns:
        NaN in the draws that leave a side empty, and in all where a score is missing.
    """
    if not positive.any() or positive.all() or np.isnan(scores).any():
        return RocDraws(np.full(len(weights), np.nan), np.full((len(weights), len(rates)), np.nan))
    thresholds = _thresholds(scores[~positive], rates)
    true = _above(scores[positive], patient[positive], thresholds, weights)
    false = _above(scores[~positive], patient[~positive], thresholds, weights)
    size = _drawn(patient[~positive], weights)
    tpr = _read(false, size, rates, true)[0] if len(rates) else np.empty((len(weights), 0))
    return RocDraws(_area(true, false), tpr)


def bootstrap_auc(scores: np.ndarray, positive: np.ndarray, patient: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the area under the curve of each draw of patients, [1 + B]; that of the sample (row 0) is exact.

    Args:
        weights: float32 [1 + B, P], `patients` of a `PatientBootstrap`; the rest as of `bootstrap_roc`.
    """
    drawn = bootstrap_roc(scores, positive, patient, weights, np.empty(0)).auc
    drawn[0] = auc(scores, positive)
    return drawn


def placements(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Return the share of the other side that each unit is in order with, [K, U], ties counted half.

    That of the negatives which a positive lies above, of the positives which a negative lies below (Hanley and
    Hajian-Tilaki 1997): the mean over either side is the AUC.

    Args:
        scores, positive: [K, U].

    Returns:
        NaN in rows that lack a side or a score.
    """
    placed = np.empty(scores.shape)
    for row, values, above in zip(placed, scores, positive, strict=True):
        if above.all() or not above.any() or np.isnan(values).any():
            row[:] = np.nan
            continue
        row[above] = _share_below(values[above], np.sort(values[~above]))
        row[~above] = 1 - _share_below(values[~above], np.sort(values[above]))
    return placed


def _share_below(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the share of others, in rising order, that lie below each value, ties counted half."""
    return sum(np.searchsorted(others, values, side=side) for side in ("left", "right")) / (2 * len(others))


def calibrated_rates(
    scores: np.ndarray,
    positive: np.ndarray,
    patient: np.ndarray,
    others: np.ndarray,
    others_patient: np.ndarray,
    weights: np.ndarray,
    rates: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return TPR and FPR [B, F] of each draw of patients, thresholds set on the scores `others` [M] of other negatives.

    A draw of patients draws both: the scores that set thresholds and those that are judged. NaN where one is missing.
    """
    missing = np.isnan(scores).any() or np.isnan(others).any()
    if not positive.any() or positive.all() or not len(others) or missing:
        return tuple(np.full((2, len(weights), len(rates)), np.nan))
    thresholds = _thresholds(others, rates, tail=0, bulk=24)  # the rates of a curve are dense in the tail
    true = _above(scores[positive], patient[positive], thresholds, weights)
    false = _above(scores[~positive], patient[~positive], thresholds, weights)
    promised = _above(others, others_patient, thresholds, weights)
    return tuple(_read(promised, _drawn(others_patient, weights), rates, true, false))


def _drawn(patient: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return how many scores of these patients each draw holds, [B]."""
    return weights @ np.bincount(patient, minlength=weights.shape[1]).astype(np.float32)


def _area(true: np.ndarray, false: np.ndarray) -> np.ndarray:
    """Return the area [B] under curves [G, B], ties counted half."""
    return np.einsum("gb,gb->b", np.diff(false, axis=0), true[1:] + true[:-1]) / 2


def _read(above: np.ndarray, size: np.ndarray, asked: np.ndarray, *curves: np.ndarray) -> list[np.ndarray]:
    """Return curves [2 G + 2, B] of `_above` at the thresholds that negatives set for the asked rates [F], [B, F] each.

    Args:
        above: of the negatives, [2 G + 2, B]; NaN in draws without one.
        size: how many negatives each draw holds, [B].
    """
    above = np.ascontiguousarray(above.T)
    draws, columns = above.shape
    empty = np.isnan(above[:, -1])
    counts = np.where(empty[:, None], 0.0, above * size[:, None])
    strict, reached = counts[:, 1:-1:2], counts[:, 2::2]
    drawn = reached > strict  # thresholds that the draw holds; the others are passed over
    # Strictly above the highest of tied scores stands for one more than lie before them.
    rate = counts / (size[:, None] + 1)
    rate[:, 1:-1:2] = np.where(drawn, strict + 1, strict) / (size[:, None] + 1)
    rate[:, -1] = 1
    column = np.tile(np.arange(columns), (draws, 1))
    column[:, 1:-1:2][~drawn] = column[:, 2::2][~drawn] = 0
    held = (np.maximum.accumulate(column, axis=1) + columns * np.arange(draws)[:, None]).ravel()
    # Rows are set apart so that one search serves all draws.
    apart = (rate + 2 * np.arange(draws)[:, None]).ravel()
    wanted = (asked + 1e-9 + 2 * np.arange(draws)[:, None]).ravel()
    last = np.repeat(np.arange(1, draws + 1) * columns - 1, len(asked))
    place = np.clip(np.searchsorted(apart, wanted, side="right") - 1, last - columns + 1, last)
    before, after = held[place], np.minimum(place + 1, last)
    rates = rate.ravel()
    gap = rates[after] - rates[before]
    share = np.where(gap > 0, np.clip((np.tile(asked, draws) - rates[before]) / np.where(gap > 0, gap, 1), 0, 1), 0)
    found = []
    for curve in curves:
        values = curve.T.ravel()
        read = (values[before] + share * (values[after] - values[before])).reshape(draws, -1)
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
    """Return the share of scores above, then at or above each threshold in each draw: float64 [2 G + 2, B], 0 to 1.

    Scores equal to a threshold have a step of their own, so that a negative at a threshold and the positives next to
    it are not taken for ties.
    """
    present = np.bincount(patient, minlength=weights.shape[1]) > 0
    held, index = np.flatnonzero(present), (np.cumsum(present) - 1)[patient]
    rising, size = thresholds[::-1], 2 * len(thresholds) + 1
    passed = np.searchsorted(rising, scores, side="left") + np.searchsorted(rising, scores, side="right")
    place = size - 1 - passed  # 0: above the highest threshold, 1: equal to it, 2: between it and the next, ...
    counts = np.bincount(index * size + place, minlength=len(held) * size).reshape(len(held), size)
    curve = np.cumsum(counts, axis=1).T.astype(np.float32) @ weights.T[held]
    curve = np.concatenate([np.zeros((1, curve.shape[1])), curve])
    with np.errstate(invalid="ignore"):
        return curve / curve[-1]
