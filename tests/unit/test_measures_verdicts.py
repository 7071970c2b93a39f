"""Verdicts: what an interval may say of a claim, and when nobody is judged."""

import itertools

import pytest

from medpriv.measures.intervals import LEAST
from medpriv.measures.table import NAN, Measure, read_measures, write_measures
from medpriv.measures.verdicts import NOT_TESTABLE, TOO_FEW, above_zero, guessing, not_below, verdict_name, within

MANY = LEAST


@pytest.mark.parametrize(
    ("limits", "above", "below_margin", "inside"),
    [
        ((0.01, 0.05), "supported", "supported", "supported"),
        ((0.01, 0.30), "supported", "supported", "undecided"),
        ((0.11, 0.30), "supported", "supported", "contradicted"),
        ((-0.05, 0.05), "undecided", "supported", "supported"),
        ((-0.30, 0.05), "undecided", "undecided", "undecided"),
        ((-0.05, -0.01), "contradicted", "supported", "supported"),
        ((-0.30, -0.11), "contradicted", "contradicted", "contradicted"),
        ((NAN, NAN), "undecided", "undecided", "undecided"),
        ((0.0, 0.0), "undecided", "supported", "supported"),
    ],
)
def test_an_interval_supports_contradicts_or_leaves_a_claim_open(limits, above, below_margin, inside):
    assert verdict_name(above_zero(limits, MANY)) == above
    assert verdict_name(not_below(limits, 0.1, MANY)) == below_margin
    assert verdict_name(within(limits, 0.1, MANY)) == inside


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ((0.45, 0.58), "supported"),
        ((0.51, 0.59), "supported"),  # shown to differ, by less than what counts
        ((0.35, 0.62), "undecided"),
        ((0.35, 0.55), "undecided"),
        ((0.20, 0.39), "undecided"),  # worse than guessing is no telling apart
        ((0.51, 0.75), "contradicted"),
        ((NAN, NAN), "undecided"),
    ],
)
def test_an_attacker_only_guesses_where_the_whole_interval_is_near_one_half(limits, expected):
    assert verdict_name(guessing(limits, MANY)) == expected
    assert verdict_name(guessing(limits, MANY - 1)) == "too few"


@pytest.mark.parametrize("limits", [(0.2, 0.3), (-0.3, -0.2), (-0.01, 0.01), (NAN, NAN)])
def test_nobody_is_judged_by_fewer_patients_than_a_verdict_wants(limits):
    found = above_zero(limits, LEAST - 1), not_below(limits, 0.1, LEAST - 1), within(limits, 0.1, LEAST - 1)
    assert {verdict_name(value) for value in found} == {"too few"}


def test_the_names_of_all_verdicts_differ_and_outlive_the_table(tmp_path):
    values = (1.0, 0.0, NAN, TOO_FEW, NOT_TESTABLE)
    write_measures(tmp_path / "m.csv", [Measure("d", "t", "a", "verdict", value) for value in values])
    names = [verdict_name(row.value) for row in read_measures(tmp_path / "m.csv")]
    assert names == ["supported", "contradicted", "undecided", "too few", "not testable"]
    assert all(one != other for one, other in itertools.combinations(names, 2))
