"""The private treatments: banks with a guarantee, the same in any shard, whose epsilon is that of what was run."""

import numpy as np
import pytest
import torch
from made_up_banks import digests, gathered, training_spec
from made_up_datasets import with_changes
from test_treatments_baseline import RECIPES, toy_dataset

from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.config.private import PrivateSettings
from medpriv.dataset import TEST
from medpriv.errors import InputError
from medpriv.privacy.accountant import epsilon as accounted
from medpriv.treatments.private import schedule_of_bank, train

STEPS = {"steps": 25, "rate": 0.4, "clip": 1.0, "learning_rate": 0.5, "records_a_patient": 2}
SETTINGS = {"sgd": STEPS | {"momentum": 0.0}, "adam": STEPS | {"learning_rate": 0.1}}
SETTINGS |= {"objective": {"l2": 0.05}, "output": {"l2": 0.05}}
GRID = [("sgd", "mlp"), ("adam", "logistic"), ("sgd", "cnn_gn"), ("objective", "logistic"), ("output", "logistic")]


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def train_bank(dataset, mechanism: str, model: str, epsilon: float, replicates, **changes) -> Bank:
    """Train some replicates of a bank of 6."""
    settings = {"delta": None, "engine": "medpriv"} | SETTINGS[mechanism] | changes
    return train(
        dataset,
        training_spec(f"dp-{mechanism}-{model}-eps{epsilon:g}", model, RECIPES[model], settings),
        Draw(replicates, 6, 1),
    )


@pytest.mark.parametrize(("mechanism", "model"), GRID)
def test_shards_gather_to_the_same_bytes_as_one_job(mechanism, model, tmp_path):
    dataset = toy_dataset(model)
    whole = train_bank(dataset, mechanism, model, 3.0, range(6))
    shards = [train_bank(dataset, mechanism, model, 3.0, some) for some in ([0, 1, 2, 3], [4, 5])]
    gathered(shards, tmp_path)
    whole.save(tmp_path / "2")
    assert digests(tmp_path / "whole") == digests(tmp_path / "2")


@pytest.mark.parametrize(("mechanism", "model"), GRID)
def test_much_privacy_leaves_chance_and_little_lets_learn(mechanism, model):
    dataset = toy_dataset(model, patients=160)
    test = dataset.rows(TEST)
    right = {}
    for epsilon in (0.05, 8.0):
        bank = train_bank(dataset, mechanism, model, epsilon, range(6), delta=1e-3)
        right[epsilon] = (bank.logits.argmax(-1) == dataset.y)[:, test].mean()
        assert bank.treatment == f"dp-{mechanism}-{model}-eps{epsilon:g}"
        assert bank.metadata["privacy"]["epsilon"] <= bank.metadata["privacy"]["target_epsilon"] == epsilon
    assert right[8.0] > 0.75
    assert right[0.05] < right[8.0] - 0.1


@pytest.mark.parametrize(("mechanism", "model"), GRID)
def test_parameters_depend_on_the_members_records_alone(mechanism, model):
    dataset = toy_dataset(model)
    first = train_bank(dataset, mechanism, model, 3.0, [2])
    others = ~first.record_members(dataset)[0]
    x, y = dataset.x.copy(), dataset.y.copy()
    x[others], y[others] = 0, 0
    second = train_bank(with_changes(dataset, x=x, y=y), mechanism, model, 3.0, [2])
    for name, value in first.weights.items():
        np.testing.assert_array_equal(value, second.weights[name])


def test_metadata_states_what_was_run_and_its_epsilon():
    bank = train_bank(toy_dataset("mlp", patients=160), "sgd", "mlp", 3.0, [0, 1])
    privacy = bank.metadata["privacy"]
    assert privacy["patients"] == 60 and privacy["delta"] == 0.001 < 1 / 60
    assert privacy["sampling_rate"] == 0.4 and privacy["steps"] == 25 and privacy["records_a_patient"] == 2
    assert privacy["epsilon"] == accounted(privacy["noise_multiplier"], 0.4, 25, 0.001)
    assert 2.97 <= privacy["epsilon"] <= 3.0
    assert privacy["accountant"] == "prv" and privacy["unit"] == "patient"
    assert privacy["adjacency"] == "zero-out, n public" and any("zero-out" in text for text in privacy["caveats"])
    assert "nothing was spent" in privacy["tuning"] and "imputed and standardised" in privacy["caveats"][0]
    schedule = schedule_of_bank(bank)
    assert schedule.batch == 24 and schedule.deviation == privacy["noise_multiplier"] * schedule.clip
    assert bank.costs["updates"] == 25 and bank.costs["parameters"] == 6 * 16 + 16 + 16 + 1


def test_opacus_trains_the_same_bank_but_for_its_noise():
    dataset = toy_dataset("mlp")
    banks = [
        train_bank(dataset, "sgd", "mlp", 1e5, [0, 1], delta=0.01, engine=engine) for engine in ("medpriv", "opacus")
    ]
    assert banks[0].metadata == banks[1].metadata
    ours, theirs = (bank.logits[..., 1].ravel() for bank in banks)
    assert 0.9 < np.corrcoef(ours, theirs)[0, 1] < 1  # noise of both


def test_what_has_no_guarantee_is_refused():
    with pytest.raises(InputError, match="not below 1/n for the 15 patients"):
        train_bank(toy_dataset("mlp"), "sgd", "mlp", 3.0, [0], delta=0.1)
    with pytest.raises(InputError, match="batch normalisation"):
        train_bank(toy_dataset("cnn"), "sgd", "cnn", 3.0, [0])
    with pytest.raises(InputError, match="convex losses, which mlp has not"):
        train_bank(toy_dataset("mlp"), "objective", "mlp", 3.0, [0])


def test_config_refuses_epsilons_that_share_a_name():
    assert PrivateSettings().epsilons == [0.5, 1.0, 3.0, 8.0]
    with pytest.raises(ValueError, match="stands twice"):
        PrivateSettings(epsilons=[1.0, 1.0000001])
