"""The section on synthetic tables: which figures it takes, what it concludes, and what it keeps apart."""

import re
from dataclasses import replace

import pytest
from made_up_results import as_artefacts, write_results
from made_up_synthetic import GENERATORS, add_generators
from made_up_tables import add_tables

from medpriv.report.comparison import choose_headlines
from medpriv.report.render import places_of, render_section
from medpriv.report.results import Results, read_results
from medpriv.report.section import fill
from medpriv.report.sections.synthetic.figures import SECTION, Released, Synthetic, collect
from medpriv.report.sections.synthetic.subgroups import parts_of
from medpriv.report.summary import summarise


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    root = tmp_path_factory.mktemp("synthetic")
    return read_results(**as_artefacts(add_generators(root, add_tables(root, write_results(root)))))


@pytest.fixture(scope="module")
def found(results: Results) -> Synthetic:
    return collect(results, choose_headlines(results))


def bank(found: Synthetic, treatment: str) -> Released:
    return next(each for each in found.judged[0].banks if each.result.treatment == treatment)


def test_each_generator_is_a_row_with_its_own_figures_out_of_the_table_of_all(found: Synthetic) -> None:
    (judged,) = found.judged
    assert [row.of.result.treatment for row in judged.table.rows] == list(GENERATORS)
    for treatment, (made, _, _, near, best) in GENERATORS.items():
        own = bank(found, treatment)
        assert own.use("tstr_auroc").value == made
        assert (own.attack("release-dcr").value, own.attack("release-best").value) == (near, best)
        assert {row["treatment"] for row in own.result.rows("marginals")} == {treatment}


def test_a_generator_that_passes_by_distance_alone_is_named_and_one_that_passes_all_is_not(found: Synthetic) -> None:
    assert {each.result.treatment for each in found.fooled} == {"synthetic-gan", "synthetic-gan-weights0.3"}


def test_the_claims_are_told_by_the_banks_that_they_speak_of(found: Synthetic) -> None:
    claims = {claim.name: claim for claim in found.claims}
    banks = {name: [each.result.treatment for each in claim.banks] for name, claim in claims.items()}
    assert banks == {
        "comparable": ["synthetic-gan"],
        "tuning": ["synthetic-gan-short"],
        "privacy": ["synthetic-mst-eps1"],
        "perturbation": ["synthetic-gan-weights0.3"],
    }
    assert not claims["comparable"].equivalent and not claims["comparable"].different  # undecided
    assert [len(claims[name].found) for name in ("tuning", "privacy", "perturbation")] == [0, 0, 1]


def test_cells_say_what_a_figure_rests_on(found: Synthetic) -> None:
    (judged,) = found.judged
    columns = {column.label: column for column in judged.table.columns}
    cart, mst = bank(found, "synthetic-cart"), bank(found, "synthetic-mst-eps1")
    assert columns["… minus real"].value(cart).details[-2:] == ("equivalent", "provable: ±0.040")
    assert columns["… minus real"].value(bank(found, "synthetic-gan")).details[-2] == "undecided"
    told = ("130 patients", "by luck up to 0.520", "Learnt over the bank")
    assert columns["Strongest attack"].value(cart).details[-3:] == told
    assert columns["Synthetic"].value(cart).details[-1] == "260 patients"
    assert (columns["Found"].value(cart).text, columns["Found"].value(cart).details[-1]) == (
        "3.0\u00a0%",
        "at 10 %: 20.0\u00a0%",
    )
    likeness = {column.label: column for column in judged.likeness.columns}
    assert likeness["Impossible"].value(cart).details[-1] == "cells mended: 3.0\u00a0%"
    assert columns["Guarantee"].value(cart).text == "no guarantee"
    assert columns["Guarantee"].value(mst).text == "ε = 0.99"
    assert columns["Guarantee"].value(mst).details == ("matches: at least 0.30", "canaries: at least 0.80")


def test_the_worst_part_of_the_patients_is_named_with_its_size_and_parts_of_few_are_left_out(found: Synthetic) -> None:
    (judged,) = found.judged
    columns = {column.label: column for column in judged.subgroups.columns}
    assert list(columns) == ["All patients", "sex", "site"]
    cell = columns["sex"].value(bank(found, "synthetic-cart"))
    assert (cell.text, cell.details) == ("−0.110", ("−0.160 to −0.060", "M, 140 patients", "of 2"))
    assert columns["site"].value(bank(found, "synthetic-cart")).details[-2:] == ("a, 250 patients", "alone")


def test_of_credentialed_patients_no_part_gives_a_small_one_away(found: Synthetic) -> None:
    cart = bank(found, "synthetic-cart")
    assert set(parts_of(cart, credentialed=False)) == {("sex", "F"), ("sex", "M"), ("site", "a")}
    assert set(parts_of(cart, credentialed=True)) == {("sex", "F"), ("sex", "M")}  # site b has 5, a would tell it


def test_generators_are_compared_among_themselves_and_stand_in_the_comparison(results: Results) -> None:
    headlines = choose_headlines(results)
    made = [item for item in headlines if item.kind == "table_generator"]
    assert {item.result.treatment for item in made} == set(GENERATORS)
    cart = next(item for item in made if item.result.treatment == "synthetic-cart")
    assert (cart.utility.measure, cart.leak("patient").value, cart.chance("patient").upper) == (
        "tstr_auroc",
        0.69,
        0.52,
    )
    classifiers = [item for item in headlines if item.kind == "classifier"]
    assert summarise(classifiers) == summarise([item for item in headlines if item not in made])


def test_without_generators_there_is_no_section(results: Results) -> None:
    others = tuple(each for each in results.banks if each.treatment not in GENERATORS)
    assert fill(SECTION, replace(results, banks=others), []) is None


def test_the_section_says_in_words_what_was_found(results: Results) -> None:
    filled = fill(SECTION, results, choose_headlines(results))
    text = " ".join(render_section(filled, places_of([filled])).split())
    assert "By the distance to the closest record alone 2 banks would pass" in text
    assert "0 of 1 shown equivalent, 0 shown not to be" in text
    assert "accuracy is 0.810 (0.780 to 0.840) on average, from 0.760 (tree) to 0.840 (logistic). Trained" in text
    assert "Trained on GAN’s rows it is 0.770 (−0.060 to −0.020 against real): equivalent for svm; not" in text
    assert "not equivalent for tree; undecided for logistic, " in text
    files = r"results/synthetic/\S+/utility\.csv, results/attacks/\S+/release/measures\.csv"
    assert re.search(f"n = 260 patients, 130 attacked; {files}", text)
    assert "noise on weights or activations carries no guarantee" in text
