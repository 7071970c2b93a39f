"""One-hot features of one variable are one variable; everything else stands for itself."""

from dataclasses import replace

import pytest
from test_treatments_baseline import toy_dataset

from medpriv.errors import InputError
from medpriv.variables import numbers, variable_of, variables

KINDS = {"v": "binary", "w": "onehot:unit", "x": "code", "z": "onehot:unit"}


def test_one_hot_features_are_one_variable_wherever_they_stand():
    dataset = replace(toy_dataset("mlp"), notes={"kinds": KINDS})
    assert variables(dataset) == {"u": [0], "v": [1], "unit": [2, 5], "x": [3], "y": [4]}
    assert (variable_of(dataset, "z"), variable_of(dataset, "v")) == ("unit", "v")
    assert numbers(dataset) == ["u", "y"]


def test_a_table_without_kinds_holds_numbers():
    dataset = toy_dataset("mlp")
    assert list(variables(dataset)) == numbers(dataset) == list("uvwxyz")


def test_signals_have_no_variables():
    with pytest.raises(InputError, match=r"a record has the shape \(2, 32\)"):
        variables(toy_dataset("cnn"))
