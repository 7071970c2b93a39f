"""The accountant: Opacus' figures, a closed form, noise that meets its target, and deltas below 1/n."""

from math import erf, exp, inf, sqrt

import pytest

from medpriv.errors import InputError
from medpriv.privacy.accountant import check_delta, default_delta, epsilon, noise_for

SETTINGS = [(1.5, 0.2, 150, 1e-4), (0.9, 0.02, 800, 1e-5), (25.0, 1.0, 100, 1e-3)]


def normal(value: float) -> float:
    """Return the standard normal's distribution function."""
    return (1 + erf(value / sqrt(2))) / 2


@pytest.mark.parametrize(("noise", "rate", "steps", "delta"), SETTINGS)
def test_epsilon_is_the_figure_of_opacus(noise, rate, steps, delta):
    from opacus.accountants import PRVAccountant

    theirs = PRVAccountant()
    theirs.history = [(noise, rate, steps)]
    assert epsilon(noise, rate, steps, delta) == theirs.get_epsilon(delta)


@pytest.mark.parametrize(("noise", "steps"), [(25.0, 100), (8.0, 4), (3.0, 1)])
def test_without_sampling_epsilon_is_the_gaussian_mechanisms(noise, steps):
    mu, delta = sqrt(steps) / noise, 1e-3  # all steps together are one mechanism of sensitivity mu (Dong et al. 2019)

    def spent(found: float) -> float:  # delta at an epsilon (Balle and Wang 2018)
        return normal(mu / 2 - found / mu) - exp(found) * normal(-mu / 2 - found / mu)

    found = epsilon(noise, 1.0, steps, delta)
    assert spent(found) <= delta < spent(found - 0.03)


@pytest.mark.parametrize("target", [0.5, 3.0, 8.0])
@pytest.mark.parametrize(("rate", "steps", "delta"), [(0.2, 100, 1e-4), (1.0, 50, 1e-3)])
def test_noise_meets_its_target_from_below_and_closely(target, rate, steps, delta):
    noise = noise_for(target, delta, rate, steps)
    assert 0.99 * target <= epsilon(noise, rate, steps, delta) <= target
    assert float(f"{noise:.4g}") == noise


def test_no_noise_guarantees_nothing_and_impossible_targets_are_refused():
    assert epsilon(0.0, 0.1, 10, 1e-5) == inf
    with pytest.raises(InputError, match=r"private\.epsilons"):
        noise_for(1e-4, 1e-9, 1.0, 10**6)
    with pytest.raises(InputError, match=r"config, synthetic\.epsilons: no noise"):
        noise_for(1e-4, 1e-9, 1.0, 10**6, "synthetic.epsilons")


def test_default_delta_is_a_tenth_of_one_patient_rounded_down_to_a_digit():
    for patients, delta in ((16, 0.006), (300, 0.0003), (1000, 0.0001), (1400, 7e-05), (2, 0.05)):
        assert default_delta(patients) == delta
        check_delta(delta, patients)


def test_a_delta_that_could_publish_a_patient_is_refused():
    with pytest.raises(InputError, match="not below 1/n for the 50 patients"):
        check_delta(0.02, 50)
    with pytest.raises(InputError, match=r"config, synthetic\.delta: delta 0\.02"):
        check_delta(0.02, 50, "synthetic.delta")
