"""Split, imputation and scaling of tables: exact shares, and nothing learnt from test rows."""

from pathlib import Path

import numpy as np
import pytest

from medpriv.errors import InputError
from medpriv.sources.tabular import centre_and_scale, check_classes, fills, impute, stratified_split


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.5, 0.77])
def test_the_split_has_the_share_asked_for_overall_and_in_each_stratum(fraction):
    strata = np.repeat(np.arange(40), np.arange(40) % 7 + 1)
    for seed in range(20):
        test = stratified_split(strata, fraction, np.random.default_rng(seed)) == 1
        assert abs(test.sum() - fraction * len(strata)) < 1
        sizes, drawn = np.bincount(strata), np.bincount(strata, weights=test)
        assert np.all(np.abs(drawn - fraction * sizes) < 1)


def test_every_patient_is_equally_likely_to_be_tested():
    strata = np.array([0] * 5 + [1] * 2 + [2])
    drawn = np.mean([stratified_split(strata, 0.3, np.random.default_rng(seed)) for seed in range(4000)], axis=0)
    assert drawn == pytest.approx(np.full(8, 0.3), abs=0.03)


def test_gaps_get_the_training_median_or_the_most_frequent_training_code():
    x = np.array([[1.0, 1], [2.0, 7], [4.0, 7], [900.0, 3], [np.nan, np.nan]])
    train = np.array([True, True, True, False, True])
    names = ("age", "thal")
    whole, missing, filled = impute(x, fills(x, train, names, ("thal",), Path("raw")), names)
    assert whole[4].tolist() == [2, 7] and np.array_equal(whole[:4], x[:4])
    assert missing == {"age": 1, "thal": 1} and filled == {"age": 2.0, "thal": 7.0}


def test_a_column_without_a_training_value_is_named():
    x = np.array([[np.nan, 1.0], [1.0, np.nan]])
    with pytest.raises(InputError, match="raw, column age: no training patient has a value"):
        fills(x, np.array([True, False]), ("age", "sodium"), (), Path("raw"))
    with pytest.raises(InputError, match="raw, columns age, urea: no training patient has a value"):
        fills(x[:, [0, 1, 0]], np.array([True, False]), ("age", "sodium", "urea"), (), Path("raw"))


def test_scaling_knows_training_rows_only_and_is_one_where_nothing_varies():
    x = np.array([[0.0, 5], [2.0, 5], [99.0, 7]])
    centre, scale = centre_and_scale(x, np.array([True, True, False]))
    assert centre.tolist() == [1, 5] and scale.tolist() == [1, 1]
    x = np.array([[0.1], [0.1], [0.1], [0.2]])  # their mean isn't 0.1, to the last bit
    assert centre_and_scale(x, np.array([True, True, True, False]))[1].tolist() == [1]


def test_a_class_missing_from_either_part_is_named():
    y, test = np.array([0, 0, 1, 2]), np.array([False, True, True, False])
    missing = r"no training record of class sick \(1 in all\), no test record of class dead \(1 in all\)"
    with pytest.raises(InputError, match=missing):
        check_classes(y, test, ("well", "sick", "dead"), Path("raw"), "label")


def test_one_class_alone_is_refused():
    with pytest.raises(InputError, match="raw, label: one class only"):
        check_classes(np.zeros(3, int), np.array([False, True, True]), ("well",), Path("raw"), "label")
