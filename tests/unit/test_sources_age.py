"""Bands of age: every age has one, and every way to be unknown is called so."""

import numpy as np
import pytest

from medpriv.sources.age import age_band


@pytest.mark.parametrize(
    ("age", "band"),
    [
        (0, "<45"),
        (44.9, "<45"),
        (45, "45-64"),
        (64.99, "45-64"),
        (65, "65+"),
        (300, "65+"),
        (np.inf, "65+"),
        (None, "unknown"),
        (np.nan, "unknown"),
        (np.float32("nan"), "unknown"),
        (-1, "unknown"),
    ],
)
def test_an_age_is_in_the_band_that_begins_at_or_below_it(age, band):
    assert age_band(age, (45, 65)) == band


def test_one_end_makes_two_bands():
    assert [age_band(age, (50,)) for age in (49, 50)] == ["<50", "50+"]
