"""The masking checks pass an honest network and flag ones that only hide their gradients."""

from dataclasses import dataclass

import attacked_toys as toys
import numpy as np
import pytest

from medpriv.attacks.attacked_records import SignSteps
from medpriv.attacks.blackbox import square
from medpriv.attacks.gradient import pgd
from medpriv.attacks.masking import attack_for_checks, masking_measures, not_weaker
from medpriv.attacks.target_models import predict
from medpriv.measures.flips import RateEstimator

SETTINGS = {"step_share": 0.1, "steps": 20, "reference_epsilon": 0.05}
EPSILONS = [0.05, 0.2]


@dataclass(frozen=True)
class Shattered:
    """A network whose gradients are another's: what rounding inside a network or random layers do."""

    network: toys.Linear
    false: toys.Linear | None

    def logits(self, x: np.ndarray) -> np.ndarray:
        return self.network.logits(x)

    def input_gradients(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits, slope = (self.false or self.network).input_gradients(x, y)
        return logits, slope if self.false else np.zeros_like(slope)


def check(models) -> dict[str, float]:
    dataset = toys.make_dataset()
    rows = np.flatnonzero(dataset.rows(1))
    x, y = dataset.x[rows], dataset.y[rows]
    records = toys.records_of(dataset, x, y)
    estimator = RateEstimator.of(dataset, "t", rows, 20, np.random.default_rng(0))
    white = [predict(models, dataset, pgd(models, records, SignSteps(e, e / 10, 20))) for e in EPSILONS]
    rng = np.random.default_rng(1)
    black = [predict(models, dataset, square(models, records, e, 100, rng)) for e in EPSILONS]
    extra = attack_for_checks(models, records, EPSILONS, SETTINGS)
    before = predict(models, dataset, x)
    found = masking_measures(estimator, EPSILONS, SETTINGS, before, np.stack(white), np.stack(black), extra)
    assert len({(row.measure, row.group) for row in found}) == len(found)
    return {row.measure: row.value for row in found if not row.group}


def test_an_honest_network_passes_every_check():
    assert set(check(toys.make_models()).values()) == {1.0}


@pytest.mark.parametrize("false", [None, toys.Linear(-toys.make_models().weight, np.zeros((3, 2)))])
def test_zeroed_and_misleading_gradients_are_flagged(false):
    found = check(Shattered(toys.make_models(), false))
    assert found["masking"] == found["masking_black_box"] == found["masking_unbounded"] == 0


def test_an_attack_may_be_weaker_by_chance_but_not_clearly():
    rng = np.random.default_rng(0)
    strong = rng.random((4, 100)) < 0.5
    assert not_weaker(strong, strong) and not_weaker(strong | True, strong)
    one_less = strong.copy()
    one_less[tuple(np.argwhere(strong)[0])] = False
    assert not_weaker(one_less, strong)
    clearly = strong & (rng.random((4, 100)) < 0.8)
    assert not not_weaker(clearly, strong)
