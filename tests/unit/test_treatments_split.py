"""Split banks: trained by sites, the same in any shard, as useful as the baseline, and whole networks when done."""

import numpy as np
import pytest
import torch
from made_up_banks import digests, gathered, training_spec
from made_up_datasets import with_changes
from test_treatments_baseline import RECIPES, toy_dataset

from medpriv.bank import engine
from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.bank.stack import arranged
from medpriv.config.split import SplitSettings
from medpriv.dataset import TEST, Dataset
from medpriv.errors import InputError
from medpriv.models.catalogue import build_network
from medpriv.split.defences import distance_correlation
from medpriv.split.deployed import sent_activations
from medpriv.treatments.split import VARIANTS, clients_of, message_bytes, set_up, train

SETTINGS = SplitSettings(variants={name: {} for name in VARIANTS}).model_dump()["variants"]


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def toy_sites(model: str = "mlp") -> Dataset:
    """Return the toy records at three sites, the last with few patients."""
    dataset = toy_dataset(model)
    site = np.searchsorted([18, 36], dataset.patient, side="right").astype(np.int32)
    return with_changes(dataset, site=site, sites=("north", "south", "isle"))


def train_bank(dataset: Dataset, variant: str, replicates=range(4), model: str = "mlp", **changes) -> Bank:
    """Train some replicates of a split bank of 4."""
    settings = SETTINGS[variant] | {"least_patients": 5} | changes
    recipe = RECIPES[model] | ({"hidden": [16, 8]} if model == "mlp" else {})
    return train(dataset, training_spec(f"split-{variant}-cut1", model, recipe, settings), Draw(replicates, 4, 1))


@pytest.mark.parametrize("variant", VARIANTS)
def test_shards_gather_to_the_same_bytes_and_replicates_learn(variant, tmp_path):
    dataset = toy_sites()
    whole = train_bank(dataset, variant)
    parts = [train_bank(dataset, variant, [0, 2]), train_bank(dataset, variant, [1, 3])]
    gathered(parts, tmp_path)
    whole.save(tmp_path / "2")
    assert digests(tmp_path / "whole") == digests(tmp_path / "2")
    right = (whole.logits.argmax(-1) == dataset.y)[:, dataset.rows(TEST)].mean()
    assert right > (0.6 if variant == "noise" else 0.7)


def test_signals_are_split_too():
    dataset = toy_sites("cnn")
    bank = train_bank(dataset, "parallel", model="cnn")
    assert (bank.logits.argmax(-1) == dataset.y)[:, dataset.rows(TEST)].mean() > 0.75


@pytest.mark.parametrize("variant", ["ushaped", "parallel"])
def test_parameters_are_whole_networks_that_give_the_banks_logits(variant):
    dataset = toy_sites()
    bank = train_bank(dataset, variant)
    network = build_network("mlp", (6,), 2, bank.spec.hyperparameters)
    found = engine.logits(network, bank.weights, dataset.standardised())
    np.testing.assert_allclose(bank.logits, found, atol=1e-5)


def test_a_noisy_banks_logits_are_those_of_its_noisy_activations():
    dataset = toy_sites()
    bank = train_bank(dataset, "noise", deviation=2.0)
    network = build_network("mlp", (6,), 2, bank.spec.hyperparameters)
    clear = engine.logits(network, bank.weights, dataset.standardised())
    assert np.abs(bank.logits - clear).max() > 0.1


def test_nopeek_lowers_the_distance_correlation_of_records_and_activations():
    dataset = toy_sites()
    found = {}
    for variant, strength in (("vanilla", {}), ("nopeek", {"strength": 20.0})):
        bank = train_bank(dataset, variant, **strength)
        split = set_up(dataset, bank.spec)
        x = arranged(split.parts.whole, dataset.standardised())
        sent = torch.from_numpy(sent_activations(split.parts, bank.weights, x))
        found[variant] = distance_correlation(x.expand(4, *x.shape), sent).mean().item()
    assert found["nopeek"] < found["vanilla"] - 0.05


def test_what_a_bank_says_of_its_split():
    dataset = toy_sites()
    bank = train_bank(dataset, "ushaped")
    assert bank.treatment == "split-ushaped-cut1"
    counts = bank.metadata["split"].pop("clients")
    assert bank.metadata == {"split": {"topology": "ushaped", "cut": 1}}
    assert list(counts) == ["north", "south"] and sum(counts.values()) == 150
    split = set_up(dataset, bank.spec)
    assert split.parts.head is not None and split.clients == ("north", "south")


def test_bytes_are_those_of_the_messages():
    dataset = toy_sites()
    costs = {variant: train_bank(dataset, variant).costs for variant in ("vanilla", "parallel")}
    assert costs["vanilla"]["rounds"] == 10 and costs["vanilla"]["clients"] == 2
    updates = 5  # an epoch: 75 records in batches of 16
    activations, labels = np.zeros((1, 16, 16), np.float32), np.zeros((1, 16), np.int64)
    layers = {"hidden1.weight": np.zeros((1, 16, 6), np.float32), "hidden1.bias": np.zeros((1, 16), np.float32)}
    expected = updates * message_bytes({"sent": activations[:, :8], "labels": labels[:, :8]}) + message_bytes(layers)
    assert costs["parallel"]["bytes_up"] == expected
    sent = costs["vanilla"]["bytes_up"] - updates / 2 * message_bytes({"sent": activations, "labels": labels})
    assert 3 * 4 * (16 * 6 + 16) < sent < 3 * 4 * (16 * 6 + 16) + 2000  # the layers with two moments


def test_one_site_is_one_client_that_hands_nothing_over():
    dataset = toy_dataset("mlp")
    assert clients_of(dataset, SETTINGS["vanilla"])[1] == ("here",)
    bank = train_bank(dataset, "vanilla")
    assert bank.costs["bytes_down"] == 5 * message_bytes({"gradient": np.zeros((1, 16, 16), np.float32)})


def test_sites_too_small_to_be_clients_are_refused_in_the_words_of_split_learning():
    with pytest.raises(InputError, match=r"split\.variants"):
        clients_of(toy_sites(), SETTINGS["vanilla"] | {"least_patients": 100})


def test_shifted_records_are_refused():
    dataset = toy_dataset("cnn")
    with pytest.raises(InputError, match="rotate"):
        spec = training_spec("split-vanilla-cut1", "cnn", RECIPES["cnn"] | {"shift": True}, SETTINGS["vanilla"])
        train(dataset, spec, Draw([0], 4, 1))
