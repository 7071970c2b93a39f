"""RMIA, the relative attack (Zarifzadeh et al. 2024): is this unit more surprising a fit than the population's?

ratio_x = p_target(x) / p(x), with p(x) = (mean p over shadows in + mean p over shadows out) / 2 (the online form).
Population units z are records of test patients, which no shadow saw, so their p(z) = ((1 + a) mean p + (1 - a)) / 2
(the offline form); a candidate without shadows in gets the same form, one without shadows out the mean over those in.
Score: share of z with ratio_x / ratio_z >= gamma.

gamma = 1, as the authors' current code has it (the paper: 2), and a = 0.3, its default. The share is a rising function
of ratio_x within one target, so gamma, a and the population set where thresholds lie, not how one target's candidates
rank; ties within one step of the share are broken by ratio_x itself, which the attacker knows as well.

For a patient, p is the geometric mean over the patient's records, candidates and population alike.
"""

import numpy as np

from medpriv.attacks.membership.view import View, needs

GAMMA = 1.0
OFFLINE_A = 0.3
LARGEST = 700.0  # exponent; densities of generators lie farther apart


@needs(1)
def score(view: View) -> np.ndarray:
    """Return the scores [T, U], in (0, 1)."""
    candidates = log_ratio(view)
    population = np.sort(log_population_ratio(view), axis=1)
    beaten = np.stack(
        [
            np.searchsorted(beside, own - np.log(GAMMA), side="right")
            for own, beside in zip(candidates, population, strict=True)
        ]
    )
    within_step = 1 / (1 + np.exp(np.minimum(-candidates, LARGEST)))
    return (beaten + within_step) / (population.shape[1] + 1)


def log_ratio(view: View) -> np.ndarray:
    """Return log ratio_x of the candidates, [T, U]."""
    return view.log_likelihood - np.log(_reference(view))


def log_population_ratio(view: View) -> np.ndarray:
    """Return log ratio_z of the population, [T, Z]."""
    return view.population - np.log(_offline(view.population_likelihood()))


def _reference(view: View) -> np.ndarray:
    """Return p(x), [T, U]."""
    count_in, mean_in = view.mean_likelihood(inside=True)
    count_out, mean_out = view.mean_likelihood(inside=False)
    online = np.where(count_out > 0, (mean_in + mean_out) / 2, mean_in)
    # Without any shadow p(x) is the target's own p: a ratio of 1, no evidence.
    alone = np.where(count_out > 0, _offline(mean_out), np.exp(view.log_likelihood))
    return np.maximum(np.where(count_in > 0, online, alone), np.finfo(np.float64).tiny)


def _offline(mean_out: np.ndarray) -> np.ndarray:
    return ((1 + OFFLINE_A) * mean_out + (1 - OFFLINE_A)) / 2
