"""Made-up images for tests of generators: two dark lungs, and a bright spot in one of them for the second class."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from medpriv.image_synthesis.images import ImageSynthesis, LabelledImages

SIDE = 12


def phantoms(count: int, seed: int, side: int = SIDE, each: int = 1) -> LabelledImages:
    """Return images uint8 [count, 1, side, side], classes in turn by patient, `each` images a patient."""
    rng = np.random.default_rng(seed)
    patient = (np.arange(count) // each).astype(np.int32)
    y = (patient % 2).astype(np.int64)
    row, column = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side), indexing="ij")
    x = np.empty((count, 1, side, side), np.uint8)
    for image, label in zip(x, y, strict=True):
        apart, height = 0.45 + rng.normal(0, 0.03), 0.7 + rng.normal(0, 0.05)
        lungs = ((np.abs(column) - apart) / 0.32) ** 2 + (row / height) ** 2 < 1
        spot = np.exp(-((column - apart) ** 2 + (row - 0.2) ** 2) / 0.08)
        grey = 180 - 120 * lungs + 90 * label * spot + rng.normal(0, 5, lungs.shape)
        image[0] = np.clip(grey, 0, 255)
    return LabelledImages(x, y, patient)


def assert_bytes_hang_on_their_own_set_alone(
    synthesise: Callable[..., ImageSynthesis],
    settings: Mapping[str, object],
    sets: Sequence[LabelledImages],
    counts: Sequence[int],
) -> ImageSynthesis:
    """Check that a replicate makes the same alone, beside others in any order, and twice; return all together."""

    def run(places: Sequence[int]) -> ImageSynthesis:
        rngs = [np.random.default_rng(100 + place) for place in places]
        picked = [sets[place] for place in places], [counts[place] for place in places]
        return synthesise(picked[0], 2, settings, rngs, picked[1])

    together = run(range(len(sets)))
    for places in (range(len(sets)), list(range(len(sets)))[::-1], [0]):
        again = run(places)
        for at, place in enumerate(places):
            np.testing.assert_array_equal(again.samples[at].x, together.samples[place].x)
            np.testing.assert_array_equal(again.samples[at].y, together.samples[place].y)
            for name, value in (again.weights or {}).items():
                np.testing.assert_array_equal(value[at], together.weights[name][place])
    for own, made, count in zip(sets, together.samples, counts, strict=True):
        assert made.x.dtype == np.uint8 and made.x.shape == (count, *own.x.shape[1:])
        assert made.y.dtype == np.int64 and made.y.shape == (count,)
    return together
