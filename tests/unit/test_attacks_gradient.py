"""FGSM and PGD against networks whose best attack is known in closed form."""

import attacked_toys as toys
import numpy as np
import pytest

from medpriv.attacks.attacked_records import SignSteps
from medpriv.attacks.gradient import fgsm, loss_gradient, pgd
from medpriv.attacks.target_models import margins, predict, signal_mask, standardise


@pytest.fixture(scope="module")
def dataset():
    return toys.make_dataset()


@pytest.fixture(scope="module")
def models():
    return toys.make_models()


def reach(models, dataset, x, y, target=None):
    return margins(models.logits(standardise(dataset, x)), y, target)


def test_fgsm_and_pgd_move_a_linear_margin_by_epsilon_times_the_l1_norm_of_its_weights_per_millivolt(dataset, models):
    x, y, epsilon = dataset.x[:6], np.ones(6, int), 0.05
    records = toys.records_of(dataset, x, y)
    weight = (models.weight[:, 1] - models.weight[:, 0]) / dataset.scale
    optimum = reach(models, dataset, x, y) + epsilon * np.abs(weight).sum(axis=(1, 2))[:, None]
    single = fgsm(models, records, epsilon)
    np.testing.assert_allclose(reach(models, dataset, single, y), optimum, rtol=1e-4)
    many = pgd(models, records, SignSteps(epsilon, epsilon / 10, 12))
    np.testing.assert_allclose(many, single, atol=1e-6)
    # From anywhere in the box, 20 steps of a tenth reach the same corner.
    again = pgd(
        models,
        records,
        SignSteps(epsilon, epsilon / 10, 21),
        restarts=2,
        rng=np.random.default_rng(0),
    )
    np.testing.assert_allclose(again, single, atol=1e-6)


def test_a_targeted_attack_goes_the_other_way_when_there_are_two_classes(dataset, models):
    x, y = dataset.x[:6], dataset.y[:6]
    away = pgd(models, toys.records_of(dataset, x, y), SignSteps(0.05, 0.01, 6))
    towards = pgd(models, toys.records_of(dataset, x, y, target=1 - y), SignSteps(0.05, 0.01, 6))
    np.testing.assert_allclose(towards, away, atol=1e-7)
    np.testing.assert_allclose(reach(models, dataset, away, y), reach(models, dataset, away, y, 1 - y))


def test_pgd_beats_fgsm_where_the_gradient_turns_on_the_way(dataset):
    shape = (1, toys.LEADS, toys.SAMPLES)
    bowl = toys.Bowl(np.full(shape, -1.0), np.full(shape, 0.3), level=-50.0)  # each sample is best at 0.15
    x, y = np.zeros((4, toys.LEADS, toys.SAMPLES), np.float32) + dataset.centre, np.zeros(4, int)
    records = toys.records_of(dataset, x, y)
    single = reach(bowl, dataset, fgsm(bowl, records, 0.5), y)
    many = reach(bowl, dataset, pgd(bowl, records, SignSteps(0.5, 0.02, 40)), y)
    assert (many > single + 1).all()
    np.testing.assert_allclose(many, 50 + toys.LEADS * toys.SAMPLES * 0.15**2, rtol=0.01)


def test_a_restart_is_kept_where_it_reaches_more_and_only_there(dataset):
    shape = (1, toys.LEADS, toys.SAMPLES)
    bowl = toys.Bowl(np.ones(shape), np.full(shape, 1e-3), level=100.0)  # two hills: climbing from 0 takes the near one
    x, y = np.zeros((5, toys.LEADS, toys.SAMPLES), np.float32) + dataset.centre, np.zeros(5, int)
    records = toys.records_of(dataset, x, y)
    once = pgd(bowl, records, SignSteps(0.3, 0.03, 20))
    more = pgd(bowl, records, SignSteps(0.3, 0.03, 20), restarts=3, rng=np.random.default_rng(0))
    assert (reach(bowl, dataset, more, y) >= reach(bowl, dataset, once, y)).all()
    with pytest.raises(AttributeError):  # a bug of the caller
        pgd(bowl, records, SignSteps(0.3, 0.03, 20), restarts=1)  # without a generator


@pytest.mark.parametrize("restarts", [0, 2])
def test_no_sample_changes_by_more_than_epsilon_and_padding_not_at_all(dataset, models, restarts):
    valid = np.tile(np.array([[10, 50]], np.int32), (len(dataset.y), 1))
    padded = toys.make_dataset(valid=valid)
    x, y, inside = padded.x[:8], padded.y[:8], signal_mask(padded, np.arange(8))
    for attacked in (
        pgd(
            models,
            toys.records_of(padded, x, y, inside=inside),
            SignSteps(0.03, 0.004, 11),
            restarts,
            rng=np.random.default_rng(0),
        ),
        fgsm(models, toys.records_of(padded, x, y, inside=inside), 0.03),
    ):
        delta = attacked - x
        assert 0.0299 < np.abs(delta).max() <= 0.03 + 1e-6
        assert not delta[..., :10].any() and not delta[..., 50:].any()
        assert delta[..., 10:50].any(axis=(0, 1, 2)).all()


def test_larger_budgets_reach_more(dataset, models):
    x, y = dataset.x[:20], dataset.y[:20]
    flips = [
        (predict(models, dataset, pgd(models, toys.records_of(dataset, x, y), SignSteps(e, e / 10, 12))) != y).sum()
        for e in (0.01, 0.1, 1.0)
    ]
    assert flips == sorted(flips) and flips[-1] == 60


def test_each_network_is_attacked_as_if_it_were_alone(dataset, models):
    x, y = dataset.x[:5], dataset.y[:5]
    records = toys.records_of(dataset, x, y)
    together = pgd(models, records, SignSteps(0.05, 0.01, 7))
    for k in range(3):
        one = toys.Linear(models.weight[[k]], models.bias[[k]])
        np.testing.assert_array_equal(pgd(one, records, SignSteps(0.05, 0.01, 7))[0], together[k])
        np.testing.assert_array_equal(
            pgd(one, toys.records_of(dataset, x[None], y), SignSteps(0.05, 0.01, 7))[0], together[k]
        )


def test_the_loss_gradient_is_the_slope_of_the_cross_entropy(dataset, models):
    x, y = dataset.x[:3], dataset.y[:3]
    slope = loss_gradient(models, toys.records_of(dataset, x, y), x)

    def loss(signal):
        logits = models.logits(standardise(dataset, signal).astype(float))
        return (
            np.log(np.exp(logits).sum(axis=2)) - np.take_along_axis(logits, np.tile(y[:, None], (3, 1, 1)), 2)[..., 0]
        )

    bump = np.zeros_like(x)
    bump[:, 1, 7] = 0.01
    moved = (loss(x + bump) - loss(x - bump)) / 0.02 * dataset.scale[1, 0]
    np.testing.assert_allclose(slope[..., 1, 7], moved, rtol=1e-2)


def test_margins_are_positive_where_the_attacker_has_won():
    logits = np.array([[[2.0, 1.0, 0.5], [0.0, 3.0, 1.0]]])
    y, target = np.array([0, 0]), np.array([1, 2])
    np.testing.assert_allclose(margins(logits, y), [[-1.0, 3.0]])
    np.testing.assert_allclose(margins(logits, y, target), [[-1.0, -2.0]])
