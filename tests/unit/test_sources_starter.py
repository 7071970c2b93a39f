"""A table's columns suggest a config that the parser takes as it is."""

from pathlib import Path

import numpy as np
import pandas
import pytest
import yaml

from medpriv.config.check import check_config
from medpriv.errors import InputError
from medpriv.leakage import check_leakage
from medpriv.sources import starter, table
from medpriv.sources.acquire import acquire_raw


def frame() -> pandas.DataFrame:
    """Return made-up stays: patients with several rows, hospitals, words, a date, a constant and an index."""
    rng = np.random.default_rng(0)
    patient = np.sort(rng.integers(0, 150, size=300))
    return pandas.DataFrame(
        {
            "nr": np.arange(300),
            "subject_id": 10000 + patient,
            "stay_id": rng.permutation(300) + 5000,
            "hospital": np.array(["Ost", "West, Nord"])[patient % 2],
            "gender": np.array(["f", "m"])[rng.integers(2, size=150)][patient],
            "admission type": rng.choice(["urgent", "planned", "yes"], size=300),
            "admitted": [f"2020-{row % 12 + 1:02d}-{row % 28 + 1:02d} {row % 24}:00" for row in range(300)],
            "country": "DE",
            "age": rng.integers(20, 90, size=300),
            "stage": rng.integers(1, 5, size=300),
            "lactate": rng.normal(2, 1, size=300).round(3),
            "died_in_hospital": rng.integers(2, size=300),
        }
    )


@pytest.fixture
def config(tmp_path):
    """Return a call that writes a frame, and returns its file and the starter config's text."""

    def call(held: pandas.DataFrame, **how) -> tuple[Path, str]:
        file = tmp_path / "Stays 2020.csv"
        held.to_csv(file, index=False, **how)
        return file, starter.starter(file, starter.dataset_name(file))

    return call


def test_every_column_gets_the_role_that_its_name_and_values_suggest(config):
    text = config(frame())[1]
    assert yaml.safe_load(text)["datasets"]["stays2020"]["preprocess"] == {
        "label": "died_in_hospital",
        "patient": "subject_id",
        "site": "hospital",
        "groups": ["gender"],
        "categorical": ["gender", "admission type"],
        "ignore": ["nr", "country", "stay_id"],
        "dates": ["admitted"],
        "quasi_identifiers": ["gender", "admitted", "age"],
        "ages": ["age"],
    }
    assert "numbers      stage: few values: codes would be `categorical`" in text


@pytest.mark.parametrize("how", [{}, {"sep": ";", "decimal": ","}, {"sep": "\t"}])
def test_the_config_is_taken_as_it_is_and_holds_six_lines(config, tmp_path, how):
    file, text = config(frame(), **how)
    assert len([line for line in text.splitlines() if not line.startswith("#")]) == 6
    checked = check_config(yaml.safe_load(text))
    section = checked["datasets"]["stays2020"]
    assert list(checked["datasets"]) == checked["only"] and section["raw"]["path"] == str(file)
    acquire_raw("table", "stays2020", section["raw"], 1, tmp_path / "raw", tmp_path / "scratch")
    dataset = table.parse("stays2020", tmp_path / "raw", section["preprocess"], 1)
    assert dataset.features[:3] == ("age", "stage", "lactate") and len(dataset.groups["gender"]) < 300
    assert not [item for item in check_leakage(dataset, section["preprocess"]["leakage"]) if item["stops"]]


@pytest.mark.parametrize("name", ["Visiten", "reward", "gestation_weeks", "parasite", "hospitalised", "unity"])
def test_a_place_within_a_word_is_no_hospital(config, name):
    held = frame().drop(columns="hospital")
    held.insert(2, name, [None, *[row % 9 for row in range(299)]])
    assert "site" not in yaml.safe_load(config(held)[1])["datasets"]["stays2020"]["preprocess"]


@pytest.mark.parametrize("name", ["SITE", "hospitalId", "ward_no", "Intensivstation", "Uniklinik", "study-centre"])
def test_words_without_gaps_are_preferred_as_the_hospital(config, name):
    held = frame().rename(columns={"hospital": name})
    held.insert(0, "unit", [None, *[row % 9 for row in range(299)]])
    assert yaml.safe_load(config(held)[1])["datasets"]["stays2020"]["preprocess"]["site"] == name
    coded = frame().rename(columns={"hospital": name}).assign(**{name: [row // 3 % 4 for row in range(300)]})
    assert yaml.safe_load(config(coded)[1])["datasets"]["stays2020"]["preprocess"]["site"] == name


def test_a_german_table_is_understood_and_what_is_not_found_is_said(config):
    german = {"gender": "Geschlecht", "age": "Alter", "admitted": "Aufnahmedatum", "hospital": "Wohnort-PLZ"}
    held = frame().rename(columns=german).assign(Aufnahmedatum=[20200101 + row % 28 for row in range(300)])
    section = yaml.safe_load(config(held)[1])["datasets"]["stays2020"]["preprocess"]
    assert section["dates"] == ["Aufnahmedatum"] and section["ages"] == ["Alter"]
    assert section["places"] == ["Wohnort-PLZ"]
    assert section["quasi_identifiers"] == ["Wohnort-PLZ", "Geschlecht", "Aufnahmedatum", "Alter"]
    text = config(frame()[["subject_id", "lactate", "died_in_hospital"]])[1]
    assert "quasi_identifiers  none found" in text and "quasi_identifiers" not in yaml.safe_load(text)["datasets"]


def test_names_that_yaml_reads_otherwise_are_quoted(config):
    words = {"yes": "a, b", "x: [1]": "#1", "null": "2", "Größe": "3", "1e3": "4"}
    held = frame().assign(**{name: ["u", *[word] * 299] for name, word in words.items()})
    section = yaml.safe_load(config(held)[1])["datasets"]["stays2020"]
    assert section["preprocess"]["categorical"][2:] == list(words)


def test_gaps_in_a_label_are_said_and_no_label_is_left_to_the_user(config):
    held = frame().astype(object)
    held.loc[:9, "died_in_hospital"] = "NULL"
    text = config(held)[1]
    assert "label        died_in_hospital: by its name, 2 classes; 10 rows have none" in text
    text = config(frame()[["subject_id", "age", "lactate"]])[1]
    assert "label: NAME_IT" in text and "NAME_IT: no column looks like one" in text
    assert "site         none found" in text and "patient      none found" not in text


def test_a_patient_in_words_is_found_by_its_name_or_asked_for(config):
    held = frame()[["age", "lactate", "died_in_hospital"]].assign(
        Patientennummer=[f"P{row // 2}" for row in range(300)]
    )
    assert "patient: Patientennummer" in config(held)[1]
    text = config(held.rename(columns={"Patientennummer": "Zeichen"}))[1]
    assert "patient      none found" in text
    assert "ignore       Zeichen: words, 150 different ones (people's ids? then `patient`; dates, free text?)" in text


def test_a_dataset_s_name_is_none_of_config_yaml_s():
    assert starter.dataset_name(Path("/data/Heart.csv")) == "ownheart"
    assert starter.dataset_name(Path("2020_Stays-v2.csv.gz")) == "staysv2"
    assert starter.dataset_name(Path("患者.csv")) == "own"


def test_a_header_with_faults_is_refused(config):
    with pytest.raises(InputError, match="column 1: it has no name"):
        config(frame().rename(columns={"nr": ""}))


def test_a_table_of_one_row_is_refused(config):
    with pytest.raises(InputError, match="one row below the header"):
        config(frame()[:1])


def test_writing_keeps_what_is_there(config, tmp_path, monkeypatch, capsys):
    file = config(frame())[0]
    (tmp_path / "config.yaml").write_text("datasets: {}\n")
    monkeypatch.setattr(starter, "ROOT", tmp_path)
    starter.main(["--write", str(file)])
    assert "make report CONFIG=config/stays2020.yaml" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"^config/stays2020\.yaml: is there already"):
        starter.main(["--write", str(file)])
    assert not capsys.readouterr().out, "what would not be written is not shown, either"


@pytest.mark.parametrize(("name", "said"), [("", "TABLE: no table is named"), ("none.csv", "none.csv: no such file")])
def test_a_missing_table_is_told_with_the_command(name, said):
    with pytest.raises(SystemExit, match=rf"^{said}\. Remedy: make config TABLE="):
        starter.main(["--write", name])


def test_a_folder_or_an_empty_file_is_called_so(tmp_path):
    (tmp_path / "icu.csv").write_text("")
    with pytest.raises(SystemExit, match=r"icu\.csv: an empty file\. Remedy: make config TABLE="):
        starter.main(["--write", str(tmp_path / "icu.csv")])
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(SystemExit, match=r": a folder, not a table \(it holds icu\.csv\)\. Remedy: make config TABLE="):
        starter.main(["--write", str(tmp_path)])


@pytest.mark.parametrize("word", ["k.A.", "-", "<5"])
@pytest.mark.parametrize("column", ["lactate", "age"])
def test_numbers_with_words_in_a_few_cells_are_told_and_not_set_aside(config, word, column):
    held = frame().astype({column: str})
    held.loc[[7, 20, 33], column] = word
    _, text = config(held)
    assert f"#   numbers      {column}: numbers, but in 3 cells (row 8 first)" in text
    section = yaml.safe_load(text)["datasets"]["stays2020"]["preprocess"]
    assert column not in section["ignore"] + section["categorical"]


def test_words_beside_a_few_numbers_stay_words(config):
    held = frame()
    held["score"] = np.where(np.arange(300) % 3 > 0, "none", np.arange(300).astype(str))
    assert "score: words, 101 different ones" in config(held)[1]


@pytest.mark.parametrize(("count", "role"), [(6, "categorical"), (150, "ignore")])
def test_postcodes_with_leading_zeros_are_no_numbers(config, count, role):
    held = frame().assign(plz=[f"{1067 + 331 * (row * 7 % count):05d}" for row in range(300)])
    _, text = config(held)
    assert "plz: codes with leading zeros" in text
    assert "plz" in yaml.safe_load(text)["datasets"]["stays2020"]["preprocess"][role]
