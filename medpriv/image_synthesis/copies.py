"""Copies of members with a change that hides nobody: controls that every search for copies must find.

Any n images in a row (n: those of the set) hold a copy of every member, once. `change` says what is done to them:

- `noise`: Gaussian noise of a few grey levels on every pixel. A comparison of pixels finds these.
- `shift`: moved by `pixels` in a random one of eight directions, the edge repeated where nothing is left.
- `flip`: left and right exchanged. No anatomy looks so, and whoever compares pixels alone finds neither of the two.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from medpriv.image_synthesis.checks import check_sets
from medpriv.image_synthesis.images import ImageSynthesis, LabelledImages

DIRECTIONS = np.array([(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)])


def synthesise(
    sets: Sequence[LabelledImages],
    classes: int,
    settings: Mapping[str, object],
    rngs: Sequence[np.random.Generator],
    counts: Sequence[int],
) -> ImageSynthesis:
    """Return changed copies of each set's images, under the classes of those copied.

    Args:
        settings: `change`; `deviation` of its noise, grey levels, or `pixels` of its shift; of
            `medpriv.config.synthetic_images.NoisyCopiesSettings` or `MovedCopiesSettings`.
        sets, classes, rngs, counts: see `medpriv.image_synthesis`.

    Raises:
        InputError: a set without images.
    """
    check_sets(sets, "copies")
    samples = []
    for own, rng, count in zip(sets, rngs, counts, strict=True):
        source = np.resize(rng.permutation(len(own)), count)
        samples.append(LabelledImages(changed(own.x[source], settings, rng), own.y[source]))
    return ImageSynthesis(samples, {"parameters": float(np.mean([own.x.size for own in sets]))})


def changed(x: np.ndarray, settings: Mapping[str, object], rng: np.random.Generator) -> np.ndarray:
    """Return images uint8 [n, C, H, W] with the change that the settings ask for."""
    if settings["change"] == "noise":
        noise = rng.standard_normal(x.shape, np.float32)
        return np.clip(np.rint(x + settings["deviation"] * noise), 0, 255).astype(np.uint8)
    if settings["change"] == "flip":
        return x[..., ::-1].copy()
    step = settings["pixels"]
    around = np.pad(x, ((0, 0), (0, 0), (step, step), (step, step)), mode="edge")
    corners = step * (1 + DIRECTIONS[rng.integers(len(DIRECTIONS), size=len(x))])
    height, width = x.shape[2:]
    moved = [
        image[:, top : top + height, left : left + width] for image, (top, left) in zip(around, corners, strict=True)
    ]
    return np.stack(moved) if moved else x
