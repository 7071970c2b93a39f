"""Derived banks: what they keep, and the dataset they refuse."""

import numpy as np
import pytest
from test_dataset import tiny

from medpriv.bank.derived import DerivedBank
from medpriv.errors import InputError
from medpriv.files import sha256


def derived() -> DerivedBank:
    return DerivedBank(
        dataset="toy",
        treatment="unlearned-finetune",
        model="mlp",
        recipe={"epochs": 1},
        origin=np.array([0, 0, 3]),
        patient=np.array([0, 1, 2]),
        records=np.array([[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], bool),
        patients=("p0", "p1", "p2"),
        network={"hidden": [4]},
        parameters={"output.weight": np.arange(6, dtype=np.float32).reshape(3, 2)},
        costs={"passes": 10.0},
    )


def test_a_derived_bank_comes_back_equal_and_saves_to_the_same_bytes(tmp_path):
    derived().save(tmp_path / "1")
    back = DerivedBank.load(tmp_path / "1")
    back.save(tmp_path / "2")
    for name in ("bank.safetensors", "bank.json"):
        assert sha256(tmp_path / "1" / name) == sha256(tmp_path / "2" / name)
    np.testing.assert_array_equal(back.records, derived().records)
    np.testing.assert_array_equal(back.parameters["output.weight"], derived().parameters["output.weight"])


def test_another_dataset_is_refused():
    derived().check(tiny())
    with pytest.raises(InputError, match="another version of toy"):
        DerivedBank(**{**vars(derived()), "records": np.zeros((3, 5), bool)}).check(tiny())
