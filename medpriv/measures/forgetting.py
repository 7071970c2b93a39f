"""How well something was forgotten: AUC of pairs, the forgetting score of NeurIPS 2023, divergence of predictions.

Arrays in, arrays out. Models and pairs come from `medpriv.attacks.unlearning`.
"""

import numpy as np
from scipy.special import log_softmax

from medpriv.measures.roc import best_threshold

LEAST_MODELS = 8  # a side; fewer cannot tell an epsilon of 2 from none
BIN = 0.5  # width of an epsilon's bin
BINS = 13


def pair_auc(won: np.ndarray, pairs: np.ndarray, patients: np.ndarray, origins: np.ndarray) -> np.ndarray:
    """Return the share of pairs won in each draw of patients and origins, [B]; NaN in a draw without a pair.

    AUC = sum_p w_p sum_ab v_a v_b won_pab / sum_p w_p sum_ab v_a v_b pairs_pab.

    Args:
        won, pairs: float [P, K, K].
        patients: float [B, P], how often each patient is drawn.
        origins: float [B, K], how often each origin is drawn.
    """

    def total(values: np.ndarray) -> np.ndarray:
        count, size = values.shape[:2]
        rows = origins.astype(float) @ values.transpose(1, 0, 2).reshape(size, count * size)
        return np.einsum("bpl,bl,bp->b", rows.reshape(-1, count, size), origins, patients, optimize=True)

    with np.errstate(invalid="ignore", divide="ignore"):
        return total(won) / total(pairs)


def forgetting_epsilon(unlearned: np.ndarray, never: np.ndarray, delta: float) -> float:
    """Return the unlearning epsilon that the best of three attacks shows for one unit (Triantafillou et al. 2024).

    epsilon = max over attacks of max(log(1 - delta - FPR) - log FNR, log(1 - delta - FNR) - log FPR), at least 0.
    Attacks: threshold on phi from above, from below, and the ratio of two Gaussians. Each decides on each model by what
    the others taught it. No rate is taken for less than one model's share, so epsilon stays below `epsilon_ceiling`
    (the competition drops an attack whose one rate is 0, and calls epsilon infinite if both are).

    Args:
        unlearned, never: float [m] and [n], phi of the models that forgot the unit and of those that never saw it;
            NaN if either side has fewer than `LEAST_MODELS`.
    """
    m, n = len(unlearned), len(never)
    if min(m, n) < LEAST_MODELS:
        return float("nan")
    values, positive = np.concatenate([unlearned, never]), np.arange(m + n) < m
    found = 0.0
    for decisions in (
        _by_threshold(values, positive),
        _by_threshold(-values, positive),
        _by_ratio(values, positive),
    ):
        false = max(decisions[~positive].sum(), 1) / n
        missed = max((~decisions[positive]).sum(), 1) / m
        for one, other in ((false, missed), (missed, false)):
            if 1 - delta - one > 0:
                found = max(found, float(np.log(1 - delta - one) - np.log(other)))
    return found


def epsilon_ceiling(unlearned: int, never: int, delta: float) -> float:
    """Return the largest epsilon that so many models on either side can show."""
    m, n = sorted((unlearned, never))
    return float(np.log(1 - delta - 1 / m) + np.log(n)) if m >= LEAST_MODELS else float("nan")


def forgetting_points(epsilon: np.ndarray) -> np.ndarray:
    """Return H = 2 / 2^b of each epsilon, b = 1, 2, ... the number of its bin of width 0.5; NaN stays NaN."""
    number = np.minimum(1 + np.floor(np.nan_to_num(epsilon) / BIN), BINS)
    return np.where(np.isnan(epsilon), np.nan, 2 / 2**number)


def divergence(reference: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the mean over records of KL(reference || other) for each pair of models, [A, B], in nats.

    Args:
        reference: logits [A, n, C].
        other: logits [B, n, C].
    """
    p, q = (log_softmax(logits.astype(np.float64), axis=-1) for logits in (reference, other))
    own = (np.exp(p) * p).sum(axis=(1, 2))
    return (own[:, None] - np.einsum("anc,bnc->ab", np.exp(p), q)) / reference.shape[1]


def _by_threshold(values: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Return `value > t` for each value, t the best threshold on the others."""
    others = ~np.eye(len(values), dtype=bool)
    return np.array([value > best_threshold(values[o], positive[o]) for value, o in zip(values, others, strict=True)])


def _by_ratio(values: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Return whether the Gaussian of the positives, fitted without the value itself, makes it likelier."""
    likelihood = []
    for side in (positive, ~positive):
        weights = side & ~np.eye(len(values), dtype=bool)  # [value, others]
        count = weights.sum(axis=1)
        mean = weights @ values / count
        variance = np.maximum((weights * (values - mean[:, None]) ** 2).sum(axis=1) / (count - 1), 1e-12)
        likelihood.append(-((values - mean) ** 2) / variance - np.log(variance))
    return likelihood[0] > likelihood[1]
