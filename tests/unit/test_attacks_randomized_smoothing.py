"""Randomised smoothing against the linear classifier, whose certified radius is its exact distance to the boundary."""

from dataclasses import dataclass

import attacked_toys as toys
import numpy as np
import pytest
from made_up_datasets import with_changes
from scipy.stats import norm
from test_treatments_baseline import toy_dataset

from medpriv.attacks.randomized_smoothing import _measures, certify, count_classes

BINARY = np.arange(200) % 2


@dataclass(frozen=True)
class Linear:
    """One network with logits [0, weight . x]."""

    weight: np.ndarray

    def logits(self, x: np.ndarray) -> np.ndarray:
        return np.stack([np.zeros(len(x)), (x * self.weight).sum(axis=(1, 2))], axis=1)[None]


def test_certified_radius_never_exceeds_the_distance_to_a_linear_boundary_and_nears_it():
    dataset = with_changes(toy_dataset("cnn"), scale=np.array([[0.5], [2.0]], np.float32), classes=("a", "b"), y=BINARY)
    weight = np.random.default_rng(3).normal(size=(2, 32))
    models = Linear(weight)
    x, sigma = dataset.x[:40] / 8, 0.4
    guesses, draws = (
        count_classes(models, dataset, x, sigma, number, np.random.default_rng(seed))
        for number, seed in ((50, 1), (4000, 2))
    )
    answer, radius = certify(guesses, draws, sigma, alpha=0.001)
    slope = weight / dataset.scale  # of the logit, per millivolt
    distance = np.abs(((x - dataset.centre) * slope).sum(axis=(1, 2))) / np.linalg.norm(slope)
    assert (radius[0] <= distance + 1e-9).all()
    certified = answer[0] >= 0
    saturated = sigma * norm.ppf(0.001 ** (1 / 4000))  # all draws agree: no more can be shown
    near = certified & (distance < 0.8 * saturated)
    assert near.sum() > 5 and (radius[0, near] > 0.8 * distance[near] - 0.05).all()


def test_unanimous_draws_give_the_closed_form_and_a_minority_abstains():
    answer, radius = certify(np.array([[5, 0], [5, 0]]), np.array([[100, 0], [40, 60]]), 2.0, alpha=0.01)
    assert answer.tolist() == [0, -1] and radius[1] == 0
    assert radius[0] == pytest.approx(2 * norm.ppf(0.01 ** (1 / 100)))


def test_medians_count_the_different_records_that_some_replicate_answers_rightly():
    dataset = toys.make_dataset()
    rows = np.arange(10, 40)  # three people, ten records each
    right = np.zeros((4, 30), bool)
    right[0, :2], right[1, 1] = True, True  # two records of one person; two replicates answer nothing rightly
    settings = {"bootstraps": 20, "epsilons": [0.01]}
    found = {row.measure: row for row in _measures(dataset, "t", rows, right, right * 0.5, 0.1, settings, 1)}
    radius, share = found["certified_radius"], found["smoothed_accuracy"]
    assert radius.value == 0.5 and (radius.n, radius.patients) == (2, 1)
    assert (share.n, share.patients) == (30, 3)
    nothing = _measures(dataset, "t", rows, right & False, right * 0.5, 0.1, settings, 1)[-1]
    assert np.isnan(nothing.value) and nothing.n == nothing.patients == 0
