"""Labels from returned gradients."""

import numpy as np
import pytest
from split_server_toys import CUT, toy_bank, toy_context, toy_scorer

from medpriv.attacks.split_server import labels
from medpriv.attacks.split_server.context import build_context
from medpriv.attacks.split_server.labels import infer_labels, name_heaps, sort_heaps
from medpriv.treatments.split import train_replicates


def test_heaps_are_what_lies_together():
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=90)
    values = np.array([[0, 0], [5, 0], [0, 5]])[truth] + rng.normal(size=(90, 2)) * 0.3
    heap = sort_heaps(values, 3)
    assert all(len(set(heap[truth == cls])) == 1 for cls in range(3)) and len(set(heap)) == 3


def test_heaps_are_named_by_their_known_records_or_by_all_known():
    heap, labels = np.array([0, 0, 0, 1, 1, 2]), np.array([1, 1, 0, 0, 0, 1])
    known = np.array([True, True, False, True, False, False])
    assert name_heaps(heap, labels, known).tolist() == [1, 1, 1, 0, 0, 1]


def test_the_direction_of_the_returned_gradient_gives_every_label_of_a_binary_task_away():
    measures = infer_labels(toy_scorer(toy_context("ushaped")), known=3)
    found = {(m.attack, m.measure, m.group): m for m in measures}
    for moment in ("first", "last"):
        direction = found["cut-labels-direction", "accuracy", f"moment={moment}"]
        assert direction.value > 0.99 and 0.5 < direction.lower < 0.99  # 1 of so many people is not 1 of all
        assert 5 * 16 - 6 < direction.n < 2 * (5 * 16 - 6)  # records of either replicate's epoch, less those known
        assert 0 < direction.patients <= 40
        assert found["cut-labels-direction", "accuracy_majority", f"moment={moment}"].value < 0.7


def test_a_known_record_is_not_scored_when_it_comes_again(monkeypatch):
    scorer = toy_scorer(toy_context("ushaped"))
    y = scorer.context.dataset.y
    [well, sick], others = [np.flatnonzero(y == cls)[:2] for cls in (0, 1)], np.flatnonzero(y == 1)[2:5]
    rows = np.concatenate([well, sick, well, well, others])[None].repeat(2, 0)
    slopes = np.random.default_rng(0).normal(size=(*rows.shape, 3)).astype(np.float32)
    monkeypatch.setattr(labels, "_watch_epochs", lambda context: {"first": (rows, slopes)})
    assert {m.n for m in infer_labels(scorer, known=1)} == {5}  # well[1], sick[1] and the others, each once


def test_a_class_that_is_not_scored_does_not_count_as_wrong():
    scorer = toy_scorer(toy_context("ushaped"))
    rows = scorer.context.victims
    truth = scorer.context.dataset.y[rows]
    found = {m.measure: m for m in labels._figures(scorer, "x", rows, truth, truth == 0, "")}
    assert found["balanced_accuracy"].value == found["balanced_accuracy"].upper == 1
    assert found["accuracy"].n == len(np.unique(rows[truth == 0]))


def test_what_is_watched_is_the_banks_own_training():
    """The replay ends with the bank's parameters, so what it showed is what the server saw."""
    dataset, bank = toy_bank("ushaped")
    context = build_context(dataset, bank, CUT, seed=1)
    again = train_replicates(dataset, context.split, context.members, context.replicates, seed=1)
    for name, value in again.items():
        np.testing.assert_array_equal(value, bank.weights[name][:2])


@pytest.mark.parametrize("heaps", [2, 3])
def test_equal_values_are_one_heap(heaps):
    assert len(set(sort_heaps(np.ones((10, 2)), heaps))) == 1
