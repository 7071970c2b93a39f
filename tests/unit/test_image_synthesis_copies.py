"""Controls: copies are there and found where they should be, and the floor of independent pixels copies nobody."""

import numpy as np
import pytest
from made_up_phantoms import SIDE, assert_bytes_hang_on_their_own_set_alone, phantoms

from medpriv.config.synthetic_images import MovedCopiesSettings, NoisyCopiesSettings
from medpriv.errors import InputError
from medpriv.image_synthesis import copies, pixel_gaussian

NOISE = NoisyCopiesSettings(deviation=4.0).model_dump()
SHIFT, FLIP = (MovedCopiesSettings(change=change).model_dump() for change in ("shift", "flip"))


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the root of the mean square difference of pixels, [a, b]."""
    return np.sqrt(np.square(a[:, None].astype(float) - b[None]).mean(axis=(2, 3, 4)))


def copied(settings, own, count, seed=1):
    return copies.synthesise([own], 2, settings, [np.random.default_rng(seed)], [count]).samples[0]


def test_noisy_copies_are_found_by_the_distance_of_pixels():
    own, others = phantoms(50, 1), phantoms(50, 2)
    made = copied(NOISE, own, 50)
    apart = distances(made.x, own.x)
    assert sorted(apart.argmin(axis=1)) == list(range(50))  # every member once
    np.testing.assert_array_equal(own.y[apart.argmin(axis=1)], made.y)
    assert apart.min(axis=1) == pytest.approx(4, abs=1)
    assert (distances(made.x, others.x).min(axis=1) > 1.5 * apart.min(axis=1)).all()


@pytest.mark.parametrize(("settings", "undo"), [(SHIFT, np.s_[..., 2:-2, 2:-2]), (FLIP, np.s_[..., ::-1])])
def test_moved_copies_are_found_by_moving_them_back_and_not_by_pixels(settings, undo):
    own, others = phantoms(50, 1), phantoms(50, 2)
    made = copied(settings, own, 50)
    near, far = (distances(made.x, held.x).min(axis=1) for held in (own, others))
    assert (near < far).mean() < 0.8
    back = made.x[undo]
    height, width = back.shape[2:]
    places = [(top, left) for top in range(SIDE - height + 1) for left in range(SIDE - width + 1)]
    apart = np.min(
        [distances(back, own.x[..., top : top + height, left : left + width]) for top, left in places], axis=0
    )
    assert (apart.min(axis=1) == 0).all()
    np.testing.assert_array_equal(own.y[apart.argmin(axis=1)], made.y)


def test_any_n_in_a_row_hold_every_member():
    own = phantoms(20, 1)
    made = copied(NOISE, own, 70)
    for start in (0, 13, 50):
        assert set(distances(made.x[start : start + 20], own.x).argmin(axis=1)) == set(range(20))


def test_pixels_by_themselves_keep_means_and_spreads_and_no_pairs():
    own = phantoms(400, 1)
    made = pixel_gaussian.synthesise([own], 2, {}, [np.random.default_rng(1)], [2000]).samples[0]
    for label in (0, 1):
        held, drawn = own.x[own.y == label].astype(float), made.x[made.y == label].astype(float)
        assert np.abs(held.mean(axis=0) - drawn.mean(axis=0)).max() < 15
        assert np.abs(held.std(axis=0) - drawn.std(axis=0)).mean() < 4
    assert made.y.mean() == pytest.approx(own.y.mean(), abs=4 * 0.5 / np.sqrt(2000))
    pair = [held.x[held.y == 0][:, 0, 1, [3, 8]].astype(float).T for held in (own, made)]  # both lungs' upper ends
    assert np.corrcoef(pair[0])[0, 1] > 0.5 > 0.2 > abs(np.corrcoef(pair[1])[0, 1])


def test_a_class_that_nobody_has_is_never_drawn():
    own = phantoms(30, 1)
    own.y[:] = 1
    made = pixel_gaussian.synthesise([own], 3, {}, [np.random.default_rng(1)], [50]).samples[0]
    assert (made.y == 1).all()


@pytest.mark.parametrize(
    ("generator", "settings"),
    [(copies, NOISE), (copies, SHIFT), (copies, FLIP), (pixel_gaussian, {})],
    ids=["noise", "shift", "flip", "pixel_gaussian"],
)
def test_bytes_hang_on_the_own_set_alone(generator, settings):
    sets = [phantoms(count, seed) for count, seed in ((30, 1), (44, 2), (30, 3))]
    assert_bytes_hang_on_their_own_set_alone(generator.synthesise, settings, sets, [40, 100, 0])


@pytest.mark.parametrize("generator", [copies, pixel_gaussian])
def test_an_empty_set_is_refused(generator):
    with pytest.raises(InputError, match="no images"):
        generator.synthesise([phantoms(0, 1)], 2, NOISE, [np.random.default_rng(1)], [5])
