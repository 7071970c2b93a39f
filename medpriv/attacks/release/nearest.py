"""Scores of a record from its nearest neighbours among the released rows S and the reference R; higher: a member.

d_S and d_R are the distances to the nearest row of S and of R, with (k) to the k-th nearest.

    dcr             -log d_S, the distance to the closest record: what data sheets state, here as a mere baseline
    dcr-difference  d_R - d_S (Synth-MIA, arXiv 2509.18014)
    adversarial     nearest-neighbour adversarial accuracy (Yale et al. 2020), a record's part. It counts records nearer
                    to S than to R, and rows of S nearer to a record than to each other; here by how much, in logs:
                    (log d_R / d_S + log e / d_S) / 2, e the distance of the nearest row of S to its own nearest in S
    monte-carlo     mean over S of log(r / d) where d < r (Hilprecht et al. 2019, with distances); r is the median d_S
                    of the reference's own records
    dpi             log of (rows of S + 1/2) over (rows of R + 1/2) among the 20 nearest of both together: where S is
                    denser (data plagiarism index)
    local-density   log d_R(5) / d_S(5): nearest-neighbour estimates of log p_S / p_R, but for the number of features
"""

import numpy as np

from medpriv.attacks.membership.from_samples import NEAR
from medpriv.attacks.release.released import NEIGHBOURS, Beside

FIFTH = 5


def dcr(beside: Beside) -> np.ndarray:
    """Return the scores [N]."""
    return -_log_distance(beside.nearest, 1)


def dcr_difference(beside: Beside) -> np.ndarray:
    """Return the scores [N]."""
    return np.sqrt(beside.asked.nearest[:, 0]) - np.sqrt(beside.nearest[:, 0])


def adversarial(beside: Beside) -> np.ndarray:
    """Return the scores [N]; of a single released row the part on R alone."""
    own = _log_distance(beside.nearest, 1)
    margin = _log_distance(beside.asked.nearest, 1) - own
    if len(beside.x) < 2:
        return margin / 2
    return (margin + np.log(np.sqrt(beside.spacing[beside.closest]) + NEAR) - own) / 2


def monte_carlo(beside: Beside) -> np.ndarray:
    """Return the scores [N], at least 0."""
    reach = float(np.median(np.sqrt(beside.nearest[beside.asked.reference, 0]))) + NEAR
    near = np.flatnonzero(beside.nearest[:, 0] < reach**2)  # the others have nothing within reach
    found = np.zeros(len(beside.squares))
    within = np.log(reach / (np.sqrt(beside.squares[near]) + NEAR))
    # The nearest one's distance is exact, the product's isn't.
    within[np.arange(len(near)), beside.closest[near]] = np.log(reach) - _log_distance(beside.nearest[near], 1)
    found[near] = np.maximum(within, 0).mean(axis=1)
    return found


def dpi(beside: Beside) -> np.ndarray:
    """Return the scores [N]."""
    released, reference = beside.nearest, beside.asked.nearest
    both = np.concatenate([released, reference], axis=1)
    order = np.argsort(both, axis=1, kind="stable")[:, :NEIGHBOURS]
    count = (order < released.shape[1]).sum(axis=1)
    return np.log((count + 0.5) / (order.shape[1] - count + 0.5))


def local_density(beside: Beside) -> np.ndarray:
    """Return the scores [N]."""
    return _log_distance(beside.asked.nearest, FIFTH) - _log_distance(beside.nearest, FIFTH)


def _log_distance(squares: np.ndarray, place: int) -> np.ndarray:
    """Return the log of the distance to the neighbour at this place, float64 [N], or to the farthest there is."""
    there = np.isfinite(squares).sum(axis=1)
    at = np.minimum(place, there) - 1
    return np.log(np.sqrt(squares[np.arange(len(squares)), at].astype(np.float64)) + NEAR)
