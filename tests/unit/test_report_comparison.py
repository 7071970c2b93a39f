"""Which figures stand for a model."""

import math

from medpriv.measures.table import NAN, Measure
from medpriv.report.comparison import choose_headline, middle_budget, parse_group, select, strongest
from medpriv.report.inputs import Cohort, Result


def made_result(*attacks: Measure, utility: tuple[Measure, ...] = ()) -> Result:
    return Result("d", "t", "mlp", 8, {}, {}, utility, attacks, {})


def made_cohort(*classes: str) -> Cohort:
    about = {"classes": classes, "source": "local", "credentialed": False}
    return Cohort("d", {"train": 4, "test": 2}, {"train": 4, "test": 2}, {}, about)


def membership(attack: str, measure: str, value: float, group: str, n: int = 50) -> Measure:
    return Measure("d", "t", f"membership-{attack}", measure, value, value - 0.1, value + 0.1, n, group)


def test_group_is_read_as_pairs() -> None:
    assert parse_group("level=patient,sex=F") == {"level": "patient", "sex": "F"}
    assert parse_group("") == {}


def test_select_wants_exactly_the_group_and_no_single_replicate() -> None:
    whole = membership("loss", "auc", 0.6, "level=patient")
    part = membership("loss", "auc", 0.9, "level=patient,sex=F")
    one = Measure("d", "t", "membership-loss", "auc", 0.99, group="level=patient", replicate="3")
    assert select([part, one, whole], "auc", {"level": "patient"}) == [whole]


def test_strongest_attack_is_chosen_for_each_level_and_measure() -> None:
    result = made_result(
        membership("loss", "auc", 0.7, "level=patient"),
        membership("rmia", "auc", 0.8, "level=patient"),
        membership("loss", "auc", 0.65, "level=record"),
        membership("loss", "tpr_at_fpr_0.01", 0.05, "level=record"),
        membership("rmia", "tpr_at_fpr_0.01", 0.02, "level=record"),
    )
    headline = choose_headline(made_cohort("a", "b"), result)
    assert headline.auc["patient"].attack == "membership-rmia"
    assert headline.auc["record"].value == 0.65
    assert headline.tpr["record"].attack == "membership-loss"
    assert headline.tpr["patient"] is None


def test_unresolvable_rate_keeps_its_n_and_names_no_attack() -> None:
    rates = [Measure("d", "t", f"membership-{name}", "tpr_at_fpr_0.01", NAN, n=16) for name in ("loss", "rmia")]
    chosen = strongest(rates)
    assert math.isnan(chosen.value)
    assert (chosen.n, chosen.attack) == (16, "")
    assert strongest([*rates, membership("loss", "tpr_at_fpr_0.01", 0.1, "")]).value == 0.1


def test_utility_is_auroc_for_two_classes_and_macro_f1_for_more() -> None:
    utility = tuple(Measure("d", "t", "", name, 0.5) for name in ("accuracy", "auroc", "macro_f1"))
    result = made_result(utility=utility)
    assert choose_headline(made_cohort("a", "b"), result).utility.measure == "auroc"
    assert choose_headline(made_cohort("a", "b", "c"), result).utility.measure == "macro_f1"


def test_flip_rate_is_stated_at_the_middle_budget_in_numeric_order() -> None:
    flips = [
        Measure("d", "t", "evasion-fgsm", "flip_rate", value, group=f"epsilon_mv={budget}")
        for budget, value in (("0.1", 0.9), ("0.005", 0.1), ("0.02", 0.4))
    ]
    result = made_result(*flips)
    assert middle_budget(result) == "0.02"
    assert choose_headline(made_cohort("a", "b"), result).flip.value == 0.4
    assert middle_budget(made_result()) == ""
