"""What the sections conclude from figures: no more than the intervals allow, and nothing about other data."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from written_sections import Written, cells, write

from medpriv.measures.table import NAN, Measure
from medpriv.measures.verdicts import NOT_TESTABLE, TOO_FEW
from medpriv.report.comparison import Headline, choose_headline
from medpriv.report.costs import Timing
from medpriv.report.layout import Cell, Column, Row, Table
from medpriv.report.results import Audit, Cohort, Derived, Measures, Result
from medpriv.report.sections.personalization.figures import SECTION as PERSONAL
from medpriv.report.sections.robustness.figures import SECTION as ROBUSTNESS
from medpriv.report.sections.sap.figures import SECTION as SAP
from medpriv.report.sections.sap.prevalence import reweight_to_prevalence
from medpriv.report.sections.unlearning.figures import SECTION as UNLEARNING


def cohort(name: str = "d", source: str = "local", credentialed: bool = False) -> Cohort:
    about = {
        "classes": ("N", "S"),
        "source": source,
        "credentialed": credentialed,
        "sampling_rate": 300.0,
        "modality": "signal",
    }
    return Cohort(name, {"train": 40, "test": 20}, {"train": 90, "test": 50}, {}, about)


# --- robustness and privacy ------------------------------------------------------------------------------------------


def defended(
    treatment: str, flip: Sequence[float], leak: Sequence[float], replicates: int = 8, patients: int = 20
) -> Headline:
    about = ("d", treatment)
    attacks = (
        Measure(*about, "evasion-pgd", "flip_rate", *flip, n=300, group="budget=0.01", patients=patients),
        Measure(*about, "evasion-pgd", "masking_steps_figure", 0.5, group="budget=0.01,steps=20"),
        Measure(*about, "membership-rmia", "auc", *leak, n=40, group="level=record"),
    )
    return choose_headline(cohort(), Result(*about, "cnn", replicates, {}, {}, Measures(), Measures(attacks), {}))


def test_price_of_robustness_is_stated_only_where_intervals_are_apart() -> None:
    base = defended("baseline-cnn", (0.5, 0.45, 0.55), (0.6, 0.57, 0.63))
    dear = defended("robust-pgd", (0.1, 0.05, 0.15), (0.7, 0.66, 0.74))
    free = defended("robust-sap", (0.2, 0.15, 0.25), (0.62, 0.59, 0.65))
    vain = defended("robust-nsr", (0.48, 0.43, 0.53), (0.7, 0.66, 0.74))
    section = write(ROBUSTNESS, [base, dear, free, vain])
    (found,) = section.found.datasets
    assert (found.judged, [item.result.treatment for item, _ in found.firmer]) == (3, ["robust-pgd", "robust-sap"])
    assert (found.leaking("more"), found.leaking("open"), found.leaking("less")) == (["robust-pgd"], ["robust-sap"], [])
    about = "n = 300 of 20 patients"
    assert section.paragraphs[-1] == (
        "On d, at 10\u00a0µV, 2 of 3 defences lower the flip rate beyond the intervals (robust-pgd 10.0\u00a0% (5.0 to "
        f"15.0\u00a0%, {about}); robust-sap 20.0\u00a0% (15.0 to 25.0\u00a0%, {about}); baseline-cnn 50.0\u00a0% "
        f"(45.0 to 55.0\u00a0%, {about})). Of these, by leakage per record: 1 leaks more (robust-pgd); 1 is not told "
        "apart (robust-sap)."
    )
    table = section.tables[0]
    assert cells(table, "robust-pgd")["Against no defence"] == "flips less"
    assert cells(table, "robust-pgd")["Against no defence per record"] == "leaks more"
    assert cells(table, "robust-nsr")["Against no defence"] == "not told apart"
    assert cells(table, "robust-nsr")["Patients who have them"] == "20"
    assert "differ in K" not in section.text
    fewer = write(ROBUSTNESS, [base, defended("robust-pgd", (0.1, 0.05, 0.15), (0.5, 0.4, 0.56), 4)])
    assert "differ in K" in fewer.text


def test_few_patients_and_models_without_skill_are_not_compared() -> None:
    base = defended("baseline-cnn", (0.5, 0.45, 0.55), (0.6, 0.57, 0.63))
    few = defended("robust-pgd", (0.1, 0.05, 0.15), (0.7, 0.66, 0.74), patients=9)
    dull = defended("robust-sap", (0.1, 0.05, 0.15), (0.7, 0.66, 0.74))
    dull = replace(
        dull,
        figures={
            **dull.figures,
            "accuracy_over_majority": Measure(
                "d", "robust-sap", "", "accuracy_over_majority", -0.025, -0.2, 0.1, 500, patients=20
            ),
        },
    )
    section = write(ROBUSTNESS, [base, few, dull])
    assert section.paragraphs[-1] == (
        "On d, at 10\u00a0µV, none of 1 defence lowers the flip rate by more than the intervals allow for, so what "
        "robustness costs can't be said there; robust-sap beats neither chance nor the commonest class: nothing is "
        "concluded from it; 1 defence judged on too few patients to tell."
    )
    assert cells(section.tables[0], "robust-pgd")["Against no defence"] == "too few"
    assert cells(section.tables[0], "robust-sap")["Against no defence"] == "no skill"


def test_worst_class_stands_beside_the_mean_and_a_class_of_few_patients_does_not() -> None:
    def rates(treatment: str, mean: float, classes: dict[str, tuple[float, int]]) -> Headline:
        item = defended(treatment, (mean, mean - 0.05, mean + 0.05), (0.6, 0.57, 0.63))
        about = ("d", treatment, "evasion-pgd", "flip_rate")
        rows = tuple(
            Measure(*about, value, value - 0.1, value, 60, f"budget=0.01,class={name}", patients=patients)
            for name, (value, patients) in classes.items()
        )
        return choose_headline(cohort(), replace(item.result, attacks=Measures((*item.result.attacks, *rows))))

    items = [
        rates("baseline-cnn", 0.4, {"N": (0.3, 20), "S": (0.9, 15), "V": (0.95, 3)}),
        rates("robust-pgd", 0.1, {"N": (0.05, 20), "S": (0.6, 12), "V": (1.0, 3)}),
    ]
    section = write(ROBUSTNESS, items)
    assert "class S 60.0\u00a0% (50.0 to 60.0\u00a0%, n = 60 of 12 patients)" in section.paragraphs[-1]
    assert "class S 90.0\u00a0%" in section.paragraphs[-1]
    assert cells(section.tables[0], "robust-pgd")["Worst class the same attack"].startswith("60.0")


def test_section_and_headlines_speak_of_the_same_budget_and_attack() -> None:
    item = defended("robust-pgd", (0.1, 0.05, 0.15), (0.6, 0.57, 0.63))
    more = tuple(
        Measure("d", "robust-pgd", attack, "flip_rate", rate, n=300, group=f"budget={budget}", patients=20)
        for attack, rate, budget in (("evasion-fgsm", 0.9, "0.01"), ("evasion-pgd", 0.99, "0.02"))
    )
    item = choose_headline(cohort(), replace(item.result, attacks=Measures((*item.result.attacks, *more))))
    base = defended("baseline-cnn", (0.5, 0.45, 0.55), (0.6, 0.57, 0.63))
    row = cells(write(ROBUSTNESS, [base, item]).tables[0], "robust-pgd")
    assert row["Flip rate strongest attack"].startswith(f"{100 * item.flip.value:.1f}")


def test_without_a_defence_there_is_no_question() -> None:
    assert write(ROBUSTNESS, [defended("baseline-cnn", (0.5, 0.45, 0.55), (0.6, 0.57, 0.63))]) is None


# --- smooth attacks --------------------------------------------------------------------------------------------------


def smooth_table(
    flip: Sequence[float], source: str, form: str, patients: int = 30, over_majority: float = 0.2
) -> tuple[Written, Table]:
    about = ("d", "baseline-dilated")
    attacks = tuple(
        Measure(*about, attack, measure, *figures, n=500, group="budget=0.01", patients=patients)
        for attack, measure, figures in (
            ("evasion-sap", "flip_rate", flip),
            ("evasion-sap", "mean_d1_uv", (2.0, 1.9, 2.1)),
            ("evasion-sap", "energy_above_40hz", (0.02, 0.019, 0.021)),
            ("evasion-pgd", "energy_above_40hz", (0.7, 0.69, 0.71)),
        )
    )
    shares = (("budget=0,class=N", "accuracy_under_attack", (0.9,)), ("budget=0.01,class=N", "flip_rate", flip))
    attacks += tuple(
        Measure(*about, "evasion-sap", measure, *figures, n=400, group=group, patients=patients)
        for group, measure, figures in shares
    )
    attacks += (Measure(*about, "evasion-pgd", "masking_steps", 1.0, n=400, patients=patients),)
    limits = (over_majority - 0.1, over_majority + 0.1)
    utility = (Measure(*about, "", "accuracy_over_majority", over_majority, *limits, 500, patients=20),)
    recipe = {"width": 0.125}
    result = Result(*about, "dilated", 3, recipe, {"parameters": 90000.0}, Measures(utility), Measures(attacks), {})
    found = replace(cohort(source=source), class_records={"N": 50, "S": 0})
    section = write(SAP, [choose_headline(found, result)], {"d": found}, config={"datasets": {"d": {"format": form}}})
    return section, section.tables[0]


@pytest.mark.parametrize(
    ("flip", "reading"),
    [((0.7, 0.66, 0.75), "agrees"), ((0.6, 0.55, 0.65), "lower"), ((0.9, 0.85, 0.95), "higher")],
)
def test_claim_agrees_only_where_the_interval_holds_it(flip: tuple[float, float, float], reading: str) -> None:
    section, table = smooth_table(flip, "local", "cinc2017")
    assert cells(table, "SAP overturns")["Reading"] == reading
    assert "dilated of width 0.125 (90\u202f000 weights), n = 400 of 30 patients" in section.paragraphs[1]
    assert cells(table, "More steps are not weaker")["Reading"] == "holds"
    assert cells(table, "… each class alike, as attacked")["Reading"] == "–"
    assert cells(table, "SAP’s energy above 40 Hz")["Reading"] == "not under 1\u00a0%"
    assert cells(table, "PGD’s energy above 40 Hz")["Reading"] == "white noise: 73\u00a0%"


@pytest.mark.parametrize(
    ("more", "reading", "said"),
    [
        ({"patients": 6}, "too few", "n = 400 of 6 patients, too few patients to compare with the claim"),
        ({"over_majority": -0.025}, "no skill", "which has no skill, so nothing follows"),
    ],
)
def test_nothing_is_read_from_few_patients_or_a_model_without_skill(more: dict, reading: str, said: str) -> None:
    section, table = smooth_table((1.0, 0.645, 1.0), "local", "cinc2017", **more)
    rows = [cells(table, row.head) for row in table.rows if row.of is not None]
    assert {row["Reading"] for row in rows} == {reading}
    assert said in section.paragraphs[1]


@pytest.mark.parametrize(("source", "form"), [("simulated", "cinc2017"), ("local", "mitdb")])
def test_claim_is_not_judged_by_other_or_simulated_records(source: str, form: str) -> None:
    section, table = smooth_table((0.7, 0.66, 0.75), source, form)
    assert cells(table, "SAP overturns")["Reading"] == "other data"
    assert section.paragraphs[1].startswith("This run has no real records of that challenge")


def test_own_mix_of_classes_equals_the_rate_over_all_records() -> None:
    records = {"N": (800, 0.9, 0.2), "S": (100, 0.5, 0.8), "V": (100, 0.0, NAN), "F": (0, NAN, NAN)}
    rows = [
        Measure("d", "t", "evasion-sap", measure, value, value - 0.1, value + 0.05, 50, f"budget={budget},class={name}")
        for name, (_, accuracy, flip) in records.items()
        for budget, measure, value in (
            ("0", "accuracy_under_attack", accuracy),
            ("0.01", "flip_rate", flip),
            ("0.01", "accuracy_under_attack", accuracy * (1 - flip) if accuracy else accuracy),
        )
    ]
    result = Result("d", "t", "cnn", 8, {}, {}, Measures(), Measures(rows), {})
    counts = {name: count for name, (count, *_) in records.items()}
    flip = reweight_to_prevalence(result, counts, "evasion-sap", "flip_rate", "0.01")
    assert flip.value == pytest.approx((720 * 0.2 + 50 * 0.8) / 770)
    reach = (720**2 + 50**2) ** 0.5 / 770
    assert (flip.lower, flip.upper) == pytest.approx((flip.value - 0.1 * reach, flip.value + 0.05 * reach))
    assert flip.n == 100
    left = reweight_to_prevalence(result, counts, "evasion-sap", "accuracy_under_attack", "0.01")
    assert left.value == pytest.approx((720 * 0.8 + 50 * 0.2) / 1000)
    assert reweight_to_prevalence(result, {**counts, "Q": 5}, "evasion-sap", "flip_rate", "0.01") is None


# --- personalised models ---------------------------------------------------------------------------------------------


def personal_audit(verdicts: dict[str, float], gaining: float = 4, patients: int = 20, h2: dict | None = None) -> Audit:
    about = ("d", "personalized-all")
    size = {"n": patients, "patients": patients}
    rows = [
        Measure(*about, f"personalization-{attack}", measure, value, **size, group="right=both")
        for attack, verdict in verdicts.items()
        for measure, value in (("hypothesis_h1", 0.1), ("verdict_h1", verdict))
    ]
    for method, verdict in (h2 or {}).items():
        rows.append(
            Measure(*about, "personalization-fgsm", "success", 0.4, **size, group=f"records=forgotten,method={method}")
        )
        for measure, value in (("hypothesis_h2", -0.1), ("verdict_h2", verdict)):
            rows.append(
                Measure(*about, "personalization-fgsm", measure, value, -0.2, -0.05, **size, group=f"method={method}")
            )
    rows.append(Measure(*about, "", "patients_gaining", gaining, **size, group="of=accuracy"))
    people = tuple(
        {"patient": f"p{index}", "measure": "accuracy", "gain": "0.1", "lower": "0.05", "upper": "0.2"}
        for index in range(patients)
    )
    return Audit("d", "personalized-all", "personalization", Measures(rows), {"patients": people})


def test_hypotheses_are_told_by_attack_and_an_empty_verdict_is_undecided() -> None:
    section = write(PERSONAL, cohorts={"d": cohort()}, audits=(personal_audit({"fgsm": 1.0, "pgd": NAN, "sap": NAN}),))
    assert section.paragraphs[-1].endswith("H1 is supported under FGSM, undecided under PGD and SAP.")
    assert "No number of this paper can be claimed as reproduced" in section.paragraphs[1]


def test_h2_counts_methods_without_controls_and_says_what_was_not_testable() -> None:
    h2 = dict.fromkeys(("ssd", "scrub", "fake", "destroyed", "finetune"), NOT_TESTABLE)
    section = write(PERSONAL, cohorts={"d": cohort()}, audits=(personal_audit({"fgsm": NAN}, h2=h2),))
    assert (
        "H2 is not testable here for each of 3 methods under FGSM (the copy’s success can’t" in section.paragraphs[-1]
    )
    claims, by_method = section.tables[0], section.tables[-1]
    tally = next(own for row in claims.rows if (own := claims.cells(row)) and own[1].text == "3 methods")
    assert [cell.text for cell in tally[2:4]] == ["3 not testable here", "20"]
    assert (
        [row.head for row in by_method.rows if row.control]
        == ["Fake", "Destroyed"]
        == [row.head for row in by_method.rows[-2:]]
    )
    assert {by_method.cells(row)[3].text for row in by_method.rows} == {"not testable here"}

    h2 = {"ssd": 1.0, "scrub": NAN, "fake": 0.0, "destroyed": 0.0, "finetune": 0.0}
    section = write(PERSONAL, cohorts={"d": cohort()}, audits=(personal_audit({"fgsm": NAN}, h2=h2),))
    assert section.paragraphs[-1].endswith(
        "H2 is supported for 1, contradicted for 1, undecided for 1 of 3 methods under FGSM."
    )


def test_few_patients_judge_no_hypothesis_and_are_not_drawn() -> None:
    few = personal_audit({"fgsm": TOO_FEW, "pgd": TOO_FEW}, patients=4, h2={"ssd": TOO_FEW, "fake": TOO_FEW})
    section = write(PERSONAL, cohorts={"d": cohort()}, audits=(few,))
    assert section.paragraphs[-1] == (
        "On d, all weights adapted, 4 patients: H1 is not judged on so few patients under FGSM and PGD; H2 is not "
        "judged on so few patients for each of 1 method under FGSM."
    )
    claims = section.tables[0]
    verdicts = [claims.cells(row)[2] for row in claims.rows if row.of is not None]
    assert {cell.tone for cell in verdicts} == {"open"}
    assert not section.figures


def test_credentialed_dataset_shows_no_patient_and_no_small_count_of_patients() -> None:
    audit = personal_audit({"fgsm": 1.0})
    shown = write(PERSONAL, cohorts={"d": cohort()}, audits=(audit,))
    hidden = write(PERSONAL, cohorts={"d": cohort(credentialed=True)}, audits=(audit,))
    assert any(figure.anchor == "gain" for figure in shown.figures)
    assert not any(figure.anchor == "gain" for figure in hidden.figures)
    gains = [next(table for table in section.tables if "gains" in table.title) for section in (shown, hidden)]
    texts = [cells(table, "all weights")["Gain patients, accuracy"] for table in gains]
    assert texts == ["4 of 20", "fewer than 10"]


# --- unlearning ------------------------------------------------------------------------------------------------------


def forgetting_audit(treatments: dict[str, tuple[float, float]], patients: int = 12) -> Audit:
    """Return an audit with the verdicts (forgotten, usable) of each treatment."""
    size = {"n": 24, "group": "request=population", "patients": patients}
    rows = [
        Measure("d", treatment, "unlearning-verdict", name, value, **size)
        for treatment, verdicts in treatments.items()
        for name, value in zip(("forgotten", "usable"), verdicts, strict=True)
    ]
    rows += [
        Measure("d", treatment, f"unlearning-{attack}", measure, *limits, 24, group, patients=patients)
        for treatment in treatments
        for attack, measure, limits, group in (
            ("ulira", "auc", (0.7, 0.6, 0.8), "request=population,level=patient,reference=retrain"),
            ("gap", "test_accuracy_gap", (gap_of(treatment), NAN, NAN), "request=population"),
        )
    ]
    return Audit("d", "unlearned", "unlearning", Measures(rows))


def gap_of(treatment: str) -> float:
    return -0.8 if treatment == "unlearned-destroyed" else -0.01


VERDICTS = {
    "baseline-cnn": (0.0, 1.0),
    "unlearned-fake": (0.0, 1.0),
    "unlearned-retrain": (1.0, 1.0),
    "unlearned-scrub": (1.0, 1.0),
    "unlearned-ssd": (1.0, 0.0),
    "unlearned-finetune": (NAN, 1.0),
    "unlearned-neggrad": (0.0, 1.0),
    "unlearned-destroyed": (0.0, 0.0),
}


def test_controls_that_pass_are_called_out_and_stand_last() -> None:
    section = write(UNLEARNING, cohorts={"d": cohort()}, audits=(forgetting_audit(VERDICTS),))
    (request,) = section.found.requests
    assert (request.original, request.controls) == ("contradicted", {"fake": True, "destroyed": True})
    assert (request.good, request.told) == (["SCRUB"], ["NegGrad+"])
    assert (request.useless, request.undecided) == (["SSD"], ["Fine-tuning"])
    assert section.paragraphs[-1] == (
        "On d, models asked to forget one patient: 12 patients (24 models); the original is told from models that "
        "never saw the patient; the fake control is caught (told apart); the destroyed control is caught (unusable); "
        "1 of 4 methods forgets and stays usable (SCRUB); 1 is told apart (NegGrad+); 1 is unusable (SSD); of 1 it "
        "can’t be told (Fine-tuning)."
    )
    table = section.tables[0]
    assert [row.head for row in table.rows][-2:] == ["Fake", "Destroyed"]
    assert [row.head for row in table.rows if row.control] == ["Fake", "Destroyed"]
    verdicts = {row.head: table.cells(row)[0] for row in table.rows}
    assert cells(table, "SSD")["Verdict"] == "forgotten unusable"
    assert cells(table, "Fine-tuning")["Verdict"] == "can’t be told usable"
    tones = {name: cell.tone for name, cell in verdicts.items()}
    assert [name for name, tone in tones.items() if tone == "good"] == ["SCRUB"]
    assert [name for name, tone in tones.items() if tone == "open"] == ["Fine-tuning"]
    blind = write(
        UNLEARNING,
        cohorts={"d": cohort()},
        audits=(forgetting_audit(VERDICTS | {"baseline-cnn": (1, 1), "unlearned-fake": (1, 1)}),),
    )
    assert "this audit is too small to judge by; the fake control is not caught" in blind.paragraphs[-1]


def test_few_patients_judge_no_method_however_many_models_forgot_them() -> None:
    few = forgetting_audit(dict.fromkeys(VERDICTS, (TOO_FEW, TOO_FEW)), patients=4)
    section = write(UNLEARNING, cohorts={"d": cohort()}, audits=(few,))
    assert section.paragraphs[-1] == (
        "On d, models asked to forget one patient: 4 patients (24 models), too few to tell of any of 4 methods whether "
        "it forgets (a verdict wants 10 patients)."
    )
    (table, _) = section.tables
    shown = {row.head: table.cells(row)[0] for row in table.rows}
    assert {cell.text for name, cell in shown.items() if name != "Retraining"} == {"too few to tell"}
    assert "good" not in {cell.tone for cell in shown.values()}
    assert not section.figures


def test_a_control_far_off_is_written_at_the_edge_and_squeezes_nobody() -> None:
    section = write(UNLEARNING, cohorts={"d": cohort()}, audits=(forgetting_audit(VERDICTS),))
    (figure,) = section.figures
    lost = next(panel for panel in figure.panels if "test-gap" in panel.stem)
    assert "◂ −0.80" in lost.svg
    assert "unlearned-destroyed" not in lost.table and "destroyed,test-gap,-0.8" in lost.table
    assert lost.note == "n = 12 patients, 24 models a method"


def test_costs_come_from_the_bank_and_seconds_are_left_to_the_measured_block() -> None:
    audit = forgetting_audit({"baseline-cnn": (0.0, 1.0), "unlearned-ssd": (1.0, 1.0)})
    bank = Derived("d", "unlearned-ssd", 24, {}, {"passes_share": 0.014})
    section = write(
        UNLEARNING,
        cohorts={"d": cohort()},
        audits=(audit,),
        derived={("d", "unlearned-ssd"): bank},
        timings=(Timing("d", "unlearned-ssd", 3.0, 24),),
    )
    table = section.tables[0]
    found = table.cells(next(row for row in table.rows if row.head == "SSD"))
    assert [cell.text for cell in found][-3:] == ["1.4\u00a0%", "see below", "12 patients"]
    assert found[-1].details == ("24 models",)
    assert found[-2].measured == ("share", "d/unlearned-ssd")


# --- tables ----------------------------------------------------------------------------------------------------------


def test_spanning_heads_cover_their_columns_and_rows_below_heads_are_not_sorted() -> None:
    def nothing(row: object) -> Cell:
        return Cell("")

    columns = (Column("b", nothing), Column("c", nothing, over="x"), Column("d", nothing, over="x"))
    table = Table("t", "a", columns, (Row("r"),))
    assert table.overs == [("", 1), ("x", 2)]
    assert not table.sortable
    assert Table("t", "a", columns[:1], ()).overs == []


def test_a_row_has_the_cells_of_its_columns_functions() -> None:
    columns = (Column("twice", lambda n: Cell(str(2 * n))), Column("square", lambda n: Cell(str(n * n))))
    table = Table("t", "n", columns, (Row("head"), Row("three", 3)))
    assert [[cell.text for cell in table.cells(row)] for row in table.rows] == [[], ["6", "9"]]
