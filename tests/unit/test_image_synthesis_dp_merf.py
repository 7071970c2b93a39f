"""DP-MERF: what is released is a mean that one patient changes by 1/n at most, and a generator learns from it."""

import numpy as np
import pytest
from made_up_phantoms import SIDE, assert_bytes_hang_on_their_own_set_alone, phantoms

from medpriv.config.synthetic_images import DpMerfSettings
from medpriv.errors import InputError
from medpriv.image_synthesis import dp_merf, mean_embedding
from medpriv.image_synthesis.images import LabelledImages
from medpriv.privacy.lower_bounds import gaussian_delta
from medpriv.privacy.noise import SecretGenerator

SMALL = {"features": 200, "updates": 150, "batch_size": 16, "width": 32, "embedding": 4}
FEATURES = mean_embedding.Features.public((1, SIDE, SIDE), 200, 50.0)


def settings(epsilon: float, **changed: object) -> dict[str, object]:
    return DpMerfSettings(**SMALL | changed).model_dump() | {"epsilon": epsilon, "delta": None}


def without(own: LabelledImages, patient: int) -> LabelledImages:
    kept = own.patient != patient
    return LabelledImages(own.x[kept], own.y[kept], own.patient[kept])


def test_features_have_norm_1_and_kernels_for_inner_products():
    features = mean_embedding.Features.public((1, SIDE, SIDE), 20000, 50.0)
    x = phantoms(6, 1).x
    held = features.of(x)
    np.testing.assert_allclose(np.linalg.norm(held, axis=1), 1, rtol=1e-12)
    apart = np.square(x[:, None] / 50.0 - x[None] / 50.0).mean(axis=(2, 3, 4))
    kernel = mean_embedding.CONSTANT + (1 - mean_embedding.CONSTANT) * np.exp(-apart / 2)
    np.testing.assert_allclose(held @ held.T, kernel, atol=5 / np.sqrt(10000))
    assert kernel.min() < 0.9  # else nearness would prove nothing


def test_an_embedding_is_the_mean_over_patients_of_the_means_of_their_images():
    own = phantoms(300, 2, each=3)  # more than a block
    slow = np.zeros((2, FEATURES.size))
    for patient in np.unique(own.patient):
        rows = np.flatnonzero(own.patient == patient)
        for row in rows:
            slow[own.y[row]] += FEATURES.of(own.x[row : row + 1])[0] / len(rows) / 100
    np.testing.assert_allclose(mean_embedding.embed(own, 2, FEATURES, 100), slow, atol=1e-15)


def test_a_patient_changes_an_embedding_by_one_nth_at_most_and_one_of_equal_images_by_just_that():
    mixed = phantoms(60, 3, each=3)
    mixed.y[:3] = [0, 1, 1]  # a patient's images may be of different classes
    equal = LabelledImages(mixed.x[[0] * 4 + [10] * 3], np.array([1] * 4 + [0] * 3), np.array([7] * 4 + [8] * 3))
    for own, patients in ((mixed, 20), (equal, 2)):
        whole = mean_embedding.embed(own, 2, FEATURES, patients)
        changes = [
            np.linalg.norm(whole - mean_embedding.embed(without(own, patient), 2, FEATURES, patients))
            for patient in np.unique(own.patient)
        ]
        assert max(changes) <= (1 + 1e-9) / patients
    np.testing.assert_allclose(changes, 1 / 2, rtol=1e-9)


def test_the_noise_is_what_the_stated_guarantee_takes():
    own = phantoms(80, 4, each=2)
    made = dp_merf.synthesise([own], 2, settings(2.0, updates=1), [np.random.default_rng(1)], [0])
    stated, (sigma,) = made.guarantee, made.audit_arrays["sigma"]
    assert stated["patients"] == 40 == made.audit_arrays["patients"][0] and stated["delta"] == 1 / 400 // 1e-3 * 1e-3
    assert sigma == pytest.approx(1 / (40 * stated["mu"]), rel=1e-12)
    assert gaussian_delta(stated["mu"], 2.0) == pytest.approx(stated["delta"], rel=1e-6)
    noise = made.audit_arrays["embedding"][0] - mean_embedding.embed(own, 2, FEATURES, 40)
    assert noise.std() == pytest.approx(sigma, rel=4 / np.sqrt(2 * noise.size))
    assert abs(noise.mean()) < 4 * sigma / np.sqrt(noise.size)


def test_shares_of_the_classes_come_from_the_release():
    own = phantoms(90, 5, each=1)
    own.y[:] = np.arange(90) % 3 == 0
    exact = mean_embedding.embed(own, 2, FEATURES, 90)
    np.testing.assert_allclose(mean_embedding.released_shares(exact, 90), [2 / 3, 1 / 3], rtol=1e-9)
    one = mean_embedding.released_shares(exact * [[1], [-1]], 90)  # noise may leave a class less than nothing
    assert 0 < one[1] < 0.02 and one.sum() == pytest.approx(1)


def test_lungs_and_spots_are_learnt_where_noise_is_small():
    own = phantoms(400, 6)
    chosen = settings(1000.0, updates=300, features=600, learning_rate=1e-2)
    made = dp_merf.synthesise([own], 2, chosen, [np.random.default_rng(2)], [200]).samples[0]
    real, drawn = ([held.x[held.y == label].mean(axis=0) for label in (0, 1)] for held in (own, made))
    assert np.abs(real[0] - drawn[0]).mean() < 6 > np.abs(real[1] - drawn[1]).mean()
    assert np.corrcoef((real[1] - real[0]).ravel(), (drawn[1] - drawn[0]).ravel())[0, 1] > 0.9


def test_noise_of_a_small_epsilon_hides_the_spots():
    own = phantoms(40, 6)
    made = dp_merf.synthesise([own], 2, settings(0.01), [np.random.default_rng(2)], [200]).samples[0]
    spot, told = (held.x[held.y == 1].mean(axis=0) - held.x[held.y == 0].mean(axis=0) for held in (own, made))
    assert np.corrcoef(spot.ravel(), told.ravel())[0, 1] < 0.5


def test_bytes_hang_on_the_own_set_alone():
    sets = [phantoms(count, seed) for count, seed in ((30, 1), (44, 2), (30, 3))]
    made = assert_bytes_hang_on_their_own_set_alone(dp_merf.synthesise, settings(3.0, updates=20), sets, [40, 300, 0])
    assert made.audit_arrays["embedding"].shape == (3, 2, FEATURES.size)
    assert made.costs["updates"] == 20


def test_a_release_may_draw_from_the_operating_system():
    made = dp_merf.synthesise([phantoms(30, 1)], 2, settings(3.0, updates=2), [SecretGenerator()], [5])
    assert len(made.samples[0]) == 5


def test_a_delta_that_protects_nobody_and_an_empty_set_are_refused():
    own = phantoms(30, 1)
    with pytest.raises(InputError, match="delta"):
        dp_merf.synthesise([own], 2, settings(1.0) | {"delta": 0.05}, [np.random.default_rng(1)], [5])
    with pytest.raises(InputError, match="no images"):
        dp_merf.synthesise([without(own, 0), phantoms(0, 1)], 2, settings(1.0), [np.random.default_rng(1)] * 2, [5, 5])
