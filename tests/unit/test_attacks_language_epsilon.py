"""The audit of private fine-tuning: what its canaries do, whom it catches, and what it says of a bank."""

import numpy as np
import pytest
import torch
from language_broken import TRAINERS, WithoutCrossTerm, bounds, trial_of
from torch import nn

from medpriv.attacks.epsilon_verdict import Claim
from medpriv.attacks.language_epsilon import _projected, canary_scores, canary_texts, worst_base
from medpriv.language import private
from medpriv.language.private import PrivateSteps
from medpriv.privacy.training import PrivateSchedule

CLAIM = Claim(8.0, 7e-4)
NOISE = 2**0.5 / CLAIM.mu  # two steps of all patients are a Gaussian mechanism of mu = sqrt(2) / noise
SCHEDULE = PrivateSchedule(
    steps=2, rate=1.0, batch=128.0, clip=0.4, deviation=0.4 * NOISE, learning_rate=1.0, contribution=4
)
CANARIES, TRAININGS = 400, 4


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def one_step(records: int, clip: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    """Return the norms of five canaries of eight, and what a step's sum has along the directions of all, over C."""
    model, _ = worst_base(8, clip)
    texts = canary_texts(np.arange(5), records)
    schedule = PrivateSchedule(1, 0.1, 1.0, clip, 0.0, 0.1, contribution=records)
    steps = PrivateSteps(model, schedule)
    norms = steps.add_clipped(texts, [np.flatnonzero(texts.patient == canary) for canary in range(5)])
    return norms.numpy() / clip, _projected(steps.gradients["wte.weight"].double().numpy()) / clip


@pytest.mark.parametrize("clip", [0.1, 5.0])
@pytest.mark.parametrize(("records", "share"), [(1, 0.96), (2, 0.99), (4, 0.99)])
def test_a_canary_s_clipped_gradient_lies_along_its_own_direction(records, share, clip):
    norms, sums = one_step(records, clip)
    assert (norms > 20).all()
    assert (sums[:5] > share).all()
    assert (sums[:5] <= 1.0001).all()
    assert np.abs(sums[5:]).max() < 0.04


def test_without_the_cross_term_a_canary_s_gradient_is_longer_by_the_most_that_can_be(monkeypatch):
    monkeypatch.setitem(private.PARTS, nn.Embedding, WithoutCrossTerm)
    _, sums = one_step(2)
    np.testing.assert_allclose(sums[:5], 2**0.5, rtol=0.01)


@pytest.mark.parametrize("trainer", TRAINERS)
def test_broken_trainers_are_caught_and_an_honest_one_passes(trainer):
    found = bounds(trial_of(SCHEDULE, CANARIES, TRAININGS, 0), TRAINERS[trainer], CLAIM)
    assert (max(found.values()) > CLAIM.epsilon) == (trainer != "honest")
    assert found["independent-gaussian"] > CLAIM.epsilon / 2


def test_coins_that_say_nothing_prove_nothing():
    trial = trial_of(SCHEDULE, 60, 2, 0)
    scores = canary_scores(trial)
    assert np.corrcoef(scores.ravel(), trial.inside.ravel())[0, 1] > 0.4
    assert np.abs(np.corrcoef(scores[0], trial.inside[1])[0, 1]) < 0.4
