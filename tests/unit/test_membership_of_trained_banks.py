"""Membership inference on banks that were really trained: full memorisation is seen, and no membership is not."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_banks import training_spec
from made_up_datasets import put_together

from medpriv.attacks.membership import audit as membership
from medpriv.bank.draw import Draw
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.treatments import baseline

SETTINGS = {"false_positive_rates": [0.1], "bootstraps": 200}
RECIPE = {"epochs": 150, "batch_size": 32, "learning_rate": 0.01, "weight_decay": 0.0, "balance": 0.0, "hidden": [64]}
REPLICATES = 16


def coin_flips(patients: int = 160, features: int = 60) -> Dataset:
    """Return noise with random labels, one record a patient: nothing to learn, everything to memorise."""
    rng = np.random.default_rng(0)
    return put_together(
        name="coins",
        x=rng.normal(size=(patients, features)).astype(np.float32),
        y=rng.integers(0, 2, patients),
        patient=np.arange(patients, dtype=np.int32),
        site=np.zeros(patients, np.int32),
        split=np.where(np.arange(patients) < 120, TRAIN, TEST).astype(np.uint8),
        centre=np.zeros(features, np.float32),
        scale=np.ones(features, np.float32),
        patients=tuple(f"p{index}" for index in range(patients)),
        sites=("s",),
        classes=("heads", "tails"),
        features=tuple(f"f{index}" for index in range(features)),
        units=("",) * features,
        licence="none",
        source="simulated",
        digest="0" * 64,
    )


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return coin_flips()


@pytest.fixture(scope="module")
def bank(dataset):
    return baseline.train(dataset, training_spec("baseline-mlp", "mlp", RECIPE), Draw(range(REPLICATES), REPLICATES, 3))


def aucs(dataset, bank) -> dict[str, membership.Measure]:
    found = membership.audit(dataset, bank, SETTINGS, seed=3).measures
    return {row.attack: row for row in found if row.measure == "auc" and row.group == "level=patient"}


def test_bank_trained_on_random_labels_gives_its_patients_away(dataset, bank):
    found = aucs(dataset, bank)
    for name in ("loss", "lira-online-shared", "lira-offline-shared", "bavaria"):
        assert found[f"membership-{name}"].value > 0.95, name
    # RMIA compares probabilities, which end at 1: a coin flip that the shadows happen to guess leaves it no ratio.
    assert found["membership-rmia"].value > 0.85


def test_bank_scored_on_shuffled_membership_shows_one_half_within_its_interval(dataset, bank):
    train = np.flatnonzero(dataset.split == TRAIN)
    found: dict[str, list] = {}
    for shuffle in range(8):
        rng = np.random.default_rng(shuffle)
        members = bank.members.copy()
        for row in members:
            row[train] = rng.permutation(row[train])
        for name, row in aucs(dataset, replace(bank, members=members)).items():
            found.setdefault(name, []).append(row)
    for name, rows in found.items():
        assert sum(row.lower <= 0.5 <= row.upper for row in rows) >= 6, name  # 95 % of 8, less chance
        assert abs(np.mean([row.value for row in rows]) - 0.5) < 0.02, name


def test_random_labels_cannot_be_predicted_on_unseen_patients(dataset, bank):
    test = dataset.rows(TEST)
    accuracy = (bank.logits.argmax(-1)[:, test] == dataset.y[test]).mean()
    assert abs(accuracy - 0.5) < 0.1
