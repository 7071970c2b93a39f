"""What is learnt on other replicates, how the strongest attack is chosen, and the holdout test."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from medpriv.attacks.membership.chance import redraw_members
from medpriv.attacks.membership.scores import Scores
from medpriv.attacks.release import best, holdout, white_box
from medpriv.attacks.release.contenders import STATISTICS, contenders, learnt_contender
from medpriv.attacks.release.learnt import GROUPS, learn, prepare
from medpriv.measures.bootstrap import PatientBootstrap
from medpriv.measures.roc import auc
from medpriv.privacy.lower_bounds import one_run_epsilon

REPLICATES, PATIENTS = 8, 120


def draw_members(rng: np.random.Generator, replicates: int = REPLICATES, patients: int = PATIENTS) -> np.ndarray:
    return rng.permuted(np.broadcast_to(np.arange(patients) % 2 == 0, (replicates, patients)), axis=1)


def noise(
    rng: np.random.Generator, effects: dict[str, float], replicates: int = REPLICATES
) -> tuple[dict[str, Scores], np.ndarray]:
    """Return scores of Gaussian noise in which members lie higher by so much, and the members."""
    members, whole = draw_members(rng, replicates), np.arange(PATIENTS)
    values = {name: rng.normal(size=members.shape) + effect * members for name, effect in effects.items()}
    return {name: Scores(value, members, whole, whole) for name, value in values.items()}, members


@pytest.fixture
def features():
    """Return features in which members differ in one of four, members, and whose two records they are."""
    rng = np.random.default_rng(0)
    members, patient = draw_members(rng), np.repeat(np.arange(PATIENTS), 2)
    inside = members[:, patient]
    values = rng.normal(size=(*inside.shape, 4))
    values[..., 1] += inside
    return values.astype(np.float32), inside, patient


def test_nobodys_own_membership_is_learnt_from(features):
    values, members, patient = features
    rng = np.random.default_rng(1)
    found = learn(values, members, patient, np.random.default_rng(5))
    for target, withheld in ((0, 3), (2, 6), (7, 4)):
        changed = members.copy()
        changed[target] = rng.permutation(changed[target])
        again = learn(values, changed, patient, np.random.default_rng(5))
        one = np.array([target])
        np.testing.assert_array_equal(again.of(one), found.of(one))
        assert not np.allclose(again.of(np.array([(target + 1) % 8])), found.of(np.array([(target + 1) % 8])))
        changed[withheld] = rng.permutation(changed[withheld])
        again = learn(values, changed, patient, np.random.default_rng(5))
        np.testing.assert_array_equal(again.of(one, np.array([withheld])), found.of(one, np.array([withheld])))


def test_a_patient_is_judged_by_what_others_taught(features):
    values, members, patient = features
    found = learn(values, members, patient, np.random.default_rng(5)).of(np.arange(REPLICATES))
    for person in (0, 50):
        changed = members ^ (patient == person)
        again = learn(values, changed, patient, np.random.default_rng(5)).of(np.arange(REPLICATES))
        np.testing.assert_array_equal(again[:, patient == person], found[:, patient == person])
        assert not np.array_equal(again, found)


def test_a_linear_effect_is_learnt_to_its_closed_form(features):
    values, members, patient = features
    found = learn(values, members, patient, np.random.default_rng(5)).of(np.arange(REPLICATES))
    areas = [auc(*pair) for pair in zip(found, members, strict=True)]
    assert np.mean(areas) == pytest.approx(stats.norm.cdf(1 / np.sqrt(2)), abs=0.025)


def test_what_does_not_hang_on_members_is_not_learnt():
    means = []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        members = draw_members(rng)
        level = rng.normal(size=(1, PATIENTS, 3))  # a patient's own, the same in every release
        values = prepare(
            level + rng.normal(size=(*members.shape, 3)), rng.normal(size=(REPLICATES, 30, 3)), level[0, :, 0]
        )
        found = learn(values, members, np.arange(PATIENTS), rng).of(np.arange(REPLICATES))
        means.append(np.mean([auc(*pair) for pair in zip(found, members, strict=True)]))
    assert abs(np.mean(means) - 0.5) < 3 * np.std(means, ddof=1) / 5 and np.std(means) < 0.04


def test_of_two_replicates_nothing_is_left_when_one_is_withheld(features):
    values, members, patient = (features[0][:2], features[1][:2], features[2])
    found = learn(values, members, patient, np.random.default_rng(0))
    assert np.isfinite(found.of(np.array([0, 1]))).all()
    assert np.isnan(found.of(np.array([0]), np.array([1]))).all()
    assert GROUPS > 2


def test_a_patients_learnt_score_is_the_mean_over_records(features):
    values, members, patient = features
    found = learn(values, members, patient, np.random.default_rng(0))
    whole, targets = found.averaged(patient).of(np.arange(8), (np.arange(8) + 1) % 8), np.arange(8)
    records = found.of(targets, (targets + 1) % 8)
    np.testing.assert_allclose(whole, records.reshape(8, PATIENTS, 2).mean(axis=2))


def test_the_choice_for_a_target_does_not_look_at_its_members():
    rng = np.random.default_rng(3)
    scores, members = noise(rng, {"a": 0.3, "b": 0.3, "c": 0.3})
    found = contenders(scores, {}, "patient")
    before = best.choose(found)
    for target in range(REPLICATES):
        changed = members.copy()
        changed[target] = rng.permutation(changed[target])
        told = {name: replace(each, members=changed) for name, each in scores.items()}
        assert best.choose(contenders(told, {}, "patient"))[target] == before[target]


def test_the_strongest_is_chosen_where_one_is_strong():
    found = contenders(noise(np.random.default_rng(0), {"weak": 0.0, "strong": 2.0})[0], {}, "patient")
    chosen = {(found[index].name, found[index].statistic) for index in best.choose(found)}
    assert {name for name, _ in chosen} == {"strong"}
    assert {one.statistic for one in found} == set(STATISTICS) - {"rmia"}


@pytest.mark.parametrize("replicates", [4, 9])
def test_the_strongest_of_many_that_know_nothing_reads_a_half(replicates):
    """The largest of them does not: that is what the choice on other replicates is for."""
    chosen, largest, inside = [], [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        scores, members = noise(rng, {f"s{index}": 0.0 for index in range(10)}, replicates)
        read = {"s0": scores.pop("s0")}
        found = contenders(read, scores, "patient")
        choice = best.choose(found)
        scored = best.chosen_scored(found, choice)
        areas = [[auc(*pair) for pair in zip(one.scored.scores, members, strict=True)] for one in found]
        chosen.append(np.mean([auc(*pair) for pair in zip(scored.scores, members, strict=True)]))
        largest.append(np.mean(np.max(areas, axis=0)))
        chance = best.measure_chance(found, choice, rng, ("d", "t"))
        inside.append(chance.lower <= chosen[-1] <= chance.upper)
    assert abs(np.mean(chosen) - 0.5) < 3 * np.std(chosen, ddof=1) / np.sqrt(40)
    assert np.mean(largest) > 0.55 and np.mean(inside) > 0.85


def test_shuffled_membership_reads_a_half_whatever_leaks():
    found = contenders(noise(np.random.default_rng(0), {"a": 1.0, "b": 2.0}, 4)[0], {}, "patient")
    nulls = [best.shuffled(found, np.random.default_rng(seed)) for seed in range(40)]
    means = [np.mean([auc(*pair) for pair in zip(null.scores, null.members, strict=True)]) for null in nulls]
    assert abs(np.mean(means) - 0.5) < 3 * np.std(means, ddof=1) / np.sqrt(40)


def test_members_are_not_told_from_other_members():
    held, values = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        found = contenders(noise(rng, {"a": 2.0})[0], {}, "patient")
        scored = best.chosen_scored(found, best.choose(found))
        draws = PatientBootstrap.draw(rng, PATIENTS, 100, REPLICATES)
        measure = best.measure_members(scored, draws, rng, ("d", "t", "a"))
        held.append(measure.lower <= 0.5 <= measure.upper)
        values.append(measure.value)
    assert np.mean(held) > 0.85 and abs(np.mean(values) - 0.5) < 3 * np.std(values, ddof=1) / np.sqrt(40)


def test_exposures_are_of_the_attack_that_others_chose():
    scores, members = noise(np.random.default_rng(0), {"weak": 0.0, "strong": 3.0})
    found = contenders(scores, {}, "patient")
    half = np.arange(PATIENTS) % 2 == 0
    picked = best.pick_by_half(found, half)
    assert {found[index].name for index in picked} == {"strong"}
    exposure = best.exposures(found, members, half, picked)
    assert np.nanmean(exposure) > 0.9
    null = best.exposures(found, redraw_members(found[0].told, np.random.default_rng(1)).members, half, picked)
    assert np.nanmean(null) == pytest.approx(0.5, abs=0.06)


def test_a_learnt_score_enters_as_any_other(features):
    values, members, patient = features
    learnt = learn(values, members, patient, np.random.default_rng(5))
    told = Scores(np.zeros(members.shape), members, patient, np.arange(PATIENTS))
    one = learnt_contender("meta", learnt, told, "record")
    shadows = one.scored.shadows
    np.testing.assert_array_equal(one.scored.paired_scores[2, 1], learnt.of(np.array([2]), shadows[2, 1:2])[0])
    np.testing.assert_array_equal(one.scored.shadow_scores[2, 1], learnt.of(shadows[2, 1:2], np.array([2]))[0])
    np.testing.assert_array_equal(one.renewed(members).scored.shadow_scores, one.scored.shadow_scores)


def matches_of(rng: np.random.Generator, truth: float, released_share: float = 1.0) -> holdout.Matches:
    """Return the test on a generator that answers for each of 40 pairs with the member's row with this probability."""
    records = rng.normal(size=(80, 4)).astype(np.float32) * 10
    members = rng.permutation(np.arange(80) % 2 == 0)
    state = rng.bit_generator.state
    pairs = [rng.permutation(np.flatnonzero(side)) for side in (members, ~members)]  # as `match` draws them
    rng.bit_generator.state = state
    right = rng.random(40) < truth
    rng.bit_generator.state = state
    return holdout.match(records, np.arange(80), members, records[np.where(right, *pairs)], rng)


def test_the_holdout_test_holds_its_level_where_nothing_was_learnt():
    values = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        people = rng.normal(size=(60, 3)).astype(np.float32)
        released = np.repeat(rng.normal(size=(20, 3)), 3, axis=0).astype(np.float32)  # many matches with the same few
        found = holdout.match(
            people, np.repeat(np.arange(30), 2), np.repeat(rng.permutation(30) < 15, 2), released, rng
        )
        values.append(found.p_value)
    assert 0.01 < np.mean(np.array(values) < 0.05) < 0.07
    assert np.mean(np.array(values) <= 0.5) == pytest.approx(0.5, abs=0.12)


def test_the_holdout_test_is_uniform_on_shuffled_members_of_several_releases_together():
    """Of releases that a few patients attract, of patients with one to three records, and a member more than others."""
    rng = np.random.default_rng(4)
    patient = np.repeat(np.arange(61), rng.integers(1, 4, 61))
    people = rng.normal(size=(len(patient), 3)).astype(np.float32)
    released = [people[rng.choice(len(people), 60, p=rng.dirichlet(np.full(len(people), 0.3)))] for _ in range(4)]
    values = []
    for _ in range(400):
        found = [
            holdout.match(people, patient, (rng.permutation(61) < 31)[patient], own + 0.1, rng) for own in released
        ]
        values.append(sum(found[1:], start=found[0]).p_value)
    assert np.mean(np.array(values) < 0.05) == pytest.approx(0.05, abs=0.035)
    assert stats.kstest(values, "uniform").statistic < 0.12  # they are stepped: about 80 guesses have a say


def test_many_releases_make_a_small_leak_certain():
    """A share of right guesses of 0.53, beside an AUC of as much, is chance in one release and none in forty."""
    one = holdout.Matches(160, 160, 85)
    assert one.p_value > 0.2 and holdout.Matches(40 * 160, 40 * 160, 40 * 85).p_value < 1e-5


def test_the_holdout_test_finds_copies_and_bounds_epsilon_below_the_truth():
    rng = np.random.default_rng(0)
    people, members = rng.normal(size=(100, 5)).astype(np.float32), np.arange(100) < 50
    found = holdout.match(people, np.arange(100), members, people[:50], rng)
    assert (found.pairs, found.guesses, found.right) == (50, 50, 50) and found.p_value == 0.5**50
    assert found.epsilon() > 1
    truth = 0.8
    bounds = [matches_of(np.random.default_rng(seed), truth).epsilon() for seed in range(60)]
    assert np.mean(2 * np.array(bounds) <= np.log(truth / (1 - truth))) >= 0.93 and np.mean(bounds) > 0.2


def test_runs_with_coins_of_their_own_add_up():
    together = holdout.Matches(40, 30, 25) + holdout.Matches(40, 30, 25)
    assert (together.pairs, together.guesses, together.right) == (80, 60, 50)
    assert together.epsilon() > holdout.Matches(40, 30, 25).epsilon()
    nothing = holdout.Matches(40, 0, 0)
    assert nothing.p_value == 1 and nothing.epsilon() == pytest.approx(0, abs=1e-6)


def test_a_bound_without_delta_is_half_of_that_for_an_exchange_and_delta_lowers_it():
    found = holdout.Matches(200, 120, 100)
    assert 2 * found.epsilon() == pytest.approx(one_run_epsilon(200, 120, 100, 0.0, holdout.ALPHA), abs=1e-6)
    bounds = [found.epsilon(delta) for delta in (0.0, 1e-5, 1e-3)]
    assert bounds == sorted(bounds, reverse=True) and bounds[0] > bounds[2]


def test_people_without_a_counterpart_are_left_out():
    people = np.random.default_rng(0).normal(size=(10, 2)).astype(np.float32)
    found = holdout.match(people, np.arange(10), np.arange(10) < 3, people, np.random.default_rng(1))
    assert found.pairs == 3
    assert holdout.match(people, np.arange(10), np.ones(10, bool), people, np.random.default_rng(1)).pairs == 0


@pytest.mark.parametrize("count", [6, 50])
def test_a_diffusion_models_losses_tell_members(count):
    rng = np.random.default_rng(0)
    members, people = draw_members(rng), np.arange(PATIENTS)
    steps = np.exp(rng.normal(size=(1, PATIENTS, count)) + 0.1 * rng.normal(size=(REPLICATES, PATIENTS, count)))
    losses = steps * np.where(np.arange(count) < 2, np.exp(-0.3 * members[..., None]), 1)  # two steps remember
    outside = np.exp(rng.normal(size=(REPLICATES, 30, count)))
    learnt = white_box.learn_losses(losses, outside, members, people, np.zeros(PATIENTS), rng)
    areas = [auc(*pair) for pair in zip(learnt.of(np.arange(REPLICATES)), members, strict=True)]
    plain = [auc(*pair) for pair in zip(white_box.value(losses), members, strict=True)]
    assert np.mean(areas) > max(0.9, np.mean(plain))
    told = Scores(white_box.value(losses), members, people, people)
    lira = next(one for one in contenders({"loss": told}, {}, "patient") if one.statistic == "lira")
    assert np.mean([auc(*pair) for pair in zip(lira.scored.scores, members, strict=True)]) > np.mean(plain)
