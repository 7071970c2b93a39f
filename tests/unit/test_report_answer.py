"""The two sentences claim no more than the intervals allow."""

from dataclasses import replace

from medpriv.measures.table import NAN, Measure
from medpriv.report.answer import answer, defence, limits
from medpriv.report.comparison import Headline
from medpriv.report.inputs import Audit, Cohort, Result


def headline(
    treatment: str,
    patient: tuple[float, float, float],
    record: tuple[float, float, float] | None = None,
    dataset: str = "d",
) -> Headline:
    about = (dataset, treatment)
    leaks = {
        level: Measure(*about, "membership-rmia", "auc", *figures, n=40, group=f"level={level}") if figures else None
        for level, figures in (("patient", patient), ("record", record))
    }
    utility = Measure(*about, "", "auroc", 0.8, 0.75, 0.85, 100)
    result = Result(*about, "mlp", 8, {}, {}, (utility,), (), {})
    return Headline(result, utility, None, leaks, {"patient": None, "record": None}, None)


def test_clear_winner_is_named_with_interval_and_n() -> None:
    leak, price = answer([headline("weak", (0.55, 0.51, 0.6)), headline("bad", (0.9, 0.85, 0.95))])
    assert leak.startswith("Of the 2 models compared on 30 or more unseen patients, bad on d gives away most")
    assert "RMIA" in leak
    assert "95\u00a0% interval 85.0 to 95.0\u00a0%, 40 unseen patients" in leak
    assert leak.endswith("its interval lies above that of every other model.")
    assert "weak leaks less (55.0\u00a0% of pairs" in price
    assert "AUROC 0.800 (0.750 to 0.850)" in price


def test_models_tried_on_few_patients_do_not_come_first_unless_there_are_no_others() -> None:
    few = headline("few", (0.99, 0.96, 1.0))
    few.auc["patient"] = replace(few.auc["patient"], n=17)
    leak, _ = answer([few, headline("many", (0.7, 0.65, 0.75))])
    assert leak.startswith("Of the 1 model compared on 30 or more unseen patients, many on d gives away most")
    assert answer([few])[0].startswith("Of the 1 model compared, few on d gives away most")


def test_overlapping_intervals_leave_the_order_open() -> None:
    leak, price = answer([headline("a", (0.7, 0.6, 0.8)), headline("b", (0.75, 0.65, 0.85))])
    assert "overlaps with a on d, so first place is not certain" in leak
    assert "seems to leak less, but the intervals overlap" in price


def test_leak_that_could_be_guessing_is_not_called_a_leak() -> None:
    leak, _ = answer([headline("a", (0.54, 0.46, 0.62))])
    assert leak.startswith("None of the 1 model")
    assert "no proof of privacy" in leak


def test_what_is_named_at_a_low_rate_is_called_what_it_is() -> None:
    item = headline("a", (0.54, 0.46, 0.62), (0.51, 0.48, 0.54))
    rate = Measure("d", "a", "membership-rmia", "tpr_at_fpr_0.01", 0.05, 0.03, 0.07, n=400, group="level=record")
    leak, _ = answer([replace(item, tpr={"patient": None, "record": rate})])
    assert "yet some records of a on d are named" in leak


def test_records_speak_where_patients_are_too_few() -> None:
    leak, _ = answer([headline("a", (0.54, 0.46, 0.62), (0.6, 0.57, 0.63))])
    assert "ranks a training record above an unseen one" in leak


def test_missing_intervals_leave_the_order_open() -> None:
    leak, _ = answer([headline("a", (0.7, NAN, NAN)), headline("b", (0.75, 0.65, 0.85))])
    assert "not certain" in leak


def test_no_attack_no_claim() -> None:
    assert answer([])[0].startswith("No membership attack was run")


def test_limits_of_simulated_data_are_stated_only_when_there_are_some() -> None:
    def cohort(source: str) -> Cohort:
        return Cohort("d", {}, {}, {}, {"source": source, "credentialed": False})

    assert any("Simulated" in lead for lead, _ in limits([cohort("simulated")], [], []))
    assert not any("Simulated" in lead for lead, _ in limits([cohort("local")], [], []))


def test_limits_of_forgetting_are_stated_only_where_something_was_to_be_forgotten() -> None:
    audit = Audit("d", "unlearned", "forgetting", (), ())
    assert any("forgetting" in lead for lead, _ in limits([], [], [audit]))
    assert not any("forgetting" in lead for lead, _ in limits([], [], []))


def flipped(
    treatment: str, flip: tuple[float, float, float], failed: tuple[str, ...] = (), useful: float = 0.6
) -> Headline:
    rate = Measure("d", treatment, "evasion-pgd", "flip_rate", *flip, n=300, group="epsilon_mv=0.02")
    result = Result("d", treatment, "cnn", 8, {}, {}, (), (rate,), {})
    nothing = {"patient": None, "record": None}
    utility = Measure("d", treatment, "", "macro_f1", useful, useful - 0.1, useful + 0.1, n=300)
    return Headline(result, utility, None, nothing, nothing, rate, failed)


def test_best_defence_is_named_with_its_interval() -> None:
    base = flipped("baseline-cnn", (0.5, 0.4, 0.6))
    found = defence([base, flipped("robust-sap", (0.3, 0.25, 0.35)), flipped("robust-pgd", (0.1, 0.05, 0.15))])
    assert found.startswith("Against small changes of the signal robust-pgd on d helps most")
    assert "10.0\u00a0% of right predictions (95\u00a0% interval 5.0 to 15.0\u00a0%, n = 300)" in found
    assert found.endswith(
        "without a defence 50.0\u00a0%; it reaches macro-F1 0.600 (0.500 to 0.700), without a defence 0.600."
    )


def test_defences_that_are_as_good_are_named_beside_the_best() -> None:
    base, best = flipped("baseline-cnn", (0.5, 0.4, 0.6)), flipped("robust-pgd", (0.1, 0.05, 0.15))
    found = defence([base, best, flipped("robust-sap", (0.12, 0.08, 0.2)), flipped("robust-noise", (0.3, 0.2, 0.39))])
    assert "robust-pgd on d helps most (robust-sap can’t be told apart from it): the strongest" in found


def test_defence_that_overlaps_or_fails_a_masking_check_is_not_praised() -> None:
    base = flipped("baseline-cnn", (0.5, 0.4, 0.6))
    assert defence([base, flipped("robust-sap", (0.35, 0.3, 0.41))]) == ""
    assert defence([base, flipped("robust-pgd", (0.1, 0.05, 0.15), ("masking",))]) == ""
    assert defence([flipped("robust-pgd", (0.1, 0.05, 0.15))]) == ""


def test_a_model_that_always_answers_the_same_is_not_praised_for_standing_firm() -> None:
    base, dull = flipped("baseline-cnn", (0.5, 0.4, 0.6)), flipped("robust-pgd", (0.01, 0, 0.02), useful=0.45)
    assert defence([base, dull]) == ""
    assert "robust-sap" in defence([base, dull, flipped("robust-sap", (0.3, 0.25, 0.35), useful=0.55)])
