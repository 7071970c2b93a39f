"""The re-identification audit against answers found by hand, by slow loops, and on the first seed's real table."""

from collections import Counter

import numpy as np
import pytest
from admissions_table import DEMO, admissions_dataset, read_admissions
from made_up_datasets import put_together, with_changes

from medpriv.attacks.linkage.audit import audit, excess
from medpriv.attacks.linkage.classes import anonymity, classes_of, diversity, risks
from medpriv.attacks.linkage.columns import known_sets, read_columns, words
from medpriv.attacks.linkage.criteria import CRITERIA_COLUMNS, criteria
from medpriv.attacks.linkage.linking import inference, joined, linkability, same_person
from medpriv.attacks.linkage.predicates import isolate
from medpriv.config.linkage import LinkageSettings
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.seeds import generator

SETTINGS = LinkageSettings(targets=200).model_dump()

# Sweeney's kind of table: two quasi-identifiers, seven rows, six people (rows 5 and 6 are one person's).
CODES = np.array([[0, 0], [0, 0], [0, 1], [0, 1], [1, 0], [1, 1], [1, 1]])
PATIENT = np.array([0, 1, 2, 3, 4, 5, 5])
SICK = np.array([0, 1, 1, 1, 0, 0, 0])


def table(rows: int = 120, seed: int = 0) -> Dataset:
    """Return age, sex, a one-hot ward and two lab values at two sites; every third patient has two rows."""
    rng = generator(seed, "people")
    patient = np.sort(np.arange(rows) % (3 * rows // 4)).astype(np.int32)
    people = int(patient.max()) + 1
    age, sex = rng.integers(40, 60, people), rng.integers(2, size=people)
    ward = rng.integers(3, size=rows)
    x = np.column_stack([age[patient], sex[patient], np.eye(3)[ward], rng.normal(size=(rows, 2))])
    names = ("age", "Gender", "ward=a", "ward=b", "ward=c", "lactate", "urea")
    kinds = {"age": "number", "Gender": "binary", "lactate": "number", "urea": "number"}
    return put_together(
        name="people",
        x=x.astype(np.float32),
        y=rng.integers(2, size=rows),
        patient=patient,
        site=rng.integers(2, size=rows).astype(np.int32),
        split=np.where(np.arange(people) % 3 == 2, TEST, TRAIN).astype(np.uint8),
        centre=np.zeros(7, np.float32),
        scale=np.ones(7, np.float32),
        patients=tuple(f"p{index}" for index in range(people)),
        sites=("north", "south"),
        classes=("well", "ill"),
        features=names,
        units=("years", *("",) * 6),
        licence="none",
        source="simulated",
        digest="0" * 64,
        groups={"sex": tuple("FM"[value] for value in sex), "payer": tuple("ab"[value % 2] for value in age)},
        kinds=kinds | dict.fromkeys(names[2:5], "onehot:ward"),
        quasi_identifiers=["age", "ward=a"],
    )


def values(measures, attack: str, measure: str) -> dict[str, float]:
    """Return group -> value of one measure."""
    return {one.group: one.value for one in measures if (one.attack, one.measure) == (f"linkage-{attack}", measure)}


def test_classes_k_anonymity_and_persons_by_hand():
    classes = classes_of(CODES, PATIENT)
    assert sorted(classes.persons.tolist()) == [1, 1, 2, 2]
    assert classes.k.tolist() == [2, 2, 2, 2, 1, 1, 1]  # rows 5 and 6 are one person's, and hide nobody
    found = anonymity(classes, PATIENT)
    alone = pytest.approx(2 / 6)  # patients 4 and 5
    assert found == {"k_min": 1, "classes": 4, "unique": alone, "under_5": pytest.approx(1), "persons_alone": alone}


def test_two_rows_of_one_person_alone_are_one_person_alone():
    codes, patient, sensitive = np.zeros((2, 1), int), np.zeros(2, int), np.array([0, 1])
    classes = classes_of(codes, patient)
    alone = anonymity(classes, patient)
    assert alone == {"k_min": 1, "classes": 1, "unique": 1, "under_5": 1, "persons_alone": 1}
    found = risks(classes, np.ones(2, bool))
    assert set(found.values()) == {1.0}
    told = diversity(classes, sensitive)
    assert told["l_min"] == 1 and told["disclosed"] == 0  # both values are the one person's; they are singled out
    assert linkability(codes, codes, patient).tolist() == [1, 1]


def test_who_has_a_row_alone_is_a_person_alone_and_weighs_as_much_as_others():
    codes, patient = np.array([[0], [0], [0], [1]]), np.array([0, 1, 2, 2])
    found = anonymity(classes_of(codes, patient), patient)
    assert found["k_min"] == 1 and found["persons_alone"] == pytest.approx(1 / 3)
    assert found["unique"] == pytest.approx(1 / 6)  # one of three people, by one of two rows


def test_diversity_and_closeness_by_hand():
    found = diversity(classes_of(CODES, PATIENT), SICK)
    assert found["l_min"] == 1
    assert found["t_max"] == pytest.approx(1 / 2)  # all sick or all well, where 3 of 6 people are sick
    assert found["t_mean"] == pytest.approx((2 * 0 + 2 * 1 / 2 + 1 * 1 / 2 + 1 * 1 / 2) / 6)
    assert found["disclosed"] == pytest.approx(2 / 6)  # patients 2 and 3; 4 and 5 are singled out instead


def test_risks_by_hand():
    found = risks(classes_of(CODES, PATIENT), np.array([1, 1, 1, 1, 0, 0, 0], bool))
    assert found == {
        "prosecutor_max": 1.0,
        "marketer": pytest.approx((4 / 2 + 2) / 6),
        "journalist_max": 0.5,
        "journalist_mean": pytest.approx(0.5),
    }


@pytest.mark.parametrize("people", [60, 20])
def test_every_figure_of_the_classes_equals_slow_loops_over_people_and_their_rows(people):
    rng = generator(4, "classes", people)
    codes, sensitive, patient = rng.integers(3, size=(60, 2)), rng.integers(3, size=60), rng.permutation(60) % people
    rows_of = [np.flatnonzero(patient == person) for person in range(people)]
    alike = [np.flatnonzero((codes == codes[row]).all(axis=1)) for row in range(60)]
    k = [len(set(patient[rows])) for rows in alike]

    def over_people(value) -> float:
        return pytest.approx(np.mean([np.mean([value(row) for row in rows]) for rows in rows_of]))

    def shares(rows: np.ndarray) -> np.ndarray:
        found = np.zeros(3)
        for row in rows:
            found[sensitive[row]] += 1 / len(rows_of[patient[row]])
        return found / found.sum()

    def distance(row: int) -> float:
        return np.abs(shares(alike[row]) - shares(np.arange(60))).sum() / 2

    def values(row: int) -> int:
        return len(set(sensitive[alike[row]]))

    classes = classes_of(codes, patient)
    assert anonymity(classes, patient) == {
        "k_min": min(k),
        "classes": len({tuple(code) for code in codes}),
        "unique": over_people(lambda row: k[row] == 1),
        "under_5": over_people(lambda row: k[row] < 5),
        "persons_alone": np.mean([any(k[row] == 1 for row in rows) for rows in rows_of]),
    }
    assert diversity(classes, sensitive) == {
        "l_min": min(min(values(row), k[row]) for row in range(60)),
        "t_max": pytest.approx(max(distance(row) for row in range(60))),
        "t_mean": over_people(distance),
        "disclosed": over_people(lambda row: values(row) == 1 and k[row] > 1),
    }
    released = patient % 2 == 0
    rows_of_released = [rows for rows in rows_of if released[rows].all()]
    assert risks(classes, released) == {
        "prosecutor_max": 1 / min(k),
        "marketer": over_people(lambda row: 1 / k[row]),
        "journalist_max": max(1 / k[row] for row in range(60) if released[row]),
        "journalist_mean": pytest.approx(np.mean([np.mean([1 / k[row] for row in rows]) for rows in rows_of_released])),
    }


@pytest.mark.parametrize("people", [40, 15])
def test_linkability_equals_the_enumeration_of_all_draws(people):
    rng = generator(1, "linkability")
    a, b, patient = rng.integers(3, size=(40, 2)), rng.integers(4, size=(40, 1)), rng.permutation(40) % people

    def enumerated(row: int) -> float:
        equal_a = (a == a[row]).all(axis=1)
        bridges = [np.flatnonzero(equal_a & (patient == person)) for person in np.unique(patient[equal_a])]

        def right(middle: int) -> float:
            holders = np.unique(patient[(b == b[middle]).all(axis=1)])
            return (b[middle] == b[row]).all() * np.mean(holders == patient[row])

        return float(np.mean([np.mean([right(middle) for middle in rows]) for rows in bridges]))

    assert linkability(a, b, patient) == pytest.approx([enumerated(row) for row in range(40)])


def test_rows_of_one_person_are_matched_by_what_stays_the_same():
    rows, matched, blind = same_person(CODES, PATIENT)
    assert rows.tolist() == [5, 6] and matched.tolist() == [1, 1] and blind.tolist() == [1 / 6, 1 / 6]
    changed = np.array([[row] for row in range(7)])
    assert same_person(changed, PATIENT)[1].tolist() == [1 / 6, 1 / 6]


def test_inference_equals_the_slow_count_with_and_without_the_person_s_rows():
    rng = generator(2, "inference")
    codes, sensitive, patient = rng.integers(4, size=(60, 1)), rng.integers(3, size=60), np.arange(60) // 2

    def chance(rows: np.ndarray, row: int) -> float:
        held = rows & (codes[:, 0] == codes[row, 0])
        counts = Counter(sensitive[held if held.any() else rows].tolist())
        best = [value for value, count in counts.items() if count == max(counts.values())]
        return (sensitive[row] in best) / len(best)

    right, others = inference(codes, sensitive, patient)
    assert right == pytest.approx([chance(np.ones(60, bool), row) for row in range(60)])
    assert others == pytest.approx([chance(patient != patient[row], row) for row in range(60)])


def test_a_table_of_unique_rows_discloses_all_that_others_do_not_teach():
    right, others = inference(np.arange(30)[:, None], np.arange(30) % 3 // 2, np.arange(30))
    assert right.mean() == 1 and others.mean() == pytest.approx(2 / 3)
    assert excess(1, 2 / 3) == 1 and excess(0.5, 0.6) == 0 and excess(0.75, 0.5) == 0.5


def test_a_key_that_occurs_once_joins():
    assert joined(np.array([7, 8, 8, 9])).tolist() == [True, False, False, True]


def test_predicates_isolate_everybody_by_a_number_and_nobody_by_a_constant():
    codes = np.column_stack([np.arange(50), np.zeros(50, int)])
    rng = generator(0, "predicates")
    assert isolate(codes[:, :1], np.arange(50), 1, 50, rng).isolated == 50
    assert isolate(codes[:, 1:], np.arange(50), 1, 50, rng).isolated == 0
    assert isolate(codes[:, 1:], np.zeros(50, int), 1, 50, rng).isolated == 1  # one person, with fifty rows
    both = isolate(codes, np.arange(50), 2, 20, rng)
    assert (both.isolated, both.predicates) == (20, 20)


def test_predicates_isolate_as_often_as_counting_all_of_them_says():
    rng = generator(3, "predicates")
    codes = rng.integers(30, size=(300, 2))
    found = [isolate(codes, np.arange(300), 2, 300, generator(seed, "blind")) for seed in range(20)]
    cells = np.zeros((30, 30))
    np.add.at(cells, (codes[:, 0], codes[:, 1]), 1)
    blind = (cells.sum(1) @ (cells == 1) @ cells.sum(0)) / 300**2  # values drawn from their columns
    assert np.mean([one.blind for one in found]) / 300 == pytest.approx(blind, abs=0.02)
    assert {one.isolated for one in found} == {int((cells == 1).sum())}


def test_the_sets_are_found_in_names_notes_and_groups():
    dataset = table()
    columns = read_columns(dataset)
    assert columns.variables == ("age", "Gender", "ward", "lactate", "urea")
    sets = known_sets(dataset, columns, {"mine": ["ward", "group:payer"]})
    assert sets == {
        "mine": ("ward", "group:payer"),
        "demographics": ("age", "Gender", "group:sex"),
        "demographics+site": ("age", "Gender", "group:sex", "site"),
        "quasi": ("age", "ward", "site"),
        "all": columns.variables,
    }
    assert words("admitMonth") == words("admit_month") == {"admit", "month"} and "age" not in words("average")


def test_numbers_are_cut_to_deciles_and_codes_are_not():
    columns = read_columns(table())
    assert [len(np.unique(columns.exact[name])) for name in ("lactate", "ward", "Gender")] == [120, 3, 2]
    assert [len(np.unique(columns.coarse[name])) for name in ("lactate", "ward", "Gender")] == [10, 3, 2]
    assert np.bincount(columns.coarse["lactate"]).tolist() == [12] * 10


def test_an_age_is_known_in_whole_years():
    dataset = table()
    x = dataset.x.copy()
    x[:, [0, 5]] += 0.9 * np.arange(120)[:, None] / 120  # an age from dates; a laboratory value is known as it stands
    columns, plain = read_columns(with_changes(dataset, x=x)), read_columns(dataset)
    assert np.array_equal(columns.exact["age"], plain.exact["age"])
    assert len(np.unique(columns.exact["lactate"])) == 120


def test_the_audit_says_what_the_parts_say_and_repeats_itself():
    dataset = table()
    measures = audit(dataset, SETTINGS | {"sensitive": {"people": ["ward"]}}, 1).measures
    assert repr(measures) == repr(audit(dataset, SETTINGS | {"sensitive": {"people": ["ward"]}}, 1).measures)
    assert measures != audit(dataset, SETTINGS | {"sensitive": {"people": ["ward"]}}, 2).measures
    assert {one.treatment for one in measures} == {"data"}
    assert len({(one.attack, one.measure, one.group) for one in measures}) == len(measures)
    unique = values(measures, "anonymity", "unique")
    known = list(map(tuple, np.column_stack([dataset.x[:, :2], dataset.site]).tolist()))
    people = Counter(cell for cell, _ in set(zip(known, dataset.patient.tolist(), strict=True)))
    rows = Counter(dataset.patient.tolist())
    alone = [
        1 / rows[person] for cell, person in zip(known, dataset.patient.tolist(), strict=True) if people[cell] == 1
    ]
    assert unique["set=demographics+site"] == pytest.approx(sum(alone) / 90)
    assert unique["set=all"] == pytest.approx(1)
    assert {(one.n, one.patients) for one in measures if one.attack == "linkage-anonymity"} == {(90, 90)}
    assert {(one.n, one.patients) for one in measures if one.measure == "same_person"} == {(60, 30)}
    inferred = values(measures, "inference", "excess")
    assert "set=demographics,sensitive=ward" in inferred and "set=quasi,sensitive=ward" not in inferred
    isolated = values(measures, "singling-out", "isolated")
    assert isolated["columns=5,values=exact"] >= isolated["columns=1,values=exact"]
    assert all(
        0 <= one.value <= 1 + 1e-9 for one in measures if one.measure not in ("k_min", "classes", "columns", "l_min")
    )


def test_equal_people_are_not_told_apart():
    dataset = table()
    same = with_changes(dataset, x=np.zeros_like(dataset.x), site=np.zeros_like(dataset.site), groups={})
    measures = audit(same, SETTINGS, 1).measures
    assert values(measures, "anonymity", "k_min")["set=all"] == 90
    assert set(values(measures, "singling-out", "isolated").values()) == {0}
    assert values(measures, "reidentification", "marketer")["set=all"] == pytest.approx(1 / 90)


def test_kept_numbers_join_and_stand_in_the_criteria():
    dataset = table()
    dataset = with_changes(dataset, row_id=np.arange(1000, 1120))
    measures = audit(dataset, SETTINGS, 1).measures
    assert values(measures, "join", "joined") == {"key=row_id": 1}
    rows = criteria(dataset, measures)
    assert [set(row) for row in rows] == [set(CRITERIA_COLUMNS)] * 21
    assert "row_id kept: 100.0 % of rows joined by it" in rows[17]["found"]


def test_criteria_name_columns_and_forms_but_never_a_person():
    dataset = table()
    clean = {row["criterion"][:3]: row["found"] for row in criteria(dataset, audit(dataset, SETTINGS, 1).measures)}
    assert clean["(A)"] == "no such name" and clean["(F)"] == clean["(G)"] == "no such name or text"
    assert clean["(B)"] == "2 sites are told apart"
    assert clean["(C)"] == "no age of 90 or more"
    features = ("age", "zip_code", *dataset.features[2:6], "birthDate")
    x = dataset.x.copy()
    x[dataset.patient == 3, 0] = 91
    assert (dataset.patient == 3).sum() == 2
    patients = ("a.b@clinic.org", "078-05-1120", *dataset.patients[2:])
    kinds = {"ward=a": "onehot:ward", "ward=b": "onehot:ward", "ward=c": "onehot:ward"}
    dirty = with_changes(dataset, x=x, features=features, patients=patients, kinds=kinds)
    rows = criteria(dirty, audit(dirty, SETTINGS, 1).measures)
    found = {row["criterion"][:3]: row["found"] for row in rows}
    assert found["(B)"] == "columns so named: zip_code; 2 sites are told apart"
    assert found["(C)"] == "columns so named: birthDate; people aged 90 or more: 1"
    assert found["(F)"] == found["(G)"] == "1 texts of that form"
    assert not any("clinic" in cell or "078" in cell for row in rows for cell in row.values())


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(
        InputError, match=r"attacks\.linkage\.sets\.people\.mine: no column lactat.*did you mean lactate\?"
    ):
        audit(table(), SETTINGS | {"sets": {"people": {"mine": ["lactat"]}}}, 1)
    with pytest.raises(InputError, match=r"attacks\.linkage\.sensitive\.people: no column salary"):
        audit(table(), SETTINGS | {"sensitive": {"people": ["salary"]}}, 1)


@pytest.mark.skipif(not DEMO.is_dir(), reason="needs ../shared/data (MIMIC-III demo)")
def test_the_first_seed_s_table_is_found_again_row_by_row():
    rows = read_admissions()
    dataset = admissions_dataset()
    dataset = with_changes(dataset, row_id=np.array([int(row["row_id"]) for row in rows]))
    measures = audit(dataset, SETTINGS, 1).measures
    unique = values(measures, "anonymity", "unique")
    assert values(measures, "join", "joined") == {"key=row_id": 1}  # 129 of 129
    columns = read_columns(dataset)
    codes = columns.codes(known_sets(dataset, columns, {})["dates"])
    apart = anonymity(classes_of(codes, np.arange(129)), np.arange(129))  # the seed takes each row for a person
    assert apart["unique"] == pytest.approx(113 / 129)
    assert unique["set=dates"] == pytest.approx(0.926667)  # of 100 people, some of whom look like themselves alone
    assert unique["set=dates+diagnosis"] == pytest.approx(1)


@pytest.mark.skipif(not DEMO.is_dir(), reason="needs ../shared/data (MIMIC-III demo)")
def test_the_first_seed_s_coarse_demographics_make_55_classes():
    coarse = [
        (
            row["ethnicity"].split()[0].split("/")[0],
            row["marital_status"] == "MARRIED",
            row["insurance"] == "Private",
            row["religion"],
            row["language"],
        )
        for row in read_admissions()
    ]
    codes = np.array([[hash(cell) for cell in row] for row in coarse])
    found = anonymity(classes_of(codes, np.arange(129)), np.arange(129))
    # The seed's notes say 52 rows are unique; 55 classes of 129 rows can't have more than 54, and these have 31.
    assert (found["classes"], round(found["unique"] * 129)) == (55, 31)
