"""SAP: its one filter against the 25 kernels of the authors, its box, its band and its control."""

import attacked_toys as toys
import numpy as np
import pytest

from medpriv.attacks.attacked_records import SignSteps
from medpriv.attacks.sap import matched_noise, sap
from medpriv.attacks.target_models import margins, signal_mask, standardise
from medpriv.defences.sap_filter import gaussian_kernels, smooth, smoothing_filter


def smooth_by_kernels(theta: np.ndarray, rate: float) -> np.ndarray:
    """Return the mean of 25 zero-padded convolutions, one after the other: the form of the authors' code."""
    flat = theta.reshape(-1, theta.shape[-1])
    parts = [[np.convolve(row, kernel, mode="same") for row in flat] for kernel in gaussian_kernels(rate)]
    return np.mean(parts, axis=0).reshape(theta.shape)


def test_one_19_tap_filter_equals_25_averaged_kernels():
    theta = np.random.default_rng(0).uniform(-10, 10, (3, 4, 2, 100))
    np.testing.assert_allclose(smooth(theta, smoothing_filter(300)), smooth_by_kernels(theta, 300), atol=1e-6)
    single = smooth(theta.astype(np.float32), smoothing_filter(300))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, smooth_by_kernels(theta, 300), atol=1e-5)


def test_the_taps_at_300_hz_are_those_computed_from_the_released_code():
    taps = smoothing_filter(300)
    known = [0.1853, 0.1513, 0.1064, 0.0585, 0.0320, 0.0268, 0.0135, 0.0111, 0.0043, 0.0036]
    np.testing.assert_allclose(taps[9:], known, atol=5e-5)
    np.testing.assert_allclose(taps, taps[::-1])
    assert taps.sum() == pytest.approx(1)
    gain = np.abs(np.exp(-2j * np.pi * np.outer([14.8, 50, 100], np.arange(-9, 10)) / 300) @ taps)
    np.testing.assert_allclose(gain, [10 ** (-3 / 20), 0.135, 0.004], atol=4e-3)


@pytest.mark.parametrize(("rate", "lengths"), [(300, {5, 7, 11, 15, 19}), (500, {7, 11, 17, 25, 31}), (100, {3, 5, 7})])
def test_kernels_keep_their_seconds_at_other_sampling_rates(rate, lengths):
    kernels = gaussian_kernels(rate)
    assert {len(kernel) for kernel in kernels} == lengths and len(kernels) == 25
    assert all(kernel.sum() == pytest.approx(1) for kernel in kernels)


def test_the_filter_is_its_own_transpose():
    rng, taps = np.random.default_rng(0), smoothing_filter(300)
    a, b = rng.normal(size=(2, 40))
    assert smooth(a, taps) @ b == pytest.approx(a @ smooth(b, taps))


def test_sap_reaches_the_best_smooth_perturbation_of_a_linear_network():
    dataset, models = toys.make_dataset(), toys.make_models()
    x, y = dataset.x[:4], np.ones(4, int)
    attacked = sap(models, toys.records_of(dataset, x, y), SignSteps(0.01, 0.001, 20), 40)
    taps = smoothing_filter(300)
    weight = (models.weight[:, 1] - models.weight[:, 0]) / dataset.scale
    best = 0.01 * np.abs(smooth(weight, taps)).sum(axis=(1, 2))[:, None]  # max of w . F theta over the box: |F w|_1
    moved = margins(models.logits(standardise(dataset, attacked)), y) - margins(
        models.logits(standardise(dataset, x)), y
    )
    np.testing.assert_allclose(moved, np.broadcast_to(best, moved.shape), rtol=1e-3)
    np.testing.assert_allclose(
        sap(models, toys.records_of(dataset, x, y, target=1 - y), SignSteps(0.01, 0.001, 20), 40), attacked, atol=1e-7
    )


def test_sap_keeps_its_budget_and_leaves_padding_alone():
    valid = np.tile(np.array([[20, 64]], np.int32), (120, 1))
    dataset, models = toys.make_dataset(valid=valid), toys.make_models()
    x, y = dataset.x[:4], dataset.y[:4]
    inside = signal_mask(dataset, np.arange(4))
    delta = sap(models, toys.records_of(dataset, x, y, inside=inside), SignSteps(0.01, 0.001, 20), 40) - x
    assert 0.005 < np.abs(delta).max() <= 0.01 + 1e-6
    assert not delta[..., :20].any() and delta[..., 20:].any()
    whole = sap(models, toys.records_of(dataset, x, y), SignSteps(0.01, 0.001, 20), 40) - x
    np.testing.assert_array_equal(delta[..., 20:], whole[..., 20:])  # as released: reset at the end, not on the way
    noise = matched_noise(dataset, delta, 0.01, np.random.default_rng(0), inside)
    assert not noise[..., :20].any() and noise[..., 20:].any()


def test_noise_has_the_energy_of_the_attack_and_its_band():
    dataset = toys.make_dataset()
    rng = np.random.default_rng(0)
    delta = rng.normal(size=(3, 5, 2, 4096)).astype(np.float32)
    noise = matched_noise(dataset, delta, 0.01, rng)
    energy = [np.square(part).sum(axis=(2, 3)) for part in (noise, delta)]
    np.testing.assert_allclose(*energy, rtol=1e-4)
    power = np.square(np.abs(np.fft.rfft(noise))).mean(axis=(0, 1, 2))
    frequency = np.fft.rfftfreq(4096, 1 / 300)
    response = np.abs(np.exp(-2j * np.pi * np.outer(frequency, np.arange(-9, 10)) / 300) @ smoothing_filter(300)) ** 2
    assert np.corrcoef(power, response)[0, 1] > 0.9  # white signs through F
