"""Utility measures against scikit-learn, and their intervals against loops."""

import numpy as np
import pytest
from made_up_banks import bank_of, with_logits
from made_up_datasets import put_together, with_changes

from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.measures.bootstrap import PatientBootstrap
from medpriv.measures.predictions import LabelledPredictions, auprc, macro_f1
from medpriv.measures.table import Measure
from medpriv.measures.utility import RELIABILITY_COLUMNS, measure_differences, measure_utility

SETTINGS = {"bootstraps": 200, "calibration_bins": 10}
REPLICATES = 3


def make_dataset(classes: int, patients: int = 40) -> Dataset:
    records = 6
    rng = np.random.default_rng(classes)
    n = patients * records
    return put_together(
        name="toy",
        x=np.zeros((n, 1), np.float32),
        y=np.concatenate([np.arange(classes), rng.integers(0, classes, n - classes)]),
        patient=np.repeat(np.arange(patients), records).astype(np.int32),
        site=np.repeat(np.arange(patients) % 2, records).astype(np.int32),
        split=np.where(np.arange(patients) % 2, TEST, TRAIN).astype(np.uint8),
        centre=np.zeros(1, np.float32),
        scale=np.ones(1, np.float32),
        patients=tuple(f"p{index}" for index in range(patients)),
        sites=("va", "cleveland"),
        classes=tuple("NSVF"[:classes]),
        features=("f",),
        units=("1",),
        licence="none",
        source="simulated",
        digest="0",
        groups={"sex": tuple("FFMM"[index % 4] for index in range(patients))},
    )


def make_bank(dataset: Dataset, skill: float = 1.0, memory: float = 0.0) -> Bank:
    """Return logits of noise, `skill` for the true class, and `memory` on top of it on a replicate's own members."""
    rng = np.random.default_rng(1)
    members = Draw(range(REPLICATES), REPLICATES, 0).members(dataset)
    n, classes = len(dataset.y), len(dataset.classes)
    lift = skill + memory * members[:, dataset.patient]
    logits = rng.normal(0, 1, (REPLICATES, n, classes)) + lift[..., None] * np.eye(classes)[dataset.y]
    if classes == 2:
        logits = np.stack([np.zeros_like(lift), logits[..., 1] - logits[..., 0]], axis=-1)
    return bank_of(dataset, members, logits.astype(np.float32), replicates=range(5, REPLICATES + 5))


def pick(rows: list[Measure], measure: str, group: str = "", replicate: str = "") -> Measure:
    return next(row for row in rows if (row.measure, row.group, row.replicate) == (measure, group, replicate))


@pytest.mark.parametrize("classes", [2, 4])
def test_figures_equal_scikit_learns(classes):
    from sklearn import metrics

    dataset = make_dataset(classes)
    bank = make_bank(dataset)
    rows, _ = measure_utility(dataset, bank, SETTINGS, seed=1)
    test = dataset.rows(TEST)
    y, logits = dataset.y[test], bank.logits[:, test].astype(float)
    p = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    for index in range(REPLICATES):
        guess = p[index].argmax(axis=1)
        scores = p[index][:, 1] if classes == 2 else p[index]
        expected = {
            "macro_f1": metrics.f1_score(y, guess, average="macro"),
            "accuracy": metrics.accuracy_score(y, guess),
            "balanced_accuracy": metrics.balanced_accuracy_score(y, guess),
            "auroc": metrics.roc_auc_score(y, scores, multi_class="ovr"),
            "brier": metrics.brier_score_loss(y, scores, labels=range(classes)),
        }
        for measure, value in expected.items():
            assert pick(rows, measure, replicate=str(index + 5)).value == pytest.approx(value, abs=1e-6), measure
    each = [metrics.recall_score(y, p[index].argmax(axis=1), average=None) for index in range(REPLICATES)]
    assert pick(rows, "sensitivity", "class=S").value == pytest.approx(np.mean(each, axis=0)[1])
    each = [metrics.precision_score(y, p[index].argmax(axis=1), average=None) for index in range(REPLICATES)]
    assert pick(rows, "ppv", "class=S").value == pytest.approx(np.mean(each, axis=0)[1])


def test_ece_equals_a_slow_reference_and_the_curve_holds_every_prediction():
    dataset = make_dataset(4)
    bank = make_bank(dataset)
    rows, curve = measure_utility(dataset, bank, SETTINGS, seed=1)
    test = dataset.rows(TEST)
    logits = bank.logits[0, test].astype(float)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == dataset.y[test]
    gaps = []
    for start in np.arange(10) * 0.075 + 0.25:
        inside = (confidence >= start) & (confidence < start + 0.075)
        gaps.append(inside.sum() * abs(right[inside].mean() - confidence[inside].mean()) if inside.any() else 0)
    assert pick(rows, "ece", replicate="5").value == pytest.approx(sum(gaps) / test.sum(), abs=1e-9)
    assert sum(row["n"] for row in curve) == REPLICATES * test.sum()
    assert all(set(row) == set(RELIABILITY_COLUMNS) for row in curve)
    assert all(row["from"] <= row["confidence"] <= row["to"] for row in curve if row["n"])


def test_whole_rows_are_means_over_replicates_within_their_intervals():
    dataset = make_dataset(4)
    rows, _ = measure_utility(dataset, make_bank(dataset), SETTINGS, seed=1)
    for measure in ("macro_f1", "accuracy", "auroc", "brier", "train_accuracy", "generalisation_gap"):
        whole = pick(rows, measure)
        each = [pick(rows, measure, replicate=str(number)).value for number in (5, 6, 7)]
        assert whole.value == pytest.approx(np.mean(each))
        assert whole.lower <= whole.value <= whole.upper


def test_sums_over_a_draw_count_a_patients_records_as_often_as_it_was_drawn():
    predictions = LabelledPredictions(
        np.zeros((1, 5, 2)),
        np.zeros(5, int),
        np.array([0, 2, 0, 1, 2]),
        PatientBootstrap(np.array([[1, 1, 1], [2, 0, 1], [0, 0, 3]]), np.ones((3, 1))),
    )
    values = np.array([[1.0, 10.0, 2.0, 100.0, 20.0]])
    np.testing.assert_array_equal(predictions.sums(values)[:, 0], [133, 36, 90])


def test_training_accuracy_is_that_of_members_and_the_gap_shows_memory():
    dataset = make_dataset(4)
    rows, _ = measure_utility(dataset, make_bank(dataset, memory=9.0), SETTINGS, seed=1)
    fitted = pick(rows, "train_accuracy")
    assert fitted.value == fitted.upper == 1.0 and 0.6 < fitted.lower < 0.8  # at most 20 patients, Clopper–Pearson
    ever = make_bank(dataset).members.any(axis=0).sum()
    assert (fitted.n, fitted.patients) == (6 * ever, ever)  # whoever any replicate was trained on
    one = pick(rows, "train_accuracy", replicate="5")
    assert (one.n, one.patients) == (60, 10)  # half of 20 training patients, 6 records each
    gap = pick(rows, "generalisation_gap")
    assert gap.value == pytest.approx(1 - pick(rows, "accuracy").value)
    assert gap.lower > 0.2


def test_every_site_and_group_has_accuracy_and_auroc_with_its_n():
    dataset = make_dataset(2)
    rows, _ = measure_utility(dataset, make_bank(dataset), SETTINGS, seed=1)
    sexes = [pick(rows, "accuracy", f"sex={sex}") for sex in "FM"]
    assert sum(row.n for row in sexes) == dataset.rows(TEST).sum()
    assert np.mean([row.value for row in sexes]) == pytest.approx(pick(rows, "accuracy").value)
    assert 0.5 < pick(rows, "auroc", "sex=F").value < 1


def test_a_class_absent_from_the_test_patients_has_no_value_and_spoils_no_mean():
    dataset = make_dataset(4)
    y = np.where(dataset.rows(TEST) & (dataset.y == 3), 0, dataset.y)
    dataset = with_changes(dataset, y=y)
    rows, _ = measure_utility(dataset, make_bank(dataset), SETTINGS, seed=1)
    absent = pick(rows, "sensitivity", "class=F")
    assert np.isnan([absent.value, absent.lower, absent.upper]).all() and absent.n == 0
    assert not np.isnan([pick(rows, name).value for name in ("macro_f1", "balanced_accuracy", "auroc")]).any()


def test_records_of_one_patient_do_not_pass_for_many_patients():
    dataset = make_dataset(2)
    bank = make_bank(dataset)
    first = np.repeat(np.arange(40) * 6, 6)  # every record of a patient becomes a copy of the first
    copies = with_changes(dataset, y=dataset.y[first])
    same = with_logits(bank, bank.logits[:, first])
    width = [np.ptp([row.lower, row.upper]) for row in (
        pick(measure_utility(copies, same, SETTINGS, seed=1)[0], "accuracy", replicate="5"),
        pick(measure_utility(dataset, bank, SETTINGS, seed=1)[0], "accuracy", replicate="5"),
    )]  # fmt: skip
    assert width[0] > 1.5 * width[1]


def test_a_draw_that_loses_a_class_of_the_sample_has_no_macro_f1():
    whole = np.array([[[8, 2, 0], [1, 9, 0], [0, 0, 0]]], float)  # class 2 occurs nowhere
    without_class_1 = np.array([[[8, 2, 0], [0, 0, 0], [0, 0, 0]]], float)
    values = macro_f1(np.stack([whole, without_class_1]))
    assert np.isclose(values[0, 0], (16 / 19 + 18 / 21) / 2)
    assert np.isnan(values[1, 0])


def test_average_precision_names_its_class_and_is_that_one_s():
    from sklearn.metrics import average_precision_score

    dataset = make_dataset(2)
    bank = make_bank(dataset)
    rows = [row for row in measure_utility(dataset, bank, SETTINGS, 1)[0] if row.measure == "auprc"]
    assert {row.group for row in rows} == {f"class={dataset.classes[1]}"} and len(rows) == 1 + REPLICATES
    test = dataset.rows(TEST)
    scores = bank.logits[0, test]
    scores = scores[:, 0] if scores.shape[1] == 1 else scores[:, 1] - scores[:, 0]
    assert rows[1].value == pytest.approx(average_precision_score(dataset.y[test] == 1, scores))


def test_average_precision_equals_scikit_learns_with_ties_and_in_every_draw():
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(0)
    y, patient = rng.integers(2, size=60), np.arange(60) // 3
    scores = np.round(rng.random((2, 60)) + 0.3 * y, 1)  # ties
    bootstrap = PatientBootstrap.draw(rng, 20, 4, 2)
    part = LabelledPredictions(np.stack([1 - scores, scores], axis=2), y, patient, bootstrap)
    found = auprc(part)
    for replicate in range(2):
        assert found[0, replicate] == pytest.approx(average_precision_score(y, scores[replicate]))
        for draw in range(4):
            weight = bootstrap.patients[1 + draw, patient]
            expected = average_precision_score(y, scores[replicate], sample_weight=weight)
            assert found[1 + draw, replicate] == pytest.approx(expected)


def test_a_difference_is_paired_by_replicate_and_patient():
    dataset = make_dataset(2)
    bank, other = make_bank(dataset, skill=2.0), make_bank(dataset, skill=0.5)
    same = {row.measure: row for row in measure_differences(dataset, bank, bank, SETTINGS, 1)}
    assert {row.value for row in same.values()} == {0.0} == {row.upper for row in same.values()}
    whole = measure_utility(dataset, bank, SETTINGS, 1)[0], measure_utility(dataset, other, SETTINGS, 1)[0]
    for row in measure_differences(dataset, bank, other, SETTINGS, 1):
        name = row.measure.removesuffix("_difference")
        group = f"class={dataset.classes[1]}" if name == "auprc" else ""
        assert row.value == pytest.approx(pick(whole[0], name, group).value - pick(whole[1], name, group).value)
        assert row.group == f"reference={other.treatment}{group and ','}{group}"
        assert row.lower <= row.value <= row.upper
    few = bank_of(dataset, bank.members[1:3], bank.logits[1:3], replicates=bank.about.replicates[1:3])
    assert {row.value for row in measure_differences(dataset, few, bank, SETTINGS, 1)} == {0.0}


def hold_alone(dataset: Dataset, label: int) -> Dataset:
    """Give every test record of a class to the first test patient, and no other class to him."""
    first = np.flatnonzero(dataset.split == TEST)[0]
    others = np.where(dataset.rows(TEST) & (dataset.y == label), 0, dataset.y)
    return with_changes(dataset, y=np.where(dataset.patient == first, label, others))


@pytest.mark.parametrize("patients", [8, 200])  # 4 and 100 in the test split
def test_means_over_classes_are_as_uncertain_as_a_class_that_one_patient_holds(patients):
    dataset = hold_alone(make_dataset(4, patients), 3)
    rows, _ = measure_utility(dataset, make_bank(dataset), SETTINGS, seed=1)
    one = pick(rows, "sensitivity", "class=F")
    assert (one.n, one.patients) == (6, 1) and one.upper - one.lower > 0.6
    for measure in ("macro_f1", "balanced_accuracy"):
        for replicate in ("", "5"):
            row = pick(rows, measure, replicate=replicate)
            assert row.upper - row.lower > 0.2, row
            assert row.lower <= row.value <= row.upper
    ranked = pick(rows, "auroc")
    assert ranked.upper - ranked.lower > 0.1


def test_every_interval_of_four_patients_is_wide():
    dataset = make_dataset(2, 8)
    bank, other = make_bank(dataset), make_bank(dataset, skill=0.5)
    rows, curve = measure_utility(dataset, bank, SETTINGS, seed=1)
    rows += measure_differences(dataset, bank, other, SETTINGS, 1)
    for row in rows:
        assert row.patients <= 4
        if not row.replicate and not np.isnan(row.value):
            assert row.upper - row.lower > 0.15, row
    assert all(row["upper"] - row["lower"] > 0.3 for row in curve if row["patients"])


def test_a_figure_says_what_it_rests_on():
    for classes in (2, 4):
        dataset = make_dataset(classes)
        bank = make_bank(dataset)
        rows, curve = measure_utility(dataset, bank, SETTINGS, seed=1)
        rows += measure_differences(dataset, bank, bank, SETTINGS, 1)
        assert all(np.isnan(row.value) or row.patients > 0 for row in rows)
        assert all(np.isnan(row.value) or row.n > 0 for row in rows)
        assert pick(rows, "macro_f1").patients == pick(rows, "auroc", replicate="6").patients == 20
        assert pick(rows, "accuracy", "sex=F").patients == 10
        assert pick(rows, "accuracy_difference", "reference=baseline-mlp").patients == 20
        test = dataset.rows(TEST)
        guess = bank.logits[:, test].argmax(axis=2)
        ppv = pick(rows, "ppv", "class=S")
        assert ppv.n == (guess == 1).any(axis=0).sum()  # by whichever replicate
        assert ppv.patients == len(np.unique(dataset.patient[test][(guess == 1).any(axis=0)]))
        assert [row["patients"] == 0 for row in curve] == [row["n"] == 0 for row in curve]


def test_a_class_that_one_replicate_names_once_has_a_ppv_of_one_record():
    dataset = make_dataset(4)
    bank = make_bank(dataset, skill=9.0)
    logits = bank.logits.copy()
    logits[..., 3] = -99
    logits[0, np.flatnonzero(dataset.rows(TEST))[0], 3] = 99
    rows, _ = measure_utility(dataset, with_logits(bank, logits), SETTINGS, seed=1)
    row = pick(rows, "ppv", "class=F")
    assert (row.n, row.patients) == (1, 1) and row.upper - row.lower > 0.9


def test_accuracy_over_majority_is_that_over_the_training_splits_commonest_class():
    dataset = make_dataset(2)
    train = dataset.rows(TRAIN)
    y = np.where(train, np.arange(len(train)) % 6 >= 2, dataset.y)  # two thirds of class 1 in the training split
    dataset = with_changes(dataset, y=y.astype(int))
    rows, _ = measure_utility(dataset, make_bank(dataset), SETTINGS, seed=1)
    share = dataset.y[dataset.rows(TEST)].mean()
    for replicate in ("", "5"):
        expected = pick(rows, "accuracy", replicate=replicate).value - share
        assert pick(rows, "accuracy_over_majority", replicate=replicate).value == pytest.approx(expected)
    assert pick(rows, "accuracy_over_majority").lower > 0


def test_a_model_that_always_gives_the_commonest_answer_has_no_skill():
    dataset = make_dataset(4)
    common = np.bincount(dataset.y[dataset.rows(TRAIN)]).argmax()
    bank = make_bank(dataset)
    constant = with_logits(bank, np.broadcast_to(np.eye(4)[common], bank.logits.shape).astype(np.float32))
    rows, _ = measure_utility(dataset, constant, SETTINGS, seed=1)
    gained, ranked = pick(rows, "accuracy_over_majority"), pick(rows, "auroc")
    assert gained.value == gained.lower == gained.upper == 0
    assert ranked.value == 0.5 and ranked.lower <= 0.5


def test_the_calibration_error_lies_within_its_interval_also_of_a_calibrated_model():
    dataset = make_dataset(2, 200)
    rng = np.random.default_rng(0)
    for _ in range(10):
        score = rng.normal(0, 1.3, len(dataset.y))
        drawn = with_changes(dataset, y=(rng.random(len(score)) < 1 / (1 + np.exp(-score))).astype(int))
        logits = np.broadcast_to(np.stack([0 * score, score], axis=1), (REPLICATES, len(score), 2))
        bank = with_logits(make_bank(drawn), logits.astype(np.float32))
        rows, _ = measure_utility(drawn, bank, SETTINGS, seed=1)
        for row in (row for row in rows if row.measure == "ece"):
            assert row.lower <= row.value <= row.upper
            assert row.lower < 0.01  # the truth is 0
