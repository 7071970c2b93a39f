"""Turns and batches of clients: everybody's share, nobody's records but the client's."""

import numpy as np

from medpriv.seeds import generator
from medpriv.split.client_schedule import ClientBatches, client_turns


def test_clients_get_their_share_of_updates_in_every_epoch_and_in_order():
    turns = client_turns(np.array([[30, 10, 0], [1, 1, 2]]), epochs=2, updates=4)
    assert turns.tolist() == [[0, 0, 0, 1, 0, 0, 0, 1], [0, 1, 2, 2, 0, 1, 2, 2]]


def test_a_small_clients_share_adds_up_over_epochs():
    counts = np.array([[95, 5]])
    turns = client_turns(counts, epochs=20, updates=5).reshape(20, 5)
    assert (turns == 1).sum() == 5  # a twentieth of 100
    assert (turns == 1).sum(1).max() == 1  # and not at once


def test_shares_that_do_not_divide_are_off_by_less_than_one_update():
    counts = generator(0, "counts").integers(0, 40, (50, 5))
    turns = client_turns(counts, epochs=7, updates=3)
    given = np.stack([np.bincount(row, minlength=5) for row in turns])
    assert np.abs(given - counts / counts.sum(1, keepdims=True) * 21).max() < 2
    assert not given[counts == 0].any()


def test_a_batch_is_of_one_clients_members_and_the_same_whoever_else_is_asked():
    client = np.arange(40) % 2
    members = np.tile(np.arange(40) < 20, (2, 1))

    def batches() -> ClientBatches:
        return ClientBatches(members, client, 4, [[generator(0, k, c) for c in range(2)] for k in range(2)])

    first = batches()
    rows = [first.next(np.array([0, 1])).copy() for _ in range(5)]
    assert set(np.concatenate([batch[0] for batch in rows])) == set(range(0, 20, 2))
    assert set(np.concatenate([batch[1] for batch in rows])) <= set(range(1, 20, 2))
    second = batches()
    second.next(np.array([1, 0]))
    np.testing.assert_array_equal(second.next(np.array([0, 1]))[0], rows[0][0])


def test_all_clients_at_once_and_one_without_records_stands_in_for_nobody_elses_members():
    members = np.array([[True] * 6 + [False] * 6])
    batches = ClientBatches(members, np.repeat([0, 1, 2], 4), 4, [[generator(0, c) for c in range(3)]])
    rows = batches.all()
    assert rows.shape == (1, 3, 4)
    assert set(rows[0, 0]) == {0, 1, 2, 3}
    assert set(rows[0, 1]) == {4, 5}
    np.testing.assert_array_equal(rows[0, 2], rows[0, 0])
