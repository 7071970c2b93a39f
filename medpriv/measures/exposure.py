"""How exposed a single patient is: can the attack tell the replicates that saw the patient from those that did not?

Exposure = the share of pairs (replicate a trained on the patient, replicate b not) in which a scores higher than b,
ties counted half: 0.5 is chance, 1 full exposure. In each pair both are targets and neither is the other's shadow.
Leaving one out would not do here: for one patient the shadows in and out add up to a fixed number, so a target's own
absence would show in the statistics of its shadows and push exposures of unexposed patients below 0.5.

Scores come from fits to the same few replicates, so pairs are far from independent, and where nobody is remembered
exposures spread widely and not evenly: with 32 replicates 95 % of them lie between about 0.09 and 0.74. So the spread
of chance is taken from the bank itself, with membership drawn anew (`null_quantiles`), and no patient is called exposed
within it.
"""

from collections.abc import Callable

import numpy as np

from medpriv.measures.intervals import newcombe, percentile_interval

_NULL = 1000  # exposures behind a null quantile, at least
_ELEMENTS = 2_000_000  # of one array over pairs and patients: memory doesn't grow with the number of pairs


def pair_exposure(score_pair: Callable[[np.ndarray, np.ndarray], np.ndarray], members: np.ndarray) -> np.ndarray:
    """Return each patient's exposure, float [P]; NaN if all replicates or none saw the patient, or a score is missing.

    Args:
        score_pair: (targets [T], withheld [T]) -> scores [T, P] of targets whose shadows leave out both.
        members: bool [K, P].
    """
    replicates, patients = members.shape
    firsts, seconds = np.triu_indices(replicates, k=1)
    wins, some = np.zeros(patients), max(1, _ELEMENTS // max(patients, 1))
    for start in range(0, len(firsts), some):
        first, second = firsts[start : start + some], seconds[start : start + some]
        difference = score_pair(first, second) - score_pair(second, first)  # [pairs, P]
        won = np.select([np.isnan(difference), difference == 0], [np.nan, 0.5], difference > 0)
        only_first = members[first] & ~members[second]
        only_second = members[second] & ~members[first]
        wins += (won * only_first + (1 - won) * only_second).sum(axis=0)
    inside = members.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return wins / (inside * (replicates - inside))


def null_quantiles(
    exposure: Callable[[np.ndarray], np.ndarray], members: np.ndarray, rng: np.random.Generator
) -> tuple[float, float]:
    """Return the 2.5 and 97.5 % quantiles of exposure where membership has nothing to do with training; NaN of none.

    Args:
        exposure: members [K, P] -> exposures [P].
        members: bool [K, P]; each row is drawn anew, with as many members, until there are enough exposures.
    """
    redraws = -(-_NULL // members.shape[1])
    drawn = np.concatenate([exposure(rng.permuted(members, axis=1)) for _ in range(redraws)])
    return percentile_interval(drawn)


def exposure_limits(
    exposure: np.ndarray, inside: np.ndarray, outside: np.ndarray, null: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the limits [P] of exposures: Newcombe's on the replicates in and out, and no nearer than chance spreads.

    So a lower limit above 0.5 is as rare as chance has it: 2.5 % of patients where nothing is remembered; likewise an
    upper limit below 0.5.
    """
    lower, upper = newcombe(exposure, inside, outside)
    lower = np.minimum(lower, np.maximum(exposure - (null[1] - 0.5), 0))
    upper = np.maximum(upper, np.minimum(exposure + (0.5 - null[0]), 1))
    return lower, upper
