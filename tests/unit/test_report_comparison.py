"""Which figures stand for a model."""

import math
from dataclasses import replace

import pytest
from written_sections import write

from medpriv.measures.table import NAN, Measure
from medpriv.report import differences
from medpriv.report.comparison import (
    by_class,
    choose_headline,
    claimed_epsilon,
    failed_checks,
    middle_budget,
    reference_budget,
    shown,
    strongest,
    strongest_flip,
    worst_class,
)
from medpriv.report.differences import against, against_nothing, as_useful, oriented
from medpriv.report.results import Cohort, Measures, Result, parse_group
from medpriv.report.sections.comparison.figures import COLUMNS as COMPARISON_COLUMNS
from medpriv.report.sections.comparison.figures import SECTION as COMPARISON


def made_result(*attacks: Measure, utility: tuple[Measure, ...] = ()) -> Result:
    return Result("d", "baseline-mlp", "mlp", 8, {}, {}, Measures(utility), Measures(attacks), {})


def made_cohort(*classes: str) -> Cohort:
    about = {"classes": classes, "source": "local", "credentialed": False}
    return Cohort("d", {"train": 4, "test": 2}, {"train": 4, "test": 2}, {}, about)


def membership(attack: str, measure: str, value: float, group: str, n: int = 50) -> Measure:
    limits = (value - 0.1, value + 0.1)
    return Measure("d", "baseline-mlp", f"membership-{attack}", measure, value, *limits, n, group, patients=n)


def test_a_claim_that_nobody_audited_counts_patients_or_the_clients_that_are_its_unit() -> None:
    about = {"epsilon": 1.0, "delta": 0.001}
    patients = replace(made_result(), metadata={"privacy": about | {"unit": "patient", "patients": 322}})
    assert (claimed_epsilon(patients).value, claimed_epsilon(patients).n) == (1.0, 322)
    clients = replace(
        made_result(), metadata={"privacy": about | {"unit": "client"}, "federation": {"clients": ["a", "b"]}}
    )
    assert claimed_epsilon(clients).n == 2
    assert claimed_epsilon(made_result()) is None


def test_group_is_read_as_pairs() -> None:
    assert parse_group("level=patient,sex=F") == {"level": "patient", "sex": "F"}
    assert parse_group("") == {}


def test_select_wants_exactly_the_group_and_no_single_replicate() -> None:
    whole = membership("loss", "auc", 0.6, "level=patient")
    part = membership("loss", "auc", 0.9, "level=patient,sex=F")
    one = Measure("d", "baseline-mlp", "membership-loss", "auc", 0.99, group="level=patient", replicate="3")
    assert Measures((part, one, whole)).select("auc", {"level": "patient"}) == [whole]


def test_strongest_attack_is_chosen_for_each_level_and_measure() -> None:
    result = made_result(
        membership("loss", "auc", 0.7, "level=patient"),
        membership("rmia", "auc", 0.8, "level=patient"),
        membership("loss", "auc", 0.65, "level=record"),
        membership("loss", "tpr_at_fpr_0.01", 0.05, "level=record"),
        membership("rmia", "tpr_at_fpr_0.01", 0.02, "level=record"),
    )
    headline = choose_headline(made_cohort("a", "b"), result)
    assert headline.leak("patient").attack == "membership-rmia"
    assert headline.leak("record").value == 0.65
    assert headline.rate("record").attack == "membership-loss"
    assert headline.rate("patient") is None


def test_unresolvable_rate_keeps_its_n_and_names_no_attack() -> None:
    rates = [
        Measure("d", "baseline-mlp", f"membership-{name}", "tpr_at_fpr_0.01", NAN, n=16) for name in ("loss", "rmia")
    ]
    chosen = strongest(rates)
    assert math.isnan(chosen.value)
    assert (chosen.n, chosen.attack) == (16, "")
    assert strongest([*rates, membership("loss", "tpr_at_fpr_0.01", 0.1, "")]).value == 0.1


def test_utility_is_auroc_for_two_classes_and_macro_f1_for_more() -> None:
    utility = tuple(Measure("d", "baseline-mlp", "", name, 0.5) for name in ("accuracy", "auroc", "macro_f1"))
    result = made_result(utility=utility)
    assert choose_headline(made_cohort("a", "b"), result).utility.measure == "auroc"
    assert choose_headline(made_cohort("a", "b", "c"), result).utility.measure == "macro_f1"


def test_each_utility_of_the_table_says_which_measure_it_is() -> None:
    measures = {"baseline-mlp": "auroc", "synthetic-cart": "tstr_auroc", "lm-full-epoch1": "perplexity"}
    headlines = [
        choose_headline(
            made_cohort("a", "b"),
            replace(made_result(utility=(Measure("d", name, "", measure, 0.5),)), treatment=name),
        )
        for name, measure in measures.items()
    ]
    (group,) = write(COMPARISON, headlines, {"d": made_cohort("a", "b")}).found.table.groups
    utility = COMPARISON_COLUMNS[0].value
    told = ["AUROC", "AUROC (TSTR)", "perplexity, lower is better"]
    assert [utility(row.of).details[-1] for row in group.rows] == told
    assert group.facts[0] == f"utility: {'; '.join(told)}"


def test_flip_rate_is_stated_at_the_reference_budget_or_the_middle_one_in_numeric_order() -> None:
    flips = [
        Measure("d", "baseline-mlp", "evasion-fgsm", "flip_rate", value, group=f"budget={budget}")
        for budget, value in (("0.1", 0.9), ("0.005", 0.1), ("0.02", 0.4))
    ]
    result = made_result(*flips)
    assert middle_budget(result) == "0.02"
    looked = flip("pgd", 0.1, "budget=0.005,steps=20", measure="masking_steps_figure")
    assert choose_headline(made_cohort("a", "b"), made_result(*flips, looked)).flip.value == 0.1
    assert choose_headline(made_cohort("a", "b"), result).flip.value == 0.4
    assert middle_budget(made_result()) == ""


def test_a_leak_is_shown_only_beyond_the_best_of_as_many_attacks_by_chance() -> None:
    group = "level=patient"

    def bank(value: float, chance: float | None, patients: int = 50) -> bool:
        rows = [membership("rmia", "auc", value, group, patients)]
        rows += (
            [Measure("d", "baseline-mlp", "membership-best", "auc_chance", 0.52, 0.5, chance, 50, group)]
            if chance
            else []
        )
        return shown(choose_headline(made_cohort("a", "b"), made_result(*rows)), "patient")

    assert bank(0.65, 0.6)
    assert not bank(0.65, 0.66)  # luck reaches as much
    assert not bank(0.59, 0.55)  # the interval, 0.49 to 0.69, holds guessing
    assert not bank(0.65, 0.6, patients=9)  # too few
    assert not bank(0.65, None)  # chance was not measured


def test_a_model_has_skill_if_it_beats_chance_or_the_commonest_class() -> None:
    def bank(auroc: float, over: float, patients: int = 20) -> bool:
        about = {"n": patients, "patients": patients}
        utility = (
            Measure("d", "baseline-mlp", "", "auroc", auroc + 0.05, auroc, auroc + 0.1, **about),
            Measure("d", "baseline-mlp", "", "accuracy_over_majority", over + 0.05, over, over + 0.1, **about),
        )
        return choose_headline(made_cohort("a", "b", "c"), made_result(utility=utility)).skilled

    assert bank(0.51, -0.1) and bank(0.4, 0.01)
    assert not bank(0.5, 0.0)
    assert bank(0.5, 0.0, patients=9)  # too few to be judged


def test_allowed_columns_that_leak_take_a_dataset_out_of_the_comparison() -> None:
    cohort = made_cohort("a", "b")
    assert choose_headline(cohort, made_result()).comparable
    for check in ("auc", "gaps", "equal", "time"):
        cohort.about["notes"] = {"leakage": [{"check": check, "allowed": True}]}
        assert not choose_headline(cohort, made_result()).comparable
    others = [{"check": check, "allowed": True} for check in ("ids", "patients", "duplicates")]
    cohort.about["notes"] = {"leakage": [*others, {"check": "auc", "allowed": False}]}
    assert choose_headline(cohort, made_result()).comparable


def flip(
    attack: str, value: float, group: str = "budget=0.01", patients: int = 20, measure: str = "flip_rate"
) -> Measure:
    return Measure("d", "baseline-mlp", f"evasion-{attack}", measure, value, group=group, patients=patients)


def test_strongest_flip_is_of_an_attack_on_the_model_itself_over_all_classes() -> None:
    result = made_result(
        flip("fgsm", 0.2),
        flip("pgd", 0.4),
        flip("sap", 0.3),
        flip("noise", 0.9),
        flip("pgd-transfer", 0.8),
        flip("sap-targeted", 0.7),
        flip("pgd", 0.6, "budget=0.01,class=S"),
        flip("pgd", 0.95, "budget=0.02"),
    )
    assert strongest_flip(result, "0.01", False).attack == "evasion-pgd"
    assert strongest_flip(result, "0.05", False) is None
    assert strongest_flip(result, "0.01", True).attack == "evasion-sap-targeted"  # of two classes, it wants the same
    assert choose_headline(made_cohort("a", "b"), result).flip.value == 0.7
    assert choose_headline(made_cohort("a", "b", "c"), result).flip.value == 0.4


def test_one_step_on_other_records_is_not_set_beside_many_steps() -> None:
    fgsm = flip("fgsm", 0.5)
    assert strongest_flip(made_result(fgsm, flip("pgd", 0.4)), "0.01", False).attack == "evasion-pgd"
    assert strongest_flip(made_result(fgsm), "0.01", False) is fgsm


def test_worst_class_is_of_the_same_attack_and_budget_and_of_people_enough() -> None:
    result = made_result(
        flip("pgd", 0.4),
        flip("pgd", 0.5, "budget=0.01,class=V"),
        flip("pgd", 0.6, "budget=0.01,class=S"),
        flip("pgd", 0.9, "budget=0.01,class=F", patients=3),
        flip("pgd", 0.95, "budget=0.02,class=S"),
        flip("fgsm", 0.95, "budget=0.01,class=S"),
    )
    found = by_class(result, strongest_flip(result, "0.01", False))
    assert {label: item.value for label, item in found.items()} == {"V": 0.5, "S": 0.6, "F": 0.9}
    assert worst_class(found) == ("S", found["S"])
    assert worst_class({"F": found["F"]}) is None
    assert by_class(result, None) == {}


def test_reference_budget_is_that_at_which_signals_and_images_meet_more_steps() -> None:
    looked = flip("pgd", 0.1, "budget=0.005,steps=20", measure="masking_steps_figure")
    flips = [flip("pgd", 0.1, f"budget={budget}") for budget in ("0.005", "0.01", "0.02")]
    assert reference_budget(made_result(*flips, looked)) == "0.005"
    assert reference_budget(made_result(*flips)) == "0.01"


def test_failed_checks_are_named_and_none_made_is_not_none_failed() -> None:
    def check(name: str, value: float) -> Measure:
        return Measure("d", "baseline-mlp", "evasion-pgd", name, value)

    figure = Measure("d", "baseline-mlp", "evasion-pgd", "masking_steps_figure", 0.0, group="budget=0.01,steps=20")
    assert failed_checks(made_result(check("masking_steps", 1.0), check("masking_unbounded", 0.0), figure)) == (
        "masking_unbounded",
    )
    assert failed_checks(made_result(check("masking_steps", 1.0))) == ()
    assert failed_checks(made_result()) is None


def test_find_wants_the_very_attack_and_group() -> None:
    rows = Measures((flip("pgd", 0.4), flip("pgd-transfer", 0.1), flip("pgd", 0.6, "budget=0.01,class=S")))
    assert rows.find("flip_rate", {"budget": "0.01"}, "evasion-pgd") is rows[0]
    assert rows.find("flip_rate", {}, "evasion-pgd") is None
    assert rows.find("flip_rate", {"budget": "0.01"}) is None


def test_less_and_more_are_said_only_where_intervals_are_apart() -> None:
    def rate(low: float, high: float, patients: int = 10) -> Measure:
        return Measure("d", "baseline-mlp", "", "auc", (low + high) / 2, low, high, 300, patients=patients)

    assert against(rate(0.1, 0.2), rate(0.3, 0.4)) == "less"
    assert against(rate(0.3, 0.4), rate(0.1, 0.2)) == "more"
    assert against(rate(0.1, 0.3), rate(0.3, 0.4)) == "open"
    assert against(rate(0.1, 0.3), rate(NAN, NAN)) == ""
    assert against(None, rate(0.1, 0.2)) == ""
    assert against(rate(0.1, 0.2), rate(0.3, 0.4, patients=9)) == "few"
    assert against_nothing(rate(0.1, 0.2)) == "more"
    assert against_nothing(rate(0.1, 0.2, patients=9)) == "few"
    assert against_nothing(rate(NAN, NAN)) == ""


def test_figures_are_found_by_the_pairs_that_their_group_holds_in_any_order() -> None:
    rows = Measures(flip("pgd", value, group) for value, group in ((0.4, "class=S,budget=0.01"), (0.5, "class=V")))
    assert rows.find("flip_rate", {"budget": "0.01", "class": "S"}, "evasion-pgd") is rows[0]
    assert rows.holding("flip_rate", {"class": "V"}) == [rows[1]]
    assert rows.holding("flip_rate", attack="evasion-") == list(rows)
    assert rows.holding("flip_rate", attack="membership-") == []


def test_where_lower_is_better_less_is_more_useful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(differences.BETTER, "perplexity", "lower")
    gap = Measure("d", "baseline-mlp", "", "perplexity_difference", -2.0, -3.0, -1.0, 40, patients=40)
    assert (oriented(gap).value, oriented(gap).lower, oriented(gap).upper) == (2.0, 1.0, 3.0)
    assert (as_useful(gap), against_nothing(gap)) == ("more", "less")
    assert as_useful(replace(gap, measure="auroc_difference")) == "less"
