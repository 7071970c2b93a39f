"""How near one image is to another: peak signal-to-noise ratio, and structural similarity (Wang et al., IEEE TIP 2004).

Both are of whole grey levels, since an image has no others.
"""

import numpy as np

PEAK = 255.0  # grey levels
EQUAL_DB = 60.0  # of images that are the same, where the ratio has no bound
DEVIATION = 1.5  # pixels, of the Gaussian window
REACH = 3.5  # deviations, where it ends: 11 x 11 pixels
STABLE = ((0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2)  # C1, C2 of the paper


def in_grey_levels(x: np.ndarray, centre: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return standardised images [..., C, H, W] in whole grey levels, uint8; what lies beyond black or white is cut."""
    return np.clip(np.rint(x * scale + centre), 0, PEAK).astype(np.uint8)


def psnr(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return 10 log10(255^2 / mean squared difference), decibels, at most `EQUAL_DB`: [...] of uint8 [..., C, H, W]."""
    error = np.square(found.astype(np.float64) - true).mean(axis=(-3, -2, -1))
    return np.minimum(10 * np.log10(PEAK**2 / np.maximum(error, 1e-9)), EQUAL_DB)


def ssim(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return the mean structural similarity, -1 to 1 (the same): [...] of uint8 [..., C, H, W]."""
    from scipy.ndimage import gaussian_filter

    def smooth(image: np.ndarray) -> np.ndarray:
        return gaussian_filter(image, DEVIATION, truncate=REACH, axes=(-2, -1))

    x, y = found.astype(np.float64), true.astype(np.float64)
    means = smooth(x), smooth(y)
    product, squares = means[0] * means[1], means[0] ** 2 + means[1] ** 2
    variances = smooth(x * x) + smooth(y * y) - squares
    above = (2 * product + STABLE[0]) * (2 * (smooth(x * y) - product) + STABLE[1])
    return (above / ((squares + STABLE[0]) * (variances + STABLE[1]))).mean(axis=(-3, -2, -1))
