"""A dynamical ECG model: rhythm, beats, noise; NumPy in, millivolts out, no loop over samples.

The model is that of McSharry et al. (2003, "A dynamical model for generating synthetic electrocardiogram signals",
IEEE Trans Biomed Eng 50:289): a tachogram with a low- and a high-frequency peak drives the phase of the heart cycle,
and each wave (P, Q, R, S, T) pulls the voltage z up and down as the phase passes it:

    dz/dt = -z - sum_i a_i (tau - mu_i) / sigma_i^2 exp(-(tau - mu_i)^2 / (2 sigma_i^2))

Here tau is the time from the beat's own R peak (the phase divided by the angular velocity at the beat), so that a
QRS complex keeps its duration when the interval before or after it changes; only T moves, with the square root of
the interval (Bazett). The equation is linear in z, so it is integrated exactly by a first-order recursive filter.
Who has which waves, and the WFDB files, are in `medpriv.simulate.mitdb`.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

RELAXATION_S = 1.0  # time constant of z, as in the paper
SUPPORT = 4.5  # a wave is evaluated this many of its widths to each side


@dataclass(frozen=True)
class Waves:
    """The waves of B beats in L leads.

    Attributes:
        amplitude: float [B, W, L], millivolts.
        centre: float [B, W], seconds from the R peak.
        width: float [B, W], seconds (standard deviation).
    """

    amplitude: np.ndarray
    centre: np.ndarray
    width: np.ndarray


def draw_intervals(
    seconds: float, mean: float, deviation: float, irregular: bool, rng: np.random.Generator
) -> np.ndarray:
    """Return the RR intervals, float [B] in seconds, of a sinus rhythm (or, `irregular`, of atrial fibrillation).

    The instantaneous interval has a spectrum of two Gaussian peaks, at 0.1 Hz (blood pressure) and 0.25 Hz
    (breathing); beats fall where its reciprocal, integrated, passes an integer. Fibrillation has no spectrum:
    each interval is drawn by itself.
    """
    if irregular:
        count = int(seconds / mean) + 50
        return np.clip(rng.lognormal(np.log(mean), deviation / mean, count), 0.33, 2.4)
    rate = 4.0
    samples = int((seconds + 60) * rate)
    frequency = np.fft.rfftfreq(samples, 1 / rate)
    ratio = rng.uniform(0.3, 2.0)  # power of the low over the high peak
    power = ratio * np.exp(-0.5 * ((frequency - 0.1) / 0.01) ** 2) + np.exp(-0.5 * ((frequency - 0.25) / 0.01) ** 2)
    angle = rng.uniform(0, 2 * np.pi, len(frequency))
    series = np.fft.irfft(np.sqrt(power) * np.exp(1j * angle), samples)
    series = np.clip(mean + deviation * series / series.std(), 0.4 * mean, 2 * mean)
    cycles = np.concatenate([[0.0], np.cumsum(1 / series) / rate])
    times = np.interp(np.arange(int(cycles[-1])), cycles, np.arange(samples + 1) / rate)
    return np.diff(times)


def integrate_waves(peaks: np.ndarray, waves: Waves, samples: int, rate: float) -> np.ndarray:
    """Return the voltage, float [samples, L] in millivolts, of beats whose R peaks are at `peaks` (seconds, [B])."""
    leads = waves.amplitude.shape[2]
    drive = np.zeros((leads, samples))
    for wave in range(waves.centre.shape[1]):
        reach = int(np.ceil(SUPPORT * waves.width[:, wave].max() * rate))
        middle = np.rint((peaks + waves.centre[:, wave]) * rate).astype(np.int64)
        index = middle[:, None] + np.arange(-reach, reach + 1)  # [B, samples around the wave]
        width = waves.width[:, wave, None]
        away = index / rate - (peaks + waves.centre[:, wave])[:, None]
        shape = -away / width**2 * np.exp(-0.5 * (away / width) ** 2)
        inside = (index >= 0) & (index < samples)
        for lead in range(leads):
            weight = waves.amplitude[:, wave, lead, None] * shape
            drive[lead] += np.bincount(index[inside], weight[inside], minlength=samples)
    decay = np.exp(-1 / (RELAXATION_S * rate))
    gain = RELAXATION_S * (1 - decay)  # exact for a drive held over a sample
    return lfilter([gain], [1, -decay], drive, axis=1).T


def draw_noise(samples: int, leads: int, rate: float, level: float, rng: np.random.Generator) -> np.ndarray:
    """Return noise, float [samples, L] in millivolts: baseline wander, muscle, mains, electrode motion.

    `level` scales all of it; 1 is an ordinary ambulatory record.
    """
    time = np.arange(samples) / rate
    noise = np.zeros((leads, samples))
    breathing = rng.uniform(0.18, 0.33)
    for lead in range(leads):
        drift = lfilter([1.0], [1, -np.exp(-2 * np.pi * 0.08 / rate)], rng.standard_normal(samples))
        wander = 0.06 * drift / drift.std() + 0.05 * np.sin(
            2 * np.pi * breathing * time + rng.uniform(0, 2 * np.pi) + 0.3 * np.sin(2 * np.pi * 0.03 * time)
        )
        white = rng.standard_normal(samples + 2)
        muscle = 0.014 * (white[2:] - 0.8 * white[:-2])  # a band around a quarter of the sampling rate
        muscle *= 1 + 2.5 * _bursts(time, per_minute=0.8, length=4.0, rng=rng)
        mains = 0.004 * np.sin(2 * np.pi * 60 * time + rng.uniform(0, 2 * np.pi))
        noise[lead] = wander + muscle + mains + _electrode_motion(time, rate, rng)
    return level * noise.T


def _bursts(time: np.ndarray, per_minute: float, length: float, rng: np.random.Generator) -> np.ndarray:
    """Return float [samples]: bell-shaped bursts of height 1 and about `length` seconds at random moments."""
    envelope = np.zeros(len(time))
    for middle in rng.uniform(0, time[-1], rng.poisson(per_minute * time[-1] / 60)):
        part = slice(*np.searchsorted(time, [middle - 2 * length, middle + 2 * length]))
        envelope[part] = np.maximum(envelope[part], np.exp(-0.5 * ((time[part] - middle) / (length / 2)) ** 2))
    return envelope


def _electrode_motion(time: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
    """Return float [samples] in millivolts: sudden offsets that decay within about half a second."""
    jolts = np.zeros(len(time))
    moments = rng.integers(0, len(time), rng.poisson(2.0 * time[-1] / 60))
    jolts[moments] = rng.normal(0, 0.25, len(moments))
    rise, decay = np.exp(-1 / (0.04 * rate)), np.exp(-1 / (0.4 * rate))
    return lfilter([1 - rise], [1, -rise], lfilter([1.0], [1, -decay], jolts))
