"""Plausibility figures on sinusoids, whose differences, spectra and energies are known."""

import numpy as np
import pytest

from medpriv.measures.landmarks import find_beats, landmark_figures
from medpriv.measures.plausibility import (
    energy_above,
    monitor_filter,
    perturbation_figures,
    requantise,
    signal_figures,
)

RATE = 300.0
TIME = np.arange(3000) / RATE


def wave(hertz: float, size: float) -> np.ndarray:
    return size * np.sin(2 * np.pi * hertz * TIME)


def test_figures_of_a_sinusoid_are_those_of_its_formula():
    x, delta = wave(2, 1.0)[None, None], wave(10, 0.01)[None, None, None]
    found = {name: float(values[0, 0]) for name, values in perturbation_figures(x, delta, RATE).items()}
    slope = 2 * np.sin(np.pi * 10 / RATE)  # |difference| of exp(i w t) a sample
    assert found["mean_d1_uv"] == pytest.approx(10 * slope * 2 / np.pi, rel=1e-2)
    assert found["mean_d2_uv"] == pytest.approx(10 * slope**2 * 2 / np.pi, rel=1e-2)
    assert found["slew_uv_per_sample"] == pytest.approx(10 * slope, rel=1e-2)
    assert found["slew_mv_per_s"] == pytest.approx(found["slew_uv_per_sample"] * RATE / 1000)
    assert found["snr_db"] == pytest.approx(40)
    assert found["energy_above_40hz"] < 1e-12


def test_a_perturbation_of_nothing_and_a_flat_line_have_no_signal_to_noise_ratio():
    x = np.stack([wave(2, 1.0), wave(2, 1.0), np.ones(3000)])[:, None]
    delta = np.stack([np.zeros(3000), wave(10, 0.01), wave(10, 0.01)])[None, :, None]
    found = perturbation_figures(x, delta, RATE)
    assert np.isnan(found["snr_db"]).tolist() == [[True, False, True]]
    assert not any(np.isinf(values).any() for values in found.values())


@pytest.mark.parametrize("samples", [3000, 2999])
def test_energy_above_40_hz_is_the_share_of_the_sinusoids_above_it(samples):
    x = (wave(10, 3.0) + wave(60, 1.0))[:samples]
    assert energy_above(x[None], RATE) == pytest.approx(0.1, abs=1e-3)
    assert np.isnan(energy_above(x[None], 70.0))
    assert np.isnan(energy_above(np.zeros((1, 64)), RATE))


def test_white_noise_has_its_share_of_the_spectrum_above_40_hz():
    noise = np.random.default_rng(0).normal(size=(50, 2, 512))
    assert energy_above(noise, RATE).mean() == pytest.approx(1 - 40 / 150, abs=0.01)


def test_padding_counts_for_nothing():
    inside = np.zeros((1, 1, 3000), bool)
    inside[..., 1000:2000] = True
    x, delta = wave(2, 1.0)[None, None] * inside, (wave(10, 0.01) + 0.05)[None, None, None] * inside
    found = perturbation_figures(x, delta, RATE, inside)
    cut = perturbation_figures(x[..., 1000:2000], delta[..., 1000:2000], RATE)
    for name in ("mean_d1_uv", "mean_d2_uv", "slew_uv_per_sample", "snr_db"):
        np.testing.assert_allclose(found[name], cut[name], rtol=1e-6)
    signal, short = signal_figures(x[None], RATE, inside), signal_figures(x[None, ..., 1000:2000], RATE)
    np.testing.assert_allclose(signal["signal_slew_mv_per_s"], short["signal_slew_mv_per_s"], rtol=1e-6)
    assert not monitor_filter(x, RATE, inside)[..., :1000].any()


def test_a_monitor_passes_10_hz_and_stops_drift_and_100_hz():
    middle = slice(600, 2400)
    for hertz, gain in ((10, 1.0), (0.05, 0.0), (100, 0.02)):
        kept = monitor_filter(wave(hertz, 1.0)[None], RATE)[0, middle]
        assert np.abs(kept).max() == pytest.approx(gain, abs=0.03)
    np.testing.assert_allclose(monitor_filter(wave(10, 1.0), RATE)[middle], wave(10, 1.0)[middle], atol=0.02)
    assert np.isfinite(monitor_filter(wave(10, 1.0)[None, :20], 70.0)).all()  # short, and 40 Hz is beyond Nyquist


def test_a_converter_keeps_levels_of_5_microvolts_and_clips():
    x = np.array([0.0, 0.0024, 0.0026, -0.0076, 20.0, -20.0], np.float32)
    np.testing.assert_allclose(requantise(x), [0, 0, 0.005, -0.010, 10.235, -10.24], atol=1e-6)
    np.testing.assert_array_equal(requantise(requantise(x)), requantise(x))


def make_beats(at: np.ndarray, width_s: float = 0.03) -> np.ndarray:
    return sum(np.exp(-0.5 * ((TIME - second) / width_s) ** 2) for second in at)


def test_beats_are_found_where_they_are_and_wider_ones_are_wider():
    at = np.array([1.0, 2.0, 2.8, 4.1])
    beats = find_beats(make_beats(at), RATE)
    np.testing.assert_allclose(beats.peaks / RATE, at, atol=0.004)
    assert (find_beats(make_beats(at, 0.06), RATE).widths > beats.widths + 10).all()
    assert len(find_beats(np.zeros(300), RATE).peaks) == 0


def test_landmarks_tell_a_moved_a_lost_and_a_new_beat():
    at = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    clean = make_beats(at)
    others = [clean, make_beats(at + 0.02 * (at == 3)), make_beats(at[:-1]), make_beats(np.append(at, 7.0))]
    found = landmark_figures(np.tile(clean, (4, 1)), np.array(others), RATE)
    np.testing.assert_array_equal(found["r_peaks_changed"], [0, 0, 1, 1])
    np.testing.assert_allclose(found["r_peak_shift_ms"], [0, 4, 0, 0], atol=0.1)  # 20 ms of one beat in five
    np.testing.assert_allclose(found["rr_change_ms"], [0, 10, 0, 0], atol=0.1)  # of two intervals in four
    empty = landmark_figures(clean[None], np.zeros((1, 3000)), RATE)
    assert empty["r_peaks_changed"][0] == 5 and np.isnan(empty["r_peak_shift_ms"][0])
