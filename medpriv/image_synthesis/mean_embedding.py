"""The noisy labelled mean of random features, all that DP-MERF tells of patients (Harder et al., AISTATS 2021).

**Features.** Of an image x in [0, 1]^P, phi(x) = (a, sqrt((1 - a^2) / F) (cos w_f x, sin w_f x)_f) with F frequencies
w_f ~ N(0, I / l^2): inner products come near a^2 + (1 - a^2) exp(-|x - x'|^2 / 2 l^2) (Rahimi and Recht 2007), and
|phi(x)| = 1 exactly. The frequencies are drawn from a number that everybody knows. The length scale l is a setting, in
grey levels a pixel; the paper's median of distances would be taken from the patients, unpaid for.

**Release.** M = 1/n sum_p z_p + sigma N(0, 1), z_p the mean of phi(x_i) (x) onehot(y_i) over the images i of patient p.
z_p is a mean of vectors of norm 1, so |z_p| <= 1 however many images a patient has. Neighbours are those of zero-out at
public n: z_p is replaced by 0 and n stays. So the sensitivity is 1/n (the paper's 2/n is that of a patient replaced by
another), and sigma = 1 / (n mu) makes the release mu-Gaussian private, exactly; mu is that of epsilon and delta (Balle
and Wang 2018). The constant a carries the shares of the classes, in the same release: nothing else meets patients.

`medpriv.image_synthesis.dp_merf` learns a generator from it, `medpriv.attacks.synthetic_image_epsilon` audits it.
"""

from dataclasses import dataclass

import numpy as np

from medpriv.image_synthesis.images import LabelledImages
from medpriv.privacy.noise import Draws
from medpriv.seeds import generator
from medpriv.synthesis.noisy_marginals import patient_weights

CONSTANT = 0.2  # a^2: the share of a feature's square that tells the classes' shares
PUBLIC = 0  # the seed of the frequencies: known to all, the same for every patient and dataset
BLOCK = 256  # images at once


@dataclass(frozen=True)
class Features:
    """Random features of images.

    Attributes:
        frequencies: float64 [F, P], of grey levels from 0 to 1.
    """

    frequencies: np.ndarray

    @classmethod
    def public(cls, shape: tuple[int, ...], count: int, length_scale: float) -> "Features":
        """Return features that hang on public things alone.

        Args:
            shape: C, H, W of an image.
            count: 2 F, cosines and sines together.
            length_scale: l / sqrt(P), grey levels from 0 to 255 a pixel.
        """
        pixels = int(np.prod(shape))
        rng = generator(PUBLIC, "dp_merf", *shape, count)
        drawn = rng.standard_normal((count // 2, pixels))
        return cls(drawn / (length_scale / 255 * np.sqrt(pixels)))

    @property
    def size(self) -> int:
        """D = 2 F + 1."""
        return 2 * len(self.frequencies) + 1

    def of(self, x: np.ndarray) -> np.ndarray:
        """Return phi, float64 [n, D], of images uint8 [n, C, H, W]."""
        angles = (x.reshape(len(x), -1) / 255) @ self.frequencies.T
        scale = np.sqrt((1 - CONSTANT) / len(self.frequencies))
        constant = np.full((len(x), 1), np.sqrt(CONSTANT))
        return np.concatenate([constant, scale * np.cos(angles), scale * np.sin(angles)], axis=1)


def embed(own: LabelledImages, classes: int, features: Features, patients: int) -> np.ndarray:
    """Return the mean embedding without noise, float64 [classes, D].

    Args:
        own: the images; a patient's weigh 1 / (how many they are).
        classes: how many there are.
        features: of images.
        patients: n, public: it isn't counted here, so that it stays where a patient is left out.
    """
    weights = patient_weights(own.patient, len(own)) / patients
    total = np.zeros((classes, features.size))
    for start in range(0, len(own), BLOCK):
        some = slice(start, start + BLOCK)
        weighed = np.zeros((len(own.y[some]), classes))
        weighed[np.arange(len(weighed)), own.y[some]] = weights[some]
        total += weighed.T @ features.of(own.x[some])
    return total


def deviation(patients: int, mu: float) -> float:
    """Return sigma for the sensitivity 1 / n."""
    return 1 / (patients * mu)


def release(embedding: np.ndarray, sigma: float, rng: Draws) -> np.ndarray:
    """Return the noisy embedding float64 [classes, D], all that anything after it sees."""
    return embedding + sigma * rng.standard_normal(embedding.shape)


def released_shares(released: np.ndarray, patients: int) -> np.ndarray:
    """Return the classes' shares that a release tells, float64 [classes]; none less than one patient's."""
    shares = np.maximum(released[:, 0] / np.sqrt(CONSTANT), 1 / patients)
    return shares / shares.sum()
