"""The order in which records are seen."""

import numpy as np
import pytest

from medpriv.bank.batches import Batches, count_updates
from medpriv.bank.optimiser import cosine
from medpriv.seeds import generator


def stream(sizes: list[int], batch_size: int, batches: int) -> np.ndarray:
    """Return [K, batches * batch_size] record numbers for replicates with so many of 50 records."""
    members = np.arange(50) < np.array(sizes)[:, None]
    source = Batches(members, batch_size, [generator(1, k) for k in range(len(sizes))])
    return np.concatenate([source.next().copy() for _ in range(batches)], axis=1)


@pytest.mark.parametrize("size", [3, 16, 37])
def test_every_pass_sees_each_own_record_once(size):
    seen = stream([size], batch_size=16, batches=20)[0]
    for start in range(0, len(seen) - size, size):
        assert sorted(seen[start : start + size]) == list(range(size))


def test_a_replicates_batches_do_not_depend_on_the_others():
    np.testing.assert_array_equal(stream([20], 8, 10)[0], stream([20, 33, 5], 8, 10)[0])


@pytest.mark.parametrize(
    ("records", "epochs", "batch_size", "updates"), [(64, 3, 64, 3), (65, 3, 64, 6), (5, 2, 64, 2), (2250, 10, 64, 360)]
)
def test_updates_are_whole_batches_that_cover_the_records(records, epochs, batch_size, updates):
    assert count_updates(records, epochs, batch_size) == updates


def test_the_learning_rate_falls_from_one_to_zero_along_a_half_cosine():
    assert [cosine(step, 4) for step in (0, 2, 4)] == pytest.approx([1, 0.5, 0])
