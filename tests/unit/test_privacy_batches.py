"""Poisson sampling: the law of its draws, bounded contributions, and passes that hold everybody once."""

import numpy as np
import pytest

from medpriv.privacy.batches import PoissonBatches, pass_sizes
from medpriv.seeds import generator


def drawn_units(batches: PoissonBatches, unit: np.ndarray, replicates: int) -> list[np.ndarray]:
    """Return the units that each replicate draws at the next step, each entered as often as drawn."""
    found: list[list[int]] = [[] for _ in range(replicates)]
    for part in batches.next():
        for k in range(replicates):
            rows, weights = part.rows[k].reshape(part.units, -1), part.weights[k].reshape(part.units, -1)
            assert set(np.round(weights.sum(1), 6)) <= {0.0, 1.0}
            found[k] += list(unit[rows[weights[:, 0] > 0, 0]])
    return [np.array(one, int) for one in found]


def test_each_member_is_drawn_independently_at_the_rate_and_others_never():
    unit, members = np.arange(60), np.arange(120).reshape(2, 60) % 3 > 0
    batches = PoissonBatches(unit, members, 0.3, 1, 12.0, [generator(0, k) for k in range(2)])
    hits = np.zeros((2000, 2, 60))
    for step in range(2000):
        for k, units in enumerate(drawn_units(batches, unit, 2)):
            np.add.at(hits[step, k], units, 1)
    assert hits.max() == 1
    for k in range(2):
        mine = hits[:, k][:, members[k]]
        assert not hits[:, k][:, ~members[k]].any()
        assert np.abs(mine.mean(0) - 0.3).max() < 5 * np.sqrt(0.3 * 0.7 / 2000)
        counts = mine.sum(1)  # Binomial(40, 0.3): a batch size that is drawn, not fixed
        assert counts.var() == pytest.approx(40 * 0.3 * 0.7, rel=0.15)
        assert np.abs(np.corrcoef(mine.T) - np.eye(40)).max() < 5 / np.sqrt(2000)


def test_empty_steps_have_no_pass_and_all_units_come_at_rate_1():
    unit, members = np.arange(50), np.ones((1, 50), bool)
    assert PoissonBatches(unit, members, 1e-12, 1, 1.0, [generator(0)]).next() == []
    assert PoissonBatches(unit, ~members, 0.5, 1, 1.0, [generator(0)]).next() == []  # nobody's training
    everybody = PoissonBatches(unit, members, 1.0, 1, 50.0, [generator(0)])
    assert sorted(drawn_units(everybody, unit, 1)[0]) == list(range(50))


def test_a_draw_far_beyond_the_average_is_handed_out_in_further_passes():
    unit, members = np.arange(500), np.ones((1, 500), bool)
    batches = PoissonBatches(unit, members, 0.5, 1, 20.0, [generator(0)])  # told to expect 20, draws 250
    parts = batches.next()
    assert [part.units for part in parts[:2]] == list(pass_sizes(0.5, 20.0)) == [32, 8]
    rows = np.concatenate([part.rows[0][part.weights[0] > 0] for part in parts])
    assert len(rows) == len(set(rows)) > 200


def test_a_unit_gives_its_own_records_up_to_the_bound_the_same_at_every_step():
    unit = np.repeat(np.arange(4), [1, 2, 3, 40])
    batches = PoissonBatches(unit, np.ones((1, 4), bool), 1.0, 3, 4.0, [generator(0)])
    steps = [batches.next()[0] for _ in range(3)]
    for part in steps:
        rows, weights = part.rows.reshape(-1, 3), part.weights.reshape(-1, 3)
        for place, count in enumerate([1, 2, 3, 3]):
            assert (weights[place] > 0).sum() == count
            assert set(unit[rows[place, :count]]) == {place} and len(set(rows[place, :count])) == count
            np.testing.assert_allclose(weights[place, :count], 1 / count)
        np.testing.assert_array_equal(part.rows, steps[0].rows)


def test_which_records_a_large_unit_gives_is_a_fair_draw():
    unit, times = np.zeros(10, int), np.zeros(10)
    for seed in range(2000):
        batches = PoissonBatches(unit, np.ones((1, 1), bool), 1.0, 3, 1.0, [generator(seed)])
        times[batches.next()[0].rows[0, :3]] += 1
    assert np.abs(times / 2000 - 0.3).max() < 5 * np.sqrt(0.3 * 0.7 / 2000)


def test_a_member_without_a_record_takes_no_part():
    unit = np.array([0, 0, 2])
    batches = PoissonBatches(unit, np.ones((1, 3), bool), 1.0, 2, 3.0, [generator(0)])
    assert sorted(drawn_units(batches, unit, 1)[0]) == [0, 2]
