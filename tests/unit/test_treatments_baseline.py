"""The baseline treatment: banks that learn, shards that join, and nothing of a test patient in any parameter."""

import numpy as np
import pytest
import torch
from made_up_banks import digests, gathered, training_spec
from made_up_datasets import put_together, with_changes

from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.seeds import generator
from medpriv.treatments.baseline import train

RECIPE = {"epochs": 10, "batch_size": 16, "learning_rate": 0.01, "weight_decay": 0.0, "balance": 0.5}
RECIPES = {
    "logistic": RECIPE | {"learning_rate": 0.1},
    "mlp": RECIPE | {"hidden": [16]},
    "cnn": RECIPE | {"patch": 4, "channels": [8, 8]},
    "cnn_gn": RECIPE | {"patch": 4, "channels": [8, 8]},
}


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def toy_dataset(model: str, patients: int = 40, records: int = 5) -> Dataset:
    """Return records that carry their class (tables: two, signals: three), with noise."""
    rng = generator(0, "toy")
    signal = model.startswith("cnn")
    classes = 3 if signal else 2
    y = rng.integers(classes, size=patients * records)
    x = rng.normal(size=(len(y), 2, 32) if signal else (len(y), 6)).astype(np.float32)
    if signal:
        x[np.arange(len(y)), 0, 8 * y] += 5
    else:
        x[:, 0] += 2 * y
    return put_together(
        name="toy",
        x=x,
        y=y,
        patient=np.repeat(np.arange(patients, dtype=np.int32), records),
        site=np.zeros(len(y), np.int32),
        split=np.where(np.arange(patients) % 4 == 3, TEST, TRAIN).astype(np.uint8),
        centre=np.zeros((2, 1) if signal else 6, np.float32),
        scale=np.ones((2, 1) if signal else 6, np.float32),
        patients=tuple(f"p{index}" for index in range(patients)),
        sites=("here",),
        classes=tuple("abc"[:classes]),
        features=("I", "II") if signal else tuple("uvwxyz"),
        units=("mV",) * 2 if signal else ("",) * 6,
        licence="none",
        source="simulated",
        digest="0" * 64,
    )


def train_bank(dataset: Dataset, model: str, replicates, total: int = 6, **changes) -> Bank:
    """Train some replicates of a bank of `total`."""
    return train(
        dataset, training_spec(f"baseline-{model}", model, RECIPES[model] | changes), Draw(replicates, total, 1)
    )


@pytest.mark.parametrize("model", RECIPES)
def test_shards_gather_to_the_same_bytes_as_one_job(model, tmp_path):
    dataset = toy_dataset(model)
    whole = train_bank(dataset, model, range(6))
    shards = [train_bank(dataset, model, [0, 1, 2, 3]), train_bank(dataset, model, [4, 5])]
    gathered(shards, tmp_path)
    whole.save(tmp_path / "2")
    assert digests(tmp_path / "whole") == digests(tmp_path / "2")


@pytest.mark.parametrize("model", RECIPES)
def test_replicates_do_better_than_chance_on_test_patients(model):
    dataset = toy_dataset(model)
    bank = train_bank(dataset, model, range(6))
    right = bank.logits.argmax(-1) == dataset.y
    assert right[:, dataset.rows(TEST)].mean() > 0.75


def test_a_bank_that_can_memorise_fits_random_labels_of_its_members_only():
    dataset = toy_dataset("mlp", patients=80, records=1)
    dataset = with_changes(dataset, y=generator(0, "labels").integers(2, size=len(dataset.y)))
    bank = train_bank(dataset, "mlp", range(6), epochs=200, hidden=[64])
    right, members = bank.logits.argmax(-1) == dataset.y, bank.record_members(dataset)
    assert right[members].mean() > 0.99
    assert 0.35 < right[~members].mean() < 0.65


@pytest.mark.parametrize("model", RECIPES)
def test_parameters_depend_on_the_members_records_alone(model):
    dataset = toy_dataset(model)
    first = train_bank(dataset, model, [2])
    others = ~first.record_members(dataset)[0]
    x, y = dataset.x.copy(), dataset.y.copy()
    x[others] = 0
    y[others] = 0
    second = train_bank(with_changes(dataset, x=x, y=y), model, [2])
    for name, value in first.weights.items():
        np.testing.assert_array_equal(value, second.weights[name])


def test_costs_are_of_one_replicate_and_known():
    dataset = toy_dataset("logistic")
    bank = train_bank(dataset, "logistic", range(6))
    updates = 10 * 5  # 75 records, half of the training patients', in batches of 16
    assert bank.costs == {"updates": updates, "flops": updates * 16 * 2 * 2 * 6, "parameters": 7}


def test_shifted_training_is_the_same_in_any_shard_and_another_one_than_plain():
    dataset, recipe = toy_dataset("cnn"), RECIPES["cnn"] | {"pooled": True, "epochs": 2}
    shifted = recipe | {"shift": True}
    whole = train(dataset, training_spec("baseline-cnn", "cnn", shifted), Draw(range(4), 4, 1))
    part = train(dataset, training_spec("baseline-cnn", "cnn", shifted), Draw([3], 4, 1))
    plain = train(dataset, training_spec("baseline-cnn", "cnn", recipe), Draw([3], 4, 1))
    np.testing.assert_array_equal(part.weights["stem.weight"][0], whole.weights["stem.weight"][3])
    assert not np.array_equal(plain.weights["stem.weight"][0], whole.weights["stem.weight"][3])
