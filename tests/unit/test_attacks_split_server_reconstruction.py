"""Records from activations: exact where they can be, no better than the mean where they can't."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up_datasets import with_changes
from split_server_toys import CUT, toy_bank, toy_context, toy_scorer

from medpriv.attacks.split_server import hijacking
from medpriv.attacks.split_server.context import SplitAttackContext, build_context
from medpriv.attacks.split_server.correlation import correlate
from medpriv.attacks.split_server.hijacking import hijack
from medpriv.attacks.split_server.nets import Perceptrons
from medpriv.attacks.split_server.reconstruction import decode, invert, unsplit
from medpriv.attacks.split_server.scores import measure_records
from medpriv.measures.table import Measure


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def explained(context: SplitAttackContext, found: np.ndarray) -> float:
    """Return 1 - squared error / squared error of the public mean."""
    mean = context.flat[context.public].mean(0)
    return 1 - np.square(found - context.true).sum() / np.square(mean - context.true).sum()


def by_name(measures: list[Measure]) -> dict[tuple[str, str], Measure]:
    return {(measure.measure, measure.group): measure for measure in measures}


def test_victims_are_members_and_public_records_nobodys():
    context = toy_context()
    for own, row in zip(context.victims, context.members, strict=True):
        assert row[own].all() and len(set(own)) == len(own) == 40
    assert not context.members[:, context.public].any()


def test_known_layers_wider_than_the_record_are_inverted_exactly():
    for public in (False, True):
        assert explained(toy_context(), invert(toy_context(), CUT | {"inversion_prior": 1e-4}, public=public)) > 0.999


def test_public_records_help_where_the_layers_tell_too_little():
    """Six correlated features through one unit: a prior that knows the correlation finds what the unit doesn't tell."""
    context = toy_context("vanilla", 3)
    shared = np.random.default_rng(0).normal(size=(len(context.flat), 1))
    x = (shared + 0.3 * np.random.default_rng(1).normal(size=context.flat.shape)).astype(np.float32)
    context = build_context(with_changes(context.dataset, x=x), toy_bank("vanilla", 3)[1], CUT, seed=1)
    blind, told = (explained(context, invert(context, CUT, public=public)) for public in (False, True))
    assert told > blind + 0.1 and told > 0.3


def test_a_decoder_finds_most_without_defence_and_little_in_noise():
    assert explained(toy_context(), decode(toy_context(), CUT)) > 0.7
    noisy = toy_context("noise", deviation=5.0)
    assert -0.05 < explained(noisy, decode(noisy, CUT)) < 0.3
    assert -0.05 < explained(noisy, invert(noisy, CUT, public=True)) < 0.3


def test_looking_again_and_again_undoes_the_noise():
    noisy = toy_context("noise", deviation=2.0)
    again = noisy.averaged(25)
    once = explained(noisy, invert(noisy, CUT, public=True))
    assert explained(again, invert(again, CUT, public=True)) > once + 0.2
    clear = toy_context()
    np.testing.assert_allclose(clear.averaged(3).sent, clear.sent, rtol=1e-5)


def test_activations_that_tell_nothing_decode_to_the_mean():
    context = toy_context()
    rng = np.random.default_rng(0)
    blind = replace(context, sent=rng.standard_normal(context.sent.shape).astype(np.float32))
    assert abs(explained(blind, decode(blind, CUT))) < 0.1


def test_a_decoder_of_few_steps_is_used_as_it_ends():
    found = decode(toy_context(), CUT | {"decoder_steps": 10})
    assert found.std(axis=1).max() > 0.1


def test_unsplit_needs_the_layers_that_training_began_from():
    context = toy_context()
    assert explained(context, unsplit(context, CUT, handed_out=False)) < 0.2
    assert explained(context, unsplit(context, CUT, handed_out=True)) > 0.5


def test_a_hijacking_server_that_handed_out_the_layers_decodes_and_noise_helps():
    context, noisy = toy_context(), toy_context("noise", deviation=2.0)
    clear = explained(context, hijack(context, CUT, handed_out=True))
    assert clear > 0.5
    assert explained(noisy, hijack(noisy, CUT, handed_out=True)) < clear - 0.2


def test_a_hijacking_server_moves_clients_towards_its_own_space(monkeypatch):
    """What the critic is for: after the attack, clients' activations lie nearer to the pilot's than before."""
    context, seen = toy_context(), {}
    drag = hijacking._drag

    def noting(critic: Perceptrons, sent: torch.Tensor) -> torch.Tensor:
        seen.setdefault("first", sent.clone())
        seen["last"] = sent.clone()
        return drag(critic, sent)

    monkeypatch.setattr(hijacking, "_drag", noting)
    hijack(context, CUT, handed_out=False)
    pilot = hijacking._train_pilot(context, None, CUT)
    codes = pilot.encoder.forward(context.x[torch.from_numpy(context.public)].expand(2, -1, -1)).mean(1)
    gap = {moment: (sent.mean(1) - codes).norm(dim=1).mean().item() for moment, sent in seen.items()}
    assert gap["last"] < 0.7 * gap["first"]


def test_a_perfect_reconstruction_and_the_mean_have_the_figures_they_must():
    context = toy_context()
    context = replace(context, dataset=with_changes(context.dataset, scale=np.arange(1, 7, dtype=np.float32)))
    scorer = toy_scorer(context)
    perfect = by_name(measure_records(scorer, "x", context.true, by_feature=True))
    assert perfect["explained", ""].value == 1 and perfect["rmse", ""].value == 0
    assert perfect["recovered", "kind=number"].value == 1
    assert all(m.value == 0 for (name, _), m in perfect.items() if name == "mae")
    mean = np.broadcast_to(context.flat[context.public].mean(0), context.true.shape)
    blind = by_name(measure_records(scorer, "x", mean, by_feature=True))
    assert blind["explained", ""].value == pytest.approx(0)
    assert blind["rmse", ""].value == pytest.approx(blind["rmse_mean", ""].value)
    victims = context.victims.ravel()
    assert blind["explained", ""].n == len(set(victims)) < len(victims)  # some are victims of both replicates
    assert {m.patients for m in blind.values()} == {len(set(context.dataset.patient[victims]))}


def test_victims_who_are_the_public_mean_have_no_explained_share():
    context = toy_context()
    same = with_changes(context.dataset, x=np.full_like(context.dataset.x, 2.0))
    (explained, *_) = measure_records(toy_scorer(replace(context, dataset=same)), "x", context.true * 0)
    assert np.isnan([explained.value, explained.lower, explained.upper]).all()


def test_errors_are_stated_in_the_features_units():
    context = toy_context()
    dataset = context.dataset
    scale = np.arange(1, 7, dtype=np.float32)
    scorer = toy_scorer(replace(context, dataset=with_changes(dataset, x=dataset.x * scale, scale=scale)))
    found = by_name(measure_records(scorer, "x", context.true + 0.5, by_feature=True))
    values = [found["mae", f"feature={feature}"].value for feature in dataset.features]
    np.testing.assert_allclose(values, 0.5 * scale, rtol=1e-5)


def test_draws_weigh_patients_and_replicates_as_a_loop_does():
    scorer = toy_scorer(toy_context())
    context, values = scorer.context, np.random.default_rng(0).random((2, 40, 3))
    patient = context.dataset.patient[context.victims]
    for draw in (0, 7):
        expected = sum(
            scorer.crossed.replicates[draw, r] * scorer.crossed.patients[draw, patient[r, i]] * values[r, i]
            for r in range(2)
            for i in range(40)
        )
        np.testing.assert_allclose(scorer.totals(values)[draw], expected, rtol=1e-5)


def test_a_draw_without_any_victim_has_no_mean():
    scorer = toy_scorer(toy_context())
    scorer.crossed.patients[3] = 0
    means = scorer.means(np.ones((2, 40, 1)))
    assert np.isnan(means[3, 0]) and np.nanmin(means) == np.nanmax(means) == 1


def test_distance_correlation_is_high_at_the_first_cut_and_lower_of_other_peoples_activations():
    own, other = correlate(toy_context(), "t")
    assert own.measure == "distance_correlation" and own.value > 0.9
    assert other.value < own.value - 0.2 and own.lower <= own.value <= own.upper and own.n == 2
    assert own.patients == len(set(toy_context().dataset.patient[toy_context().members.any(axis=0)]))


def test_neighbours_in_a_table_are_no_strangers():
    """Eight records a person, one after the other: those that are mixed up are not each other's twins."""
    context = toy_context()
    x = np.random.default_rng(0).normal(size=context.flat.shape)[np.arange(len(context.flat)) // 8].astype(np.float32)
    twins = replace(context, dataset=with_changes(context.dataset, x=x))
    twins = replace(twins, sent=np.stack([twins.flat] * len(context.members)))
    own, other = correlate(twins, "t")
    assert own.value == pytest.approx(1) and other.value < 0.6
