"""What figures count, withhold and call chance; how text and colour get into them."""

import itertools
from xml.etree import ElementTree

import numpy as np
import pytest

from medpriv.measures.table import NAN, Measure
from medpriv.report.drawing import PALETTE, drawing, inline, line_style, mark, render, slug, whiskers
from medpriv.report.figures_leakage import MOST, chance_deviation, exposure_groups, group_order, histogram, legible
from medpriv.report.figures_models import STRETCH, stretch

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


def test_chance_deviation_equals_that_of_all_orders_of_few_models() -> None:
    m, n = 3, 4
    exposures = [
        np.mean([[a > b for b in range(m + n) if b not in inside] for a in inside])
        for inside in itertools.combinations(range(m + n), m)
    ]
    row = {"n_in": str(m), "n_out": str(n)}
    assert chance_deviation([row]) == pytest.approx(np.std(exposures))


def test_patient_counts_in_one_group_of_each_attribute_and_few_are_pooled() -> None:
    places = ["a"] * 6 + ["b"] * 5 + ["c", "d"]
    rows = [{"groups": f"sex=F,site={place}", "exposure": f"{0.4 if place == 'a' else 0.7}"} for place in places]
    assert exposure_groups(rows) == {
        ("", "all"): [0.4] * 6 + [0.7] * 7,
        ("site", "a"): [0.4] * 6,
        ("site", "b"): [0.7] * 5,
        ("site", "others"): [0.7] * 2,
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


def test_brief_drawing_keeps_every_mark_where_it_was_and_nests_well() -> None:
    with drawing(200) as axes:
        axes.plot([0, 1, 2], [3, 1, 2], "o", color="#0067a5", label="three")
        axes.legend()
        svg = render(axes, "stem", "title", "", "").svg
    root = ElementTree.fromstring(svg)
    marks = [(float(use.get("x")), float(use.get("y"))) for use in root.iter(f"{SVG}use")]
    circles = [mark for mark in marks if 54 < mark[0] < 342 and 30 < mark[1] < 156]
    assert {(67.1, 35.7), (198.0, 150.3)} <= set(circles)  # margins 54, 18, 30 and 44; 1/22 of the rest at each end
    assert not [group for group in root.iter(f"{SVG}g") if not group.attrib]
    assert not any(line.startswith(" ") for line in svg.splitlines()[1:])


def test_long_record_is_drawn_where_it_was_changed_most() -> None:
    seconds = np.arange(3000) / 100
    difference = np.where((seconds >= 12) & (seconds < 14), 1.0, 0.0)
    part = stretch(seconds, difference)
    assert seconds[part][0] <= 12 < 14 <= seconds[part][-1] + 0.02
    assert seconds[part][-1] - seconds[part][0] == pytest.approx(STRETCH, abs=0.011)
    assert stretch(seconds[:200], difference[:200]) == slice(None)
