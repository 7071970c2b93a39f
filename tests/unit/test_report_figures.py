"""What figures count, withhold and call chance; how text and colour get into them."""

import csv
import io
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from written_sections import write

from medpriv.measures.table import NAN, Measure
from medpriv.report.comparison import choose_headline
from medpriv.report.drawing import PALETTE, Figure, drawing, inline, line_style, mark, render, slug, whiskers
from medpriv.report.panels import MOST, legible
from medpriv.report.results import Cohort, Measures, Result, Results, group_order
from medpriv.report.sections.evasion.figures import draw_evasion
from medpriv.report.sections.examples.figures import STRETCH, stretch
from medpriv.report.sections.exposure.figures import (
    POOLED,
    exposed_by_chance,
    exposure_groups,
    exposure_note,
    histogram,
)
from medpriv.report.sections.exposure.figures import SECTION as EXPOSURE
from medpriv.report.sections.roc.figures import SECTION as ROC
from medpriv.report.sections.tradeoff.figures import SECTION as TRADEOFF
from medpriv.report.sections.tradeoff.figures import collect

SVG = "{http://www.w3.org/2000/svg}"


def test_histogram_withholds_small_counts_and_never_a_single_bin() -> None:
    counts = [bar["patients"] for bar in histogram([0.05] * 40 + [0.5] * 20 + [0.95] * 3)]
    assert counts[0] == 40
    assert counts[6] is None  # else the total would give the last bin away
    assert counts[11] is None
    assert counts[3] == 0
    shown = [bar["patients"] for bar in histogram([0.05] * 40 + [0.5] * 20)]
    assert (shown[0], shown[6]) == (40, 20)
    assert sum(count or 0 for count in shown) == 60


def test_many_treatments_are_spread_over_panels_that_can_be_read() -> None:
    few = ["baseline-mlp", *(f"fed-{index}" for index in range(MOST - 1))]
    assert legible(few, str) == [((), few)]
    private, split = [f"dp-sgd-mlp-eps{level}" for level in range(MOST + 2)], ["split-vanilla-cut1"]
    assert legible(["baseline-mlp", *private, *split], str) == [
        (("private", "1"), ["baseline-mlp", *private[:MOST]]),
        (("private", "2"), ["baseline-mlp", *private[MOST:]]),
        (("split",), ["baseline-mlp", *split]),
    ]


def test_exposure_of_one_counts_in_the_last_bin() -> None:
    assert histogram([1.0] * 12)[-1]["patients"] == 12


def test_exposed_by_chance_are_binomial() -> None:
    from scipy.stats import binom

    for patients in (10, 44, 322):
        assert exposed_by_chance(patients) == tuple(binom.ppf((0.025, 0.975), patients, 0.025))


def test_exposed_are_those_above_the_band_of_redrawn_members_beside_chance() -> None:
    exposures = [0.5] * 37 + [0.7] + [0.71] * 2
    about = {"attack": "membership-bavaria", "null_lower": "0.3", "null_upper": "0.7", "groups": ""}
    rows = [about | {"exposure": str(value)} for value in exposures]
    bank = result()
    assert exposure_note(bank, rows) == (
        "BaVarIA, K = 8. Exposed: 2 of 40 training patients; chance alone gives 1, in 95 % of runs 0 to 3"
    )
    assert "Exposed: fewer than 10 of 40" in exposure_note(bank, rows, credentialed=True)
    few = [row | {"null_upper": "1", "exposure": "1"} for row in rows]
    assert "Exposed: not resolvable for a single patient" in exposure_note(bank, few)


def test_a_bank_of_too_few_models_is_named_where_it_has_no_exposure() -> None:
    rows = tuple({"attack": "membership-bavaria", "groups": "", "exposure": ""} for _ in range(20))
    known = tuple(
        row | {"exposure": "0.5", "null_lower": "0.3", "null_upper": "0.7", "patient": f"p{place}"}
        for place, row in enumerate(rows)
    )
    items = [
        choose_headline(COHORT, result(name, [], [leak(name, 20)], exposure=table))
        for name, table in (("baseline-cnn", known), ("baseline-mlp", rows))
    ]
    text = write(EXPOSURE, items, {"d": COHORT}).text
    assert "Not resolvable with so few models: d/baseline-mlp." in text


def test_patient_counts_in_one_group_of_each_attribute_and_few_are_pooled_or_left_out() -> None:
    places = ["a"] * 12 + ["others"] * 10 + ["c"] * 6 + ["d"] * 6  # "others" is a site's own name
    rows = [
        {"groups": f"sex={'FM'[place == 'c']},site={place}", "exposure": f"{0.4 if place == 'a' else 0.7}"}
        for place in places
    ]
    assert exposure_groups(rows) == {  # of men there are six: no figure, and so none of sex
        ("", "all"): [0.4] * 12 + [0.7] * 22,
        ("site", "a"): [0.4] * 12,
        ("site", "others"): [0.7] * 10,
        ("site", POOLED): [0.7] * 12,
    }


def test_values_below_a_bound_come_first() -> None:
    assert sorted(["65+", "<45", "45-54"], key=group_order) == ["<45", "45-54", "65+"]


def test_whiskers_are_distances_and_zero_without_interval() -> None:
    measures = [Measure("d", "t", "", "auc", 0.5, 0.25, 1.0), Measure("d", "t", "", "auc", 0.5, NAN, NAN)]
    assert whiskers(measures) == [[0.25, 0.0], [0.5, 0.0]]


def test_series_differ_by_colour_and_dash_or_mark() -> None:
    assert len({str(sorted(line_style(index).items())) for index in range(32)}) == 32
    assert len({(line_style(index)["color"], mark(index)) for index in range(64)}) == 64


def test_drawing_is_the_same_bytes_whatever_was_drawn_before() -> None:
    def draw() -> str:
        with drawing(200) as axes:
            axes.plot([0, 1], [0, 1], label="<b>$x$</b>", **line_style(0))
            axes.legend()
            return render(axes, "stem", "a & b", "", "").svg

    first = draw()
    with drawing(300) as axes:
        render(axes, "other", "", "", "")
    assert draw() == first
    assert "&lt;b&gt;$x$&lt;/b&gt;" in first
    assert '<title id="stem-title">a &amp; b</title>' in first
    assert not any(colour in inline(first) for colour in PALETTE)


def test_slug_keeps_only_safe_characters() -> None:
    assert slug("roc", "my data/../x", "dp-eps8.0") == "roc-my-data-..-x-dp-eps8.0"


def test_rounded_drawing_keeps_every_mark_where_it_was() -> None:
    with drawing(200) as axes:
        axes.plot([0, 1, 2], [3, 1, 2], "o", color="#0067a5", label="three")
        axes.legend()
        svg = render(axes, "stem", "title", "", "").svg
    root = ElementTree.fromstring(svg)
    marks = [(float(use.get("x")), float(use.get("y"))) for use in root.iter(f"{SVG}use")]
    circles = [mark for mark in marks if 54 < mark[0] < 342 and 30 < mark[1] < 156]
    assert {(67.1, 35.7), (198.0, 150.3)} <= set(circles)  # margins 54, 18, 30 and 44; 1/22 of the rest at each end


def test_long_record_is_drawn_where_it_was_changed_most() -> None:
    seconds = np.arange(3000) / 100
    difference = np.where((seconds >= 12) & (seconds < 14), 1.0, 0.0)
    part = stretch(seconds, difference)
    assert seconds[part][0] <= 12 < 14 <= seconds[part][-1] + 0.02
    assert seconds[part][-1] - seconds[part][0] == pytest.approx(STRETCH, abs=0.011)
    assert stretch(seconds[:200], difference[:200]) == slice(None)


# --- few patients ----------------------------------------------------------------------------------------------------

COHORT = Cohort(
    "d", {"train": 40, "test": 20}, {"train": 90, "test": 50}, {}, {"classes": ("N", "S"), "credentialed": False}
)


def result(treatment: str = "baseline-cnn", utility=(), attacks=(), **tables) -> Result:
    named = {f"membership-{name}": rows for name, rows in tables.items()}
    return Result("d", treatment, "cnn", 8, {}, {}, Measures(utility), Measures(attacks), named)


def leak(treatment: str, patients: int, level: str = "patient", n: int = 400) -> Measure:
    about = ("d", treatment, "membership-rmia", "auc", 0.7, 0.6, 0.8)
    return Measure(*about, n, f"level={level}", patients=patients)


def rows_of(table: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table)))


def test_rates_of_few_patients_are_not_drawn_and_it_is_said() -> None:
    def flip(label: str, value: float, patients: int) -> Measure:
        about = ("d", "baseline-cnn", "evasion-pgd", "flip_rate", value, value - 0.1, value)
        return Measure(*about, 400, f"budget=0.01{label}", patients=patients)

    def evasion(rates: list[Measure]) -> Figure:
        item = choose_headline(COHORT, result(attacks=rates))
        return draw_evasion(Results({"d": COHORT}, (item.result,)), [item])

    rates = [flip("", 0.5, 40), flip(",class=N", 0.4, 30), flip(",class=S", 0.9, 9), flip(",class=V", NAN, 0)]
    figure = evasion(rates)
    by_class = figure.panels[1]
    assert "class N" in by_class.svg
    assert "class S" not in by_class.svg
    assert by_class.note == (
        "n = 400 records that were right before of 30 patients; 2 points on fewer than 10 patients are not drawn"
    )
    assert [row["patients"] for row in rows_of(by_class.table)] == ["30", "9", "0"]  # the table keeps them
    nobody = evasion([flip("", 0.5, 9)])
    assert not nobody.panels
    assert nobody.undrawn == ("d, strongest attack",)


def test_models_judged_on_few_patients_have_no_mark() -> None:
    def item(treatment: str, tested: int, unseen: int):
        useful = Measure("d", treatment, "", "auroc", 0.8, 0.7, 0.9, 500, patients=tested)
        return choose_headline(COHORT, result(treatment, [useful], [leak(treatment, unseen)]))

    figure = collect(Results(), [item("baseline-cnn", 20, 15), item("baseline-gn", 9, 15), item("baseline-mlp", 20, 9)])
    (panel,) = figure.panels
    assert {row["treatment"] for row in rows_of(panel.table)} == {"baseline-cnn"}
    assert panel.note.startswith("n = 500 test records of 20 patients for utility, ")
    assert panel.note.endswith("; 2 treatments on fewer than 10 patients are not drawn")
    assert collect(Results(), [item("baseline-cnn", 9, 9)]) is None
    few = replace(item("baseline-cnn", 9, 9), result=replace(result(), dataset="e"))
    section = write(TRADEOFF, [item("baseline-cnn", 20, 15), few], {"d": COHORT})
    assert "Nothing is drawn, all of it resting on fewer than 10 patients, of e." in section.text


def test_roc_stops_at_what_the_patients_resolve_and_shows_chance_beside_the_rates() -> None:
    rows = tuple(
        {"attack": "membership-rmia", "level": "record", "fpr": f"{rate}", "tpr": f"{2 * rate}", "n": "2250"}
        for rate in (0.001, 0.01, 0.1, 0.5)
    )
    about = ("d", "baseline-cnn")
    low = [
        Measure(*about, "membership-rmia", "tpr_at_fpr_0.1", 0.2, 0.15, 0.3, 2250, "level=record", patients=15),
        Measure(*about, "membership-rmia", "fpr_reached_0.1", 0.12, n=2250, group="level=record", patients=15),
        Measure(*about, "membership-best", "tpr_at_fpr_0.1_chance", 0.1, 0.05, 0.25, 2250, "level=record"),
        Measure(*about, "membership-rmia", "tpr_at_fpr_0.01", NAN, n=2250, group="level=record", patients=15),
    ]
    item = choose_headline(COHORT, result(attacks=[leak("baseline-cnn", 15, "record", 2250), *low], roc=rows))
    ((panel,),) = (figure.panels for figure in write(ROC, [item], {"d": COHORT}).figures)
    assert "0.1 %" not in panel.svg  # 15 patients resolve 1 in 15, however many records they have
    assert "n = 2\u202f250 non-member records of 15 patients a target" in panel.note
    assert (
        "at a false-positive rate of 10.0\u00a0%, 20.0\u00a0% are named (RMIA, 15.0 to 30.0\u00a0%, rate reached "
        "12.0\u00a0%, by chance up to 25.0\u00a0%); at a false-positive rate of 1.0\u00a0%: not resolvable"
    ) in panel.note
    low.append(replace(low[1], measure="fpr_reached_0.01", value=0.05))
    item = choose_headline(COHORT, result(attacks=[leak("baseline-cnn", 15, "record", 2250), *low], roc=rows))
    ((panel,),) = (figure.panels for figure in write(ROC, [item], {"d": COHORT}).figures)
    assert "at a false-positive rate of 1.0\u00a0%: rate missed" in panel.note
    few = choose_headline(COHORT, result(attacks=[leak("baseline-cnn", 9, "record", 2250)], roc=rows))
    assert write(ROC, [few], {"d": COHORT}) is None
