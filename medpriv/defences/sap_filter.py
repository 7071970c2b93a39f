"""The smoothing filter F of SAP (Han et al. 2020), which attack and adversarial training share.

F is the mean of 25 normalised Gaussian kernels of 5 lengths and 5 widths, each with zero padding.
Convolution is linear and all 25 pad with zeros, so they are one filter as long as the longest of them: 19 taps at
300 Hz, where it is a low-pass (-3 dB at 14.8 Hz). It is symmetric, so it is its own transpose and gradients go through
the same filter. At other sampling rates lengths and widths keep their seconds.
"""

import numpy as np

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
