"""What classifiers learn from synthetic tables, and tables from which nothing can be learnt."""

from unittest import mock

import numpy as np
import pytest
from made_up_generators import bank_of_tables, copies, draw_cells, halves, shuffled_labels, table_dataset

from medpriv.errors import InputError
from medpriv.measures import classifiers, synthetic_utility, two_sample
from medpriv.measures.classifiers import CLASSIFIERS
from medpriv.measures.findings import Findings
from medpriv.measures.table import Measure, write_measures
from medpriv.report.check import faults_of

SETTINGS = {"replicates": 2, "margin": 0.05, "enough_test_patients": 300}


@pytest.fixture(scope="module", autouse=True)
def few_trees():
    with mock.patch.object(classifiers, "TREES", 12), mock.patch.object(two_sample, "TREES", 5):
        yield


@pytest.fixture(scope="module")
def dataset():
    return table_dataset(train=160, test=60)


@pytest.fixture(scope="module")
def members(dataset):
    return halves(dataset, 2)


@pytest.fixture(scope="module")
def found(dataset, members):
    """Return what is found of three generators: a copy of the members, labels shuffled, one class."""
    own = copies(dataset, members, times=5)
    for table in own:
        table[80:, -1] = 1 - table[80:, -1]  # rows beyond the members' number, which teach the contrary, don't count
    one_class = [np.column_stack([table[:, :-1], np.ones(len(table))]) for table in own]
    banks = [
        bank_of_tables(dataset, members, tables, f"synthetic-{name}")
        for name, tables in (("copy", own), ("shuffled", shuffled_labels(own)), ("oneclass", one_class))
    ]
    return synthetic_utility.audit_banks(dataset, banks, SETTINGS, 1)


def figure(findings: Findings, measure: str, group: str = "", replicate: str = "") -> Measure:
    (row,) = [
        row for row in findings.measures if (row.measure, row.group, row.replicate) == (measure, group, replicate)
    ]
    return row


def test_a_copy_teaches_what_the_members_teach(found):
    for protocol in ("tstr", "trtr"):
        assert figure(found[0], f"{protocol}_auroc").value > 0.7
    for name in CLASSIFIERS:
        apart = figure(found[0], "tstr_accuracy_difference", f"classifier={name}")
        assert apart.value == 0
        assert figure(found[0], "verdict_equivalent", f"figure=accuracy,classifier={name}").value == 1
        assert figure(found[0], "equivalence_p", f"figure=accuracy,classifier={name}").value < 0.05
    assert figure(found[0], "trts_accuracy").value > figure(found[0], "trtr_accuracy").value  # judged on what it learnt


def test_labels_of_other_rows_teach_nothing(found):
    auroc = figure(found[1], "tstr_auroc")
    assert abs(auroc.value - 0.5) < 0.12  # two replicates' labels may rank a little by luck
    assert auroc.upper < figure(found[1], "trtr_auroc").value
    assert figure(found[1], "trts_auroc").value == pytest.approx(0.5, abs=0.1)
    assert figure(found[1], "tstr_auroc_difference").value < -0.15
    assert figure(found[1], "verdict_equivalent", "figure=auroc").value != 1


def test_a_table_of_one_class_is_answered_by_that_class(found, dataset, members):
    share = np.mean([dataset.y[~own[dataset.patient]].mean() for own in members])
    for name in CLASSIFIERS:
        assert figure(found[2], "tstr_accuracy", f"classifier={name}").value == pytest.approx(share)
        assert figure(found[2], "tstr_auroc", f"classifier={name}").value == 0.5
    assert figure(found[2], "augmented_auroc").value > 0.6
    assert np.isnan(figure(found[2], "trts_auroc").value)


def test_real_figures_are_the_same_beside_any_generator(found, dataset, members):
    alone = synthetic_utility.audit(
        dataset, bank_of_tables(dataset, members, copies(dataset, members)), None, SETTINGS, 1
    )
    for measure in ("trtr_accuracy", "trtr_auroc"):
        for name in CLASSIFIERS:
            rows = [figure(each, measure, f"classifier={name}") for each in (*found, alone)]
            assert len({(row.value, row.lower, row.upper) for row in rows}) == 1
    again = [row for row in found[0].measures if row.measure.startswith("tstr")]
    assert [row.value for row in again] == pytest.approx(
        [row.value for row in alone.measures if row.measure.startswith("tstr")], nan_ok=True
    )


def test_who_is_tested_and_counted(found, dataset, members):
    unseen = (~members).any(axis=0).sum()
    row = figure(found[0], "tstr_accuracy")
    assert (row.n, row.patients) == (unseen, unseen)
    own = figure(found[0], "tstr_accuracy", replicate="1")
    assert own.patients == (~members[1]).sum()
    assert figure(found[0], "trts_accuracy").patients == 0
    women = figure(found[0], "tstr_accuracy_difference", "sex=F")
    men = figure(found[0], "tstr_accuracy_difference", "sex=M")
    assert women.patients + men.patients == unseen
    assert {row.group for row in found[0].measures} >= {"site=north", "site=south", "rows=members", "classifier=svm"}
    enough = synthetic_utility.audit(
        dataset,
        bank_of_tables(dataset, members, copies(dataset, members)),
        None,
        SETTINGS | {"enough_test_patients": 60, "replicates": 1},
        1,
    )
    assert figure(enough, "tstr_accuracy").patients == 60
    assert {row.replicate for row in enough.measures} == {"", "0"}


def test_every_figure_can_be_right(found, tmp_path):
    for place, findings in enumerate(found):
        assert all(row.n > 0 for row in findings.measures)
        names = [(row.measure, row.group, row.replicate) for row in findings.measures]
        assert len(names) == len(set(names))
        write_measures(tmp_path / f"{place}.csv", findings.measures)
        assert list(faults_of(tmp_path / f"{place}.csv")) == []


def test_several_records_of_a_patient_and_three_classes():
    dataset = table_dataset(train=50, test=20, classes=3, records=2)
    members = halves(dataset, 2)
    tables = copies(dataset, members)
    tables[0] = tables[0][tables[0][:, -1] != 2]  # one replicate never makes the third class
    tables[0] = np.concatenate([tables[0], tables[0]])[: len(tables[1])]
    findings = synthetic_utility.audit(dataset, bank_of_tables(dataset, members, tables), None, SETTINGS, 1)
    row = figure(findings, "tstr_auroc")
    assert row.n == 2 * row.patients
    assert 0.5 < row.value < figure(findings, "trtr_auroc").value


def test_banks_that_hold_no_tables_or_too_few_rows_are_refused(dataset, members):
    tables = copies(dataset, members)
    with pytest.raises(InputError, match="79 synthetic rows for 80"):
        synthetic_utility.audit(
            dataset, bank_of_tables(dataset, members, [table[1:] for table in tables]), None, SETTINGS, 1
        )
    bank = bank_of_tables(dataset, members, tables)
    del bank.outputs.arrays["raw"]
    with pytest.raises(InputError, match="synthetic tables are asked for"):
        synthetic_utility.audit(dataset, bank, None, SETTINGS, 1)


def wild(name: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return features and labels that a bad generator may make."""
    x, y = rng.normal(size=(30, 4)), np.arange(30) % 2
    if name == "constant":
        x[:] = 0.0
    if name == "one constant column":
        x[:, 1] = 7.0
    if name == "one record of a class":
        y = (np.arange(30) == 3).astype(int)
    if name == "two records":
        x, y = x[:2], y[:2]
    if name == "one record":
        x, y = x[:1], y[:1]
    if name == "huge":
        x *= 1e30
    if name == "all the same but one":
        x[:] = x[0]
        x[4] += 1
    return x, y


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_no_table_stops_a_classifier(classifier: str):
    rng = np.random.default_rng(0)
    asked = rng.normal(size=(9, 4))
    for kind in (
        "usual",
        "constant",
        "one constant column",
        "one record of a class",
        "two records",
        "one record",
        "huge",
        "all the same but one",
    ):
        x, y = wild(kind, rng)
        scores = classifiers.fit(classifier, x, y, 3, np.random.default_rng(1))(asked)
        assert scores.shape == (9, 3)
        assert not np.isnan(scores).any(), kind
        assert (scores.argmax(axis=1) < 2).all()  # the third class was never seen
    scores = classifiers.fit(classifier, *wild("constant", rng), 3, np.random.default_rng(1))(asked)
    assert (scores == scores[0]).all()


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_each_classifier_learns_and_ranks_by_what_it_answers(classifier: str):
    rng = np.random.default_rng(2)
    cells = draw_cells(rng, 300)
    x, y = np.nan_to_num((cells[:, :2] - [60, 120]) / 12), cells[:, -1].astype(int)
    scores = classifiers.fit(classifier, x[:200], y[:200], 2, np.random.default_rng(1))(x[200:])
    assert (scores.argmax(axis=1) == y[200:]).mean() > 0.58
    same = classifiers.fit(classifier, x[:200], y[:200], 2, np.random.default_rng(1))(x[200:])
    assert np.array_equal(scores, same)


def test_boosting_of_many_rows_is_binned_and_says_about_the_same():
    rng = np.random.default_rng(3)
    cells = draw_cells(rng, 700)
    x, y = np.nan_to_num((cells[:, :2] - [60, 120]) / 12), cells[:, -1].astype(int)

    def scores() -> np.ndarray:
        return classifiers.fit("boosting", x[300:], y[300:], 2, np.random.default_rng(1))(x[:300])

    plain = scores()
    with mock.patch.object(classifiers, "BINNED", 100):
        binned = scores()
    assert not np.array_equal(plain, binned)
    assert np.corrcoef(plain[:, 1], binned[:, 1])[0, 1] > 0.8
    assert (binned.argmax(axis=1) == y[:300]).mean() > 0.58
