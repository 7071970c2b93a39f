"""What noise guarantees: epsilon of Poisson-sampled Gaussian steps, by the PRV accountant (Gopi et al., NeurIPS 2021).

The figures are those of Opacus' accountant, an upper bound within 0.01 of epsilon. Neighbours are those of zero-out:
equally many units (patients), a number that is public, but the records of one are replaced by nothing. Each step's sum
then differs by one clipped gradient at most, taken with probability `rate` and divided by the same number, which is the
pair of laws that the accountant composes (Opacus calls it a unit added or removed). A question takes some tenths of a
second, at rates near 1/2 some seconds. Opacus is imported at the first one, so that a default delta costs nothing.
"""

import warnings
from functools import cache
from math import exp, inf, log1p, log10, sqrt

from medpriv.errors import InputError

ADJACENCY = "zero-out, n public"  # what neighbours are, as banks state it

TOLERANCE = 0.01  # a noise multiplier is accepted whose epsilon lies at most this share below the target
DIGITS = 4  # significant ones of a noise multiplier
LEAST, MOST = 0.2, 1e5  # noise multipliers looked at, about


@cache
def epsilon(noise_multiplier: float, rate: float, steps: int, delta: float) -> float:
    """Return the epsilon that `steps` steps spend at this delta.

    Args:
        noise_multiplier: deviation of the noise over the clip norm; 0 gives infinity.
        rate: probability with which a unit takes part in a step, 0 < rate <= 1.
    """
    if not noise_multiplier:
        return inf
    from opacus.accountants import PRVAccountant

    accountant = PRVAccountant()
    accountant.history = [(noise_multiplier, rate, steps)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # log(0) in a branch that rate 1 doesn't take; a bound's coarse Renyi orders
        return float(accountant.get_epsilon(delta))


@cache
def noise_for(target: float, delta: float, rate: float, steps: int, place: str = "private.epsilons") -> float:
    """Return the smallest noise multiplier (to 4 digits and 1 % of epsilon) whose epsilon is at most the target.

    Args:
        target, delta: the guarantee asked for.
        rate, steps: of the training, as in `epsilon`.
        place: what the config calls the target, for an error.

    Raises:
        InputError: no noise multiplier up to 100,000 does it.
    """
    low = high = _first_guess(target, delta, rate, steps)
    while epsilon(high, rate, steps, delta) > target:
        low, high = high, _rounded_up(1.1 * high)
        if high > MOST:
            raise InputError(
                f"no noise gives epsilon {target:g} at delta {delta:g} for {steps} steps at rate {rate:g}",
                file="config",
                place=place,
                remedy="ask for a larger epsilon, fewer steps, or a smaller share of patients a step",
            )
    while low > LEAST and epsilon(low, rate, steps, delta) <= target:
        low, high = _rounded_up(low / 1.1), low
    while low < high and epsilon(high, rate, steps, delta) < (1 - TOLERANCE) * target:
        below, above = (log10(epsilon(noise, rate, steps, delta)) for noise in (high, low))
        share = (above - log10((1 - TOLERANCE / 2) * target)) / (above - below)
        middle = _rounded_up(low * (high / low) ** min(max(share, 0.05), 0.95))
        if not low < middle < high:
            break
        low, high = (middle, high) if epsilon(middle, rate, steps, delta) > target else (low, middle)
    return high


def default_delta(patients: int) -> float:
    """Return 1 / (10 n), rounded down to one digit."""
    exact = 1 / (10 * patients)
    place = 10.0 ** _floor(log10(exact))
    return float(f"{_floor(exact / place + 1e-9) * place:.0e}")


def check_delta(delta: float, patients: int, place: str = "private.delta") -> None:
    """Refuse a delta at which giving away one patient's whole record would count as private.

    Args:
        delta: it.
        patients: of a replicate.
        place: what the config calls the delta.
    """
    if delta >= 1 / patients:
        raise InputError(
            f"delta {delta:g} is not below 1/n for the {patients} patients of a replicate",
            file="config",
            place=place,
            remedy=f"leave it out ({default_delta(patients):g} is taken then), or give a smaller one",
        )


def _first_guess(target: float, delta: float, rate: float, steps: int) -> float:
    """Return a noise multiplier near the one sought: PRV accounting is slow far below it.

    By the central limit theorem of Dong et al. (2019) and Bu et al. (2020) the steps come near a Gaussian mechanism of
    sensitivity mu = q sqrt(T (exp(1 / noise^2) - 1)), whose delta at an epsilon is known.
    """
    from scipy.special import log_ndtr, ndtr

    low, high = 1e-6, 1e3
    while high > 1.001 * low:
        mu = sqrt(low * high)
        spent = ndtr(mu / 2 - target / mu) - exp(target + log_ndtr(-mu / 2 - target / mu))
        low, high = (low, mu) if spent > delta else (mu, high)
    return min(max(_rounded_up(1 / sqrt(log1p((low / rate) ** 2 / steps))), LEAST), MOST)


def _rounded_up(value: float) -> float:
    """Return the value rounded up to `DIGITS` significant digits."""
    place = 10.0 ** (_floor(log10(value)) - DIGITS + 1)
    return float(f"{-_floor(-value / place) * place:.{DIGITS}g}")


def _floor(value: float) -> int:
    return int(value // 1)
