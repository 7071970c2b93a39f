"""What is said of an own table's columns: dates are seen by their values, and nothing is taken for nothing."""

import numpy as np
import pytest

from medpriv.attacks.linkage.audit import audit
from medpriv.config.check import check_config
from medpriv.config.linkage import LinkageSettings
from medpriv.dataset import Dataset
from medpriv.errors import InputError
from medpriv.seeds import generator
from medpriv.sources import table
from medpriv.sources.acquire import acquire_raw
from medpriv.sources.table_file import column_of
from medpriv.sources.table_roles import as_days, day_of, holds_dates, named_roles

HEADER = "pnr,klinik,alter,geschlecht,plz,aufnahmedatum,laktat,verstorben"
SETTINGS = {
    "label": "verstorben",
    "patient": "pnr",
    "site": "klinik",
    "groups": ["geschlecht"],
    "categorical": ["geschlecht"],
}
DECLARED = {"quasi_identifiers": ["alter", "geschlecht", "plz"], "ages": ["alter"], "places": ["plz"]}
DECLARED |= {"dates": ["aufnahmedatum"]}
LINKAGE = LinkageSettings(targets=50).model_dump()


def rows(patients: int = 120) -> list[list[str]]:
    """Return made-up German patients, of one row each."""
    rng = generator(0, "german")
    return [
        [
            f"P{patient}",
            rng.choice(["Nord", "Ost"]),
            str(rng.integers(20, 95)),
            rng.choice(["m", "w"]),
            str(rng.choice([10115, 20095, 80331])),
            f"2021{rng.integers(1, 13):02d}{rng.integers(1, 28):02d}",
            f"{rng.normal(2, 1):.3f}",
            str(rng.choice(["ja", "nein"])),
        ]
        for patient in range(patients)
    ]


@pytest.fixture
def parse(tmp_path):
    """Return a call that takes rows of cells, a header and settings through the config's check and the parser."""

    def call(cells: list[list[str]] | None = None, header: str = HEADER, **changes: object) -> Dataset:
        file = tmp_path / "akten.csv"
        file.write_text("\n".join([header, *map(",".join, cells or rows())]) + "\n", encoding="utf-8")
        raw = {"path": str(file)}
        section = {"format": "table", "raw": raw, "preprocess": SETTINGS | changes}
        checked = check_config({"datasets": {"akten": section}})["datasets"]["akten"]
        acquire_raw("table", "akten", checked["raw"], 1, tmp_path / "raw", tmp_path / "scratch")
        return table.parse("akten", tmp_path / "raw", checked["preprocess"], 1)

    return call


def values(found, attack: str, measure: str) -> dict[str, float]:
    return {one.group: one.value for one in found.measures if (one.attack, one.measure) == (attack, measure)}


def told(found) -> dict[str, str]:
    return {row["criterion"][:3]: row["found"] for row in found.tables["criteria"].rows}


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2021-01-19", (2021, 1, 19)),
        ("20210119", (2021, 1, 19)),
        ("19.01.2021", (2021, 1, 19)),
        ("19.1.21", (21, 1, 19)),
        ("01/19/2021", (2021, 1, 19)),
        ("2021-01-19 08:30", (2021, 1, 19)),
        ("2021-01-19T08:30:15.123+01:00", (2021, 1, 19)),
        ("1/19/2021 8:30 PM", (2021, 1, 19)),
        ("20210119083000", (2021, 1, 19)),
        ("19 Jan 2021", (2021, "jan", 19)),
        ("202101", (2021, 1)),
        *((text, None) for text in ("20211399", "2021", "202113", "19.25", "2020.5", "120/80", "99999999", "", "7")),
    ],
)
def test_a_day_is_read_in_the_usual_forms_and_numbers_are_none(text, day):
    assert day_of(text) == day


def test_a_column_is_of_dates_if_nearly_all_its_values_are():
    dates = [f"{day:02d}.01.2021" for day in range(1, 29)]
    assert holds_dates(column_of("x", [*dates, "", "NA", "heute"]))
    assert not holds_dates(column_of("x", [*dates, *map(str, range(5, 15))]))
    rng = generator(0, "numbers")
    assert not any(
        holds_dates(column_of("x", rng.integers(*ends, size=50).astype(str)))
        for ends in ((10_000_000, 99_999_999), (18_000_000, 22_999_999), (150_000, 400_000), (1, 40))
    )


def test_equal_days_are_one_whatever_the_time():
    column = column_of("x", ["2021-01-19 08:30", "2021-01-20", "", "2021-01-19 23:59"])
    assert as_days(column, []).tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize(
    ("name", "role"),
    [
        *((name, "ages") for name in ("Alter", "âge", "patientAge")),
        *((name, "places") for name in ("PLZ", "code_postal")),
        *((name, "dates") for name in ("Aufnahmedatum", "fecha_ingreso", "birthYear", "Geburtsjahr", "date of birth")),
        *((name, "quasi_identifiers") for name in ("Geschlecht", "Nachname", "name", "last_name", "doctor", "Arzt")),
    ],
)
def test_names_suggest_a_role_in_several_languages(name, role):
    assert role in named_roles(name)
    others = (
        "dosage",
        "laktat",
        "average",
        "birth_weight",
        "Geburtsgewicht",
        "sodium_day1",
        "years_smoked",
        "cp",
        "state",
        "drug_name",
        "unit name",
    )
    assert not set().union(*map(named_roles, others))


@pytest.mark.parametrize("form", ["{0}", "{0[6]}{0[7]}.{0[4]}{0[5]}.{0[0]}{0[1]}{0[2]}{0[3]}"])
def test_a_column_of_dates_is_no_number_and_the_remedy_keeps_it(parse, form):
    cells = [[*row[:5], form.format(row[5]), *row[6:]] for row in rows()]
    with pytest.raises(InputError, match=r"column aufnahmedatum: dates, .*name it under preprocess\.dates"):
        parse(cells)
    kept = parse(cells, dates=["aufnahmedatum"])
    assert kept.records.aside_names == ("aufnahmedatum",) and "aufnahmedatum" not in kept.features
    assert len(np.unique(kept.records.aside)) == len({row[5] for row in rows()})


def test_a_declared_date_that_is_none_is_refused_with_its_row(parse):
    cells = rows()
    cells[7][5] = "gestern"
    with pytest.raises(InputError, match=r"row 8, column aufnahmedatum: not a date.*take the column out of"):
        parse(cells, dates=["aufnahmedatum"])


def test_dates_that_begin_with_the_day_beside_some_that_begin_with_the_month_are_refused(parse):
    cells = rows()
    for place, row in enumerate(cells):
        day, month = 13 + place % 15, 1 + place % 12
        row[5] = f"{day}/{month:02d}/2021"
    parse(cells, dates=["aufnahmedatum"])
    cells[3][5] = "02/03/2021"  # fits both
    parse(cells, dates=["aufnahmedatum"])
    cells[4][5] = "02/28/2021"
    with pytest.raises(InputError, match=r"column aufnahmedatum: row 1 begins with the day, row 5 with the month"):
        parse(cells, dates=["aufnahmedatum"])


def test_where_nothing_is_declared_there_is_no_figure(parse):
    dataset = parse(ignore=["aufnahmedatum"])
    found = audit(dataset, LINKAGE, 1)
    unique = values(found, "linkage-anonymity", "unique")
    assert set(unique) == {"set=quasi", "set=all"} and np.isnan(unique["set=quasi"])
    assert "set=quasi" not in values(found, "linkage-anonymity", "k_min")
    assert "may be dates, and not declared: aufnahmedatum" in told(found)["(C)"]
    assert "may be ages, and not declared: alter" in told(found)["(C)"] and "no age" not in told(found)["(C)"]
    assert "may be places, and not declared: plz" in told(found)["(B)"]
    assert "not known, since no column is declared" in told(found)["(R)"]
    asked = LINKAGE | {"sets": {"akten": {"mine": ["plz"]}}}
    assert "set=quasi" not in values(audit(dataset, asked, 1), "linkage-anonymity", "unique")


def test_names_in_other_languages_are_not_said_to_be_absent(parse):
    """A column called Nachname or Telefon is not found by English words: that is no all-clear."""
    found = told(audit(parse(dates=["aufnahmedatum"]), LINKAGE, 1))
    assert found["(A)"] == "by English words only: none; not looked for in other languages"
    assert found["(D)"] == "by English words only: none (nor a text of that form); not looked for in other languages"
    assert all("no such" not in text for text in found.values())


def test_where_others_know_nothing_by_declaration_there_is_no_figure_either(parse):
    found = audit(parse(quasi_identifiers=[], ages=[], dates=["aufnahmedatum"], places=[]), LINKAGE, 1)
    assert np.isnan(values(found, "linkage-anonymity", "unique")["set=quasi"])
    assert "declared: no ages" in told(found)["(C)"] and "declared: no places" in told(found)["(B)"]


@pytest.mark.parametrize("learnt", [True, False])
def test_what_is_declared_is_counted_whether_learnt_from_or_not(parse, learnt):
    ignore = {} if learnt else {"ignore": ["alter", "plz"], "quasi_identifiers": ["alter", "geschlecht", "plz"]}
    found = audit(parse(**DECLARED | ignore), LINKAGE, 1)
    keys = [(row[1], row[2], row[3], row[4]) for row in rows()]
    alone = sum(keys.count(key) == 1 for key in keys) / len(keys)
    assert values(found, "linkage-anonymity", "unique")["set=quasi"] == pytest.approx(alone) and alone > 0.1
    days = [row[5] for row in rows()]
    assert values(found, "linkage-anonymity", "unique")["set=dates"] == pytest.approx(
        sum(days.count(day) == 1 for day in days) / len(days)
    )
    old = sum(int(row[2]) >= 90 for row in rows())
    assert 0 < old < 10
    said = "people aged 90 or more: fewer than" if learnt else "not looked at for ages of 90 or more"
    assert said in told(found)["(C)"] and "declared as dates: aufnahmedatum" in told(found)["(C)"]


def test_a_date_that_a_declaration_forgets_is_named(parse):
    cells = [[*row, f"{row[5][6:]}.{row[5][4:6]}.2022"] for row in rows()]
    dataset = parse(cells, f"{HEADER},kontrolle", **DECLARED | {"ignore": ["kontrolle"]})
    assert dataset.notes["roles"]["suspected"]["dates"] == ["kontrolle"]


def test_the_dataset_comes_back_with_what_is_kept_aside(parse, tmp_path):
    dataset = parse(**DECLARED)
    dataset.save(tmp_path / "kept")
    back = Dataset.load(tmp_path / "kept")
    assert np.array_equal(back.records.aside, dataset.records.aside)
    assert back.records.aside_names == dataset.records.aside_names and back.notes == dataset.notes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"quasi_identifiers": ["pnr"]},
            "quasi_identifiers is of other columns than the label and the patient's id: pnr",
        ),
        ({"dates": ["alter"], "ignore": ["alter"]}, "give each column one of .*: alter"),
        ({"places": ["pzl"], "ignore": ["aufnahmedatum"]}, r"no column pzl \(preprocess\.places\).*did you mean plz"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(parse, changes, message):
    with pytest.raises(InputError, match=message):
        parse(**changes)


def test_a_set_without_columns_is_refused():
    section = {"format": "table", "raw": {"path": "mine.csv"}, "preprocess": {"label": "verstorben"}}
    sets = {"linkage": {"sets": {"akten": {"mine": []}}}}
    with pytest.raises(InputError, match=r"attacks\.linkage\.sets\.akten\.mine"):
        check_config({"datasets": {"akten": section}, "attacks": sets})


@pytest.mark.parametrize(("cell", "ignore"), [("1957", []), ("-3", []), ("1957", ["alter"]), ("140.5", [])])
def test_declared_ages_that_are_none_are_refused(parse, cell, ignore):
    cells = rows()
    for row in (4, 9):
        cells[row][2] = cell
    with pytest.raises(
        InputError, match=r"row 5, column alter \(and 1 further row\): no age in years.*out of preprocess\.ages"
    ):
        parse(cells, ignore=ignore, **DECLARED)
    kept = {"missing_codes": {"alter": []}} if not ignore else {}  # a value, of something else than an age
    assert parse(cells, ignore=ignore, **DECLARED | {"ages": []}, **kept)


def test_gaps_codes_and_bands_of_ages_are_no_fault(parse):
    cells = rows()
    for row, age in enumerate(["", "-9", "-9", "-9", "0", "104"]):
        cells[row][2] = age
    assert parse(cells, missing_codes={"alter": [-9]}, **DECLARED).notes["missing_cells"]["alter"] == 4
    cells[0][2], cells[1][2], cells[2][2], cells[3][2] = "90+", "80-89", ">89", "NA"
    assert parse(cells, ignore=["alter"], **DECLARED)


@pytest.mark.parametrize("name", ["Köln", "Århus", "Łódź", "Zürich–Süd", "São Luís", "Besançon", "東京"])
def test_garbled_letters_are_refused_wherever_a_name_stands(parse, name):
    double = "".join(
        bytes([byte]).decode("cp1252" if byte not in b"\x81\x8d\x8f\x90\x9d" else "latin-1") for byte in name.encode()
    )
    cells = rows()
    for row in range(0, 120, 3):
        cells[row][1] = name
    assert parse(cells, **DECLARED).sites == tuple(sorted({row[1] for row in cells}))
    cells[5][1] = double
    with pytest.raises(InputError, match=r"row 6, column klinik: garbled letters.*Remedy: export it anew as UTF-8"):
        parse(cells, **DECLARED)
    cells[5][1], cells[7][4] = name, "M\ufffdnster"
    with pytest.raises(InputError, match="row 8, column plz: garbled letters"):
        parse(cells, **DECLARED, ignore=["plz"])
