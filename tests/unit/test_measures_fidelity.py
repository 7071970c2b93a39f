"""How like real rows synthetic ones are, where the answer is known."""

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from made_up_generators import (
    COLUMNS,
    bank_of_tables,
    copies,
    draw_cells,
    halves,
    shuffled_labels,
    table_dataset,
    with_columns,
)

from medpriv.measures import classifiers, clinical_rules, fidelity, synthetic_utility, two_sample
from medpriv.measures.clinical_rules import cells_by_name, rules_of
from medpriv.measures.intervals import LEAST
from medpriv.measures.marginals import GAP, OTHER, marginals
from medpriv.measures.resampled import summarise
from medpriv.records.tables import Column
from medpriv.synthesis.schema import cells_of


@pytest.fixture(scope="module", autouse=True)
def few_trees():
    with mock.patch.object(classifiers, "TREES", 5), mock.patch.object(two_sample, "TREES", 10):
        yield


def told_apart(real: np.ndarray, made: np.ndarray, seed: int, records: int = 1):
    patient = np.repeat(np.arange(len(real) // records), records)
    return two_sample.tell_apart(real, made, patient, len(real) // records, np.random.default_rng(seed))


def test_a_classifier_tells_other_tables_apart_and_no_equal_ones():
    rng = np.random.default_rng(0)
    far = summarise(told_apart(rng.normal(size=(80, 5)), rng.normal(2, 1, (80, 5)), 0), 0.0)
    assert far.value > 0.95
    assert two_sample.above_half(far) < 1e-6
    found = []
    for seed in range(30):
        equal = rng.normal(size=(140, 5))
        found.append(summarise(told_apart(equal[:70], equal[70:], seed), 0.0))
    values, errors = (np.array([getattr(each, name) for each in found]) for name in ("value", "error"))
    assert abs(values.mean() - 0.5) < 0.02
    chance = np.sqrt(141 / (12 * 70 * 70))  # Wilcoxon's, of scores that don't come from the records judged
    assert errors.mean() == pytest.approx(np.sqrt(2) * chance, rel=0.1)
    assert 1.05 * chance < values.std() < 1.6 * chance
    assert np.mean([two_sample.above_half(each) < 0.05 for each in found]) <= 0.12


def test_records_of_a_patient_are_judged_out_of_fold_together():
    rng = np.random.default_rng(1)
    real, made = np.repeat(rng.normal(size=(30, 6)), 5, axis=0), rng.normal(size=(150, 6))
    together = summarise(told_apart(real, made, 0, records=5), 0.0)
    apart = summarise(told_apart(real, made, 0), 0.0)  # as if each were somebody else: recognised by its copies
    assert apart.value > together.value + 0.2


def test_members_with_many_records_are_not_told_apart_by_their_own_copies():
    rng = np.random.default_rng(2)
    real, made = (np.repeat(rng.normal(size=(30, 6)), 5, axis=0) for _ in range(2))
    patient = np.repeat(np.arange(30), 5)
    apart = two_sample.tell_apart(real, made, patient, 30, np.random.default_rng(0)).value
    together = two_sample.tell_apart(real, made, patient, 30, np.random.default_rng(0), patient).value
    assert apart > 0.7
    assert abs(together - 0.5) < 0.2


def test_too_few_to_tell_apart_have_no_value():
    assert np.isnan(told_apart(np.zeros((4, 2)), np.ones((50, 2)), 0).value)
    assert np.isnan(two_sample.above_half(summarise(told_apart(np.zeros((4, 2)), np.ones((50, 2)), 0), 0.0)))


def slow_precision_and_recall(real: np.ndarray, made: np.ndarray) -> tuple[float, float]:
    """Return both by their definitions, one record and one share after the other."""

    def away(one, other):
        return float(np.sqrt(sum((a - b) ** 2 for a, b in zip(one, other, strict=True))))

    shares = np.linspace(0, 1, 30)
    centre, made_centre = real.mean(axis=0), made.mean(axis=0)
    radii = np.quantile([away(row, centre) for row in real], shares)
    nearest = [min(range(len(made)), key=lambda j, row=row: away(row, made[j])) for row in real]
    from_centre = [away(made[j], made_centre) for j in nearest]
    reach = np.quantile(from_centre, shares)
    precision, recall = [], []
    for place in range(len(shares)):
        precision.append(np.mean([away(row, centre) <= radii[place] for row in made]))
        covered = []
        for i, row in enumerate(real):
            own = min(away(row, other) for j, other in enumerate(real) if j != i)
            covered.append(away(row, made[nearest[i]]) <= own and from_centre[i] <= reach[place])
        recall.append(np.mean(covered))
    return tuple(1 - 2 * np.abs(shares - np.array(curve)).sum() / 29 for curve in (precision, recall))


def test_precision_and_recall_are_those_of_their_definition():
    rng = np.random.default_rng(2)
    real, made = rng.normal(size=(40, 3)), rng.normal(0.3, 0.8, (40, 3))
    assert two_sample.precision_and_recall(real, made) == pytest.approx(slow_precision_and_recall(real, made))
    centre = np.repeat(real.mean(axis=0)[None], 40, axis=0) + rng.normal(0, 1e-3, (40, 3))
    precision, recall = two_sample.precision_and_recall(real, centre)  # all in the middle: no spread, nothing covered
    assert precision < 0.1
    assert recall < 0.1
    same = rng.normal(size=(800, 3))
    assert two_sample.precision_and_recall(same[:400], same[400:])[0] > 0.9


def test_members_are_the_ceiling_and_a_copy_reaches_it():
    dataset = table_dataset(train=160, test=80)
    members = halves(dataset, 3)
    tables = copies(dataset, members)
    loose = [
        np.column_stack([np.random.default_rng(place).permutation(column) for place, column in enumerate(table.T)])
        for table in tables
    ]
    settings = {"replicates": 3, "margin": 0.05, "enough_test_patients": 300}

    def rows(made):
        found = synthetic_utility.audit(dataset, bank_of_tables(dataset, members, made), None, settings, 1)
        return {
            (row.measure, row.group): row.value
            for row in found.measures
            if not row.replicate and row.group in ("", "rows=members")
        }, found

    copy, _ = rows(tables)
    for name in ("quality", "pair_similarity", "association_gap_mean", "alpha_precision", "beta_recall", "c2st_auc"):
        assert copy[name, ""] == pytest.approx(copy[name, "rows=members"])
    apart, found = rows(loose)
    assert apart["column_shapes", ""] == pytest.approx(copy["column_shapes", ""])  # marginals are kept
    assert apart["association_gap_mean", ""] > copy["association_gap_mean", ""] + 0.02
    assert apart["pair_similarity", ""] < copy["pair_similarity", ""]
    assert apart["c2st_auc", ""] > 0.6
    assert apart["rules_broken", "rows=members"] == 0
    (rule,) = [row for row in found.tables["rules"].rows if row["rule"].startswith("no lactate")]
    assert rule["broken_members"] == rule["broken_test"] == 0
    assert rule["broken"] == pytest.approx(0.21, abs=0.06)  # 0.7 have a value, 0.3 were never measured


def test_shuffled_labels_alone_are_seen_in_the_associations():
    dataset = table_dataset(train=200, test=100)
    test = fidelity.TestRows(dataset)
    own = cells_of(dataset, np.arange(200))
    plain, wrong = (test.compare(cells, np.random.default_rng(0)).values for cells in (own, shuffled_labels([own])[0]))
    assert wrong["column_shapes"] == plain["column_shapes"]
    assert wrong["association_gap_max"] > plain["association_gap_max"] + 0.1


def test_an_interval_over_replicates_is_wider_for_members_in_common_and_missing_for_one():
    values = np.array([0.7, 0.8, 0.75])
    free, shared = fidelity.over_replicates(values, 0.0), fidelity.over_replicates(values, 0.5)
    assert free[0] == shared[0] == pytest.approx(0.75)
    assert (shared[2] - shared[1]) / (free[2] - free[1]) == pytest.approx(2)  # sqrt((1 / 3 + 1) / (1 / 3))
    assert np.isnan(fidelity.over_replicates(values[:1], 0.5)[1])
    gaps = fidelity.over_replicates(np.array([1.2, 1.9]), 0.5, fidelity.BOUNDS["association_gap_max"])
    assert gaps == (pytest.approx(1.55), 0.0, 2.0)  # of two correlations
    assert np.isnan(fidelity.over_replicates(np.full(2, np.nan), 0.5)[0])


def column(name: str, **about: object) -> Column:
    return Column(name, fill=0.0, **about)


def broken(columns: tuple[Column, ...], *rows: tuple[float, ...]) -> dict[str, list[bool]]:
    cells = cells_by_name(columns, np.array(rows, float))
    return {rule.name: rule.judge(cells)[1].tolist() for rule in rules_of(columns)}


def test_each_rule_finds_what_no_patient_can_have():
    gap = np.nan
    columns = (column("hr_min"), column("hr_mean"), column("hr_max"), column("hr_last"))
    found = broken(columns, (50, 60, 70, 55), (65, 60, 70, 68), (50, 60, 70, 80), (gap, 90, 70, gap))
    assert found == {
        "hr_min <= hr_mean": [False, True, False, False],
        "hr_min <= hr_max": [False, False, False, False],
        "hr_min <= hr_last": [False, False, False, False],
        "hr_mean <= hr_max": [False, False, False, True],
        "hr_last <= hr_max": [False, False, True, False],
    }
    assert broken((column("sbp_max_day1"), column("dbp_max_day1")), (120, 70), (70, 120), (gap, 120)) == {
        "dbp_max_day1 <= sbp_max_day1": [False, True, False]
    }
    assert broken((column("urine"), column("urine_day2")), (900, 300), (300, 900)) == {
        "urine_day2 <= urine": [False, True]
    }
    assert broken((column("age"), column("thalach")), (60, 150), (80, 190), (gap, 250)) == {
        "thalach <= 238 - 0.7 age": [False, True, False]
    }
    assert broken((column("age", lower=15.0, upper=110.0),), (60,), (3,), (140,), (gap,)) == {
        "age >= 15": [False, True, False, False],
        "age <= 110": [False, False, True, False],
    }


def test_a_value_that_was_never_measured_breaks_a_rule_whatever_codes_the_flag_has():
    counted = (column("ph_last", measured="ph_count"), column("ph_count"))
    assert broken(counted, (7.4, 3), (7.4, 0), (np.nan, 0), (np.nan, 2)) == {
        "no ph_last where ph_count is 0": [False, True, False, False]
    }
    flag = Column("ph_measured", "binary", levels=("yes", "no"), codes=(1.0, 0.0), fill=0.0)
    flagged = (column("ph_last", measured="ph_measured"), flag)
    assert broken(flagged, (7.4, 0), (7.4, 1)) == {"no ph_last where ph_measured is 0": [False, True]}


def test_a_table_without_rules_has_no_figure_of_them():
    dataset = with_columns(
        table_dataset(), tuple(replace(each, lower=None, upper=None, measured="") for each in COLUMNS)
    )
    assert clinical_rules.rules_of(dataset.records.columns) == []
    found = fidelity.TestRows(dataset).compare(cells_of(dataset, np.arange(40)), np.random.default_rng(0))
    assert "rules_broken" not in found.values


def test_no_marginal_speaks_of_few_people_and_none_can_be_worked_out():
    cells = draw_cells(np.random.default_rng(3), 120)
    cells[:4, 3] = 2  # three levels, of which one is rare
    cells[4:, 3] = np.where(cells[4:, 3] == 2, 0, cells[4:, 3])
    cells[:, 0] = np.where(np.arange(120) < 3, 97, cells[:, 0])  # three very old people
    dataset = table_dataset(train=80, test=40, cells=cells)
    rows = marginals(dataset, [cells[:60], cells[60:]])
    for name in {row["column"] for row in rows}:
        own = [row for row in rows if row["column"] == name and row["level"] != GAP]
        assert all(row["patients"] >= LEAST for row in own), name
        assert sum(row["real"] for row in own) == pytest.approx(1)
        assert sum(row["synthetic"] for row in own) == pytest.approx(1)
    levels = [row["level"] for row in rows if row["column"] == "stage"]
    assert OTHER in levels
    assert "III" not in levels
    ages = [row for row in rows if row["column"] == "age"]
    assert max(row["from"] for row in ages if row["from"] == row["from"]) < 90
    assert np.isnan(ages[0]["from"])
    assert np.isnan(ages[-1]["to"])
    by_hand = next(row for row in rows if row["column"] == "sex" and row["level"] == "F")
    assert by_hand["real"] == pytest.approx((cells[:, 2] == 0).mean())
    gaps = next(row for row in rows if row["column"] == "lactate" and row["level"] == GAP)
    assert gaps["real"] == pytest.approx(np.isnan(cells[:, 4]).mean())


def test_marginals_of_fewer_than_ten_people_say_nothing():
    dataset = table_dataset(train=6, test=2)
    cells = draw_cells(np.random.default_rng(4), 30)
    assert [row for row in marginals(dataset, [cells]) if row["level"] != GAP] == []
