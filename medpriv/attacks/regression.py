"""Logistic regression with a ridge, for attackers who fit one to what they know: its minimum, by Newton's method.

Scikit-learn's `LogisticRegression(C=1 / penalty)` has the same, but its import takes longer than any of these fits.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax

STEPS = 100  # Newton needs about ten
EXACT = 1e-9  # of the gradient, a record


@dataclass(frozen=True)
class LogisticRegression:
    """A fitted model of C classes.

    Attributes:
        beta: float64 [C, F + 1], a class's coefficients and its intercept; of two classes the first is all zeros.
    """

    beta: np.ndarray

    def logits(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs [n, C] for x [n, F]."""
        return _design(x) @ self.beta.T

    def log_probability(self, x: np.ndarray) -> np.ndarray:
        """Return log p of every class, [n, C]."""
        return log_softmax(self.logits(x), axis=1)


def fit_logistic(x: np.ndarray, y: np.ndarray, penalty: float, weight: np.ndarray | None = None) -> LogisticRegression:
    """Return the minimum of sum_i w_i (-log p_i) + penalty / 2 sum of squared coefficients (not of intercepts).

    Args:
        x: float64 [n, F].
        y: int [n], 0..C-1, each class at least once.
        weight: float64 [n], 1 unless given.
    """
    design, classes = _design(x), int(y.max()) + 1
    weight = np.ones(len(y)) if weight is None else weight
    first = 1 if classes == 2 else 0  # of two classes one has coefficients, of more all have
    ridge = np.full((classes - first, design.shape[1]), penalty)
    ridge[:, -1] = 0

    def loss(beta: np.ndarray) -> float:
        log_p = log_softmax(design @ beta.T, axis=1)
        return float(-(weight * log_p[np.arange(len(y)), y]).sum() + (ridge * beta[first:] ** 2).sum() / 2)

    beta = np.zeros((classes, design.shape[1]))
    for _ in range(STEPS):
        p = np.exp(log_softmax(design @ beta.T, axis=1))
        gradient = (weight[:, None] * (p - np.eye(classes)[y])[:, first:]).T @ design + ridge * beta[first:]
        if np.abs(gradient).max() < EXACT * len(y):
            break
        step, size, before = _newton(design, weight, p[:, first:], ridge, gradient), 1.0, loss(beta)
        while loss(after := _moved(beta, first, size * step)) > before and size > EXACT:
            size /= 2
        beta = after
    return LogisticRegression(beta)


def _design(x: np.ndarray) -> np.ndarray:
    return np.column_stack([x, np.ones(len(x))])


def _moved(beta: np.ndarray, first: int, step: np.ndarray) -> np.ndarray:
    after = beta.copy()
    after[first:] -= step
    return after


def _newton(
    design: np.ndarray, weight: np.ndarray, p: np.ndarray, ridge: np.ndarray, gradient: np.ndarray
) -> np.ndarray:
    """Return H^-1 gradient, [C', D], with H_cd = sum_i w_i p_c (1[c = d] - p_d) x x^T + the ridge."""
    classes, size = gradient.shape
    hessian = np.empty((classes, size, classes, size))
    for c in range(classes):
        for d in range(classes):
            curvature = weight * p[:, c] * ((c == d) - p[:, d])
            hessian[c, :, d] = (design * curvature[:, None]).T @ design
    hessian = hessian.reshape(classes * size, -1) + np.diag(ridge.ravel())
    if classes > 1:  # intercepts that all rise together change nothing: hold their sum
        together = np.arange(classes) * size + size - 1
        hessian[np.ix_(together, together)] += 1.0
    return np.linalg.solve(hessian, gradient.ravel()).reshape(classes, size)
