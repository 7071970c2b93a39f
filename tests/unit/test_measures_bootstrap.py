"""A draw is the sample with patients and replicates repeated: every sum, rate and mean equals that of the repeats."""

import tracemalloc

import numpy as np
import pytest

from medpriv.measures import bootstrap
from medpriv.measures.bootstrap import PatientBootstrap


def repeated(table: np.ndarray, draws: PatientBootstrap, b: int) -> np.ndarray:
    """Return a table [K, P] with its rows and columns as often as draw b takes them."""
    return table.repeat(draws.replicates[b].astype(int), 0).repeat(draws.patients[b].astype(int), 1)


def test_the_sample_comes_first_and_every_draw_takes_as_many():
    draws = PatientBootstrap.draw(np.random.default_rng(1), 5, 20, 3)
    for counts, size in ((draws.patients, 5), (draws.replicates, 3)):
        assert counts.shape == (21, size) and (counts[0] == 1).all() and (counts.sum(axis=1) == size).all()
        assert counts[1:].std() > 0
    assert (PatientBootstrap.draw(np.random.default_rng(1), 5, 20).replicates == 1).all()


def test_a_ratio_over_pairs_is_that_of_the_table_with_rows_and_columns_repeated():
    rng = np.random.default_rng(0)
    draws = PatientBootstrap.draw(np.random.default_rng(1), 4, 20, 3)
    part, whole = rng.random((3, 4)), rng.random((3, 4)) + 1
    found = draws.ratio(part, whole)
    for b in range(21):
        assert found[b] == pytest.approx(repeated(part, draws, b).sum() / repeated(whole, draws, b).sum(), rel=1e-6)
    assert found[0] == pytest.approx(part.sum() / whole.sum())


def test_a_mean_over_pairs_leaves_out_what_has_no_value_and_takes_values_of_each_draw():
    draws = PatientBootstrap.draw(np.random.default_rng(1), 3, 5, 2)
    values = np.array([[1.0, np.nan, 2.0], [3.0, 4.0, np.nan]])
    assert draws.mean(values)[0] == 2.5
    np.testing.assert_allclose(draws.mean(np.broadcast_to(values, (6, 2, 3))), draws.mean(values))
    assert np.isnan(draws.mean(np.full((2, 3), np.nan))).all()


@pytest.mark.parametrize("own_records", [False, True])
def test_rates_and_their_mean_equal_a_loop_over_draws_replicates_and_records(own_records):
    rng = np.random.default_rng(2)
    draws = PatientBootstrap.draw(rng, 6, 10, 4)
    of = rng.random((4, 30)) < 0.7
    of[1] = False  # a replicate that counts nothing
    hits = of & (rng.random((4, 30)) < 0.5)
    patient = rng.integers(0, 6, (4, 30) if own_records else 30)
    rates = draws.rates(hits, of, patient)
    mean = draws.over_replicates(rates)
    for b in range(11):
        total = count = 0.0
        for k in range(4):
            times = draws.patients[b, patient[k] if own_records else patient]
            if not (times * of[k]).sum():
                assert np.isnan(rates[b, k])
                continue
            assert rates[b, k] == pytest.approx((times * hits[k]).sum() / (times * of[k]).sum())
            total, count = total + draws.replicates[b, k] * rates[b, k], count + draws.replicates[b, k]
        assert mean[b] == pytest.approx(total / count)


def test_a_pair_is_drawn_as_often_as_its_patient_times_its_replicate():
    draws = PatientBootstrap.draw(np.random.default_rng(3), 3, 8, 2)
    values = np.arange(6.0).reshape(2, 3)
    replicate, patient = np.indices((2, 3)).reshape(2, -1)
    np.testing.assert_allclose(draws.of_pairs(replicate, patient) @ values.ravel(), draws.total(values))


def test_large_sets_are_drawn_and_summed_in_parts_that_say_the_same(monkeypatch):
    patient = np.random.default_rng(3).integers(0, 50, 200)
    values = np.random.default_rng(4).random((6, 200, 3))
    whole = PatientBootstrap.draw(np.random.default_rng(1), 50, 30, 6)
    sums = whole.sums(values, patient)
    monkeypatch.setattr(bootstrap, "_ELEMENTS", 350)  # 7 draws at a time, and 3 replicates
    parts = PatientBootstrap.draw(np.random.default_rng(1), 50, 30, 6)
    assert (parts.patients == whole.patients).all() and (parts.replicates == whole.replicates).all()
    np.testing.assert_allclose(parts.sums(values, patient), sums, rtol=1e-12)
    assert parts.sums(iter(values), patient).shape == sums.shape == (31, 6, 3)


def test_memory_beside_draws_and_sums_stays_small(monkeypatch):
    monkeypatch.setattr(bootstrap, "_ELEMENTS", 40_000)
    tracemalloc.start()
    try:
        draws = PatientBootstrap.draw(np.random.default_rng(1), 2000, 500)
        assert tracemalloc.get_traced_memory()[1] < 1.3 * draws.patients.nbytes
        tracemalloc.reset_peak()
        draws.sums((np.ones((2000, 20)) for _ in range(32)), np.arange(2000))
        kept = 501 * 32 * 20 * 8  # the sums, which are joined once
        assert tracemalloc.get_traced_memory()[1] < draws.patients.nbytes + 2 * kept + 3_000_000
    finally:
        tracemalloc.stop()
