"""Does an attacked signal still look like one? Figures of perturbations and signals, and what a monitor does to both.

x is [n, leads, samples] and delta [K, n, leads, samples], both in mV; figures come as [K, n]. Beats and waves are found
in `medpriv.measures.landmarks`; a detector that learns to tell attacked signals apart is `medpriv.attacks.detector`.
"""

import numpy as np

HIGH = 40.0  # Hz; monitors cut here
PASS_BAND = (0.5, HIGH)  # Hz, of a monitor's filter
ORDER = 2  # of that filter, run forward and backward
LEVEL_MV = 0.005  # one level of a 12-bit converter
LEVELS = 2**12


def perturbation_figures(
    x: np.ndarray, delta: np.ndarray, rate: float, inside: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return [K, n] each.

    - mean_d1_uv, mean_d2_uv: mean |first| and |second difference| of delta, microvolts a sample (a sample squared).
    - energy_above_40hz: share of delta's energy above 40 Hz; NaN where the sampling rate cannot hold 40 Hz.
    - slew_uv_per_sample, slew_mv_per_s: the largest |first difference| of delta.
    - snr_db: 10 log10 of the energy of x without its mean over that of delta; NaN where either has none (an attack
      without a gradient moves nothing).
    """
    slew = 1000 * _peak_difference(delta, inside)
    centred = x - _mean(x, inside, keepdims=True)
    if inside is not None:
        centred = centred * inside
    own, moved = (np.square(part).sum(axis=(-2, -1)) for part in (centred, delta))
    both = (own > 0) & (moved > 0)
    snr = np.where(both, 10 * np.log10(np.where(both, own, 1) / np.where(both, moved, 1)), np.nan)
    return {
        "mean_d1_uv": 1000 * _mean_difference(delta, 1, inside),
        "mean_d2_uv": 1000 * _mean_difference(delta, 2, inside),
        "energy_above_40hz": energy_above(delta, rate),
        "slew_uv_per_sample": slew,
        "slew_mv_per_s": slew * rate / 1000,
        "snr_db": snr,
    }


def signal_figures(x: np.ndarray, rate: float, inside: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Return [K, n] each of signals x [K, n, leads, samples]: the same figures of the signal itself."""
    centred = x - _mean(x, inside, keepdims=True)
    return {
        "signal_mean_d1_uv": 1000 * _mean_difference(x, 1, inside),
        "signal_energy_above_40hz": energy_above(centred if inside is None else centred * inside, rate),
        "signal_slew_mv_per_s": rate * _peak_difference(x, inside),
    }


def energy_above(x: np.ndarray, rate: float, limit: float = HIGH) -> np.ndarray:
    """Return the share of energy above `limit` Hz, all leads together: [...] of x [..., leads, samples].

    NaN where there is no energy, or where the sampling rate cannot hold the limit.
    """
    samples = x.shape[-1]
    above = np.fft.rfftfreq(samples, 1 / rate) > limit
    if not above.any():
        return np.full(x.shape[:-2], np.nan)
    twice = np.full(len(above), 2.0)  # a real signal's spectrum is stored by half
    twice[0] = 1
    if samples % 2 == 0:
        twice[-1] = 1
    shares = np.empty(x.shape[:-2])
    for place in np.ndindex(x.shape[:-3]):  # one network at a time: a spectrum is four times its signal
        power = np.square(np.abs(np.fft.rfft(x[place]))).sum(axis=-2) * twice
        whole = power.sum(axis=-1)
        shares[place] = np.where(whole > 0, power[..., above].sum(axis=-1) / np.where(whole > 0, whole, 1), np.nan)
    return shares


def monitor_filter(x: np.ndarray, rate: float, inside: np.ndarray | None = None) -> np.ndarray:
    """Return x [..., samples] after a zero-phase Butterworth filter of 0.5 to 40 Hz; padding stays zero.

    Where the sampling rate cannot hold 40 Hz only the lower edge acts.
    """
    from scipy.signal import butter, sosfiltfilt

    low, high = PASS_BAND
    fits = high < 0.99 * rate / 2
    sections = butter(ORDER, (low, high) if fits else low, "bandpass" if fits else "highpass", fs=rate, output="sos")
    padding = min(x.shape[-1] - 1, round(rate))  # a second of the signal, mirrored at either end
    found = sosfiltfilt(sections, x, axis=-1, padlen=padding).astype(np.float32)
    return found if inside is None else found * inside


def requantise(x: np.ndarray) -> np.ndarray:
    """Return x as a 12-bit converter with levels of 5 microvolts (+-10.24 mV) hands it on."""
    level = np.float32(LEVEL_MV)
    return np.clip(np.rint(x / level), -LEVELS // 2, LEVELS // 2 - 1) * level


def _mean(values: np.ndarray, inside: np.ndarray | None, keepdims: bool = False) -> np.ndarray:
    """Return the mean over samples that are signal, [..., leads(, 1)]."""
    return np.mean(values, axis=-1, keepdims=keepdims, where=True if inside is None else inside)


def _differences(x: np.ndarray, order: int, inside: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Return |differences| and which of them lie within the signal, None if all."""
    if inside is None:
        return np.abs(np.diff(x, order)), None
    whole = np.lib.stride_tricks.sliding_window_view(inside, order + 1, axis=-1).all(axis=-1)
    return np.abs(np.diff(x, order)), whole


def _mean_difference(x: np.ndarray, order: int, inside: np.ndarray | None) -> np.ndarray:
    sizes, whole = _differences(x, order, inside)
    return _mean(sizes, whole).mean(axis=-1)


def _peak_difference(x: np.ndarray, inside: np.ndarray | None) -> np.ndarray:
    sizes, whole = _differences(x, 1, inside)
    return (sizes if whole is None else sizes * whole).max(axis=(-2, -1))
