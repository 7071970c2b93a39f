"""Secure aggregation: exact sums, uniform views, lost clients, refusals."""

import numpy as np
import pytest
from scipy import stats

from medpriv.errors import InputError
from medpriv.federated.secure import (
    PRIME,
    Participant,
    agree,
    decode,
    default_threshold,
    encode,
    join_shares,
    split_secret,
    unmask,
)


def run_round(vectors, threshold, seed=0, lost_first=(), lost_before=(), lost_after=()):
    """Run a round; return the masked vectors by client, and the unmasked sum.

    Clients are lost after publishing keys (`lost_first`), after sharing secrets (`lost_before` they answer), or after
    answering.
    """
    count = len(vectors)
    rng = np.random.default_rng(seed)
    clients = [Participant(index, count, threshold, rng.bytes) for index in range(count)]
    keys = {client.index: client.keys() for client in clients}
    clients = [client for client in clients if client.index not in lost_first]
    boxes = {client.index: client.share(keys) for client in clients}
    masked = {
        client.index: client.mask(
            encode(vectors[client.index], count),
            {sender: box[client.index] for sender, box in boxes.items() if sender != client.index},
        )
        for client in clients
        if client.index not in lost_before
    }
    revealed = {
        client.index: client.reveal(masked)
        for client in clients
        if client.index in masked and client.index not in lost_after
    }
    return masked, unmask(masked, revealed, keys, boxes, threshold)


@pytest.mark.parametrize("count", [2, 3, 7])
def test_sums_are_exact(count):
    rng = np.random.default_rng(1)
    vectors = rng.normal(0, 50, (count, 1000))
    _, total = run_round(vectors, default_threshold(count))
    assert np.array_equal(total, sum(encode(vector, count) for vector in vectors))
    np.testing.assert_allclose(decode(total), vectors.sum(0), atol=count * 2.0**-33)


@pytest.mark.parametrize("lost", [(1,), (0, 4)])
def test_a_client_lost_before_it_answered_is_left_out_of_the_sum(lost):
    vectors = np.random.default_rng(2).normal(0, 1, (5, 200))
    masked, total = run_round(vectors, 3, lost_before=lost)
    kept = [index for index in range(5) if index not in lost]
    assert sorted(masked) == kept
    assert np.array_equal(total, sum(encode(vectors[index], 5) for index in kept))


def test_a_client_lost_before_it_shared_its_secrets_is_in_nobodys_masks():
    vectors = np.random.default_rng(2).normal(0, 1, (5, 200))
    _, total = run_round(vectors, 3, lost_first=(3,), lost_before=(1,))
    assert np.array_equal(total, sum(encode(vectors[index], 5) for index in (0, 2, 4)))


def test_a_client_lost_after_it_answered_counts():
    vectors = np.random.default_rng(3).normal(0, 1, (5, 200))
    _, total = run_round(vectors, 3, lost_before=(2,), lost_after=(0,))
    assert np.array_equal(total, sum(encode(vectors[index], 5) for index in (0, 1, 3, 4)))


def test_too_few_survivors_are_refused_before_anything_is_unmasked():
    vectors = np.zeros((5, 8))
    with pytest.raises(InputError, match="only 3 clients answered, 4 are needed"):
        run_round(vectors, 4, lost_before=(0, 1))
    with pytest.raises(InputError, match="only 3 clients stayed to unmask the sum, 4 are needed"):
        run_round(vectors, 4, lost_after=(0, 1))


@pytest.mark.parametrize("subset", [(0,), (2,), (0, 1), (1, 3), (0, 1, 2), (1, 2, 3)])
def test_the_servers_view_of_any_strict_subset_is_uniform(subset):
    """Constant vectors, fresh keys: all eight bytes of a subset's sum are uniform, and independent of the vectors."""
    counts, values = np.zeros((8, 256)), []
    for seed in range(40):
        masked, _ = run_round(np.full((4, 64), 1.5), 3, seed)
        view = sum(masked[index] for index in subset)
        values.append(view / 2.0**64)
        for place, row in enumerate(view.view(np.uint8).reshape(-1, 8).T):
            counts[place] += np.bincount(row, minlength=256)
    assert stats.chisquare(counts, axis=1).pvalue.min() > 0.001 / 8
    assert stats.kstest(np.concatenate(values), "uniform").pvalue > 0.001
    first, second = np.stack(values)[:, ::2], np.stack(values)[:, 1::2]
    assert abs(stats.pearsonr(first.ravel(), second.ravel()).statistic) < 4 / np.sqrt(first.size)


def test_the_uniformity_test_sees_an_unmasked_vector():
    vector = encode(np.full(64 * 40, 1.5), 4)
    assert stats.kstest(vector / 2.0**64, "uniform").pvalue < 1e-10


def test_all_answers_together_stay_masked_until_clients_reveal():
    """Pairwise masks cancel in the whole sum; the self masks don't."""
    vectors = np.full((3, 500), 0.25)
    masked, total = run_round(vectors, 2)
    assert np.array_equal(total, sum(encode(vector, 3) for vector in vectors))
    assert stats.kstest(sum(masked.values()) / 2.0**64, "uniform").pvalue > 0.001


def test_no_client_gives_both_shares_of_another():
    rng = np.random.default_rng(0)
    clients = [Participant(index, 3, 2, rng.bytes) for index in range(3)]
    keys = {client.index: client.keys() for client in clients}
    boxes = [client.share(keys) for client in clients]
    for client in clients:
        others = [index for index in range(3) if index != client.index]
        client.mask(encode(np.zeros(4), 3), {sender: boxes[sender][client.index] for sender in others})
    clients[0].reveal({0, 1})
    with pytest.raises(InputError, match="asked twice in one round, or out of turn, to reveal"):
        clients[0].reveal({0, 1, 2})


def test_a_client_takes_each_step_of_a_round_once():
    """Shares sealed twice use a key's nonce twice; vectors masked twice tell their difference."""
    clients = [Participant(index, 2, 2) for index in range(2)]
    keys = {client.index: client.keys() for client in clients}
    boxes = {client.index: client.share(keys) for client in clients}
    with pytest.raises(InputError, match="twice in one round, or out of turn, to share"):
        clients[0].share(keys)
    with pytest.raises(InputError, match="out of turn, to reveal"):
        clients[1].reveal({0, 1})
    clients[0].mask(encode(np.zeros(4), 2), {1: boxes[1][0]})
    with pytest.raises(InputError, match="twice in one round, or out of turn, to mask"):
        clients[0].mask(encode(np.ones(4), 2), {1: boxes[1][0]})


def test_spoilt_shares_are_noticed_before_anything_is_unmasked():
    draw = np.random.default_rng(0).bytes
    shares, others = (split_secret(bytes(range(32)), range(3), 2, draw) for _ in range(2))
    with pytest.raises(InputError, match="don't fit together"):
        join_shares({0: shares[0], 1: others[1]}, 2)


def test_fewer_shares_than_the_threshold_say_nothing_and_enough_say_all():
    rng = np.random.default_rng(0)
    secret = bytes(range(32))
    shares = split_secret(secret, range(5), 3, rng.bytes)
    assert all(join_shares({i: shares[i] for i in some}, 3) == secret for some in ((0, 1, 2), (4, 2, 0), (1, 3, 4)))
    with pytest.raises(InputError, match="only 2 clients gave a share"):
        join_shares({0: shares[0], 1: shares[1]}, 3)
    lows = [int.from_bytes(split_secret(secret, range(2), 2, rng.bytes)[0], "big") / PRIME for _ in range(500)]
    assert stats.kstest(lows, "uniform").pvalue > 0.001


def test_changed_shares_are_refused():
    rng = np.random.default_rng(0)
    clients = [Participant(index, 2, 2, rng.bytes) for index in range(2)]
    keys = {client.index: client.keys() for client in clients}
    box = clients[0].share(keys)[1]
    clients[1].share(keys)
    with pytest.raises(InputError, match="changed on their way"):
        clients[1].mask(encode(np.zeros(1), 2), {0: box[:-1] + bytes([box[-1] ^ 1])})


@pytest.mark.parametrize("value", [2.0**29, np.nan, -np.inf])
def test_values_that_could_overflow_are_refused(value):
    assert decode(sum(encode(np.array([-(2.0**29) + 1]), 4) for _ in range(4))) == 4 * (-(2.0**29) + 1)
    with pytest.raises(InputError, match="can't be added securely"):
        encode(np.array([0.0, value]), 4)


def test_a_threshold_of_half_the_clients_is_refused():
    with pytest.raises(InputError, match="threshold of 2 for 4"):
        Participant(0, 4, 2)


def test_keys_agree_both_ways_and_differ_by_purpose():
    rng = np.random.default_rng(0)
    one, two = (Participant(index, 2, 2, rng.bytes) for index in range(2))
    ways = agree(one._mask_key, two.keys().mask, b"mask"), agree(two._mask_key, one.keys().mask, b"mask")
    assert ways[0] == ways[1] != agree(one._mask_key, two.keys().mask, b"shares")


def test_keys_come_from_the_operating_system_unless_told_otherwise():
    assert Participant(0, 3, 2).keys() != Participant(0, 3, 2).keys()
