"""Banks of trees: what they learn, finite logits, shards that join, and nothing of a test patient in any of them."""

import numpy as np
import pytest
from made_up_banks import digests, gathered, training_spec
from made_up_datasets import put_together, with_changes

from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.config.trees import BoostingRecipe, ForestRecipe
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.measures.roc import auc
from medpriv.seeds import generator
from medpriv.treatments import trees

RECIPES = {
    "forest": ForestRecipe(trees=20).model_dump(),
    "boosting": BoostingRecipe(rounds=20, min_leaf=5).model_dump(),
}


def toy_dataset(patients: int = 60, records: int = 4, classes: int = 2) -> Dataset:
    """Return records whose first feature carries their class, with noise; features of very different scale."""
    rng = generator(0, "toy", classes)
    y = rng.integers(classes, size=patients * records)
    x = rng.normal(size=(len(y), 6)).astype(np.float32)
    x[:, 0] += 2 * y
    x *= np.float32([1, 1000, 0.001, 1, 1, 1])
    return put_together(
        name="toy",
        x=x,
        y=y,
        patient=np.repeat(np.arange(patients, dtype=np.int32), records),
        site=np.zeros(len(y), np.int32),
        split=np.where(np.arange(patients) % 4 == 3, TEST, TRAIN).astype(np.uint8),
        centre=np.zeros(6, np.float32),
        scale=np.ones(6, np.float32),
        patients=tuple(f"p{index}" for index in range(patients)),
        sites=("here",),
        classes=tuple("abcd"[:classes]),
        features=tuple("uvwxyz"),
        units=("",) * 6,
        licence="none",
        source="simulated",
        digest="0" * 64,
    )


def train_bank(dataset: Dataset, model: str, replicates=range(6), total: int = 6, **changes) -> Bank:
    return trees.train(
        dataset, training_spec(f"baseline-{model}", model, RECIPES[model] | changes), Draw(replicates, total, 1)
    )


@pytest.mark.parametrize("model", RECIPES)
def test_shards_gather_to_the_same_bytes_as_one_job(model, tmp_path):
    dataset = toy_dataset()
    shards = [train_bank(dataset, model, [3, 4, 5]), train_bank(dataset, model, [0, 1, 2])]
    train_bank(dataset, model).save(tmp_path / "1")
    loaded = gathered(shards, tmp_path)
    assert digests(tmp_path / "whole") == digests(tmp_path / "1")
    assert loaded.weights is None and loaded.treatment == f"baseline-{model}" and loaded.audit_arrays["nodes"].min() > 0


@pytest.mark.parametrize("model", RECIPES)
def test_trees_learn_and_remember_their_members(model):
    dataset = toy_dataset()
    bank = train_bank(dataset, model)
    z = bank.logits[..., 1]
    test = dataset.rows(TEST)
    assert np.isfinite(bank.logits).all() and (bank.logits[..., 0] == 0).all()
    assert min(auc(one[test], dataset.y[test] == 1) for one in z) > 0.85
    right = np.where(dataset.y == 1, z, -z)
    inside = bank.record_members(dataset)
    outside = ~inside & dataset.rows(TRAIN)
    assert right[inside].mean() > right[outside].mean() + 0.3


@pytest.mark.parametrize("model", RECIPES)
def test_only_members_shape_a_replicate(model):
    dataset = toy_dataset()
    bank = train_bank(dataset, model, [2])
    foreign = ~bank.record_members(dataset)[0]
    changed = with_changes(dataset, y=np.where(foreign, 1 - dataset.y, dataset.y))
    assert np.array_equal(train_bank(changed, model, [2]).logits, bank.logits)
    own = with_changes(dataset, y=np.where(foreign, dataset.y, 1 - dataset.y))
    assert not np.array_equal(train_bank(own, model, [2]).logits, bank.logits)


@pytest.mark.parametrize("model", RECIPES)
def test_replicates_differ_and_the_seed_decides(model):
    dataset = toy_dataset()
    bank = train_bank(dataset, model)
    assert not np.array_equal(bank.logits[0], bank.logits[1])
    again = trees.train(dataset, training_spec(f"baseline-{model}", model, RECIPES[model]), Draw(range(6), 6, 2))
    assert not np.array_equal(again.logits, bank.logits)


@pytest.mark.parametrize("model", RECIPES)
def test_several_classes_and_one_that_a_replicate_never_saw(model):
    dataset = toy_dataset(classes=3)
    bank = train_bank(dataset, model)
    assert bank.logits.shape[-1] == 3
    assert (bank.logits.argmax(-1) == dataset.y)[:, dataset.rows(TEST)].mean() > 0.6
    rare = with_changes(dataset, classes=("a", "b", "c", "d"), y=np.where(np.arange(len(dataset.y)) == 0, 3, dataset.y))
    unseen = ~bank.members[:, 0]
    logits = train_bank(rare, model).logits[unseen]
    assert unseen.any() and np.isfinite(logits).all() and (logits.argmax(-1) != 3).all()
    assert np.exp(logits).sum(-1) == pytest.approx(1, abs=0.05)


def test_a_forest_of_one_tree_gives_laplace_shares_of_its_leaves():
    x, y = np.arange(8, dtype=np.float32)[:, None], np.array([0, 0, 0, 0, 1, 1, 1, 1])
    scores, nodes = trees.fit_forest(x, y, x, 2, {"trees": 1, "min_leaf": 1}, state=3)
    # A bootstrap of 8 draws, cut once between the classes: leaves of n_0 and 8 - n_0 draws, all of one class.
    shares = np.exp(scores)
    assert nodes == 3 and shares.sum(1) == pytest.approx(np.ones(8))
    n_0 = round(1 / shares[0, 1] - 2)
    assert shares[0] == pytest.approx([(n_0 + 1) / (n_0 + 2), 1 / (n_0 + 2)])
    assert shares[7] == pytest.approx([1 / (8 - n_0 + 2), (8 - n_0 + 1) / (8 - n_0 + 2)])


def test_boosting_scores_are_the_booster_s_own():
    from sklearn.ensemble import HistGradientBoostingClassifier

    dataset = toy_dataset()
    recipe = RECIPES["boosting"]
    scores, nodes = trees.fit_boosting(dataset.x, dataset.y, dataset.x, 2, recipe, state=0)
    peer = HistGradientBoostingClassifier(
        max_iter=20, max_leaf_nodes=15, min_samples_leaf=5, max_bins=64, early_stopping=False
    ).fit(dataset.x, dataset.y)
    assert scores[:, 1] - scores[:, 0] == pytest.approx(peer.decision_function(dataset.x), abs=1e-9)
    assert 20 <= nodes <= 20 * 29


def test_a_booster_with_one_class_gives_laplace_s_rule():
    scores, nodes = trees.fit_boosting(np.zeros((8, 1)), np.zeros(8, int), np.zeros((3, 1)), 2, {}, state=0)
    assert nodes == 0 and np.exp(scores) == pytest.approx(np.tile([9 / 10, 1 / 10], (3, 1)))


@pytest.mark.parametrize("model", RECIPES)
def test_costs_bound_the_nodes_grown(model):
    bank = train_bank(toy_dataset(), model)
    assert bank.audit_arrays["nodes"].max() <= bank.costs["parameters"] and bank.costs["updates"] == 20


def test_signals_are_refused():
    dataset = toy_dataset()
    one_lead = {"features": ("I",), "units": ("mV",), "centre": np.zeros((1, 1)), "scale": np.ones((1, 1))}
    signals = with_changes(dataset, x=dataset.x[:, None], **one_lead)
    with pytest.raises(InputError, match=r"baselines\.forest: for tables, and these are signals"):
        train_bank(signals, "forest")
