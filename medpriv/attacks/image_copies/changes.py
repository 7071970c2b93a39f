"""Near-duplicates to be planted: changes after which an image is still the patient's, and looks it.

- `noise`: Gaussian noise of 5 grey levels.
- `shift`: moved by a fourteenth of a side (2 pixels of 28) in a random one of eight directions.
- `flip`: left and right exchanged.
- `brighter`: all grey levels times 1.15, cut at white.
- `rotation`: turned by 5 degrees, either way by chance.
"""

import numpy as np
from scipy.ndimage import rotate

from medpriv.image_synthesis import copies

CHANGES = ("noise", "shift", "flip", "brighter", "rotation")
NOISE = 5.0  # grey levels
STEP = 1 / 14  # of a side
BRIGHTER = 1.15
DEGREES = 5.0


def change(x: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Return images uint8 [n, C, H, W] with one of `CHANGES`."""
    if kind == "brighter":
        return np.minimum(np.rint(BRIGHTER * x.astype(np.float32)), 255).astype(np.uint8)
    if kind == "rotation":
        angles = DEGREES * rng.choice((-1, 1), len(x))
        turned = [
            rotate(image, angle, axes=(1, 2), reshape=False, order=1, mode="nearest")
            for image, angle in zip(x, angles, strict=True)
        ]
        return np.stack(turned) if turned else x
    settings = {"deviation": NOISE, "pixels": round(STEP * min(x.shape[2:]))}
    return copies.changed(x, {"change": kind, **settings}, rng)
