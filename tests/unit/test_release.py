"""What goes out with a synthetic table: it reads back as it is, and its papers hide nothing."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from made_up_generators import COLUMNS, bank_of_tables, copies, halves, table_dataset

from medpriv.dataset import Dataset
from medpriv.files import sha256
from medpriv.measures import synthetic_utility
from medpriv.measures.table import Measure
from medpriv.release.papers import Papers, Release, papers
from medpriv.release.table import texts_of, write_table
from medpriv.sources import table
from medpriv.sources.acquire import acquire_raw
from medpriv.synthesis.schema import LABEL, Schema, cells_of

SETTINGS = {
    "label": LABEL,
    "patient": None,
    "site": None,
    "groups": [],
    "categorical": ["sex", "stage", "unit; ward"],
    "ignore": [],
    "test_fraction": 0.3,
}


def own_table(folder, rows: int = 60) -> str:
    """Write an own table with gaps, awkward level names and numbers of any size, and return it."""
    rng, lines = np.random.default_rng(0), []
    for row in range(rows):
        values = [
            repr(float(np.exp(rng.normal() * 20))) if row % 7 else "",
            f"{rng.normal():.3f}",
            f"{row % 2}",
            ["F", "M"][row // 3 % 2],
            ["I, early", 'II "late"', "", "III–IV ä"][row % 4],
            ["ICU", "0", "1e3"][row % 3],
        ]
        lines.append(values)
    path = folder / "own.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["marker", "score", LABEL, "sex", "stage", "unit; ward"])
        writer.writerows(lines)
    return path


def parsed(path, folder, settings=SETTINGS):
    acquire_raw("table", "own", {"source": "local", "path": str(path)}, 1, folder / "raw", folder / "scratch")
    return table.parse("own", folder / "raw", settings, 1)


def test_an_own_table_reads_back_cell_by_cell(tmp_path):
    dataset = parsed(own_table(tmp_path), tmp_path / "one")
    every = np.arange(len(dataset.y))
    cells, schema = cells_of(dataset, every), Schema.of(dataset)
    write_table(tmp_path / "out.csv", schema, cells)
    again = parsed(tmp_path / "out.csv", tmp_path / "two")
    assert [column.name for column in again.records.columns] == [column.name for column in dataset.records.columns]
    assert [column.levels for column in again.records.columns] == [column.levels for column in dataset.records.columns]
    assert np.array_equal(cells_of(again, every), cells, equal_nan=True)
    assert np.isnan(cells).any()
    assert (cells[:, :-1] == -1).any()


def test_a_column_called_as_the_label_is_here_goes_out_beside_the_label_under_its_own_name(tmp_path):
    lines = ["age,outcome,died"] + [f"{40 + row},{row % 7},{row % 2}" for row in range(60)]
    (tmp_path / "own.csv").write_text("\n".join(lines), encoding="utf-8")
    settings = SETTINGS | {"label": "died", "categorical": []}
    parsed(tmp_path / "own.csv", tmp_path / "one", settings).save(tmp_path / "kept")
    dataset = Dataset.load(tmp_path / "kept")
    schema = Schema.of(dataset)
    assert [field.name for field in schema.fields] == ["age", "outcome (column)", "outcome"]
    write_table(tmp_path / "out.csv", schema, cells_of(dataset, np.arange(len(dataset.y))))
    assert (tmp_path / "out.csv").read_text(encoding="utf-8").split() == lines


def test_texts_go_out_as_the_source_writes_them(tmp_path):
    kinds, died = ("a=b", '"y, z"', ">=65"), ("=0", ">0")
    lines = ["age,ratio=a/b,kind,died"]
    lines += [f"{40 + row},{row % 7},{kinds[row % 3]},{died[row % 2]}" for row in range(60)]
    (tmp_path / "own.csv").write_text("\n".join(lines), encoding="utf-8")
    settings = SETTINGS | {"label": "died", "categorical": ["kind"], "levels": {"kind": ["a=b", "y, z", ">=65", "<=2"]}}
    parsed(tmp_path / "own.csv", tmp_path / "one", settings).save(tmp_path / "kept")
    dataset = Dataset.load(tmp_path / "kept")
    schema = Schema.of(dataset)
    assert schema.fields[2].levels == ("<:2", ">:65", "a:b", "y; z")
    write_table(tmp_path / "out.csv", schema, cells_of(dataset, np.arange(len(dataset.y))))
    assert (tmp_path / "out.csv").read_text(encoding="utf-8").split("\n")[:-1] == lines
    bank = bank_of_tables(dataset, halves(dataset, 2), [cells_of(dataset, np.arange(20))] * 2)
    for text in vars(papers(dataset, bank.about, [], Release("out.csv", "0", 1, 20, 0, 30, 0, 0, {}))).values():
        assert "ratio=a/b" in text
        assert "=2, " in text and "=65, a=b, y, z" in text


def test_cells_are_written_as_the_data_dictionary_says():
    schema = Schema.of(table_dataset())
    rows = list(texts_of(schema, np.array([[61.0, 119.96, 1, 2, np.nan, 0, 1], [60.0, np.nan, 0, -1, 0.004, 1, 0]])))
    assert rows == [["61", "120.0", "M", "III", "", "0", "dead"], ["60", "", "F", "", "0.00", "1", "alive"]]
    (row,) = texts_of(schema, np.array([[-0.2, -0.04, 0, 0, 1e-7, 1, 0]]))
    assert row[:2] == ["0", "0.0"]  # no minus before a zero
    free = Schema(tuple(replace(field, decimals=None) for field in schema.fields))
    (row,) = texts_of(free, np.array([[1e-12, 1 / 3, 0, 0, 123456.0, 1, 0]]))
    assert [float(row[0]), float(row[1]), row[4]] == [1e-12, 1 / 3, "123456"]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return a function from changes to the papers of a table, and the folder that holds all three."""
    folder = tmp_path_factory.mktemp("release")
    dataset = table_dataset(train=60, test=40)
    members = halves(dataset, 2)
    tables = copies(dataset, members)
    write_table(folder / "synthetic.csv", Schema.of(dataset), tables[0])
    settings = {"replicates": 1, "margin": 0.05, "enough_test_patients": 300}
    bank = bank_of_tables(dataset, members, tables)
    measures = synthetic_utility.audit(dataset, bank, None, settings, 1).measures

    def made(
        metadata: dict, rows: list[Measure], software: dict[str, str], notes: dict | None = None, **changes: object
    ) -> Papers:
        about = replace(bank.about, metadata=metadata)
        file = folder / "synthetic.csv"
        release = Release(file.name, sha256(file), file.stat().st_size, len(tables[0]), 0, 30, 7, 2, software)
        cohort = replace(dataset.cohort, **changes)
        found = papers(replace(dataset, cohort=cohort, notes=notes or {}), about, [*measures, *rows], release)
        (folder / "croissant.json").write_text(found.croissant)
        return found

    return made, folder, tables[0]


def attack(value: float) -> Measure:
    return Measure("toy", "synthetic-toy", "membership-domias", "auc", value, 0.5, 0.7, 60, "level=patient", "", 60)


def test_croissant_is_valid_and_reads_the_table(written):
    import mlcroissant

    made, folder, cells = written
    made({}, [], {"medpriv 1.0": "MIT"})
    found = mlcroissant.Dataset(jsonld=folder / "croissant.json")
    assert found.metadata.issues.errors == set()
    assert {text for text in found.metadata.issues.warnings if "datePublished" not in text} == set()
    rows = list(found.records("rows"))
    assert len(rows) == len(cells)
    assert rows[0]["rows/age"] == cells[0, 0]
    assert rows[0]["rows/sex"] == b"FM"[int(cells[0, 2]) : int(cells[0, 2]) + 1]
    assert set(json.loads((folder / "croissant.json").read_text())["conformsTo"]) >= {
        "http://mlcommons.org/croissant/1.1"
    }


def test_the_card_says_what_nobody_guarantees_and_nobody_tried(written):
    made, _, _ = written
    found = made({}, [], {"medpriv 1.0": "MIT"})
    assert "**no guarantee**" in found.data_card
    for text in (found.data_card, found.croissant):
        assert "No attack has been run on it, so its risk is unknown" in text
        assert "7 of its 30 rows equal a record of a patient whom it was trained on in all columns" in text
        assert "nobody's" not in text.replace("nobody's records are behind it", "")
        assert "may repeat records of patients until attacks have shown otherwise" in text
    assert "itself simulated" in found.data_card
    assert "credentialed" not in found.data_card
    assert "BUSL" not in found.data_card
    assert "| steps | 3 |" in found.data_card
    assert "CC BY 4.0" in found.data_card
    assert found == made({}, [], {"medpriv 1.0": "MIT"})  # no date, no chance


def test_the_card_says_how_many_cells_were_mended(written):
    made, _, _ = written
    assert "In 1.2\u00a0% of all cells a gap and the count" in made({"made_consistent": 0.012}, [], {}).data_card
    assert "of all cells a gap" not in made({"made_consistent": 0.0}, [], {}).data_card


def test_the_card_states_epsilon_risk_licence_and_terms(written):
    made, _, _ = written
    privacy = {"epsilon": 1.0, "delta": 0.003, "unit": "patient", "caveats": ["n is public"], "tuning": "Fixed."}
    metadata = {"privacy": privacy}
    rows = [attack(0.52), attack(0.63)]
    found = made(metadata, rows, {"sdv 2.0.0": "BUSL-1.1"}, source="local", credentialed=True)
    assert "epsilon = 1, delta = 0.003 (patient)" in found.data_card
    assert "holds for the table alone" in found.data_card
    assert "no guarantee" not in found.data_card + found.croissant
    assert "highest AUC of the membership attacks that were run is 0.630" in found.data_card
    assert "risk is unknown" not in found.data_card
    assert found.data_card.index("0.630 |") < found.data_card.index("0.520 |")
    assert "Business Source License" in found.data_card
    assert "credentialed or private" in found.data_card
    assert "n is public" in found.data_card


def test_names_are_no_markup_in_the_card(written):
    made, _, _ = written
    found = made({"caveats": ["<script>|x|*y*"]}, [], {"a|b": "MIT"}, licence="see | [here](http://x)")
    assert "<script>" not in found.data_card
    assert "see \\| \\[here\\](http://x)" in found.data_card


def test_columns_of_the_card_are_those_of_the_file(written):
    made, folder, _ = written
    found = made({}, [], {})
    header = (folder / "synthetic.csv").read_text().splitlines()[0].split(",")
    assert header == [column.name for column in COLUMNS] + [LABEL]
    section = found.data_card[found.data_card.index("## Columns") :]
    assert [section.index(f"| {name.replace('_', chr(92) + '_')} |") for name in header] == sorted(
        section.index(f"| {name.replace('_', chr(92) + '_')} |") for name in header
    )


def test_the_card_says_how_many_values_of_the_source_lie_beyond_a_range(written):
    made, _, _ = written
    notes = {"cells_beyond_ranges": {"age": 25, "lactate": 3}}
    card = made({}, [], {}, notes=notes).data_card
    assert "years, 0 to 120; 25 values of the source lie beyond, and stand here as the nearer end |" in card
    assert "fewer than 10 values of the source" in card
    assert "lie beyond" not in made({}, [], {}).data_card


def test_the_attack_chosen_beforehand_is_told_apart_from_the_highest_of_all(written):
    made, _, _ = written
    chosen = replace(attack(0.63), attack="release-best")
    found = made({}, [attack(0.71), attack(0.52), chosen], {})
    for text in (found.data_card, found.croissant):
        assert "strongest on other replicates reached an AUC of 0.630 (0.5 is guessing); the highest of all" in text
        assert "partly luck, is 0.710." in text
    alone = made({}, [chosen, attack(0.52), attack(float("nan"))], {}).data_card
    assert "reached an AUC of 0.630 (0.5 is guessing). " in alone.replace("\n", " ") and "highest of all" not in alone
