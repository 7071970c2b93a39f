"""Rates and means over attacked records: what they are of, whom they rest on, and that none has nothing behind it."""

import numpy as np
import pytest

from medpriv.measures.bootstrap import PatientBootstrap
from medpriv.measures.flips import RateEstimator, flip_measures

PATIENT = np.array([0, 0, 1, 1, 2, 2])  # three people with two records each
Y = np.array([0, 1, 0, 1, 0, 1])


def make_records(draws: int = 200) -> RateEstimator:
    bootstrap = PatientBootstrap.draw(np.random.default_rng(0), 3, draws)
    return RateEstimator("toy", "t", ("N", "V", "F"), Y, PATIENT, bootstrap)


def test_n_counts_the_records_that_any_replicate_had_right_and_patients_whose_they_are():
    before = np.tile(1 - Y, (4, 1))  # four replicates, nearly nothing right
    before[0, 0], before[1, 1], before[2, 2] = Y[0], Y[1], Y[2]
    after = np.tile(1 - Y, (1, 4, 1))
    after[0, 2, 2] = Y[2]
    found = {(row.measure, row.group): row for row in flip_measures(make_records(), "a", [0.1], before, after)}
    every = found["flip_rate", "budget=0.1"]
    assert every.value == pytest.approx(2 / 3)  # of three replicates with one record right each; the fourth has none
    assert (every.n, every.patients) == (3, 2)
    normal = found["flip_rate", "budget=0.1,class=N"]
    assert normal.value == pytest.approx(1 / 2) and (normal.n, normal.patients) == (2, 2)
    kept = found["accuracy_under_attack", "budget=0"]
    assert (kept.n, kept.patients) == (6, 3)


def test_what_nobody_had_right_and_a_class_without_records_have_no_value():
    before, after = np.tile(1 - Y, (4, 1)), np.tile(1 - Y, (1, 4, 1))
    found = {(row.measure, row.group): row for row in flip_measures(make_records(), "a", [0.1], before, after)}
    for key in (("flip_rate", "budget=0.1"), ("accuracy_under_attack", "budget=0,class=F")):
        row = found[key]
        assert np.isnan([row.value, row.lower, row.upper]).all() and row.n == row.patients == 0
    assert all(np.isnan(row.value) or row.n > 0 for row in found.values())


def test_counts_and_values_equal_a_loop_over_records_and_replicates():
    rng = np.random.default_rng(1)
    patient, y = rng.integers(0, 5, 30), rng.integers(0, 2, 30)
    people, place = np.unique(patient, return_inverse=True)
    estimator = RateEstimator("toy", "t", ("N", "V"), y, place, PatientBootstrap.draw(rng, len(people), 50))
    before = np.where(rng.random((3, 30)) < 0.1, y, 1 - y)
    after = np.where(rng.random((1, 3, 30)) < 0.5, y, 1 - y)
    found = {(row.measure, row.group): row for row in flip_measures(estimator, "a", [0.1], before, after)}
    for label, wanted in (("", (0, 1)), (",class=N", (0,)), (",class=V", (1,))):
        shares, rows = [], set()
        for k in range(3):
            right = [i for i in range(30) if y[i] in wanted and before[k, i] == y[i]]
            rows |= set(right)
            if right:
                shares.append(sum(after[0, k, i] != y[i] for i in right) / len(right))
        row = found["flip_rate", f"budget=0.1{label}"]
        assert row.value == pytest.approx(np.mean(shares))
        assert (row.n, row.patients) == (len(rows), len({patient[i] for i in rows}))


def test_a_mean_leaves_out_what_is_not_finite_and_counts_the_rest():
    values = np.full((2, 6), np.nan)
    values[0, :3], values[1, 0], values[1, 5] = (1.0, 2.0, 3.0), np.inf, -np.inf
    row = make_records().mean("a", "snr_db", values, "")
    assert row.value == 2 and (row.n, row.patients) == (3, 2) and np.isfinite([row.lower, row.upper]).all()
    nothing = make_records().mean("a", "snr_db", np.full((2, 6), np.inf), "")
    assert np.isnan([nothing.value, nothing.lower, nothing.upper]).all() and nothing.n == nothing.patients == 0
