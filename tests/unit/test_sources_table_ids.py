"""Ids that stand in the place of sites, numbers or categories are told apart from what belongs there."""

import numpy as np
import pytest

from medpriv.config.leakage import LeakageSettings
from medpriv.errors import InputError
from medpriv.leakage import check_leakage
from medpriv.seeds import generator
from medpriv.sources import table
from medpriv.sources.acquire import acquire_raw
from medpriv.sources.names import NO_PATIENT
from medpriv.sources.table_columns import names, refuse_nobody
from medpriv.sources.table_file import column_of
from medpriv.sources.table_ids import copied_rows, named_like_id, numbers_every_row, sites_of_few

SETTINGS = {"label": "died", "patient": None, "site": None, "groups": [], "categorical": ["sex"], "ignore": []}
SETTINGS |= {"test_fraction": 0.3}
LIMITS = LeakageSettings().model_dump()


def columns(people: int = 300, rows: int = 375) -> dict[str, np.ndarray]:
    """Return rows of made-up people, some of whom have several."""
    rng = generator(0, "ids")
    person = rng.permutation(np.arange(rows) % people)
    return {
        "kenner": 4711 + 13 * person,
        "sex": np.array(["f", "m"])[rng.integers(2, size=people)][person],
        "born": rng.integers(1930, 2000, size=people)[person],
        "lactate": rng.gamma(2, 1, size=rows).round(3),
        "died": rng.integers(2, size=rows),
    }


@pytest.fixture
def check(tmp_path):
    """Return a call that takes columns through the parser and the leakage check, and returns the dataset."""

    def call(held: dict[str, np.ndarray], allow: tuple[str, ...] = (), **changes: object):
        file = tmp_path / "mine.csv"
        lines = [",".join(map(str, row)) for row in zip(*held.values(), strict=True)]
        file.write_text("\n".join([",".join(held), *lines]) + "\n", encoding="utf-8")
        acquire_raw("table", "mine", {"source": "local", "path": str(file)}, 1, tmp_path / "raw", tmp_path / "scratch")
        dataset = table.parse("mine", tmp_path / "raw", SETTINGS | changes, 1)
        check_leakage(dataset, LIMITS | {"allow": allow})
        return dataset

    return call


def test_people_as_sites_are_refused_with_the_remedy(check):
    with pytest.raises(
        InputError, match=r"column kenner: 300 sites of 375 patients.*name it under preprocess\.patient"
    ):
        check(columns(), site="kenner")
    shuffled = np.arange(375)
    with pytest.raises(
        InputError, match=r"column kenner: 300 sites of 375 patients.*Remedy: leave preprocess\.site out"
    ):
        check(columns() | {"stay": shuffled}, site="kenner", patient="stay")


def test_people_with_many_rows_as_sites_are_found_by_what_never_differs_in_them(check):
    many = columns(people=60)
    with pytest.raises(InputError, match=r"kenner is probably the patients' id, but 60 of its 60 values"):
        check(many, site="kenner")
    assert len(check(many, allow=("kenner",), site="kenner").sites) == 60


@pytest.mark.parametrize("count", [2, 9, 40])
def test_hospitals_are_sites_also_by_the_name_of_an_id(check, count):
    held = columns()
    held["hospital_id"] = generator(0, "hospitals").integers(count, size=375) + 500
    assert len(check(held | {"kenner": held["lactate"]}, site="hospital_id").sites) == count


def test_few_patients_a_site_are_too_few_only_where_there_are_many_sites():
    assert sites_of_few(10, 29) and not sites_of_few(10, 30) and not sites_of_few(4, 6)


def test_a_number_that_is_another_one_in_every_row_is_no_measurement(check):
    held, rng = columns() | {"kenner": columns()["lactate"]}, generator(1, "ids")
    for numbers in (
        rng.permutation(375) * 7 + 3_000_000,
        np.cumsum(rng.integers(1, 9, size=375)),
        rng.permutation(900)[:375],
    ):
        with pytest.raises(InputError, match="beleg is probably an id, another one in each of 375 rows"):
            check(held | {"beleg": numbers})
        assert "beleg" in check(held | {"beleg": numbers}, allow=("beleg",)).features
        check(held | {"beleg": numbers}, ignore=["beleg"])


def test_measurements_are_no_ids_though_many_of_them_differ():
    rng = generator(2, "ids")
    for values in (
        rng.integers(0, 35_000, size=60),
        rng.integers(10_000, 34_000, size=100),
        rng.integers(20, 95, size=400),
    ):
        assert not numbers_every_row(column_of("x", values.astype(str)))
    assert not numbers_every_row(column_of("x", [f"{value:.4f}" for value in rng.random(400)]))


def test_copies_are_counted_and_refused_where_rows_are_patients(check):
    held = columns() | {"kenner": columns()["lactate"], "nr": np.arange(1, 376)}
    copied = {name: np.concatenate([values, values[:3]]) for name, values in held.items()} | {"nr": np.arange(1, 379)}
    with pytest.raises(InputError, match="duplicates: 3 of 378 rows copy another one in every column"):
        check(copied, ignore=["nr"])
    assert check(copied, allow=("duplicates",), ignore=["nr"]).notes["copied_rows"] == 3
    assert check(held, ignore=["nr"]).notes["copied_rows"] == 0
    owner = np.arange(375) // 2
    owned = copied | {"pnr": np.concatenate([owner, owner[:3]])}
    noted = check(owned, ignore=["nr"], patient="pnr").notes
    assert noted["copied_rows"] == 3 and "copies_by_chance" not in noted


def test_people_who_look_alike_in_a_coarse_table_are_no_copies():
    rng = generator(3, "ids")
    coarse = [
        column_of(name, rng.integers(high, size=400).astype(str)) for name, high in (("a", 4), ("b", 2), ("c", 9))
    ]
    found, by_chance = copied_rows(coarse)
    pairs = 400 * 399 / 2 / (4 * 2 * 9)
    assert found == 400 - 72 and by_chance == pytest.approx(pairs, rel=0.1)
    assert copied_rows([column_of("nr", np.arange(400).astype(str))]) == (0, 0.0)


def test_a_category_of_which_most_rows_have_their_own_level_is_refused(check):
    held = columns(people=40, rows=50)
    held |= {"kenner": held["lactate"], "ward": np.array([f"w{min(row, 30)}" for row in range(50)])}
    with pytest.raises(InputError, match="column ward: 31 levels in 50 rows: it could only be memorised"):
        check(held, categorical=["sex", "ward"])


@pytest.mark.parametrize("name", ["patient_id", "Patientennummer", "Fallnummer", "PatNr", "pseudonym"])
def test_ids_are_known_by_their_names_in_several_languages(name):
    assert named_like_id(name)
    assert not named_like_id("lipid") and not named_like_id("alter")


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        ("P00002 P1 P00001", True),
        ("P00002;P 00001;P00001", True),
        ("P00002;P-1;P00001", True),
        ("A-01-007 A-1-7", True),
        ("12 345;12345", True),
        ("1-11 11-1", False),
        ("P1 P10 P100 Q1", False),
        ("a00b3 a0b03", False),  # as long as each other: parts of a hash
    ],
)
def test_one_person_in_two_spellings_is_refused(cells, fault):
    faults: list = []
    names(column_of("pid", cells.split(";") if ";" in cells else cells.split()), faults, no_names=NO_PATIENT)
    assert [one.problem.startswith("another spelling of the n") for one in faults] == [True] * fault


def test_levels_and_classes_with_zeros_stay_two():
    faults: list = []
    names(column_of("icd", ["A1", "A01"]), faults)
    assert not faults


@pytest.mark.parametrize("word", ["unbekannt", "k.A.", "K. A.", "Keine  Angabe", "inconnu", "XXX", "-1", "-"])
def test_words_for_nobody_are_no_patient(word):
    faults: list = []
    names(column_of("pid", ["P1", "P2", word]), faults, no_names=NO_PATIENT)
    assert [one.problem for one in faults] == ["a missing value that must not be"]


@pytest.mark.parametrize("one", ["0", "999", "P00000", "-2", "0.0"])
@pytest.mark.parametrize(("rows", "fault"), [(28, True), (6, False), (1, False)])
def test_an_id_that_stands_for_nobody_is_known_by_its_many_rows(one, rows, fault):
    faults: list = []
    people = [f"P{row // 2 + 1:05d}" for row in range(100)]
    refuse_nobody(column_of("pid", people + [one] * rows), faults)
    assert [one.problem.startswith("an id of one digit repeated") for one in faults] == [True] * fault


def test_people_of_any_other_id_may_have_many_rows():
    faults: list = []
    refuse_nobody(column_of("pid", [*map(str, range(50)), *["7"] * 40]), faults)
    assert not faults
