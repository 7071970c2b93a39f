"""SAP, the smooth adversarial perturbation of ECG (Han et al. 2020), as the authors' code has it, and its control.

A perturbation is a smoothed parameter: delta(theta) = F theta, F the mean of 25 normalised Gaussian kernels of 5
lengths and 5 widths, each with zero padding. Stage 1 is PGD from the clean signal, whose last delta is the first theta;
stage 2 takes sign steps on theta, clipped to +-epsilon, through F. What lies on padding is set back to zero at the very
end only. F's taps are not negative and sum to 1, so |delta| <= epsilon too.

Convolution is linear and all 25 pad with zeros, so they are one filter as long as the longest of them: 19 taps at
300 Hz, where it is a low-pass (-3 dB at 14.8 Hz). It is symmetric, so it is its own transpose and gradients go through
the same filter. At other sampling rates lengths and widths keep their seconds.

The authors count in raw units of 1 microvolt: epsilon 10, step 1, 20 and 40 steps, at 300 Hz.
"""

import numpy as np

from medpriv.attacks.gradient import climb, uphill
from medpriv.attacks.victim import Victim
from medpriv.dataset import Dataset

RATE = 300  # Hz, at which lengths and widths are given
HALF_LENGTHS = (2, 3, 5, 7, 9)  # samples on either side: kernels of 5, 7, 11, 15, 19
WIDTHS = (1, 3, 5, 7, 10)  # standard deviations, samples


def gaussian_kernels(rate: float) -> list[np.ndarray]:
    """Return the 25 kernels at this sampling rate: lengths odd and at least 3, taps that sum to 1."""
    kernels = []
    for half_length in HALF_LENGTHS:
        half = max(1, round(half_length * rate / RATE))
        for width in WIDTHS:
            bell = np.exp(-0.5 * (np.arange(-half, half + 1) / (width * rate / RATE)) ** 2)
            kernels.append(bell / bell.sum())
    return kernels


def smoothing_filter(rate: float) -> np.ndarray:
    """Return the taps of F: the mean of the kernels, centred."""
    kernels = gaussian_kernels(rate)
    longest = max(len(kernel) for kernel in kernels)
    return np.mean([np.pad(kernel, (longest - len(kernel)) // 2) for kernel in kernels], axis=0)


def smooth(theta: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """Return F theta along the last axis, zeros beyond the ends."""
    from scipy.ndimage import correlate1d

    return correlate1d(theta, taps, axis=-1, mode="constant")


def sap(
    victim: Victim,
    dataset: Dataset,
    x: np.ndarray,
    y: np.ndarray,
    epsilon: float,
    step: float,
    steps: int,
    smooth_steps: int,
    target: np.ndarray | None = None,
    inside: np.ndarray | None = None,
    first: np.ndarray | None = None,
) -> np.ndarray:
    """Return smoothly attacked signals [K, N, ...] in mV.

    Args:
        x: float32 [N, ...] or [K, N, ...] in mV.
        y, target: int64 [N]; with a target, the loss of that class is descended.
        steps, smooth_steps: of the two stages.
        inside: bool, broadcast over x: False on padding.
        first: the signals after stage 1, where `climb` has made them already.
    """
    taps, limit = smoothing_filter(dataset.sampling_rate), np.float32(epsilon)
    if first is None:
        first = climb(victim, dataset, x, y, x, epsilon, step, steps, target)
    theta = first - x
    for _ in range(smooth_steps):
        # Leads of one record may have other scales: F acts along time alone, so it commutes with them.
        move = np.sign(smooth(uphill(victim, dataset, x + smooth(theta, taps), y, target), taps))
        move *= np.float32(step)
        move += theta
        theta = np.clip(move, -limit, limit, out=move)
    delta = smooth(theta, taps)
    return x + (delta if inside is None else delta * inside)


def matched_noise(
    dataset: Dataset, delta: np.ndarray, epsilon: float, rng: np.random.Generator, inside: np.ndarray | None = None
) -> np.ndarray:
    """Return random perturbations in the band of SAP and with the energy of `delta` [K, N, ...], in mV.

    Random signs of size epsilon go through F, and each record is scaled to the L2 norm of its delta. Single samples may
    then exceed epsilon, which favours this control over the attack.
    """
    signs = np.where(rng.random(delta.shape, dtype=np.float32) < 0.5, -1, 1).astype(np.float32)
    noise = smooth(np.float32(epsilon) * signs, smoothing_filter(dataset.sampling_rate))
    if inside is not None:
        noise *= inside
    axes = tuple(range(2, delta.ndim))
    size, drawn = (np.sqrt(np.square(part).sum(axis=axes, keepdims=True)) for part in (delta, noise))
    return noise * (size / drawn)
