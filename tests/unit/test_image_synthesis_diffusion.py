"""Diffusion of images: it learns what is there, remembers more the longer it trains, and says what it misses."""

import numpy as np
import pytest
import torch
from made_up_phantoms import SIDE, assert_bytes_hang_on_their_own_set_alone, phantoms
from sklearn.metrics import roc_auc_score

from medpriv.config.synthetic_images import ImageDiffusionSettings
from medpriv.errors import InputError
from medpriv.image_synthesis import diffusion

SMALL = {"batch_size": 16, "width": 8, "steps": 50, "sampling_steps": 8, "averaging": 0.95}


def settings(epochs: int, **changed: object) -> dict[str, object]:
    return ImageDiffusionSettings(**SMALL | {"epochs": epochs} | changed).model_dump()


def asked(chosen) -> diffusion.FixedNoise:
    return diffusion.draw_noise((1, SIDE, SIDE), [5, 15, 25], 2, np.random.default_rng(9))


def test_noise_is_added_by_a_schedule_from_almost_none_to_almost_all():
    alphas = diffusion.cosine_alphas(200).numpy()
    assert alphas[0] > 0.999 and alphas[-1] < 1e-3 and (np.diff(alphas) < 0).all()


def test_lungs_and_spots_are_learnt():
    own = phantoms(32, 1)
    chosen = settings(120, batch_size=32, learning_rate=1e-2)
    made = diffusion.synthesise([own], 2, chosen, [np.random.default_rng(1)], [60]).samples[0]
    real, drawn = ([held.x[held.y == label].mean(axis=0).ravel() for label in (0, 1)] for held in (own, made))
    assert np.corrcoef(real[0], drawn[0])[0, 1] > 0.95
    assert np.corrcoef(real[1] - real[0], drawn[1] - drawn[0])[0, 1] > 0.6
    assert made.x.std(axis=0).mean() > 0.5 * own.x.std(axis=0).mean()  # not one image over and over


def test_members_are_denoised_better_than_others_after_long_training_and_not_after_short():
    own, others = phantoms(8, 1), phantoms(100, 2)
    found = []
    for epochs in (2, 200):
        chosen = settings(epochs, batch_size=8, width=16, learning_rate=1e-2)
        weights = diffusion.synthesise([own], 2, chosen, [np.random.default_rng(1)], [1]).weights
        lost = [diffusion.losses(weights, held.x, held.y, chosen, asked(chosen))[0] for held in (own, others)]
        scores = -np.log(np.concatenate(lost)).mean(axis=1)
        found.append(roc_auc_score(np.arange(len(scores)) < len(own), scores))
    assert found[1] > 0.75 > 0.65 > found[0]


def test_losses_are_the_mean_square_of_the_noise_that_a_model_misses():
    own, chosen = phantoms(20, 1), settings(2)
    weights = diffusion.synthesise([own] * 2, 2, chosen, [np.random.default_rng(k) for k in (1, 2)], [1, 1]).weights
    noise = asked(chosen)
    found = diffusion.losses(weights, own.x, own.y, chosen, noise)
    assert found.shape == (2, 20, 6) and noise.times.tolist() == [5, 5, 15, 15, 25, 25]
    network = diffusion.denoiser((1, SIDE, SIDE), 2, chosen["width"], 0)
    network.load_state_dict({name: torch.from_numpy(value[1]) for name, value in weights.items()})
    share = float(diffusion.cosine_alphas(chosen["steps"])[15])
    noised = share**0.5 * (own.x[7] / 127.5 - 1) + (1 - share) ** 0.5 * noise.e[3]
    with torch.no_grad():
        v = network(torch.tensor(noised[None], dtype=torch.float32), torch.tensor([15]), torch.tensor([1]))[0].numpy()
    start = share**0.5 * noised - (1 - share) ** 0.5 * v
    e = (noised - share**0.5 * start) / (1 - share) ** 0.5
    assert found[1, 7, 3] == pytest.approx(np.square(e - noise.e[3]).mean(), rel=1e-4)
    assert not np.array_equal(found[0], found[1])


def test_bytes_hang_on_the_own_set_alone():
    sets = [phantoms(count, seed) for count, seed in ((20, 1), (40, 2), (10, 3))]
    made = assert_bytes_hang_on_their_own_set_alone(diffusion.synthesise, settings(2), sets, [20, 130, 0])
    assert made.costs["updates"] == np.mean([2, 4, 2])
    assert made.costs["parameters"] == sum(value[0].size for value in made.weights.values())


def test_sizes_that_no_patch_fits_and_colours_are_generated():
    own = phantoms(10, 1, side=13)
    coloured = type(own)(own.x.repeat(3, axis=1)[..., :10], own.y, own.patient)
    made = diffusion.synthesise([coloured], 2, settings(1), [np.random.default_rng(1)], [4])
    assert made.samples[0].x.shape == (4, 3, 13, 10)


def test_an_empty_set_is_refused():
    with pytest.raises(InputError, match="no images"):
        diffusion.synthesise([phantoms(0, 1)], 2, settings(1), [np.random.default_rng(1)], [1])


def test_generating_takes_no_more_steps_than_there_are():
    with pytest.raises(ValueError, match="`sampling_steps` 21 is more than `steps` 20"):
        ImageDiffusionSettings(steps=20, sampling_steps=21)
    assert ImageDiffusionSettings(steps=20, sampling_steps=20).steps == 20
