"""Every pixel by itself, a Gaussian a class: the floor of use and of what is given away.

No pair of pixels is learnt, so images look like a mean under noise. As with tables of independent columns
(`medpriv.synthesis.marginals`) the means of a small set still trace its members a little (Homer et al. 2008): the floor
of membership attacks is low, and not at chance.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from medpriv.image_synthesis.checks import check_sets, draw_labels, shares_of
from medpriv.image_synthesis.images import ImageSynthesis, LabelledImages


def synthesise(
    sets: Sequence[LabelledImages],
    classes: int,
    settings: Mapping[str, object],
    rngs: Sequence[np.random.Generator],
    counts: Sequence[int],
) -> ImageSynthesis:
    """Return images whose pixels are drawn by their class' mean and standard deviation; there are no settings.

    Raises:
        InputError: a set without images.
    """
    check_sets(sets, "pixel_gaussian")
    samples = []
    for own, rng, count in zip(sets, rngs, counts, strict=True):
        y = draw_labels(shares_of(own.y, classes), count, rng)
        x = np.empty((count, *own.x.shape[1:]), np.uint8)
        for label in np.unique(y):
            held, places = own.x[own.y == label].astype(np.float32), np.flatnonzero(y == label)
            noise = rng.standard_normal((len(places), *held.shape[1:]), np.float32)
            x[places] = np.clip(np.rint(held.mean(axis=0) + held.std(axis=0) * noise), 0, 255)
        samples.append(LabelledImages(x, y))
    return ImageSynthesis(samples, {"parameters": float(2 * classes * sets[0].x[0].size)})
