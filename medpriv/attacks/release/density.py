"""Scores of a record from kernel densities of the released rows S and of the reference R; higher: a member.

p_S(x) is the mean over S of K(s - x) = exp(-|s - x|^2 / 2 h^2), p_R likewise; one bandwidth h for both, Silverman's for
R. The kernel's norm cancels in every ratio, so it is left out: p lies between 0 and 1.

    domias   log p_S(x) - log p_R(x) (van Breugel et al. 2023)
    gen-lra  sum over the 200 rows s of S nearest to x of log p_{R + x}(s) - log p_R(s) (Gen-LRA): does R explain S
             better with x among it? With the bandwidth held, p_{R + x} = (M p_R + K(s - x)) / (M + 1), so one matrix of
             distances does for all x.
"""

import numpy as np

from medpriv.attacks.release.features import squared_distances
from medpriv.attacks.release.released import Beside, blocks, log_mean_kernel

NEAREST = 200  # released rows that Gen-LRA looks at
_ALONE = 1e-4  # of a sum of kernels, that what is left holds; less has lost its digits


def log_density(beside: Beside) -> np.ndarray:
    """Return log p_S [N] of the records."""
    return log_mean_kernel(beside.squares, beside.asked.bandwidth)


def domias(beside: Beside) -> np.ndarray:
    """Return the scores [N]."""
    return log_density(beside) - beside.asked.log_kernel


def gen_lra(beside: Beside) -> np.ndarray:
    """Return the scores [N]."""
    asked, wide = beside.asked, np.float32(2 * beside.asked.bandwidth**2)
    reference, outside = asked.reference, asked.outside
    squares = squared_distances(asked.x[reference], beside.x)  # [M, n]
    log_sums = np.log(outside) + log_mean_kernel(squares.T, asked.bandwidth)  # [n]
    size = np.full(len(asked.x), outside)
    size[reference] -= asked.own(reference).sum(axis=1)
    found = np.empty(len(asked.x))
    for rows in blocks(len(asked.x), len(beside.x)):
        without = np.broadcast_to(log_sums, (rows.stop - rows.start, len(log_sums))).copy()
        inside = np.arange(max(rows.start, reference.start), rows.stop)
        if len(inside):
            without[inside - rows.start] = _left_out(squares, log_sums, asked.own(slice(inside[0], rows.stop)), wide)
        gain = np.logaddexp(0, -beside.squares[rows] / wide - without, dtype=np.float32)
        if len(log_sums) > NEAREST:
            farthest = np.partition(beside.squares[rows], NEAREST - 1, axis=1)[:, NEAREST - 1 : NEAREST]
            gain[beside.squares[rows] > farthest] = 0
        found[rows] = gain.sum(axis=1, dtype=np.float64)
    return found - min(NEAREST, len(log_sums)) * np.log1p(1 / size)


def _left_out(squares: np.ndarray, log_sums: np.ndarray, own: np.ndarray, wide: float) -> np.ndarray:
    """Return log of the sum of kernels over the reference without the patient's own rows, [rows, n].

    Args:
        squares: of the reference's rows to the released ones, [M, n].
        log_sums: of all kernels, [n].
        own: bool [rows, M].
        wide: 2 h^2.
    """
    share = own.astype(np.float32) @ np.exp(-squares / wide - log_sums)  # of the sum, [rows, n]
    found = log_sums + np.log(np.maximum(1 - share, _ALONE))
    for row in np.flatnonzero((share > 1 - _ALONE).any(axis=1)):
        places = np.flatnonzero(share[row] > 1 - _ALONE)
        others = squares[np.ix_(~own[row], places)]
        found[row, places] = log_mean_kernel(others.T, np.sqrt(wide / 2)) + np.log(len(others))
    return found
