"""A heart as a dipole that moves through space, what disease does to it, and how twelve leads see it.

The model is that of Sameni et al. (2007, "Multichannel ECG and noise modeling: application to maternal and fetal ECG
signals", EURASIP J Adv Signal Process 2007:043407): each wave of a beat is a vector (left, down, back) in millivolts.
Dower's matrix projects it on eight leads, from which Einthoven's and Goldberger's equations give the other four; so a
change of the heart shows in the leads that look at it. Waves become signals in `medpriv.simulate.ecg`; who has which
disease, and the files, are in `medpriv.simulate.ptbxl`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

LEADS = ("I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")
# Dower's projection of (left, down, back) on I, II and V1-V6.
DOWER = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)
# The waves of a healthy beat: millivolts (left, down, back), centre and width in seconds. T has two halves; LATE
# is what a ventricle does once others' have finished.
P, Q, R, S, LATE, ST, T = 0, 1, 2, 3, 4, 5, slice(6, 8)
QRS = slice(Q, LATE + 1)
HEALTHY = np.array(
    [
        [0.06, 0.09, -0.01],
        [-0.16, -0.02, -0.25],
        [1.22, 0.58, 0.38],
        [-0.14, -0.12, 0.75],
        [0.00, 0.00, 0.00],
        [0.01, 0.01, -0.03],
        [0.17, 0.11, -0.14],
        [0.24, 0.15, -0.20],
    ]
)
CENTRE = np.array([-0.160, -0.026, 0.0, 0.027, 0.060, 0.115, 0.235, 0.285])
WIDTH = np.array([0.022, 0.008, 0.009, 0.010, 0.013, 0.040, 0.050, 0.036])
WALLS = {"IMI": (-0.1, 1.0, 0.0), "ASMI": (0.2, 0.0, -1.0), "LMI": (1.0, 0.1, 0.3)}  # where an infarct lies
BLOCKS = {"CRBBB": 0.30, "LAFB": 0.25, "CLBBB": 0.15, "1AVB": 0.15, "IVCD": 0.15}  # with their shares


@dataclass(frozen=True)
class Heart:
    """The waves of a beat: millivolts [W, 3] (left, down, back), centre and width [W] in seconds."""

    vector: np.ndarray
    centre: np.ndarray
    width: np.ndarray

    def plus(self, wave: int | slice, *vector: float) -> "Heart":
        """Return the heart with a vector added to a wave (to each of several)."""
        changed = self.vector.copy()
        changed[wave] += vector
        return replace(self, vector=changed)

    def times(self, wave: int | slice, factor: float) -> "Heart":
        """Return the heart with a wave (or several) multiplied."""
        changed = self.vector.copy()
        changed[wave] *= factor
        return replace(self, vector=changed)

    def longer(self, wave: int | slice, factor: float) -> "Heart":
        """Return the heart with waves `factor` times as long, around the R peak."""
        centre, width = self.centre.copy(), self.width.copy()
        centre[wave] *= factor
        width[wave] *= factor
        return replace(self, centre=centre, width=width)

    def turned(self, frontal: float, horizontal: float) -> "Heart":
        """Return the heart with all vectors turned by degrees: in the frontal plane downwards, then backwards."""
        (c, s), (ch, sh) = ((np.cos(angle), np.sin(angle)) for angle in np.deg2rad([frontal, horizontal]))
        downwards = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        backwards = np.array([[ch, 0, -sh], [0, 1, 0], [sh, 0, ch]])
        return replace(self, vector=self.vector @ (backwards @ downwards).T)


def draw_heart(rng: np.random.Generator) -> Heart:
    """Draw a healthy heart: size, axis and every wave its own."""
    size = rng.lognormal(0, 0.22) * rng.lognormal(0, 0.18, (len(HEALTHY), 1))
    return Heart(
        HEALTHY * size + rng.normal(0, 0.02, HEALTHY.shape),
        CENTRE * rng.lognormal(0, 0.06, len(CENTRE)),
        WIDTH * rng.lognormal(0, 0.10, len(WIDTH)),
    ).turned(rng.normal(0, 18), rng.normal(0, 12))


# --- diseases: severity from 0 (nothing) to 1; each returns the heart and the statement that names what it has


def infarct(heart: Heart, severity: float, rng: np.random.Generator) -> tuple[Heart, str]:
    """Dead muscle: the first forces point away from it (Q waves, R lost); ST towards it while fresh, then T away."""
    code = str(rng.choice(list(WALLS)))
    towards, fresh = np.array(WALLS[code]), rng.beta(1, 3)
    heart = heart.plus(Q, *(-0.55 * severity * towards)).plus(R, *(-0.30 * severity * towards))
    heart = heart.longer(Q, 1 + 0.4 * severity).plus(ST, *(0.22 * severity * fresh * towards))
    return heart.plus(T, *(-0.22 * severity * (1 - fresh) * towards)), code


def ischaemia(heart: Heart, severity: float, rng: np.random.Generator) -> tuple[Heart, str]:
    """ST depression against the main forces with a flat T, or T waves that turn over."""
    if rng.random() < 0.5:
        return heart.plus(ST, -0.13 * severity, -0.08 * severity, 0.05 * severity).times(T, 1 - 0.8 * severity), "ISC_"
    return heart.times(T, 1 - 1.6 * severity), "NDT"


def block(heart: Heart, severity: float, rng: np.random.Generator) -> tuple[Heart, str]:
    """Slow conduction: a wide QRS with late forces, an axis turned upwards, or a P wave long before the QRS."""
    code = str(rng.choice(list(BLOCKS), p=list(BLOCKS.values())))
    if code == "CRBBB":
        heart = heart.plus(LATE, -0.35 * severity, 0.0, -0.50 * severity).longer(LATE, 1 + 0.4 * severity)
        return heart.plus(T, 0.05 * severity, 0.0, 0.15 * severity), code
    if code == "LAFB":
        return heart.turned(-75 * severity, 0.0), code
    if code == "CLBBB":
        heart = heart.times(Q, 1 - severity).plus(LATE, 0.5 * severity, 0.1 * severity, 0.4 * severity)
        heart = heart.plus(T, -0.35 * severity, -0.15 * severity, -0.25 * severity)
        return heart.longer(QRS, 1 + 0.8 * severity), code
    if code == "1AVB":
        centre = heart.centre.copy()
        centre[P] -= 0.14 * severity
        return replace(heart, centre=centre), code
    heart = heart.longer(QRS, 1 + 0.7 * severity)
    return heart.plus(LATE, 0.1 * severity, -0.25 * severity, 0.2 * severity), code


def hypertrophy(heart: Heart, severity: float, rng: np.random.Generator) -> tuple[Heart, str]:
    """Thick muscle: tall forces of the left (or right) ventricle; ST and T turn against them (strain)."""
    strain = max(0.0, severity - 0.3)
    if rng.random() < 0.85:
        heart = heart.times(slice(R, S + 1), 1 + 0.9 * severity).times(P, 1 + 0.4 * severity)
        heart = heart.plus(ST, -0.12 * strain, -0.05 * strain, -0.04 * strain)
        return heart.plus(T, -0.35 * strain, -0.18 * strain, 0.07 * strain), "LVH"
    heart = heart.plus(R, -0.75 * severity, 0.1 * severity, -0.75 * severity).times(P, 1 + 0.6 * severity)
    return heart.plus(T, 0.0, -0.15 * strain, 0.2 * strain), "RVH"


DISEASES: dict[str, Callable[[Heart, float, np.random.Generator], tuple[Heart, str]]] = {
    "MI": infarct,
    "STTC": ischaemia,
    "CD": block,
    "HYP": hypertrophy,
}


def twelve_leads(eight: np.ndarray) -> np.ndarray:
    """Return [T, 12] in the order of `LEADS` from I, II and V1-V6, [T, 8]: III = II - I, aVR = -(I + II) / 2, ..."""
    one, two = eight[:, 0], eight[:, 1]
    limbs = np.stack([one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2], axis=1)
    return np.concatenate([limbs, eight[:, 2:]], axis=1)
