"""The whole audit of split banks."""

import numpy as np
import pytest
import torch
from made_up_banks import training_spec
from made_up_datasets import with_changes
from split_server_toys import CUT, toy_bank
from test_treatments_baseline import RECIPES, toy_dataset
from test_treatments_split import SETTINGS

from medpriv.attacks.split_server.audit import EXAMPLE_COLUMNS, RECONSTRUCTIONS, audit
from medpriv.bank.draw import Draw
from medpriv.treatments.split import VARIANTS, train

QUICK = CUT | {"fsha_updates": 10, "fsha_pilot_steps": 20, "decoder_steps": 50, "inversion_steps": 20,
               "unsplit_rounds": 2, "unsplit_steps": 3, "false_positive_rates": [0.1]}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_is_attacked_the_same_each_time(variant):
    dataset, bank = toy_bank(variant)
    found = audit(dataset, bank, QUICK, seed=1)
    assert repr(found) == repr(audit(dataset, bank, QUICK, seed=1))
    measures = found.measures
    attacks = {measure.attack for measure in measures}
    expected = {f"cut-{name}" for name in (*RECONSTRUCTIONS, "correlation")}
    expected |= {f"cut-membership-{name}" for name in ("norm", "distance", "nearest")}
    if variant != "noise":
        expected.remove("cut-inversion-repeated")
    if variant == "ushaped":
        expected |= {"cut-labels-direction", "cut-labels-norm"}
    assert attacks == expected
    keys = [(measure.attack, measure.measure, measure.group) for measure in measures]
    assert len(set(keys)) == len(keys)
    assert all(m.treatment == bank.treatment and m.dataset == "toy" for m in measures)
    assert all(m.lower <= m.value <= m.upper for m in measures if not np.isnan(m.value))


@pytest.mark.parametrize("model", ["cnn", "cnn_gn"])
def test_signals_are_attacked_too(model):
    dataset = toy_dataset(model)
    bank = train(
        dataset,
        training_spec("split-vanilla-cut1", model, RECIPES[model], SETTINGS["vanilla"]),
        Draw(range(4), 4, 1),
    )
    measures = audit(dataset, bank, QUICK | {"inversion_steps": 600}, seed=1).measures
    found = {(m.measure, m.group): m.value for m in measures if m.attack == "cut-inversion-public"}
    for group in ("feature=I", "feature=II"):
        assert found["mae", group] < 0.95 * found["mae_median", group]
    assert {m.measure for m in measures if m.attack == "cut-fsha"} == {"explained", "rmse", "rmse_mean"}


def test_a_bank_of_two_replicates_of_few_people_is_attacked_without_a_fault():
    dataset = toy_dataset("mlp", patients=12, records=1)
    recipe = RECIPES["mlp"] | {"hidden": [16, 8], "batch_size": 4, "epochs": 2}
    bank = train(dataset, training_spec("split-ushaped-cut1", "mlp", recipe, SETTINGS["ushaped"]), Draw(range(2), 2, 1))
    measures = audit(dataset, bank, QUICK | {"known_labels": 1}, seed=1).measures
    assert all(np.isfinite(m.value) for m in measures if m.attack in ("cut-decoder", "cut-inversion", "cut-fsha"))


def test_the_deepest_cut_is_attacked_too():
    dataset, bank = toy_bank("vanilla", 3)
    assert audit(dataset, bank, QUICK, seed=1).measures


def test_examples_are_true_and_found_values_in_units_of_an_open_dataset_alone():
    dataset, bank = toy_bank()
    dataset = with_changes(dataset, x=dataset.x * 10, scale=dataset.scale * 10)
    settings = QUICK | {"inversion_steps": 300, "inversion_prior": 1e-4}
    table = audit(dataset, bank, settings, seed=1).tables["examples"]
    assert table.columns == EXAMPLE_COLUMNS == tuple(table.rows[0])
    assert len(table.rows) == (len(RECONSTRUCTIONS) - 1) * 6
    for row in table.rows:
        if row["attack"] == "cut-inversion":
            assert abs(row["found"] - row["true"]) < 1
    assert audit(with_changes(dataset, credentialed=True), bank, QUICK, seed=1).tables["examples"].rows == []
