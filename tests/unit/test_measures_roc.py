"""ROC measures against scikit-learn, closed forms and loops."""

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from medpriv.measures.exposure import exposure_limits, null_quantiles, pair_exposure
from medpriv.measures.intervals import draw_patients, newcombe
from medpriv.measures.roc import (
    auc,
    best_threshold,
    bootstrap_roc,
    calibrated_rates,
    placements,
    resolvable,
    tpr_above,
    tpr_at,
)


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


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.5])
def test_tpr_lies_at_or_below_the_operating_point_of_scikit_learns_curve_by_less_than_a_negative(rate):
    scores, positive = draw_case(1)
    fpr, tpr, _ = roc_curve(positive, scores, drop_intermediate=False)
    a_negative_less = tpr[fpr <= max(rate - 1 / (~positive).sum(), 0) + 1e-12].max()
    assert a_negative_less <= tpr_at(scores, positive, rate) <= tpr[fpr <= rate + 1e-12].max()


def test_tpr_of_scores_that_say_nothing_is_the_rate_on_average():
    rng, positive = np.random.default_rng(0), np.arange(200) < 100
    found = [tpr_at(rng.normal(size=200), positive, 0.01) for _ in range(2000)]
    assert np.mean(found) == pytest.approx(0.01, abs=0.001)  # 0.02 with the threshold that 1 of 100 negatives exceeds


def test_tpr_at_a_rate_finer_than_one_negative_has_no_value():
    scores, positive = np.arange(100.0), np.arange(100) >= 50
    assert np.isnan(tpr_at(scores, positive, 0.019))
    assert tpr_at(scores, positive, 0.02) == tpr_at(scores, positive, 1.0) == 1.0


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
    if steps is None:
        assert draws.tpr[0] == pytest.approx([tpr_at(scores, positive, rate) for rate in rates], abs=1e-6)
    else:  # ties are crossed in a straight line
        fpr, tpr, _ = roc_curve(positive, scores, drop_intermediate=False)
        assert draws.tpr[0] == pytest.approx(np.interp(rates, fpr, tpr), abs=0.01)


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("size", [100, 5000])
def test_a_larger_bootstrapped_curve_rounds_no_rate_down(size, rate):
    scores, positive = draw_case(7, n=size)
    if resolvable(int((~positive).sum()), rate):
        drawn = bootstrap_roc(scores, positive, np.arange(size), np.ones((1, size), np.float32), np.array([rate]))
        assert drawn.tpr[0, 0] == pytest.approx(tpr_at(scores, positive, rate), abs=1e-6)


def test_a_threshold_on_other_negatives_keeps_its_rate_where_one_on_its_own_does_not():
    """With 100 negatives: the second highest of its own is exceeded by 2 % of new ones, though by 1 % of those."""
    rng, rates = np.random.default_rng(0), np.array([0.01])
    own, calibrated = [], []
    positive, patient, weights = np.arange(200) < 100, np.arange(200), np.ones((1, 200), np.float32)
    for _ in range(600):
        scores, others = rng.normal(size=200), rng.normal(size=100)
        own.append((scores[positive] > np.sort(scores[~positive])[-2]).mean())
        tpr, fpr = calibrated_rates(scores, positive, patient, others, np.arange(100), weights, rates)
        calibrated.append((tpr[0, 0], fpr[0, 0]))
    assert np.mean(own) == pytest.approx(2 / 101, abs=0.003)
    np.testing.assert_allclose(np.mean(calibrated, axis=0), 0.01, atol=0.003)


def test_calibrated_rates_equal_a_slow_reading():
    rng = np.random.default_rng(1)
    scores, positive, others = rng.normal(size=300), rng.random(300) < 0.5, rng.normal(size=400)
    rates = np.array([0.001, 0.0123, 0.05, 0.3])
    weights = np.ones((1, 400), np.float32)
    tpr, _ = calibrated_rates(scores, positive, np.arange(300), others, np.arange(400), weights, rates)
    falling = np.sort(others)[::-1]
    for index, rate in enumerate(rates):
        rank = rate * 401
        shares = [(scores[positive] > falling[i - 1]).mean() if i else 0.0 for i in (int(rank), int(rank) + 1)]
        expected = shares[0] + (rank - int(rank)) * (shares[1] - shares[0])
        assert tpr[0, index] == pytest.approx(expected, abs=1e-6)
    assert tpr_above(scores[positive], others, rates) == pytest.approx(tpr[0], abs=1e-6)


def test_scores_that_say_nothing_reach_the_rate_itself():
    positive, flat = np.arange(100) < 50, np.zeros(100)
    tpr, _ = calibrated_rates(
        flat, positive, np.arange(100), np.zeros(80), np.arange(80), np.ones((2, 100), np.float32), np.array([0.05])
    )
    assert tpr[:, 0] == pytest.approx(0.05, abs=0.013)


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


def test_placements_are_the_share_of_pairs_in_order_and_average_to_the_auc():
    rng = np.random.default_rng(6)
    scores, positive = np.round(rng.normal(size=(4, 40)), 1), rng.random((4, 40)) < 0.4  # ties
    positive[2] = True
    scores[3, 7] = np.nan  # too few shadows: no score, and no area of 1/2
    placed = placements(scores, positive)
    for row, values, above in zip(placed[:2], scores, positive, strict=False):
        for unit in range(40):
            gaps = (values[unit] - values[above != above[unit]]) * (1 if above[unit] else -1)
            assert row[unit] == pytest.approx(((gaps > 0) + (gaps == 0) / 2).mean())
        assert row[above].mean() == pytest.approx(auc(values, above)) == pytest.approx(row[~above].mean())
    assert np.isnan(placed[2:]).all()


def test_a_draw_without_positives_has_no_value_and_spoils_no_other():
    scores, positive = np.array([0.0, 1.0, 2.0]), np.array([False, True, False])
    weights = np.array([[1, 0, 2], [1, 1, 1], [0, 3, 0]], np.float32)
    draws = bootstrap_roc(scores, positive, np.arange(3), weights, np.array([0.5]))
    np.testing.assert_array_equal(draws.auc, [np.nan, 0.5, np.nan])
    np.testing.assert_allclose(draws.tpr[:, 0], [np.nan, 0.5, np.nan])  # half-way between 2.0 and 0.0


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

    exposure = pair_exposure(score_pair, members)
    assert len(set(asked)) == 30 and all(target != withheld for target, withheld in asked)
    for patient in range(4):
        pairs = [
            scores[a, patient] > scores[b, patient]
            for a in range(6)
            for b in range(6)
            if members[a, patient] and not members[b, patient]
        ]
        assert exposure[patient] == pytest.approx(np.mean(pairs))


def test_exposure_of_a_patient_whom_no_replicate_saw_has_no_value():
    exposure = pair_exposure(lambda targets, withheld: np.zeros((len(targets), 1)), np.zeros((4, 1), bool))
    limits = exposure_limits(exposure, np.zeros(1), np.full(1, 4), (0.1, 0.9))
    assert np.isnan([exposure, *limits]).all()


def test_chance_calls_as_many_patients_exposed_as_it_should():
    """Scores fitted to the same few replicates: Newcombe's limits alone exclude 0.5 far too often."""
    rng = np.random.default_rng(0)
    phi = rng.normal(size=(16, 500))
    members = rng.permuted(np.arange(500) < 250 + np.zeros((16, 1)), axis=1)

    def exposure_of(told):
        inside = told.astype(float)
        centred = phi - phi.mean(axis=0)

        def fitted(targets, withheld):
            seen = np.ones((len(targets), 16))
            seen[np.arange(len(targets)), targets] = seen[np.arange(len(targets)), withheld] = 0
            means = [seen @ (part * centred) / np.maximum(seen @ part, 1) for part in (inside, 1 - inside)]
            return centred[targets] * (means[0] - means[1]) - (means[0] ** 2 - means[1] ** 2) / 2

        return pair_exposure(fitted, told)

    null = null_quantiles(exposure_of, members, rng)
    exposure, inside = exposure_of(members), members.sum(axis=0)
    lower, upper = exposure_limits(exposure, inside, 16 - inside, null)
    assert null[0] < 0.15 and null[1] > 0.8  # far from even: fits lean against what they left out
    assert (exposure > null[1]).mean() == pytest.approx(0.025, abs=0.02)
    assert (lower > 0.5).mean() <= 0.045 and (upper < 0.5).mean() <= 0.045
    alone = newcombe(exposure, inside, 16 - inside)
    assert (alone[1] < 0.5).mean() > 0.08
