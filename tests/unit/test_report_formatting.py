"""Numbers as the page prints them."""

from dataclasses import replace

from written_sections import write

from medpriv.measures.table import NAN, Measure
from medpriv.report.formatting import integer, interval, number, percent, scientific, span
from medpriv.report.labels import attack_name, display_name, simulated_cell, stored_name, treatment_label
from medpriv.report.layout import rate_cell
from medpriv.report.results import Cohort
from medpriv.report.sections.provenance.figures import SECTION as PROVENANCE
from medpriv.report.sections.provenance.figures import explain_notes


def test_numbers_have_fixed_decimals_a_true_minus_and_no_negative_zero() -> None:
    assert number(0.5) == "0.500"
    assert number(-0.0213) == "−0.021"
    assert number(-0.0001) == "0.000"
    assert (number(NAN), number(None)) == ("–", "–")
    assert percent(0.0123) == "1.2\u00a0%"


def test_interval_is_empty_where_none_was_computed() -> None:
    assert interval(Measure("d", "t", "", "auc", 0.5, -0.1, 0.6)) == "−0.100 to 0.600"
    assert interval(Measure("d", "t", "", "auc", 0.5, 0.1, 0.6), share=True) == "10.0 to 60.0"
    assert interval(Measure("d", "t", "", "auc", 0.5)) == ""
    assert interval(None) == ""


def test_a_rate_without_value_says_which_of_the_two_reasons_there_is() -> None:
    rate = Measure("d", "t", "membership-rmia", "tpr_at_fpr_0.01", NAN, n=40, patients=40)
    arrived = [Measure("d", "t", "membership-rmia", "fpr_reached_0.01", value) for value in (0.043, 0.061, NAN)]
    missed = rate_cell(rate, arrived)
    assert (missed.text, missed.details) == ("rate missed", ("FPR reached 4.3\u00a0%",))
    for none in ([], [None], arrived[2:]):
        assert rate_cell(rate, none).text == "not resolvable"
    assert rate_cell(replace(rate, value=0.2), arrived).text == "20.0\u00a0%"
    assert rate_cell(None, arrived).text == "–"


def test_counts_and_operations_are_readable() -> None:
    assert integer(12345) == "12\u202f345"
    assert span([7, 3, 7]) == "3 to 7"
    assert span([5]) == "5"
    assert scientific(3.21e10) == "32.1 G"


def test_datasets_of_simulated_patients_are_called_so_and_found_again() -> None:
    assert display_name("heart", True) == "heart (simulated)"
    assert display_name("heart", False) == "heart"
    assert [stored_name(name) for name in ("heart (simulated)", "heart")] == ["heart", "heart"]
    assert [simulated_cell(name) for name in ("heart (simulated)", "heart")] == ["true", "false"]


def test_unknown_names_stand_as_they_are() -> None:
    assert attack_name("membership-new") == "membership-new"
    assert treatment_label("baseline-mlp") == "no defence"
    assert treatment_label("mystery") == ""


def test_notes_of_credentialed_data_are_counts_only() -> None:
    notes = {"left_out": {"p1": "paced"}, "imputed": 3}
    assert explain_notes(notes, names=True) == [("left out", "p1: paced"), ("imputed", "3")]
    assert explain_notes(notes, names=False) == [("imputed", "3")]


def test_filled_gaps_are_stated_by_column_and_small_counts_withheld() -> None:
    notes = {"missing_cells": {"age": 0, "crp": 9, "laktat": 1200}}
    assert explain_notes(notes, names=False) == [("missing cells", f"crp: withheld, laktat: {integer(1200)}")]
    notes = {"cells_beyond_ranges": {"age": 9, "crp": 40}}
    assert explain_notes(notes, names=False) == [("cells beyond ranges", "age: withheld, crp: 40")]
    assert explain_notes({"patients_of_several_sites": 9}, names=False) == [("patients of several sites", "withheld")]
    assert explain_notes({"patients_of_several_sites": 10}, names=False) == [("patients of several sites", "10")]
    assert explain_notes({"missing_cells": {"age": 0}}, names=False) == [("missing cells", "none")]


def test_an_own_tables_numbers_stand_on_the_page():
    about = {"classes": ["0", "1"], "credentialed": True, "features": ["crp"], "units": [""], "sites": ["all"]}
    about |= {
        "source": "local",
        "licence": "",
        "digest": "",
        "sampling_rate": 0,
        "notes": {"spreads": {"crp": [0.5, 12.0, 99.5]}},
    }
    cohort = Cohort("icu", {"train": 40, "test": 20}, {"train": 40, "test": 20}, {}, about)
    text = write(PROVENANCE, (), {"icu": cohort}).text
    assert "crp 0.5 to 99.5, median 12" in text and "at least ten people have a value as low" in text
