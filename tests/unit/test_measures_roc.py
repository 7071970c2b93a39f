"""ROC measures against scikit-learn, closed forms and loops."""

import numpy as np
import pytest

from medpriv.measures.exposure import pair_exposure
from medpriv.measures.intervals import draw_patients
from medpriv.measures.roc import auc, best_threshold, bootstrap_roc, tpr_at


def draw_case(seed: int, n: int = 300, steps: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.4
    scores = rng.normal(0.7 * positive, 1)
    return (np.round(scores * steps) / steps if steps else scores), positive


@pytest.mark.parametrize("steps", [None, 2])
def test_auc_equals_scikit_learns(steps):
    from sklearn.metrics import roc_auc_score

    scores, positive = draw_case(0, steps=steps)
    assert auc(scores, positive) == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)


def test_auc_of_one_side_alone_has_no_value():
    assert np.isnan(auc(np.arange(3.0), np.ones(3, bool)))


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.5, 1.0])
def test_tpr_equals_the_best_operating_point_of_scikit_learns_curve(rate):
    from sklearn.metrics import roc_curve

    scores, positive = draw_case(1)
    fpr, tpr, _ = roc_curve(positive, scores, drop_intermediate=False)
    assert tpr_at(scores, positive, rate) == pytest.approx(tpr[fpr <= rate + 1e-12].max())


def test_tpr_at_a_rate_finer_than_one_negative_has_no_value():
    scores, positive = np.arange(100.0), np.arange(100) >= 50
    assert np.isnan(tpr_at(scores, positive, 0.019))
    assert tpr_at(scores, positive, 0.02) == 1.0


def test_best_threshold_separates_what_can_be_separated():
    scores, positive = np.array([0.0, 1.0, 2.0, 3.0]), np.array([False, False, True, True])
    assert best_threshold(scores, positive) == 1.5
    assert best_threshold(scores, ~positive) < 0.0  # nothing better than calling everyone a member
    assert best_threshold(np.zeros(4), positive) < 0.0


@pytest.mark.parametrize("steps", [None, 2])
def test_bootstrapped_curve_of_the_sample_itself_is_the_exact_one(steps):
    scores, positive = draw_case(2, steps=steps)
    patient = np.arange(300) // 3
    rates = np.array([0.02, 0.1, 0.4])
    draws = bootstrap_roc(scores, positive, patient, np.ones((1, 100), np.float32), rates)
    assert draws.auc[0] == pytest.approx(auc(scores, positive), abs=2e-3)
    exact = [tpr_at(scores, positive, rate) for rate in rates]
    assert draws.tpr[0] == pytest.approx(exact, abs=0.03 if steps is None else 1e-6)


def test_bootstrap_equals_a_slow_one_that_copies_the_patients_records():
    rng = np.random.default_rng(3)
    patient = np.repeat(np.arange(20), 4)
    positive, scores = np.repeat(rng.random(20) < 0.5, 4), rng.normal(0, 1, 80)
    weights = draw_patients(rng, 20, 30)
    fast = bootstrap_roc(scores, positive, patient, weights, np.array([0.1]))
    for draw, drawn in enumerate(weights):
        copies = np.repeat(np.arange(80), drawn[patient].astype(int))
        assert fast.auc[draw] == pytest.approx(auc(scores[copies], positive[copies]), abs=1e-6)
        assert fast.tpr[draw, 0] == pytest.approx(tpr_at(scores[copies], positive[copies], 0.1), abs=1e-6)


def test_duplicated_records_do_not_narrow_the_patient_bootstrap_as_they_narrow_a_record_bootstrap():
    scores, positive = draw_case(4, n=60)
    weights = draw_patients(np.random.default_rng(0), 60, 400)
    once = bootstrap_roc(scores, positive, np.arange(60), weights, np.empty(0)).auc
    ten = (np.repeat(scores, 10), np.repeat(positive, 10))
    by_patient = bootstrap_roc(*ten, np.repeat(np.arange(60), 10), weights, np.empty(0)).auc
    record_weights = draw_patients(np.random.default_rng(0), 600, 400)
    by_record = bootstrap_roc(*ten, np.arange(600), record_weights, np.empty(0)).auc
    np.testing.assert_allclose(by_patient, once, atol=1e-6)
    assert by_patient.std() > 2.5 * by_record.std()


def test_a_draw_without_positives_has_no_value_and_spoils_no_other():
    scores, positive = np.array([0.0, 1.0, 2.0]), np.array([False, True, False])
    weights = np.array([[1, 0, 2], [1, 1, 1], [0, 3, 0]], np.float32)
    draws = bootstrap_roc(scores, positive, np.arange(3), weights, np.array([0.5]))
    np.testing.assert_array_equal(draws.auc, [np.nan, 0.5, np.nan])
    np.testing.assert_array_equal(draws.tpr[:, 0], [np.nan, 1.0, np.nan])


@pytest.mark.parametrize("most", [15, 4])  # pairs a pass
def test_pair_exposure_equals_loops_leaves_each_pair_out_and_takes_a_few_pairs_at_a_time(most, monkeypatch):
    monkeypatch.setattr("medpriv.measures.exposure._ELEMENTS", 4 * most)
    rng = np.random.default_rng(5)
    members, scores = rng.random((6, 4)) < 0.5, rng.normal(0, 1, (6, 4))
    asked = []

    def score_pair(targets, withheld):
        assert len(targets) <= most
        asked.extend(zip(targets, withheld, strict=True))
        return scores[targets]

    exposure, lower, upper = pair_exposure(score_pair, members)
    assert len(set(asked)) == 30 and all(target != withheld for target, withheld in asked)
    for patient in range(4):
        pairs = [
            scores[a, patient] > scores[b, patient]
            for a in range(6)
            for b in range(6)
            if members[a, patient] and not members[b, patient]
        ]
        assert exposure[patient] == pytest.approx(np.mean(pairs))
        assert lower[patient] <= exposure[patient] <= upper[patient]


def test_exposure_of_a_patient_whom_no_replicate_saw_has_no_value():
    exposure, lower, upper = pair_exposure(
        lambda targets, withheld: np.zeros((len(targets), 1)), np.zeros((4, 1), bool)
    )
    assert np.isnan([exposure, lower, upper]).all()
