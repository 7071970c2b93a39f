"""Scores of a record from classifiers of released rows S against the reference R: the log-odds of S; higher: a member.

    classifier  a logistic regression on the features: it sees where S as a whole lies
    logan       LOGAN's discriminator (Hayes et al. 2019, black box with outside data): a network flexible enough to
                know single rows. Its hidden layer is drawn and not trained (a random-feature network), so that a fit is
                convex and takes milliseconds

A record of the reference is judged without its patient. Nothing is fitted anew for that: one Newton step from the
minimum, eta - (I - h W)^-1 h (y - p) over the patient's rows, h = X H^-1 X^T (Pregibon 1981).
"""

import numpy as np

from medpriv.attacks.regression import fit_logistic
from medpriv.attacks.release.released import Beside

UNITS = 96  # of the hidden layer
RIDGE, WEAK_RIDGE = 1.0, 0.1
_SEED = 20190129  # of the hidden layer: one for all releases, so that their log-odds compare


def classifier(beside: Beside) -> np.ndarray:
    """Return the scores [N]."""
    return _log_odds(beside, beside.asked.x, beside.x, RIDGE)


def logan(beside: Beside) -> np.ndarray:
    """Return the scores [N]."""
    features = beside.x.shape[1]
    rng = np.random.default_rng(_SEED)
    weights = (rng.normal(size=(features, UNITS)) / np.sqrt(features)).astype(np.float32)
    shifts = rng.normal(size=UNITS).astype(np.float32)
    return _log_odds(beside, *(np.tanh(2 * x @ weights + shifts) for x in (beside.asked.x, beside.x)), WEAK_RIDGE)


def _log_odds(beside: Beside, asked: np.ndarray, released: np.ndarray, penalty: float) -> np.ndarray:
    """Return the log-odds of S [N], of features of the records [N, F] and of the released rows [n, F]."""
    reference = beside.asked.reference
    x = np.concatenate([asked[reference], released]).astype(np.float64)
    y = np.repeat([0, 1], [beside.asked.outside, len(released)])
    model = fit_logistic(x, y, penalty)
    found = model.logits(asked.astype(np.float64))[:, 1]
    design = np.column_stack([x, np.ones(len(x))])
    p = 1 / (1 + np.exp(-design @ model.beta[1]))
    ridge = np.full(design.shape[1], penalty)
    ridge[-1] = 0
    hessian = (design * (p * (1 - p))[:, None]).T @ design + np.diag(ridge)
    inside = slice(0, beside.asked.outside)
    found[reference] -= _influence(design[inside], p[inside], hessian, beside.asked.patient[reference])
    return found


def _influence(design: np.ndarray, p: np.ndarray, hessian: np.ndarray, patient: np.ndarray) -> np.ndarray:
    """Return how much each row of class 0 owes its log-odds to its patient's own rows, [M]."""
    solved = np.linalg.solve(hessian, design.T)  # [F + 1, M]
    leverage, residual = np.einsum("mf,fm->m", design, solved), -p
    found = leverage * residual / (1 - leverage * p * (1 - p))
    names, count = np.unique(patient, return_counts=True)
    for name in names[count > 1]:
        rows = np.flatnonzero(patient == name)
        h = design[rows] @ solved[:, rows]
        step = np.eye(len(rows)) - h * (p[rows] * (1 - p[rows]))
        found[rows] = np.linalg.solve(step, h @ residual[rows])
    return found
