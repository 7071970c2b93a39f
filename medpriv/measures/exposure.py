"""How exposed a single patient is: can the attack tell the replicates that saw the patient from those that did not?

Exposure = the share of pairs (replicate a trained on the patient, replicate b not) in which a scores higher than b,
ties counted half: 0.5 is chance, 1 full exposure. In each pair both are targets and neither is the other's shadow.
Leaving one out would not do here: for one patient the shadows in and out add up to a fixed number, so a target's own
absence would show in the statistics of its shadows and push exposures of unexposed patients below 0.5.
"""

from collections.abc import Callable

import numpy as np

from medpriv.measures.intervals import newcombe

_ELEMENTS = 2_000_000  # of one array over pairs and patients: memory doesn't grow with the number of pairs


def pair_exposure(
    score_pair: Callable[[np.ndarray, np.ndarray], np.ndarray], members: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each patient's exposure and its limits, float [P] each; NaN if all replicates or none saw the patient.

    Args:
        score_pair: (targets [T], withheld [T]) -> scores [T, P] of targets whose shadows leave out both.
        members: bool [K, P].

    Limits are Newcombe's on the numbers of replicates in and out, which are independent of each other.
    """
    replicates, patients = members.shape
    firsts, seconds = np.triu_indices(replicates, k=1)
    wins, some = np.zeros(patients), max(1, _ELEMENTS // max(patients, 1))
    for start in range(0, len(firsts), some):
        first, second = firsts[start : start + some], seconds[start : start + some]
        difference = score_pair(first, second) - score_pair(second, first)  # [pairs, P]
        won = np.where(difference == 0, 0.5, difference > 0)
        only_first = members[first] & ~members[second]
        only_second = members[second] & ~members[first]
        wins += (won * only_first + (1 - won) * only_second).sum(axis=0)
    inside = members.sum(axis=0)
    pairs = inside * (replicates - inside)
    with np.errstate(invalid="ignore", divide="ignore"):
        exposure = wins / pairs
        lower, upper = newcombe(exposure, inside, replicates - inside)
    empty = pairs == 0
    return exposure, np.where(empty, np.nan, lower), np.where(empty, np.nan, upper)
