"""A release is one table with its papers, and speaks of its own bank alone."""

import json
from dataclasses import replace
from pathlib import Path

import mlcroissant
import numpy as np
from made_up_generators import bank_of_tables, copies, halves, table_dataset

from medpriv.dataset import TEST
from medpriv.files import read_csv, sha256
from medpriv.measures.table import Measure, write_measures
from medpriv.release.write import write_release
from medpriv.synthesis.schema import cells_of


def test_a_release_has_as_many_rows_as_its_members_and_papers_of_its_own_bank(tmp_path: Path) -> None:
    dataset = table_dataset(train=60, test=40)
    members = halves(dataset, 2)
    bank = bank_of_tables(dataset, members, copies(dataset, members, times=5))
    best = Measure("toy", bank.treatment, "release-best", "auc", 0.777, 0.7, 0.8, 60, "level=patient", "", 60)
    write_measures(tmp_path / "measures.csv", [best, replace(best, treatment="synthetic-other", value=0.999)])
    write_release(dataset, bank, [tmp_path / "measures.csv"], {"medpriv": "MIT"}, tmp_path)
    assert len(list(read_csv(tmp_path / "table.csv"))) == np.sum(members[0][dataset.patient])
    card = (tmp_path / "data_card.md").read_text(encoding="utf-8")
    assert "0.777" in card and "0.999" not in card
    assert "no guarantee" in card
    assert f"{len(list(read_csv(tmp_path / 'table.csv')))} of its" in card  # copies, every one
    private = replace(bank, about=replace(bank.about, metadata={"privacy": {"epsilon": 0.5, "delta": 0.001}}))
    write_release(dataset, private, [tmp_path / "measures.csv"], {"medpriv": "MIT"}, tmp_path)
    card = (tmp_path / "data_card.md").read_text(encoding="utf-8")
    assert "epsilon = 0.5, delta = 0.001 (patient)" in card and "no guarantee" not in card
    metadata = mlcroissant.Dataset(jsonld=tmp_path / "croissant.json").metadata
    assert metadata.issues.errors == set()
    (file,) = json.loads((tmp_path / "croissant.json").read_text(encoding="utf-8"))["distribution"]
    assert file["sha256"] == sha256(tmp_path / "table.csv")


def test_rows_that_equal_a_members_record_are_counted_and_those_alike_by_chance(tmp_path: Path) -> None:
    dataset = table_dataset(train=60, test=40)
    members = halves(dataset, 2)
    tables = copies(dataset, members)
    mixed = tables[0].copy()
    mixed[:20, 1] = 999.0 + np.arange(20)  # nobody's
    mixed[:3] = cells_of(dataset, dataset.rows(TEST))[:3]
    bank = bank_of_tables(dataset, members, [mixed, tables[1]])
    write_release(dataset, bank, [], {}, tmp_path)
    text = " ".join((tmp_path / "data_card.md").read_text(encoding="utf-8").split())
    assert "10 of its 30 rows equal a record of a patient whom it was trained on in all columns (3 equal one" in text
