"""The first sentences claim no more than the intervals allow, and say what they leave out."""

from collections.abc import Sequence
from dataclasses import replace

from written_sections import sentences, write

from medpriv.measures.table import NAN, Measure
from medpriv.report.comparison import Figures, Headline
from medpriv.report.results import Audit, Cohort, Measures, Result
from medpriv.report.sections.conclusions.figures import SECTION as CONCLUSIONS
from medpriv.report.summary import pareto_front, summarise

CHANCE = 0.53  # upper limit of the best of the attacks where nothing leaks


def headline(
    treatment: str,
    patient: tuple[float, float, float],
    record: tuple[float, float, float] | None = None,
    dataset: str = "d",
    useful: float = 0.8,
    people: int = 40,
) -> Headline:
    about = (dataset, treatment)

    def figures(name: str, attack: str, measure: str, values: dict[str, tuple[float, ...] | None]) -> Figures:
        made = {}
        for level, found in values.items():
            n, group = people * (3 if level == "record" else 1), f"level={level}"
            made[f"{name}_{level}"] = found and Measure(*about, attack, measure, *found, n, group, patients=people)
        return {key: item for key, item in made.items() if item}

    utility = Measure(*about, "", "auroc", useful, useful - 0.05, useful + 0.05, 100, patients=100)
    result = Result(*about, "mlp", 8, {}, {}, Measures((utility,)), Measures(), {})
    leaks = {"patient": patient, "record": record}
    return Headline(
        result,
        {"utility": utility, "auroc": utility}
        | figures("membership_auc", "membership-rmia", "auc", leaks)
        | figures("membership_auc_chance", "membership-best", "auc_chance", dict.fromkeys(leaks, (0.51, 0.5, CHANCE)))
        | figures("membership_attacks", "", "attacks", dict.fromkeys(leaks, (8.0, NAN, NAN))),
    )


def changed(item: Headline, figure: str, **more: object) -> Headline:
    """Return a model with one of its figures changed."""
    return replace(item, figures=item.figures | {figure: replace(item.figures[figure], **more)})


def dull(item: Headline) -> Headline:
    return changed(item, "auroc", lower=0.49)


def answer(headlines: Sequence[Headline]) -> tuple[str, str]:
    """Return the sentences on the leak and on its price."""
    leak, *others = sentences(headlines)
    return leak, next((text for text in others if text.startswith("It reaches")), "")


def defence_sentences(headlines: Sequence[Headline]) -> list[str]:
    return [text for text in sentences(headlines) if text.startswith("Against changes")]


# --- who leaks most --------------------------------------------------------------------------------------------------


def test_clear_winner_is_named_with_interval_patients_and_what_luck_would_give() -> None:
    leak, _ = answer([headline("weak", (0.55, 0.51, 0.6)), headline("bad", (0.9, 0.85, 0.95))])
    assert leak.startswith("Of the 2 classifiers compared on 30 or more unseen patients, bad on d gives away most")
    assert (
        "(RMIA) ranks a training patient above an unseen one in 90.0\u00a0% of pairs (95\u00a0% interval 85.0 to "
        "95.0\u00a0%, 40 unseen patients; guessing: 50\u00a0%, the best of 8 attacks by luck: up to 53.0\u00a0%)"
        in leak
    )
    assert leak.endswith("; its interval lies above that of every other of these.")


def test_what_was_left_out_is_said_in_the_same_sentence_and_how_much_of_it_measured_higher() -> None:
    few = [headline("a", (0.99, 0.96, 1.0), dataset="m", people=17), headline("b", (0.6, 0.5, 0.7), people=15)]
    mad = dull(headline("c", (0.95, 0.9, 1.0)))
    broken = replace(headline("e", (0.6, 0.55, 0.65), dataset="leaky"), leaking=True)
    leak, _ = answer([*few, mad, broken, headline("many", (0.7, 0.65, 0.75))])
    assert leak.startswith("many on d, the one classifier compared on 30 or more unseen patients, gives something away")
    assert leak.endswith(
        "; left out: 2 classifiers of m, d with 15 to 17 unseen patients (1 of them measured higher), 1 classifier of "
        "d without skill (1 of them measured higher), 1 classifier of leaky whose table gives the outcome away (none "
        "of them measured higher)."
    )


def test_patients_count_not_records() -> None:
    item = headline("a", (0.54, 0.46, 0.62), (0.6, 0.57, 0.63), people=15)
    assert item.leak("record").n == 45
    leak, _ = answer([item])
    assert leak.startswith("a on d, the one classifier compared on records of 15 or more unseen patients, gives")
    assert "45 unseen records of 15 patients" in leak


def test_nothing_is_said_on_few_patients_or_without_skill() -> None:
    leak, price = answer([headline("a", (0.99, 0.96, 1.0), people=9), dull(headline("b", (0.9, 0.85, 0.95)))])
    assert leak == (
        "No classifier that was attacked has enough patients and skill, so nothing is said about what it remembers."
    )
    assert price == ""


def test_overlapping_intervals_leave_the_order_open() -> None:
    leak, price = answer([headline("a", (0.7, 0.6, 0.8)), headline("b", (0.75, 0.65, 0.85))])
    assert "overlaps with a on d, so first place is not certain" in leak
    assert price.endswith("on the same patients none of 1 other classifier was shown to leak less.")


def test_leak_that_could_be_guessing_is_not_called_a_leak() -> None:
    leak, _ = answer([headline("a", (0.54, 0.46, 0.62))])
    assert leak.startswith(
        "a on d, the one classifier compared on 30 or more unseen patients, was not shown to give away"
    )
    assert "no proof of privacy" in leak


def test_leak_that_the_best_of_several_reaches_by_luck_is_not_called_one() -> None:
    leak, _ = answer([headline("a", (CHANCE - 0.01, 0.51, 0.55))])
    assert leak.startswith(
        "a on d, the one classifier compared on 30 or more unseen patients, was not shown to give away"
    )


def test_what_is_named_at_a_low_rate_beyond_chance_is_called_what_it_is() -> None:
    item = headline("a", (0.54, 0.46, 0.62), (0.51, 0.48, 0.54))
    rate = Measure("d", "a", "membership-rmia", "tpr_at_fpr_0.01", 0.05, 0.03, 0.07, 400, "level=record", patients=40)
    chance = replace(rate, attack="membership-best", value=0.01, lower=0.0, upper=0.04)
    name = "membership_tpr_at_1pct_fpr"
    item = replace(item, figures=item.figures | {f"{name}_record": rate, f"{name}_chance_record": chance})
    assert "yet some records of a on d are named" in answer([item])[0]
    assert "yet" not in answer([changed(item, f"{name}_chance_record", upper=0.06)])[0]


def test_records_speak_where_no_leak_is_shown_by_patient() -> None:
    leak, _ = answer([headline("a", (0.54, 0.46, 0.62), (0.6, 0.57, 0.63))])
    assert "ranks a training record above an unseen one" in leak


def test_missing_intervals_leave_the_order_open() -> None:
    leak, _ = answer([headline("a", (0.7, NAN, NAN)), headline("b", (0.75, 0.65, 0.85))])
    assert "not certain" in leak


def test_no_attack_no_claim() -> None:
    assert answer([])[0].startswith("No membership attack was run")


# --- other kinds ------------------------------------------------------------------------------------------------------


def test_generators_and_language_models_are_told_by_kind_without_controls() -> None:
    others = [
        headline("synthetic-bootstrap", (1.0, 0.99, 1.0)),  # a control
        headline("synthetic-cart", (0.7, 0.65, 0.75)),
        headline("synthetic-gan", (0.9, 0.85, 0.95), people=9),  # on too few
        headline("synthetic-copula", (0.6, 0.55, 0.65)),
        headline("synthetic-dcgan", (0.51, 0.45, 0.57)),
        headline("lm-full-epoch8", (0.95, 0.9, 1.0)),
        headline("lm-base", (0.97, 0.95, 0.99)),  # the same
        headline("lm-unlearned-fake", (0.99, 0.97, 1.0)),  # a control
    ]
    bad = headline("bad", (0.9, 0.85, 0.95))
    assert sentences([bad], others)[2] == (
        "Of other models, controls aside, a leak was judged of 2 table generators: the highest shown is an AUC of "
        "0.700 per patient (0.650 to 0.750) for synthetic-cart on d, by RMIA; 1 image generator: none was shown; 1 "
        "language model: the highest shown is an AUC of 0.950 per patient (0.900 to 1.000) for lm-full-epoch8 on d, by "
        "RMIA."
    )
    assert sentences([bad], others[:1]) == sentences([bad])
    assert sentences([], others)[0].startswith("No membership attack was run on classifiers, so")


# --- what leaking less costs -----------------------------------------------------------------------------------------

FOREST = headline("baseline-forest", (0.90, 0.89, 0.91), useful=0.828)
QUIET = (
    headline("dp-eps1", (0.507, 0.493, 0.524), useful=0.795),
    headline("dp-eps8", (0.541, 0.53, 0.55), useful=0.834),
    headline("baseline-logistic", (0.56, 0.55, 0.57), useful=0.83),
)


def test_price_is_told_against_the_most_useful_model_that_leaks_less_not_the_least_leaking_one() -> None:
    _, price = answer([FOREST, *QUIET])
    assert price.startswith("It reaches AUROC 0.828 (0.778 to 0.878) on test patients; on the same patients")
    assert "dp-eps8 leaks less (54.1\u00a0% of pairs, 53.0 to 55.0\u00a0%) and isn’t less useful" in price
    told = "; another model without a defence, baseline-logistic, leaks less too (56.0\u00a0%, 0.830)"
    assert f"{told}, and nothing guarantees it." in price


def test_price_names_the_pareto_front_least_leaking_first() -> None:
    _, price = answer([FOREST, *QUIET])
    assert [item.result.treatment for item in summarise([FOREST, *QUIET]).price.front] == ["dp-eps1", "dp-eps8"]
    assert price.endswith(
        "Of 4 classifiers there, these are beaten in both by no other (Pareto front of leak and AUROC): dp-eps1 "
        "(50.7\u00a0%, 0.795), dp-eps8 (54.1\u00a0%, 0.834)."
    )
    assert pareto_front([FOREST], "patient") == [FOREST]


def test_price_that_must_be_paid_is_called_one() -> None:
    dear = headline("dp-eps1", (0.507, 0.493, 0.524), useful=0.7)
    assert (
        "leaks less (50.7\u00a0% of pairs, 49.3 to 52.4\u00a0%), at AUROC 0.700 (0.650 to 0.750), the least that"
        in (answer([FOREST, dear])[1])
    )
    near = headline("dp-eps8", (0.541, 0.53, 0.55), useful=0.8)
    assert "at AUROC 0.800 (0.750 to 0.850), within the interval of the other. Of 3" in answer([FOREST, dear, near])[1]


def test_no_rival_is_without_skill_on_few_patients_on_another_dataset_or_of_another_measure() -> None:
    quiet = QUIET[1]
    other = changed(quiet, "utility", measure="macro_f1")
    few = changed(quiet, "utility", patients=9)
    away = headline("dp-eps8", (0.541, 0.53, 0.55), useful=0.834, dataset="e")
    _, price = answer([FOREST, dull(quiet), other, few, away])
    assert price == "It reaches AUROC 0.828 (0.778 to 0.878) on test patients."


# --- what may not be concluded ---------------------------------------------------------------------------------------


def test_limits_of_simulated_data_are_stated_only_when_there_are_some() -> None:
    def cohort(source: str) -> dict[str, Cohort]:
        return {"d": Cohort("d", {}, {}, {}, {"source": source, "credentialed": False})}

    assert "Simulated patients (d)." in write(CONCLUSIONS, cohorts=cohort("simulated")).text
    assert "Simulated" not in write(CONCLUSIONS, cohorts=cohort("local")).text


def test_limits_of_forgetting_are_stated_only_where_something_was_to_be_forgotten() -> None:
    audit = Audit("d", "unlearned", "unlearning", Measures())
    assert "proof of forgetting" in write(CONCLUSIONS, audits=(audit,)).text
    assert "proof of forgetting" not in write(CONCLUSIONS).text


def test_limits_say_how_high_the_best_of_several_attacks_comes_by_luck() -> None:
    assert (
        "up to an AUC of 0.530, depending on" in write(CONCLUSIONS, [headline("baseline-mlp", (0.6, 0.55, 0.65))]).text
    )


# --- which defence helps ---------------------------------------------------------------------------------------------


def flipped(
    treatment: str,
    flip: tuple[float, float, float],
    failed: tuple[str, ...] = (),
    useful: float = 0.6,
    classes: Sequence[tuple[str, float, int]] = (),
    dataset: str = "d",
) -> Headline:
    about = (dataset, treatment)

    def rate(values: tuple[float, float, float], people: int, group: str) -> Measure:
        return Measure(*about, "evasion-pgd", "flip_rate", *values, n=300, group=group, patients=people)

    whole = rate(flip, 20, "budget=0.02")
    found = {
        label: rate((value, value - 0.1, value + 0.1), people, f"budget=0.02,class={label}")
        for label, value, people in classes
    }
    checks = (Measure(*about, "evasion-pgd", name, 0.0) for name in failed)
    result = Result(*about, "cnn", 8, {}, {}, Measures(), Measures((whole, *checks)), {})
    utility = Measure(*about, "", "macro_f1", useful, useful - 0.1, useful + 0.1, n=300, patients=20)
    classes = {f"evasion_flip_rate_class_{label}": item for label, item in found.items()}
    return Headline(result, {"utility": utility, "evasion_flip_rate": whole, **classes})


def defence(headlines: Sequence[Headline]) -> str:
    return " ".join(defence_sentences(headlines))


FAILS = "fails a masking check or is less useful."
BASE = flipped("baseline-cnn", (0.5, 0.4, 0.6))


def test_best_defence_is_named_with_budget_interval_and_patients() -> None:
    found = defence([BASE, flipped("robust-sap", (0.3, 0.25, 0.35)), flipped("robust-pgd", (0.1, 0.05, 0.15))])
    assert found == (
        "Against changes of at most 20\u00a0µV on d robust-pgd helps most: of right predictions the strongest attack "
        "overturns 10.0\u00a0% (PGD, 5.0 to 15.0\u00a0%, n = 300 of 20 patients), without a defence 50.0\u00a0% (PGD, "
        "40.0 to 60.0\u00a0%, n = 300 of 20 patients); 2 of 2 defences lower the flip rate beyond the intervals; it "
        "reaches macro-F1 0.600 (0.500 to 0.700), without a defence 0.600."
    )


def test_worst_class_stands_beside_the_mean_and_classes_of_few_patients_are_named_alone() -> None:
    base = flipped("baseline-cnn", (0.5, 0.4, 0.6), classes=[("N", 0.4, 20), ("V", 0.7, 12), ("F", 0.9, 3)])
    best = flipped("robust-pgd", (0.1, 0.05, 0.15), classes=[("N", 0.5, 20), ("V", 0.2, 12), ("F", 0.9, 3)])
    assert (
        "; of the classes with patients enough most of N 50.0\u00a0% (PGD, 40.0 to 60.0\u00a0%, n = 300 of 20 "
        "patients), without a defence of V 70.0\u00a0% (PGD, 60.0 to 80.0\u00a0%, n = 300 of 12 patients); F of too "
        "few patients to tell; 1 of 1 defence lowers" in defence([base, best])
    )


def test_each_dataset_has_a_sentence_of_its_own() -> None:
    other = [replace_dataset(item, "e") for item in (BASE, flipped("robust-pgd", (0.45, 0.4, 0.5)))]
    found = defence_sentences([BASE, flipped("robust-pgd", (0.1, 0.05, 0.15)), *other])
    assert len(found) == 2
    assert found[1] == (
        "Against changes of at most 20\u00a0µV on e none of 1 defence lowers the flip rate beyond the intervals."
    )


def replace_dataset(item: Headline, dataset: str) -> Headline:
    return replace(item, result=replace(item.result, dataset=dataset))


def test_defences_that_are_as_good_are_named_beside_the_best() -> None:
    best = flipped("robust-pgd", (0.1, 0.05, 0.15))
    found = defence([BASE, best, flipped("robust-sap", (0.12, 0.08, 0.2)), flipped("robust-noise", (0.3, 0.2, 0.39))])
    assert "robust-pgd helps most (robust-sap can’t be told apart from it): of right" in found


def test_defence_that_overlaps_fails_a_masking_check_or_rests_on_few_patients_is_not_praised() -> None:
    none = "none of 1 defence lowers the flip rate beyond the intervals."
    assert defence([BASE, flipped("robust-sap", (0.35, 0.3, 0.41))]).endswith(none)
    few = flipped("robust-pgd", (0.1, 0.05, 0.15))
    assert defence([BASE, changed(few, "evasion_flip_rate", patients=9)]).endswith(none)
    masked = defence([BASE, flipped("robust-pgd", (0.1, 0.05, 0.15), ("masking_steps",))])
    assert masked.endswith("1 of 1 defence lowers the flip rate beyond the intervals, and each of these " + FAILS)
    assert defence([flipped("robust-pgd", (0.1, 0.05, 0.15))]) == ""


def test_a_model_that_always_answers_the_same_is_not_praised_for_standing_firm() -> None:
    dull = flipped("robust-pgd", (0.01, 0, 0.02), useful=0.45)
    assert "helps most" not in defence([BASE, dull])
    assert "robust-sap helps most" in defence([BASE, dull, flipped("robust-sap", (0.3, 0.25, 0.35), useful=0.55)])
