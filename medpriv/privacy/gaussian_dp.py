"""Composition in Gaussian differential privacy (Dong, Roth and Su 2019): exact for noisy sums, tight for selections.

A mechanism is mu-GDP if telling two neighbours apart from its output is no easier than telling N(0, 1) from N(mu, 1).
Mechanisms compose, also when each is chosen after a look at the last one's output and as long as a budget lasts, by
mu^2 = sum mu_i^2 (Smith and Thakurta 2022 for such choices).

- A sum of sensitivity s with noise N(0, sigma^2) in each coordinate is s / sigma-GDP, exactly.
- The exponential mechanism with exp(epsilon q / (2 Delta)) keeps the log-likelihood ratio of two neighbours in an
  interval of length epsilon (Dong, Durfee and Rogers 2020). Any such pair is a post-processing of the pair of coins
  whose ratios are the interval's ends, and that one of a Gaussian pair with mu = Phi^-1(p) - Phi^-1(q), p and q its
  heads. The worst interval lies symmetric about 0: mu = 2 Phi^-1(e^{epsilon/2} / (1 + e^{epsilon/2})).

`medpriv.privacy.lower_bounds` has mu's epsilon at a delta, and back.
"""

import numpy as np
from scipy.special import expit, logit, ndtr, ndtri


def selection_mu(epsilon: float) -> float:
    """Return the mu of an exponential mechanism with this epsilon."""
    return float(2 * ndtri(expit(epsilon / 2)))


def selection_epsilon(mu: float) -> float:
    """Return the epsilon of the exponential mechanism that is mu-GDP."""
    return float(2 * logit(ndtr(mu / 2)))


def composed(mus: np.ndarray) -> float:
    """Return the mu of mechanisms of these mu one after another."""
    return float(np.sqrt(np.square(mus).sum()))
