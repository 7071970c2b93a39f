"""Labels from returned gradients."""

import numpy as np
import pytest
from cut_toys import CUT, toy_bank, toy_jury, toy_scene

from medpriv.attacks.cut.labels import infer_labels, name_heaps, sort_heaps
from medpriv.attacks.cut.scene import set_scene
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
    measures = infer_labels(toy_jury(toy_scene("ushaped")), known=3)
    found = {(m.attack, m.measure, m.group): m for m in measures}
    for moment in ("first", "last"):
        direction = found["cut-labels-direction", "accuracy", f"moment={moment}"]
        assert direction.value > 0.99
        assert direction.n == 2 * (5 * 16 - 6)  # an epoch's records of two replicates, less those known
        assert found["cut-labels-direction", "accuracy_majority", f"moment={moment}"].value < 0.7


def test_what_is_watched_is_the_banks_own_training():
    """The replay ends with the bank's parameters, so what it showed is what the server saw."""
    dataset, bank = toy_bank("ushaped")
    scene = set_scene(dataset, bank, CUT, seed=1)
    again = train_replicates(dataset, scene.split, scene.members, scene.replicates, seed=1)
    for name, value in again.items():
        np.testing.assert_array_equal(value, bank.parameters[name][:2])


@pytest.mark.parametrize("heaps", [2, 3])
def test_equal_values_are_one_heap(heaps):
    assert len(set(sort_heaps(np.ones((10, 2)), heaps))) == 1
