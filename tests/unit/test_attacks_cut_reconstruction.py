"""Records from activations: exact where they can be, no better than the mean where they can't."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from cut_toys import CUT, toy_bank, toy_jury, toy_scene
from made_up_datasets import with_changes

from medpriv.attacks.cut import hijacking
from medpriv.attacks.cut.correlation import correlate
from medpriv.attacks.cut.hijacking import hijack
from medpriv.attacks.cut.nets import Perceptrons
from medpriv.attacks.cut.reconstruction import decode, invert, unsplit
from medpriv.attacks.cut.scene import Scene, set_scene
from medpriv.attacks.cut.scores import measure_records
from medpriv.measures.table import Measure


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def explained(scene: Scene, found: np.ndarray) -> float:
    """Return 1 - squared error / squared error of the public mean."""
    mean = scene.flat[scene.public].mean(0)
    return 1 - np.square(found - scene.true).sum() / np.square(mean - scene.true).sum()


def by_name(measures: list[Measure]) -> dict[tuple[str, str], Measure]:
    return {(measure.measure, measure.group): measure for measure in measures}


def test_victims_are_members_and_public_records_nobodys():
    scene = toy_scene()
    for own, row in zip(scene.victims, scene.members, strict=True):
        assert row[own].all() and len(set(own)) == len(own) == 40
    assert not scene.members[:, scene.public].any()


def test_known_layers_wider_than_the_record_are_inverted_exactly():
    for public in (False, True):
        assert explained(toy_scene(), invert(toy_scene(), CUT | {"inversion_prior": 1e-4}, public=public)) > 0.999


def test_public_records_help_where_the_layers_tell_too_little():
    """Six correlated features through one unit: a prior that knows the correlation finds what the unit doesn't tell."""
    scene = toy_scene("vanilla", 3)
    shared = np.random.default_rng(0).normal(size=(len(scene.flat), 1))
    x = (shared + 0.3 * np.random.default_rng(1).normal(size=scene.flat.shape)).astype(np.float32)
    scene = set_scene(with_changes(scene.dataset, x=x), toy_bank("vanilla", 3)[1], CUT, seed=1)
    blind, told = (explained(scene, invert(scene, CUT, public=public)) for public in (False, True))
    assert told > blind + 0.1 and told > 0.3


def test_a_decoder_finds_most_without_defence_and_little_in_noise():
    assert explained(toy_scene(), decode(toy_scene(), CUT)) > 0.7
    noisy = toy_scene("noise", deviation=5.0)
    assert -0.05 < explained(noisy, decode(noisy, CUT)) < 0.3
    assert -0.05 < explained(noisy, invert(noisy, CUT, public=True)) < 0.3


def test_looking_again_and_again_undoes_the_noise():
    noisy = toy_scene("noise", deviation=2.0)
    again = noisy.repeated(25)
    once = explained(noisy, invert(noisy, CUT, public=True))
    assert explained(again, invert(again, CUT, public=True)) > once + 0.2
    clear = toy_scene()
    np.testing.assert_allclose(clear.repeated(3).sent, clear.sent, rtol=1e-5)


def test_activations_that_tell_nothing_decode_to_the_mean():
    scene = toy_scene()
    rng = np.random.default_rng(0)
    blind = replace(scene, sent=rng.standard_normal(scene.sent.shape).astype(np.float32))
    assert abs(explained(blind, decode(blind, CUT))) < 0.1


def test_a_decoder_of_few_steps_is_used_as_it_ends():
    found = decode(toy_scene(), CUT | {"decoder_steps": 10})
    assert found.std(axis=1).max() > 0.1


def test_unsplit_needs_the_layers_that_training_began_from():
    scene = toy_scene()
    assert explained(scene, unsplit(scene, CUT, handed_out=False)) < 0.2
    assert explained(scene, unsplit(scene, CUT, handed_out=True)) > 0.5


def test_a_hijacking_server_that_handed_out_the_layers_decodes_and_noise_helps():
    scene, noisy = toy_scene(), toy_scene("noise", deviation=2.0)
    clear = explained(scene, hijack(scene, CUT, handed_out=True))
    assert clear > 0.5
    assert explained(noisy, hijack(noisy, CUT, handed_out=True)) < clear - 0.2


def test_a_hijacking_server_moves_clients_towards_its_own_space(monkeypatch):
    """What the critic is for: after the attack, clients' activations lie nearer to the pilot's than before."""
    scene, seen = toy_scene(), {}
    drag = hijacking._drag

    def noting(critic: Perceptrons, sent: torch.Tensor) -> torch.Tensor:
        seen.setdefault("first", sent.clone())
        seen["last"] = sent.clone()
        return drag(critic, sent)

    monkeypatch.setattr(hijacking, "_drag", noting)
    hijack(scene, CUT, handed_out=False)
    pilot = hijacking._train_pilot(scene, None, CUT)
    codes = pilot.encoder.forward(scene.x[torch.from_numpy(scene.public)].expand(2, -1, -1)).mean(1)
    gap = {moment: (sent.mean(1) - codes).norm(dim=1).mean().item() for moment, sent in seen.items()}
    assert gap["last"] < 0.7 * gap["first"]


def test_a_perfect_reconstruction_and_the_mean_have_the_figures_they_must():
    scene = toy_scene()
    scene = replace(scene, dataset=with_changes(scene.dataset, scale=np.arange(1, 7, dtype=np.float32)))
    jury = toy_jury(scene)
    perfect = by_name(measure_records(jury, "x", scene.true, by_feature=True))
    assert perfect["explained", ""].value == 1 and perfect["rmse", ""].value == 0
    assert perfect["recovered", "kind=number"].value == 1
    assert all(m.value == 0 for (name, _), m in perfect.items() if name == "mae")
    mean = np.broadcast_to(scene.flat[scene.public].mean(0), scene.true.shape)
    blind = by_name(measure_records(jury, "x", mean, by_feature=True))
    assert blind["explained", ""].value == pytest.approx(0)
    assert blind["rmse", ""].value == pytest.approx(blind["rmse_mean", ""].value)
    victims = scene.victims.ravel()
    assert blind["explained", ""].n == len(set(victims)) < len(victims)  # some are victims of both replicates
    assert {m.patients for m in blind.values()} == {len(set(scene.dataset.patient[victims]))}


def test_victims_who_are_the_public_mean_have_no_explained_share():
    scene = toy_scene()
    same = with_changes(scene.dataset, x=np.full_like(scene.dataset.x, 2.0))
    (explained, *_) = measure_records(toy_jury(replace(scene, dataset=same)), "x", scene.true * 0)
    assert np.isnan([explained.value, explained.lower, explained.upper]).all()


def test_errors_are_stated_in_the_features_units():
    scene = toy_scene()
    dataset = scene.dataset
    scale = np.arange(1, 7, dtype=np.float32)
    jury = toy_jury(replace(scene, dataset=with_changes(dataset, x=dataset.x * scale, scale=scale)))
    found = by_name(measure_records(jury, "x", scene.true + 0.5, by_feature=True))
    values = [found["mae", f"feature={feature}"].value for feature in dataset.features]
    np.testing.assert_allclose(values, 0.5 * scale, rtol=1e-5)


def test_draws_weigh_patients_and_replicates_as_a_loop_does():
    jury = toy_jury(toy_scene())
    scene, values = jury.scene, np.random.default_rng(0).random((2, 40, 3))
    patient = scene.dataset.patient[scene.victims]
    for draw in (0, 7):
        expected = sum(
            jury.crossed.replicates[draw, r] * jury.crossed.patients[draw, patient[r, i]] * values[r, i]
            for r in range(2)
            for i in range(40)
        )
        np.testing.assert_allclose(jury.totals(values)[draw], expected, rtol=1e-5)


def test_a_draw_without_any_victim_has_no_mean():
    jury = toy_jury(toy_scene())
    jury.crossed.patients[3] = 0
    means = jury.means(np.ones((2, 40, 1)))
    assert np.isnan(means[3, 0]) and np.nanmin(means) == np.nanmax(means) == 1


def test_distance_correlation_is_high_at_the_first_cut_and_lower_of_other_peoples_activations():
    own, other = correlate(toy_scene(), "t")
    assert own.measure == "distance_correlation" and own.value > 0.9
    assert other.value < own.value - 0.2 and own.lower <= own.value <= own.upper and own.n == 2
    assert own.patients == len(set(toy_scene().dataset.patient[toy_scene().members.any(axis=0)]))


def test_neighbours_in_a_table_are_no_strangers():
    """Eight records a person, one after the other: those that are mixed up are not each other's twins."""
    scene = toy_scene()
    x = np.random.default_rng(0).normal(size=scene.flat.shape)[np.arange(len(scene.flat)) // 8].astype(np.float32)
    twins = replace(scene, dataset=with_changes(scene.dataset, x=x))
    twins = replace(twins, sent=np.stack([twins.flat] * len(scene.members)))
    own, other = correlate(twins, "t")
    assert own.value == pytest.approx(1) and other.value < 0.6
