"""The check that data sheets of synthetic tables state, beside which the attacks stand: is nothing too close?

A release passes at a quantile if its rows lie no closer to the members' rows than people do whom it never saw: the
share of released rows within the reference's 5 % quantile (or median) of distances to the nearest member is no larger
than chance has it once in twenty. That is a statement about distances, and none about people (arXiv 2505.01524): a
median doesn't see that a tenth of the rows are copies, and who lies far from everybody can be copied at a distance that
is usual for others.
"""

import numpy as np

from medpriv.attacks.release.features import squared_distances
from medpriv.attacks.release.released import blocks

QUANTILES = np.array([0.05, 0.5])
REACH = 1.645  # standard errors


def passes(released: np.ndarray, members: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return whether a release passes at each of `QUANTILES`, from features float32 [n, F], [rows, F] and [M, F]."""
    own, usual = _closest(released, members), _closest(reference, members)
    within = np.array([(own < limit).mean() for limit in np.quantile(usual, QUANTILES)])
    error = np.sqrt(QUANTILES * (1 - QUANTILES) * (1 / len(own) + 1 / len(usual)))
    return within <= QUANTILES + REACH * error


def _closest(rows: np.ndarray, members: np.ndarray) -> np.ndarray:
    return np.concatenate(
        [squared_distances(rows[part], members).min(axis=1) for part in blocks(len(rows), len(members))]
    )
