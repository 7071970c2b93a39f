"""The check that data sheets of synthetic tables state, beside which the attacks stand: is nothing too close?

A release passes if its rows lie no closer to the members' rows than people do whom it never saw: the share of released
rows that lie within the reference's 5 % quantile (and median) of distances to the nearest member is no larger than
chance has it once in twenty. That is a statement about distances, and none about people (arXiv 2505.01524): who lies
far from everybody can be copied at a distance that is usual for others.
"""

import numpy as np

from medpriv.attacks.release.features import squared_distances
from medpriv.attacks.release.released import blocks

QUANTILES = (0.05, 0.5)
REACH = 1.645  # standard errors


def passes(released: np.ndarray, members: np.ndarray, reference: np.ndarray) -> bool:
    """Return whether a release passes, from features float32 [n, F], [rows, F] and [M, F]."""
    own, usual = _closest(released, members), _closest(reference, members)
    for share in QUANTILES:
        error = np.sqrt(share * (1 - share) * (1 / len(own) + 1 / len(usual)))
        if (own < np.quantile(usual, share)).mean() > share + REACH * error:
            return False
    return True


def _closest(rows: np.ndarray, members: np.ndarray) -> np.ndarray:
    return np.concatenate(
        [squared_distances(rows[part], members).min(axis=1) for part in blocks(len(rows), len(members))]
    )
