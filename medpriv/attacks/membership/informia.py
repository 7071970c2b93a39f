"""InfoRMIA: RMIA as information (Tao and Shokri, ICLR 2026, arXiv 2510.05582), in bits.

    score(x) = log2 (p_target(x) / p(x)) - mean over z of log2 (p_target(z) / p(z))

with p(x), p(z) and the population z as in `rmia` beside this module. RMIA counts the z that x outdoes, which needs a
gamma and many z, and ties where z are few; here the population enters by one mean, an estimate of a
Kullback-Leibler divergence. Within one target both rank candidates by p_target(x) / p(x) (this project's RMIA breaks
its ties by it), so their AUCs within a target agree; what differs is what a threshold means from one target to the
next: balanced accuracy and TPR.
Bits have a scale, ranks have none: where replicates differ in the spread of their outputs (noise does that), thresholds
set on one miss their rate on the next, and RMIA's do not.
"""

import numpy as np

from medpriv.attacks.membership.rmia import log_population_ratio, log_ratio
from medpriv.attacks.membership.view import View, needs


@needs(1)
def score(view: View) -> np.ndarray:
    """Return the scores [T, U], in bits."""
    population = log_population_ratio(view)
    surprise = population.mean(axis=1, keepdims=True) if population.shape[1] else 0.0
    return (log_ratio(view) - surprise) / np.log(2)
