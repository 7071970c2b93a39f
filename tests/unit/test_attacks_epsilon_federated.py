"""The audit of federations with a guarantee: honest ones pass, ones with too little noise or no clipping are caught."""

from dataclasses import replace
from functools import cache, partial
from math import inf

import numpy as np
import pytest
import torch
from made_up_banks import federated_settings, training_spec
from made_up_datasets import put_together

from medpriv.attacks.epsilon import audit
from medpriv.attacks.epsilon_canaries import gradient_scores
from medpriv.attacks.epsilon_federated import _InRounds, _trial, client_scores
from medpriv.attacks.epsilon_verdict import Claim, decide_midway, judge_canaries, judge_guesses
from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.config.epsilon import EpsilonSettings
from medpriv.config.federated import FederatedSettings
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.federated.client import ClientRule
from medpriv.privacy.training import train_private
from medpriv.seeds import generator
from medpriv.treatments.federated import set_up, train

ROUNDS, DELTA = 12, 1e-3
SETTINGS = EpsilonSettings(canaries=60, replicates=3).model_dump()


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def toy(patients: int = 160) -> Dataset:
    """Return a task of two sites, one three times as large as the other."""
    rng = generator(0, "toy")
    y = rng.integers(2, size=patients)
    x = (rng.normal(size=(patients, 4)) + 0.7 * y[:, None]).astype(np.float32)
    return put_together(
        name="toy",
        x=x,
        y=y,
        patient=np.arange(patients, dtype=np.int32),
        site=(np.arange(patients) % 4 == 0).astype(np.int32),
        split=np.where(np.arange(patients) % 5 == 4, TEST, TRAIN).astype(np.uint8),
        centre=np.zeros(4, np.float32),
        scale=np.ones(4, np.float32),
        patients=tuple(map(str, range(patients))),
        sites=("large", "small"),
        classes=("no", "yes"),
        features=tuple("pqrs"),
        units=("",) * 4,
        licence="",
        source="simulated",
        digest="",
    )


def spec(strategy: str, **options: object) -> TrainingSpec:
    """Return how a federation of logistic regressions is trained."""
    about = {"rounds": ROUNDS, "partition": {"least_patients": 5}}
    section = FederatedSettings(strategies={strategy: {"epsilon": 4.0, "delta": DELTA, **options}}, **about)
    settings = federated_settings(section.model_dump(), strategy)
    return training_spec(f"fed-{strategy}", "logistic", {}, settings)


def bounds(scores: np.ndarray, inside: np.ndarray, claim: Claim) -> list[float]:
    """Return every bound over all trainings."""
    verdicts = judge_guesses(scores, inside, claim, 0.05)
    return [v.together for v in verdicts + judge_canaries(decide_midway(scores, inside), inside, claim, 0.05)]


@pytest.mark.parametrize(("strategy", "units"), [("sample_dp", 64), ("client_dp", 2)])
def test_a_federations_audit_states_both_sides_and_is_the_same_twice(strategy, units):
    dataset = toy()
    bank = train(dataset, spec(strategy), Draw(range(4), 4, 1))
    measures = audit(dataset, bank, SETTINGS, 1).measures
    assert repr(measures) == repr(audit(dataset, bank, SETTINGS, 1).measures)
    accountant = measures[0]
    assert (accountant.measure, accountant.value, accountant.n) == (
        "epsilon_accountant",
        bank.metadata["privacy"]["epsilon"],
        units,
    )
    assert accountant.patients == (units if strategy == "sample_dp" else 0)
    kinds = {item.group.partition(",")[0] for item in measures if item.attack == "audit-one-run"}
    assert kinds == {"canary=gradient", "canary=record"} if strategy == "sample_dp" else kinds == {"canary=gradient"}
    assert ("audit-bank" in {item.attack for item in measures}) == (strategy == "sample_dp")
    lower = [item for item in measures if item.measure == "epsilon_lower"]
    assert all(0 <= item.value < inf for item in lower)
    worst = [item.value for item in lower if not item.replicate and "canary=gradient" in item.group]
    assert 0.2 < max(worst) <= accountant.value


def test_the_client_that_promises_least_is_the_one_audited():
    dataset = toy()
    bank = train(dataset, spec("sample_dp", batch_size=8), Draw(range(2), 2, 1))
    federation = set_up(dataset, bank.spec, 1)
    trial = _trial(dataset, bank, federation, np.zeros((2, 20), bool), (1, "names"))
    spent = {name: about["epsilon"] for name, about in bank.metadata["privacy"]["clients"].items()}
    client = max(spent, key=spent.get)
    assert bank.metadata["privacy"]["epsilon"] == spent[client]
    own = dataset.site == dataset.sites.index(client)
    assert trial.schedule == federation.strategy.private[client]
    np.testing.assert_array_equal(trial.x, dataset.standardised()[own])
    np.testing.assert_array_equal(trial.members, bank.members[:, own])


def federated_trial(updates: int, inside: np.ndarray):
    """Return what `sample_dp` is audited by, and its claim."""
    dataset = toy()
    bank = train(dataset, spec("sample_dp", batch_size=16, updates=updates), Draw([0, 1], 2, 1))
    federation = set_up(dataset, bank.spec, 1)
    claim = Claim(bank.metadata["privacy"]["epsilon"], DELTA)
    return _trial(dataset, bank, federation, inside, (1, "audit")), claim


@pytest.mark.parametrize("updates", [1, 3])
def test_clients_with_too_little_noise_or_no_clipping_are_caught(updates):
    inside = generator(1, "coins").random((2, 200)) < 0.5
    trial, claim = federated_trial(updates, inside)
    honest = bounds(gradient_scores(trial, _InRounds(ROUNDS)), inside, claim)
    assert 1 < max(honest) <= claim.epsilon

    for fault in ({"deviation": trial.schedule.deviation / 6}, {"clip": inf}):
        trial, _ = federated_trial(updates, inside)
        scores = gradient_scores(trial, partial(_broken, fault))
        assert max(bounds(scores, inside, claim)) > claim.epsilon


def _broken(fault, network, x, y, unit, members, schedule, **options):
    return _InRounds(ROUNDS)(network, x, y, unit, members, replace(schedule, **fault), **options)


def test_rounds_of_one_step_are_one_training_of_as_many_steps_at_a_constant_rate():
    inside = generator(1, "coins").random((2, 50)) < 0.5
    trial, _ = federated_trial(1, inside)
    found = _InRounds(2)(
        trial.network,
        trial.x,
        trial.y,
        trial.unit,
        trial.members,
        trial.schedule,
        **{purpose: [generator(2, purpose, k) for k in range(2)] for purpose in trial.generators},
    )
    held = trial.members.any(1)
    assert held.all()
    drawn = {purpose: [generator(2, purpose, k) for k in range(2)] for purpose in trial.generators}
    start = [trial.network.initial(rng) for rng in drawn.pop("initial")]
    expected = {name: np.stack([one[name] for one in start]) for name in start[0]}
    for _ in range(2):
        expected = train_private(
            trial.network,
            trial.x,
            trial.y,
            trial.unit,
            trial.members,
            trial.schedule,
            initial=(),
            start=expected,
            **drawn,
        )
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


@cache
def client_federation():
    """Return one with a guarantee by client."""
    return set_up(toy(), spec("client_dp"), 1)


def client_bounds(clip: float = 1.0, noise: float = 1.0, seed: int = 1) -> tuple[list[float], list[float], Claim]:
    """Return bounds of `client_dp` with its clipping or noise scaled: each training's, and all together's."""
    privacy, strategy = client_federation().privacy, client_federation().strategy
    strategy = replace(strategy, client=ClientRule(clip=strategy.client.clip * clip))
    strategy = replace(strategy, aggregate=partial(_scaled, strategy.aggregate, noise))
    inside = generator(seed, "coins").random((4, 200)) < 0.5
    scores = client_scores(strategy, ROUNDS, privacy, inside, [generator(seed, "noise", k) for k in range(4)])
    claim = Claim(privacy["epsilon"], DELTA)
    verdicts = judge_guesses(scores, inside, claim, 0.05)
    return [value for v in verdicts for value in v.each], bounds(scores, inside, claim), claim


class _Less:
    """A generator whose noise is scaled."""

    def __init__(self, rng: np.random.Generator, share: float) -> None:
        self.rng, self.share = rng, share

    def standard_normal(self, shape: tuple[int, ...]) -> np.ndarray:
        return self.share * self.rng.standard_normal(shape)


def _scaled(aggregate, share, state, parameters, answers, weights, noise):
    return aggregate(state, parameters, answers, weights, [_Less(rng, share) for rng in noise])


def test_a_server_with_too_little_noise_or_clients_that_do_not_clip_are_caught():
    _, together, claim = client_bounds()
    assert 1 < max(together) <= claim.epsilon
    for fault in ({"noise": 0.2}, {"clip": 5.0}):
        assert max(client_bounds(**fault)[1]) > claim.epsilon


def test_an_honest_federation_exceeds_its_claim_in_few_trainings():
    each = [value for seed in range(25) for value in client_bounds(seed=seed)[0]]
    assert np.mean(np.array(each) > client_bounds()[2].epsilon) <= 0.06
