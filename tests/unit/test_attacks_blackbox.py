"""The square attack: it needs no gradient, keeps its box, and finds what a linear network's best attack is."""

from dataclasses import dataclass

import attacked_toys as toys
import numpy as np

from medpriv.attacks.blackbox import square, window_length
from medpriv.attacks.gradient import fgsm
from medpriv.attacks.target_models import margins, signal_mask, standardise


@dataclass(frozen=True)
class LogitsOnly:
    """A network behind a service: no gradients."""

    network: toys.Linear

    def logits(self, x: np.ndarray) -> np.ndarray:
        return self.network.logits(x)

    def input_gradients(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        raise AssertionError("a black-box attack asked for gradients")


def reach(models, dataset, x, y):
    return margins(models.logits(standardise(dataset, x)), y)


def test_square_needs_logits_alone_and_is_never_worse_than_no_attack_nor_better_than_the_best():
    dataset, models = toys.make_dataset(), toys.make_models()
    x, y = dataset.x[:6], dataset.y[:6]
    records = toys.records_of(dataset, x, y)
    attacked = square(LogitsOnly(models), records, 0.05, 600, np.random.default_rng(0))
    found, clean = reach(models, dataset, attacked, y), reach(models, dataset, x, y)
    optimum = fgsm(models, records, 0.05)  # of a linear network
    best = reach(models, dataset, optimum, y)
    assert (found >= clean).all() and (found <= best + 1e-4).all()
    assert ((found - clean) / (best - clean)).mean() > 0.6
    size = np.abs(attacked - x)
    assert size.max() <= 0.05 + 1e-6 and (size > 0.05 - 1e-6).mean() > 0.99  # corners of the box


def test_more_queries_reach_more_and_padding_is_left_alone():
    valid = np.tile(np.array([[5, 60]], np.int32), (120, 1))
    dataset, models = toys.make_dataset(valid=valid), toys.make_models()
    x, y, inside = dataset.x[:6], dataset.y[:6], signal_mask(dataset, np.arange(6))
    few, many = (
        square(models, toys.records_of(dataset, x, y, inside=inside), 0.05, queries, np.random.default_rng(0))
        for queries in (3, 80)
    )
    assert reach(models, dataset, many, y).mean() > reach(models, dataset, few, y).mean()
    assert not (many - x)[..., :5].any() and not (many - x)[..., 60:].any() and (many - x)[..., 5:60].any()


def test_windows_shrink_on_the_published_schedule():
    lengths = [window_length(query, 10_000, (1000,)) for query in (1, 9, 10, 50, 200, 8000, 9999)]
    assert lengths == [800, 800, 400, 200, 100, 2, 2]
    assert window_length(99, 100, (8,)) == 1
    assert [window_length(query, 10_000, (28, 28)) for query in (1, 10, 200, 9999)] == [25, 18, 9, 1]
