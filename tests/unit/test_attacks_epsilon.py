"""The audit of epsilon: honest trainers pass at the stated confidence, broken ones are caught, figures hold."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest
import torch
from made_up_banks import training_spec, with_logits
from made_up_datasets import put_together
from scipy.stats import binom

from medpriv.attacks import epsilon_canaries, epsilon_convex
from medpriv.attacks.epsilon import audit, canary_scores, decide_members
from medpriv.attacks.epsilon_canaries import MARK, Probe, Trial, gradient_scores
from medpriv.attacks.epsilon_verdict import (
    Claim,
    choose_threshold,
    decide_midway,
    judge_canaries,
    judge_guesses,
    judge_members,
)
from medpriv.bank import engine
from medpriv.bank.draw import Draw
from medpriv.config.epsilon import EpsilonSettings
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.models import cnn2d, cnn_gn, logistic, mlp
from medpriv.privacy import accountant, convex
from medpriv.privacy.convex import calibrate, release
from medpriv.privacy.lower_bounds import gaussian_epsilon
from medpriv.privacy.training import PrivateSchedule, train_private
from medpriv.seeds import generator
from medpriv.treatments.private import train

DELTA, RATE, STEPS = 1e-4, 0.25, 60
SGD = {"steps": STEPS, "rate": RATE, "clip": 1.0, "learning_rate": 0.5, "momentum": 0.5, "records_a_patient": 1}
ADAM = SGD | {"learning_rate": 0.02}
MODELS = {"logistic": logistic.build, "mlp": mlp.build, "cnn_gn": cnn_gn.build, "cnn2d": cnn2d.build}
SETTINGS = EpsilonSettings(canaries=28, replicates=3).model_dump()


def train_bank(dataset, mechanism: str, model: str, epsilon: float, hyperparameters: dict, settings: dict, total: int):
    """Train a private bank."""
    name = f"dp-{mechanism}-{model}-eps{epsilon:g}"
    return train(dataset, training_spec(name, model, hyperparameters, settings), Draw(range(total), total, 1))


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def toy_dataset(model: str = "logistic", patients: int = 80, records: int = 1) -> Dataset:
    """Return two classes told by one feature, or by the mean of a signal."""
    rng = generator(0, "toy", model)
    y = rng.integers(2, size=patients * records)
    shape, channels = {"cnn_gn": ((2, 32), 2), "cnn2d": ((1, 8, 8), 1)}.get(model, ((6,), 6))
    around = (channels, *[1] * (len(shape) - 1))
    x = rng.normal(size=(len(y), *shape)).astype(np.float32) + 0.7 * y.reshape(-1, *[1] * len(shape)).astype(np.float32)
    middle, step = (128, 32) if model == "cnn2d" else (0, 1)  # grey levels
    if model == "cnn2d":
        x = np.clip(np.rint(middle + step * x), 0, 255).astype(np.uint8)
    return put_together(
        name="toy",
        x=x,
        y=y,
        patient=np.repeat(np.arange(patients, dtype=np.int32), records),
        site=np.zeros(len(y), np.int32),
        split=np.where(np.arange(patients) % 4 == 3, TEST, TRAIN).astype(np.uint8),
        centre=np.full(around, middle, np.float32),
        scale=np.full(around, step, np.float32),
        patients=tuple(f"p{index}" for index in range(patients)),
        sites=("here",),
        classes=("a", "b"),
        features=tuple("uvwxyz"[:channels]),
        units=("mV",) * channels,
        licence="none",
        source="simulated",
        digest="0" * 64,
    )


def make_trial(
    epsilon: float, seed: int, *, replicates: int = 4, canaries: int = 200, model: str = "logistic", patients: int = 60
) -> Trial:
    """Return trainings of patients made up here, with noise for this epsilon at DELTA."""
    dataset = toy_dataset(model, patients)
    noise = accountant.noise_for(epsilon, DELTA, RATE, STEPS)
    coins = generator(seed, "coins")
    return Trial(
        network=MODELS[model](dataset.x.shape[1:], 1, {"hidden": [8], "patch": 4, "channels": [8, 8]}),
        x=dataset.standardised(),
        y=dataset.y,
        unit=dataset.patient,
        members=np.ones((replicates, patients), dtype=bool),
        inside=coins.random((replicates, canaries)) < 0.5,
        schedule=PrivateSchedule(
            steps=STEPS, rate=RATE, batch=RATE * patients, clip=1.0, deviation=noise, learning_rate=0.1
        ),
        generators={
            purpose: [generator(seed, purpose, replicate) for replicate in range(replicates)]
            for purpose in ("initial", "sampling", "noise")
        },
    )


# Trainers that break their promise, by which piece is missing.


def no_noise(*arguments: object, **options: object) -> dict[str, np.ndarray]:
    *rest, schedule = arguments
    return train_private(*rest, replace(schedule, deviation=0.0), **options)


def no_clipping(*arguments: object, **options: object) -> dict[str, np.ndarray]:
    *rest, schedule = arguments
    return train_private(*rest, replace(schedule, clip=inf), **options)


def double_participation(
    network, x: np.ndarray, y: np.ndarray, unit: np.ndarray, members: np.ndarray, schedule, **options: object
) -> dict[str, np.ndarray]:
    return train_private(
        network,
        np.concatenate([x, x]),
        np.concatenate([y, y]),
        np.concatenate([unit, unit + members.shape[1]]),
        np.concatenate([members, members], axis=1),
        schedule,
        **options,
    )


BROKEN = {"no noise": no_noise, "no clipping": no_clipping, "double participation": double_participation}


def bounds_of(scores: np.ndarray, inside: np.ndarray, claim: Claim) -> dict[str, np.ndarray]:
    """Return every bound's values, one a training."""
    verdicts = judge_guesses(scores, inside, claim, 0.05)
    verdicts += judge_canaries(decide_midway(scores, inside), inside, claim, 0.05)
    return {verdict.bound: verdict.each for verdict in verdicts}


# The evidence: honest trainers, broken ones.


@pytest.mark.parametrize("epsilon", [1.0, 8.0])
def test_honest_trainers_pass_over_24_seeds_but_for_the_stated_share(epsilon):
    claim = Claim(epsilon, DELTA)
    trial = make_trial(epsilon, 5, replicates=24)
    scores = gradient_scores(trial)
    allowed = binom.ppf(0.999, 24, 0.05)
    found = bounds_of(scores, trial.inside, claim)
    for name, values in found.items():
        assert (values > epsilon).sum() <= allowed, name
    # And the audit is no dud: what it proves is a good part of the truth.
    together = judge_canaries(decide_midway(scores, trial.inside), trial.inside, claim, 0.05)[0].together
    assert 0.5 * epsilon < together <= epsilon


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_trainers_are_caught(broken):
    epsilon = 3.0
    claim = Claim(epsilon, DELTA)
    trial = make_trial(epsilon, 7, replicates=8)
    scores = gradient_scores(trial, BROKEN[broken])
    verdicts = judge_guesses(scores, trial.inside, claim, 0.05)
    verdicts += judge_canaries(decide_midway(scores, trial.inside), trial.inside, claim, 0.05)
    together = {verdict.bound: verdict.together for verdict in verdicts}
    assert together["one-run-gaussian"] > epsilon
    assert together["independent-gaussian"] > 1.5 * epsilon
    if broken != "double participation":  # that one only doubles what a patient gives
        assert together["one-run"] > epsilon, together


def test_scores_of_the_honest_mechanism_are_a_unit_shift_in_its_noise():
    trial = make_trial(3.0, 11, replicates=6, canaries=300)
    scores = gradient_scores(trial)
    inside = trial.inside
    apart = scores[inside].mean() - scores[~inside].mean()
    spread = np.sqrt((scores[inside].var() + scores[~inside].var()) / 2)
    noise = trial.schedule.deviation
    assert apart / spread == pytest.approx(RATE * np.sqrt(STEPS) / noise, rel=0.15)
    # A likelihood ratio is 1 on average over those outside.
    assert np.exp(scores[~inside]).mean() == pytest.approx(1, abs=0.2)


# How canaries enter.


@pytest.mark.parametrize("model", MODELS)
def test_a_probe_leaves_the_rest_of_the_network_to_the_patients(model):
    trial = make_trial(8.0, 3, replicates=2, canaries=16, model=model)
    trial = replace(trial, schedule=replace(trial.schedule, deviation=0.0, rate=1.0, batch=60.0))
    seen = []

    def spy(network, *arguments: object, **options: object) -> dict[str, np.ndarray]:
        seen.append(train_private(network, *arguments, **options))
        return seen[-1]

    with np.errstate(divide="ignore", invalid="ignore"):
        gradient_scores(trial, spy)
    plain = train_private(
        trial.network,
        trial.x,
        trial.y,
        trial.unit,
        trial.members,
        trial.schedule,
        initial=[generator(3, "initial", replicate) for replicate in range(2)],
        sampling=[generator(3, "sampling", replicate) for replicate in range(2)],
        noise=[generator(3, "noise", replicate) for replicate in range(2)],
    )
    for name, value in plain.items():
        np.testing.assert_allclose(seen[0][name], value, atol=1e-4)  # a canary's own record has a millionth of its step
    # Every canary inside moved its coordinate by clip * sum of learning rates / batch, the others by nothing.
    shares = np.array([engine.cosine(step, STEPS) for step in range(STEPS)]).sum()
    expected = -1.0 * trial.inside * trial.schedule.learning_rate * shares / trial.schedule.batch
    np.testing.assert_allclose(seen[0]["probe.weight"][:, 0], expected, rtol=1e-4)


def test_marks_are_exact_and_no_patient_comes_near_them():
    marks = np.float32(MARK) + np.arange(10_000, dtype=np.float32)
    assert len(np.unique(marks)) == 10_000
    assert isinstance(Probe("probe", 3, 1, relu=False).initial(None)["probe.weight"], np.ndarray)


def test_coins_decide_who_trains():
    trial = make_trial(8.0, 2, replicates=2, canaries=10)
    seen = []

    def spy(network, x, y, unit, members, schedule, **options: object) -> dict[str, np.ndarray]:
        seen.append((len(x), unit, members))
        return train_private(network, x, y, unit, members, schedule, **options)

    epsilon_canaries.record_scores(trial, generator(0), spy)
    count, unit, members = seen[0]
    assert count == len(trial.x) + 10
    np.testing.assert_array_equal(unit[-10:], 60 + np.arange(10))
    np.testing.assert_array_equal(members[:, 60:], trial.inside)


# Perturbed fits.


def convex_trial(mechanism: str, epsilon: float, replicates: int = 8) -> epsilon_convex.ConvexTrial:
    rng = generator(4, mechanism)
    x = rng.normal(size=(replicates, 64, 4))
    x /= np.maximum(np.linalg.norm(x, axis=2, keepdims=True), 1)
    return epsilon_convex.ConvexTrial(
        x=x,
        signs=np.where(rng.random((replicates, 64)) < 0.5, 1.0, -1.0),
        inside=rng.random((replicates, 200)) < 0.5,
        perturbation=calibrate(mechanism, epsilon, DELTA, 2.0),
        noise=[generator(4, mechanism, replicate) for replicate in range(replicates)],
    )


@pytest.mark.parametrize("mechanism", ["output", "objective"])
def test_perturbed_fits_pass_and_without_noise_are_caught(mechanism):
    claim = Claim(3.0, DELTA)
    trial = convex_trial(mechanism, 3.0)

    def noiseless(x, signs, perturbation, noise) -> np.ndarray:
        return release(x, signs, replace(perturbation, linear=0.0, output=0.0), noise)

    honest, broken = (epsilon_convex.gradient_scores(trial, fit) for fit in (release, noiseless))
    together = {}
    for name, scores in (("honest", honest), ("broken", broken)):
        verdicts = judge_guesses(scores, trial.inside, claim, 0.05)
        verdicts += judge_canaries(decide_midway(scores, trial.inside), trial.inside, claim, 0.05)
        together[name] = [verdict.together for verdict in verdicts]
    assert max(together["honest"]) <= 3.0
    assert max(together["honest"]) > 0.4
    assert min(together["broken"]) > 3.0
    assert epsilon_convex.record_scores(trial, generator(0)).shape == trial.inside.shape


def test_perturbed_fits_are_made_some_at_a_time_with_the_same_scores(monkeypatch):
    trial, sizes = convex_trial("objective", 3.0), []

    def spy(x, signs, perturbation, noise) -> np.ndarray:
        sizes.append(len(x))
        return release(x, signs, perturbation, noise)

    def scores() -> list[np.ndarray]:
        again = replace(trial, noise=[generator(4, replicate) for replicate in range(8)])
        return [epsilon_convex.gradient_scores(again, spy), epsilon_convex.record_scores(again, generator(0), spy)]

    whole = scores()
    monkeypatch.setattr(convex, "MEMORY", 3 * 8 * 264 * 204)  # three fits with gradient canaries
    for one, other in zip(scores(), whole, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)
    assert sizes == [8, 8, 3, 3, 2, 8]


# From scores to figures.


def test_the_gaussian_that_meets_the_accountant_s_epsilon_allows_more_at_every_larger_delta():
    for rate, steps, noise in ((0.25, 200, 9.0), (0.25, 200, 1.6), (0.02, 200, 0.55)):  # epsilon about 1, 8, 7
        mu = Claim(accountant.epsilon(noise, rate, steps, 3e-4), 3e-4).mu
        for larger in (3e-3, 0.1):
            # The accountant's figures are upper bounds to 0.01.
            assert accountant.epsilon(noise, rate, steps, larger) <= gaussian_epsilon(mu, larger) + 0.015


def test_a_threshold_is_the_other_trainings_own():
    scores = np.array([[0.0, 1.0, 0.0, 1.0], [10.0, 12.0, 10.0, 12.0], [2.0, 4.0, 2.0, 4.0]])
    inside = np.tile([False, True], (3, 2))
    decided = decide_midway(scores, inside)
    assert not decided[0].any()  # the others' middle lies at 7 or so
    assert decided[1].all()
    flipped = decide_midway(scores, inside ^ (np.arange(3) == 2)[:, None])
    np.testing.assert_array_equal(flipped[2], decided[2])  # its own coins are not asked


def test_pooled_guesses_prove_more_than_each_training_s():
    rng = np.random.default_rng(0)
    inside = rng.random((6, 150)) < 0.5
    scores = rng.normal(size=(6, 150)) + 2 * inside
    for verdict in judge_guesses(scores, inside, Claim(8.0, 1e-4), 0.05):
        assert verdict.together > verdict.each.mean()
        assert verdict.n_together % 12 == 0
        assert verdict.n <= 150


def test_pooled_guesses_are_at_most_as_many_as_the_canaries():
    inside = np.random.default_rng(0).random((2, 23)) < 0.5  # planned: all 46, which 2 x 12 pairs would exceed
    verdicts = judge_guesses(inside + 0.0, inside, Claim(20.0, 0.004), 0.05)
    assert [verdict.n_together for verdict in verdicts] == [44, 44]


def test_a_pure_guarantee_is_not_held_against_a_gaussian():
    inside = np.random.default_rng(0).random((2, 40)) < 0.5
    scores = inside + 0.0
    claim = Claim(1.0, 0.0)
    assert [verdict.bound for verdict in judge_guesses(scores, inside, claim, 0.05)] == ["one-run"]
    assert judge_canaries(inside, inside, claim, 0.05) == []
    assert [verdict.bound for verdict in judge_members(inside, inside, claim, 0.05)] == ["independent"]


def test_the_chosen_threshold_serves_the_bound():
    rng = np.random.default_rng(1)
    inside = np.arange(4000) % 2 == 0
    scores = np.where(inside & (rng.random(4000) < 0.05), 9.0, rng.normal(size=4000))
    # One member in twenty stands out beyond doubt; the middle tells nothing.
    assert 1.5 < choose_threshold(scores, inside, Claim(8.0, 1e-6), 0.05) < 9


def test_members_of_a_bank_that_remembers_are_seen():
    dataset = toy_dataset(patients=120)
    bank = train_bank(dataset, "sgd", "logistic", 8.0, {}, SGD | {"delta": None, "engine": "medpriv"}, 12)
    inside = bank.members[:, dataset.patient]
    told = bank.logits.copy()
    told[..., 1] += np.where(dataset.y == 1, 8.0, -8.0) * inside
    claim = Claim(8.0, 1e-3)
    for logits, seen in ((bank.logits, False), (told, True)):
        decided, members = decide_members(dataset, with_logits(bank, logits), 4, claim, 0.05)
        assert members.shape == decided.shape == (12, 90)
        together = [verdict.together for verdict in judge_members(decided, members, claim, 0.05)]
        assert all(value > 4 for value in together) if seen else all(value < 4 for value in together)


# The whole job.


@pytest.mark.parametrize(
    ("mechanism", "model", "section"),
    [
        ("sgd", "mlp", SGD),
        ("adam", "logistic", ADAM),
        ("sgd", "cnn_gn", SGD | {"records_a_patient": 2}),
        ("objective", "logistic", {"l2": 0.02}),
        ("output", "logistic", {"l2": 0.02}),
    ],
)
def test_a_bank_s_audit_states_both_sides_and_is_the_same_twice(mechanism, model, section):
    dataset = toy_dataset(model, records=2 if model == "cnn_gn" else 1)
    recipe = {"hidden": [8], "patch": 4, "channels": [8, 8]}
    settings = section | {"delta": None, "engine": "medpriv"}
    bank = train_bank(dataset, mechanism, model, 3.0, recipe, settings, 4)
    measures = audit(dataset, bank, SETTINGS, 1).measures
    assert repr(measures) == repr(audit(dataset, bank, SETTINGS, 1).measures)
    claimed = [measure for measure in measures if measure.measure == "epsilon_accountant"]
    assert [(measure.value, measure.n) for measure in claimed] == [(bank.metadata["privacy"]["epsilon"], 30)]
    assert {measure.attack for measure in measures} == {"accountant", "audit-one-run", "audit-bank"}
    assert all("delta=0.003" in measure.group for measure in measures)
    people = {"accountant": 30, "audit-one-run": 0, "audit-bank": (dataset.split == TRAIN).sum()}
    assert all(measure.patients == people[measure.attack] for measure in measures)
    lower = [measure for measure in measures if measure.measure == "epsilon_lower"]
    assert all(0 <= measure.value < inf for measure in lower)
    assert sum(not measure.replicate for measure in lower) == 7
    shares = [measure for measure in measures if measure.measure == "violations"]
    assert {measure.n for measure in shares} == {3, 4}
    assert all(measure.lower <= 0.05 and measure.lower <= measure.value <= measure.upper < 1 for measure in shares)
    whole = [m.value for m in lower if not m.replicate and "canary=gradient" in m.group]
    assert max(whole) <= 3.0


def test_other_seeds_draw_other_coins():
    dataset = toy_dataset()
    bank = train_bank(dataset, "output", "logistic", 3.0, {}, {"l2": 0.02, "delta": None}, 4)
    one, other = (next(canary_scores(dataset, bank, SETTINGS, seed))[2] for seed in (1, 2))
    assert one.shape == (3, 28)
    more = SETTINGS | {"canaries": 500}
    assert next(canary_scores(dataset, bank, more, 1))[2].shape == (3, 30)  # as many as there are patients
    assert (one != other).any()
    assert (one[0] != one[1]).any()


def test_a_bank_of_opacus_is_audited_through_opacus_by_records():
    dataset = toy_dataset()
    section = SGD | {"steps": 4, "delta": None, "engine": "opacus"}
    bank = train_bank(dataset, "sgd", "logistic", 8.0, {}, section, 2)
    settings = SETTINGS | {"replicates": 2, "canaries": 20}
    assert [name for name, _, _ in canary_scores(dataset, bank, settings, 1)] == ["record"]


def test_a_bank_without_a_guarantee_is_refused():
    dataset = toy_dataset()
    bank = train_bank(dataset, "output", "logistic", 3.0, {}, {"l2": 0.02, "delta": None}, 2)
    with pytest.raises(InputError, match="no privacy guarantee"):
        audit(dataset, replace(bank, about=replace(bank.about, metadata={})), SETTINGS, 1)
